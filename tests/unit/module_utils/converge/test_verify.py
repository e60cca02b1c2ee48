# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `verify`: what it may say, what it comes to, and its way to the host."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.converge.proof import Verify, read
from ansible_collections.mutual.tls.plugins.module_utils.converge.verify import from_wire, to_wire
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.module_utils.handshake.http_request import Request

URL = "https://api.example:8444/ping"
PASSWORD = "pass-Zq7"
ALL: Dict[str, Any] = {
    "url": "https://api.example/a/b?c=%20d",
    "method": "post",
    "headers": {"X-One": "1", "X-Two": 2, "X-Three": True},
    "body": {"a": [1, None, "ü"]},
    "basic_auth": {"username": "us", "password": PASSWORD},
    "status": [200, 204],
    "user": "orders",
    "proxy": "http://me:" + PASSWORD + "@proxy.example:3128",
    "timeout": 2.5,
    "retries": 0,
    "authorities": ["system", "partner_root", "system"],
}


def simple(**options: Any) -> Verify:
    return read({"url": URL, **options}, ["partner_root"])


def test_defaults() -> None:
    assert simple() == Verify(
        host="api.example",
        port=8444,
        path="/ping",
        method="GET",
        headers=(),
        body=None,
        username=None,
        password=None,
        status=(200,),
        user=None,
        proxy=None,
        timeout=10.0,
        retries=2,
        authorities=("partner_root",),
    )


def test_everything() -> None:
    assert read(ALL, ["partner_root"]) == Verify(
        host="api.example",
        port=443,
        path="/a/b?c=%20d",
        method="POST",
        headers=(("X-One", "1"), ("X-Two", "2"), ("X-Three", "true"), ("Content-Type", "application/json")),
        body=json.dumps(ALL["body"]).encode(),
        username="us",
        password=PASSWORD,
        status=(200, 204),
        user="orders",
        proxy="http://me:" + PASSWORD + "@proxy.example:3128",
        timeout=2.5,
        retries=0,
        authorities=("system", "partner_root"),
    )


def test_null_is_as_if_it_were_not_there() -> None:
    assert read({name: None for name in ALL if name != "url"} | {"url": URL}, ["partner_root"]) == simple()


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://API.example", "api.example", 443, "/"),
        ("https://api.example:8444?a=b", "api.example", 8444, "/?a=b"),
        ("HTTPS://192.0.2.1/", "192.0.2.1", 443, "/"),
        ("https://[2001:db8::1]:8444/x", "2001:db8::1", 8444, "/x"),
    ],
)
def test_urls(url: str, host: str, port: int, path: str) -> None:
    found = simple(url=url)
    assert (found.host, found.port, found.path) == (host, port, path)


REFUSED: List[Tuple[str, Any]] = [
    ("url", "http://api.example/"),
    ("url", "api.example:8444/ping"),
    ("url", "https:///ping"),
    ("url", "https://"),
    ("url", ""),
    ("url", None),
    ("url", 5),
    ("url", ["https://api.example"]),
    ("url", "https://api.example/a b"),
    ("url", "https://api.example/a\nHost: b"),
    ("url", "https://api.example/ü"),
    ("url", "https://bücher.example/"),
    ("url", "https://us:" + PASSWORD + "@api.example/"),
    ("url", "https://api.example/#x"),
    ("url", "https://api.example/#"),
    ("url", "https://api.example:0/"),
    ("url", "https://api.example:99999/"),
    ("url", "https://api.example:port/"),
    ("url", "https://[::1/"),
    ("url", "https://a..b/"),
    ("method", "GE T"),
    ("method", ""),
    ("method", ["GET"]),
    ("headers", ["X-One: 1"]),
    ("headers", "X-One: 1"),
    ("headers", {"X One": "1"}),
    ("headers", {"X-One": "1\r\nX-Two: 2"}),
    ("headers", {"X-One": ["1"]}),
    ("headers", {"X-One": None}),
    ("headers", {1: "1"}),
    ("headers", {"X-One": "\u2713"}),
    ("headers", {"content-length": "5"}),
    ("headers", {"Transfer-Encoding": "chunked"}),
    ("headers", {"Connection": "keep-alive"}),
    ("body", 5),
    ("body", True),
    ("body", b"bytes"),
    ("body", {"a": {1, 2}}),
    ("body", "half a pair \ud800"),
    ("basic_auth", "us:" + PASSWORD),
    ("basic_auth", {}),
    ("basic_auth", {"username": "us"}),
    ("basic_auth", {"username": "us", "password": 5}),
    ("basic_auth", {"username": "us", "password": PASSWORD, "realm": "x"}),
    ("basic_auth", {"username": "u:s", "password": PASSWORD}),
    ("basic_auth", {"username": "us", "password": PASSWORD + "\n"}),
    ("status", 200),
    ("status", []),
    ("status", ["200"]),
    ("status", [True]),
    ("status", [99]),
    ("status", [100]),
    ("status", [600]),
    ("user", ""),
    ("user", 0),
    ("user", "or ders"),
    ("user", "../orders"),
    ("user", "orders\0"),
    ("proxy", "https://proxy.example"),
    ("proxy", "http://us:" + PASSWORD + "@"),
    ("proxy", "http://us:" + PASSWORD + "@proxy:x"),
    ("proxy", 3128),
    ("timeout", 0),
    ("timeout", -1),
    ("timeout", "10s"),
    ("timeout", True),
    ("timeout", 601),
    ("timeout", float("nan")),
    ("timeout", float("inf")),
    ("retries", -1),
    ("retries", 9),
    ("retries", 1.5),
    ("retries", True),
    ("retries", "2"),
    ("authorities", []),
    ("authorities", "system"),
    ("authorities", [""]),
    ("authorities", [5]),
    ("certificate", "x"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)), ids=lambda number: "{}-{!a}".format(*REFUSED[number]))
