# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import certificate, chain, der
from ansible_collections.mutual.tls.plugins.module_utils.errors import Error, FormatError, InputError, UnsupportedError
from ansible_collections.mutual.tls.tests.unit import material

DATA = Path(__file__).parent / "data"
ROOT = material.authority("Root")
LEAF = material.client("ops", ROOT, alternatives=[x509.DNSName("Orders.example"), x509.RFC822Name("ops@a.example")])


def fingerprints(certificates):
    return [one.fingerprint(hashes.SHA256()).hex() for one in certificates]


def file(name):
    return (DATA / name).read_bytes()


def in_chain_pss():
    return fingerprints(certificate.load_all(file("chain_pss_max.pem"), "x"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (LEAF.pem, [LEAF]),
        (LEAF.pem + ROOT.pem, [LEAF, ROOT]),
        (ROOT.pem + LEAF.pem + ROOT.pem, [ROOT, LEAF, ROOT]),
        (LEAF.pem.replace(b"\n", b"\r\n") + ROOT.pem, [LEAF, ROOT]),
        (b"\xef\xbb\xbf" + LEAF.pem, [LEAF]),
        (b"subject=CN = ops\n\n" + LEAF.pem + b"issuer: x\n" + ROOT.pem + b"the end", [LEAF, ROOT]),
        (LEAF.key_pem + LEAF.pem, [LEAF]),
        (LEAF.pem.replace(b"CERTIFICATE", b"X509 CERTIFICATE"), [LEAF]),
        (LEAF.pem.rstrip(), [LEAF]),
        (LEAF.pem.replace(b"\n", b" \n "), [LEAF]),
        (LEAF.der, [LEAF]),
        (LEAF.der + b"\r\n", [LEAF]),
    ],
)
def test_certificates_are_found_in_order(data, expected):
    found = certificate.load_all(data, "ca.pem")
    assert fingerprints(found) == fingerprints(one.certificate for one in expected)


@pytest.mark.parametrize("name", ["bundle_p7b.pem", "bundle_p7b.der"])
def test_pkcs7_bundles_are_read(name):
    assert sorted(fingerprints(certificate.load_all(file(name), "x"))) == sorted(in_chain_pss())


def test_pkcs7_in_ber_with_indefinite_lengths_is_read():
    certificates = b"\xa0\x80" + LEAF.der + ROOT.der + der.encode(0xA1, b"") + b"\0\0"
    data = der.sequence(der.oid("1.2.840.113549.1.7.1"))
    signed = b"\x30\x80" + der.integer(1) + der.set_of() + data + certificates + der.set_of() + b"\0\0"
    bundle = b"\x30\x80" + der.oid("1.2.840.113549.1.7.2") + b"\xa0\x80" + signed + b"\0\0\0\0"
    found = certificate.load_all(bundle, "x")
    assert fingerprints(found) == fingerprints([LEAF.certificate, ROOT.certificate])


def test_pkcs7_under_another_label_is_read():
    for label in (b"CMS", b"PKCS #7 SIGNED DATA"):
        data = file("bundle_p7b.pem").replace(b"PKCS7", label)
        assert sorted(fingerprints(certificate.load_all(data, "x"))) == sorted(in_chain_pss())


def test_openssls_own_forms_are_read():
    leaf, root = in_chain_pss()
    assert fingerprints(certificate.load_all(file("root_trusted.pem"), "x")) == [root]
    assert fingerprints(certificate.load_all(file("text_around.pem"), "x")) == [leaf]


def bad_files():
    body = base64.b64encode(LEAF.der + b"\0")
    return {
        "empty": b"",
        "text": b"hello\n",
        "key only": LEAF.key_pem,
        "no end": LEAF.pem[:-12],
        "second without end": ROOT.pem + LEAF.pem[:-12],
        "second damaged": ROOT.pem + LEAF.pem.replace(b"M", b"!", 1),
        "cut": LEAF.pem[:200] + LEAF.pem[-27:],
        "empty block": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "longer": b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n",
        "cut der": LEAF.der[:-1],
        "two in der": LEAF.der + ROOT.der,
        "der of nothing": b"\x30\x00",
        "der of a key": ROOT.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        "sequence": der.sequence(der.sequence(), der.sequence(), der.null()),
        "pkcs12": file("store.p12"),
        "jks": b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\0",
        "pkcs7 cut": file("bundle_p7b.der")[:-1],
        "pkcs7 of nothing": der.sequence(der.oid("1.2.840.113549.1.7.2")),
        "pkcs7 data": der.sequence(der.oid("1.2.840.113549.1.7.1"), der.explicit(0, der.octet_string(b"x"))),
        "large": b" " * (certificate.SIZE_LIMIT + 1),
        "utf-16": LEAF.pem.decode("ascii").encode("utf-16"),
        "many": LEAF.pem * (certificate.COUNT_LIMIT + 1),
    }


