# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revoking after a run: what the issuer's record leaves to be revoked, and what must never be."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, List, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.document import Answer
from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError, IssuerError
from ansible_collections.mutual.tls.plugins.module_utils.imports import x509
from ansible_collections.mutual.tls.plugins.module_utils.ownca import revoke
from ansible_collections.mutual.tls.plugins.module_utils.reply import (
    Awaiting,
    CredentialReply,
    PendingRequest,
    Reply,
)
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import StateDirectory, open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils import revoking
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers import selector
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import (
    Issued,
    Issuer,
    IssuerRequest,
    Pending,
    RevocationResult,
)
from ansible_collections.mutual.tls.plugins.plugin_utils.issuing import Failed, Predicted, Settled
from ansible_collections.mutual.tls.plugins.plugin_utils.operations import Operation
from ansible_collections.mutual.tls.plugins.plugin_utils.results import Outcome, Revocation
from ansible_collections.mutual.tls.tests.unit import material
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
ROTATE = Operation("rotate", revoke="key_compromise")
ACTIVATE = Operation("activate", revoke="superseded")
CONVERGE = Operation()
OTHERS = material.client("ops", signer=material.authority("Another CA"))


@pytest.fixture(name="state")
def make_state(tmp_path: Path) -> StateDirectory:
    state = open_state_directory(str(tmp_path / "mtls"), create=True)
    ca.converge(Path(state.ownca("corp")), at=NOW)
    return state


@pytest.fixture(name="corp")
def make_corp(state: StateDirectory) -> Issuer:
    return selector.configure("corp", {"type": "ownca", "passphrase": ca.PASSPHRASE}, state)


def issued(issuer: Issuer, host: str = "web1", credential: str = "orders", key: Any = None, days: int = 90) -> Any:
    key = key or ca.key()
    fingerprint = private_key.public_fingerprint(key.public_key())
    csr = request.build(key, ca.SPEC)
    answer = issuer.issue(IssuerRequest(host, credential, csr, ca.SPEC, fingerprint, days * DAY))
    assert isinstance(answer, Issued)
    return answer.chain[0]


def reply(state: str = "active", in_use: Any = None, **more: Any) -> CredentialReply:
    pem = None if in_use is None else certificate.to_pem([in_use]).decode()
    return replace(CredentialReply("orders", state, False, (), 1, pem, None, None, "/x"), **more)


def outcome(
    first: CredentialReply, settled: Optional[Settled] = None, second: Optional[CredentialReply] = None, **item: Any
) -> Outcome:
    options = {"name": "orders", "issuer": "corp", "subject": {"CN": "ops"}, **item}
    intent = read_inventory({"credentials": [options], "issuers": {"corp": {}}}).credentials[0]
    return Outcome(intent, first, settled, second)


def rotated(old: Any, new: Any) -> Outcome:
    answer = Answer("ab", (certificate.to_der(new),))
    return outcome(reply("request", old), answer, reply("active", new, changed=True))


def settle(one: Outcome, operation: Operation, issuer: Optional[Issuer], check: bool = False) -> Any:
    known = {} if issuer is None else {"corp": issuer}
    return revoking.settle(one, operation, known, "web1", datetime.now(timezone.utc), check)


def serials(*leaves: Any) -> List[str]:
    return [certificate.serial_number(leaf) for leaf in leaves]


def revoked(issuer: Issuer, leaf: Any) -> Optional[str]:
    found = issuer.revoked(leaf)
    return None if found is None else found.reason


