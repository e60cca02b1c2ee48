# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations: what people may ask for, which credentials that concerns, and what their host is told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.difference import Difference
from ansible_collections.mutual.tls.plugins.module_utils.document import Document
from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError, InputError
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply
from ansible_collections.mutual.tls.plugins.plugin_utils import operations
from ansible_collections.mutual.tls.plugins.plugin_utils.intent import Intent
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.operations import Operation, read
from ansible_collections.mutual.tls.tests.unit import material

ORDERS = {"credential": "orders"}
STATES = {"orders": "present", "chat": "present", "frozen": "held", "gone": "absent"}

ASKED: Dict[str, Tuple[Dict[str, Any], str]] = {
    "nothing": ({}, "converge"),
    "what a role passes on where nothing is asked": (
        {"operation": "", "select": {}, "revoke": "", "emergency": False},
        "converge",
    ),
    "nulls": ({"operation": None, "select": None, "revoke": None, "emergency": None}, "converge"),
    "rotate all": ({"operation": "rotate"}, "rotate"),
    "revoke alone": ({"revoke": "key_compromise", "select": ORDERS}, "rotate"),
    "revoke what was replaced": ({"operation": "activate", "revoke": "superseded", "select": ORDERS}, "activate"),
    "roll back": ({"operation": "rollback", "select": ORDERS}, "rollback"),
    "release all": ({"operation": "release"}, "release"),
}

REFUSED: Dict[str, Tuple[Dict[str, Any], List[str]]] = {
    "unknown operation": ({"operation": "rotat"}, ["operation:", "'rotate'"]),
    "operation that is no text": ({"operation": True}, ["operation", "text"]),
    "rollback of everything": ({"operation": "rollback"}, ["nothing is selected", "mtls_select"]),
    "rollback of an empty selection": ({"operation": "rollback", "select": {}}, ["nothing is selected"]),
    "revoke of everything": ({"operation": "rotate", "revoke": "superseded"}, ["nothing is selected"]),
    "revoke for no reason of the RFC": ({"revoke": "stolen", "select": ORDERS}, ["revoke:", "key_compromise"]),
    "revoke that can be undone": ({"revoke": "certificate_hold", "select": ORDERS}, ["revoke:", "unspecified"]),
    "revoke without a replacement": (
        {"operation": "converge", "revoke": "superseded", "select": ORDERS},
        ["revoke:", "rotate"],
    ),
    "revoke while going back": ({"operation": "rollback", "revoke": "superseded", "select": ORDERS}, ["revoke:"]),
    "selection that is text": ({"select": "orders"}, ["must be a map"]),
    "selection of nobody knows what": ({"select": {"host": "web1"}}, ["mtls_select.host"]),
    "emergency that is neither": ({"emergency": "perhaps"}, ["emergency", "true or false"]),
}


def intents() -> Tuple[Intent, ...]:
    items = [
        {"name": name, "state": state, "issuer": "corp", "subject": {"CN": "ops"}, "key": {"rotate": False}}
        for name, state in STATES.items()
    ]
    return read_inventory({"credentials": items, "issuers": {"corp": {}, "other": {}}}).credentials


def document() -> Document:
    return Document("/etc/mtls", 60, tuple(STATES), {}, tuple(intent.host for intent in intents()))


def names(found: Any) -> List[str]:
    return [one.name for one in found]


@pytest.mark.parametrize(("arguments", "name"), ASKED.values(), ids=ASKED.keys())
def test_what_is_asked(arguments: Dict[str, Any], name: str) -> None:
    assert read(arguments).name == name


@pytest.mark.parametrize(("arguments", "texts"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(arguments: Dict[str, Any], texts: List[str]) -> None:
    with pytest.raises(InputError) as caught:
        read(arguments)
    for text in texts:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, list(STATES)),
        ({"operation": "rotate"}, list(STATES)),
        ({"operation": "rotate", "select": {"credential": ["chat", "gone"]}}, ["chat", "gone"]),
        ({"operation": "rotate", "select": {"issuer": "other"}}, []),
        ({"operation": "release"}, ["orders", "chat"]),
        ({"operation": "rollback", "select": {"issuer": "corp"}}, ["orders", "chat"]),
        ({"operation": "activate", "select": {"credential": "frozen"}}, []),
        # Which of them has it in use is known later.
        ({"select": {"serial": "1f"}}, list(STATES)),
    ],
)
def test_whom_it_concerns(arguments: Dict[str, Any], expected: List[str]) -> None:
    assert names(read(arguments).concerned(intents())) == expected


