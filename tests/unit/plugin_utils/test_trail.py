# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's task adds to the audit log, and what becomes of it where that cannot be written."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils.difference import Difference
from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError, IssuerError
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply, Event
from ansible_collections.mutual.tls.plugins.module_utils.request import RequestSpec
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import StateDirectory, open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils import audit
from ansible_collections.mutual.tls.plugins.plugin_utils.desk import Desk
from ansible_collections.mutual.tls.plugins.plugin_utils.intent import Intent
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import (
    Issued,
    IssuerRequest,
    Pending,
    Refused,
    RevocationResult,
)
from ansible_collections.mutual.tls.plugins.plugin_utils.quota import Quota
from ansible_collections.mutual.tls.plugins.plugin_utils.results import Outcome, Revocation
from ansible_collections.mutual.tls.plugins.plugin_utils.trail import Trail
from ansible_collections.mutual.tls.tests.unit import material

CA = material.authority("CA")
OLD, NEW = (material.client("ops", signer=CA) for _time in range(2))
DUE = Difference("certificate_due", "certificate.pem")
REJECTED = Difference("verify_failed", "current")
NOW = datetime.now(timezone.utc)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return open_state_directory(str(tmp_path / "mtls"), create=True)


def intents() -> Tuple[Intent, ...]:
    items = [{"name": name, "issuer": "corp", "subject": {"CN": "ops"}} for name in ("orders", "billing")]
    return read_inventory({"credentials": items, "issuers": {"corp": {}}}).credentials


def asked(in_use: Any = None) -> IssuerRequest:
    fingerprint = certificates.public_fingerprint(NEW.certificate)
    return IssuerRequest(
        "web1", "orders", b"", RequestSpec((), ()), fingerprint, in_use=in_use, reasons=("certificate_due",)
    )


def fingerprint(one: Any) -> str:
    return str(certificates.fingerprint(one.certificate))


def reply(*events: Event, in_use: Any = OLD, name: str = "orders", **more: Any) -> CredentialReply:
    found = CredentialReply(name, "active", bool(events), (), 1, in_use.pem.decode(), None, None, "/x")
    return replace(found, events=events, **more)


def lines(state: StateDirectory) -> List[audit.Event]:
    return list(audit.read(state.path_of(audit.NAME)))


def told(state: StateDirectory) -> List[Tuple[Any, ...]]:
    return [(one.event, one.credential, one.generation, one.serial_number, one.reasons) for one in lines(state)]


def serial(one: Any) -> str:
    return str(certificates.serial_number(one.certificate))


def test_a_rotation_that_is_taken_back(state: StateDirectory) -> None:
    """Three lines: whose certificate, which generation, and why; all of one run, about one host."""
    trail = Trail(state, "web1", False)
    trail.happened(intents(), [reply(state="request", differences=(DUE,))])
    trail.issued(asked(OLD.certificate), NEW.certificate, "corp")
    switched = (Event("deployed", 2, fingerprint(NEW)), Event("rolled_back", 1, fingerprint(OLD)))
    failed = reply(*switched, state="failed", certificate=None, error="403", differences=(REJECTED,))
    trail.happened(intents(), [failed])
    assert told(state) == [
        ("renewed", "orders", None, serial(NEW), ("certificate_due",)),
        ("deployed", "orders", 2, serial(NEW), ("certificate_due",)),
        ("rolled_back", "orders", 1, serial(OLD), ("verify_failed",)),
    ]
    found = lines(state)
    assert {(one.host, one.issuer, one.by, one.run) for one in found} == {("web1", "corp", found[0].by, found[0].run)}
    assert found[1].not_after == certificates.not_after(NEW.certificate)
    assert found[1].public_fingerprint == certificates.public_fingerprint(NEW.certificate)
    assert trail.complete({"changed": True}) == {"changed": True}


def test_the_first_certificate_is_issued_a_later_one_renews(state: StateDirectory) -> None:
    for in_use in (None, OLD.certificate):
        Trail(state, "web1", False).issued(asked(in_use), NEW.certificate, "corp")
    assert [one.event for one in lines(state)] == ["issued", "renewed"]


def test_what_is_not_known_of_a_certificate_stays_out(state: StateDirectory) -> None:
    """What a host says of one that nobody here has seen is its fingerprint."""
    gone = reply(Event("removed", None, "ab" * 32), state="absent", certificate=None, generation=None)
    Trail(state, "web1", False).happened(intents(), [gone, reply(name="billing")])
    (line,) = lines(state)
    assert (line.event, line.fingerprint_sha256, line.serial_number, line.not_after) == (
        "removed",
        "ab" * 32,
        None,
        None,
    )


def test_what_a_host_sends_instead_of_a_certificate_is_no_matter(state: StateDirectory) -> None:
    trail = Trail(state, "web1", False)
    trail.happened(intents(), [reply(Event("deployed", 2, None), certificate="garbage")])
    assert told(state) == [("deployed", "orders", 2, None, ())]
    assert "failed" not in trail.complete({})


def revocation(*answers: RevocationResult) -> Outcome:
    return Outcome(intents()[0], reply(), revocation=Revocation(answers=answers))


