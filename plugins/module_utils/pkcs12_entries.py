# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS#12 from bags to entries: which certificate belongs to which key, and what is merely trusted.

The format only lists keys and certificates. Java, OpenSSL and everybody else find a key's certificate by a shared
localKeyId, and the certificates above it by the issuer's name. That is ambiguous as soon as several entries share
a store: a CA renewed under its old name, or one entry's root completing another's chain. So the localKeyId that we
write is a digest over the chain that follows, and a chain that fits it is taken as it was written.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Set, Tuple

from . import der
from .certificate import from_der
from .chain import is_signed_by
from .errors import Error
from .imports import serialization
from .pkcs12_read import CertificateBag, Contents, KeyBag
from .private_key import from_pkcs8
from .store import Entry, KeyEntry, TrustedEntry, folded

_MAX_CHAIN = 20
_MAX_CANDIDATES = 16  # certificates of one name whose signatures are tried; a CA has a handful
_IDENTIFIER_SIZE = 20  # what OpenSSL writes too (a SHA-1)


def chain_identifier(chain: Sequence[bytes]) -> bytes:
    """The localKeyId of an entry with this chain: opaque to others, and to us proof of where the chain ends."""
    digest = hashlib.sha256(b"mutual.tls chain")
    for certificate in chain:
        digest.update(hashlib.sha256(certificate).digest())
    return digest.digest()[:_IDENTIFIER_SIZE]


def entries(contents: Contents) -> Tuple[Entry, ...]:
    """Key entries in the order of their keys, then the certificates that belong to no chain."""
    pool = _Pool(contents.certificates)
    aliases = _Aliases(contents)
    found: List[Entry] = []
    chained: Set[bytes] = set()
    for key in contents.keys:
        chain = pool.chain(key)
        chained.update(chain)
        found.append(KeyEntry(aliases.of(key.friendly_name), key.private_key, chain))
    for bag in contents.certificates:
        if bag.trusted:
            found.append(TrustedEntry(aliases.of(bag.friendly_name), bag.certificate))
        elif bag.certificate not in chained:
            found.append(TrustedEntry(bag.friendly_name or "", bag.certificate, visible_to_java=False))
    return tuple(found)


class _Aliases:
    """Names for entries that have none: counted from 1, as Java does."""

    def __init__(self, contents: Contents) -> None:
        bags: List[Optional[str]] = [bag.friendly_name for bag in contents.keys]
        bags += [bag.friendly_name for bag in contents.certificates]
        self._taken = {folded(name) for name in bags if name}
        self._counter = 0

    def of(self, name: Optional[str]) -> str:
        if name:
            return name
        self._counter += 1
        while str(self._counter) in self._taken:
            self._counter += 1
        return str(self._counter)


@dataclass(frozen=True)
class _Certificate:
    """A certificate of the pool, its place in it, and the encoded fields that relate it to others."""

    position: int
    der: bytes = field(repr=False)
    issuer: bytes = field(repr=False)
    subject: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    local_key_id: Optional[bytes]


class _Pool:
    """The certificates that chains can be made of: all but those that are only trusted."""

    def __init__(self, bags: Sequence[CertificateBag]) -> None:
        self._certificates = [_parsed(place, bag) for place, bag in enumerate(b for b in bags if not b.trusted)]
        self._by_subject: Dict[bytes, List[_Certificate]] = {}
        self._by_local_key_id: Dict[Optional[bytes], _Certificate] = {}
        self._by_public_key: Dict[bytes, _Certificate] = {}
        for certificate in self._certificates:
            self._by_subject.setdefault(certificate.subject, []).append(certificate)
            self._by_local_key_id.setdefault(certificate.local_key_id, certificate)
            self._by_public_key.setdefault(certificate.public_key, certificate)

    def chain(self, key: KeyBag) -> Tuple[bytes, ...]:
        """The key's certificate and those above it; empty where the store has none for the key."""
        leaf = self._leaf(key)
        if leaf is None:
            return ()
        return self._as_written(leaf) or tuple(certificate.der for certificate in self._walk(leaf))

    def _leaf(self, key: KeyBag) -> Optional[_Certificate]:
        """By localKeyId, or where the key has none, by the public key."""
        if key.local_key_id is not None and key.local_key_id in self._by_local_key_id:
            return self._by_local_key_id[key.local_key_id]
        public_key = _public_key(key.private_key)
        return None if public_key is None else self._by_public_key.get(public_key)

    def _as_written(self, leaf: _Certificate) -> Tuple[bytes, ...]:
        """The certificates from the leaf on that its localKeyId is the digest of; empty in others' stores."""
        following = self._certificates[leaf.position : leaf.position + _MAX_CHAIN]
        for count in range(1, len(following) + 1):
            chain = tuple(certificate.der for certificate in following[:count])
            if chain_identifier(chain) == leaf.local_key_id:
                return chain
        return ()

    def _walk(self, leaf: _Certificate) -> List[_Certificate]:
        """Up from the leaf by names, to a self-issued certificate or as far as it goes."""
        walked = [leaf]
        while len(walked) < _MAX_CHAIN and walked[-1].issuer != walked[-1].subject:
            issuer = self._issuer(walked[-1], {certificate.der for certificate in walked})
            if issuer is None:
                break
            walked.append(issuer)
        return walked

    def _issuer(self, certificate: _Certificate, seen: Set[bytes]) -> Optional[_Certificate]:
        # Writers put a chain behind its leaf, so the next one that fits is meant rather than an earlier one.
        size = len(self._certificates)
        candidates = sorted(
            (found for found in self._by_subject.get(certificate.issuer, []) if found.der not in seen),
            key=lambda found: (found.position - certificate.position) % size,
        )[:_MAX_CANDIDATES]
        if len({candidate.der for candidate in candidates}) > 1:
            candidates = [found for found in candidates if _signed(certificate, found)] or candidates
        return candidates[0] if candidates else None


def _parsed(position: int, bag: CertificateBag) -> _Certificate:
    """Read the few fields of a TBSCertificate that relate certificates (RFC 5280 section 4.1)."""
    where = "a certificate in the PKCS#12 store"
    signed = der.Fields(der.read(bag.certificate, where), where)
    fields = der.Fields(signed.take(der.SEQUENCE), where)
    fields.optional(der.context(0))
    fields.take(der.INTEGER)
    fields.take(der.SEQUENCE)
    issuer = fields.take(der.SEQUENCE).content
    fields.take(der.SEQUENCE)
    subject = fields.take(der.SEQUENCE).content
    public_key = fields.take(der.SEQUENCE).content
    return _Certificate(position, bag.certificate, issuer, subject, public_key, bag.local_key_id)


def _public_key(private_key: bytes) -> Optional[bytes]:
    """The content of the key's SubjectPublicKeyInfo, or None for a key of a kind that is not handled."""
    try:
        public_key = from_pkcs8(private_key).public_key()
    except Error:
        return None
    encoded = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der.read(encoded, "the public key").content


def _signed(certificate: _Certificate, issuer: _Certificate) -> bool:
    try:
        return is_signed_by(from_der(certificate.der), from_der(issuer.der))
    except Error:
        return False
