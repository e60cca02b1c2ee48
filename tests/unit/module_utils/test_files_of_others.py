# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of somebody else's, put or swapped where a run works, are neither written, given away nor removed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError
from ansible_collections.mutual.tls.plugins.module_utils.files import Attributes, Directory, open_directory

MINE = Attributes(os.geteuid(), os.getegid(), 0o600)
GIVEN = Attributes(54321, 54322, 0o640) if os.geteuid() == 0 else Attributes(os.geteuid(), os.getegid(), 0o640)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Directory]:
    (tmp_path / "place").mkdir()
    with open_directory(str(tmp_path / "place")) as opened:
        yield opened


def shape(path: Path) -> Tuple[Any, ...]:
    found = path.stat()
    return found.st_ino, found.st_uid, found.st_gid, found.st_mode, path.read_bytes()


def test_attributes_are_not_given_through_a_link(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "foreign").write_bytes(b"foreign")
    (tmp_path / "place/name").symlink_to("../foreign")
    before = shape(tmp_path / "foreign")
    with pytest.raises(DiskError):
        directory.set_attributes("name", GIVEN)
    assert shape(tmp_path / "foreign") == before
    assert (tmp_path / "place/name").is_symlink()


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_stands_in_a_new_files_place_stays(directory: Directory, tmp_path: Path, kind: str) -> None:
    (tmp_path / "foreign").write_bytes(b"foreign")
    if kind == "link":
        (tmp_path / "place/name").symlink_to("../foreign")
    else:
        os.link(tmp_path / "foreign", tmp_path / "place/name")
    before = shape(tmp_path / "place/name")
    with pytest.raises(DiskError, match="File exists"):
        directory.create("name", b"new", GIVEN)
    assert shape(tmp_path / "place/name") == before


OPERATIONS: Dict[str, Callable[[Directory], Any]] = {
    "write": lambda directory: directory.write("name", b"new", GIVEN),
    "create": lambda directory: directory.create("new", b"new", GIVEN),
    "make_link": lambda directory: directory.make_link("name", "elsewhere"),
    "make_directory": lambda directory: directory.make_directory("new", 0o755).close(),
    "rename": lambda directory: directory.rename("name", "new"),
    "remove": lambda directory: directory.remove("name"),
    "remove_tree": lambda directory: directory.remove_tree("tree"),
    "set_attributes": lambda directory: directory.set_attributes("name", GIVEN),
    "set_own_mode": lambda directory: directory.set_own_mode(0o700),
    "read": lambda directory: directory.read("name", 10),
    "entry": lambda directory: directory.entry("name"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_swapped_directory_does_not_redirect_what_was_opened_before(
    directory: Directory, tmp_path: Path, name: str
) -> None:
    """Each operation gives and does the same, and nothing where a link now leads from the old path."""
    for place in ("place", "foreign"):
        (tmp_path / place / "tree").mkdir(parents=True)
        (tmp_path / place / "name").write_bytes(place.encode())
    content = directory.read("name", 10)
    (tmp_path / "place").rename(tmp_path / "moved")
    (tmp_path / "place").symlink_to("foreign")
    before = _listing(tmp_path / "foreign")
    mine = _listing(tmp_path / "moved")
    OPERATIONS[name](directory)
    assert _listing(tmp_path / "foreign") == before
    if name in ("read", "entry"):
        assert (directory.read("name", 10), _listing(tmp_path / "moved")) == (content, mine)
    else:
        assert _listing(tmp_path / "moved") != mine


def _listing(directory: Path) -> Any:
    rows = []
    for path in sorted([directory, *directory.rglob("*")]):
        found = path.lstat()
        rows.append((path.name, found.st_ino, found.st_uid, found.st_gid, found.st_mode, found.st_mtime_ns))
    return rows