@pytest.mark.parametrize("case", sorted(bad_files()))
def test_what_holds_no_certificates_is_malformed_and_named(case):
    with pytest.raises(FormatError, match=r"^authority 'corp', ca\.pem: "):
        certificate.load_all(bad_files()[case], "authority 'corp', ca.pem")


@pytest.mark.parametrize(("case", "hint"), [("pkcs12", "PKCS#12"), ("jks", "Java keystore")])
def test_a_keystore_is_recognised(case, hint):
    with pytest.raises(FormatError, match=hint):
        certificate.load_all(bad_files()[case], "x")


def test_der_goes_both_ways():
    assert certificate.to_der(certificate.from_der(LEAF.der)) == LEAF.der
    for garbage in (b"", LEAF.der[:-1], LEAF.der + b"\0", LEAF.pem):
        with pytest.raises(FormatError):
            certificate.from_der(garbage)


def test_pem_holds_all_in_order():
    assert certificate.to_pem([LEAF.certificate, ROOT.certificate]) == LEAF.pem + ROOT.pem
    assert certificate.to_pem([]) == b""


def test_fingerprints_are_hashes():
    assert certificate.fingerprint(LEAF.certificate) == hashlib.sha256(LEAF.der).hexdigest()
    public = LEAF.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert certificate.public_fingerprint(LEAF.certificate) == hashlib.sha256(public).hexdigest()


def test_dates_are_aware():
    begin = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    end = datetime(2126, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    made = material.client("x", not_before=begin, not_after=end).certificate
    assert (certificate.not_before(made), certificate.not_after(made)) == (begin, end)
    assert certificate.not_before(made).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"usages": None}, True),
        ({"purposes": None}, True),
        ({"usages": None, "purposes": None}, True),
        ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]}, True),
        ({"purposes": [x509.ObjectIdentifier("2.5.29.37.0")]}, True),
        ({"purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}, False),
        ({"usages": ["key_encipherment"]}, False),
        ({"usages": ["digital_signature", "key_encipherment"]}, True),
    ],
)
def test_usages_decide_whether_a_client_may_use_it(options, expected):
    assert certificate.allows_client_authentication(material.client("x", **options).certificate) is expected


def test_what_a_ca_is():
    assert certificate.is_ca(ROOT.certificate)
    for other in (LEAF, material.authority("x", is_ca=None), material.authority("x", is_ca=False)):
        assert not certificate.is_ca(other.certificate)


def test_what_self_issued_is():
    assert certificate.is_self_issued(ROOT.certificate)
    assert not certificate.is_self_issued(LEAF.certificate)
    assert certificate.is_self_issued(material.authority("Root", signer=ROOT).certificate)


