# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at any step leaves a complete set in use, and the next run finishes the job.

A child process does the work and ends itself, without any clean-up, just before its n-th call that changes the
disk; n grows until the child gets through.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import jks, pkcs12, private_key, seal
from ansible_collections.mutual.tls.plugins.module_utils.converge import proof, reloading
from ansible_collections.mutual.tls.plugins.module_utils.store import KeyEntry, Store
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Host,
    credential,
    keystore,
    link,
    temporary_files,
    truststore,
)

MUTATING = ("mkdir", "rename", "symlink", "unlink", "rmdir", "fchmod", "fchown", "write", "truncate")
KILLED = 77
FAILED = 78


class Bomb:
    """Ends the process at the n-th of the calls that it was put around."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def tick(self) -> None:
        if self._left == 0:
            os._exit(KILLED)
        self._left -= 1

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def armed(*arguments: Any, **options: Any) -> Any:
            self.tick()
            return call(*arguments, **options)

        return armed

    def before_and_after(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def armed(*arguments: Any, **options: Any) -> Any:
            self.tick()
            result = call(*arguments, **options)
            self.tick()
            return result

        return armed

    def around_open(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def armed(path: Any, flags: int, *arguments: Any, **options: Any) -> Any:
            if flags & os.O_CREAT:
                self.tick()
            return call(path, flags, *arguments, **options)

        return armed

    def around_fdopen(self, call: Callable[..., Any]) -> Callable[..., Any]:
        bomb = self

        class Half:
            """A file whose content reaches the disk in two halves."""

            def __init__(self, file: Any) -> None:
                self._file = file

            def __enter__(self) -> Half:
                return self

            def __exit__(self, *details: Any) -> None:
                self._file.close()

            def __getattr__(self, name: str) -> Any:
                return getattr(self._file, name)

            def write(self, content: bytes) -> None:
                bomb.tick()
                self._file.write(content[: len(content) // 2])
                self._file.flush()
                bomb.tick()
                self._file.write(content[len(content) // 2 :])

        def armed(descriptor: int, mode: str) -> Any:
            file = call(descriptor, mode)
            return Half(file) if "w" in mode else file

        return armed

    def arm(self) -> None:
        for name in MUTATING:
            setattr(os, name, self.around(getattr(os, name)))
        os.open = self.around_open(os.open)
        os.fdopen = self.around_fdopen(os.fdopen)
        reloading.run = self.before_and_after(reloading.run)
        proof.prove = self.before_and_after(proof.prove)


def killed_at(step: int, work: Callable[[], Any], may_fail: bool = False) -> bool:
    """Do the work in a child process that ends itself at a step; False where the child got through before.

    `may_fail`: the work may come to an error by itself, as one that is about failures does.
    """
    child = os.fork()
    if child == 0:
        try:
            Bomb(step).arm()
            reply = work()
            os._exit(0 if may_fail or all(item.error is None for item in reply.credentials) else FAILED)
        except BaseException:
            os._exit(FAILED)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED), "the work failed by itself"
    return status == KILLED


def _restored(host: Host, saved: Path) -> None:
    shutil.rmtree(host.root.parent)
    shutil.copytree(saved, host.root.parent, symlinks=True)


def _store(path: Path, wanted: Dict[str, Any], format: str) -> Tuple[str, bytes]:
    codec: Any = jks if format == "jks" else pkcs12
    store: Optional[Store] = None
    for passphrase in (wanted["passphrase"], "new-secret", "store-secret"):
        try:
            store = codec.decode(path.read_bytes(), passphrase, wanted["key_passphrase"])
            break
        except Exception:
            continue
    assert store is not None
    entry = next(entry for entry in store.entries if isinstance(entry, KeyEntry))
    return private_key.public_fingerprint(private_key.from_pkcs8(entry.private_key).public_key()), entry.chain[0]


def assert_matching_set(host: Host, wanted: Dict[str, Any], copies: bool = True) -> None:
    """Every file of the generation in use is whole and holds the same key and certificate."""
    current = host.current()
    key = private_key.load((current / "key.pem").read_bytes(), None).key
    fingerprint = private_key.public_fingerprint(key.public_key())
    leaf = certificates.load_all((current / "certificate.pem").read_bytes(), "certificate.pem")[0]
    assert certificates.public_fingerprint(leaf) == fingerprint
    client = (current / "client.pem").read_bytes()
    assert private_key.public_fingerprint(private_key.load(client, None).key.public_key()) == fingerprint
    for file in ("client.pem", "fullchain.pem"):
        first = certificates.load_all((current / file).read_bytes(), file)[0]
        assert certificates.fingerprint(first) == certificates.fingerprint(leaf)
    for store in wanted["keystores"]:
        found = _store(current / store["file"], store, store["format"])
        assert found == (fingerprint, certificates.to_der(leaf))
    for item in wanted["links"] if copies else ():
        path = Path(item["path"])
        if item["copy"] and path.exists():
            assert _store(path, wanted["keystores"][0], wanted["keystores"][0]["format"])
    # What a rename put there has its mode already: nobody reads a key meanwhile.
    for path in current.iterdir():
        assert path.stat().st_mode & 0o077 == 0


def _base(host: Host) -> Dict[str, Any]:
    elsewhere = host.root.parent / "elsewhere"
    return credential(
        authorities=[],
        keystores=[keystore(file="client.jks", format="jks")],
        truststores=[truststore()],
        links=[link(elsewhere / "link", "client.jks"), link(elsewhere / "copy", "client.jks", copy=True)],
    )


Work = Callable[[], Any]
Scenario = Callable[[Host], Tuple[Dict[str, Any], Work]]


def _first_trip(host: Host) -> Tuple[Dict[str, Any], Work]:
    wanted = _base(host)
    return wanted, lambda: host.trip(wanted)


def _second_trip(host: Host) -> Tuple[Dict[str, Any], Work]:
    wanted = _base(host)
    request = host.trip(wanted).credentials[0].request
    assert request is not None and request.pem is not None
    answer = host.authority.sign(request.pem)
    return wanted, lambda: host.trip({**wanted, "answer": answer})


def _renewal(host: Host) -> Tuple[Dict[str, Any], Work]:
    wanted = {**_base(host), "keep_generations": 1}
    host.run(wanted)
    wanted["subject"] = [["CN", "renewed"]]
    request = host.trip(wanted).credentials[0].request
    assert request is not None and request.pem is not None
    answer = host.authority.sign(request.pem)
    return wanted, lambda: host.trip({**wanted, "answer": answer})


def _mending(host: Host) -> Tuple[Dict[str, Any], Work]:
    wanted = _base(host)
    host.run(wanted)
    for name in ("key.pem", "client.jks", "manifest.json", "app.conf"):
        (host.current() / name).unlink()
    (host.current() / "chain.pem").chmod(0o640)
    return wanted, lambda: host.trip(wanted)


def _restaging(host: Host) -> Tuple[Dict[str, Any], Work]:
    wanted = {**_base(host), "keep_generations": 1, "previous_passphrases": ["store-secret"]}
    host.run(wanted)
    wanted["keystores"] = [keystore(file="client.jks", format="jks", passphrase="new-secret")]
    return wanted, lambda: host.trip(wanted)


def _moving_links(host: Host) -> Tuple[Dict[str, Any], Work]:
    wanted = _base(host)
    host.run(wanted)
    elsewhere = host.root.parent / "elsewhere"
    # Each becomes the other's kind, one is new, and `link` goes.
    wanted["links"] = [link(elsewhere / "copy", "client.jks"), link(elsewhere / "new", "client.jks", copy=True)]
    return wanted, lambda: host.trip(wanted)


def _damaged_link(host: Host) -> Tuple[Dict[str, Any], Work]:
    wanted = _base(host)
    host.run(wanted)
    host.current().unlink()
    (host.root.parent / "elsewhere/link").unlink()
    (host.root.parent / "elsewhere/copy").write_bytes(b"")
    return wanted, lambda: host.trip(wanted)


SCENARIOS: Dict[str, Scenario] = {
    "first trip": _first_trip,
    "second trip": _second_trip,
    "renewal": _renewal,
    "mending": _mending,
    "restaging": _restaging,
    "moving links": _moving_links,
    "damaged link": _damaged_link,
}
POINTS: Dict[str, int] = {}


@pytest.fixture(scope="module", autouse=True)
def _count(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.write_line("\nkill points: {0}, {1} in all".format(POINTS, sum(POINTS.values())))


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_at_every_step(name: str, tmp_path: Path) -> None:
    host = Host(tmp_path / "disk" / "root")
    (tmp_path / "disk" / "elsewhere").mkdir(parents=True)
    wanted, work = SCENARIOS[name](host)
    fresh = not host.current().is_symlink() and not (host.root / "orders/generations").exists()
    saved = tmp_path / "saved"
    shutil.copytree(host.root.parent, saved, symlinks=True)
    step = 0
    while killed_at(step, work):
        if host.current().is_symlink():
            # Where the test itself has damaged something, a set is whole only after the run.
            if name != "mending":
                assert_matching_set(host, wanted, copies=name != "damaged link")
        else:
            assert fresh or name == "damaged link", "the old generation is out of use after step {0}".format(step)
        done = host.run(wanted)
        assert (done.state, done.error) == ("active", None), "after step {0}".format(step)
        assert_matching_set(host, wanted)
        assert temporary_files(tmp_path / "disk") == [], "after step {0}".format(step)
        listing = host.listing()
        again = host.run(wanted)
        assert (again.changed, again.differences) == (False, ()), "after step {0}".format(step)
        assert host.listing() == listing
        assert len(list((host.root / "orders/generations").iterdir())) <= wanted["keep_generations"]
        step += 1
        _restored(host, saved)
    POINTS[name] = step
    assert step > 5


def _absent(host: Host) -> Tuple[Dict[str, Any], Work]:
    wanted = _base(host)
    host.run(wanted)
    gone = {**wanted, "state": "absent"}
    return gone, lambda: host.trip(gone)


def test_removal_killed_at_every_step(tmp_path: Path) -> None:
    host = Host(tmp_path / "disk" / "root")
    elsewhere = tmp_path / "disk" / "elsewhere"
    elsewhere.mkdir(parents=True)
    gone, work = _absent(host)
    saved = tmp_path / "saved"
    shutil.copytree(host.root.parent, saved, symlinks=True)
    step = 0
    while killed_at(step, work):
        if not (elsewhere / "link").exists():
            assert not (elsewhere / "link").is_symlink(), "a link dangles after step {0}".format(step)
        assert host.run(gone).error is None
        assert list(elsewhere.iterdir()) == []
        assert list(host.root.iterdir()) == []
        assert not host.run(gone).changed
        step += 1
        _restored(host, saved)
    POINTS["removal"] = step
    assert step > 5


def test_leftover_beside_a_link_goes_with_the_link_or_the_credential(tmp_path: Path) -> None:
    host = Host(tmp_path / "disk" / "root")
    elsewhere = tmp_path / "disk" / "elsewhere"
    elsewhere.mkdir(parents=True)
    for change in ({"links": []}, {"state": "absent"}):
        wanted = _base(host)
        host.run(wanted)
        (elsewhere / "link").unlink()
        assert killed_at(_step_of_rename(host, wanted, elsewhere), lambda wanted=wanted: host.trip(wanted))
        assert len(temporary_files(elsewhere)) == 1
        host.converges({**wanted, **change})
        assert temporary_files(elsewhere) == []


def _step_of_rename(host: Host, wanted: Dict[str, Any], elsewhere: Path) -> int:
    """The step before which a link stands there under its temporary name only."""
    # Only the first run would remove it, and so have one step more than those after it.
    (host.root / seal.NAME).unlink()
    step = 0
    while not temporary_files(elsewhere):
        assert killed_at(step, lambda: host.trip(wanted))
        step += 1
    for path in temporary_files(elsewhere):
        os.unlink(path)
    return step - 1


def test_the_bomb_is_noticed_where_a_write_is_not_atomic(tmp_path: Path) -> None:
    """The method itself: a naive writer is caught."""
    target = tmp_path / "file"
    seen: List[bytes] = []
    step = 0

    class Done:
        credentials = ()

    def naive() -> Any:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"12345678")
        return Done

    while killed_at(step, naive):
        seen.append(target.read_bytes() if target.exists() else b"absent")
        step += 1
    assert b"1234" in seen
