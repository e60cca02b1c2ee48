# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which credentials an operation is about: `mtls_select`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

from ..module_utils.errors import InputError
from .suggestion import unknown

VARIABLE = "mtls_select"
KEYS = ("credential", "provider", "issuer", "serial")
_EXAMPLE = '-e \'{"mtls_select": {"credential": "orders"}}\''
_SERIAL = re.compile(r"[0-9a-f]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Selection:
    """What was asked for; an empty tuple asks for nothing in particular. Serial numbers are numbers here."""

    credentials: Tuple[str, ...] = ()
    providers: Tuple[str, ...] = ()
    issuers: Tuple[str, ...] = ()
    serials: Tuple[int, ...] = ()

    @property
    def needs_serial(self) -> bool:
        """Whether nothing can be decided without the serial number of the certificate in use."""
        return bool(self.serials)

    def matches(self, name: str, provider: str, issuer: str, serial: Optional[str]) -> bool:
        """Whether a credential is meant: everything that was given has to match.

        `serial` is hexadecimal, as results state it; None where there is no certificate, which no serial matches.
        """
        return (
            _admits(self.credentials, name)
            and _admits(self.providers, provider)
            and _admits(self.issuers, issuer)
            and _admits(self.serials, None if serial is None else int(serial.replace(":", ""), 16))
        )


def read(raw: Any, required: bool) -> Selection:
    """The selection that `raw` states, plain values: a map with any of `KEYS`, each a text or a list of texts.

    None and an empty map select everything, which is refused where one is `required`. Raises InputError.
    """
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise InputError("{0} must be a map, such as {1}".format(VARIABLE, _EXAMPLE))
    for key in raw:
        if key not in KEYS:
            raise unknown("option", key, KEYS, above=VARIABLE + ".")
    if required and not raw:
        raise InputError(
            "nothing is selected: operations that are hard to undo demand one; give {0} one or more of {1}, such as "
            "{2}".format(VARIABLE, ", ".join(KEYS), _EXAMPLE)
        )
    given: Dict[str, Tuple[str, ...]] = {key: _texts(value, _place(key)) for key, value in raw.items()}
    return Selection(
        credentials=given.get("credential", ()),
        providers=given.get("provider", ()),
        issuers=given.get("issuer", ()),
        serials=tuple(_serial(text) for text in given.get("serial", ())),
    )


def _admits(wanted: Tuple[Any, ...], value: Any) -> bool:
    return not wanted or value in wanted


def _texts(value: Any, where: str) -> Tuple[str, ...]:
    """One text, or a list of them, as a tuple. What is empty is an error: taken as "all" it would select too much."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise InputError("{0} is an empty list; name what is meant, or leave it out".format(where))
    for item in items:
        if item is None or item == "":
            raise InputError("{0} is empty; name what is meant, or leave it out".format(where))
        if not isinstance(item, str):
            raise InputError("{0} must be text or a list of texts; quote each".format(where))
    return tuple(items)


def _serial(text: str) -> int:
    digits = text.replace(":", "").lower()
    if not _SERIAL.fullmatch(digits):
        raise InputError(
            "{0}: {1!r} is no serial number; write it in hexadecimal, such as 1fd3a0e2 or 1F:D3:A0:E2".format(
                _place("serial"), text
            )
        )
    return int(digits, 16)


def _place(key: str) -> str:
    return "{0}.{1}".format(VARIABLE, key)
