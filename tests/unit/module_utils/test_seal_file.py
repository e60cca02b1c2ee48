# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seal as a file: when it is written and removed, what is in it, and what else may stand in its place."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import imports, seal
from ansible_collections.mutual.tls.plugins.module_utils.converge import mounts, sealing
from ansible_collections.mutual.tls.tests.integration.surveillance import Canaries, forms, key_forms
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    EC,
    keystore,
    temporary_files,
    truststore,
)
from ansible_collections.mutual.tls.tests.unit.module_utils.sealed import (
    SealedHost,
    absent,
    everything,
    plain,
    sealed_host,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedHost]:
    with sealed_host(tmp_path_factory.mktemp("seal") / "disk") as host:
        yield host


@pytest.fixture
def host(made: SealedHost) -> SealedHost:
    made.restore()
    return made


def shape(host: SealedHost) -> List[Any]:
    return host.host.listing()


def test_a_clean_check_changes_nothing(host: SealedHost) -> None:
    before = shape(host)
    for _round in range(3):
        assert host.quick() is not None
        assert host.full() == host.full(check=False) == host.quick()
    assert shape(host) == before


def test_a_run_that_changes_nothing_writes_no_seal(host: SealedHost) -> None:
    host.seal.unlink()
    before = shape(host)
    for check in (True, False):
        assert host.full(check=check)["changed"] is False
    assert host.quick() is None
    assert shape(host) == before


def test_a_seal_that_does_not_hold_stays_as_it_is(host: SealedHost) -> None:
    """Only a run that changes something may touch it."""
    text = json.dumps({**json.loads(host.text), "code": "another"})
    before = shape(host)
    assert host.quick(text) is None
    assert host.full(text, check=False)["changed"] is False
    assert shape(host) == before
    assert host.quick() is not None


def test_check_mode_leaves_the_seal(host: SealedHost) -> None:
    (host.host.current() / "key.pem").chmod(0o644)
    before = shape(host)
    assert host.full()["changed"] is True
    assert shape(host) == before


def test_a_run_that_changes_something_seals_anew(host: SealedHost) -> None:
    before = host.seal.read_bytes()
    (host.host.current() / "key.pem").chmod(0o644)
    assert host.full(check=False)["changed"] is True
    assert host.seal.read_bytes() != before
    assert host.quick() == host.full()
    assert temporary_files(host.disk) == []


def test_the_seal_is_for_nobody_else(host: SealedHost) -> None:
    for mask in (0o000, 0o077, 0o777):
        (host.host.current() / "key.pem").chmod(0o644)
        old = os.umask(mask)
        try:
            host.full(check=False)
        finally:
            os.umask(old)
        found = host.seal.lstat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, os.geteuid())
        assert stat.S_ISREG(found.st_mode)


def test_an_orphan_is_told_by_the_seal_too(host: SealedHost) -> None:
    (host.host.root / "stranger/generations").mkdir(parents=True)
    (host.host.current() / "key.pem").chmod(0o644)
    host.full(check=False)
    assert host.quick() == host.full()
    assert host.quick() is not None
    assert host.full()["orphaned"] == ["stranger"]


