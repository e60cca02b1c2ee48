# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check looked at on the disk, so that another one can tell whether any of it has changed.

A check depends on nothing but its arguments, the time and what it saw. `files.py` reports all that it looks at to the
witness of the run, as facets of paths; `look` sees one facet again. Whatever is seen as it was leads to the same
result. This file imports no other of the collection: whoever only looks again shall not pay for more.
"""

from __future__ import annotations

import grp
import hashlib
import json
import os
import pwd
import stat
from typing import Any, Callable, Dict, List, Mapping, Tuple

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

LARGEST = 8 * 1024 * 1024
"""Bytes. No file that a check reads whole is larger; who owns one could make it endless while root reads it."""

NAMES_BEGINNING = "names beginning "
"""How the facet of a directory begins of which only names that begin with what follows count."""

Seen = Mapping[Tuple[str, str], Any]
"""By path and facet: what was seen there, a value that JSON can hold."""


class Witness:
    """Takes down what is seen. `reliable` is false once something was seen that cannot be looked at again."""

    def __init__(self) -> None:
        self.seen: Dict[Tuple[str, str], Any] = {}
        self.reliable = True

    def saw(self, path: str, facet: str, value: Any) -> None:
        """Note one facet of a path; one that changes under the check's eyes makes the whole unreliable."""
        if self.seen.setdefault((path, facet), value) != value:
            self.reliable = False


def entry_value(found: os.stat_result, target: str | None) -> List[Any]:
    """The facet `entry`: kind and permission bits, owner, group, a file's size, and a link's target."""
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    return [found.st_mode, found.st_uid, found.st_gid, size, target]


def own_value(found: os.stat_result) -> List[Any]:
    """The facet `own`, of a directory that was opened: permission bits, owner and group."""
    return [found.st_mode, found.st_uid, found.st_gid]


def content_value(content: bytes) -> str:
    """The facet `content`: SHA-256."""
    return hashlib.sha256(content).hexdigest()


def look(path: str, facet: str) -> Any:
    """One facet of a path as it is now. Raises OSError where it cannot be seen, KeyError for an unknown facet."""
    if facet.startswith(NAMES_BEGINNING):
        prefix = facet[len(NAMES_BEGINNING) :]
        return sorted(name for name in os.listdir(path) if name.startswith(prefix))
    return _FACETS[facet](path)


def digest(seen: Seen) -> str:
    """SHA-256 over everything seen."""
    lines = sorted(json.dumps([path, facet, value]) for (path, facet), value in seen.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _entry(path: str) -> Any:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return entry_value(found, os.readlink(path) if stat.S_ISLNK(found.st_mode) else None)


def _content(path: str) -> str:
    with os.fdopen(os.open(path, _OPEN_FILE), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("no regular file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError("too large")
    return content_value(content)


def _user(name: str) -> Any:
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return None


def _group(name: str) -> Any:
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        return None


_FACETS: Mapping[str, Callable[[str], Any]] = {
    "entry": _entry,
    "own": lambda path: own_value(os.stat(path)),
    "names": lambda path: sorted(os.listdir(path)),
    "content": _content,
    "directory": os.path.isdir,
    "real": lambda path: os.path.realpath(path) if os.path.exists(path) else None,
    # Names of users and groups are no paths, but looked up all the same.
    "user": _user,
    "group": _group,
}