def test_names_come_in_encoding_order():
    subject = material.distinguished_name(
        (NameOID.COMMON_NAME, "x"), (NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Ä")
    )
    made = material.client("", ROOT, subject=subject).certificate
    assert certificate.subject(made) == (("CN", "x"), ("C", "DE"), ("O", "Ä"))
    assert certificate.issuer(made) == (("CN", "Root"),)


def test_the_summary_is_plain():
    begin = datetime(2026, 8, 23, 12, 0, 0, tzinfo=timezone.utc)
    made = material.client(
        "ops", ROOT, alternatives=[x509.DNSName("A.example")], not_before=begin, not_after=begin + 90 * material.DAY
    )
    summary = certificate.summary(made.certificate)
    assert json.loads(json.dumps(summary)) == summary
    assert summary == {
        "subject": "CN=ops",
        "issuer_dn": "CN=Root",
        "serial_number": "{0:x}".format(made.certificate.serial_number),
        "not_before": "2026-08-23T12:00:00Z",
        "not_after": "2026-11-21T12:00:00Z",
        "fingerprint_sha256": hashlib.sha256(made.der).hexdigest(),
        "subject_alt_name": ["DNS:a.example"],
        "public_key": "ECC secp256r1",
    }


@pytest.mark.parametrize("name", ["root_dsa.pem", "root_ed448.pem", "root_brainpool.pem"])
def test_other_kinds_of_keys_have_a_summary_too(name):
    (made,) = certificate.load_all(file(name), "x")
    assert certificate.summary(made)["public_key"] == "other"


def test_an_rsa_key_is_told_with_its_size():
    made = material.client("x", key=material.rsa_key()).certificate
    assert certificate.summary(made)["public_key"] == "RSA 2048"


def rebuilt(change):
    """A certificate whose to-be-signed fields `change` edits; nothing checks the signature here."""
    signed, algorithm, signature = der.elements(der.read(LEAF.der, "").content, "")
    parts = [der.encode(one.tag, one.content) for one in der.elements(signed.content, "")]
    change(parts)
    return der.sequence(der.sequence(*parts), *(der.encode(one.tag, one.content) for one in (algorithm, signature)))


def replaced(index, value):
    def change(parts):
        parts[index] = value

    return change


def bad_name(value):
    return der.sequence(der.encode(der.SET, der.sequence(der.oid("2.5.4.3"), value)))


def bad_extension(dotted, value):
    return der.explicit(3, der.sequence(der.sequence(der.oid(dotted), der.octet_string(value))))


TWICE = der.sequence(der.oid("2.5.29.19"), der.octet_string(der.sequence()))
HOSTILE = {
    "name is not UTF-8": replaced(5, bad_name(b"\x0c\x02\xff\xff")),
    "name is an integer": replaced(5, bad_name(b"\x02\x01\x07")),
    "name of half a character": replaced(5, bad_name(b"\x1e\x01x")),
    "empty rdn": replaced(5, der.sequence(der.encode(der.SET, b""))),
    "name is no sequence": replaced(5, der.null()),
    "issuer is not UTF-8": replaced(3, bad_name(b"\x0c\x02\xff\xff")),
    "date is noise": replaced(4, der.sequence(der.encode(0x17, b"99139999Z"), der.encode(0x17, b"noise"))),
    "date is missing": replaced(4, der.sequence()),
    "month 13": replaced(4, der.sequence(der.encode(0x17, b"261301000000Z"), der.encode(0x17, b"261301000000Z"))),
    "key of nothing": replaced(6, der.sequence()),
    "key of an unknown kind": replaced(6, der.sequence(der.sequence(der.oid("1.2.3.4")), der.encode(3, b"\0\0"))),
    "point off the curve": replaced(
        6,
        der.sequence(
            der.sequence(der.oid("1.2.840.10045.2.1"), der.oid("1.2.840.10045.3.1.7")),
            der.encode(3, b"\0\4" + b"\1" * 64),
        ),
    ),
    "extension twice": replaced(7, der.explicit(3, der.sequence(TWICE, TWICE))),
    "basicConstraints are noise": replaced(7, bad_extension("2.5.29.19", b"\xff\xff")),
    "keyUsage is noise": replaced(7, bad_extension("2.5.29.15", b"\x30\x00")),
    "alternative name is noise": replaced(7, bad_extension("2.5.29.17", b"\x30\x05")),
    "alternative name is not ASCII": replaced(7, bad_extension("2.5.29.17", der.sequence(der.encode(0x82, b"\xff")))),
    "address of three bytes": replaced(7, bad_extension("2.5.29.17", der.sequence(der.encode(0x87, b"abc")))),
    "x400 name": replaced(7, bad_extension("2.5.29.17", der.sequence(der.encode(0xA3, der.sequence())))),
    "negative serial number": replaced(1, b"\x02\x01\xff"),
    "version 9": replaced(0, der.explicit(0, der.integer(9))),
}


ACCESSORS = (
    certificate.summary,
    certificate.subject,
    certificate.issuer,
    certificate.serial_number,
    certificate.subject_alt_name,
    certificate.not_before,
    certificate.not_after,
    certificate.fingerprint,
    certificate.public_fingerprint,
    certificate.is_ca,
    certificate.is_self_issued,
    certificate.allows_client_authentication,
    lambda made: chain.order(made, [made, ROOT.certificate]),
    lambda made: chain.order(LEAF.certificate, [made, ROOT.certificate]),
    lambda made: chain.verify(made, [ROOT.certificate], material.NOW),
    lambda made: chain.verify(LEAF.certificate, [made, ROOT.certificate], material.NOW),
)
# What some releases of the library accept, and does no harm.
HARMLESS = ("negative serial number", "point off the curve", "empty rdn")


def errors_of(made):
    """What asking everything about a certificate raises; anything that is not ours ends the test."""
    found = []
    for accessor in ACCESSORS:
        try:
            accessor(made)
        except Error as error:
            found.append(error)
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", sorted(HOSTILE))
def test_hostile_certificates_raise_only_our_errors(case):
    try:
        (made,) = certificate.load_all(rebuilt(HOSTILE[case]), "x")
    except Error:
        return
    found = [error for error in errors_of(made) if not isinstance(error, InputError)]
    assert found or case in HARMLESS


def test_a_rebuilt_certificate_without_change_is_the_same():
    assert rebuilt(lambda parts: None) == LEAF.der


@pytest.mark.filterwarnings("ignore")
@given(st.data())
def test_no_mutation_escapes_our_errors(data):
    mutated = bytearray(data.draw(st.sampled_from([LEAF.der, file("bundle_p7b.der"), LEAF.pem, file("root_dsa.pem")])))
    for _change in range(data.draw(st.integers(1, 3))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    try:
        for made in certificate.load_all(bytes(mutated), "x"):
            errors_of(made)
    except Error:
        pass


def test_a_malformed_key_is_told_apart_from_an_unsupported_one():
    (unknown,) = certificate.load_all(rebuilt(HOSTILE["key of an unknown kind"]), "x")
    with pytest.raises((UnsupportedError, FormatError)):
        certificate.public_key(unknown)
