# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spread, windows across changes of the clocks, and busy days."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from typing import Any, Dict, List, Tuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils import schedule
from ansible_collections.mutual.tls.plugins.plugin_utils.schedule import (
    busiest,
    is_open,
    next_opening,
    offset,
    read_windows,
)

WEEK = timedelta(days=7)
BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=timezone.utc)


def test_the_offset_is_the_same_each_time_and_another_for_another_name() -> None:
    assert offset("web1", "orders", WEEK) == offset("web1", "orders", WEEK)
    others = {offset(*names, WEEK) for names in [("web1", "orders"), ("web2", "orders"), ("web1", "chat")]}
    assert len(others) == 3
    # The same letters, parted elsewhere.
    assert offset("web1o", "rders", WEEK) != offset("web1", "orders", WEEK)


def test_the_offset_never_changes_between_releases() -> None:
    assert offset("web1", "orders", WEEK) == timedelta(seconds=427519)


@given(st.text(max_size=20), st.text(max_size=20), st.integers(1, 10_000))
def test_offsets_are_whole_seconds_below_the_jitter(host: str, credential: str, seconds: int) -> None:
    length = offset(host, credential, timedelta(seconds=seconds))
    assert timedelta(0) <= length < timedelta(seconds=seconds)
    assert length.microseconds == 0


@pytest.mark.parametrize("jitter", [timedelta(0), timedelta(milliseconds=999), timedelta(seconds=-5)])
def test_no_jitter_is_no_offset(jitter: timedelta) -> None:
    assert offset("web1", "orders", jitter) == timedelta(0)


