# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of a peer: printable, bounded, and without what it was told in confidence."""

from __future__ import annotations

import json
import unicodedata
from typing import List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.handshake import text


@given(st.text(max_size=300), st.integers(1, 100))
def test_printable_is_printable_and_bounded(value: str, limit: int) -> None:
    shown = text.printable(value, limit)
    assert len(shown) <= limit + 1
    assert all(one in "\n\t" or unicodedata.category(one)[0] != "C" for one in shown)


def test_printable_keeps_text() -> None:
    assert text.printable("Grüße\n\t✓", 100) == "Grüße\n\t✓"
    assert text.printable("a\r\nb", 100) == "a\nb"
    assert text.printable("x" * 11, 10) == "x" * 10 + "…"
    assert text.one_line(" a\n\n b\tc\x00", 100) == "a b c\ufffd"


def test_printable_values_reach_everything() -> None:
    given_value = {"a\x1b": ["\x00", {"b": ("\x07", 1, None, True)}]}
    assert text.printable_values(given_value) == {"a\ufffd": ["\ufffd", {"b": ["\ufffd", 1, None, True]}]}


MASKED = [
    ("token=secret!", ["secret"], "token=********!"),
    ("abc abcdef", ["abc", "abcdef"], "******** ********"),
    ('{"p": "a\\"b\\\\c1"}', ['a"b\\c1'], '{"p": "********"}'),
    ("q=p%40ss%20word", ["p@ss word"], "q=********"),
    ("hello elephant e, e.", ["e"], "hello elephant ********, ********."),
    ("nothing", ["", "x"], "nothing"),
    ("sch\\u00f6nes", ["schönes"], "********"),
]


@pytest.mark.parametrize(("value", "secrets", "shown"), MASKED, ids=range(len(MASKED)))
def test_without_secrets(value: str, secrets: List[str], shown: str) -> None:
    assert text.without_secrets(value, secrets) == shown


@given(st.text(min_size=4, max_size=20), st.text(max_size=20))
def test_long_secrets_never_survive(secret: str, around: str) -> None:
    if "*" in secret or secret in around:
        return
    for form in (secret, json.dumps(secret)[1:-1]):
        assert form not in text.without_secrets(around + form + around, [secret]).replace(text.MASK, "\0")
