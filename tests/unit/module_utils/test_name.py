# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import name
from ansible_collections.mutual.tls.plugins.module_utils.errors import Error, InputError, UnsupportedError
from ansible_collections.mutual.tls.tests.unit import material

EVERY = {
    "C": "DE",
    "ST": "Hessen",
    "L": "Köln",
    "O": "Acme, Inc.",
    "OU": ["Orders", "Messaging"],
    "CN": "ops@acme.example",
    "emailAddress": "ops@acme.example",
    "serialNumber": "HRB 12/3",
    "DC": ["example", "acme"],
    "UID": "ops",
    "SN": "Müller",
    "GN": "Zoë",
    "T": "Dr.",
    "STREET": "Straße 1",
    "postalCode": "D-12345",
    "pseudonym": "密",
    "1.3.6.1.4.1.99999.1": "own",
}


def encoded(pairs):
    """The name's DER inside a request, whose subject the library encodes."""
    key = material.ec_key()
    csr = x509.CertificateSigningRequestBuilder().subject_name(name.to_x509(pairs)).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.DER)


def test_a_map_is_encoded_in_the_canonical_order():
    pairs = name.normalize(dict(reversed(list(EVERY.items()))))
    expected = []
    for key, value in EVERY.items():
        expected += [(key, one) for one in (value if isinstance(value, list) else [value])]
    assert list(pairs) == expected


def test_a_list_keeps_its_order():
    subject = [{"CN": "x"}, {"O": "a"}, {"CN": "y"}, {"OU": ["b", "c"]}, {"C": "de"}]
    assert name.normalize(subject) == (("CN", "x"), ("O", "a"), ("CN", "y"), ("OU", "b"), ("OU", "c"), ("C", "de"))


def test_pairs_are_normal_already():
    pairs = name.normalize(EVERY)
    assert name.normalize(pairs) == pairs
    assert name.normalize([list(pair) for pair in pairs]) == pairs
    assert name.normalize({}) == name.normalize([]) == ()


@pytest.mark.parametrize(
    ("alias", "short"),
    [
        ("commonName", "CN"),
        ("cn", "CN"),
        ("2.5.4.3", "CN"),
        ("title", "T"),
        ("surname", "SN"),
        ("emailaddress", "emailAddress"),
        ("stateOrProvinceName", "ST"),
        ("0.9.2342.19200300.100.1.25", "DC"),
    ],
)
def test_an_attribute_has_one_name(alias, short):
    assert name.normalize({alias: "x"}) == ((short, "x"),)


@pytest.mark.parametrize(
    "subject",
    [
        None,
        "CN=x",
        7,
        {"XX": "x"},
        {"": "x"},
        {"CN+O": "x"},
        {"2.5.4.45:bytes": "00"},
        {"2.5.4.": "x"},
        {"3.1": "x"},
        {"2.5.04": "x"},
        {7: "x"},
        {"CN": ""},
        {"CN": "  "},
        {"CN": None},
        {"CN": 7},
        {"CN": True},
        {"CN": {"a": "b"}},
        {"CN": [["x"]]},
        {"CN": b"x"},
        {"CN": "a\nb"},
        {"CN": "a\0b"},
        {"CN": "\ud800"},
        {"CN": "x" * 65},
        {"CN": "é" * 33},
        {"C": "D"},
        {"C": "DEU"},
        {"C": "D1"},
        {"C": "ÄÖ"},
        {"O": "x" * 65},
        {"OU": ["ok", "x" * 65]},
        {"ST": "x" * 129},
        {"L": "x" * 129},
        {"emailAddress": "x" * 256},
        {"emailAddress": "ü@acme.example"},
        {"DC": "köln"},
        {"serialNumber": "a@b"},
        {"postalCode": 12345},
        [{"CN": "x", "O": "y"}],
        [{}],
        ["CN=x"],
        [["CN"]],
        {"OU": ["x"] * 101},
    ],
)
def test_a_subject_that_cannot_be_is_refused(subject):
    with pytest.raises(InputError):
        name.normalize(subject)


def test_bounds_are_reached():
    for subject in (
        {"CN": "x" * 64},
        {"CN": "é" * 32},
        {"O": "é" * 64},
        {"emailAddress": "x" * 255},
        {"ST": "é" * 128},
    ):
        pairs = name.normalize(subject)
        assert name.from_x509(name.to_x509(pairs)) == pairs
        assert encoded(pairs)


def test_string_subclasses_become_plain_strings():
    class Tagged(str):
        pass

    ((_name, value),) = name.normalize({Tagged("CN"): Tagged("x")})
    assert type(value) is str


@pytest.mark.parametrize(
    ("pairs", "tag"),
    [
        ((("C", "DE"),), b"\x13"),
        ((("serialNumber", "1"),), b"\x13"),
        ((("emailAddress", "a@b"),), b"\x16"),
        ((("DC", "acme"),), b"\x16"),
        ((("CN", "a@b"),), b"\x0c"),
        ((("O", "Köln"),), b"\x0c"),
        ((("1.2.3.4", "x"),), b"\x0c"),
    ],
)
def test_each_attribute_has_its_string_type(pairs, tag):
    content = pairs[0][1].encode("utf-8")
    assert tag + bytes([len(content)]) + content in encoded(pairs)


