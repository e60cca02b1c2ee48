# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results: each way that a credential can go, what is reported of it, and that nothing of a host passes unread."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, Optional, Sequence

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.difference import Difference
from ansible_collections.mutual.tls.plugins.module_utils.document import Answer
from ansible_collections.mutual.tls.plugins.module_utils.reply import (
    Awaiting,
    Candidate,
    CredentialReply,
    Event,
    PendingRequest,
)
from ansible_collections.mutual.tls.plugins.plugin_utils.intent import Intent
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import Pending
from ansible_collections.mutual.tls.plugins.plugin_utils.issuing import Agreed, Failed, Predicted
from ansible_collections.mutual.tls.plugins.plugin_utils.results import Outcome, Revocation, build
from ansible_collections.mutual.tls.tests.unit import material

CA = material.authority("CA")
OLD = material.client("ops", signer=CA).pem.decode()
NEW = material.client("ops", signer=CA).pem.decode()
ANSWER = Answer("ab", ())
FIELDS = ["subject", "issuer_dn", "serial_number", "not_before", "not_after", "fingerprint_sha256"]


def intent(name: str = "orders") -> Intent:
    item = {"name": name, "issuer": "corp", "subject": {"CN": "ops"}, "labels": {"team": "a"}}
    return read_inventory({"credentials": [item], "issuers": {"corp": {}}}).credentials[0]


def reply(state: str = "active", **more: Any) -> CredentialReply:
    differences = (Difference("certificate_due", "certificate.pem", "2026-01-01", "2026-02-01"),)
    empty = CredentialReply("orders", state, False, (), 1, OLD, None, None, "/somewhere/of/the/host")
    wants = {"differences": differences, "request": PendingRequest("csr", "2026-11-21")} if state == "request" else {}
    return replace(empty, **{**wants, **more})


def one(first: CredentialReply, settled: Any = None, second: Optional[CredentialReply] = None) -> Dict[str, Any]:
    entry: Dict[str, Any] = build([Outcome(intent(), first, settled, second)], "/etc/mtls", [], [], False)[
        "credentials"
    ][0]
    return entry


REQUEST = reply("request", changed=True)
PENDING = Pending("ref", "2026-11-20", "the partner's mail")
AGREED = Agreed("ab" * 32)
BEFORE = Candidate(1, OLD)
WAITS = Awaiting(2, "2026-11-21T12:00:00Z", "proof", None)
HELD = reply("held", changed=True, held_since="2026-11-21T12:00:00Z")
WAYS = {
    # way: (first reply, what the request came to, second reply, state, changed, text in the error)
    "nothing to do": (reply(), None, None, "active", False, None),
    "repaired": (reply(changed=True), None, None, "active", True, None),
    "held": (reply("held"), None, None, "held", False, None),
    "held, of another passphrase": (reply("held", error="no passphrase"), None, None, "held", False, "no passphrase"),
    "absent": (reply("absent", certificate=None, generation=None), None, None, "absent", False, None),
    "failed at once": (reply("failed", error="disk full"), None, None, "failed", False, "disk full"),
    "issued": (REQUEST, ANSWER, reply(changed=True, certificate=NEW), "active", True, None),
    "issued, not taken": (REQUEST, ANSWER, None, "failed", True, "did not take it"),
    "issued, refused": (REQUEST, ANSWER, reply("failed", error="other next/"), "failed", True, "other next/"),
    "issued, asked anew": (REQUEST, ANSWER, reply("request"), "failed", True, "another request"),
    "predicted": (reply("request"), Predicted(), None, "active", True, None),
    "pending, new": (REQUEST, PENDING, None, "pending", True, None),
    "pending, as before": (reply("request"), PENDING, None, "pending", False, None),
    "rolled back": (reply(candidate=BEFORE), AGREED, HELD, "held", True, None),
    "rollback refused": (reply(candidate=BEFORE), Failed("was revoked"), None, "failed", False, "was revoked"),
    "rollback not done": (reply(candidate=BEFORE), AGREED, None, "failed", False, "did not"),
    "rollback failed": (reply(candidate=BEFORE), AGREED, reply("failed", error="reload"), "failed", False, "reload"),
    "held by a rollback": (replace(HELD, changed=False), None, None, "held", False, None),
    "staged": (REQUEST, ANSWER, reply("awaiting", awaiting=WAITS, changed=True), "pending", True, None),
    "staged before": (reply("awaiting", awaiting=WAITS), None, None, "pending", False, None),
    "refused": (REQUEST, Failed("policy rule"), None, "failed", True, "policy rule"),
    "refused in check mode": (reply("request"), Failed("CA expired"), None, "failed", False, "CA expired"),
}


