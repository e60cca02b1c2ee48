# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import der, name, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.errors import Error, FormatError, InputError, UnsupportedError
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.request import RequestSpec
from ansible_collections.mutual.tls.tests.unit import material

SUBJECT = {"CN": "ops@acme.example", "O": "Acme Inc", "OU": ["Orders", "Messaging"], "C": "DE"}
SPEC = RequestSpec(name.normalize(SUBJECT), ("DNS:orders.acme.example", "email:ops@acme.example"))
BARE = RequestSpec(name.normalize({"CN": "x"}), ())
NAMELESS = RequestSpec((), ("DNS:orders.acme.example",))
EVERY_KIND = [KeyKind("RSA", size=2048), *(KeyKind("ECC", curve=c) for c in private_key.CURVES), KeyKind("Ed25519")]
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"
UNSTRUCTURED_NAME = "1.2.840.113549.1.9.2"

USAGE = (x509.KeyUsage, material.key_usage("digital_signature"), True)
PURPOSE = (x509.ExtendedKeyUsage, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)


def a_key(kind):
    return material.rsa_key() if kind.type == "RSA" else private_key.generate(kind)


def made(subject=None, extensions=(), key=None):
    """A request by the library alone: what a hostile host could send."""
    key = material.ec_key() if key is None else key
    subject = material.common_name("x") if subject is None else subject
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(key, material.signing_hash(key)).public_bytes(serialization.Encoding.DER)


def assembled(attributes, subject=None, key=None):
    """A request in DER with exactly these encoded attributes, properly signed."""
    key = material.ec_key() if key is None else key
    subject = made(subject or material.common_name("x")) if not isinstance(subject, bytes) else subject
    info = der.elements(der.read(subject, "").content, "")[0]
    version, named = (der.encode(one.tag, one.content) for one in der.elements(info.content, "")[:2])
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    signed = der.sequence(version, named, public, der.encode(0xA0, b"".join(attributes)))
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return der.sequence(signed, der.sequence(der.oid("1.2.840.10045.4.3.2")), der.encode(3, b"\0" + signature))


def attribute(dotted, *values):
    return der.sequence(der.oid(dotted), der.encode(der.SET, b"".join(values)))


def encoded_extensions(*names):
    """The DER of Extension values: what a client's request has, or repeated, or more."""
    known = {
        "usage": der.sequence(der.oid("2.5.29.15"), b"\x01\x01\xff", der.octet_string(b"\x03\x02\x07\x80")),
        "purpose": der.sequence(der.oid("2.5.29.37"), der.octet_string(der.sequence(der.oid("1.3.6.1.5.5.7.3.2")))),
        "ca": der.sequence(der.oid("2.5.29.19"), b"\x01\x01\xff", der.octet_string(der.sequence(b"\x01\x01\xff"))),
        "garbage": der.sequence(der.oid("2.5.29.17"), der.octet_string(b"\x30\x05")),
        "x400": der.sequence(der.oid("2.5.29.17"), der.octet_string(der.sequence(der.encode(0xA3, der.sequence())))),
    }
    return der.sequence(*(known[one] for one in names))


def good_attributes():
    return [attribute(EXTENSION_REQUEST, encoded_extensions("usage", "purpose"))]


def reasons(data, spec):
    return [difference.reason for difference in request.differences(request.load(data), spec)]


@pytest.mark.parametrize("kind", EVERY_KIND, ids=KeyKind.describe)
@pytest.mark.parametrize("spec", [SPEC, BARE, NAMELESS])
def test_a_request_is_what_its_specification_says(kind, spec):
    key = a_key(kind)
    pem = request.build(key, spec)
    csr = request.load(pem)
    assert request.differences(csr, spec) == []
    assert request.signature_is_valid(csr)
    assert private_key.public_fingerprint(request.public_key(csr)) == private_key.public_fingerprint(key.public_key())
    assert request.differences(request.load(csr.public_bytes(serialization.Encoding.DER)), spec) == []