def test_nonsense_is_refused_by_its_option(number: int) -> None:
    option, value = REFUSED[number]
    with pytest.raises(InputError) as caught:
        simple(**{option: value})
    assert str(caught.value).startswith("verify.{}: ".format(option))
    assert PASSWORD not in str(caught.value)


def test_what_contradicts_itself_is_refused() -> None:
    basic = {"username": "us", "password": PASSWORD}
    with pytest.raises(InputError, match=r"^verify\.basic_auth: .*Authorization"):
        simple(basic_auth=basic, headers={"authorization": "Bearer x"})


def test_no_authorities_anywhere_are_refused() -> None:
    with pytest.raises(InputError, match=r"^verify\.authorities: "):
        read({"url": URL}, [])


@pytest.mark.parametrize("options", [None, [], "https://api.example", 5])
def test_what_is_no_map_is_refused(options: Any) -> None:
    with pytest.raises(InputError, match=r"^verify: must be a map"):
        read(options, ["system"])


def test_secrets_are_in_no_representation() -> None:
    options = {**ALL, "headers": {"X-Token": "tok#Xw9"}, "body": "bod#Kv5", "url": URL + "?token=que"}
    shown = repr(read(options, ["system"]))
    assert [secret for secret in (PASSWORD, "tok#Xw9", "bod#Kv5", "token=que") if secret in shown] == []
    assert "api.example" in shown


def test_a_confidential_part_of_the_query_is_a_secret() -> None:
    secrets = Request(path="/a?token=Zq7%20Xw9&page=2&api_key=Kv5").secrets
    assert set(secrets) == {"Zq7 Xw9", "Kv5"}


# The way to the host


@pytest.mark.parametrize("options", [{"url": URL}, ALL, {**ALL, "body": "text ü\n"}, {**ALL, "body": ""}])
def test_the_host_gets_what_was_sent(options: Dict[str, Any]) -> None:
    verify = read(options, ["system"])
    text = json.dumps(to_wire(verify))
    assert from_wire(json.loads(text), "x") == verify


WRONG: Dict[str, Tuple[Any, ...]] = {
    "host": (None, 1, "\ud800"),
    "port": (None, "443", True, 1.0),
    "path": (None, ["/"]),
    "method": (None, {}),
    "headers": (None, "x", [["a"]], [["a", "b", "c"]], [["a", 1]], {"a": "b"}, ["ab"]),
    "body": (1, "not base64!", "ü"),
    "username": (1,),
    "password": ([],),
    "status": (None, 200, ["200"], [True]),
    "user": (0,),
    "proxy": (1,),
    "timeout": (None, "1", True, 10**400),
    "retries": (None, 1.0, False),
    "authorities": (None, "system", [1]),
}


@pytest.mark.parametrize("name", WRONG)
def test_another_shape_is_refused_by_its_place(name: str) -> None:
    whole = to_wire(simple())
    assert set(whole) == set(WRONG)
    for value in WRONG[name]:
        with pytest.raises(InputError, match=r"^credentials\[0\]\.verify\.{} ".format(name)):
            from_wire({**whole, name: value}, "credentials[0].verify")
    del whole[name]
    with pytest.raises(InputError, match=r"^verify\.{} is missing".format(name)):
        from_wire(whole, "verify")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.one_of(VALUES, st.fixed_dictionaries(dict.fromkeys(WRONG, VALUES))))
def test_any_json_is_read_or_refused(raw: Any) -> None:
    try:
        found = from_wire(raw, "verify")
    except InputError:
        return
    assert isinstance(found, Verify)


@given(st.dictionaries(st.sampled_from([*ALL, "other"]), VALUES, max_size=6))
def test_any_option_is_read_or_refused(options: Dict[str, Any]) -> None:
    try:
        found = read({"url": URL, **options}, ["system"])
    except InputError as error:
        assert str(error).startswith("verify")
        return
    assert from_wire(json.loads(json.dumps(to_wire(found))), "verify") == found
