# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A value as each kind of client configuration wants it quoted.

Values are passphrases, too: no message shows them.
"""

from __future__ import annotations

import json
from typing import Callable, Dict

from ..module_utils.errors import InputError
from .suggestion import unknown


def quote(value: str, style: str) -> str:
    """`value` quoted for a file of this `style`, so that its reader gets exactly `value` back.

    Raises InputError for an unknown style, for control characters, and for what the style cannot hold.
    """
    if style not in STYLES:
        raise unknown("the quoting style", style, STYLES)
    if not isinstance(value, str):
        raise InputError("only text can be quoted for {0}, not {1}".format(style, type(value).__name__))
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise InputError("a value for {0} holds a control character".format(style))
    return STYLES[style](value)


def _curl(value: str) -> str:
    """A parameter in a curl config file (curl(1), --config)."""
    return '"{0}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))


def _java_properties(value: str) -> str:
    """A value in a properties file (java.util.Properties.load): ASCII only, whatever encoding the reader expects."""
    characters = []
    for character in value:
        if character == "\\":
            characters.append("\\\\")
        elif " " < character <= "~":
            characters.append(character)
        else:
            units = character.encode("utf-16-be")
            characters += [
                "\\u{0:04X}".format(int.from_bytes(units[offset : offset + 2], "big"))
                for offset in range(0, len(units), 2)
            ]
    return "".join(characters)


def _json(value: str) -> str:
    """A JSON string, which is a literal of JavaScript and, without escaped surrogates, of Python as well."""
    return json.dumps(value, ensure_ascii=False)


def _nginx(value: str) -> str:
    """A parameter in an nginx configuration file."""
    if "$" in value:
        raise InputError("a value for nginx holds a '$', which nginx takes for a variable and knows no quoting for")
    return _curl(value)


def _shell(value: str) -> str:
    """A value in a file of assignments that a POSIX shell sources or systemd reads (systemd.exec(5))."""
    for special in ("\\", '"', "$", "`"):
        value = value.replace(special, "\\" + special)
    return '"{0}"'.format(value)


STYLES: Dict[str, Callable[[str], str]] = {
    "curl": _curl,
    "java_properties": _java_properties,
    "javascript": _json,
    "nginx": _nginx,
    "python": _json,
    "shell": _shell,
}