def test_the_extensions_are_those_of_a_tls_client():
    csr = request.load(request.build(material.ec_key(), SPEC))
    usage, purpose, alternatives = csr.extensions
    assert (usage.value, usage.critical) == USAGE[1:]
    assert (purpose.value, purpose.critical) == PURPOSE[1:]
    assert list(alternatives.value) == [x509.DNSName("orders.acme.example"), x509.RFC822Name("ops@acme.example")]
    assert not alternatives.critical
    nameless = request.load(request.build(material.ec_key(), NAMELESS))
    assert nameless.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_a_specification_that_cannot_be_is_refused():
    for spec in (RequestSpec((("CN", ""),), ()), RequestSpec((), ("orders",)), RequestSpec((("XX", "a"),), ())):
        with pytest.raises(InputError):
            request.build(material.ec_key(), spec)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"subject": {**SUBJECT, "CN": "other@acme.example"}}, "subject_changed"),
        ({"subject": {**SUBJECT, "OU": ["Messaging", "Orders"]}}, "subject_changed"),
        ({"subject": {**SUBJECT, "OU": ["Orders"]}}, "subject_changed"),
        ({"subject": {**SUBJECT, "L": "Köln"}}, "subject_changed"),
        ({"subject": {}}, "subject_changed"),
        ({"subject": [{"O": "Acme Inc"}, {"C": "DE"}]}, "subject_changed"),
        ({"alternatives": ()}, "subject_alt_name_changed"),
        ({"alternatives": ("DNS:orders.acme.example",)}, "subject_alt_name_changed"),
        ({"alternatives": (*SPEC.subject_alt_name, "DNS:x")}, "subject_alt_name_changed"),
        ({"alternatives": (*SPEC.subject_alt_name, SPEC.subject_alt_name[0])}, "subject_alt_name_changed"),
        (
            {"alternatives": ("DNS:ops@acme.example".replace("@", "."), "email:ops@acme.example")},
            "subject_alt_name_changed",
        ),
    ],
)
def test_each_change_of_the_inventory_is_one_difference(changed, reason):
    spec = RequestSpec(
        name.normalize(changed.get("subject", SUBJECT)), tuple(changed.get("alternatives", SPEC.subject_alt_name))
    )
    pem = request.build(material.ec_key(), SPEC)
    found = [one for one in reasons(pem, spec) if one != "request_changed"]
    assert found == [reason]
    back = [one for one in reasons(request.build(material.ec_key(), spec), SPEC) if one != "request_changed"]
    assert back == [reason]


def test_the_order_of_alternative_names_does_not_count():
    pem = request.build(material.ec_key(), SPEC)
    assert reasons(pem, RequestSpec(SPEC.subject, tuple(reversed(SPEC.subject_alt_name)))) == []


def test_case_of_domains_does_not_count():
    alternatives = x509.SubjectAlternativeName(
        [x509.DNSName("Orders.ACME.example"), x509.RFC822Name("ops@Acme.example")]
    )
    data = made(name.to_x509(SPEC.subject), [USAGE[1:], PURPOSE[1:], (alternatives, False)])
    assert reasons(data, SPEC) == []


GOOD = (USAGE[1:], PURPOSE[1:])


@pytest.mark.parametrize(
    "extensions",
    [
        (),
        GOOD[:1],
        GOOD[1:],
        (*GOOD, (x509.BasicConstraints(ca=True, path_length=None), True)),
        (*GOOD, (x509.BasicConstraints(ca=False, path_length=None), False)),
        (*GOOD, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), False)),
        (*GOOD, (x509.SubjectKeyIdentifier(b"x" * 20), False)),
        ((USAGE[1], False), GOOD[1]),
        (GOOD[0], (PURPOSE[1], True)),
        ((material.key_usage("digital_signature", "key_cert_sign"), True), GOOD[1]),
        ((material.key_usage("key_encipherment"), True), GOOD[1]),
        (GOOD[0], (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)),
        (GOOD[0], (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), False)),
        (GOOD[0], (x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")]), False)),
    ],
)
def test_extensions_beyond_or_other_than_a_clients_are_differences(extensions):
    found = set(reasons(made(extensions=extensions), BARE))
    assert found == {"request_changed"}


def test_an_alternative_name_nobody_asked_for_is_a_difference():
    alternatives = x509.SubjectAlternativeName([x509.DNSName("admin.acme.example")])
    for critical in (False, True):
        assert reasons(made(extensions=(*GOOD, (alternatives, critical))), BARE) == ["subject_alt_name_changed"]
    stated = RequestSpec(BARE.subject, ("DNS:admin.acme.example",))
    assert reasons(made(extensions=(*GOOD, (alternatives, True))), stated) == ["request_changed"]


