# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that somebody tampered with, and two runs at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.converge.run import converge
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError, Error, InputError, LockedError
from ansible_collections.mutual.tls.plugins.module_utils.reply import Reply
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Host,
    credential,
    link,
    public_key,
    reasons,
    temporary_files,
)

STRANGER = 54321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "disk").mkdir()
    return Host(tmp_path / "disk/root")


def _raises(host: Host, kind: Any, message: str) -> None:
    before = host.listing()
    for check in (True, False):
        with pytest.raises(kind, match=message):
            host.trip(credential(), check=check)
    assert host.listing() == before


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757, 0o1777])
def test_root_that_others_can_write_to(host: Host, mode: int) -> None:
    host.root.mkdir()
    host.root.chmod(mode)
    _raises(host, InputError, "written by somebody else")


@needs_root
def test_root_of_somebody_else(host: Host) -> None:
    host.root.mkdir()
    os.chown(host.root, STRANGER, -1)
    _raises(host, InputError, "belongs to")


@pytest.mark.parametrize("kind", ["file", "dangling", "fifo"])
def test_root_that_is_no_directory(host: Host, kind: str) -> None:
    if kind == "file":
        host.root.write_text("x")
    elif kind == "fifo":
        os.mkfifo(host.root)
    else:
        host.root.symlink_to("nowhere")
    _raises(host, DiskError, "cannot open")


def test_root_below_a_file(host: Host) -> None:
    host.root.write_text("x")
    host.root = host.root / "below"
    with pytest.raises(DiskError, match="not a directory"):
        host.trip(credential())


@needs_root
@pytest.mark.parametrize("who", ["link", "directory", "open directory"])
def test_root_through_a_link_that_a_stranger_could_swap(host: Host, who: str) -> None:
    place = host.root.parent / "place"
    place.mkdir()
    (host.root.parent / "real").mkdir()
    (place / "link").symlink_to("../real")
    if who == "link":
        os.lchown(place / "link", STRANGER, STRANGER)
    elif who == "directory":
        os.chown(place, STRANGER, STRANGER)
    else:
        place.chmod(0o777)
    host.root = place / "link" / "root"
    with pytest.raises(DiskError, match="symbolic link in a place where somebody else"):
        host.trip(credential())
    assert list((host.root.parent).resolve().iterdir()) == []


@pytest.mark.parametrize("target", ["../real", "/{0}/real", ".././real/../real", "other"])
def test_root_through_a_link_of_ours(host: Host, target: str) -> None:
    place = host.root.parent / "place"
    place.mkdir()
    (host.root.parent / "real").mkdir()
    (place / "other").symlink_to("../real")
    (place / "link").symlink_to(target.format(str(host.root.parent).strip("/")))
    host.root = place / "link" / "root"
    assert host.run(credential()).state == "active"
    assert not host.run(credential()).changed
    assert (place.parent / "real/root/orders/current/key.pem").exists()


def test_links_in_a_circle_end(host: Host) -> None:
    (host.root.parent / "a").symlink_to("b")
    (host.root.parent / "b").symlink_to("a")
    host.root = host.root.parent / "a" / "root"
    with pytest.raises(DiskError, match="too many"):
        host.trip(credential())


@pytest.mark.parametrize("kind", ["file", "link", "fifo"])
def test_credential_that_is_no_directory(host: Host, kind: str) -> None:
    host.run(credential(name="other"))
    path = host.root / "orders"
    if kind == "file":
        path.write_text("x")
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("other")
    for state in ("present", "absent", "held"):
        before = host.listing()
        reply = host.run(credential(state=state))
        assert (reply.state, reply.changed) == ("held" if state == "held" else "failed", False)
        assert reply.error is not None and "not a directory" in reply.error
        assert host.listing() == before


def test_generation_swapped_for_a_link(host: Host) -> None:
    host.run(credential())
    generation = host.root / "orders/generations/0001"
    generation.rename(host.root.parent / "stolen")
    generation.symlink_to(host.root.parent / "stolen")
    reply = host.converges(credential())
    assert (reply.state, "generation_incomplete" in reasons(reply)) == ("active", True)
    assert not generation.is_symlink()
    assert (host.root.parent / "stolen/key.pem").exists()


