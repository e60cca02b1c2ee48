# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java's modified UTF-8 (java.io.DataInput, "Modified UTF-8"): NUL takes two bytes, characters above U+FFFF six."""

from __future__ import annotations

from .errors import FormatError, InputError


def encode(text: str) -> bytes:
    """Text to bytes; InputError for half of a surrogate pair, which is not a character."""
    try:
        units = text.encode("utf-16-be")
    except UnicodeEncodeError:
        raise InputError("a keystore alias holds half of a surrogate pair, which is not a character") from None
    halves = "".join(chr(int.from_bytes(units[index : index + 2], "big")) for index in range(0, len(units), 2))
    return halves.encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80")


def decode(data: bytes) -> str:
    """Bytes to text; FormatError for anything that Java's writer cannot have written."""
    try:
        # "\xc0\x80" is the only sequence beyond what the codec takes: six-byte characters are surrogates to it.
        halves = data.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
        return halves.encode("utf-16-be", "surrogatepass").decode("utf-16-be")
    except UnicodeDecodeError:
        raise FormatError("the JKS store holds a text that is not modified UTF-8") from None
