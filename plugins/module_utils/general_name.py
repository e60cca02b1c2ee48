# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""General names (RFC 5280, section 4.2.1.6) as text: "DNS:a.example", email:, URI:, IP:, RID:, dirName:, otherName:.

The text is canonical, so that equal names have equal texts: domains are in lower case (RFC 4343, RFC 5321), addresses
compressed (RFC 5952), names rendered by `name`.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Dict, Tuple

from . import der, name
from .errors import FormatError, InputError
from .hostile import format_errors
from .imports import x509

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = re.compile(r"(\*\.)?{0}(\.{0})*".format(_LABEL))
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-\[\]_a-z~]+")
_LOCAL_PART = re.compile(r"[!#-'*+\-/-9=?A-Z^-~]+(\.[!#-'*+\-/-9=?A-Z^-~]+)*")
_DOTTED = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,30}")
_UTF8_STRING = 0x0C
_LENGTH_LIMIT = 2048


def parse(text: str) -> Any:
    """The x509.GeneralName that `text` states. InputError says what is wrong with it."""
    if not isinstance(text, str):
        raise InputError("a general name is a string like 'DNS:a.example', not {0}".format(type(text).__name__))
    kind, colon, value = text.partition(":")
    parser = _parsers().get(kind.strip().lower())
    if parser is None or not colon:
        raise InputError(
            "{0!r} is no general name; write DNS:, email:, URI:, IP:, RID:, dirName: or otherName: before its "
            "value".format(text[:100])
        )
    if len(value) > _LENGTH_LIMIT:
        raise InputError("a general name is longer than {0} characters".format(_LENGTH_LIMIT))
    return parser(value.strip(" "))


def render(general_name: Any) -> str:
    """The canonical text of an x509.GeneralName. FormatError when it is malformed."""
    with format_errors("a general name is malformed"):
        kind, value = _text(general_name)
    return "{0}:{1}".format(kind, value)


def _parsers() -> Dict[str, Callable[[str], Any]]:
    return {
        "dns": _parse_dns,
        "email": _parse_email,
        "uri": _parse_uri,
        "ip": _parse_ip,
        "rid": lambda value: x509.RegisteredID(_oid(value)),
        "dirname": lambda value: x509.DirectoryName(name.to_x509(name.parse(value))),
        "othername": _parse_other,
    }


def _parse_dns(value: str) -> Any:
    return x509.DNSName(_domain(value))


def _domain(value: str) -> str:
    if len(value) > 253 or not _DOMAIN.fullmatch(value):
        raise InputError(
            "{0!r} is no DNS name; write international names in their xn-- form, and no final dot".format(value[:100])
        )
    return value.lower()


def _parse_email(value: str) -> Any:
    local, at, domain = value.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local):
        raise InputError("{0!r} is no e-mail address of the form user@domain, in ASCII".format(value[:100]))
    return x509.RFC822Name("{0}@{1}".format(local, _domain(domain)))


def _parse_uri(value: str) -> Any:
    if not _URI.fullmatch(value):
        raise InputError("{0!r} is no URI with a scheme, in ASCII and without blanks".format(value[:100]))
    return x509.UniformResourceIdentifier(value)


def _parse_ip(value: str) -> Any:
    try:
        # A certificate has no room for a zone.
        return x509.IPAddress(ipaddress.ip_address(value.replace("%", "no zone")))
    except ValueError as error:
        raise InputError("{0!r} is no IPv4 or IPv6 address".format(value[:100])) from error


def _oid(value: str) -> Any:
    try:
        if _DOTTED.fullmatch(value):
            return x509.ObjectIdentifier(value)
    except ValueError:
        pass
    raise InputError("{0!r} is no object identifier like 1.3.6.1.4.1.311.20.2.3".format(value[:100]))


def _parse_other(value: str) -> Any:
    dotted, _semicolon, typed = value.partition(";")
    kind, _colon, text = typed.partition(":")
    if kind.upper() == "UTF8" and text and text.isprintable():
        return x509.OtherName(_oid(dotted), der.encode(_UTF8_STRING, text.encode("utf-8")))
    if kind.upper() == "DER":
        try:
            encoded = bytes.fromhex(text)
            der.read(encoded, "the other name")
        except (ValueError, FormatError) as error:
            raise InputError("the other name {0!r} holds no DER in hexadecimal".format(value[:100])) from error
        return x509.OtherName(_oid(dotted), encoded)
    raise InputError(
        "{0!r} is no other name; write <object identifier>;UTF8:<text> or <object identifier>;DER:<hexadecimal>".format(
            value[:100]
        )
    )


def _text(general_name: Any) -> Tuple[str, str]:
    value = general_name.value
    if isinstance(general_name, x509.DNSName):
        return "DNS", _visible(value.lower())
    if isinstance(general_name, x509.RFC822Name):
        local, at, domain = value.rpartition("@")
        return "email", _visible(local + at + domain.lower())
    if isinstance(general_name, x509.UniformResourceIdentifier):
        return "URI", _visible(value)
    if isinstance(general_name, x509.IPAddress):
        return "IP", str(value)
    if isinstance(general_name, x509.RegisteredID):
        return "RID", value.dotted_string
    if isinstance(general_name, x509.DirectoryName):
        return "dirName", name.render(name.from_x509(value))
    return "otherName", "{0};{1}".format(general_name.type_id.dotted_string, _other_value(value))


def _visible(value: str) -> str:
    # A backslash is in no text that `parse` accepts, so no escaped value equals one that was stated.
    return "".join(character if character.isprintable() else "\\x{0:02x}".format(ord(character)) for character in value)


def _other_value(encoded: bytes) -> str:
    try:
        text = der.expect(der.read(encoded, "the other name"), _UTF8_STRING, "the other name").decode("utf-8")
    except (FormatError, UnicodeDecodeError):
        text = ""
    if text and text.isprintable() and der.encode(_UTF8_STRING, text.encode("utf-8")) == encoded:
        return "UTF8:" + text
    return "DER:" + encoded.hex()
