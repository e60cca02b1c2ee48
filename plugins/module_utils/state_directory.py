# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory on the controller that outlives every run: own CAs, key registry, exchange.

Losing it unnoticed would be worse than any error: a new CA that no partner knows, keys registered anew to
whoever asks first. Hence a marker file: a directory without it is a wrong path or an empty mount, not ours.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import List, Optional

from .errors import DiskError, FormatError, IssuerError
from .files import Attributes, Directory, open_directory

MARKER = ".mutual-tls-state"
_MARKER_CONTENT = b"mutual.tls state directory, version 1\nPersistent: back it up, and keep this file with it.\n"
_LOCK_TIMEOUT = 60.0


@dataclass(frozen=True)
class StateDirectory:
    """Where things are in the state directory. `exists` is False where check mode would have created it."""

    path: str
    exists: bool

    def path_of(self, *parts: str) -> str:
        """The path of something below the state directory."""
        return os.path.join(self.path, *parts)

    def ownca(self, name: str) -> str:
        """The directory of the own CA that the issuer `name` stands for."""
        return self.path_of("ownca", name)

    @property
    def registry(self) -> str:
        """The file that knows which host each public key belongs to."""
        return self.path_of("registry.sqlite")


def open_state_directory(path: str, create: bool) -> StateDirectory:
    """Check the state directory at `path`; with `create`, make one that does not exist, marker and all.

    Raises IssuerError, saying what to do, where it lies inside an installed collection, is no directory,
    has no marker or a newer one, is writable for everyone, or cannot be made.
    """
    path = os.path.realpath(os.path.expanduser(path))
    _refuse_installed_collection(path)
    exists = _exists(path)
    if not exists and create:
        _create(path)
        exists = True
    if exists:
        _check_marker(path)
    return StateDirectory(path, exists)


def _exists(path: str) -> bool:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise IssuerError("cannot look at the state directory {0}: {1}".format(path, error.strerror)) from error
    if not stat.S_ISDIR(found.st_mode):
        raise IssuerError("the state directory {0} is not a directory; correct mtls_state_directory".format(path))
    if found.st_mode & stat.S_IWOTH:
        raise IssuerError(
            "the state directory {0} is writable for everyone, who could put keys and CAs there; "
            "take that right away (chmod o-w)".format(path)
        )
    return True


def _check_marker(path: str) -> None:
    try:
        with open_directory(path) as directory:
            content = directory.read(MARKER, 4096) if directory.entry(MARKER) is not None else None
    except (DiskError, FormatError) as error:
        raise IssuerError("cannot use the state directory: {0}".format(error)) from error
    if content is None:
        raise IssuerError(
            "{0} exists but is not a state directory: its marker file {1} is missing. If a file system should be "
            "mounted there, mount it; if mtls_state_directory is wrong, correct it; if the directory is new and "
            "empty, remove it and let this run create it; if its content is right and only the marker was lost, "
            "restore the marker from the backup".format(path, MARKER)
        )
    if content.split(b"\n", 1)[0] != _MARKER_CONTENT.split(b"\n", 1)[0]:
        raise IssuerError(
            "the marker {0} in the state directory {1} is not one that this version of mutual.tls knows; use the "
            "version that made it, or restore it from the backup".format(MARKER, path)
        )


def _create(path: str) -> None:
    """Make the directory under another name with its marker in it, then rename: it never exists without one."""
    parent, name = os.path.split(path)
    if not os.path.isdir(parent):
        raise IssuerError(
            "cannot create the state directory {0}: {1} does not exist; create it, mount it, or correct "
            "mtls_state_directory".format(path, parent)
        )
    unfinished = ".{0}.unfinished".format(name)
    try:
        with open_directory(parent) as directory, directory.locked(_LOCK_TIMEOUT):
            if directory.entry(name) is not None:
                return
            with _fresh(directory, unfinished) as new:
                new.write(MARKER, _MARKER_CONTENT, Attributes(os.geteuid(), os.getegid(), 0o600))
            directory.rename(unfinished, name)
    except DiskError as error:
        raise IssuerError("cannot create the state directory {0}: {1}".format(path, error)) from error


def _fresh(directory: Directory, name: str) -> Directory:
    """A new directory; what a killed run left under its name is removed first."""
    if directory.entry(name) is not None:
        directory.remove_tree(name)
    return directory.make_directory(name, 0o700)


def _refuse_installed_collection(path: str) -> None:
    """`ansible-galaxy collection install --force` deletes everything in a collection. A checkout is not one."""
    collection = _collection_above(path.split(os.sep))
    if collection is not None and not os.path.exists(os.path.join(collection, ".git")):
        raise IssuerError(
            "the state directory {0} would lie inside the installed collection {1}, whose next upgrade deletes it; "
            "set mtls_state_directory to a persistent place, such as a directory beside your "
            "inventory".format(path, collection)
        )


def _collection_above(parts: List[str]) -> Optional[str]:
    for index, part in enumerate(parts):
        if part == "ansible_collections" and len(parts) >= index + 3:
            return os.sep.join(parts[: index + 3])
    return None
