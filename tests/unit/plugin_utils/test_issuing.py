# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to its answer: what issuers may say, and that no failure leaves its credential."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, List, Sequence

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.difference import Difference
from ansible_collections.mutual.tls.plugins.module_utils.document import Answer, Document
from ansible_collections.mutual.tls.plugins.module_utils.errors import IssuerError, ReplyError
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply, PendingRequest, Reply
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils import issuing
from ansible_collections.mutual.tls.plugins.plugin_utils.desk import Desk
from ansible_collections.mutual.tls.plugins.plugin_utils.intent import Intent
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import Issued, IssuerRequest, Pending, Refused
from ansible_collections.mutual.tls.plugins.plugin_utils.quota import Quota
from ansible_collections.mutual.tls.plugins.plugin_utils.registry import Registry
from ansible_collections.mutual.tls.plugins.plugin_utils.trail import Trail
from ansible_collections.mutual.tls.tests.unit import material

NOW = datetime.now(timezone.utc)
CA = material.authority("CA")
OTHER_CA = material.authority("Other CA")


class FakeIssuer:
    """Answers with what it was given: a function from the request to an answer or an exception."""

    name = "corp"

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.asked: List[IssuerRequest] = []

    def issue(self, asked: IssuerRequest) -> Any:
        self.asked.append(asked)
        answer = self._answer(asked)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def certificates(self) -> Any:
        return [CA.certificate]

    def predict(self, host: str, credential: str) -> str:
        return "issued"

    def ends(self, validity: Any, at: Any) -> Any:
        return None


def intent() -> Intent:
    item = {
        "name": "orders",
        "issuer": "corp",
        "subject": {"CN": "ops"},
        "key": {"type": "ECC"},
        "validity": "5d",
        "labels": {"team": "a"},
    }
    return read_inventory({"credentials": [item], "issuers": {"corp": {}}}).credentials[0]


KEY = private_key.generate(intent().host.key.kind)
FINGERPRINT = private_key.public_fingerprint(KEY.public_key())
OLD = material.client("ops", signer=CA, not_after=material.NOW + material.DAY)


def reply(key: Any = KEY) -> CredentialReply:
    pem = request.build(key, intent().host.spec).decode()
    pending = PendingRequest(pem, "2026-11-21")
    return CredentialReply("orders", "request", True, (), 1, OLD.pem.decode(), pending, None, "/x")


def desk(tmp_path: Path, **limits: int) -> Desk:
    """Asks issuers within these limits; what they give is recorded."""
    state = open_state_directory(str(tmp_path / "state"), create=True)
    return Desk(Quota(limits, str(tmp_path), state.path, False), Trail(state, "web1", False))


def settle(tmp_path: Path, issuer: Any, host: str = "web1", **more: Any) -> Any:
    registry = Registry(open_state_directory(str(tmp_path / "state"), create=True))
    return issuing.settle(intent(), reply(**more), host, issuer, registry, desk(tmp_path), NOW)


def issues(name: str = "ops", signer: Any = CA) -> FakeIssuer:
    leaf = material.client(name, signer=signer, key=KEY)
    return FakeIssuer(lambda asked: Issued((signer.certificate, leaf.certificate)))


def test_an_issued_certificate_becomes_an_ordered_answer(tmp_path: Path) -> None:
    issuer = issues()
    answer = settle(tmp_path, issuer)
    assert isinstance(answer, Answer)
    assert answer.public_fingerprint == private_key.public_fingerprint(KEY.public_key())
    assert [certificate.from_der(der).subject.rfc4514_string() for der in answer.certificates] == ["CN=ops", "CN=CA"]
    asked = issuer.asked[0]
    assert (asked.host, asked.credential, asked.labels) == ("web1", "orders", {"team": "a"})
    assert asked.validity is not None
    assert asked.validity.days == 5
    assert certificate.fingerprint(asked.in_use) == certificate.fingerprint(OLD.certificate)


FAILURES = {
    "issuer error": (FakeIssuer(lambda asked: IssuerError("the CA has expired")), "the CA has expired"),
    "refused": (FakeIssuer(lambda asked: Refused("not on Sundays")), "issuer 'corp' refuses: not on Sundays"),
    "another subject": (issues("admin"), "subject"),
    "another CA": (issues(signer=OTHER_CA), "does not fit"),
    "nothing": (FakeIssuer(lambda asked: Issued(())), "does not fit"),
}


@pytest.mark.parametrize(("issuer", "text"), FAILURES.values(), ids=FAILURES.keys())
def test_failures_stay_with_the_credential(tmp_path: Path, issuer: Any, text: str) -> None:
    settled = settle(tmp_path, issuer)
    assert isinstance(settled, issuing.Failed)
    assert text in settled.reason


def test_a_pending_answer_is_passed_on(tmp_path: Path) -> None:
    pending = Pending("7", "2026-11-21", "a signature")
    assert settle(tmp_path, FakeIssuer(lambda asked: pending)) is pending


def test_the_issuer_is_not_asked_for_what_the_policy_refuses(tmp_path: Path) -> None:
    assert isinstance(settle(tmp_path, issues()), Answer)
    issuer = issues()
    settled = settle(tmp_path, issuer, host="web2")
    assert isinstance(settled, issuing.Failed)
    assert "web1" in settled.reason
    weak = FakeIssuer(lambda asked: None)
    assert "key_type" in settle(tmp_path, weak, key=material.ed25519_key()).reason
    assert issuer.asked == weak.asked == []


