# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client's key and certificates, from whichever file holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Optional, Tuple

from .. import certificate, private_key
from ..errors import HandshakeError, InputError
from ..imports import x509
from ..store import KeyEntry, Store
from .codes import Cause
from .text import one_line


@dataclass(frozen=True)
class Identity:
    """What a client proves itself with.

    `chain` holds CA certificates in the order in which the client sends them, a self-signed root left out as
    TLS clients do; `where` names the file for messages; `notes` tells what other clients would stumble over.
    """

    key: Any = field(repr=False)
    leaf: x509.Certificate
    chain: Tuple[x509.Certificate, ...]
    where: str
    notes: Tuple[Cause, ...] = ()

    def to_pem(self) -> bytes:
        """Return key, leaf and chain as one PEM text, unencrypted: for memory only."""
        return private_key.dump(self.key, "pkcs8", None) + certificate.to_pem([self.leaf, *self.chain])


def from_pem(key_pem: bytes, passphrase: Optional[str], certificates_pem: bytes, where: str) -> Identity:
    """Make an identity of a key file and a certificate file (leaf and chain).

    FormatError: no key or no certificate in it; PassphraseError; HandshakeError (key_mismatch).
    """
    loaded = private_key.load(key_pem, passphrase)
    certificates = certificate.load_all(certificates_pem, where)
    wanted = private_key.public_fingerprint(loaded.key.public_key())
    positions = [index for index, cert in enumerate(certificates) if certificate.public_fingerprint(cert) == wanted]
    if not positions:
        raise _mismatch(wanted, certificates[0], where)
    notes: List[Cause] = []
    if positions[0] != 0:
        notes.append(
            Cause(
                "certificate_not_first",
                "in {0} the client's certificate is number {1}; curl, Python, nginx and others want it first".format(
                    where, positions[0] + 1
                ),
            )
        )
    leaf = certificates[positions[0]]
    return Identity(loaded.key, leaf, _sendable(leaf, certificates), where, tuple(notes))


def from_store(store: Store, friendly_name: Optional[str], where: str) -> Identity:
    """Make an identity of a store's key entry: the named one, or the only one.

    InputError when there is no such entry, none at all, or several to choose from; HandshakeError (key_mismatch).
    """
    entries = [entry for entry in store.entries if isinstance(entry, KeyEntry)]
    entry = _choose(entries, friendly_name, where)
    key = private_key.from_pkcs8(entry.private_key)
    certificates = [certificate.from_der(der) for der in entry.chain]
    if not certificates:
        raise InputError("{0}: the entry {1} has a key, but no certificate".format(where, one_line(entry.alias)))
    wanted = private_key.public_fingerprint(key.public_key())
    if certificate.public_fingerprint(certificates[0]) != wanted:
        raise _mismatch(wanted, certificates[0], "{0}, entry {1}".format(where, one_line(entry.alias)))
    return Identity(key, certificates[0], _sendable(certificates[0], certificates), where)


def _choose(entries: List[KeyEntry], friendly_name: Optional[str], where: str) -> KeyEntry:
    aliases = ", ".join(one_line(entry.alias) or "(no name)" for entry in entries)
    if not entries:
        raise InputError("{0} holds no private key: it is a truststore".format(where))
    if friendly_name is None:
        if len(entries) > 1:
            raise InputError("{0} holds several private keys; name one in friendly_name: {1}".format(where, aliases))
        return entries[0]
    for entry in entries:
        if entry.alias.lower() == friendly_name.lower():
            return entry
    raise InputError("{0} holds no private key named {1}; it has: {2}".format(where, one_line(friendly_name), aliases))


def _sendable(leaf: x509.Certificate, certificates: List[x509.Certificate]) -> Tuple[x509.Certificate, ...]:
    return tuple(cert for cert in certificates if cert != leaf and not certificate.is_self_issued(cert))


def _mismatch(wanted: str, found: x509.Certificate, where: str) -> HandshakeError:
    return HandshakeError(
        "key_mismatch",
        "{0}: the private key (public key SHA-256 {1}\u2026) is not the one of the certificate "
        "(public key SHA-256 {2}\u2026)".format(where, wanted[:16], certificate.public_fingerprint(found)[:16]),
    )