class TestAfterARotation:
    def test_all_others_of_host_and_credential_are_revoked(self, corp: Issuer) -> None:
        forgotten, old = issued(corp), issued(corp)
        theirs = [issued(corp, host="web2"), issued(corp, credential="chat")]
        predicted = settle(outcome(reply("request", old), Predicted()), ROTATE, corp, check=True)
        new = issued(corp)
        done = settle(rotated(old, new), ROTATE, corp)
        assert list(done.serials) == list(predicted.serials) == serials(forgotten, old)
        assert done.problem is None
        assert any("crl.pem" in note for note in done.notes)
        assert [revoked(corp, leaf) for leaf in (forgotten, old)] == ["key_compromise"] * 2
        assert [revoked(corp, leaf) for leaf in (new, *theirs)] == [None] * 3
        again = settle(rotated(old, new), ROTATE, corp)
        assert (again.serials, again.problem) == ((), None)

    def test_a_check_revokes_nothing(self, corp: Issuer, state: StateDirectory) -> None:
        old = issued(corp)
        before = ca.snapshot(Path(state.path))
        predicted = settle(outcome(reply("request", old), Predicted()), ROTATE, corp, check=True)
        assert predicted == Revocation(tuple(serials(old)))
        assert ca.snapshot(Path(state.path)) == before

    def test_nothing_is_revoked_where_it_failed(self, corp: Issuer) -> None:
        old = issued(corp)
        new = issued(corp)
        answer = Answer("ab", (certificate.to_der(new),))
        for failed in (
            outcome(reply("request", old), Failed("the CA expired")),
            outcome(reply("failed", error="disk full")),
            outcome(reply("request", old), answer),
            outcome(reply("request", old), answer, reply("failed", error="the handshake failed")),
            # It was told to rotate, and has not.
            outcome(reply("active", old)),
        ):
            assert settle(failed, ROTATE, corp) == Revocation(problem="nothing was revoked")
        assert revoked(corp, old) is None

    def test_a_host_cannot_keep_an_old_one_by_saying_that_it_is_the_new_one(self, corp: Issuer) -> None:
        old, new = issued(corp), issued(corp)
        answer = Answer("ab", (certificate.to_der(new),))
        done = settle(outcome(reply("request", old), answer, reply("active", old)), ROTATE, corp)
        assert done.serials == ()
        assert "does not say that the new certificate is in use" in done.problem

    def test_a_check_knows_what_a_run_that_was_cut_off_has_left(self, corp: Issuer) -> None:
        old, new = issued(corp), issued(corp)
        waiting = PendingRequest(None, None, certificate.public_fingerprint(new))
        predicted = settle(outcome(reply("request", old, request=waiting), Predicted()), ROTATE, corp, check=True)
        assert list(predicted.serials) == list(settle(rotated(old, new), ROTATE, corp).serials) == serials(old)

    @pytest.mark.parametrize("operation", [ROTATE, Operation("activate", revoke="key_compromise")])
    def test_a_key_that_others_have_does_not_stay_in_use(self, corp: Issuer, operation: Operation) -> None:
        key = ca.key()
        old, new = issued(corp, key=key), issued(corp, key=key, days=30)
        done = settle(rotated(old, new), operation, corp)
        assert done.serials == ()
        assert "nothing was revoked. Run the operation rotate" in done.problem
        assert [revoked(corp, leaf) for leaf in (old, new)] == [None, None]

    def test_the_same_key_may_stay_where_nobody_else_has_it(self, corp: Issuer) -> None:
        key = ca.key()
        old, new = issued(corp, key=key), issued(corp, key=key, days=30)
        assert list(settle(rotated(old, new), ACTIVATE, corp).serials) == serials(old)

    def test_what_is_held_is_a_failure_that_says_how_to_end_it(self, corp: Issuer) -> None:
        old = issued(corp)
        done = settle(outcome(reply("held", old)), ROTATE, corp)
        assert "release" in done.problem and "nothing was revoked" in done.problem
        assert revoked(corp, old) is None

    @pytest.mark.parametrize("check", [False, True])
    def test_a_ca_that_is_not_there_is_no_success(self, corp: Issuer, state: StateDirectory, check: bool) -> None:
        new = issued(corp)
        Path(state.ownca("corp")).rename(Path(state.path, "elsewhere"))
        done = settle(outcome(reply("active", new)), ACTIVATE, corp, check)
        assert "not where it should be; nothing was revoked" in done.problem

    def test_a_host_cannot_have_anothers_revoked(self, corp: Issuer) -> None:
        """What was in use is its own word: it may show a certificate of a host whose fall it wants."""
        theirs, new = issued(corp, host="web2"), issued(corp)
        done = settle(rotated(theirs, new), ROTATE, corp)
        assert "was issued to web2 for orders" in done.problem
        assert revoked(corp, theirs) is None

    def test_what_waits_is_told_how_to_go_on(self, corp: Issuer) -> None:
        old, new = issued(corp), issued(corp)
        answer = Answer("ab", (certificate.to_der(new),))
        staged = reply("awaiting", old, awaiting=Awaiting(2, "2026-11-21T12:00:00Z", "request", None))
        for waiting in (
            outcome(reply("request", old), Pending("ref", "2026-11-21", "the partner")),
            outcome(reply("request", old), answer, staged),
            outcome(reply("request", old), Predicted(), activation="on_request"),
        ):
            done = settle(waiting, ROTATE, corp)
            assert (done.serials, done.problem) == ((), None)
            assert any("operation activate" in note for note in done.notes)
        assert revoked(corp, old) is None
        # That operation finds it in use, and the old one still valid.
        late = settle(outcome(reply("active", new, changed=True)), ACTIVATE, corp)
        assert list(late.serials) == serials(old)
        assert (revoked(corp, old), revoked(corp, new)) == ("superseded", None)

    def test_a_certificate_of_another_issuer_is_told_of(self, corp: Issuer) -> None:
        new = issued(corp)
        done = settle(rotated(OTHERS.certificate, new), ROTATE, corp)
        assert done.serials == ()
        assert certificate.serial_number(OTHERS.certificate) in done.problem

    def test_one_that_has_expired_is_nobodys_concern(self, corp: Issuer) -> None:
        expired = material.client("ops", signer=material.authority("Another CA"), not_after=NOW - DAY / 2)
        assert settle(rotated(expired.certificate, issued(corp)), ROTATE, corp) == Revocation()

    def test_an_issuer_that_fails_fails_the_credential(self, state: StateDirectory, corp: Issuer) -> None:
        old, new = issued(corp), issued(corp)
        closed = selector.configure("corp", {"type": "ownca", "passphrase": "wr0ng"}, state)
        done = settle(rotated(old, new), ROTATE, closed)
        assert done.serials == ()
        assert "not all revoked" in done.problem and "key.pem" in done.problem
        assert revoked(corp, old) is None


