# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout came to, or would come to: which host has which generation of which credential, and why."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from .results import visible
from .rollout import has_succeeded
from .schedule import busiest

_OUTCOMES = ("succeeded", "failed", "unreachable", "not_started")
_DAYS = 5
_WIDEST = 40
_UNKNOWN = "the host has no result: it failed before its credentials were looked at"
_NOTHING = "it has no credentials"
_NOT_MEANT = "mtls_select means none of its credentials"
_HEADINGS = ("batch", "host", "credential", "generation", "state", "why")

Results = Mapping[str, Mapping[str, Any]]
Plan = Sequence[Sequence[str]]


def build(plan: Plan, results: Results, foreseen: bool, at: datetime, selected: bool = False) -> Dict[str, Any]:
    """The task's result: `results` holds, by host, what the credentials' task returned, nothing for who had no turn.

    `foreseen` says that they are a check's: then every host had its turn, and a run would stop where one has failed.
    `at` is the present, from which on days lie ahead. `selected` says that only some credentials were meant.
    """
    hosts = list(_hosts(plan, results, foreseen))
    named = {outcome: [host["host"] for host in hosts if host["outcome"] == outcome] for outcome in _OUTCOMES}
    counts = ["{0} {1}".format(len(names), _words(outcome)) for outcome, names in named.items() if names]
    stopped = _stopped(plan, results)
    days = _busy_days(hosts, at) if foreseen else []
    lines = [
        "{0}: {1}".format(_batches(plan), ", ".join(counts) or "nothing to do"),
        *_table(list(_rows(hosts, foreseen, _NOT_MEANT if selected else _NOTHING))),
        *_ending(plan, stopped, foreseen),
    ]
    if days:
        said = ["{0} ({1})".format(day["date"], day["count"]) for day in days]
        lines.append("busiest days ahead: {0}".format(", ".join(said)))
    return {
        "hosts": hosts,
        "failed_hosts": [*named["failed"], *named["unreachable"]],
        "not_started": named["not_started"],
        "stopped_in": None if stopped is None else stopped + 1,
        "busiest_days": days,
        "lines": lines,
    }


def _hosts(plan: Plan, results: Results, foreseen: bool) -> Iterator[Dict[str, Any]]:
    stopped = _stopped(plan, results)
    for number, batch in enumerate(plan):
        had_its_turn = foreseen or stopped is None or number <= stopped
        for host in batch:
            result = results.get(host, {})
            entry: Dict[str, Any] = {"host": host, "batch": number + 1, "credentials": list(_credentials(result))}
            if has_succeeded(result):
                entry["outcome"] = "succeeded"
            elif not result and not had_its_turn:
                entry["outcome"] = "not_started"
            else:
                entry["outcome"] = "unreachable" if result.get("unreachable") else "failed"
                entry["error"] = visible(str(result.get("msg") or _UNKNOWN))
            yield entry


def _credentials(result: Mapping[str, Any]) -> Iterator[Dict[str, Any]]:
    fields = (
        "name",
        "state",
        "changed",
        "generation",
        "reasons",
        "pending",
        "held_since",
        "revoked",
        "not_after",
        "due",
        "error",
    )
    for credential in result.get("credentials", []):
        yield {field: credential.get(field) for field in (*fields, "renewal_waits_until")}


def _stopped(plan: Plan, results: Results) -> Optional[int]:
    """The first batch of which not every host has succeeded: none after it was begun, or none would be."""
    for number, batch in enumerate(plan):
        if not all(has_succeeded(results.get(host, {})) for host in batch):
            return number
    return None


def _rows(hosts: Sequence[Mapping[str, Any]], foreseen: bool, empty: str) -> Iterator[Tuple[str, ...]]:
    for host in hosts:
        place = (str(host["batch"]), str(host["host"]))
        for credential in host["credentials"]:
            yield (
                *place,
                credential["name"],
                str(credential["generation"] or "-"),
                credential["state"],
                _why(credential, foreseen),
            )
        if not host["credentials"]:
            why = host.get("error") or ("" if host["outcome"] == "not_started" else empty)
            yield (*place, "-", "-", _words(host["outcome"]), why)


def _why(credential: Mapping[str, Any], foreseen: bool) -> str:
    reasons = ", ".join(credential["reasons"] or [])
    said: List[str] = []
    if credential["error"]:
        said.append(visible(str(credential["error"])))
    if credential["changed"]:
        said.append("{0}: {1}".format("would change" if foreseen else "changed", reasons))
    elif reasons:
        said.append(reasons)
    if credential["pending"]:
        said.append("waits for {0}".format(visible(str(credential["pending"].get("waits_for")))))
    if credential["held_since"]:
        said.append("held since {0}, until it is released".format(visible(str(credential["held_since"]))))
    if credential["revoked"]:
        said.append("{0}: {1}".format("would be revoked" if foreseen else "revoked", len(credential["revoked"])))
    if credential["due"]:
        said.append(_renewal(credential))
    elif credential["not_after"]:
        said.append("valid until {0}".format(_day(credential["not_after"])))
    return "; ".join(said)


def _renewal(credential: Mapping[str, Any]) -> str:
    text = "due {0}".format(_day(credential["due"]))
    waits_until = credential["renewal_waits_until"]
    return "{0}, waits until its window opens, {1}".format(text, waits_until) if waits_until else text


def _table(rows: List[Tuple[str, ...]]) -> List[str]:
    if not rows:
        return []
    widths = [min(_WIDEST, max(map(len, column))) for column in zip(_HEADINGS, *rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in (_HEADINGS, *rows)]


def _ending(plan: Plan, stopped: Optional[int], foreseen: bool) -> List[str]:
    later = 0 if stopped is None else sum(len(batch) for batch in plan[stopped + 1 :])
    if stopped is None or not later:
        return []
    text = (
        "a run would stop after batch {0}; not started: {1}"
        if foreseen
        else "stopped after batch {0}; not started: {1}"
    )
    return [text.format(stopped + 1, _count(later, "host"))]


def _busy_days(hosts: Sequence[Mapping[str, Any]], at: datetime) -> List[Dict[str, Any]]:
    """The days ahead on which most is to be renewed (or ends, where that is all that is known)."""
    active = [one for host in hosts for one in host["credentials"] if one["state"] == "active"]
    known = [one["renewal_waits_until"] or one["due"] or one["not_after"] for one in active]
    days = busiest((moment for moment in map(_moment, filter(None, known)) if moment >= at), _DAYS)
    return [{"date": day.isoformat(), "count": count} for day, count in days]


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def _day(text: str) -> str:
    return _moment(text).date().isoformat()


def _batches(plan: Plan) -> str:
    hosts = _count(sum(len(batch) for batch in plan), "host")
    if not plan:
        return hosts
    sizes = ", ".join(str(len(batch)) for batch in plan)
    return "{0} in {1} of {2}".format(hosts, _count(len(plan), "batch", "batches"), sizes)


def _words(outcome: str) -> str:
    return outcome.replace("_", " ")


def _count(number: int, one: str, many: str = "") -> str:
    return "{0} {1}".format(number, one if number == 1 else many or one + "s")
