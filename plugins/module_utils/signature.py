# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the signature on a certificate or a revocation list, with every release of the library (from 40 on it can)."""

from __future__ import annotations

from typing import Any, Iterator, Tuple

from .errors import FormatError
from .hostile import format_errors
from .imports import InvalidSignature, asymmetric_padding, ec, ed448, ed25519, hashes, rsa

_RSASSA_PSS = "1.2.840.113549.1.1.10"


def is_valid(certificate: Any, public_key: Any) -> bool:
    """Whether `public_key` made the certificate's, or the revocation list's, signature.

    False, too, for algorithms that are not handled.
    """
    try:
        with format_errors("the signature cannot be checked"):
            signature, signed = certificate.signature, _signed_bytes(certificate)
            if isinstance(public_key, rsa.RSAPublicKey):
                return public_key.public_numbers().e >= 3 and _is_rsa(certificate, public_key, signature, signed)
            if isinstance(public_key, ec.EllipticCurvePublicKey):
                algorithm = ec.ECDSA(certificate.signature_hash_algorithm)
                return _accepts(public_key, signature, signed, algorithm)
            if isinstance(public_key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
                return _accepts(public_key, signature, signed)
    except FormatError:
        pass
    return False


def _signed_bytes(certificate: Any) -> Any:
    name = "tbs_certificate_bytes" if hasattr(certificate, "tbs_certificate_bytes") else "tbs_certlist_bytes"
    return getattr(certificate, name)


def _is_rsa(certificate: Any, public_key: Any, signature: bytes, signed: bytes) -> bool:
    if certificate.signature_algorithm_oid.dotted_string != _RSASSA_PSS:
        padding = asymmetric_padding.PKCS1v15()
        return _accepts(public_key, signature, signed, padding, certificate.signature_hash_algorithm)
    # Older releases do not tell the parameters. Only the key's owner can make a signature under any of these.
    return any(_accepts(public_key, signature, signed, padding, digest) for padding, digest in _pss_parameters())


def _pss_parameters() -> Iterator[Tuple[Any, Any]]:
    pss, mgf1 = asymmetric_padding.PSS, asymmetric_padding.MGF1
    for digest in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        # Since release 37 the salt's length can be found out from the signature.
        automatic = getattr(pss, "AUTO", None)
        for length in (digest.digest_size, pss.MAX_LENGTH, 20) if automatic is None else (automatic,):
            yield pss(mgf1(digest), length), digest


def _accepts(public_key: Any, *arguments: Any) -> bool:
    try:
        public_key.verify(*arguments)
    except InvalidSignature:
        return False
    return True