def test_revocations(state: StateDirectory) -> None:
    trail = Trail(state, "web1", False)
    done = RevocationResult("1f", True, NOW, "superseded", certificate=OLD.certificate)
    asked_for = RevocationResult("2a", True, NOW, "key_compromise", waits_for="the portal")
    trail.revoked(revocation(done, asked_for, replace(done, changed=False)))
    trail.revoked(Outcome(intents()[0], reply()))
    assert told(state) == [
        ("revoked", "orders", None, serial(OLD), ("superseded",)),
        ("revocation_requested", "orders", None, "2a", ("key_compromise",)),
    ]


def test_check_mode_records_nothing(state: StateDirectory) -> None:
    trail = Trail(state, "web1", True)
    trail.happened(intents(), [reply(Event("deployed", 2, None))])
    assert lines(state) == []
    assert trail.complete({"changed": True}) == {"changed": True}


def test_without_a_state_directory_nothing_is_made_and_the_result_says_so(tmp_path: Path) -> None:
    trail = Trail(open_state_directory(str(tmp_path / "none"), create=False), "web1", False)
    trail.happened(intents(), [reply()])
    assert trail.complete({"warnings": ["careful"]}) == {"warnings": ["careful"]}
    trail.happened(intents(), [reply(Event("removed", None, None))])
    result = trail.complete({"changed": True, "warnings": ["careful"]})
    assert result["warnings"][0] == "careful"
    assert str(tmp_path / "none") in result["warnings"][1]
    assert "failed" not in result
    assert list(tmp_path.iterdir()) == []


def break_log(state: StateDirectory) -> None:
    Path(state.path_of(audit.NAME)).mkdir()


def test_what_is_not_recorded_is_not_deployed(state: StateDirectory) -> None:
    break_log(state)
    with pytest.raises(DiskError, match=r"issued, but not deployed: .*audit log"):
        Trail(state, "web1", False).issued(asked(), NEW.certificate, "corp")


@pytest.mark.parametrize("before", [{}, {"failed": True, "msg": "orders failed"}])
def test_what_is_done_and_not_recorded_fails_the_task_with_its_result_kept(
    state: StateDirectory, before: Dict[str, Any]
) -> None:
    trail = Trail(state, "web1", False)
    break_log(state)
    trail.happened(intents(), [reply(Event("deployed", 2, None))])
    trail.revoked(revocation(RevocationResult("1f", True, NOW, "superseded")))
    result = trail.complete({"changed": True, "credentials": [1], **before})
    assert (result["failed"], result["changed"], result["credentials"]) == (True, True, [1])
    assert result["msg"].startswith(before.get("msg", "what was done is not in the audit log"))
    assert result["msg"].count("not in the audit log") == 1


class Issuer:
    """Answers with what it was given."""

    name = "corp"

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def issue(self, request: IssuerRequest) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def predict(self, host: str, credential: str) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return "issued" if isinstance(self.answer, Issued) else "pending"


def desk(state: StateDirectory, directory: Path, limit: int = 1, check_mode: bool = False) -> Desk:
    quota = Quota({"corp": limit}, str(directory), state.path, check_mode)
    return Desk(quota, Trail(state, "web1", check_mode))


CHAIN = Issued((CA.certificate, NEW.certificate))


def test_beyond_its_quota_an_issuer_is_not_asked(state: StateDirectory, tmp_path: Path) -> None:
    issuer: Any = Issuer(CHAIN)
    assert desk(state, tmp_path).ask(issuer, asked(), "2026-11-20") == CHAIN
    answer = desk(state, tmp_path).ask(issuer, asked(), "2026-11-20")
    assert isinstance(answer, Pending)
    assert (answer.since, "max_issued_per_run" in answer.waits_for) == ("2026-11-20", True)
    assert issuer.asked == 1
    # The certificate that was asked for, not the first of the chain.
    assert told(state) == [("issued", "orders", None, serial(NEW), ("certificate_due",))]


@pytest.mark.parametrize("answer", [Pending("7", "", "a signature"), Refused("no"), IssuerError("expired")])
def test_what_is_not_issued_does_not_count(state: StateDirectory, tmp_path: Path, answer: Any) -> None:
    issuer: Any = Issuer(answer)
    for _time in range(3):
        try:
            assert desk(state, tmp_path).ask(issuer, asked(), "") == answer
        except IssuerError as error:
            assert error is answer
    assert issuer.asked == 3
    assert lines(state) == []


def test_check_mode_foresees_who_has_to_wait(state: StateDirectory, tmp_path: Path) -> None:
    issuer: Any = Issuer(CHAIN)
    foreseen = [desk(state, tmp_path, 2, True).foresee(issuer, "web1", "orders", "") for _host in range(3)]
    assert foreseen[:2] == [None, None]
    assert foreseen[2] is not None and "max_issued_per_run" in foreseen[2].waits_for
    # A run in the same ansible-playbook has all of its places.
    assert desk(state, tmp_path).ask(issuer, asked(), "") == CHAIN
    waits: Any = Issuer(Pending("7", "", "a signature"))
    said = desk(state, tmp_path, 1, True).foresee(waits, "web1", "orders", "2026-11-20")
    assert said == Pending("", "2026-11-20", "the answer of issuer corp")
