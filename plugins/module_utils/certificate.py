# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""X.509 certificates (RFC 5280): read them from any usual file, and tell what they say."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any, Dict, Iterable, List, Optional, Tuple

from . import der, general_name, name, private_key
from .errors import FormatError, UnsupportedError
from .hostile import format_errors
from .imports import UnsupportedAlgorithm, oid, serialization, x509
from .name import Pairs
from .pem import blocks

SIZE_LIMIT = 4 * 1024 * 1024
COUNT_LIMIT = 2000

_CERTIFICATE_LABELS = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_PKCS7_LABELS = ("PKCS7", "CMS", "PKCS #7 SIGNED DATA")
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_JKS_MAGIC = b"\xfe\xed\xfe\xed"


def load_all(data: bytes, where: str) -> List[Any]:
    """Every certificate in `data`: PEM with any text around, DER, or a PKCS#7 bundle in PEM or DER.

    `where` names the source in messages. FormatError when there is none, one is damaged, or there are too many.
    """
    if len(data) > SIZE_LIMIT:
        raise FormatError("{0}: larger than {1} bytes, which no bundle of certificates is".format(where, SIZE_LIMIT))
    certificates = _from_binary(data, where) if data[:1] == b"\x30" else _from_pem(data, where)
    if not certificates:
        raise FormatError("{0}: holds no certificate; PEM, DER and PKCS#7 (.p7b) are read".format(where))
    if len(certificates) > COUNT_LIMIT:
        raise FormatError("{0}: holds more than {1} certificates".format(where, COUNT_LIMIT))
    return certificates


def to_pem(certificates: Iterable[Any]) -> bytes:
    """The certificates as PEM blocks, in order."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def to_der(certificate: Any) -> bytes:
    """The certificate as DER."""
    with format_errors("a certificate cannot be encoded"):
        encoded: bytes = certificate.public_bytes(serialization.Encoding.DER)
    return encoded


def from_der(encoded: bytes) -> Any:
    """The one certificate that `encoded` consists of. FormatError when it is anything else."""
    return _from_der(encoded, "the certificate")


def fingerprint(certificate: Any) -> str:
    """SHA-256 of the certificate in DER, in lower-case hexadecimal."""
    return hashlib.sha256(to_der(certificate)).hexdigest()


def public_key(certificate: Any) -> Any:
    """The certificate's public key. FormatError or UnsupportedError when it cannot be read."""
    with format_errors("a certificate holds a malformed public key"):
        try:
            return certificate.public_key()
        except UnsupportedAlgorithm as error:
            raise UnsupportedError("a certificate holds a public key of a kind that is not handled") from error


def public_fingerprint(certificate: Any) -> str:
    """SHA-256 of the certificate's DER SubjectPublicKeyInfo, in lower-case hexadecimal."""
    return private_key.public_fingerprint(public_key(certificate))


def not_before(certificate: Any) -> datetime:
    """When the certificate becomes valid, in UTC."""
    return _date(certificate, "not_valid_before")


def not_after(certificate: Any) -> datetime:
    """The last second in which the certificate is valid, in UTC."""
    return _date(certificate, "not_valid_after")


def is_ca(certificate: Any) -> bool:
    """Whether basicConstraints says that this is a CA's certificate (RFC 5280, section 4.2.1.9)."""
    constraints = extension(certificate, oid.ExtensionOID.BASIC_CONSTRAINTS)
    return constraints is not None and bool(constraints.ca)


def is_self_issued(certificate: Any) -> bool:
    """Whether subject and issuer are the same name; a root's are, but a signature is needed to be sure."""
    return subject(certificate) == issuer(certificate)


def allows_client_authentication(certificate: Any) -> bool:
    """Whether its key usages let a TLS client authenticate itself with it (RFC 5280, sections 4.2.1.3 and 4.2.1.12)."""
    usage = extension(certificate, oid.ExtensionOID.KEY_USAGE)
    return (usage is None or bool(usage.digital_signature)) and has_client_purpose(certificate)


def has_client_purpose(certificate: Any) -> bool:
    """Whether its extended key usage, if it has one, includes client authentication."""
    purposes = extension(certificate, oid.ExtensionOID.EXTENDED_KEY_USAGE)
    # anyExtendedKeyUsage
    wanted = {oid.ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string, "2.5.29.37.0"}
    return purposes is None or any(purpose.dotted_string in wanted for purpose in purposes)


def subject(certificate: Any) -> Pairs:
    """The subject's name. FormatError when it is malformed."""
    with format_errors("a certificate's subject is malformed"):
        return name.from_x509(certificate.subject)


def issuer(certificate: Any) -> Pairs:
    """The issuer's name. FormatError when it is malformed."""
    with format_errors("a certificate's issuer is malformed"):
        return name.from_x509(certificate.issuer)