@pytest.mark.parametrize(("first", "settled", "second", "state", "changed", "error"), WAYS.values(), ids=WAYS.keys())
def test_each_way(first: Any, settled: Any, second: Any, state: str, changed: bool, error: Any) -> None:
    entry = one(first, settled, second)
    assert (entry["state"], entry["changed"]) == (state, changed)
    assert (error in entry["error"]) if error else ("error" not in entry)
    assert entry["reasons"] == (["certificate_due"] if first.state == "request" else [])
    assert entry["directory"] == "/etc/mtls/orders"
    assert (entry["issuer"], entry["labels"]) == ("corp", {"team": "a"})
    assert (entry["pending"] is not None) == (state == "pending")


def test_the_certificate_is_that_in_use_after_the_run() -> None:
    assert one(REQUEST, ANSWER, reply(certificate=NEW)) == {
        **one(REQUEST, ANSWER, reply(certificate=OLD)),
        **{field: one(reply(certificate=NEW))[field] for field in FIELDS},
    }
    assert one(REQUEST, PENDING)["serial_number"] == one(reply())["serial_number"]
    assert one(reply())["subject"] == "CN=ops"
    assert one(reply())["issuer_dn"] == "CN=CA"
    assert one(reply())["not_after"].endswith("Z")
    assert [one(reply(certificate=None))[field] for field in FIELDS] == [None] * 6


def test_a_prediction_knows_the_subject_alone() -> None:
    entry = one(reply("request"), Predicted())
    assert {field: entry[field] for field in FIELDS} == {**dict.fromkeys(FIELDS), "subject": "CN=ops"}


def test_pending_says_who_since_when_and_for_what() -> None:
    entry = one(REQUEST, PENDING)
    assert entry["pending"] == {"issuer": "corp", "since": "2026-11-20", "waits_for": "the partner's mail"}


@pytest.mark.parametrize(
    ("what", "problem", "text"),
    [
        ("proof", None, "a handshake with the new certificate to succeed"),
        ("proof", "alert unknown_ca", "to succeed; the last one failed: alert unknown_ca"),
        ("request", None, "the operation activate"),
    ],
)
def test_a_staged_generation_says_what_it_waits_for(what: str, problem: Any, text: str) -> None:
    entry = one(reply("awaiting", awaiting=Awaiting(2, "2026-11-21T12:00:00Z", what, problem)))
    assert (entry["pending"]["since"], entry["generation"]) == ("2026-11-21T12:00:00Z", 1)
    assert entry["pending"]["waits_for"].endswith(text)


@pytest.mark.parametrize(("activation", "text"), [("on_request", "activate"), ("on_proof", "handshake")])
def test_a_prediction_waits_for_its_activation(activation: str, text: str) -> None:
    host = replace(intent().host, activation=activation)

    def foreseen(first: CredentialReply, operation: str = "converge") -> Dict[str, Any]:
        wanted = replace(intent(), host=replace(host, operation=operation))
        entry: Dict[str, Any] = build([Outcome(wanted, first, Predicted())], "/r", [], [], False)["credentials"][0]
        return entry

    entry = foreseen(reply("request"))
    assert (entry["state"], entry["changed"], entry["generation"]) == ("pending", True, 1)
    assert entry["serial_number"] is not None
    assert text in entry["pending"]["waits_for"]
    first = foreseen(reply("request", certificate=None, generation=None))
    assert (first["state"], first["generation"]) == ("pending", None)
    at_once = foreseen(reply("request"), "activate")
    assert (at_once["state"] == "active") == (activation == "on_request")


@pytest.mark.parametrize(("numbers", "in_use"), [((), 7), ((8,), 8), ((8, 7), 7)])
def test_what_has_failed_says_which_generation_is_in_use(numbers: Sequence[int], in_use: int) -> None:
    events = tuple(Event("deployed", number, "ab" * 32) for number in numbers)
    failed = reply("failed", error="the reload failed", generation=None, certificate=None, events=events)
    assert one(reply("request", generation=7), ANSWER, failed)["generation"] == in_use


def test_what_a_rollback_holds_says_since_when() -> None:
    assert one(HELD)["held_since"] == "2026-11-21T12:00:00Z"
    assert one(reply())["held_since"] is None