def test_a_name_goes_to_the_library_and_back():
    pairs = name.normalize(EVERY)
    made = name.to_x509(pairs)
    assert len(made.rdns) == len(pairs)
    assert name.from_x509(made) == pairs
    key = material.ec_key()
    csr = x509.CertificateSigningRequestBuilder().subject_name(made).sign(key, hashes.SHA256())
    read = x509.load_der_x509_csr(csr.public_bytes(serialization.Encoding.DER))
    assert name.from_x509(read.subject) == pairs


def multi_valued(*attributes):
    return x509.Name([x509.RelativeDistinguishedName([x509.NameAttribute(*one) for one in attributes])])


def test_an_rdn_of_several_attributes_equals_no_flat_name():
    made = multi_valued((NameOID.COMMON_NAME, "a"), (NameOID.ORGANIZATION_NAME, "b+c"))
    pairs = name.from_x509(made)
    assert len(pairs) == 1
    flat = {name.normalize({"CN": "a", "O": "b+c"}), name.normalize([{"CN": "a"}, {"O": "b+c"}])}
    assert pairs not in flat
    assert name.render(pairs) == "CN=a+O=b\\+c"
    assert name.parse(name.render(pairs)) == pairs
    assert name.from_x509(name.to_x509(pairs)) == pairs
    swapped = multi_valued((NameOID.ORGANIZATION_NAME, "b+c"), (NameOID.COMMON_NAME, "a"))
    assert name.from_x509(swapped) == pairs
    other = multi_valued((NameOID.COMMON_NAME, "a+b"), (NameOID.ORGANIZATION_NAME, "c"))
    assert name.from_x509(other) != pairs


def test_an_attribute_that_is_no_text_equals_none_that_is():
    class Attribute:
        oid = x509.ObjectIdentifier("2.5.4.45")
        value = b"\x00\x01"

    class Named:
        rdns = ((Attribute(),),)

    pairs = name.from_x509(Named())
    assert pairs == (("2.5.4.45:bytes", "0001"),)
    with pytest.raises(UnsupportedError):
        name.to_x509(pairs)


@pytest.mark.parametrize(
    ("pairs", "text"),
    [
        ((), ""),
        ((("O", "Acme"), ("CN", "ops")), "O=Acme, CN=ops"),
        ((("O", "Acme, Inc"),), "O=Acme\\, Inc"),
        ((("CN", '+"\\<>;='),), 'CN=\\+\\"\\\\\\<\\>\\;\\='),
        ((("CN", "#a"),), "CN=\\#a"),
        ((("CN", " a "),), "CN=\\ a\\ "),
        ((("CN", "a\\"),), "CN=a\\\\"),
        ((("CN", "a\\ "),), "CN=a\\\\\\ "),
        ((("CN", "Zoë 密"),), "CN=Zoë 密"),
    ],
)
def test_names_are_shown_escaped(pairs, text):
    assert name.render(pairs) == text
    if pairs:
        assert name.parse(text) == pairs


def test_blanks_around_attributes_do_not_count_unless_escaped():
    assert name.parse(" O = a ,  CN=b\\\\ ,L=c\\ ") == (("O", "a"), ("CN", "b\\"), ("L", "c "))


def test_control_characters_are_never_shown():
    assert name.render((("CN", "a\n\x1b[2J\u202eb"),)) == "CN=a\\0a\\1b[2J\\e2\\80\\aeb"


@pytest.mark.parametrize("text", ["", "x", "CN", "=x", "CN=", "CN=a+b", "CN=a,", "XX=a", "CN=a\\", "CN=\\ff", "C=DEU"])
def test_text_that_is_no_name_is_refused(text):
    with pytest.raises(InputError):
        name.parse(text)


values = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=16).filter(str.strip)
all_pairs = st.lists(st.tuples(st.sampled_from(["CN", "O", "OU", "UID", "1.2.3"]), values), max_size=6).map(tuple)


@given(all_pairs)
def test_text_and_library_keep_every_name(pairs):
    assert name.normalize(pairs) == pairs
    assert name.from_x509(name.to_x509(pairs)) == pairs
    if pairs:
        assert name.parse(name.render(pairs)) == pairs


short_values = st.text(st.sampled_from(list('ab+,=\\" #é')), min_size=1, max_size=8).filter(str.strip)


@given(short_values, short_values, short_values, short_values)
def test_no_two_multi_valued_names_look_alike(first, second, third, fourth):
    one = multi_valued((NameOID.COMMON_NAME, first), (NameOID.ORGANIZATION_NAME, second))
    other = multi_valued((NameOID.COMMON_NAME, third), (NameOID.ORGANIZATION_NAME, fourth))
    pairs = name.from_x509(one)
    assert name.parse(name.render(pairs)) == pairs
    assert (pairs == name.from_x509(other)) == ((first, second) == (third, fourth))


@given(st.text(alphabet='CNO=,+\\ "#a0f', max_size=30))
def test_no_text_escapes_our_errors(text):
    try:
        assert name.parse(text)
    except Error:
        pass
