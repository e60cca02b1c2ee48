# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reply of a host is hostile input: it is read as agreed on, or refused."""

from __future__ import annotations

import copy
import json
from typing import Any, Callable, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import reply as replies
from ansible_collections.mutual.tls.plugins.module_utils.difference import Difference
from ansible_collections.mutual.tls.plugins.module_utils.errors import ReplyError
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply, Event, PendingRequest, Reply

NAMES = ["orders", "billing"]


def _reply(**changes: Any) -> Reply:
    orders = CredentialReply(
        "orders",
        "active",
        True,
        (),
        7,
        "PEM",
        None,
        None,
        "/etc/mtls/orders",
        events=(Event("deployed", 7, "ab" * 32), Event("removed", None, None)),
    )
    found = (Difference("key_missing", "key.pem", "", "a key"),)
    request = PendingRequest("CSR", "2026-11-21T12:00:00Z", "0a" * 32)
    billing = CredentialReply("billing", "request", True, found, None, None, request, None, "/etc/mtls/billing")
    return Reply(**{"changed": True, "orphaned": ("old",), "credentials": (orders, billing), **changes})


def _raw() -> Dict[str, Any]:
    raw: Dict[str, Any] = json.loads(json.dumps(replies.encode(_reply())))
    return raw


def test_round_trip() -> None:
    assert replies.decode(_raw(), NAMES) == _reply()


@pytest.mark.parametrize(("state", "error"), [("failed", "why"), ("held", "why"), ("held", None)])
def test_what_is_held_may_say_why_it_cannot_be_judged(state: str, error: Any) -> None:
    held = CredentialReply("orders", state, False, (), None, None, None, error, "/etc/mtls/orders")
    reply = Reply(False, (), (held,))
    assert replies.decode(json.loads(json.dumps(replies.encode(reply))), ["orders"]) == reply


def _at(*path: Any) -> Callable[[Dict[str, Any], Any], None]:
    def change(raw: Dict[str, Any], value: Any) -> None:
        place: Any = raw
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


_EVENT = {"event": "deployed", "generation": 7, "fingerprint_sha256": None}
BAD = [
    (_at("version"), [2, True, "1", None, 1.0]),
    (_at("changed"), [1, None, "yes"]),
    (_at("extra"), [1]),
    (_at("orphaned"), ["old", None, [1], {"a": "b"}, ["x"] * 10_001]),
    (_at("credentials"), [[], None, {}, [1], [[]]]),
    (_at("credentials", 0, "name"), ["billing", "other", 1, None]),
    (_at("credentials", 0, "state"), ["gone", "", None, "failed", "request"]),
    (_at("credentials", 0, "changed"), [0, "no"]),
    (_at("credentials", 0, "generation"), ["7", True, -1, 0, 10**30, 1.5]),
    (_at("credentials", 0, "certificate"), [1, ["x"], "x" * 70_000]),
    (_at("credentials", 0, "error"), ["an error beside success", 1]),
    (_at("credentials", 0, "directory"), [None, 1]),
    (_at("credentials", 0, "invocation"), [{"module_args": 1}]),
    (_at("credentials", 1, "request"), [None, [], "CSR", {"pem": "x"}, {"pem": 1, "since": None}]),
    (
        _at("credentials", 1, "request", "public_fingerprint"),
        [1, "", "0A" * 32, "0a" * 31, "0a" * 32 + "\n", ["0a" * 32]],
    ),
    (_at("credentials", 0, "events"), [None, {}, [1], "x", [_EVENT] * 17, [{**_EVENT, "more": 1}]]),
    (_at("credentials", 0, "events", 0, "event"), ["issued", "revoked", "", None, 1, []]),
    (_at("credentials", 0, "events", 0, "generation"), [0, -1, "7", True, 10**30, 1.5]),
    (_at("credentials", 0, "events", 0, "fingerprint_sha256"), ["", "AB" * 32, "ab" * 31, "ab" * 32 + "\n", 1]),
    (_at("credentials", 1, "differences"), [None, {}, [1], "x"]),
    (_at("credentials", 1, "differences", 0, "reason"), ["made_up", 1, None, []]),
    (_at("credentials", 1, "differences", 0, "was"), [None, 1, "x" * 70_000]),
    (_at("credentials", 1, "differences", 0, "secret"), ["x"]),
]


@pytest.mark.parametrize(
    ("change", "value"), [(change, value) for change, values in BAD for value in values], ids=lambda value: None
)
def test_anything_else_is_refused(change: Any, value: Any) -> None:
    raw = _raw()
    change(raw, value)
    with pytest.raises(ReplyError):
        replies.decode(raw, NAMES)


@pytest.mark.parametrize("raw", [None, [], "x", 1, {}, {"version": 1}])
def test_what_is_no_reply_at_all(raw: Any) -> None:
    with pytest.raises(ReplyError):
        replies.decode(raw, NAMES)


def test_depth_and_size_are_bounded() -> None:
    deep: List[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for raw in ({**_raw(), "orphaned": deep}, {**_raw(), "orphaned": ["x" * 60_000] * 100}):
        with pytest.raises(ReplyError):
            replies.decode(raw, NAMES)


def test_credentials_that_were_not_asked_for() -> None:
    for names in (["orders"], ["orders", "billing", "third"], ["orders", "orders"], []):
        with pytest.raises(ReplyError):
            replies.decode(_raw(), names)


def test_texts_cannot_steer_a_terminal_or_forge_a_line() -> None:
    raw = _raw()
    raw["credentials"][1]["differences"][0]["was"] = "a\x1b[31m\nok: [host]\r\udcff\u202e é"
    raw["orphaned"] = ["x\x07"]
    decoded = replies.decode(raw, NAMES)
    assert decoded.credentials[1].differences[0].was == "a\\x1b[31m\\nok: [host]\\r\\udcff\\u202e é"
    assert decoded.orphaned == ("x\\x07",)


def test_host_cuts_what_the_controller_would_refuse() -> None:
    many = tuple(Difference("unexpected_file", "f{0}".format(number), "x" * 5000) for number in range(20_000))
    last = Difference("mode_changed", "key.pem", "0644", "0600")
    credential = CredentialReply("orders", "failed", True, (*many, last), 1, None, None, "e" * 100_000, "/x")
    encoded = replies.encode(Reply(True, (), (credential,)))
    assert len(json.dumps(encoded)) < replies.MAXIMUM_SIZE // 4
    decoded = replies.decode(json.loads(json.dumps(encoded)), ["orders"]).credentials[0]
    assert [item.reason for item in decoded.differences].count("mode_changed") == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json(raw: Any) -> None:
    with pytest.raises(ReplyError):
        replies.decode(raw, NAMES)


@given(st.data())
def test_one_value_replaced(data: st.DataObject) -> None:
    raw = copy.deepcopy(_raw())
    place: Any = raw
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(JSON)
        break
    try:
        assert isinstance(replies.decode(raw, NAMES), Reply)
    except ReplyError:
        pass
