# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java keystores, format JKS: read and write, as sun.security.provider.JavaKeyStore does.

The format has no public specification. A header (magic, version 1 or 2, count) is followed by the entries and by
SHA-1 over the passphrase in UTF-16BE, the words "Mighty Aphrodite" and everything before. Private keys stand in an
EncryptedPrivateKeyInfo of Sun's own scheme: a key stream of chained SHA-1 digests, and a digest of the plain key.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from typing import Iterator, Optional

from . import der, modified_utf8
from .derivation import encode_passphrase
from .errors import FormatError, InputError, PassphraseError, UnsupportedError
from .store import SIZE_LIMIT, Entry, KeyEntry, Store, TrustedEntry, check_aliases, folded

_MAGIC = 0xFEEDFEED
_JCEKS_MAGIC = 0xCECECECE
_KEY, _TRUSTED = 1, 2
_DIGEST_SIZE = 20
_WHITENER = b"Mighty Aphrodite"
_KEY_PROTECTOR_OID = "1.3.6.1.4.1.42.2.17.1.1"
_CERTIFICATE_TYPE = "X.509"
_MAX_CREATED = 1 << 63


def decode(data: bytes, passphrase: str, key_passphrase: Optional[str] = None) -> Store:
    """The entries of a JKS file; keys open with `key_passphrase` where given, else with `passphrase`.

    Raises PassphraseError, FormatError, or UnsupportedError for JCEKS, BKS, UBER and PKCS#12 files.
    """
    _check_kind(data)
    body, digest = data[:-_DIGEST_SIZE], data[-_DIGEST_SIZE:]
    secret = encode_passphrase(passphrase, "utf-16-be")
    if not hmac.compare_digest(_digest(secret, body), digest):
        _check_outline(body)
        raise PassphraseError("the JKS store does not open: the passphrase is wrong, or the file was altered")
    key_secret = secret if key_passphrase is None else encode_passphrase(key_passphrase, "utf-16-be")
    reader = _Reader(body)
    reader.number(4)
    version, count = reader.number(4), reader.number(4)
    if version not in (1, 2):
        raise UnsupportedError("the JKS store is of version {0}; 1 and 2 are known".format(version))
    entries = tuple(_read_entry(reader, version, key_secret) for _index in range(reader.count(count)))
    reader.end()
    return Store(entries, "jks")


def encode(store: Store, passphrase: str, key_passphrase: Optional[str] = None) -> bytes:
    """A JKS file (version 2). Aliases become lower-case, because Java finds no others.

    InputError for aliases that are empty, too long, or the same to Java. `store.encryption` is ignored: JKS has
    only one.
    """
    check_aliases(
        TrustedEntry(entry.alias, entry.certificate) if isinstance(entry, TrustedEntry) else entry
        for entry in store.entries
    )
    secret = encode_passphrase(passphrase, "utf-16-be")
    key_secret = secret if key_passphrase is None else encode_passphrase(key_passphrase, "utf-16-be")
    body = struct.pack(">III", _MAGIC, 2, len(store.entries))
    body += b"".join(_encode_entry(entry, key_secret) for entry in store.entries)
    return body + _digest(secret, body)


def _check_outline(body: bytes) -> None:
    """FormatError where no passphrase would help: the file ends early, or is no store at all."""
    reader = _Reader(body)
    reader.number(4)
    version, count = reader.number(4), reader.number(4)
    for _entry in range(reader.count(count)):
        kind = reader.number(4)
        reader.text()
        reader.number(8)
        if kind == _KEY:
            reader.block()
        for _certificate in range(reader.count(reader.number(4)) if kind == _KEY else 1):
            _read_certificate(reader, version)
    reader.end()


