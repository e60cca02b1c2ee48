# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a renewal may happen: a host's share of the spread, maintenance windows, and how busy the days ahead are."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from typing import Any, FrozenSet, Iterable, Iterator, List, Optional, Sequence, Tuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ..module_utils.errors import InputError
from .suggestion import unknown

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_KEYS = ("days", "from", "to", "timezone")
_EXAMPLE = '{days: [sat, sun], from: "22:00", to: "04:00", timezone: Europe/Berlin}'
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_MIDNIGHT = "24:00"
_DAY = 24 * 60
_HOUR = timedelta(hours=1)
_FORESIGHT = 24
"""Days in which a window that opens once a week opens for sure, also if two weeks lack its hour or its day."""


@dataclass(frozen=True)
class Window:
    """Hours that repeat, by the clocks of a time zone.

    `days` are those on which it begins, 0 for Monday; `begin` and `end` are minutes since that day's midnight, `end`
    being more than a day's where it lies on the next one. `begin` belongs to the window, `end` does not.
    """

    days: FrozenSet[int]
    begin: int
    end: int
    zone: tzinfo

    def shows(self, at: datetime) -> bool:
        """Whether the clocks of the zone show one of its hours at that moment."""
        local = at.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today = local.weekday() in self.days and self.begin <= minute < self.end
        return today or ((local.weekday() - 1) % 7 in self.days and minute + _DAY < self.end)


def offset(host: str, credential: str, jitter: timedelta) -> timedelta:
    """How much later than the first of a fleet this credential is due: whole seconds, at least 0, less than `jitter`.

    It depends on the two names and `jitter` alone, so it is the same in each run, and spreads evenly over hosts.
    """
    seconds = int(jitter.total_seconds())
    if seconds < 1:
        return timedelta(0)
    digest = hashlib.sha256(b"\0".join((host.encode(), credential.encode()))).digest()
    return timedelta(seconds=int.from_bytes(digest, "big") % seconds)


def read_windows(raw: Any, where: str) -> Tuple[Window, ...]:
    """The windows of an option's value: one map or a list of maps, plain values; none for None.

    Raises InputError that begins with `where` and says what to write instead.
    """
    if raw is None:
        return ()
    if isinstance(raw, dict):
        return (_window(raw, where),)
    if not isinstance(raw, list) or not raw:
        raise InputError("{0} must be a window or a list of windows, such as {1}".format(where, _EXAMPLE))
    return tuple(_window(item, "{0}[{1}]".format(where, number)) for number, item in enumerate(raw))


def is_open(windows: Sequence[Window], at: datetime) -> bool:
    """Whether a window is open at that moment (aware); always where there are no windows.

    A window is open whenever the clocks of its zone show one of its hours. When clocks go forward, the hour that they
    skip is open to nobody. When they go back, the hour that they show twice is open twice.
    """
    return not windows or any(window.shows(at) for window in windows)


def next_opening(windows: Sequence[Window], at: datetime) -> datetime:
    """The first moment from `at` (aware) on at which a window is open, in UTC: `at` itself where one is open then.

    A window whose beginning the clocks skip opens when they have gone forward, if they show one of its hours then.
    """
    at = at.astimezone(timezone.utc)
    if is_open(windows, at):
        return at
    # A window opens when its zone's clocks come to its beginning, or when they are put into the midst of it.
    moments = sorted({moment for window in windows for moment in _moments(window, at) if moment > at})
    return next(moment for moment in moments if is_open(windows, moment))


def busiest(dues: Iterable[datetime], days: int) -> List[Tuple[date, int]]:
    """The `days` busiest days and how many of `dues` (aware) fall on each, by UTC: most first, then the earlier day."""
    counts = Counter(due.astimezone(timezone.utc).date() for due in dues)
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:days]


def _moments(window: Window, at: datetime) -> Iterator[datetime]:
    """Moments, in UTC and in no order, at which `window` may open in the time to come."""
    first = at.astimezone(window.zone).date()
    begin = time(window.begin // 60, window.begin % 60)
    # From yesterday on: where clocks go back over midnight, yesterday is yet to come.
    for number in range(-1, _FORESIGHT):
        local = datetime.combine(first + timedelta(days=number), begin, window.zone)
        for fold in (0, 1):
            yield local.replace(fold=fold).astimezone(timezone.utc)
    yield from _changes(window.zone, at, at + timedelta(days=_FORESIGHT))


def _changes(zone: tzinfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """The moments at which the clocks of `zone` are put forward or back, between two moments in UTC."""
    before = since.replace(minute=0, second=0, microsecond=0)
    while before < until:
        after = before + _HOUR
        if _offset_from_utc(zone, before) != _offset_from_utc(zone, after):
            low, high = 0, 3600
            while high - low > 1:
                middle = (low + high) // 2
                same = _offset_from_utc(zone, before + timedelta(seconds=middle)) == _offset_from_utc(zone, before)
                low, high = (middle, high) if same else (low, middle)
            yield before + timedelta(seconds=high)
        before = after


def _offset_from_utc(zone: tzinfo, at: datetime) -> Optional[timedelta]:
    return at.astimezone(zone).utcoffset()


def _window(raw: Any, where: str) -> Window:
    if not isinstance(raw, dict):
        raise InputError("{0} must be a map, such as {1}".format(where, _EXAMPLE))
    for key in raw:
        if key not in _KEYS:
            raise unknown("option", key, _KEYS, above=where + ".")
    for key in ("from", "to"):
        if raw.get(key) is None:
            raise InputError("{0}.{1}: missing; a window is written such as {2}".format(where, key, _EXAMPLE))
    begin = _minutes(raw["from"], where + ".from")
    end = _DAY if raw["to"] == _MIDNIGHT else _minutes(raw["to"], where + ".to")
    if begin == end:
        raise InputError(
            '{0}: from and to are the same; for a whole day write from: "00:00", to: "{1}"'.format(where, _MIDNIGHT)
        )
    return Window(
        days=_days(raw.get("days"), where + ".days"),
        begin=begin,
        end=end if end > begin else end + _DAY,
        zone=_zone(raw.get("timezone"), where + ".timezone"),
    )


def _minutes(value: Any, where: str) -> int:
    if isinstance(value, (int, float)):
        raise InputError('{0} must be quoted, such as "22:00": YAML makes a number of the bare digits'.format(where))
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InputError('{0}: {1!r} is no time of day; write it from "00:00" to "23:59"'.format(where, value))
    return int(match.group(1)) * 60 + int(match.group(2))


def _days(value: Any, where: str) -> FrozenSet[int]:
    if value is None:
        return frozenset(range(7))
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise InputError("{0} must be a list of {1}; leave it out for all days".format(where, ", ".join(DAYS)))
    for item in items:
        if item not in DAYS:
            raise unknown("{0}: the day".format(where), str(item), DAYS, "write {0}".format(", ".join(DAYS)))
    return frozenset(DAYS.index(item) for item in items)


def _zone(value: Any, where: str) -> tzinfo:
    if value is None:
        return timezone.utc
    if not isinstance(value, str):
        raise InputError("{0} must be the name of a time zone, such as Europe/Berlin".format(where))
    if value == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    known = available_timezones()
    if not known:
        raise InputError(
            "{0}: the controller has no time zone database; install tzdata, the distribution's package or the Python "
            "one".format(where)
        )
    near = difflib.get_close_matches(value, known, n=1)
    hint = "did you mean {0!r}?".format(near[0]) if near else "write Area/City, such as Europe/Berlin"
    raise InputError("{0}: the time zone {1!r} is not known; {2}".format(where, value, hint))
