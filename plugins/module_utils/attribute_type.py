# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attribute types of distinguished names that have short names here.

Short names: RFC 4514, section 3, and what OpenSSL prints. Upper bounds: RFC 5280, appendix A; for postalCode X.520,
for UID RFC 4524. Characters: RFC 5280, section 4.1.2.4 and appendix A.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Dict, Optional

from .errors import InputError

_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,\-./:=?]*")
_DOTTED = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,30}")


@dataclass(frozen=True)
class AttributeType:
    """`characters` is utf8, printable or ia5; `limit` counts characters."""

    name: str
    dotted: str
    limit: int
    long_name: str
    characters: str = "utf8"


_TYPES = (
    # The order is the canonical one, in which the attributes of a map are encoded.
    AttributeType("C", "2.5.4.6", 2, "countryName", "printable"),
    AttributeType("ST", "2.5.4.8", 128, "stateOrProvinceName"),
    AttributeType("L", "2.5.4.7", 128, "localityName"),
    AttributeType("O", "2.5.4.10", 64, "organizationName"),
    AttributeType("OU", "2.5.4.11", 64, "organizationalUnitName"),
    AttributeType("CN", "2.5.4.3", 64, "commonName"),
    AttributeType("emailAddress", "1.2.840.113549.1.9.1", 255, "emailAddress", "ia5"),
    AttributeType("serialNumber", "2.5.4.5", 64, "serialNumber", "printable"),
    AttributeType("DC", "0.9.2342.19200300.100.1.25", 63, "domainComponent", "ia5"),
    AttributeType("UID", "0.9.2342.19200300.100.1.1", 256, "userId"),
    AttributeType("SN", "2.5.4.4", 32768, "surname"),
    AttributeType("GN", "2.5.4.42", 32768, "givenName"),
    AttributeType("T", "2.5.4.12", 64, "title"),
    AttributeType("STREET", "2.5.4.9", 128, "streetAddress"),
    AttributeType("postalCode", "2.5.4.17", 40, "postalCode"),
    AttributeType("pseudonym", "2.5.4.65", 128, "pseudonym"),
)
_OTHER_LIMIT = 32768  # RFC 5280: ub-name, the largest bound of any attribute

RANKS: Dict[str, int] = {kind.name: rank for rank, kind in enumerate(_TYPES)}
"""Where in the canonical order a short name stands; names without an entry come last."""

_BY_NAME = {name.lower(): kind for kind in _TYPES for name in (kind.name, kind.long_name, kind.dotted)}


def by_name(name: str) -> AttributeType:
    """The type of this short name, long name or dotted OID. InputError for names that nobody knows."""
    known = _BY_NAME.get(name.lower())
    if known is not None:
        return known
    if not _DOTTED.fullmatch(name):
        raise InputError(
            "{0!r} is no attribute of a subject; use one of {1}, or a dotted object identifier".format(
                name, ", ".join(RANKS)
            )
        )
    return AttributeType(name, name, _OTHER_LIMIT, name)


def short_name(dotted: str) -> str:
    """The short name of this OID, or the OID itself."""
    known = _BY_NAME.get(dotted)
    return dotted if known is None else known.name


def problem(kind: AttributeType, value: str) -> Optional[str]:
    """What keeps `value` from being a value of this attribute type, or None."""
    if not value.strip():
        return "is empty"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in value):
        return "holds a control character"
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        return "holds characters that UTF-8 cannot encode"
    if kind.name == "C" and not re.fullmatch(r"[A-Za-z]{2}", value):
        return "is not a country code of two letters (ISO 3166)"
    if kind.characters == "printable" and not _PRINTABLE.fullmatch(value):
        return "holds characters that ASN.1's PrintableString does not have"
    if kind.characters == "ia5" and size != len(value):
        return "holds characters outside ASCII (write domains in their xn-- form)"
    # The library counts a common name's bytes, not its characters.
    if (size if kind.name == "CN" else len(value)) > kind.limit:
        return "is longer than {0} {1}".format(kind.limit, "bytes in UTF-8" if kind.name == "CN" else "characters")
    return None
