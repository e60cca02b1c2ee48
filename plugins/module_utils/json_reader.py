# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed values out of JSON objects that somebody else has written."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from .errors import InputError

# Any larger number of seconds, bits or generations is a mistake, and some would overflow dates.
MAXIMUM_NUMBER = 10**9
_MAXIMUM_PATH = 4095


class Reader:
    """Takes typed values out of one JSON object, naming the place in every error."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise InputError("{0} must be a map".format(where))
        self._raw: Dict[str, Any] = raw
        self.where = where

    def _get(self, key: str, kind: type[Any]) -> Any:
        value = self._raw.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InputError("{0}.{1} is missing or of the wrong type".format(self.where, key))
        return value

    def text(self, key: str) -> str:
        value: str = self._get(key, str)
        return self.encodable(value, key)

    def encodable(self, value: str, key: str) -> str:
        """The text, if UTF-8 can hold it."""
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("{0}.{1} holds half a character (a lone surrogate)".format(self.where, key)) from None
        return value

    def one_of(self, key: str, values: Sequence[str]) -> str:
        value = self.text(key)
        if value not in values:
            raise InputError("{0}.{1} must be one of {2}".format(self.where, key, ", ".join(values)))
        return value

    def optional(self, key: str) -> Optional[str]:
        return None if self._raw.get(key) is None else self.text(key)

    def integer(self, key: str) -> int:
        value: int = self._get(key, int)
        if not 0 <= value <= MAXIMUM_NUMBER:
            raise InputError("{0}.{1} must be between 0 and {2}".format(self.where, key, MAXIMUM_NUMBER))
        return value

    def flag(self, key: str) -> bool:
        value: bool = self._get(key, bool)
        return value

    def mapping(self, key: str) -> Dict[str, Any]:
        value: Dict[str, Any] = self._get(key, dict)
        return value

    def list(self, key: str) -> List[Any]:
        value: List[Any] = self._get(key, list)
        return value

    def strings(self, key: str) -> List[str]:
        values = self.list(key)
        if not all(isinstance(value, str) for value in values):
            raise InputError("{0}.{1} must hold strings".format(self.where, key))
        return [self.encodable(value, key) for value in values]

    def pairs(self, key: str) -> Tuple[Tuple[str, str], ...]:
        values = self.list(key)
        if not all(isinstance(pair, list) and [type(part) for part in pair] == [str, str] for pair in values):
            raise InputError("{0}.{1} must hold pairs of strings".format(self.where, key))
        return tuple((self.encodable(name, key), self.encodable(value, key)) for name, value in values)

    def items(self, key: str) -> List[Reader]:
        return [
            Reader(item, "{0}.{1}[{2}]".format(self.where, key, number)) for number, item in enumerate(self.list(key))
        ]

    def below(self, key: str) -> Reader:
        return Reader(self._raw.get(key), self.where + "." + key)

    def has(self, key: str) -> bool:
        return self._raw.get(key) is not None

    def matching(self, key: str, pattern: re.Pattern[str]) -> str:
        value = self.text(key)
        if not pattern.match(value):
            raise InputError("{0}.{1}: {2!r} is not a valid name".format(self.where, key, value))
        return value

    def path(self, key: str) -> str:
        value = self.text(key)
        if not value.startswith("/") or ".." in value.split("/") or "\0" in value or len(value) > _MAXIMUM_PATH:
            raise InputError("{0}.{1}: {2!r} must be absolute and without '..'".format(self.where, key, value))
        return value