class TestARevocationThatNobodyKnowsOf:
    """Marked in the ledger by a run that came no further: servers have no list with it."""

    @pytest.fixture(name="leaf")
    def make_leaf(self, corp: Issuer, monkeypatch: pytest.MonkeyPatch) -> Any:
        leaf = issued(corp)

        def full(*_arguments: Any) -> Any:
            raise DiskError("no space left")

        with monkeypatch.context() as patch:
            patch.setattr(revoke, "complete", full)
            with pytest.raises(DiskError):
                corp.revoke(leaf, "superseded", NOW)
        return leaf

    def listed(self, state: StateDirectory) -> List[str]:
        content = Path(state.ownca("corp"), "crl.pem").read_bytes()
        return ["{0:x}".format(entry.serial_number) for entry in x509.load_pem_x509_crl(content)]

    @pytest.mark.parametrize("is_removed", [False, True])
    def test_it_is_made_up_for_by_whoever_revokes_next(
        self, corp: Issuer, state: StateDirectory, leaf: Any, is_removed: bool
    ) -> None:
        item = outcome(reply("absent"), state="absent") if is_removed else outcome(reply("active", issued(corp)))
        operation = CONVERGE if is_removed else ACTIVATE
        assert self.listed(state) == []
        before = ca.snapshot(Path(state.path))
        assert settle(item, operation, corp, check=True) == Revocation(tuple(serials(leaf)))
        assert ca.snapshot(Path(state.path)) == before
        done = settle(item, operation, corp)
        assert list(done.serials) == self.listed(state) == serials(leaf)
        assert [(one.serial_number, one.changed, one.reason) for one in done.answers] == [
            (certificate.serial_number(leaf), True, "superseded")
        ]
        again = settle(item, operation, corp)
        assert again == (None if is_removed else Revocation())

    def test_one_that_has_expired_is_nobodys_concern(self, corp: Issuer, leaf: Any) -> None:
        assert [one.certificate for one in corp.unfinished(NOW, "web1", "orders")] == [leaf]
        assert corp.unfinished(NOW, "web2", "orders") == corp.unfinished(NOW + 91 * DAY, "web1", "orders") == []


