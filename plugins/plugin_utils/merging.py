# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joining variables that add up instead of replacing each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Dict, Iterable, List, Tuple, Union

from ..module_utils.errors import InputError

SEPARATOR = "__"


def parts_of(name: str, known: Iterable[str]) -> List[str]:
    """The variables that make up `name`: itself and every `name__anything`, in alphabetical order."""
    prefix = name + SEPARATOR
    return sorted(part for part in known if part == name or (part.startswith(prefix) and part != prefix))


def merge(name: str, parts: Mapping[str, Any]) -> Union[List[Any], Dict[str, Any]]:
    """The values of the variables `parts` (by name) as one list or map; an empty list where there is none.

    Values are taken over as they are, still vaulted ones included. Raises InputError naming both variables where two
    define one thing, and naming the variable where its value is neither list nor map.
    """
    given = {part: value for part, value in parts.items() if value is not None}
    if all(isinstance(value, Mapping) for value in given.values()) and given:
        return _merge_maps(given)
    for part, value in given.items():
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            kinds = "a list" if not isinstance(value, Mapping) else "a list like the others"
            raise InputError("the variable {0} must be {1}, because {2} is joined from it".format(part, kinds, name))
    return _merge_lists(given)


def _merge_maps(parts: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    merged: Dict[str, Any] = {}
    origin: Dict[str, str] = {}
    for part, value in parts.items():
        for key, item in value.items():
            _claim(origin, key, part)
            merged[key] = item
    return merged


def _merge_lists(parts: Mapping[str, Sequence[Any]]) -> List[Any]:
    merged: List[Any] = []
    origin: Dict[str, str] = {}
    for part, items in parts.items():
        own: Dict[str, str] = {}
        for item in items:
            name = item.get("name") if isinstance(item, Mapping) else None
            # Twice in one variable is for the task to report: it knows the items' numbers.
            if isinstance(name, str) and name not in own:
                own[name] = part
                _claim(origin, name, part)
            merged.append(item)
    return merged


def _claim(origin: Dict[str, str], name: str, part: str) -> None:
    if name in origin:
        first, second = _ordered(origin[name], part)
        raise InputError(
            "{0!r} is defined in {1} and in {2}; names are unique on a host, rename or remove one".format(
                name, first, second
            )
        )
    origin[name] = part


def _ordered(one: str, other: str) -> Tuple[str, str]:
    return (one, other) if one <= other else (other, one)
