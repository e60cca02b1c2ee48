# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything on a host's disk, to tell afterwards what of it has moved."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Set, Tuple

from .host import Host

# Thousands of files of the distribution's: a change there shows in their inodes and times all the same.
_NOT_READ = ("/usr/", "/var/")


class Entry(NamedTuple):
    """What must not move where nothing changes. `content` is a link's target, or a file's SHA-256 where it is read."""

    inode: int
    modified: int
    changed: int
    mode: int
    owner: int
    group: int
    size: int
    content: str

    @property
    def lasting(self) -> Tuple[object, ...]:
        """What a repair gives back: all but inode, times, and what differs between two stores of the same content."""
        return (oct(self.mode), self.owner, self.group)


Disk = Dict[str, Entry]
"""By absolute path."""


def disk_of(host: Host, *below: str) -> Disk:
    """Everything on the host's disk, or below some paths of it. What lies in its memory (/proc, /run) is left out."""
    root = str(host.path("/")).rstrip("/")
    device = os.lstat(root + "/").st_dev
    walked = (found for place in below or ("/",) for found in _walk(root + place, device))
    return {path[len(root) :] or "/": _entry(path, found, root) for path, found in walked}


def _walk(directory: str, device: int) -> Iterator[Tuple[str, os.stat_result]]:
    found = os.lstat(directory)
    if found.st_dev != device:
        return
    yield directory.rstrip("/"), found
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, device)
        else:
            yield entry.path, entry.stat(follow_symlinks=False)


def _entry(path: str, found: os.stat_result, root: str) -> Entry:
    content = ""
    if stat.S_ISLNK(found.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(found.st_mode) and not path[len(root) :].startswith(_NOT_READ):
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return Entry(
        found.st_ino,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_mode,
        found.st_uid,
        found.st_gid,
        found.st_size,
        content,
    )


def moved(before: Disk, after: Disk) -> Set[str]:
    """The paths that are not the same on both; paths that only one has are among them."""
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}


def spoilt(before: Disk, after: Disk, content_may_differ: Set[str]) -> List[str]:
    """The paths that are not again what they were: there, with owner, group, mode, and content where that counts."""
    return sorted(
        path
        for path in {*before, *after}
        if path not in before
        or path not in after
        or before[path].lasting != after[path].lasting
        or (before[path].content != after[path].content and path not in content_may_differ)
    )
