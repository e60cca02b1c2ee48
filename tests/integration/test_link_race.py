# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service's user who owns the directory beside a link can make a run write or chown nothing elsewhere.

A child process with that user's rights swaps the link, the copy, their directory and every unfinished file for links
to canaries that belong to root, as fast as it can, while the host is converged again and again. The same race is
then held against two naive writers, which must lose it: else the test would prove nothing.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.converge import links
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    ACCESS,
    Host,
    credential,
    link,
    temporary_files,
)

SERVICE = 54321
RUNS = 200

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have another user's rights taken on")


class Arena:
    """A host, a service's home with a directory for links, and canaries that are root's."""

    def __init__(self, place: Path) -> None:
        self.host = Host(place / "disk" / "root")
        self.home = place / "disk" / "home"
        self.conf = self.home / "conf"
        self.canaries = place / "disk" / "canaries"
        self.conf.mkdir(parents=True)
        for path in (self.home, self.conf):
            os.chown(path, SERVICE, SERVICE)
        self.canaries.mkdir()
        for name in ("copy", "link", "canary"):
            (self.canaries / name).write_text("canary " + name)
        access = {"owner": str(SERVICE), "group": str(SERVICE), "mode": "0640"}
        self.wanted = credential(
            authorities=[],
            keystores=[],
            truststores=[],
            configs=[{"file": "app.conf", "content": "secret = 1\n", **ACCESS}],
            links=[
                link(self.conf / "link", "app.conf", force=True),
                link(self.conf / "copy", "app.conf", copy=True, force=True, **access),
            ],
        )
        assert self.host.run(self.wanted).state == "active"

    def outside(self) -> List[Tuple[Any, ...]]:
        """All that is not the service's own to change, but for what a run keeps below the root."""
        rows: List[Tuple[Any, ...]] = []
        for path in sorted([self.canaries, *self.canaries.rglob("*"), *self.canaries.parent.iterdir()]):
            found = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            rows.append((str(path), found.st_ino, found.st_uid, found.st_gid, found.st_mode, content))
            if path in self.canaries.rglob("*"):
                rows.append((found.st_mtime_ns, found.st_nlink))
        return rows


def _forget(name: str) -> None:
    with suppress(OSError):
        os.unlink(name)
    with suppress(OSError):
        os.rmdir(name)


def _swap(name: str, targets: List[str]) -> None:
    """Put something hostile under a name."""
    choice = secrets.randbelow(6)
    with suppress(OSError):
        if choice == 0:
            _forget(name)
            os.mkdir(name)
            return
        other = name + ".swap"
        _forget(other)
        if choice == 1:
            os.link(targets[0], other, follow_symlinks=False)
        elif choice == 2:
            os.mkfifo(other)
        elif choice == 3:
            os.close(os.open(other, os.O_WRONLY | os.O_CREAT, 0o666))
        else:
            os.symlink(secrets.choice(targets), other)
        with suppress(OSError):
            os.rmdir(name)
        os.rename(other, name)


def _attack(home: int, canaries: str) -> None:
    os.setgroups([])
    os.setgid(SERVICE)
    os.setuid(SERVICE)
    targets = [canaries + "/canary", "../../canaries/canary", canaries, "../../canaries"]
    while True:
        os.fchdir(home)
        conf = -1
        with suppress(OSError):
            conf = os.open("conf", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        if conf >= 0:
            os.fchdir(conf)
            for _ in range(20):
                for name in ("link", "copy"):
                    _swap(name, targets)
                for name in os.listdir("."):
                    if name.startswith(".mtls-"):
                        _swap(name, targets)
            os.close(conf)
            os.fchdir(home)
        with suppress(OSError):
            os.rename("conf", "conf.away")
            os.symlink(secrets.choice([canaries, "../canaries"]), "conf")
        with suppress(OSError):
            os.unlink("conf")
        with suppress(OSError):
            os.rename("conf.away", "conf")


@contextmanager
def attacked(arena: Arena) -> Iterator[None]:
    home = os.open(arena.home, os.O_RDONLY | os.O_DIRECTORY)
    child = os.fork()
    if child == 0:
        try:
            _attack(home, str(arena.canaries))
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "the attacker gave up"
        os.close(home)


def _clean(arena: Arena) -> None:
    """What the service's user leaves when it is done: an ordinary directory."""
    if arena.conf.is_symlink():
        arena.conf.unlink()
    if (arena.home / "conf.away").exists():
        (arena.home / "conf.away").rename(arena.conf)
    for path in list(arena.conf.iterdir()):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def test_nothing_outside_changes(tmp_path: Path) -> None:
    arena = Arena(tmp_path)
    before = arena.outside()
    outcomes: Dict[str, int] = {}
    with attacked(arena):
        for _ in range(RUNS):
            # Errors are fine: whoever owns the directory may keep others from putting something there.
            reply = arena.host.trip(arena.wanted).credentials[0]
            key = "error" if reply.error else "changed" if reply.changed else "unchanged"
            outcomes[key] = outcomes.get(key, 0) + 1
            assert arena.outside() == before
    # The race was one: often enough a run came as far as writing.
    assert outcomes.get("changed", 0) >= RUNS // 20, outcomes
    _clean(arena)
    assert arena.host.run(arena.wanted).state == "active"
    assert not arena.host.run(arena.wanted).changed
    assert temporary_files(arena.home) == []
    assert (arena.conf / "copy").read_text() == "secret = 1\n"


def _by_path(item: links.Placed, content: bytes, directory: str, context_of: Any) -> None:
    """What must not be done: open and chown what a path leads to by now."""
    if item.attributes is not None:
        # Not blocking, or a FIFO in the file's place would hold up the test.
        descriptor = os.open(item.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chown(item.path, item.attributes.owner, item.attributes.group)


def _by_temporary_path(item: links.Placed, content: bytes, directory: str, context_of: Any) -> None:
    """What must not be done either: a new file and a rename, but by path."""
    temporary = os.path.dirname(item.path) + "/.mtls-" + secrets.token_hex(8)
    if item.attributes is not None:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # As long as an fsync takes on a slow disk.
        time.sleep(0.005)
        os.chown(temporary, item.attributes.owner, item.attributes.group)
        os.rename(temporary, item.path)


@pytest.mark.parametrize("naive", [_by_path, _by_temporary_path])
def test_a_naive_writer_loses_the_race(
    naive: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arena = Arena(tmp_path)
    before = arena.outside()
    monkeypatch.setattr(links, "place", naive)
    with attacked(arena):
        for _ in range(RUNS * 20):
            with suppress(OSError):
                arena.host.trip(arena.wanted)
            if arena.outside() != before:
                return
    pytest.fail("the race was never lost: the test would not notice")
