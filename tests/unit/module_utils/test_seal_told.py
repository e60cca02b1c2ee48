# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seal holds for what its check was told, for who asked, and while nobody else is at work."""

from __future__ import annotations

import copy
import fcntl
import json
import os
import sys
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import seal
from ansible_collections.mutual.tls.plugins.module_utils.reply import decode
from ansible_collections.mutual.tls.tests.unit.module_utils.sealed import SealedHost, sealed_host

FREE = ("answer", "may_request", "may_renew", "candidate", "new_key")
"""What a credential is told in case that it needs a certificate: it does not count where none is needed."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedHost]:
    with sealed_host(tmp_path_factory.mktemp("seal") / "disk") as host:
        yield host


@pytest.fixture
def host(made: SealedHost) -> SealedHost:
    made.restore()
    return made


def others(value: Any) -> List[Any]:
    """Values like this one, but different."""
    if isinstance(value, bool):
        return [not value, int(value)]
    if isinstance(value, int):
        return [value + 1, value - 1, float(value), str(value)]
    if isinstance(value, str):
        return [value + "x", value[1:], value.swapcase() + " ", None]
    if value is None:
        return ["", "x", False]
    if isinstance(value, list):
        return [[*value, "x"], [*value, *value, None], value[1:], None]
    return [{**value, "more": None}, *({k: v for k, v in value.items() if k != key} for key in value)]


def variants(value: Any, where: Tuple[Any, ...] = ()) -> Iterator[Tuple[Tuple[Any, ...], Any]]:
    """The document with one thing in it changed, for every single thing; and where that is."""
    yield from ((where, other) for other in others(value) if json.dumps(other) != json.dumps(value))
    items: List[Tuple[Any, Any]] = list(enumerate(value)) if isinstance(value, list) else []
    for key, below in value.items() if isinstance(value, dict) else items:
        for place, other in variants(below, (*where, key)) if key not in FREE else ():
            whole = copy.copy(value)
            whole[key] = other
            yield place, whole


def test_every_option_counts(host: SealedHost) -> None:
    places = set()
    for place, other in variants(json.loads(host.text)):
        places.add(place)
        # What is free may also be left out: the full check is not made for it.
        if not (place[:1] == ("credentials",) and len(place) == 2):
            assert host.quick(json.dumps(other)) is None, place
    assert ("credentials", 0, "key", "passphrase") in places
    assert ("credentials", 0, "keystores", 0, "passphrase") in places
    assert ("credentials", 2, "state") in places
    assert ("authorities", "partner", 0) in places
    assert len(places) > 100
    assert host.quick() is not None


@pytest.mark.parametrize("place", ["credentials", "names"])
def test_the_order_counts(host: SealedHost, place: str) -> None:
    document = json.loads(host.text)
    assert host.quick(json.dumps({**document, place: document[place][::-1]})) is None


def test_the_release_of_the_collection_counts(host: SealedHost) -> None:
    """The controller sends a digest of the code: another one may judge otherwise."""
    told = {**json.loads(host.text), "code": "one"}
    (host.host.current() / "key.pem").chmod(0o644)
    assert host.full(json.dumps(told), check=False)["changed"]
    assert host.quick(json.dumps(told)) == host.full()
    assert host.quick(json.dumps({**told, "code": "two"})) is None
    assert host.quick() is None


def test_whether_an_issuer_could_answer_does_not_count(host: SealedHost) -> None:
    for may_request in (True, False):
        text = json.dumps(host.host.document(*({**one, "may_request": may_request} for one in host.wanted)))
        assert host.quick(text) == host.full(text)


def test_a_trip_with_answers_is_about_the_answered_only(host: SealedHost) -> None:
    """Another run may have sealed the host between the two trips of this one."""
    answer = {"public_fingerprint": "00", "certificates": []}
    text = json.dumps(host.host.document(*({**one, "answer": answer} for one in host.wanted[1:2]), *host.wanted[2:]))
    whole = json.dumps({**json.loads(host.text), "credentials": [host.wanted[0], *json.loads(text)["credentials"]]})
    assert host.quick(whole) is None
    assert [one.name for one in decode(host.full(whole), ["billing"]).credentials] == ["billing"]


WHO = {
    "user": lambda patch: patch.setattr(os, "geteuid", lambda: 54321),
    "group": lambda patch: patch.setattr(os, "getegid", lambda: 54321),
    "groups": lambda patch: patch.setattr(os, "getgroups", lambda: [54321]),
    "Python": lambda patch: patch.setattr(sys, "version", "3.9.2 (default)"),
    "another environment of this Python": lambda patch: patch.setattr(sys, "path", [*sys.path[1:], "/opt/other"]),
}


@pytest.mark.parametrize("who", WHO)
def test_who_asks_counts(host: SealedHost, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.quick() is not None
    WHO[who](monkeypatch)
    assert host.quick() is None


def test_nothing_holds_in_the_middle_of_another_run(host: SealedHost) -> None:
    descriptor = os.open(host.host.root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert host.quick() is None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        assert host.quick() is not None
        assert host.quick() is not None
    finally:
        os.close(descriptor)


def test_no_lock_is_left(host: SealedHost) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for text in (host.text, json.dumps({**json.loads(host.text), "code": "x"})):
        host.quick(text)
    assert len(os.listdir("/proc/self/fd")) == before
    assert host.full() == host.quick()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        "3",
        '"root"',
        '{"credentials": []}',
        '{"root": "/etc"}',
        '{"root": null, "credentials": []}',
        '{"root": 3, "credentials": []}',
        '{"root": "", "credentials": []}',
        '{"root": ".", "credentials": []}',
        '{"root": "/nowhere/\\u0000", "credentials": []}',
        '{"root": "/\\ud800", "credentials": []}',
        '{"root": "/", "credentials": 3}',
        '{"root": "/", "credentials": [3]}',
        '{"root": "/", "credentials": ["answer"]}',
        '{"root": "/", "credentials": [[]]}',
        '{"root": "/", "credentials": [{}]}',
        '{"root": "/dev/null", "credentials": []}',
        '{"root": "/proc/self/fd/0", "credentials": []}',
        "[" * 100_000,
        '{"root":' * 100_000,
        "9" * 10_000,
    ],
)
def test_an_odd_document_is_the_full_checks_to_judge(text: str) -> None:
    assert seal.unbroken(text) is None


def test_a_relative_root_is_none_of_ours(host: SealedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(host.disk)
    assert host.quick(json.dumps({**json.loads(host.text), "root": "root"})) is None


def test_another_root_has_another_seal(host: SealedHost, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/.seal").write_bytes(host.seal.read_bytes())
    assert host.quick(json.dumps({**json.loads(host.text), "root": str(tmp_path / "root")})) is None
