# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seal answers as a full check would, and not at all once anything on the disk could make one answer otherwise."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import seal
from ansible_collections.mutual.tls.tests.unit.module_utils.sealed import SealedHost, sealed_host

Change = Callable[[Path], Any]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")

ORDERS = "root/orders"
GENERATION = ORDERS + "/generations/0001"
PARTS = ["key.pem", "certificate.pem", "chain.pem", "fullchain.pem", "client.pem", "trust.pem"]
PARTS += ["client.p12", "trust.jks", "app.conf", "manifest.json"]
JUDGED_DIRECTORIES = [ORDERS, ORDERS + "/generations", GENERATION]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedHost]:
    with sealed_host(tmp_path_factory.mktemp("seal") / "disk") as host:
        yield host


@pytest.fixture
def host(made: SealedHost) -> SealedHost:
    made.restore()
    return made


def write(path: str, text: str = "changed") -> Change:
    return lambda disk: (disk / path).write_text(text)


def remove(path: str) -> Change:
    return lambda disk: (disk / path).unlink()


def chmod(path: str, mode: int) -> Change:
    return lambda disk: (disk / path).chmod(mode)


def make(path: str) -> Change:
    return lambda disk: (disk / path).mkdir(parents=True)


def link(path: str, target: str) -> Change:
    def change(disk: Path) -> None:
        (disk / path).unlink(missing_ok=True)
        (disk / path).symlink_to(target)

    return change


def instead(path: str, kind: str) -> Change:
    """Something of another kind in a path's place, the old thing kept beside the disk's own places."""

    def change(disk: Path) -> None:
        os.replace(disk / path, disk / "kept")
        if kind == "link":
            (disk / path).symlink_to(disk / "kept")
        elif kind == "directory":
            (disk / path).mkdir()
        elif kind == "file":
            (disk / path).write_text("")
        else:
            os.mkfifo(disk / path)

    return change


def in_turn(*changes: Change) -> Change:
    return lambda disk: [change(disk) for change in changes]


def same_elsewhere(disk: Path) -> None:
    shutil.copytree(disk / "elsewhere", disk / "another", symlinks=True)


JOURNAL = '{"links": {}, "version": 1}'