class _Reader:
    """Takes values off the front of the data; FormatError where it is too short."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def take(self, length: int) -> bytes:
        end = self._offset + length
        if end > len(self._data):
            raise FormatError("the JKS store ends in the middle of an entry")
        self._offset, start = end, self._offset
        return self._data[start:end]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def count(self, claimed: int) -> int:
        """A number of things to come, each of which takes at least four bytes."""
        if claimed > (len(self._data) - self._offset) // 4:
            raise FormatError("the JKS store claims {0} items, more than it has room for".format(claimed))
        return claimed

    def text(self) -> str:
        return modified_utf8.decode(self.take(self.number(2)))

    def block(self) -> bytes:
        return self.take(self.number(4))

    def end(self) -> None:
        if self._offset != len(self._data):
            raise FormatError("the JKS store has data after its last entry")


def _check_kind(data: bytes) -> None:
    magic = int.from_bytes(data[:4], "big")
    if magic == _JCEKS_MAGIC:
        raise UnsupportedError(
            "this is a JCEKS store, which is not handled; convert it with "
            "'keytool -importkeystore -deststoretype pkcs12'"
        )
    if data[:1] == b"\x30":
        raise UnsupportedError("this is a PKCS#12 store under the name of a JKS one; say format pkcs12")
    if magic in (1, 2):
        raise UnsupportedError(
            "this looks like a Bouncy Castle store (BKS or UBER), which is not handled; convert it with keytool"
        )
    if magic != _MAGIC:
        raise FormatError("this is not a JKS store: it begins with none of the known marks")
    if not 12 + _DIGEST_SIZE <= len(data) <= SIZE_LIMIT:
        raise FormatError("a JKS store of {0} bytes cannot be read".format(len(data)))


def _read_entry(reader: _Reader, version: int, secret: bytes) -> Entry:
    kind = reader.number(4)
    alias = reader.text()
    # Java writes a signed long; times before 1970 mean nothing here.
    created = reader.number(8) % _MAX_CREATED
    if kind == _TRUSTED:
        return TrustedEntry(alias, _read_certificate(reader, version), created)
    if kind != _KEY:
        raise UnsupportedError("the JKS store's entry {0!r} is of the unknown type {1}".format(alias, kind))
    protected = reader.block()
    chain = tuple(_read_certificate(reader, version) for _index in range(reader.count(reader.number(4))))
    return KeyEntry(alias, _open_key(protected, secret, alias), chain, created)


def _read_certificate(reader: _Reader, version: int) -> bytes:
    kind = reader.text() if version == 2 else _CERTIFICATE_TYPE
    if kind not in (_CERTIFICATE_TYPE, "X509"):
        raise UnsupportedError("the JKS store holds a certificate of type {0!r}; only X.509 is handled".format(kind))
    return reader.block()


def _open_key(protected: bytes, secret: bytes, alias: str) -> bytes:
    """Undo Sun's key protector: 20 bytes of salt, the key under the stream, SHA-1 of passphrase and key."""
    where = "the key of the JKS entry {0!r}".format(alias)
    fields = der.Fields(der.read(protected, where), where)
    algorithm = der.Fields(fields.any(), where)
    identifier = der.to_oid(algorithm.any(), where)
    if identifier != _KEY_PROTECTOR_OID:
        raise UnsupportedError("{0} is protected by {1}, which is not handled".format(where, identifier))
    content = der.to_octets(fields.any(), where)
    if len(content) < 2 * _DIGEST_SIZE:
        raise FormatError("{0} is too short".format(where))
    salt, hidden, check = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:-_DIGEST_SIZE], content[-_DIGEST_SIZE:]
    plain = _stream(hidden, salt, secret)
    if not hmac.compare_digest(_sha1(secret + plain), check):
        raise PassphraseError("the JKS store opens, but {0} does not: its key passphrase is another one".format(where))
    return plain


def _encode_entry(entry: Entry, secret: bytes) -> bytes:
    alias = _text(folded(entry.alias), "alias")
    if not 0 <= entry.created < _MAX_CREATED:
        raise InputError("the entry {0!r} has an impossible creation time".format(entry.alias))
    created = struct.pack(">Q", entry.created)
    if isinstance(entry, TrustedEntry):
        return struct.pack(">I", _TRUSTED) + alias + created + _encode_certificate(entry.certificate)
    key = _block(_protect_key(entry.private_key, secret))
    chain = b"".join(_encode_certificate(certificate) for certificate in entry.chain)
    return struct.pack(">I", _KEY) + alias + created + key + struct.pack(">I", len(entry.chain)) + chain


def _encode_certificate(certificate: bytes) -> bytes:
    return _text(_CERTIFICATE_TYPE, "certificate type") + _block(certificate)


def _protect_key(plain: bytes, secret: bytes) -> bytes:
    salt = os.urandom(_DIGEST_SIZE)
    content = salt + _stream(plain, salt, secret) + _sha1(secret + plain)
    return der.sequence(der.sequence(der.oid(_KEY_PROTECTOR_OID), der.null()), der.octet_string(content))


def _stream(data: bytes, salt: bytes, secret: bytes) -> bytes:
    """Combine data with the key stream, which both protects and opens."""
    stream = b"".join(_key_stream(salt, secret, -(-len(data) // _DIGEST_SIZE)))[: len(data)]
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")


def _key_stream(salt: bytes, secret: bytes, blocks: int) -> Iterator[bytes]:
    previous = salt
    for _block in range(blocks):
        previous = _sha1(secret + previous)
        yield previous


def _block(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _text(text: str, what: str) -> bytes:
    encoded = modified_utf8.encode(text)
    if len(encoded) > 0xFFFF:
        raise InputError("a keystore {0} of {1} bytes is too long for JKS".format(what, len(encoded)))
    return struct.pack(">H", len(encoded)) + encoded


def _digest(secret: bytes, body: bytes) -> bytes:
    return _sha1(secret + _WHITENER + body)


def _sha1(data: bytes) -> bytes:
    # The format knows no other digest; a FIPS build would refuse it for anything that counts as security.
    return hashlib.sha1(data, usedforsecurity=False).digest()
