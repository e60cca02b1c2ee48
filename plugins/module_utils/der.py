# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ASN.1 as PKCS#12 needs it: reading BER, writing DER (ITU-T X.690).

What is read comes from files that anybody may have written, so every length, depth and count is bounded and every
defect is a FormatError. Reading is lazy: an element's content stays bytes until somebody asks for its parts, so no
input makes this recurse. Indefinite lengths and strings in segments are read, because Bouncy Castle and NSS write
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Tuple

from .errors import FormatError

INTEGER = 0x02
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
BMP_STRING = 0x1E
SEQUENCE = 0x30
SET = 0x31

_CONSTRUCTED = 0x20
_CONTEXT = 0x80
_MAX_LENGTH_OCTETS = 4
_MAX_ELEMENTS = 20_000
_MAX_SEGMENT_DEPTH = 4
_MAX_INTEGER_OCTETS = 4_096
_MAX_IDENTIFIER_OCTETS = 64


@dataclass(frozen=True)
class Element:
    """One tagged value: the identifier octet and the content octets."""

    tag: int
    content: bytes = field(repr=False)


def context(number: int, constructed: bool = True) -> int:
    """The tag `[number]`: constructed for EXPLICIT and structured values, else primitive."""
    return _CONTEXT | (_CONSTRUCTED if constructed else 0) | number


def read(data: bytes, where: str) -> Element:
    """The one element that fills `data`; FormatError, naming `where`, for anything else."""
    element, end = _read_at(data, 0, where)
    if end != len(data):
        raise FormatError("{0}: {1} bytes follow the end of the structure".format(where, len(data) - end))
    return element


def elements(content: bytes, where: str) -> List[Element]:
    """The elements that stand one after the other in `content`."""
    found: List[Element] = []
    offset = 0
    while offset < len(content):
        if len(found) == _MAX_ELEMENTS:
            raise FormatError("{0}: more than {1} elements".format(where, _MAX_ELEMENTS))
        element, offset = _read_at(content, offset, where)
        found.append(element)
    return found


def first(data: bytes, where: str) -> Tuple[Element, int]:
    """The element at the start of `data`, and how many bytes it takes."""
    return _read_at(data, 0, where)


class Fields:
    """The fields of a SEQUENCE, taken in their order; what is not taken is an error in `end`."""

    def __init__(self, element: Element, where: str) -> None:
        expect(element, SEQUENCE, where)
        self._elements = elements(element.content, where)
        self._next = 0
        self._where = where

    def take(self, tag: int) -> Element:
        """The next field, which must have this tag."""
        found = self.optional(tag)
        if found is None:
            raise FormatError("{0}: field {1} is missing or of another type".format(self._where, self._next + 1))
        return found

    def any(self) -> Element:
        """The next field, whatever its tag."""
        if self._next >= len(self._elements):
            raise FormatError("{0}: field {1} is missing".format(self._where, self._next + 1))
        self._next += 1
        return self._elements[self._next - 1]

    def optional(self, tag: int) -> Optional[Element]:
        """The next field if it has this tag, else None."""
        if self._next < len(self._elements) and self._elements[self._next].tag == tag:
            return self.any()
        return None

    def end(self) -> None:
        """FormatError when fields are left."""
        if self._next != len(self._elements):
            raise FormatError("{0}: unexpected field {1}".format(self._where, self._next + 1))


def expect(element: Element, tag: int, where: str) -> bytes:
    """The content of an element that must have this tag."""
    if element.tag != tag:
        raise FormatError("{0}: type 0x{1:02x} where 0x{2:02x} belongs".format(where, element.tag, tag))
    return element.content


def to_integer(element: Element, where: str) -> int:
    """The value of an INTEGER."""
    content = expect(element, INTEGER, where)
    if not 0 < len(content) <= _MAX_INTEGER_OCTETS:
        raise FormatError("{0}: an INTEGER of {1} bytes".format(where, len(content)))
    return int.from_bytes(content, "big", signed=True)


def to_oid(element: Element, where: str) -> str:
    """The value of an OBJECT IDENTIFIER in dotted form."""
    content = expect(element, OBJECT_IDENTIFIER, where)
    if not 0 < len(content) <= _MAX_IDENTIFIER_OCTETS or content[-1] & 0x80:
        raise FormatError("{0}: a malformed OBJECT IDENTIFIER".format(where))
    arcs = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    top = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in [top, arcs[0] - 40 * top] + arcs[1:])