# What a full check would tell.
NOTICED: Dict[str, Change] = {
    "a file more in the generation": write(GENERATION + "/more"),
    "an unfinished file in the generation": write(GENERATION + "/.mtls-x"),
    "an unfinished file in generations": write(ORDERS + "/generations/.mtls-x"),
    "an unfinished file of the credential": write(ORDERS + "/.mtls-x"),
    "a newer generation": make(ORDERS + "/generations/0002"),
    "a file with a generation's name": write(ORDERS + "/generations/0002"),
    "next": make(ORDERS + "/next"),
    "a file called next, then a directory": in_turn(write(ORDERS + "/next"), instead(ORDERS + "/next", "directory")),
    "current leads elsewhere": link(ORDERS + "/current", "generations/0002"),
    "current leads there on another way": link(ORDERS + "/current", "./generations/0001"),
    "current is gone": remove(ORDERS + "/current"),
    "current is a file": instead(ORDERS + "/current", "file"),
    "current is a directory": instead(ORDERS + "/current", "directory"),
    "the journal names nothing": write(ORDERS + "/state.json", JOURNAL),
    "the journal is no JSON": write(ORDERS + "/state.json", "{"),
    "the journal is gone": remove(ORDERS + "/state.json"),
    "the journal is open to others": chmod(ORDERS + "/state.json", 0o666),
    "the journal is a link": instead(ORDERS + "/state.json", "link"),
    "another credential's journal is gone": remove("root/billing/state.json"),
    "generations is a link": instead(ORDERS + "/generations", "link"),
    "the generation is a link": instead(GENERATION, "link"),
    "the credential is a link": instead(ORDERS, "link"),
    "the credential is a file": instead(ORDERS, "file"),
    "the credential is gone": lambda disk: (disk / ORDERS).rename(disk / "root/moved"),
    "an orphan": make("root/stranger/generations"),
    "a directory that becomes an orphan": make("root/other/next"),
    "what shall be absent": make("root/gone/generations"),
    "the root is open to others": chmod("root", 0o777),
    "the root is gone": lambda disk: (disk / "root").rename(disk / "moved"),
    "a link leads elsewhere": link("elsewhere/link", "/elsewhere"),
    "a link is gone": remove("elsewhere/link"),
    "a link is a file": instead("elsewhere/link", "file"),
    "another credential's link is gone": remove("elsewhere/billing.pem"),
    "a copy has other content": write("elsewhere/copy"),
    "a copy has another mode": chmod("elsewhere/copy", 0o644),
    "a copy is gone": remove("elsewhere/copy"),
    "a copy is a link": instead("elsewhere/copy", "link"),
    "the way elsewhere leads nowhere": link("way", "nowhere"),
    "the way elsewhere leads to an empty directory": in_turn(make("empty"), link("way", "empty")),
    "the way elsewhere may be swapped by others": chmod(".", 0o777),
    "the place elsewhere is gone": lambda disk: (disk / "elsewhere").rename(disk / "moved"),
    "the CA bundle is empty": write("pki/bundle.pem", ""),
    "the CA bundle is gone": remove("bundle.pem"),
    "the CA bundle leads elsewhere": in_turn(write("another.pem", "x"), link("bundle.pem", "another.pem")),
    "another CA bundle comes first": write("first.pem", "x"),
}
# What a full check would judge anew, or in another way, and then find as it was.
LOOKED_AT: Dict[str, Change] = {
    "one older generation": make(ORDERS + "/generations/0000"),
    "a file called like the seal in the generation": write(GENERATION + "/.seal"),
    "a file more of the credential": write(ORDERS + "/more"),
    "a file more in the root": write("root/more"),
    "the root is a link": instead("root", "link"),
    "another place elsewhere, with the same in it": in_turn(same_elsewhere, link("way", "another")),
    "the root belongs to others to read": chmod("root", 0o750),
    "the library has another release": write("library/cryptography/__about__.py"),
    "the library is gone": remove("library/cryptography/__about__.py"),
    "another library comes first": make("before/cryptography"),
}


def times(disk: Path) -> None:
    for path in disk.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)


def copied(disk: Path) -> None:
    shutil.copy2(disk / GENERATION / "key.pem", disk / "kept")
    os.replace(disk / "kept", disk / GENERATION / "key.pem")


# What no check looks at.
ALL_THE_SAME: Dict[str, Change] = {
    "nothing": lambda disk: None,
    "other times": times,
    "another inode": copied,
    "a hard link elsewhere": lambda disk: os.link(disk / GENERATION / "key.pem", disk / "kept"),
    "a file beside the root": write("more"),
    "a file in what is no credential": write("root/other/more"),
    "a file beside the CA bundle": write("pki/more"),
    "a file beside a link": write("elsewhere/more"),
}


@pytest.mark.parametrize("name", NOTICED)
def test_no_seal_hides_what_a_full_check_notices(host: SealedHost, name: str) -> None:
    whole = host.full()
    assert host.quick() == whole
    NOTICED[name](host.disk)
    assert host.quick() is None
    assert host.full() != whole


@pytest.mark.parametrize("name", LOOKED_AT)
def test_no_seal_spares_a_full_check_of_what_is_another(host: SealedHost, name: str) -> None:
    LOOKED_AT[name](host.disk)
    assert host.quick() is None


@pytest.mark.parametrize("name", ALL_THE_SAME)
def test_a_seal_outlasts_what_no_check_looks_at(host: SealedHost, name: str) -> None:
    ALL_THE_SAME[name](host.disk)
    assert host.quick() is not None
    assert host.quick() == host.full()


