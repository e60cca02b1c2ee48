# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollbacks: which generation a host may go back to, and who is asked about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Dict, List, Optional, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError, IssuerError
from ansible_collections.mutual.tls.plugins.module_utils.reply import Candidate, CredentialReply
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import RevocationResult
from ansible_collections.mutual.tls.plugins.plugin_utils.issuing import Agreed, Failed
from ansible_collections.mutual.tls.plugins.plugin_utils.rolling_back import settle
from ansible_collections.mutual.tls.tests.unit import material

NOW = material.NOW
CA = material.authority("CA")
LEAF = material.client("ops", signer=CA)
REVOKED = RevocationResult("1f", False, NOW - timedelta(days=3), "key_compromise")
FOREIGN = InputError("issuer corp: the certificate is another CA's")
BROKEN = IssuerError("the ledger is missing")


class Issuer:
    """Says of every certificate what it was given; `keeps` a record or not."""

    def __init__(
        self, name: str, says: Any = None, retired: bool = False, keeps: bool = True, compromised: Any = None
    ) -> None:
        self.name = name
        self._compromised = compromised
        self.revokes = keeps
        self._says = says
        self._retired = retired
        self.asked: List[Any] = []

    def revoked(self, one: Any) -> Optional[RevocationResult]:
        self.asked.append(one)
        if isinstance(self._says, Exception):
            raise self._says
        said: Optional[RevocationResult] = self._says
        return said

    def compromised(self, one: Any) -> Optional[datetime]:
        return self._compromised

    def is_retired(self, one: Any) -> bool:
        return self._retired


def reply(leaf: Any = LEAF, **more: Any) -> CredentialReply:
    pem = leaf if isinstance(leaf, str) else leaf.pem.decode()
    base = CredentialReply("orders", "active", False, (), 8, None, None, None, "/x", Candidate(7, pem))
    return replace(base, **more)


def said(*issuers: Issuer, to: Optional[CredentialReply] = None) -> Any:
    """What becomes of a candidate; the first of the issuers is the credential's."""
    item = {"name": "orders", "issuer": "corp", "subject": {"CN": "ops"}}
    intents = read_inventory({"credentials": [item], "issuers": {"corp": {}}}).credentials
    known: Any = {issuer.name: issuer for issuer in issuers}
    return settle(intents, {"orders": to or reply()}, known, NOW).get("orders")


def test_a_generation_whose_certificate_is_good_is_agreed_to_by_its_fingerprint() -> None:
    corp = Issuer("corp")
    assert said(corp) == Agreed(certificate.fingerprint(LEAF.certificate))
    assert corp.asked == [LEAF.certificate]


DAY = timedelta(days=1)
REFUSED: Dict[str, Tuple[Any, Any, str]] = {
    "expired": (Issuer("corp"), reply(material.client("ops", signer=CA, not_after=NOW)), "ended on"),
    "not valid yet": (Issuer("corp"), reply(material.client("ops", signer=CA, not_before=NOW + DAY)), "not valid befo"),
    "revoked": (Issuer("corp", REVOKED), reply(), "was revoked on {0} (key_compromise)".format(REVOKED.since.date())),
    "of a key that leaked": (Issuer("corp", compromised=NOW), reply(), "others have its key"),
    "of a retired CA": (Issuer("corp", retired=True), reply(), "a CA that issuer corp has retired"),
    "unreadable": (Issuer("corp"), reply("garbage"), "the generation before"),
    "of nobody that is known": (Issuer("corp", FOREIGN), reply(), "another CA's"),
    "of an issuer without its records": (Issuer("corp", BROKEN), reply(), "the ledger is missing"),
}


@pytest.mark.parametrize(("corp", "to", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_a_generation_that_would_not_do_is_refused(corp: Issuer, to: CredentialReply, text: str) -> None:
    answer = said(corp, to=to)
    assert isinstance(answer, Failed)
    assert text in answer.reason
    assert "generation 7" in answer.reason


def test_where_there_is_none_nothing_can_be_agreed_to() -> None:
    answer = said(Issuer("corp"), to=reply(candidate=None))
    assert isinstance(answer, Failed)
    assert "no generation before" in answer.reason
    assert said(Issuer("corp"), to=reply(state="failed", error="disk full", candidate=None)) is None


@pytest.mark.parametrize(
    ("before", "agreed", "text"),
    [
        (Issuer("old"), True, ""),
        (Issuer("old", REVOKED), False, "was revoked"),
        (Issuer("old", retired=True), False, "issuer old has retired"),
        (Issuer("old", FOREIGN), False, "another CA's"),
        (Issuer("old", BROKEN), False, "another CA's"),
        # Who keeps no record knows nothing of a certificate, and so cannot vouch for it.
        (Issuer("old", keeps=False), False, "another CA's"),
    ],
)
def test_an_issuer_of_before_is_asked_where_the_present_one_does_not_know(
    before: Issuer, agreed: bool, text: str
) -> None:
    answer = said(Issuer("corp", FOREIGN), before)
    assert isinstance(answer, Agreed if agreed else Failed)
    assert agreed or text in answer.reason


def test_one_that_keeps_no_record_does_not_speak_for_those_that_do() -> None:
    assert "was revoked" in said(Issuer("corp", keeps=False), Issuer("old", REVOKED)).reason
    assert isinstance(said(Issuer("corp", keeps=False), Issuer("old", FOREIGN)), Agreed)


def test_nobody_else_is_asked_where_the_present_one_knows() -> None:
    other = Issuer("old", REVOKED)
    assert isinstance(said(Issuer("corp"), other), Agreed)
    assert other.asked == []


def test_what_is_held_already_stays_where_it_is() -> None:
    assert said(Issuer("corp"), to=reply(state="held", held_since="2026-11-21T12:00:00Z", candidate=None)) is None
