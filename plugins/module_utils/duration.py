# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations as people write them in an inventory: `90d`, `12h`, `30m`, `2w`, `45s`."""

from __future__ import annotations

import re
from datetime import timedelta

from .errors import InputError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PATTERN = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
_MAXIMUM = timedelta(days=100 * 366)


def parse(value: object, option: str) -> timedelta:
    """The length of time that `value` states, always more than zero.

    Raises InputError, naming `option`, for anything but a whole number and one of the units s, m, h, d, w,
    and for more than a hundred years.
    """
    match = _PATTERN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InputError(
            "{0}: {1!r} is not a length of time; write a whole number and a unit, such as 90d, 12h, 30m, 2w "
            "or 45s".format(option, value)
        )
    seconds = int(match.group(1)) * _SECONDS[match.group(2)]
    if not 0 < seconds <= _MAXIMUM.total_seconds():
        raise InputError("{0}: {1} must be more than nothing and at most a hundred years".format(option, value))
    return timedelta(seconds=seconds)


def describe(length: timedelta) -> str:
    """A length of time in the largest unit, of days and smaller, that states it as a whole number: `90d`."""
    seconds = int(length.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return "{0}{1}".format(seconds // _SECONDS[unit], unit)
    return "{0}s".format(seconds)
