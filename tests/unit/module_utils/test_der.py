# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DER and BER: known encodings, bounds, and that nothing but FormatError comes out of noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import der
from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError

INTEGERS = [(0, "020100"), (127, "02017f"), (128, "02020080"), (256, "02020100"), (-128, "020180"), (-129, "0202ff7f")]
IDENTIFIERS = [
    ("1.2.840.113549.1.7.1", "06092a864886f70d010701"),
    ("2.5.29.37.0", "0604551d2500"),
    ("2.16.840.1.113894.746875.1.1", "060c6086480186f966adca7b0101"),
    ("2.999.3", "0603883703"),
    ("0.9", "060109"),
]


@pytest.mark.parametrize(("value", "encoded"), INTEGERS)
def test_integers_both_ways(value: int, encoded: str) -> None:
    assert der.integer(value).hex() == encoded
    assert der.to_integer(der.read(bytes.fromhex(encoded), "x"), "x") == value


@pytest.mark.parametrize(("dotted", "encoded"), IDENTIFIERS)
def test_object_identifiers_both_ways(dotted: str, encoded: str) -> None:
    assert der.oid(dotted).hex() == encoded
    assert der.to_oid(der.read(bytes.fromhex(encoded), "x"), "x") == dotted


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 65_535, 65_536])
def test_lengths_both_ways(length: int) -> None:
    encoded = der.octet_string(b"x" * length)
    assert der.to_octets(der.read(encoded, "x"), "x") == b"x" * length


def test_sets_are_sorted() -> None:
    assert der.set_of(der.integer(2), der.integer(1)) == der.set_of(der.integer(1), der.integer(2))


def test_indefinite_lengths_and_segments_are_read() -> None:
    # SEQUENCE { OCTET STRING in two segments, INTEGER }, the first two of indefinite length.
    encoded = bytes.fromhex("30802480040161248004026263000000000201050000")
    fields = der.Fields(der.read(encoded, "x"), "x")
    assert der.to_octets(fields.any(), "x") == b"abc"
    assert der.to_integer(fields.any(), "x") == 5
    fields.end()


@pytest.mark.parametrize(
    ("hexadecimal", "complaint"),
    [
        ("", "ends in the middle"),
        ("30", "ends in the middle"),
        ("3005", "a length of 5 where 0"),
        ("3085ffffffffff", "a length that cannot be"),
        ("30820001", "a length of 1 where 0"),
        ("300000", "1 bytes follow"),
        ("1f8101", "not a structure"),
        ("0480616200", "a primitive value of indefinite length"),
        ("3080020105", "ends in the middle"),
    ],
)
def test_malformed_structures_are_named(hexadecimal: str, complaint: str) -> None:
    with pytest.raises(FormatError, match="the thing: .*" + complaint):
        der.read(bytes.fromhex(hexadecimal), "the thing")


@pytest.mark.parametrize("hexadecimal", ["0600", "060180", "0641" + "01" * 65, "0200"])
def test_malformed_values_are_format_errors(hexadecimal: str) -> None:
    element = der.read(bytes.fromhex(hexadecimal), "x")
    with pytest.raises(FormatError):
        (der.to_oid if hexadecimal.startswith("06") else der.to_integer)(element, "x")


def test_nesting_does_not_recurse_without_bound() -> None:
    deep = b"\x24\x80" * 100_000 + b"\0\0" * 100_000
    element = der.read(deep, "x")
    with pytest.raises(FormatError, match="nested too deeply"):
        der.to_octets(element, "x")


def test_the_number_of_elements_is_bounded() -> None:
    with pytest.raises(FormatError, match="more than 20000 elements"):
        der.elements(b"\x05\x00" * 20_001, "x")


def test_fields_want_the_right_type_and_no_more() -> None:
    fields = der.Fields(der.read(der.sequence(der.integer(1), der.null()), "x"), "x")
    with pytest.raises(FormatError, match="field 1 is missing or of another type"):
        fields.take(der.OCTET_STRING)
    assert fields.optional(der.NULL) is None
    fields.take(der.INTEGER)
    with pytest.raises(FormatError, match="unexpected field 2"):
        fields.end()
    fields.any()
    with pytest.raises(FormatError, match="field 3 is missing"):
        fields.any()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_bmp_texts_come_back(text: str) -> None:
    assert der.to_bmp_text(der.read(der.bmp_string(text), "x"), "x") == text


@given(st.binary(max_size=200))
def test_noise_gives_a_format_error_or_a_value(data: bytes) -> None:
    try:
        element = der.read(data, "x")
    except FormatError:
        return
    for reader in (der.to_integer, der.to_oid, der.to_octets, der.to_bmp_text, der.Fields):
        try:
            reader(element, "x")  # type: ignore[operator]
        except FormatError:
            pass
