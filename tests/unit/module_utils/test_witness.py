# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a check looks at is taken down, and can be looked at again."""

from __future__ import annotations

import builtins
import grp
import io
import json
import os
import pwd
from pathlib import Path
from typing import Any, Callable, Dict, Set, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import files, witness
from ansible_collections.mutual.tls.plugins.module_utils.converge import host as hosts
from ansible_collections.mutual.tls.plugins.module_utils.converge.observe import is_credential
from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError, Error, FormatError
from ansible_collections.mutual.tls.plugins.module_utils.files import open_directory, resolve_attributes, witnessed
from ansible_collections.mutual.tls.tests.unit.module_utils.sealed import sealed_host

USER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


class Recorder:
    """Takes down what this process asks the system about paths, users and groups; `files.py` is not asked."""

    CALLS = ("stat", "lstat", "fstat", "open", "listdir", "scandir", "readlink", "access", "getxattr", "listxattr")

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._raw: Set[Tuple[str, str]] = set()
        self._readlink = os.readlink
        for name in self.CALLS:
            patch.setattr(os, name, self._around(name, getattr(os, name)))
        for module, name in ((builtins, "open"), (io, "open"), (pwd, "getpwnam"), (grp, "getgrnam")):
            patch.setattr(module, name, self._around(name, getattr(module, name)))

    def _around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            directory = options.get("dir_fd")
            if name != "open" or not isinstance(path, int):
                parts = [self._of(one) for one in (directory, path) if one is not None]
                is_directory = name == "open" and arguments[:1] and isinstance(arguments[0], int)
                is_directory = is_directory and arguments[0] & os.O_DIRECTORY
                self._raw.add(("directory" if is_directory else name, os.path.join(*parts)))
            return call(path, *arguments, **options)

        return recorded

    def _of(self, path: Any) -> str:
        return self._readlink("/proc/self/fd/{0}".format(path)) if isinstance(path, int) else os.fspath(path)

    def looks(self) -> Set[Tuple[str, str]]:
        """Call and real path. What is open, or opened as a directory, tells no more than `lstat` of its real path."""
        same = {"directory": "lstat", "fstat": "lstat"}
        found = set()
        for name, path in self._raw:
            if path.startswith("/"):
                above, last = os.path.split(os.path.normpath(path))
                follows = name in ("stat", "listdir", "scandir", "access")
                path = os.path.realpath(path) if follows else os.path.join(os.path.realpath(above), last)
            found.add((same.get(name, name), path))
        return found - {("lstat", "/")}


