# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate signing requests (PKCS#10, RFC 2986): make them, read them, and tell what differs from what is wanted.

`differences` is what a policy rests on: whatever a request holds beyond its specification is a difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from . import der, general_name, name, private_key
from .difference import Difference
from .errors import Error, FormatError, UnsupportedError
from .hostile import format_errors
from .imports import UnsupportedAlgorithm, hashes, oid, rsa, serialization, x509
from .name import Pairs
from .pem import blocks

_SIZE_LIMIT = 64 * 1024
_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_WHERE = "the certificate request"
_EXTENSION_REQUEST = "1.2.840.113549.1.9.14"


@dataclass(frozen=True)
class RequestSpec:
    """What a request has to contain. `subject_alt_name` holds canonical texts of `general_name`."""

    subject: Pairs
    subject_alt_name: Tuple[str, ...]


def build(key: Any, spec: RequestSpec) -> bytes:
    """A request in PEM, signed by `key`. InputError when the specification cannot be encoded."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name.to_x509(spec.subject))
    for critical, value in _extensions(spec):
        builder = builder.add_extension(value, critical=critical)
    pem: bytes = builder.sign(key, signature_hash(key)).public_bytes(serialization.Encoding.PEM)
    return pem


def signature_hash(key: Any) -> Any:
    """The hash that a signature by this private key uses: None for Ed25519, as strong as its curve for ECC."""
    kind = private_key.kind_of(key)
    if kind.type == "Ed25519":
        return None
    if kind.type == "ECC":
        strengths: Dict[Optional[str], Any] = {"secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
        return strengths.get(kind.curve, hashes.SHA256())
    return hashes.SHA256()


def load(data: bytes) -> Any:
    """The x509.CertificateSigningRequest in PEM or DER. FormatError when it is malformed in any part.

    UnsupportedError when its public key is of a kind that is not handled.
    """
    if len(data) > _SIZE_LIMIT:
        raise FormatError("{0} is larger than {1} bytes".format(_WHERE, _SIZE_LIMIT))
    encoded = _der(data)
    der.read(encoded, _WHERE)
    with format_errors("{0} is malformed".format(_WHERE)):
        csr = x509.load_der_x509_csr(encoded)
        _attributes(csr)
        name.from_x509(csr.subject)
        for extension in csr.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                _texts(extension.value)
    private_key.kind_of(public_key(csr))
    return csr


def public_key(csr: Any) -> Any:
    """The request's public key. FormatError or UnsupportedError when it cannot be read."""
    with format_errors("{0} holds a malformed public key".format(_WHERE)):
        try:
            return csr.public_key()
        except UnsupportedAlgorithm as error:
            raise UnsupportedError("{0} holds a public key of a kind that is not handled".format(_WHERE)) from error


def differences(csr: Any, spec: RequestSpec) -> List[Difference]:
    """Where the request is not exactly what `spec` states: nothing less and nothing more.

    Reasons: subject_changed, subject_alt_name_changed, request_changed (another extension or attribute, or a
    malformed one). String types of the subject do not count, the order of its attributes does.
    """
    found: List[Difference] = []
    try:
        subject = name.from_x509(_subject(csr))
        if subject != tuple(spec.subject):
            found.append(
                Difference("subject_changed", "request", name.render(subject), name.render(tuple(spec.subject)))
            )
        found += _extension_differences(csr, spec)
        found += _attribute_differences(csr)
    except FormatError as error:
        found.append(Difference("request_changed", "request", str(error), "a well-formed request"))
    return found


def signature_is_valid(csr: Any) -> bool:
    """Whether the request is signed by the private key that belongs to its public key."""
    try:
        with format_errors("{0}'s signature cannot be checked".format(_WHERE)):
            key = csr.public_key()
            # With an exponent of 1 anybody can make a signature.
            if isinstance(key, rsa.RSAPublicKey) and key.public_numbers().e < 3:
                return False
            return bool(csr.is_signature_valid)
    except Error:
        return False