def test_a_fleet_is_spread_evenly() -> None:
    hours = Counter(offset(f"web{number}", "orders", timedelta(days=1)).seconds // 3600 for number in range(24_000))
    # 1000 in each hour, give or take five times the deviation of a fair draw.
    assert len(hours) == 24
    assert all(845 < count < 1155 for count in hours.values())


NIGHT = {"from": "22:00", "to": "04:00", "timezone": BERLIN}
WEEKEND = {"days": ["sat", "sun"], "from": "00:00", "to": "24:00"}
OPEN: Dict[str, Tuple[Any, str, bool]] = {
    "none given": (None, "2026-11-21 12:00", True),
    "before": ({"from": "10:00", "to": "11:00"}, "2026-11-21 09:59", False),
    "at its beginning": ({"from": "10:00", "to": "11:00"}, "2026-11-21 10:00", True),
    "at its end": ({"from": "10:00", "to": "11:00"}, "2026-11-21 11:00", False),
    "in its zone, winter": (NIGHT, "2026-01-10 21:00", True),
    "not yet in its zone, winter": (NIGHT, "2026-01-10 20:59", False),
    "in its zone, summer": (NIGHT, "2026-07-10 20:00", True),
    "past midnight": (NIGHT, "2026-01-11 02:59", True),
    "past its end": (NIGHT, "2026-01-11 03:00", False),
    "on a day of it": (WEEKEND, "2026-11-21 00:00", True),
    "to the end of its last day": (WEEKEND, "2026-11-22 23:59", True),
    "on another day": (WEEKEND, "2026-11-23 00:00", False),
    "the day that counts is the first": ({**NIGHT, "days": ["fri"]}, "2026-11-21 02:00", True),
    "and not the second": ({**NIGHT, "days": ["fri"]}, "2026-11-20 02:00", False),
    "from Sunday into Monday": ({**NIGHT, "days": ["sun"]}, "2026-11-23 02:00", True),
    "one day, not in a list": ({**NIGHT, "days": "sun"}, "2026-11-23 02:00", True),
    "until midnight": ({"from": "22:00", "to": "00:00"}, "2026-11-23 23:59", True),
    "not after midnight": ({"from": "22:00", "to": "00:00"}, "2026-11-24 00:00", False),
    "the second of two": (
        [{"from": "01:00", "to": "02:00"}, {"from": "05:00", "to": "06:00"}],
        "2026-11-24 05:30",
        True,
    ),
    "none of two": ([{"from": "01:00", "to": "02:00"}, {"from": "05:00", "to": "06:00"}], "2026-11-24 04:00", False),
    # In Berlin 02:00 became 03:00 at 01:00 UTC, and 03:00 became 02:00 at 01:00 UTC.
    "skipped hours are open to nobody": (
        {"from": "02:00", "to": "03:00", "timezone": BERLIN},
        "2026-03-29 01:00",
        False,
    ),
    "nor just before": ({"from": "02:00", "to": "03:00", "timezone": BERLIN}, "2026-03-29 00:59", False),
    "the repeated hour, first": ({"from": "02:00", "to": "03:00", "timezone": BERLIN}, "2026-10-25 00:30", True),
    "the repeated hour, second": ({"from": "02:00", "to": "03:00", "timezone": BERLIN}, "2026-10-25 01:30", True),
    "and no longer": ({"from": "02:00", "to": "03:00", "timezone": BERLIN}, "2026-10-25 02:00", False),
}


@pytest.mark.parametrize(("raw", "at", "expected"), OPEN.values(), ids=OPEN.keys())
def test_is_open(raw: Any, at: str, expected: bool) -> None:
    windows = read_windows(raw, "renew_window")
    assert is_open(windows, utc(at)) is expected
    assert is_open(windows, utc(at).astimezone(ZoneInfo("Asia/Kolkata"))) is expected


OPENINGS: Dict[str, Tuple[Any, str, str]] = {
    "no windows": (None, "2026-11-21 12:00", "2026-11-21 12:00"),
    "open now": (NIGHT, "2026-01-10 22:30", "2026-01-10 22:30"),
    "later today": (NIGHT, "2026-01-10 12:00", "2026-01-10 21:00"),
    "tomorrow": ({"from": "02:00", "to": "04:00"}, "2026-01-10 12:00", "2026-01-11 02:00"),
    "next week": ({"days": ["sat"], "from": "02:00", "to": "04:00"}, "2026-11-21 04:00", "2026-11-28 02:00"),
    "the first of several": ([{**WEEKEND, "days": ["sun"]}, WEEKEND], "2026-11-20 12:00", "2026-11-21 00:00"),
    "its beginning is skipped": (
        {"from": "02:30", "to": "04:00", "timezone": BERLIN},
        "2026-03-28 12:00",
        "2026-03-29 01:00",
    ),
    "all of it is skipped": (
        {"from": "02:15", "to": "02:45", "timezone": BERLIN},
        "2026-03-28 12:00",
        "2026-03-30 00:15",
    ),
    "all of it is skipped, for a week": (
        {"days": ["sun"], "from": "02:15", "to": "02:45", "timezone": BERLIN},
        "2026-03-28 12:00",
        "2026-04-05 00:15",
    ),
    "its hour comes again": (
        {"from": "02:15", "to": "02:45", "timezone": BERLIN},
        "2026-10-25 00:45",
        "2026-10-25 01:15",
    ),
    "its midst comes again": (
        {"from": "01:30", "to": "02:30", "timezone": BERLIN},
        "2026-10-25 00:40",
        "2026-10-25 01:00",
    ),
    # Samoa had no 30 December 2011, a Friday.
    "its day does not come": (
        {"days": ["fri"], "from": "12:00", "to": "13:00", "timezone": "Pacific/Apia"},
        "2011-12-27 00:00",
        "2012-01-05 22:00",
    ),
    # In Newfoundland 00:01 on Sunday became 23:01 on Saturday, in the years up to 2010.
    "yesterday comes again": (
        {"days": ["sat"], "from": "23:15", "to": "23:30", "timezone": "America/St_Johns"},
        "2010-11-07 02:30",
        "2010-11-07 02:45",
    ),
}


@pytest.mark.parametrize(("raw", "at", "expected"), OPENINGS.values(), ids=OPENINGS.keys())
def test_next_opening(raw: Any, at: str, expected: str) -> None:
    found = next_opening(read_windows(raw, "renew_window"), utc(at).astimezone(ZoneInfo("America/New_York")))
    assert found == utc(expected)
    assert found.tzinfo is timezone.utc


ZONES = ["UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu"]
TIMES = st.builds("{0:02d}:{1:02d}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))
# Around the days on which the clocks of some zone above are changed.
MOMENTS = st.builds(
    lambda day, minute: utc(f"{day} 00:00") + timedelta(minutes=minute),
    st.sampled_from(["2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31", "2010-11-06"]),
    st.integers(0, 2 * 24 * 60),
)


@st.composite
def windows(draw: st.DrawFn) -> Dict[str, Any]:
    begin = draw(TIMES)
    days = draw(st.sets(st.sampled_from(schedule.DAYS), min_size=1))
    end = draw(TIMES.filter(lambda time: time != begin))
    return {"days": sorted(days), "from": begin, "to": end, "timezone": draw(st.sampled_from(ZONES))}


@settings(max_examples=60)
@given(st.lists(windows(), min_size=1, max_size=2), MOMENTS)
def test_the_next_opening_is_the_first_minute_that_is_open(raw: List[Dict[str, Any]], at: datetime) -> None:
    read = read_windows(raw, "renew_window")
    found = next_opening(read, at)
    minute = at
    while not is_open(read, minute):
        minute += timedelta(minutes=1)
    assert found == minute


REFUSED: Dict[str, Tuple[Any, str]] = {
    "text": ("22:00-04:00", "w must be a window or a list of windows, such as {days: [sat, sun], from"),
    "empty list": ([], "w must be a window or a list of windows"),
    "text in a list": ([NIGHT, "22:00"], "w[1] must be a map"),
    "misspelt": ({**NIGHT, "day": ["sat"]}, "'w.day' is not known; did you mean 'days'?"),
    "no beginning": ({"to": "04:00"}, "w.from: missing"),
    "no end": ([{"from": "22:00"}], "w[0].to: missing"),
    "unquoted": ({"from": 1320, "to": "04:00"}, 'w.from must be quoted, such as "22:00"'),
    "not a time": ({"from": "22:00", "to": "late"}, "w.to: 'late' is no time of day"),
    "without zero": ({"from": "9:00", "to": "10:00"}, "w.from: '9:00' is no time of day"),
    "no hour of a day": ({"from": "24:00", "to": "10:00"}, "w.from: '24:00' is no time of day"),
    "beyond a day": ({"from": "10:00", "to": "25:00"}, "w.to: '25:00' is no time of day"),
    "seconds": ({"from": "10:00:00", "to": "11:00"}, "w.from: '10:00:00' is no time of day"),
    "empty": ({"from": "10:00", "to": "10:00"}, 'for a whole day write from: "00:00", to: "24:00"'),
    "misspelt day": (
        {**NIGHT, "days": ["sat", "sunday"]},
        "w.days: the day 'sunday' is not known; did you mean 'sun'?",
    ),
    "number of a day": ({**NIGHT, "days": [1]}, "w.days: the day '1' is not known; known are: fri, mon"),
    "no days": ({**NIGHT, "days": []}, "w.days must be a list of mon, tue"),
    "days as a map": ({**NIGHT, "days": {"sat": True}}, "w.days must be a list of mon, tue"),
    "misspelt zone": (
        {**NIGHT, "timezone": "Europe/Berln"},
        "w.timezone: the time zone 'Europe/Berln' is not known; did",
    ),
    "no zone": ({**NIGHT, "timezone": "?"}, "w.timezone: the time zone '?' is not known; write Area/City"),
    "a path": ({**NIGHT, "timezone": "../../etc/passwd"}, "w.timezone: the time zone '../../etc/passwd' is not known"),
    "a directory": ({**NIGHT, "timezone": "Europe"}, "w.timezone: the time zone 'Europe' is not known"),
    "offset": ({**NIGHT, "timezone": 2}, "w.timezone must be the name of a time zone"),
}


@pytest.mark.parametrize(("raw", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses(raw: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_windows(raw, "w")
    assert message in str(caught.value)


def test_a_controller_without_time_zones_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(key: str) -> None:
        raise schedule.ZoneInfoNotFoundError(key)

    monkeypatch.setattr(schedule, "ZoneInfo", missing)
    monkeypatch.setattr(schedule, "available_timezones", set)
    with pytest.raises(InputError, match="install tzdata"):
        read_windows(NIGHT, "w")
    assert read_windows({**NIGHT, "timezone": "UTC"}, "w")


def test_busiest_days() -> None:
    east = timezone(timedelta(hours=10))
    dues = [
        utc("2026-12-03 12:00"),
        utc("2026-12-01 23:59"),
        utc("2026-12-02 00:00"),
        utc("2026-12-02 12:00"),
        # The evening before, by UTC.
        datetime(2026, 12, 4, 5, 0, tzinfo=east),
        utc("2026-12-05 00:00"),
    ]
    expected = [(date(2026, 12, 2), 2), (date(2026, 12, 3), 2), (date(2026, 12, 1), 1), (date(2026, 12, 5), 1)]
    assert busiest(dues, 10) == expected
    assert busiest(iter(dues), 3) == expected[:3]
    assert busiest(dues, 0) == []
    assert busiest([], 3) == []
