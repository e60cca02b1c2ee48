# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoting: whatever the value, its reader gets exactly that value back."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from typing import Callable, Dict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils.quoting import quote

STYLES = ["curl", "java_properties", "javascript", "nginx", "python", "shell"]
VALUES = [
    "a",
    "'",
    '"',
    "\\",
    "a\\",
    "`id`",
    "$HOME",
    "#x",
    " lead",
    "trail ",
    "a b",
    "ü",
    "😀",
    "=:!",
    "%d{{x}}",
    "\\u0041",
]

TEXT = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"]), min_size=1)


def read_properties(text: str) -> str:
    """A value as java.util.Properties.load reads it (its documentation gives the rules)."""
    text = re.sub(r"\\u([0-9A-Fa-f]{4})|\\(.)", lambda m: chr(int(m[1], 16)) if m[1] else m[2], text.lstrip(" \t\f"))
    return text.encode("utf-16", "surrogatepass").decode("utf-16")


def read_quoted(text: str) -> str:
    """A double-quoted parameter in which a backslash takes the next character as it is (curl, nginx)."""
    if not (text[0] == text[-1] == '"'):
        raise ValueError(text)
    return re.sub(r"\\(.)", r"\1", text[1:-1])


READERS: Dict[str, Callable[[str], str]] = {
    "curl": read_quoted,
    "java_properties": read_properties,
    "javascript": json.loads,
    "python": ast.literal_eval,
}


@pytest.mark.parametrize("style", READERS)
@given(value=TEXT)
def test_readers_get_the_value_back(style: str, value: str) -> None:
    assert READERS[style](quote(value, style)) == value


@pytest.mark.parametrize("value", VALUES)
def test_a_shell_gets_the_value_back(value: str) -> None:
    script = 'X={0}\nprintf %s "$X"'.format(quote(value, "shell"))
    done = subprocess.run(["/bin/sh"], input=script.encode(), capture_output=True, check=True, timeout=10)
    assert done.stdout.decode() == value


def test_java_properties_are_ascii() -> None:
    assert quote("ü😀 x", "java_properties") == "\\u00FC\\uD83D\\uDE00\\u0020x"


def test_nginx_has_no_quoting_for_a_dollar_sign() -> None:
    assert quote('a"b', "nginx") == '"a\\"b"'
    with pytest.raises(InputError, match="variable"):
        quote("a$b", "nginx")


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("value", ["secret\nx", "secret\0", "secret\x7f", None, 7])
def test_what_no_file_can_hold_is_refused_and_not_shown(style: str, value: str) -> None:
    with pytest.raises(InputError) as caught:
        quote(value, style)
    assert "secret" not in str(caught.value)


def test_an_unknown_style_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'python'"):
        quote("x", "pyton")