def test_generation_swapped_for_another_credentials(host: Host) -> None:
    host.run(credential())
    host.run(credential(name="other", subject=[["CN", "other"]]))
    swapped = host.root / "orders/generations/0001"
    swapped.rename(host.root / "orders/generations/.away")
    (host.root / "other/generations/0001").rename(swapped)
    reply = host.converges(credential())
    assert "subject_changed" in reasons(reply)
    assert host.run(credential(name="other", subject=[["CN", "other"]])).state == "active"


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o777 if os.geteuid() == 0 else 0o027])
def test_umask_does_not_matter(host: Host, mask: int) -> None:
    before = os.umask(mask)
    try:
        host.root = host.root.parent / "new/root"
        host.run(credential())
    finally:
        os.umask(before)
    assert not host.run(credential()).differences
    directories = [host.root, *[path for path in host.root.rglob("*") if path.is_dir() and not path.is_symlink()]]
    assert {path.stat().st_mode & 0o7777 for path in directories} == {0o755}
    assert {path.stat().st_mode & 0o7777 for path in host.current().iterdir()} == {0o600}


@needs_root
def test_set_group_id_parent(host: Host) -> None:
    os.chown(host.root.parent, -1, STRANGER)
    host.root.parent.chmod(0o2755)
    place = host.root.parent / "elsewhere"
    place.mkdir()
    wanted = credential(links=[link(place / "x", "key.pem", copy=True)])
    host.converges(wanted)
    assert (host.current() / "key.pem").stat().st_gid == os.getegid()
    assert (place / "x").stat().st_gid == os.getegid()
    assert host.root.stat().st_mode & 0o7777 == 0o755


def test_names_that_nobody_expects(host: Host) -> None:
    host.run(credential())
    for name in (b"a\nb", b"\xff\xfe", b"\x1b[31m", b".mtls"):
        for directory in (host.root, host.root / "orders", host.root / "orders/generations", host.current()):
            with open(os.path.join(os.fsencode(directory), name), "w"):
                pass
    reply = host.run(credential())
    assert (reasons(reply), reply.changed, reply.error) == (["unexpected_file"], False, None)


def _context(path: str) -> Optional[str]:
    return "system_u:object_r:cert_t:s0"


def _labelled(host: Host, wanted: Dict[str, Any], context: Callable[[str], Optional[str]] = _context) -> Reply:
    import json

    return converge(parse(json.dumps(host.document(wanted))), False, context)


class Labels:
    """Stands for the kernel's SELinux attributes: what was set on which inode."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: int = 0) -> None:
        self.of: Dict[int, bytes] = {}
        self._error = error
        monkeypatch.setattr(os, "setxattr", self._set)
        monkeypatch.setattr(os, "getxattr", self._get)

    def _set(self, descriptor: int, name: str, value: bytes) -> None:
        assert name == "security.selinux"
        if self._error:
            raise OSError(self._error, os.strerror(self._error))
        self.of[os.fstat(descriptor).st_ino] = value

    def _get(self, descriptor: int, name: str) -> bytes:
        inode = os.fstat(descriptor).st_ino
        if inode not in self.of:
            raise OSError(61, "no such attribute")
        return self.of[inode]


def _deploy(host: Host, wanted: Dict[str, Any]) -> None:
    request = _labelled(host, wanted).credentials[0].request
    assert request is not None and request.pem is not None
    reply = _labelled(host, {**wanted, "answer": host.authority.sign(request.pem)})
    assert reply.credentials[0].error is None


def test_policy_label_on_everything_new_and_an_administrators_is_kept(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = Labels(monkeypatch)
    place = host.root.parent / "elsewhere"
    place.mkdir()
    wanted = credential(links=[link(place / "copy", "app.conf", copy=True)])
    _deploy(host, wanted)
    for path in (host.root, host.root / "orders", host.current(), place / "copy", *host.current().iterdir()):
        assert labels.of[path.stat().st_ino] == b"system_u:object_r:cert_t:s0", path
    own = b"system_u:object_r:httpd_t:s0"
    for path in (host.current() / "app.conf", place / "copy"):
        labels.of[path.stat().st_ino] = own
    wanted["configs"][0]["content"] = "key = 2\n"
    assert _labelled(host, wanted).credentials[0].generation == 2
    for path in (host.current() / "app.conf", place / "copy"):
        assert labels.of[path.stat().st_ino] == own
    (host.current() / "app.conf").write_text("tampered")
    assert _labelled(host, wanted).changed
    assert labels.of[(host.current() / "app.conf").stat().st_ino] == own


def test_policy_goes_by_the_paths_that_files_will_have(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule for the path of a key has to match, whatever its directory is called until it is whole."""
    labels = Labels(monkeypatch)
    place = host.root.parent / "elsewhere"
    place.mkdir()
    wanted = credential(links=[link(place / "copy", "app.conf", copy=True)])

    def by_path(path: str) -> Optional[str]:
        return "label of " + path

    def check(*directories: Path) -> None:
        for path in (one for directory in directories for one in (directory, *directory.iterdir())):
            assert labels.of[path.stat().st_ino].decode() == "label of {0}".format(path)

    request = _labelled(host, wanted, by_path).credentials[0].request
    assert request is not None and request.pem is not None
    check(host.root / "orders" / "next")
    answered = {**wanted, "answer": host.authority.sign(request.pem)}
    assert _labelled(host, answered, by_path).credentials[0].error is None
    check(host.root / "orders" / "generations" / "0001")
    assert labels.of[(place / "copy").stat().st_ino].decode() == "label of {0}".format(place / "copy")
    (host.current() / "app.conf").unlink()
    assert _labelled(host, wanted, by_path).changed
    check(host.root / "orders" / "generations" / "0001")


