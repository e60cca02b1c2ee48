# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one file that touches a host's disk: order of calls, durability, refusals."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError, FormatError, InputError
from ansible_collections.mutual.tls.plugins.module_utils.files import (
    Attributes,
    Directory,
    is_temporary,
    open_directory,
    resolve_attributes,
)

MINE = Attributes(os.geteuid(), os.getegid(), 0o600)


@pytest.fixture
def directory(tmp_path: Path) -> Any:
    with open_directory(str(tmp_path)) as opened:
        yield opened


def _recorded(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """The calls that matter for durability and rights, in order."""
    calls: List[str] = []

    def record(name: str) -> None:
        real: Callable[..., Any] = getattr(os, name)

        def recorder(*arguments: Any, **options: Any) -> Any:
            first = arguments[0] if arguments else None
            kind = ""
            if name == "fsync":
                kind = " directory" if os.path.isdir("/proc/self/fd/{0}".format(first)) else " file"
            if name != "open" or arguments[1] & os.O_CREAT:
                calls.append(name + kind)
            return real(*arguments, **options)

        monkeypatch.setattr(os, name, recorder)

    for name in ("open", "fchmod", "fchown", "fsync", "rename", "symlink", "unlink", "mkdir", "rmdir"):
        record(name)
    return calls


def test_write_is_durable_before_and_after_its_rename(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = _recorded(monkeypatch)
    directory.write("x", b"content", MINE)
    assert calls == ["open", "fchmod", "fsync file", "rename", "fsync directory"]


def test_other_calls_are_durable(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.write("x", b"", MINE)
    directory.make_directory("d", 0o755).close()
    calls = _recorded(monkeypatch)
    directory.make_link("l", "target")
    directory.rename("x", "y")
    directory.remove("y")
    directory.remove_tree("d")
    assert [call for call in calls if not call.startswith("fsync file")] == [
        *("symlink", "rename", "fsync directory"),
        *("rename", "fsync directory"),
        *("unlink", "fsync directory"),
        *("rmdir", "fsync directory"),
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_and_mode_come_before_content(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: List[Any] = []
    real = os.fdopen

    def spy(descriptor: int, mode: str) -> Any:
        file = real(descriptor, mode)
        write = file.write

        class Spy:
            def __enter__(self) -> Spy:
                return self

            def __exit__(self, *details: Any) -> None:
                file.close()

            def write(self, content: bytes) -> None:
                found = os.fstat(descriptor)
                seen.append((found.st_uid, found.st_gid, found.st_mode & 0o7777, found.st_size))
                write(content)

            def flush(self) -> None:
                file.flush()

        return Spy() if "w" in mode else file

    monkeypatch.setattr(os, "fdopen", spy)
    directory.write("x", b"secret", Attributes(54321, 54322, 0o640))
    directory.create("y", b"secret", Attributes(54321, 54322, 0o444))
    assert seen == [(54321, 54322, 0o640, 0), (54321, 54322, 0o444, 0)]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b"])
def test_only_plain_names(directory: Directory, name: str) -> None:
    calls: Dict[str, Callable[[], Any]] = {
        "entry": lambda: directory.entry(name),
        "read": lambda: directory.read(name, 1),
        "write": lambda: directory.write(name, b"", MINE),
        "create": lambda: directory.create(name, b"", MINE),
        "remove": lambda: directory.remove(name),
        "remove_tree": lambda: directory.remove_tree(name),
        "rename from": lambda: directory.rename(name, "x"),
        "rename to": lambda: directory.rename("x", name),
        "make_link": lambda: directory.make_link(name, "x"),
        "make_directory": lambda: directory.make_directory(name, 0o755),
        "set_attributes": lambda: directory.set_attributes(name, MINE),
    }
    for call in calls.values():
        with pytest.raises(InputError, match="not a plain file name"):
            call()


def test_read_refuses_what_is_no_file_or_too_large(directory: Directory, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "directory").mkdir()
    (tmp_path / "large").write_bytes(b"12345")
    for name in ("fifo", "link", "directory", "missing"):
        with pytest.raises(DiskError):
            directory.read(name, 10)
    with pytest.raises(FormatError):
        directory.read("large", 4)
    assert directory.read("large", 5) == b"12345"


def test_writing_replaces_links_and_never_follows_them(directory: Directory, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("canary")
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(canary)
    with pytest.raises(DiskError):
        directory.create("a", b"x", MINE)
    with pytest.raises(DiskError):
        directory.set_attributes("a", Attributes(MINE.owner, MINE.group, 0o777))
    directory.write("b", b"x", MINE)
    assert (canary.read_text(), canary.stat().st_mode & 0o777) == ("canary", 0o644 & ~_umask())
    assert not (tmp_path / "b").is_symlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_tree_is_removed_without_following_links(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/below/link").symlink_to(tmp_path / "kept")
    (tmp_path / "tree/link").symlink_to(tmp_path / "kept")
    directory.remove_tree("tree")
    assert not (tmp_path / "tree").exists()
    assert (tmp_path / "kept/file").exists()
    (tmp_path / "link").symlink_to("kept")
    with pytest.raises(DiskError):
        directory.remove_tree("link")


@pytest.mark.parametrize("call", ["rename", "fsync", "fchmod", "symlink"])
@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "read-only"),
        (errno.EXDEV, "Invalid cross-device link"),
        (errno.EIO, "Input/output error"),
        (errno.EDQUOT, "quota"),
        (errno.EPERM, "become"),
    ],
)
def test_a_failure_says_what_and_where_and_leaves_no_trace(
    directory: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, remedy: str
) -> None:
    (tmp_path / "x").write_text("old")

    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(DiskError, match=remedy) as caught:
        if call == "symlink":
            directory.make_link("x", "target")
        else:
            directory.write("x", b"new", MINE)
    assert str(tmp_path / "x") in str(caught.value)
    assert (tmp_path / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "real/below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").write_text("x")
    before = len(os.listdir("/proc/self/fd"))
    for path in ("link/below", "link/new/newer", "real", "file", "missing/x", "file/x"):
        for create in (False, True):
            try:
                open_directory(str(tmp_path / path), create=create and "file" not in path).close()
            except DiskError:
                continue
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("path", ["", "etc", "./etc", "/etc/..", "/etc/../etc", "/../etc"])
def test_only_absolute_paths_without_dots(path: str) -> None:
    with pytest.raises(InputError):
        open_directory(path)


@pytest.mark.parametrize("path", ["/", "//", "/etc/", "//etc//.//"])
def test_spellings_of_a_path(path: str) -> None:
    with open_directory(path) as directory:
        assert directory.names()
        assert not directory.path.endswith("/") or directory.path == "/"


def test_descriptor_is_that_of_the_place_a_link_led_to(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/up").symlink_to("b/../b/c/../../../a/b/c")
    with open_directory(str(tmp_path / "a/up")) as directory:
        directory.write("x", b"", MINE)
        assert directory.path == str(tmp_path / "a/up")
    assert (tmp_path / "a/b/c/x").exists()


def test_attributes_by_name_and_number() -> None:
    assert resolve_attributes(None, None, "0640", "x") == Attributes(os.geteuid(), os.getegid(), 0o640)
    if os.geteuid() == 0:
        assert resolve_attributes("root", "root", "640", "x") == Attributes(0, 0, 0o640)
        assert resolve_attributes("54321", "4294967294", "000", "x") == Attributes(54321, 4294967294, 0)


def test_names_of_unfinished_files() -> None:
    assert is_temporary(".mtls-0123")
    assert not is_temporary("mtls-0123")