def test_an_empty_list_of_alternative_names_is_a_difference():
    empty = der.sequence(der.oid("2.5.29.17"), der.octet_string(der.sequence()))
    whole = encoded_extensions("usage", "purpose")
    content = der.read(whole, "").content + empty
    data = assembled([attribute(EXTENSION_REQUEST, der.encode(der.SEQUENCE, content))])
    try:
        csr = request.load(data)
    except FormatError:
        return
    assert [one.reason for one in request.differences(csr, BARE)] == ["request_changed"]


def test_the_assembled_request_without_additions_is_good():
    csr = request.load(assembled(good_attributes()))
    assert request.differences(csr, BARE) == []
    assert request.signature_is_valid(csr)


@pytest.mark.parametrize(
    "extra",
    [
        attribute(CHALLENGE_PASSWORD, b"\x0c\x06secret"),
        attribute(UNSTRUCTURED_NAME, b"\x0c\x01x"),
        attribute("1.2.3.4", der.null()),
    ],
)
def test_other_attributes_are_differences(extra):
    assert reasons(assembled(sorted([extra, *good_attributes()])), BARE) == ["request_changed"]


@pytest.mark.parametrize(
    "attributes",
    [
        [attribute(EXTENSION_REQUEST, encoded_extensions("usage", "purpose", "ca"))],
        [attribute(EXTENSION_REQUEST, encoded_extensions("usage", "usage", "purpose"))],
        [attribute(EXTENSION_REQUEST, encoded_extensions("usage", "purpose", "ca", "ca"))],
        [attribute(EXTENSION_REQUEST, encoded_extensions("usage", "purpose", "garbage"))],
        [attribute(EXTENSION_REQUEST, encoded_extensions("usage", "purpose", "x400"))],
        [*good_attributes(), *good_attributes()],
        [*good_attributes(), attribute(EXTENSION_REQUEST, encoded_extensions("ca"))],
        [attribute(EXTENSION_REQUEST, encoded_extensions("ca")), *good_attributes()],
        [*good_attributes(), attribute("1.2.3.4", der.null())],
        [attribute("1.2.3.4", der.null()), *good_attributes()],
        [attribute(EXTENSION_REQUEST, encoded_extensions("usage", "purpose"), encoded_extensions("ca"))],
        [attribute(EXTENSION_REQUEST)],
        [attribute(EXTENSION_REQUEST, der.null())],
        [der.null()],
        [],
        # Microsoft's own extension request, which some CAs honour.
        [*good_attributes(), attribute("1.3.6.1.4.1.311.2.1.14", encoded_extensions("ca"))],
    ],
)
def test_odd_attributes_are_malformed_or_differences(attributes):
    try:
        csr = request.load(assembled(attributes))
    except FormatError:
        return
    found = request.differences(csr, BARE)
    assert found and {one.reason for one in found} == {"request_changed"}


def test_an_rdn_of_several_attributes_is_a_difference():
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, "x"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "a")]
    joined = x509.Name([x509.RelativeDistinguishedName(attributes)])
    for subject in ({"CN": "x", "O": "a"}, [{"CN": "x"}, {"O": "a"}]):
        assert "subject_changed" in reasons(made(joined, GOOD), RequestSpec(name.normalize(subject), ()))


def test_other_string_types_are_no_difference():
    plain = made(extensions=GOOD)
    for tag, content in ((0x13, b"x"), (0x16, b"x"), (0x1E, b"\0x"), (0x1C, b"\0\0\0x")):
        named = der.sequence(der.encode(der.SET, der.sequence(der.oid("2.5.4.3"), der.encode(tag, content))))
        info = der.elements(der.elements(der.read(plain, "").content, "")[0].content, "")
        subject = der.sequence(der.sequence(der.integer(0), named, der.encode(info[2].tag, info[2].content)))
        assert reasons(assembled(good_attributes(), subject=subject), BARE) == []


@pytest.mark.parametrize("value", [b"\x0c\x02\xff\xff", b"\x1e\x01x", b"\x02\x01\x07", b"\x0c\x03x\0y"])
def test_values_that_are_no_plain_text_never_pass(value):
    plain = made(extensions=GOOD)
    named = der.sequence(der.encode(der.SET, der.sequence(der.oid("2.5.4.3"), value)))
    info = der.elements(der.elements(der.read(plain, "").content, "")[0].content, "")
    subject = der.sequence(der.sequence(der.integer(0), named, der.encode(info[2].tag, info[2].content)))
    try:
        csr = request.load(assembled(good_attributes(), subject=subject))
    except FormatError:
        return
    assert "subject_changed" in {one.reason for one in request.differences(csr, BARE)}