def to_octets(element: Element, where: str, tag: int = OCTET_STRING) -> bytes:
    """The value of an OCTET STRING, also one in segments (X.690 8.7.3) or under an IMPLICIT tag."""
    return _joined(element, where, tag, 0)


def to_bmp_text(element: Element, where: str) -> str:
    """The value of a BMPString; surrogate pairs are read, because Java and OpenSSL write them."""
    try:
        return expect(element, BMP_STRING, where).decode("utf-16-be")
    except UnicodeDecodeError:
        raise FormatError("{0}: a BMPString that is not UTF-16".format(where)) from None


def encode(tag: int, content: bytes) -> bytes:
    """One element in DER."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of encoded parts."""
    return encode(SEQUENCE, b"".join(parts))


def set_of(*parts: bytes) -> bytes:
    """A SET OF encoded parts, sorted as DER asks (X.690 11.6)."""
    return encode(SET, b"".join(sorted(parts)))


def explicit(number: int, part: bytes) -> bytes:
    """An encoded part under the tag `[number] EXPLICIT`."""
    return encode(context(number), part)


def integer(value: int) -> bytes:
    """An INTEGER."""
    return encode(INTEGER, value.to_bytes((value if value >= 0 else ~value).bit_length() // 8 + 1, "big", signed=True))


def octet_string(value: bytes) -> bytes:
    """An OCTET STRING."""
    return encode(OCTET_STRING, value)


def null() -> bytes:
    """NULL."""
    return encode(NULL, b"")


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted form."""
    arcs = [int(arc) for arc in dotted.split(".")]
    content = bytearray()
    for arc in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        septets = [arc & 0x7F]
        while arc > 0x7F:
            arc >>= 7
            septets.append(arc & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return encode(OBJECT_IDENTIFIER, bytes(content))


def bmp_string(text: str) -> bytes:
    """A BMPString; characters above U+FFFF become surrogate pairs, as Java and OpenSSL write them."""
    return encode(BMP_STRING, text.encode("utf-16-be"))


def _header(data: bytes, offset: int, where: str) -> Tuple[int, int, Optional[int]]:
    """Identifier octet, where the content starts, and its length (None: indefinite) of the element at `offset`."""
    if offset + 2 > len(data):
        raise FormatError("{0}: ends in the middle of a structure".format(where))
    tag, length = data[offset], data[offset + 1]
    if tag & 0x1F == 0x1F:
        raise FormatError("{0}: not a structure of this format (tag 0x{1:02x})".format(where, tag))
    start = offset + 2
    if length < 0x80:
        return tag, start, length
    count = length & 0x7F
    if count == 0:
        if not tag & _CONSTRUCTED:
            raise FormatError("{0}: a primitive value of indefinite length".format(where))
        return tag, start, None
    if count > _MAX_LENGTH_OCTETS or start + count > len(data):
        raise FormatError("{0}: a length that cannot be".format(where))
    return tag, start + count, int.from_bytes(data[start : start + count], "big")


def _read_at(data: bytes, offset: int, where: str) -> Tuple[Element, int]:
    """The element at `offset` and the offset behind it."""
    tag, start, length = _header(data, offset, where)
    if length is None:
        stop = _end_of_contents(data, start, where)
        return Element(tag, data[start:stop]), stop + 2
    if start + length > len(data):
        raise FormatError("{0}: a length of {1} where {2} bytes are left".format(where, length, len(data) - start))
    return Element(tag, data[start : start + length]), start + length


def _end_of_contents(data: bytes, offset: int, where: str) -> int:
    """Where the end-of-contents octets of an indefinite length stand that opened right before `offset`."""
    depth = 1
    while True:
        tag, start, length = _header(data, offset, where)
        if length is None:
            depth += 1
            offset = start
        elif tag == 0 and length == 0:
            depth -= 1
            if depth == 0:
                return offset
            offset = start
        else:
            offset = start + length


def _joined(element: Element, where: str, tag: int, depth: int) -> bytes:
    """The octets of a string, its segments put together."""
    if element.tag == tag:
        return element.content
    if depth > _MAX_SEGMENT_DEPTH:
        raise FormatError("{0}: segments nested too deeply".format(where))
    content = expect(element, tag | _CONSTRUCTED, where)
    return b"".join(_joined(part, where, OCTET_STRING, depth + 1) for part in elements(content, where))
