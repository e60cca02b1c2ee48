# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which CAs a client trusts: from a PEM file, a store, or the system."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from typing import List, Tuple

from .. import certificate, source, system_bundle
from ..errors import DiskError, HandshakeError
from ..imports import x509
from ..store import Store, TrustedEntry
from .codes import Cause


@dataclass(frozen=True)
class Trust:
    """Trusted certificates; `where` names their source for messages."""

    certificates: Tuple[x509.Certificate, ...]
    where: str
    notes: Tuple[Cause, ...] = ()


def from_pem(data: bytes, where: str) -> Trust:
    """Trust every certificate of a bundle (PEM, DER or PKCS#7); FormatError when it holds none."""
    return Trust(tuple(certificate.load_all(data, where)), where)


def from_store(store: Store, where: str) -> Trust:
    """Trust a store's trusted certificate entries; HandshakeError (truststore_empty) when it has none."""
    entries = [entry for entry in store.entries if isinstance(entry, TrustedEntry)]
    if not entries:
        raise HandshakeError(
            "truststore_empty",
            "{0} holds no trusted certificate{1}".format(
                where, ": its entries are private keys" if store.entries else ""
            ),
        )
    notes: List[Cause] = []
    if not all(entry.visible_to_java for entry in entries):
        notes.append(
            Cause(
                "invisible_to_java",
                "{0} has certificates without Java's trusted-key-usage attribute: Java does not see them".format(where),
            )
        )
    return Trust(tuple(certificate.from_der(entry.certificate) for entry in entries), where, tuple(notes))


def from_system() -> Trust:
    """Trust what this host's operating system trusts; HandshakeError (truststore_empty) when it has no bundle."""
    # A Python built by hand may know none of the usual places.
    configured = ssl.get_default_verify_paths().cafile
    for path in ([configured] if configured else []) + list(system_bundle.PATHS):
        if os.path.isfile(path):
            try:
                return from_pem(source.read(path, "truststore"), "the system's truststore " + path)
            except DiskError:
                continue
    raise HandshakeError(
        "truststore_empty", "this host has no bundle of trusted CAs; install ca-certificates or give a truststore"
    )
