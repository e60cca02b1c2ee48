# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import general_name
from ansible_collections.mutual.tls.plugins.module_utils.errors import Error, InputError
from ansible_collections.mutual.tls.tests.unit import material

CANONICAL = [
    "DNS:a.example",
    "DNS:*.a.example",
    "DNS:xn--kln-sna.example",
    "DNS:_srv.a.example",
    "DNS:localhost",
    "email:ops@a.example",
    "email:Ops+x.y@a.example",
    "URI:spiffe://a.example/ns/orders",
    "URI:urn:uuid:0f1e",
    "URI:https://[::1]:8443/x?y=%20z#f",
    "IP:192.0.2.7",
    "IP:2001:db8::1",
    "RID:1.2.3.4",
    "dirName:O=Acme\\, Inc, CN=ops",
    "dirName:CN=a+O=b",
    "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:ops@a.example",
    "otherName:1.2.3;UTF8:Zoë",
    "otherName:1.2.3;UTF8:" + "x" * 200,
    "otherName:1.2.3;UTF8:" + "x" * 300,
    "otherName:1.2.3;DER:020107",
]


@pytest.mark.parametrize("text", CANONICAL, ids=lambda text: text[:40])
def test_canonical_text_stays_as_it_is_also_through_a_certificate(text):
    parsed = general_name.parse(text)
    assert general_name.render(parsed) == text
    made = material.client("x", alternatives=[parsed]).der
    (read,) = x509.load_der_x509_certificate(made).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert general_name.render(read) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("dns:A.Example", "DNS:a.example"),
        ("DNS: a.example ", "DNS:a.example"),
        ("EMAIL:Ops@A.Example", "email:Ops@a.example"),
        ("uri:HTTP://x", "URI:HTTP://x"),
        ("IP:2001:DB8:0:0::1", "IP:2001:db8::1"),
        ("dirname:cn=a,o=b", "dirName:CN=a, O=b"),
        ("dirName:2.5.4.3=a", "dirName:CN=a"),
        ("othername:1.2.3;utf8:x", "otherName:1.2.3;UTF8:x"),
        ("otherName:1.2.3;DER:0C0178", "otherName:1.2.3;UTF8:x"),
        ("otherName:1.2.3;DER:0C 01 0A", "otherName:1.2.3;DER:0c010a"),
    ],
)
def test_what_means_the_same_has_one_text(text, canonical):
    assert general_name.render(general_name.parse(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a.example",
        "DNS",
        "DNS:",
        "DNS:a b",
        "DNS:a.example.",
        "DNS:.a",
        "DNS:a..b",
        "DNS:-a",
        "DNS:a-",
        "DNS:köln.example",
        "DNS:a\n",
        "DNS:a\nb",
        "DNS:a.*.b",
        "DNS:*",
        "DNS:" + "a" * 64,
        "DNS:" + "a." * 127 + "aa",
        "DNS:a,DNS:b",
        "email:ops",
        "email:@a",
        "email:ops@",
        "email:a b@c",
        "email:zoë@a.example",
        "email:a@b@c",
        "email:Ops <ops@a.example>",
        "URI:x",
        "URI:/a",
        "URI:http://a b",
        "URI:http://köln",
        "URI:http://a\\b",
        "IP:1.2.3",
        "IP:1.2.3.4/24",
        "IP:a",
        "IP:fe80::1%eth0",
        "RID:1",
        "RID:a.b",
        "RID:1.99.1",
        "RID:3.1",
        "RID:1.2." + "9" * 50,
        "dirName:",
        "dirName:x",
        "otherName:1.2.3",
        "otherName:1.2.3;UTF8:",
        "otherName:1.2.3;UTF8:a\x00",
        "otherName:x;UTF8:a",
        "otherName:1.2.3;DER:",
        "otherName:1.2.3;DER:0201",
        "otherName:1.2.3;DER:02010700",
        "otherName:1.2.3;DER:xx",
        "otherName:1.2.3;IA5:x",
        "URI:x:" + "a" * 3000,
        None,
        7,
        b"DNS:a",
    ],
    ids=lambda text: repr(text)[:40],
)
def test_what_is_no_general_name_is_refused(text):
    with pytest.raises(InputError):
        general_name.parse(text)


def hostile_names():
    return [
        x509.DNSName("a.example\nDNS:b.example"),
        x509.DNSName("a.example\x00.evil"),
        x509.DNSName(""),
        x509.RFC822Name("a\x1b@b"),
        x509.UniformResourceIdentifier("http://a\r\nb"),
        x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x03a\nb"),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x81\x01a"),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x02\xff\xff"),
        x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x00"),
    ]


@pytest.mark.parametrize("made", hostile_names(), ids=repr)
def test_hostile_names_are_shown_in_one_line_and_equal_nothing_that_can_be_stated(made):
    text = general_name.render(made)
    assert text.isprintable()
    try:
        stated = general_name.parse(text)
    except InputError:
        return
    assert stated == made


def test_two_names_in_one_directory_name_are_not_flattened():
    rdn = [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "b")]
    joined = x509.DirectoryName(x509.Name([x509.RelativeDistinguishedName(rdn)]))
    flat = x509.DirectoryName(x509.Name(rdn))
    assert general_name.render(joined) != general_name.render(flat)


@given(st.sampled_from(["DNS", "email", "URI", "IP", "RID", "dirName", "otherName"]), st.text(max_size=30))
def test_every_text_is_a_name_or_an_error_of_ours(kind, value):
    text = "{0}:{1}".format(kind, value)
    try:
        made = general_name.parse(text)
    except Error:
        return
    canonical = general_name.render(made)
    assert general_name.render(general_name.parse(canonical)) == canonical
