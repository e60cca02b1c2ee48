# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations as an inventory states them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import duration
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("90d", timedelta(days=90), "90d"),
        ("12h", timedelta(hours=12), "12h"),
        ("30m", timedelta(minutes=30), "30m"),
        ("2w", timedelta(days=14), "14d"),
        ("45s", timedelta(seconds=45), "45s"),
        ("36600d", timedelta(days=36600), "36600d"),
        ("24h", timedelta(days=1), "1d"),
    ],
)
def test_parse_and_describe(text: str, length: timedelta, shown: str) -> None:
    assert duration.parse(text, "validity") == length
    assert duration.describe(length) == shown
    assert duration.parse(shown, "validity") == length


@pytest.mark.parametrize(
    "text", ["", "90", "d", "0d", "-1d", "1.5d", "90 d", "90D", "1d12h", "36601d", "999999999w", "٣d", "9" * 5000 + "d"]
)
def test_anything_else_is_an_error_that_names_the_option(text: str) -> None:
    with pytest.raises(InputError, match="renew_before"):
        duration.parse(text, "renew_before")


@pytest.mark.parametrize("value", [90, None, True, ["90d"], timedelta(days=90)])
def test_only_text_is_taken(value: object) -> None:
    with pytest.raises(InputError, match="90d, 12h"):
        duration.parse(value, "validity")


@given(st.text(max_size=12))
def test_every_text_is_a_length_or_an_error(text: str) -> None:
    try:
        length = duration.parse(text, "validity")
    except InputError:
        return
    assert length > timedelta(0)
