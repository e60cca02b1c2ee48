# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The three TLS handshake messages that tell why a peer is unhappy, parsed strictly.

They arrive from `ssl`'s message callback, header included. The peer is hostile: every length is checked,
nothing is copied twice, and what does not add up is a FormatError.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Tuple

from ..errors import FormatError

CERTIFICATE = 11
CERTIFICATE_REQUEST = 13
NEW_SESSION_TICKET = 4
TLS_1_3 = 0x0304

MAXIMUM_MESSAGE = 256 * 1024
MAXIMUM_CERTIFICATES = 32
_EXTENSION_SIGNATURE_ALGORITHMS = 13
_EXTENSION_CERTIFICATE_AUTHORITIES = 47


@dataclass(frozen=True)
class CertificateRequest:
    """What a server says about the client certificates that it takes.

    `authorities` holds DER encoded distinguished names; empty means that the server names none.
    `signature_algorithms` holds TLS SignatureScheme numbers, `certificate_types` (TLS 1.2) key kinds.
    """

    authorities: Tuple[bytes, ...]
    signature_algorithms: Tuple[int, ...]
    certificate_types: Tuple[int, ...]


class _Reader:
    """Reads length-prefixed vectors (RFC 8446 section 3.4) from bytes."""

    def __init__(self, data: bytes, where: str) -> None:
        self._data = memoryview(data)
        self._where = where

    def __len__(self) -> int:
        return len(self._data)

    def take(self, count: int) -> bytes:
        if count > len(self._data):
            raise FormatError(
                "the server's {0} message is malformed: {1} bytes announced, {2} present".format(
                    self._where, count, len(self._data)
                )
            )
        taken, self._data = self._data[:count], self._data[count:]
        return bytes(taken)

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> _Reader:
        return _Reader(self.take(self.number(size)), self._where)

    def end(self) -> None:
        if len(self._data):
            raise FormatError(
                "the server's {0} message is malformed: {1} bytes too many".format(self._where, len(self._data))
            )


def _body(message: bytes, kind: int, where: str) -> _Reader:
    """Return a reader for the body of a handshake message (RFC 8446 section 4)."""
    if len(message) > MAXIMUM_MESSAGE:
        raise FormatError("the server's {0} message is too big: {1} bytes".format(where, len(message)))
    reader = _Reader(message, where)
    found = reader.number(1)
    if found != kind:
        raise FormatError("not a {0} message: its type is {1}".format(where, found))
    body = reader.vector(3)
    reader.end()
    return body


def certificates(message: bytes, version: int) -> Tuple[bytes, ...]:
    """Return the DER certificates of a Certificate message, in the order sent.

    `version` is the protocol's number (0x0303, 0x0304): RFC 5246 section 7.4.2 or RFC 8446 section 4.4.2.
    """
    body = _body(message, CERTIFICATE, "Certificate")
    if version >= TLS_1_3:
        body.vector(1)
    entries = body.vector(3)
    body.end()
    found: List[bytes] = []
    while len(entries):
        if len(found) == MAXIMUM_CERTIFICATES:
            raise FormatError("the server's Certificate message holds over {0} certificates".format(len(found)))
        found.append(entries.take(entries.number(3)))
        if version >= TLS_1_3:
            entries.vector(2)
    return tuple(found)


def certificate_request(message: bytes, version: int) -> CertificateRequest:
    """Parse a CertificateRequest message: RFC 5246 section 7.4.4 or RFC 8446 section 4.3.2."""
    body = _body(message, CERTIFICATE_REQUEST, "CertificateRequest")
    if version >= TLS_1_3:
        return _request_of_extensions(body)
    types = tuple(body.take(body.number(1)))
    algorithms = _numbers(body.vector(2))
    authorities = _names(body.vector(2))
    body.end()
    return CertificateRequest(authorities, algorithms, types)


def _request_of_extensions(body: _Reader) -> CertificateRequest:
    body.vector(1)
    extensions = body.vector(2)
    body.end()
    authorities: Optional[Tuple[bytes, ...]] = None
    algorithms: Tuple[int, ...] = ()
    while len(extensions):
        kind = extensions.number(2)
        content = extensions.vector(2)
        if kind == _EXTENSION_CERTIFICATE_AUTHORITIES:
            if authorities is not None:
                raise FormatError("the server's CertificateRequest message names its authorities twice")
            authorities = _names(content.vector(2))
            content.end()
        elif kind == _EXTENSION_SIGNATURE_ALGORITHMS:
            algorithms = _numbers(content.vector(2))
            content.end()
    return CertificateRequest(authorities or (), algorithms, ())


def _numbers(reader: _Reader) -> Tuple[int, ...]:
    found: List[int] = []
    while len(reader):
        found.append(reader.number(2))
    return tuple(found)


def _names(reader: _Reader) -> Tuple[bytes, ...]:
    found: List[bytes] = []
    while len(reader):
        found.append(reader.take(reader.number(2)))
    return tuple(found)