def test_a_foreign_signature_is_not_valid():
    good = request.build(material.ec_key(), SPEC)
    other = request.load(good).public_bytes(serialization.Encoding.DER)
    parts = der.elements(der.read(other, "").content, "")
    stolen = request.load(request.build(material.ec_key(), SPEC)).public_bytes(serialization.Encoding.DER)
    info = der.elements(der.read(stolen, "").content, "")[0]
    forged = der.sequence(*(der.encode(one.tag, one.content) for one in (info, *parts[1:])))
    assert not request.signature_is_valid(request.load(forged))


def test_a_signature_under_the_exponent_one_is_not_valid():
    modulus = material.rsa_key().public_key().public_numbers().n
    numbers = der.sequence(der.integer(modulus), der.integer(1))
    key = der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.1"), der.null()), der.encode(3, b"\0" + numbers))
    info = der.elements(der.elements(der.read(made(extensions=GOOD), "").content, "")[0].content, "")
    parts = [der.encode(one.tag, one.content) for one in info]
    signed = der.sequence(parts[0], parts[1], key, parts[3])
    digest = hashes.Hash(hashes.SHA256())
    digest.update(signed)
    hashed = der.sequence(
        der.sequence(der.oid("2.16.840.1.101.3.4.2.1"), der.null()), der.octet_string(digest.finalize())
    )
    signature = b"\0\1" + b"\xff" * (256 - 3 - len(hashed)) + b"\0" + hashed
    forged = der.sequence(
        signed, der.sequence(der.oid("1.2.840.113549.1.1.11"), der.null()), der.encode(3, b"\0" + signature)
    )
    try:
        csr = request.load(forged)
    except Error:
        return
    assert not request.signature_is_valid(csr)


def test_text_around_and_line_ends_do_not_count():
    pem = request.build(material.ec_key(), SPEC)
    for data in (
        b"Certificate Request:\n  Data:\n" + pem,
        pem.replace(b"\n", b"\r\n"),
        pem.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST"),
        b"\xef\xbb\xbf" + pem + b"\n\n",
    ):
        assert reasons(data, SPEC) == []


def unreadable():
    pem = request.build(material.ec_key(), SPEC)
    raw = request.load(pem).public_bytes(serialization.Encoding.DER)
    return {
        "empty": b"",
        "text": b"hello",
        "two": pem + pem,
        "cut": pem[: len(pem) // 2],
        "cut der": raw[:-1],
        "longer der": raw + b"\0",
        "longer pem": b"-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.b64encode(raw + b"\0")
        + b"\n-----END CERTIFICATE REQUEST-----\n",
        "certificate": material.authority("x").pem,
        "certificate der": material.authority("x").der,
        "large": pem + b" " * 70_000,
        "noise": b"\x30\x82" + b"\xff" * 100,
    }


@pytest.mark.parametrize("case", sorted(unreadable()))
def test_what_is_no_request_is_malformed(case):
    with pytest.raises(FormatError):
        request.load(unreadable()[case])


def test_a_request_for_another_kind_of_key_is_named_unsupported():
    with pytest.raises(UnsupportedError):
        request.load(made(key=ec.generate_private_key(ec.SECP256K1()), extensions=GOOD))


FIXED = made(name.to_x509(SPEC.subject), GOOD, key=ec.derive_private_key(7, ec.SECP256R1()))


@given(st.data())
def test_no_mutation_is_taken_for_the_request_or_escapes_our_errors(data):
    mutated = bytearray(FIXED)
    for _change in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    spec = RequestSpec(SPEC.subject, ())
    try:
        csr = request.load(bytes(mutated))
    except Error:
        return
    found = request.differences(csr, spec)
    if bytes(mutated) != FIXED and not found:
        # Only key, signature and string types are left to change, and the signature covers the rest.
        assert not request.signature_is_valid(csr)


def test_without_alternative_names_there_is_no_such_extension():
    csr = request.load(request.build(material.ec_key(), BARE))
    with pytest.raises(x509.ExtensionNotFound):
        csr.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
