# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java's modified UTF-8 against encodings that Java's DataOutputStream.writeUTF writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import modified_utf8
from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError, InputError

TEXTS = [
    ("orders", "6f7264657273"),
    ("\0", "c080"),
    ("é", "c3a9"),
    ("€", "e282ac"),
    ("\U0001f511", "eda0bdedb491"),
]


@pytest.mark.parametrize(("text", "encoded"), TEXTS)
def test_both_ways(text: str, encoded: str) -> None:
    assert modified_utf8.encode(text).hex() == encoded
    assert modified_utf8.decode(bytes.fromhex(encoded)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    assert modified_utf8.decode(modified_utf8.encode(text)) == text


@pytest.mark.parametrize("encoded", ["ff", "c3", "eda0bd", "edb491", "c081"])
def test_malformed_texts(encoded: str) -> None:
    with pytest.raises(FormatError):
        modified_utf8.decode(bytes.fromhex(encoded))


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InputError):
        modified_utf8.encode("\ud83d")