class WithoutRecord(Issuer):
    """An issuer that keeps no record, and can pass a revocation on or not."""

    type = "fake"

    def __init__(self, passes_on: bool = False) -> None:
        self.name = "corp"
        self._passes_on = passes_on
        if passes_on:
            self.revokes = True  # type: ignore[misc]

    @classmethod
    def configure(cls, name: str, options: Any, state_directory: Any) -> Issuer:
        raise NotImplementedError

    def issue(self, request: Any) -> Any:
        raise NotImplementedError

    def predict(self, host: str, credential: str) -> str:
        raise NotImplementedError

    def certificates(self) -> Any:
        raise NotImplementedError

    def revoke(self, certificate_or_serial: Any, reason: str, at: datetime) -> RevocationResult:
        if not self._passes_on:
            return super().revoke(certificate_or_serial, reason, at)
        return RevocationResult("1f", True, at, reason, waits_for="an answer to the letter in the outbox")


class TestAnIssuerWithoutRecord:
    NEW = material.client("ops", signer=material.authority("CA")).certificate

    def test_one_that_cannot_revoke_says_whom_to_ask(self) -> None:
        done = settle(rotated(OTHERS.certificate, self.NEW), ROTATE, WithoutRecord())
        predicted = settle(outcome(reply("request", OTHERS.certificate), Predicted()), ROTATE, WithoutRecord(), True)
        for found in (done, predicted):
            assert found.serials == ()
            assert "have whoever runs its CA revoke" in found.problem
            assert certificate.serial_number(OTHERS.certificate) in found.problem

    def test_one_that_passes_it_on_says_what_it_waits_for(self) -> None:
        done = settle(rotated(OTHERS.certificate, self.NEW), ROTATE, WithoutRecord(passes_on=True))
        assert (done.serials, done.problem) == ((), None)
        assert done.notes == ("issuer corp: the revocation of 1f waits for an answer to the letter in the outbox",)