def test_file_system_without_labels(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    Labels(monkeypatch, errno.ENOTSUP)
    _deploy(host, credential())
    Labels(monkeypatch, errno.EACCES)
    (host.current() / "app.conf").unlink()
    reply = _labelled(host, credential()).credentials[0]
    assert reply.state == "failed"
    assert temporary_files(host.root) == []


def test_no_rule_in_the_policy(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = Labels(monkeypatch)
    assert _labelled(host, credential(), lambda path: None).credentials[0].error is None
    assert labels.of == {}


def _child(work: Callable[[], Any]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def _hold(host: Host, ready: int, seconds: float) -> None:
    import fcntl

    descriptor = os.open(host.root, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(ready, b"x")
    time.sleep(seconds)


def _held(host: Host, seconds: float) -> int:
    reader, writer = os.pipe()
    child = _child(lambda: _hold(host, writer, seconds))
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    os.close(reader)
    return child


@pytest.mark.parametrize("check", [True, False])
def test_lock_names_its_holder_and_goes_with_it(host: Host, check: bool) -> None:
    host.run(credential())
    before = host.listing()
    child = _held(host, 60)
    begin = time.monotonic()
    with pytest.raises(LockedError, match="process {0}\\b.*lock_timeout".format(child)):
        host.trip(credential(), check=check)
    assert 0.9 < time.monotonic() - begin < 10
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not host.trip(credential(), check=check).changed
    assert host.listing() == before


def test_second_run_waits_for_the_first(host: Host) -> None:
    host.run(credential())
    child = _held(host, 0.3)
    assert not host.trip(credential()).changed
    os.waitpid(child, 0)


def test_two_runs_on_a_fresh_host_at_once(host: Host) -> None:
    """Both find nothing; one request is made, and neither fails."""
    host.root = host.root.parent / "a/b/root"
    reader, writer = os.pipe()

    def run() -> None:
        try:
            reply = host.trip(credential()).credentials[0]
            assert reply.request is not None and reply.request.pem is not None
            os.write(writer, (reply.request.pem.replace("\n", "") + "\n").encode())
        except (Error, AssertionError) as error:
            os.write(writer, repr(error).encode() + b"\n")

    children = [_child(run) for _ in range(4)]
    os.close(writer)
    for child in children:
        os.waitpid(child, 0)
    with os.fdopen(reader) as answers:
        lines = answers.read().splitlines()
    assert len(lines) == 4
    assert len(set(lines)) == 1 and "BEGIN" in lines[0], lines
    assert host.run(credential()).state == "active"
    assert public_key(host)
