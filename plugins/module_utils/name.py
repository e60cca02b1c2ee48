# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distinguished names: from inventories, to and from certificates, and as text.

A name is held as `Pairs`: (short name, value) in encoding order. A relative distinguished name of several attributes
(X.501; never made here, but read) is one pair whose two halves are joined by "+", as in RFC 4514: ("CN+O", "a+b").
"""

from __future__ import annotations

import re
from typing import Any, List, Mapping, Tuple

from . import attribute_type
from .errors import InputError, UnsupportedError
from .hostile import format_errors
from .imports import x509

Pairs = Tuple[Tuple[str, str], ...]

_ATTRIBUTE_LIMIT = 100
_SPECIAL = re.compile(r'([,+"\\<>;=])')
_BYTES = ":bytes"  # ends the name of an attribute whose value is no text; no inventory can state one


def normalize(subject: Any) -> Pairs:
    """The name that an inventory states, in encoding order.

    A map is encoded in the canonical order C ST L O OU CN emailAddress, then the others, whatever order it has;
    a list of values repeats the attribute; a list of one-key maps keeps its order. InputError says what is wrong.
    """
    if isinstance(subject, Mapping):
        stated = list(subject.items())
    elif isinstance(subject, (list, tuple)):
        stated = [_one_attribute(entry) for entry in subject]
    else:
        raise InputError("a subject is a map of attributes, or a list of maps of one attribute each")
    pairs = tuple(_pair(name, one) for name, value in stated for one in (value if _is_list(value) else [value]))
    if len(pairs) > _ATTRIBUTE_LIMIT:
        raise InputError("a subject has at most {0} attributes, not {1}".format(_ATTRIBUTE_LIMIT, len(pairs)))
    if isinstance(subject, Mapping):
        return tuple(sorted(pairs, key=_rank))
    return pairs


def to_x509(pairs: Pairs) -> Any:
    """The x509.Name of these pairs, each an RDN of its own. InputError for values that no name can hold."""
    return x509.Name([_rdn(name, value) for name, value in pairs])


def from_x509(name: Any) -> Pairs:
    """The pairs of an x509.Name, in encoding order. FormatError when the name is malformed."""
    with format_errors("a distinguished name is malformed"):
        return tuple(_from_rdn(list(rdn)) for rdn in name.rdns)


def render(pairs: Pairs) -> str:
    """The name as text for people, in encoding order, escaped as in RFC 4514: "O=Acme, CN=ops"."""
    return ", ".join(
        "+".join(
            "{0}={1}".format(part, text if "+" in name else _escape(text))
            for part, text in zip(name.split("+"), _split(value, "+") if "+" in name else [value])
        )
        for name, value in pairs
    )


def parse(text: str) -> Pairs:
    """The pairs of a name as `render` writes it. InputError when it is none."""
    pairs: List[Tuple[str, str]] = []
    for rdn in _split(text, ","):
        parts = [_parse_attribute(part) for part in _split(rdn, "+")]
        pairs.append(parts[0] if len(parts) == 1 else _join(parts))
    return tuple(pairs)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _one_attribute(entry: Any) -> Tuple[Any, Any]:
    if isinstance(entry, Mapping) and len(entry) == 1:
        return next(iter(entry.items()))
    if _is_list(entry) and len(entry) == 2 and isinstance(entry[1], str):
        return entry[0], entry[1]
    raise InputError("each entry of a subject's list is a map of one attribute, as in - CN: ops")


def _pair(name: Any, value: Any) -> Tuple[str, str]:
    if not isinstance(name, str):
        raise InputError("a subject's attribute is named by a string, not by {0!r}".format(name))
    kind = attribute_type.by_name(name)
    if not isinstance(value, str):
        raise InputError(
            "the subject's {0} is not a string but {1}; put it in quotes".format(kind.name, type(value).__name__)
        )
    problem = attribute_type.problem(kind, value)
    if problem is not None:
        raise InputError("the subject's {0} {1}".format(kind.name, problem))
    # Not the value itself: Ansible's own string types carry marks that do not belong in here.
    return kind.name, "".join(value)


def _rank(pair: Tuple[str, str]) -> Tuple[int, str]:
    rank = attribute_type.RANKS.get(pair[0])
    return (len(attribute_type.RANKS), pair[0]) if rank is None else (rank, "")


def _rdn(name: str, value: str) -> Any:
    if "+" not in name:
        return x509.RelativeDistinguishedName([_attribute(name, value)])
    texts = [_unescape(text) for text in _split(value, "+")]
    return x509.RelativeDistinguishedName([_attribute(part, text) for part, text in zip(name.split("+"), texts)])


def _attribute(name: str, value: str) -> Any:
    if name.endswith(_BYTES):
        raise UnsupportedError("a distinguished name holds a value that is no text ({0})".format(name))
    kind, value = attribute_type.by_name(name), _pair(name, value)[1]
    try:
        return x509.NameAttribute(x509.ObjectIdentifier(kind.dotted), value)
    except (ValueError, TypeError) as error:
        raise InputError("the subject's {0} cannot be encoded: {1}".format(kind.name, error)) from error


def _from_rdn(attributes: List[Any]) -> Tuple[str, str]:
    parts = [_from_attribute(attribute) for attribute in attributes]
    return parts[0] if len(parts) == 1 else _join(parts)


def _from_attribute(attribute: Any) -> Tuple[str, str]:
    name, value = attribute_type.short_name(attribute.oid.dotted_string), attribute.value
    if isinstance(value, bytes):
        return name + _BYTES, value.hex()
    return name, value


def _join(parts: List[Tuple[str, str]]) -> Tuple[str, str]:
    # X.501 makes them a set, so that their order says nothing.
    parts = sorted(parts)
    return "+".join(name for name, _value in parts), "+".join(_escape(value) for _name, value in parts)


def _escape(value: str) -> str:
    escaped = _SPECIAL.sub(r"\\\1", value)
    escaped = "".join(_visible(character) for character in escaped)
    if escaped.startswith(("#", " ")):
        escaped = "\\" + escaped
    if value.endswith(" ") and len(value) > 1:
        escaped = escaped[:-1] + "\\ "
    return escaped


def _visible(character: str) -> str:
    if character == " " or character.isprintable():
        return character
    return "".join("\\{0:02x}".format(byte) for byte in character.encode("utf-8", "surrogatepass"))


def _split(text: str, separator: str) -> List[str]:
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def _parse_attribute(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(
            "{0!r} is no distinguished name like 'O=Acme, CN=ops'; write \\, and \\+ inside values".format(text.strip())
        )
    value = value.lstrip(" ")
    stripped = value.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    if backslashes % 2 and value != stripped:
        stripped += " "
    return _pair(name.strip(), _unescape(stripped))


def _unescape(text: str) -> str:
    raw, position = bytearray(), 0
    while position < len(text):
        character = text[position]
        if character != "\\":
            raw += character.encode("utf-8", "surrogatepass")
            position += 1
        elif re.fullmatch(r"[0-9A-Fa-f]{2}", text[position + 1 : position + 3]):
            raw.append(int(text[position + 1 : position + 3], 16))
            position += 3
        elif position + 1 < len(text):
            raw += text[position + 1].encode("utf-8", "surrogatepass")
            position += 2
        else:
            raise InputError("a distinguished name ends in a backslash")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("a distinguished name holds escapes that are not UTF-8") from error
