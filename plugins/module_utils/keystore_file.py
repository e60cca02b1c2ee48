# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one store file as it shall be: read it, compare values, and write it only where they differ."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import List, Optional, Tuple

from .difference import Difference
from .errors import Error, InputError, PassphraseError, UnsupportedError
from .files import Attributes, ContextOf, Directory, open_directory, prefix_for, resolve_attributes
from .keystore_entries import Changes
from .keystore_format import codec, detect
from .store import SIZE_LIMIT, Store, describe, differences

_NEW_MODE = "0600"


@dataclass(frozen=True)
class StoreFile:
    """Where a store is and how it is protected; None for owner, group and mode keeps what a file has."""

    path: str
    format: str
    passphrase: str = field(repr=False)
    previous_passphrase: Optional[str] = field(repr=False, default=None)
    key_passphrase: Optional[str] = field(repr=False, default=None)
    encryption: Optional[str] = None
    exclusive: bool = False
    lock_timeout: int = 60
    owner: Optional[str] = None
    group: Optional[str] = None
    mode: Optional[str] = None


@dataclass(frozen=True)
class State:
    """A store file as it is or shall be; `outdated`: only a previous passphrase opens it."""

    store: Store
    attributes: Attributes
    outdated: bool = False

    def lines(self) -> List[str]:
        """The state for people, a line for each thing that can differ; no secrets."""
        return [
            "owner: {0}".format(self.attributes.owner),
            "group: {0}".format(self.attributes.group),
            "mode: {0:04o}".format(self.attributes.mode),
            "encryption: {0}".format(self.store.encryption),
            "opened by: {0}".format("previous_passphrase" if self.outdated else "passphrase"),
            *sorted("{0}: {1}".format(entry.alias, describe(entry)) for entry in self.store.entries),
        ]


@dataclass(frozen=True)
class Outcome:
    """What was found (None: no file), what was wanted, and how they differed."""

    before: Optional[State]
    after: Optional[State]
    differences: Tuple[Difference, ...]


def keep(file: StoreFile, changes: Changes, write: bool, context_of: ContextOf) -> Outcome:
    """Make the store hold what `changes` wants; without `write`, only tell what would be done.

    A store that cannot be opened is an error and stays untouched. What a run that was cut off left beside the store
    goes: it holds keys. Raises DiskError, FormatError, InputError, LockedError, PassphraseError, UnsupportedError.
    """
    if file.format == "jks" and file.encryption is not None:
        raise InputError("encryption: a JKS store has only one; leave it out, or use format pkcs12")
    parent, name = os.path.split(file.path)
    with ExitStack() as stack:
        directory = stack.enter_context(open_directory(parent, context_of=context_of))
        # Also to look: what another run is about to write would seem to be left over.
        stack.enter_context(directory.locked(file.lock_timeout, "lock_timeout"))
        # However the directory is named: a link on the way may change between two runs.
        prefix = prefix_for(os.path.join(os.path.realpath(parent), name))
        before = _observe(directory, name, file)
        after = _desired(file, changes, before)
        leftovers = _leftovers(directory, prefix)
        nothing_wanted = before is None and not after.store.entries
        found = [] if nothing_wanted else _differences(file.path, before, after)
        if found:
            # Also without writing: what cannot be written has to fail in check mode, too.
            content = codec(file.format).encode(after.store, file.passphrase, file.key_passphrase)
        if write:
            for leftover in leftovers:
                directory.remove(leftover)
        if found and write:
            directory.write(name, content, after.attributes, prefix)
        if leftovers:
            was = "{0} unfinished".format(len(leftovers))
            found.insert(0, Difference("leftover_found", directory.path, was, "absent"))
        return Outcome(before, None if nothing_wanted else after, tuple(found))


def _leftovers(directory: Directory, prefix: str) -> List[str]:
    """Unfinished files of runs for this store that were cut off. Others may own the directory: only files count."""
    entries = {name: directory.entry(name) for name in directory.names() if name.startswith(prefix)}
    return [name for name, entry in entries.items() if entry is not None and entry.kind == "file"]


def _observe(directory: Directory, name: str, file: StoreFile) -> Optional[State]:
    found = directory.entry(name)
    if found is None:
        return None
    if found.kind == "link":
        raise InputError(
            "{0} is a symbolic link to {1}; name the file itself, because the link would be replaced".format(
                file.path, found.target
            )
        )
    content = directory.read(name, SIZE_LIMIT)
    try:
        actual = detect(content)
        if actual != file.format:
            raise UnsupportedError("it is of format {0}; say so, or move it away".format(actual))
        store, outdated = _open(content, file)
    except Error as error:
        raise type(error)("{0}: {1}; the file was not touched".format(file.path, error)) from error
    return State(store, found.attributes, outdated)


def _open(content: bytes, file: StoreFile) -> Tuple[Store, bool]:
    """The store, and whether it took the previous passphrase to open it or a key in it."""
    decode = codec(file.format).decode
    try:
        return decode(content, file.passphrase, file.key_passphrase), False
    except PassphraseError as error:
        first = error
    previous = [] if file.previous_passphrase is None else [file.previous_passphrase]
    for passphrase in (file.passphrase, *previous):
        for key_passphrase in (None, *previous, file.key_passphrase, file.passphrase):
            try:
                return decode(content, passphrase, key_passphrase), True
            except PassphraseError:
                continue
    raise first


def _desired(file: StoreFile, changes: Changes, before: Optional[State]) -> State:
    encryption = "jks" if file.format == "jks" else file.encryption or "modern"
    current = None if before is None else before.store
    return State(changes.applied(current, encryption, file.exclusive), _attributes(file, before))


def _attributes(file: StoreFile, before: Optional[State]) -> Attributes:
    """What is not given stays as it is; a new file is its maker's alone."""
    if before is None:
        return resolve_attributes(file.owner, file.group, file.mode or _NEW_MODE, file.path)
    has = before.attributes
    if file.owner is None and file.group is None and file.mode is None:
        return has
    return resolve_attributes(
        str(has.owner) if file.owner is None else file.owner,
        str(has.group) if file.group is None else file.group,
        "{0:04o}".format(has.mode & 0o777) if file.mode is None else file.mode,
        file.path,
    )


def _differences(path: str, before: Optional[State], after: State) -> List[Difference]:
    if before is None:
        aliases = ", ".join(repr(entry.alias) for entry in after.store.entries)
        return [Difference("store_missing", path, "", aliases)]
    found = differences(path, before.store, after.store, exclusive=True)
    if before.outdated:
        found.append(Difference("store_passphrase_changed", path, "previous_passphrase", "passphrase"))
    is_now, shall_be = before.attributes, after.attributes
    if is_now.owner != shall_be.owner:
        found.append(Difference("owner_changed", path, str(is_now.owner), str(shall_be.owner)))
    if is_now.group != shall_be.group:
        found.append(Difference("group_changed", path, str(is_now.group), str(shall_be.group)))
    if is_now.mode != shall_be.mode:
        found.append(Difference("mode_changed", path, "{0:04o}".format(is_now.mode), "{0:04o}".format(shall_be.mode)))
    return found