def recorded(work: Callable[[], Any]) -> Set[Tuple[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(patch)
        work()
    return recorder.looks()


def test_a_seal_looks_again_at_all_that_a_full_check_looks_at(tmp_path: Path) -> None:
    with sealed_host(tmp_path / "disk") as host:
        # Without what is looked at once only, to import modules.
        assert host.full() == host.quick()
        full, quick = recorded(host.full), recorded(host.quick)
        assert full - quick == set()
        assert ("getpwnam", USER) in full
        assert ("getgrnam", GROUP) in full
        for name in ("root/orders/generations/0001/client.p12", "elsewhere/copy", "pki/bundle.pem"):
            assert ("open", str(host.disk / name)) in full
        for name in ("root", "root/orders", "root/orders/generations", "elsewhere"):
            assert ("listdir", str(host.disk / name)) in full


LOOKS: Dict[str, Callable[[Path], Any]] = {
    "stat": lambda path: os.path.exists(path / "x"),
    "directory": lambda path: os.path.isdir(path / "x"),
    "names": os.listdir,
    "names with entries": lambda path: list(os.scandir(path)),
    "content": lambda path: (path / "more").read_bytes(),
    "content by descriptor": lambda path: os.close(os.open(path / "more", os.O_RDONLY)),
    "a link": lambda path: os.path.islink(path / "x"),
    "whether it may be written": lambda path: os.access(path, os.W_OK),
    "a user": lambda path: pwd.getpwnam("daemon"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_that_is_not_taken_down_is_noticed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The method itself."""
    (tmp_path / "more").write_text("more")

    def looks_aside(*arguments: Any) -> bool:
        LOOKS[name](tmp_path)
        return is_credential(*arguments)

    with sealed_host(tmp_path / "disk", lambda disk: []) as host:
        monkeypatch.setattr(hosts, "is_credential", looks_aside)
        assert recorded(host.full) - recorded(host.quick) != set()


def _entry(name: str) -> Callable[[Any, Path], Any]:
    return lambda directory, path: directory.entry(name)


OPERATIONS: Dict[str, Callable[[Any, Path], Any]] = {
    "names": lambda directory, path: directory.names(),
    "attributes": lambda directory, path: directory.attributes(),
    **{
        "entry of " + kind: _entry(kind)
        for kind in ("file", "directory", "link", "dangling", "fifo", "nothing", "n\udcfcme")
    },
    "read": lambda directory, path: directory.read("file", 100),
    "read through a subdirectory": lambda directory, path: directory.subdirectory("directory").read("inside", 100),
    "exists": lambda directory, path: [files.exists(str(path / name)) for name in ("file", "dangling", "nothing")],
    "is_directory": lambda directory, path: [files.is_directory(str(path / name)) for name in ("file", "link", "x")],
    "real_path": lambda directory, path: [files.real_path(str(path / name)) for name in ("link", "dangling", "x")],
    "look_at_content": lambda directory, path: files.look_at_content(str(path / "file")),
    "open_directory": lambda directory, path: open_directory(str(path / "link/.")).names(),
    "names of users": lambda directory, path: resolve_attributes(USER, GROUP, "0600", "x"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory/inside").write_bytes(b"inside")
    (tmp_path / "link").symlink_to("directory")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xfcme")).write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize("name", OPERATIONS, ids=ascii)
def test_every_look_is_taken_down_and_seen_again(name: str, place: Path) -> None:
    with open_directory(str(place)) as directory, witnessed() as present:
        OPERATIONS[name](directory, place)
    assert present.reliable
    assert present.seen
    again = {(path, facet): witness.look(path, facet) for path, facet in json.loads(json.dumps(sorted(present.seen)))}
    assert again == present.seen
    assert witness.digest(again) == witness.digest(present.seen)


def test_a_file_that_is_too_large_is_known_by_its_entry(place: Path) -> None:
    with open_directory(str(place)) as directory, witnessed() as present:
        directory.entry("file")
        with pytest.raises(FormatError):
            directory.read("file", 3)
    assert list(present.seen) == [(str(place / "file"), "entry")]


CHANGES: Dict[str, Tuple[str, str, Callable[[Path], Any]]] = {
    "content": ("file", "content", lambda path: (path / "file").write_bytes(b"Content")),
    "content of a link": ("file", "content", lambda path: _instead(path / "file", "directory/inside")),
    "size": ("file", "entry", lambda path: (path / "file").write_bytes(b"longer content")),
    "mode": ("file", "entry", lambda path: (path / "file").chmod(0o600)),
    "gone": ("file", "entry", lambda path: (path / "file").unlink()),
    "kind": ("fifo", "entry", lambda path: _instead(path / "fifo", "file")),
    "target": ("dangling", "entry", lambda path: _instead(path / "dangling", "elsewhere")),
    "there now": ("nothing", "entry", lambda path: (path / "nothing").mkdir()),
    "a directory's mode": ("directory", "own", lambda path: (path / "directory").chmod(0o700)),
    "one name more": ("directory", "names", lambda path: (path / "directory/more").write_bytes(b"")),
    "one name less": ("directory", "names", lambda path: (path / "directory/inside").unlink()),
    "one name instead": ("directory", "names", lambda path: (path / "directory/inside").rename(path / "directory/b")),
    "no directory now": ("link", "directory", lambda path: _instead(path / "link", "file")),
    "a directory now": ("dangling", "directory", lambda path: (path / "nowhere").mkdir()),
    "leads elsewhere": ("link", "real", lambda path: _instead(path / "link", "file")),
    "leads somewhere": ("dangling", "real", lambda path: (path / "nowhere").mkdir()),
    "leads nowhere": ("link", "real", lambda path: (path / "directory").rename(path / "moved")),
}


def _instead(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def _looked(path: Path, facet: str) -> Any:
    try:
        return witness.look(str(path), facet)
    except OSError as error:
        return error.errno


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_seen(name: str, place: Path) -> None:
    path, facet, change = CHANGES[name]
    before = _looked(place / path, facet)
    assert _looked(place / path, facet) == before
    change(place)
    assert _looked(place / path, facet) != before


@pytest.mark.parametrize("name", ["fifo", "directory", "link", "dangling", "nothing"])
def test_only_a_regular_file_has_content(name: str, place: Path) -> None:
    with pytest.raises(OSError):
        witness.look(str(place / name), "content")
    with pytest.raises(DiskError):
        files.look_at_content(str(place / name))


def test_no_more_is_read_than_a_check_would(place: Path) -> None:
    """A service's own file: who made it endless would keep root reading, and every other run waiting."""
    with open(place / "file", "wb") as file:
        file.truncate(witness.LARGEST)
    assert witness.look(str(place / "file"), "content") == witness.content_value(bytes(witness.LARGEST))
    with open(place / "file", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError):
        witness.look(str(place / "file"), "content")


def test_there_is_no_other_facet(place: Path) -> None:
    with pytest.raises(KeyError):
        witness.look(str(place), "times")


def test_unknown_users_and_groups_are_seen_as_such() -> None:
    for facet in ("user", "group"):
        assert witness.look("no-such-one", facet) is None
        assert witness.look("with\0nul", facet) is None
    assert witness.look(USER, "user") == os.geteuid()
    assert witness.look(GROUP, "group") == os.getegid()


def test_what_changes_meanwhile_makes_a_witness_unreliable(place: Path) -> None:
    with open_directory(str(place)) as directory, witnessed() as present:
        directory.entry("file")
        directory.entry("file")
        assert present.reliable
        (place / "file").chmod(0o600)
        directory.entry("file")
    assert not present.reliable


@pytest.mark.parametrize("name", ["check_writable", "check_creatable"])
def test_what_cannot_be_looked_at_again_makes_a_witness_unreliable(name: str, place: Path) -> None:
    with open_directory(str(place)) as directory, witnessed() as present:
        directory.check_writable() if name == "check_writable" else files.check_creatable(str(place / "a/b"))
    assert not present.reliable


def test_witnesses_do_not_disturb_each_other(place: Path) -> None:
    with open_directory(str(place)) as directory, witnessed() as outer:
        directory.entry("file")
        with pytest.raises(Error), witnessed() as inner:
            directory.entry("link")
            directory.read("nothing", 1)
        directory.entry("fifo")
    directory.path = "closed"
    assert [os.path.basename(path) for path, _facet in inner.seen] == ["link"]
    assert [os.path.basename(path) for path, _facet in outer.seen] == ["file", "link", "fifo"]
    with open_directory(str(place)) as directory:
        directory.names()
    assert len(outer.seen) == 3


def test_a_digest_is_of_everything_in_any_order() -> None:
    seen = {("/a", "entry"): [1, 2], ("/b", "names"): ["x"], ("/a", "own"): None}
    digest = witness.digest(seen)
    assert witness.digest(dict(reversed(list(seen.items())))) == digest
    different = [
        {**seen, ("/c", "own"): None},
        {**seen, ("/a", "own"): False},
        {**seen, ("/a", "entry"): [1, 3]},
        {**seen, ("/b", "names"): ["x", ""]},
        {("/a/entry", ""): [1, 2], ("/b", "names"): ["x"], ("/a", "own"): None},
        dict(list(seen.items())[:2]),
        {},
    ]
    assert len({digest, *(witness.digest(one) for one in different)}) == len(different) + 1
