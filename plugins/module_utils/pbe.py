# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Password-based encryption as PKCS#12 stores use it.

PBES2 (RFC 8018 section 6.2) with PBKDF2 and AES or 3DES in CBC mode, and the older schemes of RFC 7292
appendix C with 3DES and, for reading only, RC2.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, List, Optional, Tuple

from . import der, rc2
from .derivation import PURPOSE_IV, PURPOSE_KEY, Budget, bmp_passphrases, encode_passphrase, pbkdf2, pkcs12_key
from .errors import FormatError, PassphraseError, UnsupportedError
from .imports import Cipher, TripleDES, UnsupportedAlgorithm, algorithms, modes

MODERN_ITERATIONS = 10_000
"""What Java 17 writes. OpenSSL's 2048 is less; more would be paid for on every drift check of every store, while a
store's passphrase stands in the same host's configuration anyway."""

COMPATIBLE_ITERATIONS = 2_048
"""OpenSSL's number. The profile exists for old consumers; its cipher gains little from more."""

PBKDF2_OID = "1.2.840.113549.1.5.12"

_PBES2_OID = "1.2.840.113549.1.5.13"
_SCRYPT_OID = "1.3.6.1.4.1.11591.4.11"
_SHA1_3DES_OID = "1.2.840.113549.1.12.1.3"
_HMAC_SHA256_OID = "1.2.840.113549.2.9"
_AES_256_OID = "2.16.840.1.101.3.4.1.42"

_DEFAULT_PRF_OID = "1.2.840.113549.2.7"

HMAC_DIGESTS = {
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    _HMAC_SHA256_OID: "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
    "1.2.840.113549.2.12": "sha512_224",
    "1.2.840.113549.2.13": "sha512_256",
}
"""Names of hashlib's digests by the identifiers of HMAC with them (RFC 8018 appendix B.1)."""

_PBES2_CIPHERS = {
    "2.16.840.1.101.3.4.1.2": ("aes", 16),
    "2.16.840.1.101.3.4.1.22": ("aes", 24),
    _AES_256_OID: ("aes", 32),
    "1.2.840.113549.3.7": ("3des", 24),
}
_MAX_RC2 = 1024 * 1024  # some seconds of work for our own implementation
_PKCS12_CIPHERS = {
    _SHA1_3DES_OID: ("3des", 24),
    "1.2.840.113549.1.12.1.4": ("3des", 16),
    "1.2.840.113549.1.12.1.5": ("rc2", 16),
    "1.2.840.113549.1.12.1.6": ("rc2", 5),
}


@dataclass(frozen=True)
class Scheme:
    """What an AlgorithmIdentifier says: a cipher with its key size in bytes, and how the key comes about.

    `iv` is None where it is derived like the key, which is how the PKCS#12 schemes do it.
    """

    cipher: str
    key_size: int
    digest: str
    iterations: int
    salt: bytes = field(repr=False)
    iv: Optional[bytes] = field(repr=False, default=None)

    @property
    def profile(self) -> str:
        """The encryption profile this scheme belongs to: modern, compatible or other."""
        if self.iterations < 1_024:  # RFC 7292 section 6 and old Java; fewer is worth writing anew
            return "other"
        if self.iv is not None:
            return "modern" if (self.cipher, self.key_size, self.digest) == ("aes", 32, "sha256") else "other"
        return "compatible" if (self.cipher, self.key_size) == ("3des", 24) else "other"


def parse(algorithm: der.Element) -> Scheme:
    """Read an AlgorithmIdentifier; UnsupportedError for a scheme that is not handled, with its identifier."""
    where = "PKCS#12 encryption"
    fields = der.Fields(algorithm, where)
    identifier = der.to_oid(fields.any(), where)
    if identifier == _PBES2_OID:
        return _parse_pbes2(der.Fields(fields.any(), where))
    if identifier not in _PKCS12_CIPHERS:
        raise _unsupported("encryption", identifier)
    cipher, size = _PKCS12_CIPHERS[identifier]
    parameters = der.Fields(fields.any(), where)
    salt = der.to_octets(parameters.any(), where)
    return Scheme(cipher, size, "sha1", der.to_integer(parameters.any(), where), salt)


def decrypt(scheme: Scheme, ciphertext: bytes, passphrase: str, budget: Budget) -> bytes:
    """The plaintext; PassphraseError when its padding shows that the passphrase is not the right one."""
    block = _block_size(scheme)
    if not ciphertext or len(ciphertext) % block:
        raise FormatError("the PKCS#12 store holds encrypted data that is not made of whole blocks")
    for key, initial in _keys(scheme, passphrase, budget):
        plain = _unpadded(_decrypt_blocks(scheme, key, initial, ciphertext), block)
        if plain is not None:
            return plain
    raise PassphraseError("the passphrase does not open what the PKCS#12 store holds")


def encrypt(profile: str, plaintext: bytes, passphrase: str) -> Tuple[bytes, bytes]:
    """Encrypt with the `modern` or the `compatible` scheme: the encoded AlgorithmIdentifier and the ciphertext."""
    if profile == "modern":
        scheme = Scheme("aes", 32, "sha256", MODERN_ITERATIONS, os.urandom(16), os.urandom(16))
        algorithm = _encode_pbes2(scheme)
    else:
        scheme = Scheme("3des", 24, "sha1", COMPATIBLE_ITERATIONS, os.urandom(8))
        parameters = der.sequence(der.octet_string(scheme.salt), der.integer(scheme.iterations))
        algorithm = der.sequence(der.oid(_SHA1_3DES_OID), parameters)
    block = _block_size(scheme)
    padding = block - len(plaintext) % block
    key, initial = _keys(scheme, passphrase, Budget())[0]
    encryptor = _context(scheme, key, initial, encrypting=True)
    return algorithm, encryptor.update(plaintext + bytes((padding,)) * padding) + encryptor.finalize()


