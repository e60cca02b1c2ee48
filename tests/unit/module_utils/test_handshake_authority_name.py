# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bare DER names of a hostile server."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.handshake import authority_name
from tests.unit import material

NAME = material.distinguished_name(
    (NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Ümläut, Inc"), (NameOID.COMMON_NAME, "Root")
)
DER = NAME.public_bytes()


def test_round_trip() -> None:
    parsed = authority_name.parse(DER)
    assert parsed == NAME
    assert authority_name.render(DER) == authority_name.text(NAME)
    assert "Ümläut" in authority_name.render(DER)


def test_empty_name() -> None:
    assert authority_name.parse(b"\x30\x00") == x509.Name([])


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x80", b"x" * 20_000, DER + b"\x00", DER[:-1], b"\x31\x00", b"\x05\x00"]
)
def test_what_is_no_name(data: bytes) -> None:
    assert authority_name.parse(data) is None
    assert authority_name.render(data) == authority_name.UNREADABLE


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_changed_bytes(position: int, value: int) -> None:
    shown = authority_name.render(DER[:position] + bytes([value]) + DER[position + 1 :])
    assert shown and not any(character in shown for character in "\x00\x07\x1b\u202e")


@given(st.binary(max_size=60))
def test_random_bytes(data: bytes) -> None:
    assert isinstance(authority_name.render(data), str)


def test_terminal_escapes_do_not_survive() -> None:
    hostile = material.common_name("a\x1b[2Jb\u202ec")
    shown = authority_name.render(hostile.public_bytes())
    assert "\x1b" not in shown and "\u202e" not in shown


SAME = [
    (material.common_name("Corp  Root "), material.common_name("corp root"), True),
    (material.common_name("Corp Root"), material.common_name("Corp Root 2"), False),
    (material.common_name("a"), material.distinguished_name((NameOID.ORGANIZATION_NAME, "a")), False),
]


@pytest.mark.parametrize(("left", "right", "equal"), SAME, ids=range(len(SAME)))
def test_same(left: x509.Name, right: x509.Name, equal: bool) -> None:
    assert authority_name.same(left, right) is equal