def _extensions(spec: RequestSpec) -> List[Tuple[bool, Any]]:
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    wanted = [(True, usage), (False, x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.CLIENT_AUTH]))]
    if spec.subject_alt_name:
        alternatives = x509.SubjectAlternativeName([general_name.parse(text) for text in spec.subject_alt_name])
        # RFC 5280, section 4.1.2.6: an empty subject makes it critical.
        wanted.append((not spec.subject, alternatives))
    return wanted


def _der(data: bytes) -> bytes:
    if data[:1] == b"\x30":
        return data
    found = [block for block in blocks(data, _WHERE) if block.label in _LABELS]
    if len(found) != 1:
        raise FormatError("there are {0} PEM certificate requests instead of one".format(len(found)))
    return found[0].der(_WHERE)


def _subject(csr: Any) -> Any:
    with format_errors("the subject is malformed"):
        return csr.subject


def _texts(alternatives: Any) -> List[str]:
    return sorted(general_name.render(one) for one in alternatives)


def _extension_differences(csr: Any, spec: RequestSpec) -> List[Difference]:
    with format_errors("the extensions are malformed or given twice"):
        present = {extension.oid.dotted_string: extension for extension in csr.extensions}
    found: List[Difference] = []
    alternatives = present.get(oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string)
    was = _texts(alternatives.value) if alternatives is not None else []
    wanted = sorted(spec.subject_alt_name)
    if was != wanted:
        found.append(Difference("subject_alt_name_changed", "request", ", ".join(was), ", ".join(wanted)))
    for critical, value in _extensions(spec):
        extension = present.pop(value.oid.dotted_string, None)
        is_names = isinstance(value, x509.SubjectAlternativeName)
        if extension is None:
            if not is_names:
                found.append(_extension_difference(value.oid, "none", _shape(critical)))
        elif extension.critical != critical or not (is_names or extension.value == value):
            found.append(_extension_difference(value.oid, _shape(extension.critical), _shape(critical)))
    if was and not spec.subject_alt_name:
        # Reported above; one that holds no name at all has not been.
        present.pop(oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME.dotted_string, None)
    for dotted in sorted(present):
        found.append(_extension_difference(present[dotted].oid, _shape(present[dotted].critical), "none"))
    return found


def _shape(critical: bool) -> str:
    return "critical" if critical else "not critical"


def _extension_difference(identifier: Any, was: str, wanted: str) -> Difference:
    where = "request, extension {0}".format(identifier.dotted_string)
    if was == wanted:
        was, wanted = "another value", "the value of a client's request"
    return Difference("request_changed", where, was, wanted)


def _attribute_differences(csr: Any) -> List[Difference]:
    attributes = _attributes(csr)
    if attributes == [_EXTENSION_REQUEST]:
        return []
    return [Difference("request_changed", "request, attributes", ", ".join(attributes), _EXTENSION_REQUEST)]


def _attributes(csr: Any) -> List[str]:
    """The object identifiers of all attributes (RFC 2986, section 4.1): the library lists them only since 36."""
    with format_errors("{0} is malformed".format(_WHERE)):
        info = der.Fields(der.read(csr.tbs_certrequest_bytes, _WHERE), _WHERE)
    for tag in (der.INTEGER, der.SEQUENCE, der.SEQUENCE):
        info.take(tag)
    attributes = info.optional(der.context(0))
    info.end()
    identifiers: List[str] = []
    for element in [] if attributes is None else der.elements(attributes.content, _WHERE):
        attribute = der.Fields(element, _WHERE)
        identifiers.append(der.to_oid(attribute.take(der.OBJECT_IDENTIFIER), _WHERE))
        if len(der.elements(attribute.take(der.SET).content, _WHERE)) != 1:
            raise FormatError("{0} has an attribute with several values, or none".format(_WHERE))
        attribute.end()
    return identifiers