def test_what_a_rollback_came_to_is_told_in_reasons_and_diff() -> None:
    asked = Difference("rollback_requested", "current", "generations/0002", "generations/0001")
    outcome = Outcome(intent(), reply(candidate=BEFORE), AGREED, replace(HELD, differences=(asked,)))
    result = build([outcome], "/etc/mtls", [], [], True)
    assert result["credentials"][0]["reasons"] == ["rollback_requested"]
    assert "generations/0001" in result["diff"][0]["after"]


def test_revoked_certificates_are_named_and_are_a_change() -> None:
    gone = Outcome(intent(), reply("absent", certificate=None), revocation=Revocation(("1f", "2a"), None, ("copy it",)))
    result = build([gone, gone], "/etc/mtls", [], ["careful"], True)
    entry = result["credentials"][0]
    assert (entry["revoked"], entry["changed"], entry["reasons"]) == (["1f", "2a"], True, ["state_absent"])
    assert result["warnings"] == ["careful", "copy it"]
    assert result["diff"][0]["before"] == "certificate 1f: valid\ncertificate 2a: valid\n"
    assert result["diff"][0]["after"] == "certificate 1f: revoked\ncertificate 2a: revoked\n"
    assert one(reply())["revoked"] == []


def test_what_could_not_be_revoked_is_a_failure() -> None:
    problem = Revocation(problem="nothing was revoked")
    lost = Outcome(intent(), REQUEST, Failed("the CA expired"), revocation=problem)
    entry = build([lost], "/r", [], [], False)["credentials"][0]
    assert (entry["state"], entry["error"]) == ("failed", "the CA expired; nothing was revoked")
    in_use = Outcome(intent(), REQUEST, ANSWER, reply(certificate=NEW), Revocation(("1f",), "the CA is locked"))
    result = build([in_use], "/r", [], [], False)
    entry = result["credentials"][0]
    assert (result["failed"], entry["state"], entry["error"]) == (True, "failed", "the CA is locked")
    assert (entry["changed"], entry["revoked"]) == (True, ["1f"])


def test_check_and_run_agree_on_reasons() -> None:
    assert one(reply("request"), Predicted())["reasons"] == one(REQUEST, ANSWER, reply(changed=True))["reasons"]


def test_one_failure_fails_the_task_with_every_result_kept() -> None:
    outcomes = [
        Outcome(intent("a"), reply(changed=True)),
        Outcome(intent("b"), reply("failed", error="disk full")),
        Outcome(intent("c"), REQUEST, Failed("refused")),
    ]
    result = build(outcomes, "/etc/mtls", [], [], False)
    assert result["failed"] is True
    assert result["changed"] is True
    assert [entry["state"] for entry in result["credentials"]] == ["active", "failed", "failed"]
    assert result["msg"] == "2 of 3 credentials failed: b: disk full; c: refused"
    assert "failed" not in build(outcomes[:1], "/etc/mtls", [], [], False)


def test_orphans_are_reported_and_warned_of() -> None:
    result = build([], "/etc/mtls", ["old", "x\x1b[31m"], ["careful"], False)
    assert result["orphaned"] == ["old", "x [31m"]
    assert result["warnings"][0] == "careful"
    assert "old" in result["warnings"][1]
    assert result["changed"] is False


def test_a_host_cannot_write_to_the_terminal_or_flood_it() -> None:
    entry = one(reply("failed", error="\x1b[2Jfine\r\n" + "x" * 100000))
    assert entry["error"].isprintable()
    assert len(entry["error"]) <= 2000


@pytest.mark.parametrize("certificate", ["", "garbage", "\udcff", OLD[:100]])
def test_a_host_that_sends_no_certificate_has_failed(certificate: str) -> None:
    entry = one(reply(certificate=certificate))
    assert entry["state"] == "failed"
    assert "host's reply" in entry["error"]


def test_a_diff_has_the_differences_of_each_credential() -> None:
    missing = Difference("key_missing", "key.pem")
    outcomes = [
        Outcome(intent("a"), reply()),
        Outcome(intent("b"), reply("request", differences=(*REQUEST.differences, missing)), Predicted()),
    ]
    assert build(outcomes, "/r", [], [], True)["diff"] == [
        {
            "before_header": "/r/b",
            "after_header": "/r/b",
            "before": "certificate.pem: certificate_due: 2026-01-01\nkey.pem: key_missing: absent\n",
            "after": "certificate.pem: certificate_due: 2026-02-01\nkey.pem: key_missing: present\n",
        }
    ]
    assert "diff" not in build(outcomes, "/r", [], [], False)
