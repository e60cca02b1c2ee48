# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a credential is renewed: what its host is told, and what people are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, Optional

import pytest

from ansible_collections.mutual.tls.plugins.plugin_utils.intent import Intent
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.renewal import outlook, timed
from ansible_collections.mutual.tls.plugins.plugin_utils.schedule import offset
from ansible_collections.mutual.tls.tests.unit import material

# A Saturday.
AT = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
DAY = timedelta(days=1)
NIGHT = {"from": "22:00", "to": "04:00"}
SUNDAY = {"days": ["sun"], "from": "10:00", "to": "12:00"}
CA = material.authority("CA")


def intent(**options: Any) -> Intent:
    item = {"name": "orders", "issuer": "corp", "subject": {"CN": "ops"}, **options}
    return read_inventory({"credentials": [item], "issuers": {"corp": {}}}).credentials[0]


def told(host: str = "web1", emergency: bool = False, at: datetime = AT, **options: Any) -> Intent:
    return timed(intent(**options), host, at, emergency)


def in_use(ends: datetime, lifetime: timedelta = 90 * DAY) -> Any:
    return material.client("ops", signer=CA, not_before=ends - lifetime, not_after=ends).certificate


def test_each_host_has_its_share_of_the_spread() -> None:
    shares = {told("web{0}".format(number), renew_jitter="7d").host.renew_offset for number in range(50)}
    assert len(shares) > 45
    assert all(0 <= share < 7 * 86400 for share in shares)
    assert told(renew_jitter="7d").host.renew_offset == int(offset("web1", "orders", 7 * DAY).total_seconds())
    assert (told().host.renew_jitter, told().host.renew_offset) == (0, 0)
    assert told(renew_jitter="0s").host.renew_jitter == 0


WINDOWS: Dict[str, Any] = {
    # name: options, may renew, when the next one opens
    "none": ({}, True, None),
    "closed": ({"renew_window": NIGHT}, False, AT.replace(hour=22)),
    "one of two": ({"renew_window": [NIGHT, {"from": "11:00", "to": "13:00"}]}, True, None),
    "the first of two": ({"renew_window": [SUNDAY, NIGHT]}, False, AT.replace(hour=22)),
    "elsewhere": ({"renew_window": {**NIGHT, "timezone": "Asia/Tokyo"}}, False, AT.replace(hour=13)),
}


@pytest.mark.parametrize(("options", "may_renew", "opens"), WINDOWS.values(), ids=WINDOWS.keys())
def test_renewals_wait_for_a_window(options: Dict[str, Any], may_renew: bool, opens: Optional[datetime]) -> None:
    found = told(**options)
    assert (found.host.may_renew, found.window_opens) == (may_renew, opens)


def test_in_an_emergency_nothing_waits() -> None:
    found = told(emergency=True, renew_window=NIGHT, renew_jitter="7d")
    assert (found.host.may_renew, found.window_opens) == (True, None)
    assert outlook(found, in_use(AT), True, True)["renewal_waits_until"] is None
    # It is the same document otherwise: a host that was sealed before knows it again.
    assert found.host == replace(told(renew_window=NIGHT, renew_jitter="7d").host, may_renew=True)


OUTLOOKS: Dict[str, Any] = {
    # name: options, end in days from now, whether the run kept it, whether it is due, due, waits until
    "ahead": ({}, 60, True, False, "2026-12-21T12:00:00Z", None),
    "a third at most": ({"renew_before": "89d"}, 60, True, False, "2026-12-21T12:00:00Z", None),
    "overdue": ({}, 20, True, True, "2026-11-11T12:00:00Z", None),
    "overdue, closed": ({"renew_window": NIGHT}, 20, True, True, "2026-11-11T12:00:00Z", "2026-11-21T22:00:00Z"),
    "closed then": ({"renew_window": NIGHT}, 60, True, False, "2026-12-21T12:00:00Z", "2026-12-21T22:00:00Z"),
    "open then": ({"renew_window": {"from": "11:00", "to": "13:00"}}, 60, True, False, "2026-12-21T12:00:00Z", None),
    "pending": ({"renew_window": NIGHT}, 20, False, True, "2026-11-11T12:00:00Z", None),
}


@pytest.mark.parametrize("name", OUTLOOKS)
def test_what_people_are_told(name: str) -> None:
    options, ends, is_kept, is_due, due, waits = OUTLOOKS[name]
    found = outlook(told(**options), in_use(AT + ends * DAY), is_kept, is_due)
    assert found == {"due": due, "renewal_waits_until": waits}


def test_the_spread_counts() -> None:
    wide = told(renew_jitter="10d", renew_before="20d")
    moment = AT + 70 * DAY - timedelta(seconds=wide.host.renew_offset)
    assert outlook(wide, in_use(AT + 90 * DAY), True, False)["due"] == moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_any_certificate_of_a_hosts() -> None:
    """Some last for ever, some have ended before they began."""
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
    found = outlook(told(renew_window=SUNDAY), in_use(last, DAY), True, False)
    assert found == {"due": None, "renewal_waits_until": None}
    assert outlook(told(), in_use(last, DAY), True, False)["due"] == "9999-12-31T15:59:59Z"
