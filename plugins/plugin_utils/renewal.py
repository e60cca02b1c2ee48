# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a credential is renewed: what its host is told about that, and what people are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Dict, Optional

from ..module_utils.converge.need import due
from .intent import Intent
from .schedule import next_opening, offset

FIELDS = ("due", "renewal_waits_until")
"""What a result says of it: moments in UTC, such as 2026-11-21T12:00:00Z, or None."""


def timed(intent: Intent, host: str, at: datetime, emergency: bool = False) -> Intent:
    """The intent with what `host` is to be told of its renewal, judged at `at` (aware).

    The spread makes renewals earlier than `renew_before` says, never later: nothing waits for it. In an `emergency`
    nothing waits for a window either.
    """
    windows = () if emergency else intent.windows
    opening = next_opening(windows, at)
    spread = timedelta(seconds=intent.host.renew_jitter)
    told = replace(
        intent.host,
        renew_offset=int(offset(host, intent.name, spread).total_seconds()),
        may_renew=opening <= at,
    )
    return replace(intent, host=told, windows=windows, window_opens=opening if opening > at else None)


def outlook(intent: Intent, in_use: Any, is_kept: bool, is_due: bool) -> Dict[str, Optional[str]]:
    """`FIELDS` for the certificate that a host has in use after a run.

    `due` is from when on it is to be renewed. Of one that the run let be (`is_kept`), `renewal_waits_until` is told,
    too: when a window opens that is closed now, where it `is_due`, or will be closed then.
    """
    try:
        moment = due(in_use, intent.host)
        waits_until = _waits_until(intent, moment, is_due) if is_kept else None
    except OverflowError:
        # A host may have any certificate: no calendar goes on for ever.
        return dict.fromkeys(FIELDS)
    return {"due": _text(moment), "renewal_waits_until": None if waits_until is None else _text(waits_until)}


def _waits_until(intent: Intent, moment: datetime, is_due: bool) -> Optional[datetime]:
    if is_due:
        return intent.window_opens
    opening = next_opening(intent.windows, moment)
    return opening if opening > moment else None


def _text(moment: datetime) -> str:
    # Not strftime: it writes years before 1000 without leading zeros.
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
