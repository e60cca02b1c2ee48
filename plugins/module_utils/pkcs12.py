# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS#12 keystores (RFC 7292): read what is in use, write what current and old consumers open.

Profiles: "modern" is PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA256, integrity by HMAC-SHA256; "compatible" is
PBE-SHA1-3DES with HMAC-SHA1, for what is older than Java 8u301 and OpenSSL 1.1. Everything else reads as "other".
"""

from __future__ import annotations

from typing import Optional

from . import pkcs12_entries, pkcs12_read, pkcs12_write
from .errors import FormatError, InputError, UnsupportedError
from .store import Store, check_aliases

PROFILES = ("modern", "compatible")


def decode(data: bytes, passphrase: str, key_passphrase: Optional[str] = None) -> Store:
    """The entries of a PKCS#12 file; its keys open with `key_passphrase` where given, else with `passphrase`.

    Entries are what Java would see: keys with their chains, certificates that Java trusts. Certificates that belong
    to neither are listed with `visible_to_java` False. Raises PassphraseError, FormatError, UnsupportedError.
    """
    if data[:1] != b"\x30":
        if data[:4] in (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce"):
            raise UnsupportedError("this is a JKS or JCEKS store under the name of a PKCS#12 one; say format jks")
        raise FormatError("this is not a PKCS#12 store")
    contents = pkcs12_read.read(data, passphrase, passphrase if key_passphrase is None else key_passphrase)
    return Store(pkcs12_entries.entries(contents), contents.encryption)


def encode(store: Store, passphrase: str, key_passphrase: Optional[str] = None) -> bytes:
    """A PKCS#12 file in the profile that `store.encryption` names; aliases keep their case.

    InputError for a key passphrase of its own, an unknown profile, or aliases that are the same to Java.
    """
    if key_passphrase is not None and key_passphrase != passphrase:
        raise InputError(
            "a PKCS#12 store has one passphrase for everything: keytool, OpenSSL and most servers cannot open a key "
            "under another one; leave key_passphrase out, or use format jks"
        )
    if store.encryption not in PROFILES:
        raise InputError("PKCS#12 stores are written {0}, not {1!r}".format(" or ".join(PROFILES), store.encryption))
    check_aliases(store.entries)
    return pkcs12_write.write(store, passphrase)


def opens_in_every_java(passphrase: str) -> bool:
    """Whether Java opens a PKCS#12 store with this passphrase whatever its release.

    Up to Java 17 at least, its ciphers refuse passphrases with anything but printable ASCII; Java 25 takes them for
    the modern profile only. OpenSSL opens both.
    """
    return all(" " <= character <= "~" for character in passphrase)
