# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary: every host, every credential, and why."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, List

import pytest

from ansible_collections.mutual.tls.plugins.plugin_utils.summary import build

AT = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
PLAN = [["web1"], ["web2", "web3"], ["web4"]]


def credential(name: str = "orders", **more: Any) -> Dict[str, Any]:
    entry = {
        "name": name,
        "state": "active",
        "changed": False,
        "reasons": [],
        "generation": 7,
        "pending": None,
        "not_after": "2027-02-19T12:00:00Z",
        "labels": {},
    }
    return {**entry, **more}


def result(*credentials: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    return {"changed": False, "failed": False, "credentials": list(credentials), **more}


GOOD = result(credential())
FAILED = {"failed": True, "msg": "no space\x1b[31m left"}
LOST = {"unreachable": True, "msg": "Connection refused"}


def outcomes(summary: Dict[str, Any]) -> Dict[str, str]:
    return {host["host"]: host["outcome"] for host in summary["hosts"]}


def test_all_went_well() -> None:
    told = build(PLAN, dict.fromkeys(["web1", "web2", "web3", "web4"], GOOD), False, AT)
    assert set(outcomes(told).values()) == {"succeeded"}
    assert (told["failed_hosts"], told["not_started"], told["stopped_in"]) == ([], [], None)
    assert told["lines"][0] == "4 hosts in 3 batches of 1, 2, 1: 4 succeeded"
    assert len(told["lines"]) == 6
    # People ask for busy days before a run, not after it.
    assert told["busiest_days"] == []


def test_a_batch_that_failed_stops_the_rest() -> None:
    told = build(PLAN, {"web1": GOOD, "web2": FAILED, "web3": GOOD}, False, AT)
    assert outcomes(told) == {"web1": "succeeded", "web2": "failed", "web3": "succeeded", "web4": "not_started"}
    assert (told["failed_hosts"], told["not_started"], told["stopped_in"]) == (["web2"], ["web4"], 2)
    assert told["lines"][-1] == "stopped after batch 2; not started: 1 host"


def test_after_the_last_batch_there_is_nothing_to_stop() -> None:
    told = build([["web1"], ["web2"]], {"web1": GOOD, "web2": FAILED}, False, AT)
    assert (told["failed_hosts"], told["not_started"], told["stopped_in"]) == (["web2"], [], 2)
    assert "stopped" not in told["lines"][-1]


@pytest.mark.parametrize("foreseen", [False, True])
def test_a_host_of_a_begun_batch_without_result_has_failed(foreseen: bool) -> None:
    told = build(PLAN, {"web1": GOOD, "web2": GOOD}, foreseen, AT)
    assert outcomes(told)["web3"] == "failed"
    assert outcomes(told)["web4"] == ("failed" if foreseen else "not_started")
    assert "has no result" in told["hosts"][2]["error"]


def test_nobody_has_a_result() -> None:
    told = build(PLAN, {}, False, AT)
    assert (told["failed_hosts"], told["not_started"]) == (["web1"], ["web2", "web3", "web4"])


def test_unreachable_hosts_are_told_apart_and_fail_too() -> None:
    told = build([["web1", "web2"]], {"web1": LOST, "web2": FAILED}, False, AT)
    assert outcomes(told) == {"web1": "unreachable", "web2": "failed"}
    assert told["failed_hosts"] == ["web2", "web1"]


def test_a_check_tells_what_a_run_would_do() -> None:
    results = {
        "web1": result(credential(changed=True, reasons=["certificate_due"], not_after=None, generation=8)),
        "web2": FAILED,
        "web3": GOOD,
        "web4": result(),
    }
    told = build(PLAN, results, True, AT)
    assert (told["failed_hosts"], told["not_started"], told["stopped_in"]) == (["web2"], [], 2)
    assert told["lines"] == [
        "4 hosts in 3 batches of 1, 2, 1: 3 succeeded, 1 failed",
        "batch  host  credential  generation  state      why",
        "1      web1  orders      8           active     would change: certificate_due",
        "2      web2  -           -           failed     no space [31m left",
        "2      web3  orders      7           active     valid until 2027-02-19",
        "3      web4  -           -           succeeded  it has no credentials",
        "a run would stop after batch 2; not started: 1 host",
        "busiest days ahead: 2027-02-19 (1)",
    ]


def test_a_host_without_selected_credentials_is_not_one_without_credentials() -> None:
    told = build([["web1"]], {"web1": result()}, False, AT, selected=True)
    assert (
        told["lines"][-1] == "1      web1  -           -           succeeded  mtls_select means none of its credentials"
    )


WHY: Dict[str, Any] = {
    "renewed": (
        credential(changed=True, reasons=["certificate_due"]),
        "changed: certificate_due; valid until 2027-02-19",
    ),
    "due is better than its end": (credential(due="2027-01-20T12:00:00Z"), "due 2027-01-20"),
    "a window is closed": (
        credential(reasons=["certificate_due"], due="2026-11-20T12:00:00Z", renewal_waits_until="2026-11-21T22:00:00Z"),
        "certificate_due; due 2026-11-20, waits until its window opens, 2026-11-21T22:00:00Z",
    ),
    "waiting": (
        credential(
            state="pending",
            reasons=["certificate_due"],
            pending={"issuer": "portal", "since": None, "waits_for": "an upload"},
            not_after=None,
        ),
        "certificate_due; waits for an upload",
    ),
    "held": (credential(state="held", reasons=["certificate_due"]), "certificate_due; valid until 2027-02-19"),
    "failed": (
        credential(state="failed", error="refused\nby policy", reasons=["key_missing"], not_after=None),
        "refused by policy; key_missing",
    ),
    "gone": (credential(state="absent", generation=None, not_after=None), ""),
}


@pytest.mark.parametrize(("entry", "why"), WHY.values(), ids=WHY.keys())
def test_why(entry: Dict[str, Any], why: str) -> None:
    told = build([["web1"]], {"web1": result(entry)}, False, AT)
    head, row = told["lines"][1:3]
    assert row[head.index("why") :] == why


def days(*entries: Dict[str, Any]) -> List[Any]:
    told = build([["web1"]], {"web1": result(*entries)}, True, AT)
    return [(day["date"], day["count"]) for day in told["busiest_days"]]


def test_busiest_days_are_those_ahead_of_credentials_in_use() -> None:
    assert days(
        credential("a", due="2027-01-20T00:00:00Z"),
        credential("b", due="2027-01-20T23:59:59Z"),
        credential("c", due="2027-01-19T00:00:00Z"),
        credential("d"),
        credential("overdue", due="2026-11-21T11:59:59Z"),
        credential("renewed now", changed=True, not_after=None),
        credential("failing", state="failed"),
        credential("waiting", state="pending"),
        credential("overdue, closed", due="2026-11-20T00:00:00Z", renewal_waits_until="2026-11-22T00:00:00Z"),
        credential("closed then", due="2027-01-18T00:00:00Z", renewal_waits_until="2027-01-20T22:00:00Z"),
    ) == [("2027-01-20", 3), ("2026-11-22", 1), ("2027-01-19", 1), ("2027-02-19", 1)]


def test_no_more_days_than_people_read() -> None:
    ends = [credential(str(day), due="2027-01-{0:02d}T00:00:00Z".format(day)) for day in range(1, 20)]
    assert [day for day, _count in days(*ends)] == ["2027-01-0{0}".format(day) for day in range(1, 6)]


def test_columns_keep_their_width_for_endless_names() -> None:
    told = build([["w" * 200, "x"]], dict.fromkeys(["w" * 200, "x"], GOOD), False, AT)
    assert all(len(line) < 300 for line in told["lines"])


def test_no_hosts() -> None:
    told = build([], {}, False, AT)
    assert told["lines"] == ["0 hosts: nothing to do"]
    assert (told["hosts"], told["stopped_in"]) == ([], None)
