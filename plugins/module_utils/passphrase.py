# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be a passphrase: one rule for credentials, issuers and own CAs."""

from __future__ import annotations

from typing import Any

from .errors import InputError

LIMIT = 1023
"""Bytes in UTF-8; what every release of the cryptography library takes."""

_KINDS = {dict: "a map", list: "a list", bool: "true or false", int: "a number", float: "a number"}


def check(value: Any, option: str) -> None:
    """Raise InputError, without the value, for what cannot be a passphrase everywhere it may be needed."""
    if not isinstance(value, str):
        raise InputError(
            "{0} must be text, not {1}; quote it, because YAML changes bare numbers and words".format(
                option, _KINDS.get(type(value), type(value).__name__)
            )
        )
    if not value:
        raise InputError("{0} is empty; give a passphrase, or leave the option out".format(option))
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise InputError(
            "{0} holds a line end or another control character; in YAML, '|-' instead of '|' leaves the line end "
            "out".format(option)
        )
    if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        raise InputError("{0} holds half of a surrogate pair, which is no character".format(option))
    if len(value.encode()) > LIMIT:
        raise InputError("{0} is longer than {1} bytes".format(option, LIMIT))
