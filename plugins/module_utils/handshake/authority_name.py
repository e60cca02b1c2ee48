# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distinguished names as a server sends them: bare DER, from a peer that may be hostile.

`cryptography` reads a name only inside something that has one, so the bytes are set into a certificate
request (RFC 2986 section 4.1) around a constant key; nothing is signed and no signature is looked at.
"""

from __future__ import annotations

from typing import Optional

from .. import der as encoding
from .. import name
from ..errors import FormatError
from ..hostile import format_errors
from ..imports import x509
from .text import printable

UNREADABLE = "(unreadable name)"
_MAXIMUM_NAME = 16 * 1024
# SubjectPublicKeyInfo of a P-256 key: the curve's base point, which every library accepts (SEC 2, section 2.4.2).
_KEY = bytes.fromhex(
    "3059301306072a8648ce3d020106082a8648ce3d030107034200"
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
_ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")
_SIGNATURE = bytes.fromhex("0309003006020101020101")


def parse(der: bytes) -> Optional[x509.Name]:
    """Return the name that `der` encodes, or None when it encodes none."""
    if not der or len(der) > _MAXIMUM_NAME:
        return None
    information = encoding.sequence(b"\x02\x01\x00", der, _KEY, b"\xa0\x00")
    request = encoding.sequence(information, _ALGORITHM, _SIGNATURE)
    try:
        with format_errors("not a distinguished name"):
            return x509.load_der_x509_csr(request).subject
    except FormatError:
        return None


def render(der: bytes) -> str:
    """Return the name for people, or UNREADABLE."""
    parsed = parse(der)
    return UNREADABLE if parsed is None else text(parsed)


def text(value: x509.Name) -> str:
    """Return a parsed name for people, or UNREADABLE."""
    try:
        return printable(name.render(name.from_x509(value)), 1000)
    except FormatError:
        return UNREADABLE


def same(left: x509.Name, right: x509.Name) -> bool:
    """Say whether two names are the same but for letter case and surplus white space (RFC 5280 section 7.1)."""
    return _canonical(left) == _canonical(right)


def _canonical(value: x509.Name) -> object:
    return [
        sorted((attribute.oid.dotted_string, " ".join(str(attribute.value).split()).casefold()) for attribute in rdn)
        for rdn in value.rdns
    ]
