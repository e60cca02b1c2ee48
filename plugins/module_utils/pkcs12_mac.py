# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The integrity check of PKCS#12 stores.

HMAC under a key that the PKCS#12 derivation makes (RFC 7292 section 4 and appendix B); PBMAC1 (RFC 9579), for reading.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import List

from . import der, pbe
from .derivation import PURPOSE_MAC, Budget, bmp_passphrases, encode_passphrase, pbkdf2, pkcs12_key
from .errors import FormatError, PassphraseError, UnsupportedError

_PBMAC1_OID = "1.2.840.113549.1.5.14"
_SHA1_OID = "1.3.14.3.2.26"
_SHA256_OID = "2.16.840.1.101.3.4.2.1"
_DIGESTS = {
    _SHA1_OID: "sha1",
    _SHA256_OID: "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.4": "sha224",
}
_WHERE = "PKCS#12 integrity check"


@dataclass(frozen=True)
class Mac:
    """How a store is protected: the digest's name, the iterations, and whether it is PBMAC1."""

    digest: str
    iterations: int
    pbmac1: bool = False

    @property
    def profile(self) -> str:
        """The encryption profile that this protection belongs to: modern, compatible or other."""
        if self.pbmac1 or self.iterations < 1_024:
            return "other"
        return {"sha256": "modern", "sha1": "compatible"}.get(self.digest, "other")


def verify(mac_data: der.Element, content: bytes, passphrase: str, budget: Budget) -> Mac:
    """Check a MacData over the content; PassphraseError when it does not fit the passphrase."""
    fields = der.Fields(mac_data, _WHERE)
    info = der.Fields(fields.any(), _WHERE)
    algorithm = der.Fields(info.any(), _WHERE)
    expected = der.to_octets(info.any(), _WHERE)
    salt = der.to_octets(fields.any(), _WHERE)
    counted = fields.optional(der.INTEGER)
    iterations = 1 if counted is None else der.to_integer(counted, _WHERE)
    identifier = der.to_oid(algorithm.any(), _WHERE)
    if identifier == _PBMAC1_OID:
        mac, keys = _pbmac1(der.Fields(algorithm.any(), _WHERE), passphrase, budget)
    elif identifier in _DIGESTS:
        mac = Mac(_DIGESTS[identifier], iterations)
        keys = _pkcs12_keys(mac, salt, passphrase, budget)
    else:
        raise UnsupportedError("the PKCS#12 store uses the digest {0}, which is not handled".format(identifier))
    # All of them, so that the time does not tell which form fitted.
    fitting = [hmac.compare_digest(hmac.digest(key, content, mac.digest), expected) for key in keys]
    if any(fitting):
        return mac
    raise PassphraseError("the PKCS#12 store does not open: the passphrase is wrong, or the file was altered")


def create(profile: str, content: bytes, passphrase: str) -> bytes:
    """An encoded MacData over the content in the `modern` (SHA-256) or the `compatible` (SHA-1) way."""
    if profile == "modern":
        mac, identifier = Mac("sha256", pbe.MODERN_ITERATIONS), _SHA256_OID
    else:
        mac, identifier = Mac("sha1", pbe.COMPATIBLE_ITERATIONS), _SHA1_OID
    salt = os.urandom(16)
    key = _pkcs12_keys(mac, salt, passphrase, Budget())[0]
    value = der.octet_string(hmac.digest(key, content, mac.digest))
    info = der.sequence(der.sequence(der.oid(identifier), der.null()), value)
    return der.sequence(info, der.octet_string(salt), der.integer(mac.iterations))


def _pkcs12_keys(mac: Mac, salt: bytes, passphrase: str, budget: Budget) -> List[bytes]:
    size = hashlib.new(mac.digest).digest_size
    return [
        pkcs12_key(mac.digest, secret, salt, PURPOSE_MAC, mac.iterations, size, budget)
        for secret in bmp_passphrases(passphrase)
    ]


def _pbmac1(fields: der.Fields, passphrase: str, budget: Budget) -> tuple[Mac, List[bytes]]:
    """PBMAC1-params (RFC 8018 appendix A.5); salt and iterations of MacData itself mean nothing then."""
    derivation, salt, iterations, length = pbe.parse_pbkdf2(fields.any())
    scheme = der.to_oid(der.Fields(fields.any(), _WHERE).any(), _WHERE)
    if scheme not in pbe.HMAC_DIGESTS:
        raise UnsupportedError("the PKCS#12 store uses the MAC {0}, which is not handled".format(scheme))
    # RFC 9579 section 5 demands the length, and at least 20 bytes of it: less would let a forger guess the key.
    if length is None or not 20 <= length <= 1_024:
        raise FormatError("{0}: PBMAC1 with a key of {1} bytes".format(_WHERE, length))
    secret = encode_passphrase(passphrase, "utf-8")
    key = pbkdf2(derivation, secret, salt, iterations, length, budget)
    return Mac(pbe.HMAC_DIGESTS[scheme], iterations, pbmac1=True), [key]