@pytest.mark.parametrize("name", PARTS)
def test_every_byte_of_a_file_counts(host: SealedHost, name: str) -> None:
    path = host.disk / GENERATION / name
    content, whole = path.read_bytes(), host.full()
    for place in sorted({*range(0, len(content), 61), len(content) - 1}):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert host.quick() is None, "byte {0}".format(place)
    for other in (b"", content[:-1], content + b"\n", content[: len(content) // 2]):
        path.write_bytes(other)
        assert host.quick() is None
    assert host.full() != whole
    path.write_bytes(content)
    assert host.quick() == whole


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("kind", ["link", "directory", "FIFO", "nothing"])
def test_every_file_is_to_be_a_file(host: SealedHost, name: str, kind: str) -> None:
    change = remove(GENERATION + "/" + name) if kind == "nothing" else instead(GENERATION + "/" + name, kind)
    change(host.disk)
    assert host.quick() is None


@pytest.mark.parametrize("path", [*JUDGED_DIRECTORIES, *("{0}/{1}".format(GENERATION, name) for name in PARTS)])
def test_every_bit_of_a_mode_counts(host: SealedHost, path: str) -> None:
    mode = (host.disk / path).stat().st_mode & 0o7777
    for bit in range(12):
        (host.disk / path).chmod(mode ^ (1 << bit))
        assert host.quick() is None, "bit {0}".format(bit)
    (host.disk / path).chmod(mode)
    assert host.quick() == host.full()


OWNED = [*JUDGED_DIRECTORIES, *("{0}/{1}".format(GENERATION, name) for name in PARTS)]
OWNED += ["root", ORDERS + "/state.json", ORDERS + "/current", "elsewhere", "elsewhere/copy", "way", "."]


@needs_root
@pytest.mark.parametrize("path", OWNED)
@pytest.mark.parametrize(("user", "group"), [(54321, -1), (-1, 54321)])
def test_owner_and_group_count(host: SealedHost, path: str, user: int, group: int) -> None:
    os.chown(host.disk / path, user, group, follow_symlinks=False)
    assert host.quick() is None


KINDS = ["write", "remove", "chmod", "mkdir", "file", "link", "rename", "copy", "fifo"]
STEPS = st.tuples(st.sampled_from(KINDS), st.integers(0, 10**6), st.integers(0, 10**6))


def _do(disk: Path, kind: str, one: int, other: int) -> None:
    paths: List[Path] = sorted(path for path in disk.rglob("*") if path.name != seal.NAME)
    path, second = paths[one % len(paths)], paths[other % len(paths)]
    beside = second.parent / [".mtls-x", "next", "generations", "current", "0002", "x"][one % 6]
    try:
        if kind == "write":
            content = path.read_bytes() if path.is_file() else b""
            path.write_bytes(content if other % 3 else content[: other % (len(content) + 1)])
        elif kind == "remove":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif kind == "chmod":
            path.chmod([0o600, 0o640, 0o644, 0o700, 0o755, 0o777][other % 6])
        elif kind == "mkdir":
            beside.mkdir()
        elif kind == "file":
            beside.write_text("x")
        elif kind == "link":
            beside.symlink_to(os.path.relpath(path, beside.parent))
        elif kind == "rename":
            path.rename(second)
        elif kind == "copy":
            shutil.copy2(path, second, follow_symlinks=False)
        else:
            os.mkfifo(beside)
    except OSError:
        # Not every combination can be done.
        return


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(STEPS, max_size=3))
def test_whatever_is_done_to_the_disk_a_seal_answers_rightly_or_not_at_all(made: SealedHost, steps: Any) -> None:
    made.restore()
    for step in steps:
        _do(made.disk, *step)
    answer = made.quick()
    assert answer is None or answer == made.full()


def test_a_user_or_group_of_another_number_is_another(host: SealedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    for names, look_up in ((pwd, "getpwnam"), (grp, "getgrnam")):
        with monkeypatch.context() as patch:
            real = getattr(names, look_up)
            patch.setattr(names, look_up, lambda name, real=real: _Other(real(name)))
            assert host.quick() is None
            assert "54321" in str(host.full()) or "only root can give" in str(host.full())

            def unknown(name: str) -> Any:
                raise KeyError(name)

            patch.setattr(names, look_up, unknown)
            assert host.quick() is None
            assert "does not exist on this host" in str(host.full())
    assert host.quick() == host.full()


class _Other:
    """An entry of the user or group database with another number."""

    def __init__(self, entry: Any) -> None:
        self.pw_uid = self.gr_gid = 54321