def test_what_is_left_alone_is_told() -> None:
    (warning,) = read({"operation": "rollback", "select": {"issuer": "corp"}}).warnings(intents())
    assert "state: held of frozen" in warning
    assert read({"operation": "rotate"}).warnings(intents()) == []


@pytest.mark.parametrize(
    ("operation", "is_said"),
    [("converge", True), ("rotate", True), ("release", True), ("activate", True), ("rollback", False)],
)
def test_an_emergency_says_what_it_ignores(operation: str, is_said: bool) -> None:
    asked = {"operation": operation, "emergency": "yes", "select": {"credential": "orders"}}
    said = " ".join(read(asked).warnings(intents()[:2]))
    for option in ("renew_window", "renew_jitter", "max_issued_per_run"):
        assert (option in said) == is_said


def test_those_whom_it_concerns_are_told_and_nobody_else() -> None:
    told = read({"operation": "rotate"}).told(document(), ["orders", "frozen", "gone"]).credentials
    assert [(one.name, one.operation, one.new_key) for one in told] == [
        ("orders", "rotate", False),
        ("chat", "converge", False),
        ("frozen", "converge", False),
        ("gone", "converge", False),
    ]
    revoking = read({"revoke": "superseded", "select": ORDERS}).told(document(), ["orders"])
    assert [one.new_key for one in revoking.credentials] == [True, False, False, False]


def test_a_document_about_some_still_lists_all() -> None:
    told = operations.only(document(), ["chat"])
    assert (names(told.credentials), told.names) == (["chat"], tuple(STATES))


def test_revoked_certificates_are_told_of_beside_all_others() -> None:
    told = operations.with_revoked(document(), {"chat": ("1f", "2a")})
    assert [one.revoked for one in told.credentials] == [(), ("1f", "2a"), (), ()]


def reply(name: str = "orders", **more: Any) -> CredentialReply:
    return replace(CredentialReply(name, "active", False, (), 1, None, None, None, "/x"), **more)


def test_serial_numbers_are_those_in_use() -> None:
    leaves = [material.client("ops", signer=material.authority("CA")) for _number in range(2)]
    found = {
        "orders": reply("orders", certificate=leaves[0].pem.decode()),
        "chat": reply("chat", certificate=leaves[1].pem.decode()),
        "frozen": reply("frozen"),
        "gone": reply("gone"),
    }
    serial = "{0:X}".format(leaves[1].certificate.serial_number)

    def having(**select: Any) -> List[str]:
        return names(read({"select": select}).having_serial(intents(), found))

    assert having(serial=serial) == ["chat"]
    assert having(serial=[serial, "1"], credential="orders") == []
    found["gone"] = reply("gone", certificate="no certificate")
    with pytest.raises(FormatError, match="the host's reply"):
        having(serial=serial)


def test_issuers_that_give_nothing_are_asked_where_they_once_gave() -> None:
    only_gone = [one for one in intents() if one.name == "gone"]
    assert read({}).issuers_to_ask(only_gone, ["corp", "other"]) == ["corp"]
    assert read({}).issuers_to_ask(only_gone, ["other"]) == []
    assert read({}).issuers_to_ask(intents()[:1], ["corp"]) == []
    assert Operation("rollback").issuers_to_ask([], ["corp", "other"]) == ["corp", "other"]


def test_two_trips_about_one_credential_are_one() -> None:
    due, revoked = Difference("certificate_due", "c"), Difference("certificate_revoked", "c")
    first = reply(changed=True, differences=(due,))
    again = reply(state="request", differences=(revoked, due, Difference("request_changed", "next")))
    together = operations.joined(first, again)
    assert (together.state, together.changed, together.differences) == ("request", True, (due, revoked))