def test_the_real_library_is_looked_at(made: SealedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    made.restore()
    for name in ("library_file", "library_places"):
        monkeypatch.setattr(sealing, name, getattr(imports, name))
    (made.host.current() / "key.pem").chmod(0o644)
    made.full(check=False)
    paths = json.loads(made.seal.read_text())["paths"]
    assert [imports.library_file(), "content"] in paths
    assert [os.path.dirname(imports.library_file()), "directory"] in paths
    assert made.quick() == made.full()


PASSPHRASES = [
    "the key's \\ passphrase",
    'a "store\'s" passphrase ü',
    "a truststore's",
    "a previous one",
    "in a config",
]


def secretive(disk: Path) -> List[Dict[str, Any]]:
    key, store, trust, previous, config = PASSPHRASES
    orders, *rest = everything(disk)
    orders["key"] = {**EC, "passphrase": key}
    orders["keystores"] = [keystore(file="client.jks", format="jks", passphrase=store, key_passphrase=key)]
    orders["truststores"] = [truststore(passphrase=trust)]
    orders["previous_passphrases"] = [previous]
    orders["configs"][0]["content"] = "password = {0}\n".format(config)
    orders["links"] = orders["links"][1:]
    return [orders, *rest]


def test_the_seal_holds_no_secret(tmp_path: Path) -> None:
    with sealed_host(tmp_path / "disk", secretive) as host:
        assert host.quick() is not None
        found = {text: forms(text) for text in PASSPHRASES}
        found["key"] = key_forms((host.host.current() / "key.pem").read_bytes(), PASSPHRASES[0])
        found["billing"] = key_forms((host.host.current("billing") / "key.pem").read_bytes(), None)
        content = host.seal.read_bytes()
        assert Canaries(found).within(content, "the seal") == []
        assert Canaries(found).within(json.dumps(json.loads(content), ensure_ascii=False).encode(), "the seal") == []


def test_guessing_a_passphrase_through_the_seal_is_slow(host: SealedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """What knows the document again is salted, and no faster than the stores' own derivation."""
    calls: List[Any] = []
    real = hashlib.pbkdf2_hmac

    def counted(*given: Any) -> bytes:
        calls.append(given)
        return real(*given)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted)
    salts = []
    for _round in range(2):
        (host.host.current() / "key.pem").chmod(0o644)
        host.full(check=False)
        salts.append(json.loads(host.seal.read_text())["salt"])
    assert [len(bytes.fromhex(salt)) for salt in salts] == [16, 16]
    assert salts[0] != salts[1]
    # The stores have their own, of their passphrases alone.
    told = [given for given in calls if b'"credentials"' in given[1]]
    assert [given[2].hex() for given in told] == salts
    assert all(given[3] >= 10_000 and b"store-secret" in given[1] for given in told)


def _pending(host: SealedHost) -> None:
    host.wanted.append(plain(name="another"))


def _failed(host: SealedHost) -> None:
    host.wanted.append(plain(name="another", authorities=["unknown"]))


def _held(host: SealedHost) -> None:
    host.wanted[1]["state"] = "held"


def _unexpected(host: SealedHost) -> None:
    (host.host.current("billing") / "mine").write_text("mine")


def _mounted(host: SealedHost) -> None:
    host.wanted[0]["keep_generations"] = 1
    (host.host.root / "orders/generations/0000").mkdir()


NO_SEAL: Dict[str, Callable[[SealedHost], None]] = {
    "a request waits": _pending,
    "a credential fails": _failed,
    "a credential is held": _held,
    "an unexpected file": _unexpected,
    "the mount table was looked at": _mounted,
}


@pytest.mark.parametrize("name", NO_SEAL)
def test_what_is_not_settled_is_not_sealed(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_names", lambda process, directory: {"0000"})
    with sealed_host(tmp_path / "disk", lambda disk: [plain(), plain(name="billing")]) as host:
        assert host.quick() is not None
        NO_SEAL[name](host)
        (host.host.current() / "key.pem").chmod(0o644)
        assert host.full(check=False)["changed"] is True
        assert not host.seal.exists()
        assert host.quick() is None
        before = shape(host)
        assert host.full(check=False)["changed"] is False
        assert shape(host) == before


def test_where_nothing_is_wanted_no_seal_is_left(tmp_path: Path) -> None:
    with sealed_host(tmp_path / "disk", lambda disk: [plain(), plain(name="billing")]) as host:
        host.wanted = [absent("orders"), plain(name="billing")]
        assert host.full(check=False)["changed"] is True
        assert host.quick() == host.full()
        host.wanted = [absent("orders"), absent("billing")]
        assert host.full(check=False)["changed"] is True
        assert [path.name for path in host.host.root.iterdir()] == ["other"]
        assert host.quick() is None


def _replaced(make: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def change(path: Path) -> None:
        path.rename(path.parent.parent / "kept")
        make(path)

    return change


def _edited(**changes: Any) -> Callable[[Path], Any]:
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


IN_ITS_PLACE: Dict[str, Callable[[Path], Any]] = {
    "nothing": Path.unlink,
    "an empty file": lambda path: path.write_bytes(b""),
    "a link to it": _replaced(lambda path: path.symlink_to(path.parent.parent / "kept")),
    "a link to nothing": _replaced(lambda path: path.symlink_to("nothing")),
    "a directory": _replaced(Path.mkdir),
    "a FIFO": _replaced(os.mkfifo),
    "no JSON": lambda path: path.write_bytes(b"{"),
    "no text": lambda path: path.write_bytes(bytes(range(256))),
    "a number": lambda path: path.write_bytes(b"3"),
    "a number without end": lambda path: path.write_bytes(b"9" * 100_000),
    "a list": lambda path: path.write_bytes(b"[]"),
    "null": lambda path: path.write_bytes(b"null"),
    "nested deeply": lambda path: path.write_bytes(b"[" * 200_000),
    "maps nested deeply": lambda path: path.write_bytes(b'{"a":' * 200_000),
    "huge": lambda path: path.write_text(json.dumps({"more": "x" * (1 << 24), **json.loads(path.read_text())})),
    "open to its group": lambda path: path.chmod(0o620),
    "open to all": lambda path: path.chmod(0o602),
    "of another version": _edited(version=seal.VERSION + 1),
    "of no version": _edited(version=None),
    "without paths": _edited(paths=[]),
    "of a number": _edited(paths=[[3, "own"]]),
    "of a number without end": _edited(paths=[[10**30, "own"]]),
    "of all kinds": _edited(paths=[[None, "names"], [[], "entry"], ["/", []]]),
    "of an unknown facet": _edited(paths=[["/", "times"]]),
    "of a path with a NUL": _edited(paths=[["/\0", "entry"]]),
    "of half a character": _edited(paths=[["/\ud800", "entry"]]),
    "of half a pair": _edited(paths=[["/"]]),
    "of a map": _edited(paths={"ab": 1}),
    "of no paths": _edited(paths=None),
    "without an end": _edited(until=10**400),
    "with an end that is none": _edited(until=float("nan")),
    "with an end in words": _edited(until="tomorrow"),
    "from before all time": _edited(since=-(10**400)),
    "without salt": _edited(salt=""),
    "with another salt": _edited(salt="00" * 16),
    "with salt that is none": _edited(salt="zz"),
    "with a number for salt": _edited(salt=3),
    "without a hash": _edited(bound=None),
    "with nothing seen": _edited(seen=None),
    "with another reply": _edited(reply={}),
    "with no reply": _edited(reply=None),
    "with a list of replies": _edited(reply=[]),
}


@pytest.mark.parametrize("name", IN_ITS_PLACE)
def test_what_stands_in_its_place_is_none(host: SealedHost, name: str) -> None:
    """And the run goes on without: also the next one that has something to do."""
    IN_ITS_PLACE[name](host.seal)
    assert host.quick() is None
    assert [one["state"] for one in host.full(check=False)["credentials"]] == ["active", "active", "absent"]
    before = shape(host)
    assert host.quick() is None
    assert shape(host) == before
    (host.host.current() / "key.pem").chmod(0o644)
    assert host.full(check=False)["changed"] is True
    assert host.quick() == host.full()


@needs_root
def test_a_seal_of_somebody_else_is_none(host: SealedHost) -> None:
    os.chown(host.seal, 54321, -1)
    assert host.quick() is None
    os.chown(host.seal, 0, 54321)
    assert host.quick() is not None


def test_half_a_seal_is_none(host: SealedHost) -> None:
    content = host.seal.read_bytes()
    for length in range(0, len(content), 17):
        host.seal.write_bytes(content[:length])
        assert host.quick() is None, length
    host.seal.write_bytes(content[:-1])
    assert host.quick() is None


def test_a_damaged_seal_answers_rightly_or_not_at_all(host: SealedHost) -> None:
    """A digit of a hash in the other case means the same."""
    content, whole = host.seal.read_bytes(), host.full()
    for place in range(0, len(content), 23):
        for bit in (0, place % 7 + 1):
            host.seal.write_bytes(content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :])
            assert host.quick() in (None, whole), (place, bit)
