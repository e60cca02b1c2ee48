# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codec for a keystore format, by its name; every codec has `decode` and `encode`."""

from __future__ import annotations

from typing import Optional, Protocol

from .errors import FormatError, InputError
from .store import Store

FORMATS = ("jks", "pkcs12")


class Codec(Protocol):
    """What a keystore format's module offers."""

    def decode(self, data: bytes, passphrase: str, key_passphrase: Optional[str] = None) -> Store:
        """The entries of a store file."""

    def encode(self, store: Store, passphrase: str, key_passphrase: Optional[str] = None) -> bytes:
        """A store file with these entries."""


def codec(format: str) -> Codec:
    """The codec of a format: jks or pkcs12."""
    # Imported when asked for: most trips to a host need one or none of them, and compile what they import.
    if format == "jks":
        from . import jks

        return jks
    if format == "pkcs12":
        from . import pkcs12

        return pkcs12
    raise InputError("keystores are of format {0}, not {1!r}".format(" or ".join(FORMATS), format))


def detect(data: bytes) -> str:
    """The format that data seems to have, by its first bytes; jks also for its relatives, whose codec names them."""
    if data[:1] == b"\x30":
        return "pkcs12"
    if data[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce", b"\0\0\0\x01", b"\0\0\0\x02"):
        return "jks"
    raise FormatError("this is no keystore that is known: neither JKS nor PKCS#12")
