# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at the outermost structure of DER (X.690), where the library tells nothing: tags and bounds, no values."""

from __future__ import annotations

from typing import List, Tuple

from .errors import FormatError

SEQUENCE = 0x30
OBJECT_IDENTIFIER = 0x06
INTEGER = 0x02
OCTET_STRING = 0x04


def header(data: bytes, offset: int = 0) -> Tuple[int, int, int]:
    """(tag, start, end) of the element at `offset`; its content is data[start:end]. FormatError when it is cut short."""
    if offset + 2 > len(data):
        raise FormatError("DER ends inside an element")
    tag, length, start = data[offset], data[offset + 1], offset + 2
    if tag & 0x1F == 0x1F:
        raise FormatError("DER element with a tag of several bytes")
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(data):
            raise FormatError("DER element of indefinite or impossible length")
        length, start = int.from_bytes(data[start : start + count], "big"), start + count
    if start + length > len(data):
        raise FormatError("DER element is longer than its container")
    return tag, start, start + length


def children(content: bytes) -> List[Tuple[int, bytes, bytes]]:
    """(tag, content, whole element) of each element that `content` is made of."""
    found, offset = [], 0
    while offset < len(content):
        tag, start, end = header(content, offset)
        found.append((tag, content[start:end], content[offset:end]))
        offset = end
    return found


def only(data: bytes, tag: int) -> bytes:
    """The content of the one element that `data` consists of, which has to have this tag."""
    found, start, end = header(data)
    if found != tag or end != len(data):
        raise FormatError("not exactly one DER element of the expected type")
    return data[start:end]