def test_nothing_is_asked_for_a_credential_that_shall_not_be_present(tmp_path: Path) -> None:
    """Neither where a host wants it all the same, nor for a name that nobody stated."""
    registry = Registry(open_state_directory(str(tmp_path / "state"), create=True))
    for state in ("absent", "held"):
        issuer = issues()
        unwanted = replace(intent(), host=replace(intent().host, state=state))
        settled = issuing.settle(unwanted, reply(), "web1", issuer, registry, desk(tmp_path), NOW)
        assert (settled, issuer.asked) == (issuing.Failed("the host asks for a certificate that nobody wanted"), [])
    nobody = request.RequestSpec((), ())
    unnamed = replace(intent(), host=replace(intent().host, spec=nobody))
    pem = request.build(KEY, nobody).decode()
    issuer = issues()
    asks = replace(reply(), request=PendingRequest(pem, "2026-11-21"))
    refused = issuing.settle(unnamed, asks, "web1", issuer, registry, desk(tmp_path), NOW)
    assert isinstance(refused, issuing.Failed)
    assert 'policy rule "subject"' in refused.reason
    assert issuer.asked == []


@pytest.mark.parametrize(
    ("wanted", "said"),
    [("present", "absent"), ("present", "held"), ("absent", "request"), ("absent", "active"), ("held", "request")],
)
def test_a_host_answers_what_it_was_told(wanted: str, said: str) -> None:
    credential = replace(intent().host, state=wanted)
    document = Document("/etc/mtls", 60, ("orders",), {}, (credential,))
    with pytest.raises(ReplyError, match=said):
        issuing.check_states(document, Reply(True, (), (replace(reply(), state=said),)))
    for fine in (wanted if wanted != "present" else "active", "failed"):
        issuing.check_states(document, Reply(True, (), (replace(reply(), state=fine),)))


LONG = material.client("ops", signer=CA, not_after=material.NOW + 30 * material.DAY)
DUE = Difference("certificate_due", "certificate.pem")


@pytest.mark.parametrize("others", [(), ("store_missing",)])
@pytest.mark.parametrize("verb", ["predict", "settle"])
def test_a_renewal_that_ends_sooner_is_refused_before_anybody_is_asked(
    tmp_path: Path, verb: str, others: Sequence[str]
) -> None:
    issuer = issues()
    asks = replace(reply(), certificate=LONG.pem.decode(), differences=(DUE, *(Difference(o, "x") for o in others)))
    issuer.ends = lambda validity, at: at + validity  # type: ignore[method-assign]
    registry = Registry(open_state_directory(str(tmp_path / "state"), create=True))
    settled = getattr(issuing, verb)(intent(), asks, "web1", issuer, registry, desk(tmp_path), NOW)
    assert isinstance(settled, issuing.Failed)
    assert "sooner than the one in use" in settled.reason
    assert issuer.asked == []


@pytest.mark.parametrize("reason", ["subject_changed", "issuer_changed", "key_type_changed", "certificate_usage"])
def test_a_certificate_that_nobody_wants_any_more_need_not_be_outlasted(tmp_path: Path, reason: str) -> None:
    leaf = material.client("ops", signer=CA, key=KEY, not_after=material.NOW + 5 * material.DAY)
    issuer = FakeIssuer(lambda asked: Issued((leaf.certificate, CA.certificate)))
    issuer.ends = lambda validity, at: at + validity  # type: ignore[method-assign]
    registry = Registry(open_state_directory(str(tmp_path / "state"), create=True))
    for differences in ((Difference(reason, "x"),), (DUE, Difference(reason, "x"))):
        asks = replace(reply(), certificate=LONG.pem.decode(), differences=differences)
        assert isinstance(issuing.settle(intent(), asks, "web1", issuer, registry, desk(tmp_path), NOW), Answer)


def test_check_mode_predicts_what_the_policy_would_refuse(tmp_path: Path) -> None:
    issuer = issues()
    registry = Registry(open_state_directory(str(tmp_path / "state"), create=True))
    for asks in (reply(), replace(reply(), request=PendingRequest(None, None, FINGERPRINT))):
        assert isinstance(
            issuing.predict(intent(), asks, "web2", issuer, registry, desk(tmp_path), NOW), issuing.Predicted
        )
    registry.claim(FINGERPRINT, "web1", "orders")
    for asks in (reply(), replace(reply(), request=PendingRequest(None, None, FINGERPRINT))):
        assert isinstance(
            issuing.predict(intent(), asks, "web1", issuer, registry, desk(tmp_path), NOW), issuing.Predicted
        )
        predicted = issuing.predict(intent(), asks, "web2", issuer, registry, desk(tmp_path), NOW)
        assert isinstance(predicted, issuing.Failed)
        assert 'policy rule "key_owner"' in predicted.reason
        assert "web1" in predicted.reason
    assert registry.holder(FINGERPRINT) == "web1"
    predicted = issuing.predict(
        intent(), reply(key=material.ed25519_key()), "web1", issuer, registry, desk(tmp_path), NOW
    )
    assert isinstance(predicted, issuing.Failed)
    assert "key_type" in predicted.reason
    assert issuer.asked == []