class TestAfterARemoval:
    GONE = outcome(reply("absent", changed=True), state="absent")

    def test_what_is_left_is_revoked_whether_or_not_this_run_removed_it(self, corp: Issuer) -> None:
        leaves = [issued(corp), issued(corp)]
        others = [issued(corp, host="web2"), issued(corp, credential="chat")]
        cut_off = outcome(reply("absent"), state="absent")
        assert settle(cut_off, CONVERGE, corp, check=True) == Revocation(tuple(serials(*leaves)))
        done = settle(cut_off, CONVERGE, corp)
        assert list(done.serials) == serials(*leaves)
        assert [revoked(corp, leaf) for leaf in leaves] == ["cessation_of_operation"] * 2
        assert [revoked(corp, leaf) for leaf in others] == [None] * 2
        assert settle(cut_off, CONVERGE, corp) is None

    def test_a_given_reason_counts(self, corp: Issuer) -> None:
        leaf = issued(corp)
        settle(self.GONE, ROTATE, corp)
        assert revoked(corp, leaf) == "key_compromise"

    @pytest.mark.parametrize("issuer", ["corp", ""])
    def test_where_nobody_can_be_asked_that_is_said_once(self, issuer: str) -> None:
        gone = outcome(reply("absent", changed=True), state="absent", issuer=issuer or None)
        done = settle(gone, CONVERGE, None)
        assert (done.serials, done.problem) == ((), None)
        assert "nothing was revoked" in done.notes[0]
        assert settle(outcome(reply("absent"), state="absent"), CONVERGE, None) is None

    def test_where_the_ca_is_away_that_is_said_and_made_up_for(self, corp: Issuer, state: StateDirectory) -> None:
        leaf = issued(corp)
        place, away = Path(state.ownca("corp")), Path(state.path, "elsewhere")
        place.rename(away)
        done = settle(self.GONE, CONVERGE, corp)
        assert (done.serials, done.problem) == ((), None)
        assert "nothing was revoked; once it is there" in done.notes[0]
        assert settle(outcome(reply("absent"), state="absent"), CONVERGE, corp) is None
        away.rename(place)
        assert list(settle(outcome(reply("absent"), state="absent"), CONVERGE, corp).serials) == serials(leaf)

    def test_one_that_is_still_there_keeps_its_certificates(self, corp: Issuer) -> None:
        leaf = issued(corp)
        assert settle(outcome(reply("failed", error="busy"), state="absent"), CONVERGE, corp) is None
        assert revoked(corp, leaf) is None

    def test_a_wrong_passphrase_is_told_and_made_up_for(self, state: StateDirectory, corp: Issuer) -> None:
        leaf = issued(corp)
        closed = selector.configure("corp", {"type": "ownca", "passphrase": "wr0ng"}, state)
        assert "key.pem" in settle(self.GONE, CONVERGE, closed).problem
        assert list(settle(self.GONE, CONVERGE, corp).serials) == serials(leaf)


class TestWhatIsInUse:
    def known(self, in_use: Any, *issuers: Issuer) -> Any:
        known = {issuer.name: issuer for issuer in issuers}
        record = revoking.recorded([outcome(reply()).intent], known, "web1", NOW)
        found = revoking.in_use(record, Reply(False, (), (reply("active", in_use),)))
        return {name: record[name] for name in found}

    def test_it_is_told_with_all_that_was_revoked(self, corp: Issuer) -> None:
        old, in_use, other = issued(corp), issued(corp), issued(corp, credential="chat")
        assert self.known(in_use, corp) == {}
        corp.revoke(old, "superseded", NOW)
        corp.revoke(other, "superseded", NOW)
        # What is not in use any more is of no interest.
        assert self.known(in_use, corp) == {}
        corp.revoke(in_use, "key_compromise", NOW)
        assert self.known(in_use, corp) == {"orders": tuple(sorted(serials(old, in_use)))}
        assert self.known(None, corp) == {}

    def test_a_host_that_sends_no_certificate_has_none(self, corp: Issuer) -> None:
        old = issued(corp)
        corp.revoke(old, "superseded", NOW)
        record = revoking.recorded([outcome(reply()).intent], {"corp": corp}, "web1", NOW)
        assert record == {"orders": tuple(serials(old))}
        said = [reply(certificate="garbage"), replace(reply("active", old), name="another")]
        assert revoking.in_use(record, Reply(False, (), tuple(said))) == []

    def test_an_issuer_that_cannot_be_asked_is_not(self, corp: Issuer) -> None:
        assert self.known(issued(corp)) == {}

    def test_a_record_that_cannot_be_read_is_an_error(self, state: StateDirectory, corp: Issuer) -> None:
        leaf = issued(corp)
        Path(state.ownca("corp"), "ledger.sqlite").write_bytes(b"no database" * 100)
        with pytest.raises(IssuerError, match="ledger"):
            self.known(leaf, corp)

    def test_the_record_is_by_host_and_without_what_has_expired(self, corp: Issuer) -> None:
        mine, theirs = issued(corp), issued(corp, host="web2")
        for leaf in (mine, theirs):
            corp.revoke(leaf, "superseded", NOW)
        assert corp.revoked_serials("web1", NOW) == {"orders": frozenset(serials(mine))}
        assert corp.revoked_serials("web1", NOW + 91 * DAY) == {}
        assert corp.revoked_serials("web3", NOW) == {}