def parse_pbkdf2(derivation: der.Element) -> Tuple[str, bytes, int, Optional[int]]:
    """Read a PBKDF2 AlgorithmIdentifier: digest, salt, iterations, key length in bytes if given."""
    where = "PKCS#12 key derivation"
    fields = der.Fields(derivation, where)
    identifier = der.to_oid(fields.any(), where)
    if identifier == _SCRYPT_OID:
        raise UnsupportedError("the PKCS#12 store derives keys with scrypt, which is not handled; write it with PBKDF2")
    if identifier != PBKDF2_OID:
        raise _unsupported("key derivation", identifier)
    parameters = der.Fields(fields.any(), where)
    salt = der.to_octets(parameters.any(), where)
    iterations = der.to_integer(parameters.any(), where)
    length = parameters.optional(der.INTEGER)
    function = parameters.optional(der.SEQUENCE)
    parameters.end()
    prf = _DEFAULT_PRF_OID if function is None else der.to_oid(der.Fields(function, where).any(), where)
    if prf not in HMAC_DIGESTS:
        raise _unsupported("pseudo-random function", prf)
    return HMAC_DIGESTS[prf], salt, iterations, None if length is None else der.to_integer(length, where)


def _parse_pbes2(fields: der.Fields) -> Scheme:
    where = "PKCS#12 PBES2 parameters"
    digest, salt, iterations, length = parse_pbkdf2(fields.any())
    cipher = der.Fields(fields.any(), where)
    fields.end()
    identifier = der.to_oid(cipher.any(), where)
    if identifier not in _PBES2_CIPHERS:
        raise _unsupported("cipher", identifier)
    name, size = _PBES2_CIPHERS[identifier]
    if length not in (None, size):
        raise FormatError("{0}: a key of {1} bytes for a cipher that takes {2}".format(where, length, size))
    scheme = Scheme(name, size, digest, iterations, salt, der.to_octets(cipher.any(), where))
    if len(scheme.iv or b"") != _block_size(scheme):
        raise FormatError("{0}: an initialisation vector of the wrong size".format(where))
    return scheme


def _encode_pbes2(scheme: Scheme) -> bytes:
    """PBES2-params; the key length is left out and the PRF has NULL parameters, as OpenSSL and Java write it."""
    prf = der.sequence(der.oid(_HMAC_SHA256_OID), der.null())
    parameters = der.sequence(der.octet_string(scheme.salt), der.integer(scheme.iterations), prf)
    derivation = der.sequence(der.oid(PBKDF2_OID), parameters)
    cipher = der.sequence(der.oid(_AES_256_OID), der.octet_string(scheme.iv or b""))
    return der.sequence(der.oid(_PBES2_OID), der.sequence(derivation, cipher))


def _keys(scheme: Scheme, passphrase: str, budget: Budget) -> List[Tuple[bytes, bytes]]:
    """Key and initialisation vector for every form that the passphrase may have been given in."""
    if scheme.iv is not None:
        secret = encode_passphrase(passphrase, "utf-8")
        key = pbkdf2(scheme.digest, secret, scheme.salt, scheme.iterations, scheme.key_size, budget)
        return [(key, scheme.iv)]
    block = _block_size(scheme)
    return [
        (
            pkcs12_key("sha1", secret, scheme.salt, PURPOSE_KEY, scheme.iterations, scheme.key_size, budget),
            pkcs12_key("sha1", secret, scheme.salt, PURPOSE_IV, scheme.iterations, block, budget),
        )
        for secret in bmp_passphrases(passphrase)
    ]


def _decrypt_blocks(scheme: Scheme, key: bytes, initial: bytes, ciphertext: bytes) -> bytes:
    if scheme.cipher == "rc2":
        if len(ciphertext) > _MAX_RC2:
            raise UnsupportedError("the PKCS#12 store holds too much under RC2, an outdated cipher; write it anew")
        return rc2.decrypt_cbc(key, 8 * len(key), initial, ciphertext)
    decryptor = _context(scheme, key, initial, encrypting=False)
    plain: bytes = decryptor.update(ciphertext) + decryptor.finalize()
    return plain


def _context(scheme: Scheme, key: bytes, initial: bytes, encrypting: bool) -> Any:
    """The library's cipher context; UnsupportedError where the library refuses the cipher, as in FIPS mode."""
    try:
        # 2-key 3DES is 3DES whose third key is the first; recent libraries take all three only.
        algorithm = algorithms.AES(key) if scheme.cipher == "aes" else TripleDES((key + key[:8])[:24])
        cipher = Cipher(algorithm, modes.CBC(initial))
        return cipher.encryptor() if encrypting else cipher.decryptor()
    except UnsupportedAlgorithm:
        raise UnsupportedError(
            "this host's cryptographic library refuses the cipher {0}".format(scheme.cipher.upper())
        ) from None


def _unpadded(plain: bytes, block: int) -> Optional[bytes]:
    """The data without its padding (RFC 8018 section 6.1.1 step 4), or None where that is not padding."""
    count = plain[-1]
    if not 1 <= count <= block or plain[-count:] != bytes((count,)) * count:
        return None
    return plain[:-count]


def _block_size(scheme: Scheme) -> int:
    return 16 if scheme.cipher == "aes" else 8


def _unsupported(what: str, identifier: str) -> UnsupportedError:
    return UnsupportedError("the PKCS#12 store uses the {0} {1}, which is not handled".format(what, identifier))
