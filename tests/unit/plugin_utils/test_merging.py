# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that add up."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils.merging import merge, parts_of


def test_parts_are_the_variable_and_its_continuations() -> None:
    known = [
        "mtls_credentials__b",
        "mtls_credentials",
        "mtls_credentials__a",
        "mtls_credentials_x",
        "mtls_credentials__",
    ]
    assert parts_of("mtls_credentials", known) == ["mtls_credentials", "mtls_credentials__a", "mtls_credentials__b"]
    assert parts_of("mtls_issuers", known) == []


A, B, C = {"name": "a", "x": 1}, {"name": "b"}, {"name": "c"}
GOOD = {
    "nothing": ({}, []),
    "one list": ({"v": [A]}, [A]),
    "lists in order": ({"v": [A], "v__1": [B], "v__2": [C]}, [A, B, C]),
    "empty lists": ({"v": [], "v__1": [B]}, [B]),
    "null": ({"v": None, "v__1": [B]}, [B]),
    "maps": ({"v": {"a": 1}, "v__1": {"b": 2}}, {"a": 1, "b": 2}),
    "empty map": ({"v": {}}, {}),
    "twice in one is the task's to report": ({"v": [A, A]}, [A, A]),
    "items without a name": ({"v": ["x"], "v__1": [{}]}, ["x", {}]),
}


@pytest.mark.parametrize(("parts", "merged"), GOOD.values(), ids=GOOD.keys())
def test_merge(parts: Any, merged: Any) -> None:
    assert merge("v", parts) == merged


BAD = {
    "name in two": ({"v": [A], "v__1": [B], "v__2": [A]}, ["'a'", "v and in v__2"]),
    "key in two": ({"v__1": {"a": 1}, "v__2": {"a": 1}}, ["'a'", "v__1 and in v__2"]),
    "text": ({"v": [A], "v__1": "a"}, ["v__1 must be a list"]),
    "map among lists": ({"v": [A], "v__1": {"a": 1}}, ["v__1 must be a list like the others"]),
}


@pytest.mark.parametrize(("parts", "texts"), BAD.values(), ids=BAD.keys())
def test_merge_refuses(parts: Any, texts: Any) -> None:
    with pytest.raises(InputError) as caught:
        merge("v", parts)
    for text in texts:
        assert text in str(caught.value)