def serial_number(certificate: Any) -> str:
    """The serial number in lower-case hexadecimal, without leading zeros."""
    with format_errors("a certificate's serial number is malformed"):
        return "{0:x}".format(certificate.serial_number)


def subject_alt_name(certificate: Any) -> Tuple[str, ...]:
    """The subject alternative names as canonical texts, in the certificate's order."""
    names = extension(certificate, oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    return () if names is None else tuple(general_name.render(one) for one in names)


def authority_key_identifier(certificate: Any) -> Optional[str]:
    """The identifier, in lower-case hexadecimal, of the key that signed the certificate; None where it does not say."""
    found = extension(certificate, oid.ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    return None if found is None or found.key_identifier is None else found.key_identifier.hex()


def subject_key_identifier(certificate: Any) -> Optional[str]:
    """The identifier, in lower-case hexadecimal, of the certificate's own key; None where it does not say."""
    found = extension(certificate, oid.ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    return None if found is None else found.digest.hex()


def extension(certificate: Any, identifier: Any) -> Optional[Any]:
    """The value of the extension with this OID, or None. FormatError when the extensions are malformed."""
    with format_errors("a certificate's extensions are malformed"):
        try:
            return certificate.extensions.get_extension_for_oid(identifier).value
        except x509.ExtensionNotFound:
            return None


def summary(certificate: Any) -> Dict[str, Any]:
    """What people want to know about it: plain values that JSON can hold, dates as "2026-11-21T12:00:00Z"."""
    try:
        key = private_key.kind_of(public_key(certificate)).describe()
    except UnsupportedError:
        key = "other"
    return {
        "subject": name.render(subject(certificate)),
        "issuer_dn": name.render(issuer(certificate)),
        "serial_number": serial_number(certificate),
        "not_before": _timestamp(not_before(certificate)),
        "not_after": _timestamp(not_after(certificate)),
        "fingerprint_sha256": fingerprint(certificate),
        "subject_alt_name": list(subject_alt_name(certificate)),
        "public_key": key,
    }


def _timestamp(moment: datetime) -> str:
    # Not strftime: it writes years before 1000 without leading zeros.
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _date(certificate: Any, attribute: str) -> datetime:
    with format_errors("a certificate's validity is malformed"):
        # Aware dates came with release 42, which deprecates the naive ones (they are in UTC, too).
        aware: Optional[datetime] = getattr(certificate, attribute + "_utc", None)
        if aware is not None:
            return aware
        naive: datetime = getattr(certificate, attribute)
        return naive.replace(tzinfo=timezone.utc)


def _from_pem(data: bytes, where: str) -> List[Any]:
    if data.startswith(_JKS_MAGIC):
        raise FormatError("{0}: is a Java keystore; certificates are read from PEM, DER and PKCS#7".format(where))
    found: List[Any] = []
    for block in blocks(data, where):
        if block.label in _PKCS7_LABELS:
            found += _from_pkcs7(block.der(where), where)
        elif block.label in _CERTIFICATE_LABELS:
            encoded = block.der(where)
            if block.label == "TRUSTED CERTIFICATE":
                # OpenSSL appends its own trust settings to the certificate.
                encoded = encoded[: der.first(encoded, where)[1]]
            found.append(_from_der(encoded, where))
    return found


def _from_binary(data: bytes, where: str) -> List[Any]:
    outer, size = der.first(data, where)
    first, _size = der.first(outer.content, where)
    if first.tag == der.OBJECT_IDENTIFIER:
        return _from_pkcs7(data, where)
    if first.tag == der.INTEGER:
        raise FormatError(
            "{0}: looks like a PKCS#12 keystore or a key; certificates are read from PEM, DER and PKCS#7".format(where)
        )
    return [_from_der(data if data[size:].strip() else data[:size], where)]


def _from_der(encoded: bytes, where: str) -> Any:
    # Some releases of the library skip what follows the certificate.
    der.read(encoded, where)
    with format_errors("{0}: holds a damaged certificate".format(where)):
        return x509.load_der_x509_certificate(encoded)


def _from_pkcs7(encoded: bytes, where: str) -> List[Any]:
    """The certificates of a SignedData, in no particular order (RFC 2315, section 9.1)."""
    content_info = der.Fields(der.read(encoded, where), where)
    if der.to_oid(content_info.take(der.OBJECT_IDENTIFIER), where) != _SIGNED_DATA:
        raise FormatError("{0}: is PKCS#7, but no bundle of certificates (SignedData)".format(where))
    signed_data = der.Fields(der.read(content_info.take(der.context(0)).content, where), where)
    for tag in (der.INTEGER, der.SET, der.SEQUENCE):
        signed_data.take(tag)
    certificates = signed_data.optional(der.context(0))
    # Beside certificates there may be attribute certificates and the like, under tags of their own.
    return [
        _from_der(der.encode(one.tag, one.content), where)
        for one in ([] if certificates is None else der.elements(certificates.content, where))
        if one.tag == der.SEQUENCE
    ]
