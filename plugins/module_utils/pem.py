# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM armour (RFC 7468, RFC 1421 headers), read leniently outside the blocks and strictly inside them."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import List, Tuple

from .errors import FormatError

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,40})-----")


@dataclass(frozen=True)
class Block:
    """One PEM block: its label, the lines of its RFC 1421 headers (mostly none) and the base64 below them."""

    label: str
    headers: bytes = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_encrypted(self) -> bool:
        """Whether the headers say that the content is encrypted (OpenSSL's traditional keys)."""
        return re.search(rb"^Proc-Type: ?4, ?ENCRYPTED", self.headers, re.MULTILINE) is not None

    def der(self, where: str) -> bytes:
        """The content. FormatError naming `where` unless it is base64 and nothing else."""
        try:
            return base64.b64decode(b"".join(self.body.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise FormatError(
                "{0}: the {1} block is not valid base64; the file is damaged".format(where, self.label)
            ) from error

    def armoured(self) -> bytes:
        """The block as PEM with LF line ends and no blanks around its lines."""
        label = self.label.encode("ascii")
        headers = [*self.headers.split(b"\n"), b""] if self.headers else []
        return b"\n".join(
            [b"-----BEGIN " + label + b"-----", *headers, *self.body.split(), b"-----END " + label + b"-----", b""]
        )


def blocks(data: bytes, where: str) -> List[Block]:
    """Every PEM block in `data`, in order, not the text around them. FormatError naming `where` if one has no end."""
    found: List[Block] = []
    position = 0
    while True:
        begin = _BEGIN.search(data, position)
        if begin is None:
            return found
        end = b"-----END " + begin.group(1) + b"-----"
        stop = data.find(end, begin.end())
        if stop < 0:
            raise FormatError(
                "{0}: a {1} block has no end line; the file is cut short".format(where, begin.group(1).decode("ascii"))
            )
        found.append(Block(begin.group(1).decode("ascii"), *_parts(data[begin.end() : stop])))
        position = stop + len(end)


def _parts(content: bytes) -> Tuple[bytes, bytes]:
    """The headers, with LF line ends, and the body; an empty line stands between them."""
    if b":" not in content:
        return b"", content
    lines = [line.strip() for line in content.strip().splitlines()]
    blank = lines.index(b"") if b"" in lines else 0
    return b"\n".join(lines[:blank]), b"\n".join(lines[blank:])
