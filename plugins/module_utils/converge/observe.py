# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a credential's directory on the host holds now. Reads only; decides nothing."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import AbstractSet, Dict, List, Mapping, Optional, Tuple

from ..errors import DiskError, FormatError
from ..files import Attributes, Directory, Entry, is_temporary
from ..witness import LARGEST
from . import journal as journals
from . import manifest as manifests

GENERATIONS = "generations"
CURRENT = "current"
NEXT = "next"
DIRECTORY_MODE = 0o755
NEXT_MODE = 0o700
NEXT_FILES = frozenset(["key.pem", "request.pem", "since.json"])

MAXIMUM_FILE = LARGEST
"""Bytes: a truststore with every public authority has less than one MiB."""

_FAILED = "failed-"
_NUMBER = re.compile(r"[0-9]{4,9}\Z")


@dataclass(frozen=True)
class Found:
    """A name in a directory; `content` is None where it is no regular file of a sane size, or nobody's business."""

    entry: Entry
    content: Optional[bytes] = field(repr=False)

    @property
    def is_ours(self) -> bool:
        """Whether nobody but root and the user of this run can have written the content."""
        attributes = self.entry.attributes
        return self.content is not None and attributes.owner in (0, os.geteuid()) and not attributes.mode & 0o022


@dataclass(frozen=True)
class Observation:
    """A credential's directory as it is. `number` is the generation in use; all are empty where nothing exists.

    `ahead` is the same of the generation that waits for its activation, as if that were in use; `awaits` tells that
    one from the other. `current` is the generation that the link leads to, in either.
    """

    exists: bool = False
    number: Optional[int] = None
    linked: bool = False
    current: Optional[int] = None
    files: Mapping[str, Found] = field(default_factory=dict)
    manifest: Optional[manifests.Manifest] = None
    manifest_file: Optional[Found] = None
    journal: journals.Journal = field(default_factory=journals.Journal)
    journal_file: Optional[Found] = None
    journal_readable: bool = True
    generations: Tuple[int, ...] = ()
    failed: Tuple[str, ...] = ()
    leftovers: Tuple[Tuple[str, str], ...] = ()
    directories: Mapping[str, Attributes] = field(default_factory=dict)
    next_files: Mapping[str, Found] = field(default_factory=dict)
    has_next: bool = False
    ahead: Optional[Observation] = None
    awaits: bool = False

    @property
    def held_since(self) -> Optional[str]:
        """Since when a rollback holds the credential; one that was cut off before it went back does not."""
        switch = self.journal.switch
        if switch is not None and (switch.previous or 0) > switch.number and self.number != switch.number:
            return None
        return self.journal.held


def directory_name(number: int) -> str:
    """The directory of a generation, below `generations`."""
    return "{0:04d}".format(number)


def failed_name(number: int) -> str:
    """Where a generation that did not work is kept, below `generations`."""
    return _FAILED + directory_name(number)


def is_failed(name: str) -> bool:
    """Whether a name below `generations` is that of one kept aside."""
    return name.startswith(_FAILED) and _is_generation(name[len(_FAILED) :])


def current_target(number: int) -> str:
    """What `current` points to when a generation is in use."""
    return GENERATIONS + "/" + directory_name(number)


def observe(root: Optional[Directory], name: str, files: AbstractSet[str] = frozenset()) -> Observation:
    """Look at one credential below the root (None: the root does not exist yet).

    `files` are the names whose content matters; of others in the generation only the entry is looked at. Raises
    DiskError where something stands in the way that no run would remove.
    """
    entry = root.entry(name) if root is not None else None
    if root is None or entry is None:
        return Observation()
    if entry.kind != "directory":
        raise DiskError("{0}/{1} is not a directory; move it out of the way".format(root.path, name))
    with root.subdirectory(name) as directory:
        return _observe(directory, files)


def journal_of(root: Directory, name: str) -> journals.Journal:
    """The journal of the credential in one directory below the root; an empty one where there is none to trust."""
    with root.subdirectory(name) as directory:
        return _journal(directory)[0]


def is_deployed(root: Directory, name: str) -> bool:
    """Whether the credential in one directory below the root has a generation in use."""
    with root.subdirectory(name) as directory:
        return directory.entry(CURRENT) is not None


def is_credential(root: Directory, name: str) -> bool:
    """Whether a directory below the root looks like a credential's. One that may not be looked into does not."""
    if name.startswith("."):
        return False
    try:
        if not _is_directory(root, name):
            return False
        with root.subdirectory(name) as directory:
            return any(_is_directory(directory, part) for part in (GENERATIONS, NEXT))
    except DiskError:
        return False


def foreign_names(directory: Directory) -> List[str]:
    """What in a credential's directory no run of ours can have made; in one of somebody else's, all there is.

    Directories of ours are known by what stands in them: others, too, call theirs `next`.
    """
    known = {GENERATIONS: _is_generation, NEXT: NEXT_FILES.__contains__}
    foreign = []
    for name in directory.names():
        if name in known and _is_directory(directory, name):
            with directory.subdirectory(name) as below:
                inside = below.names()
            ours = not inside or any(known[name](one) or is_temporary(one) for one in inside)
        else:
            ours = name in (CURRENT, journals.NAME, *known) or is_temporary(name)
        foreign += [] if ours else [name]
    return foreign


def _is_generation(name: str) -> bool:
    return bool(_NUMBER.match(name)) and directory_name(int(name)) == name


def _observe(directory: Directory, names: AbstractSet[str]) -> Observation:
    for name in (CURRENT, journals.NAME):
        _refuse(directory, name, ("directory",))
    _refuse(directory, GENERATIONS, ("file", "link", "other"))
    leftovers = [("", name) for name in directory.names() if is_temporary(name)]
    directories = {"": directory.attributes()}
    generations, failed = _generations(directory, leftovers, directories)
    journal, journal_file, journal_readable = _journal(directory)
    ahead = None if journal.awaiting is None else journal.awaiting.number
    number, linked = _in_use(directory, generations, ahead)
    ahead = ahead if ahead in generations and ahead != number else None
    before = None if journal.switch is None else journal.switch.previous
    leftovers += [
        (GENERATIONS, directory_name(other))
        for other in generations
        if number is not None and other > number and other not in (ahead, before)
    ]
    has_next = _is_directory(directory, NEXT)
    next_files: Dict[str, Found] = {}
    if has_next:
        with directory.subdirectory(NEXT) as below:
            directories[NEXT] = below.attributes()
            next_files = _read_all(below, NEXT_FILES)
        leftovers += [(NEXT, name) for name in next_files if is_temporary(name)]
    found = Observation(
        exists=True,
        linked=linked,
        current=number if linked else None,
        journal=journal,
        journal_file=journal_file,
        journal_readable=journal_readable,
        generations=tuple(generations),
        failed=tuple(failed),
        leftovers=tuple(leftovers),
        directories=directories,
        next_files=next_files,
        has_next=has_next,
    )
    if number is not None:
        found = _with_generation(directory, found, number, names)
    if ahead is not None:
        waiting = _with_generation(directory, found, ahead, names)
        found = replace(found, ahead=replace(waiting, linked=False, awaits=True))
    return found


def look_at_generation(root: Optional[Directory], name: str, observation: Observation, number: int) -> Observation:
    """An observation as it would be with another generation in use, all its files read."""
    if root is None:
        return observation
    with root.subdirectory(name) as directory:
        return _with_generation(directory, observation, number, None)


def _with_generation(
    directory: Directory, observation: Observation, number: int, names: Optional[AbstractSet[str]]
) -> Observation:
    """The observation with the files of one generation; of those not in `names` only the entry is looked at."""
    path = current_target(number)
    wanted = None if names is None else {*names, manifests.NAME}
    with directory.subdirectory(GENERATIONS) as below, below.subdirectory(directory_name(number)) as generation:
        attributes = generation.attributes()
        files = _read_all(generation, wanted)
    unfinished = [(path, name) for name in files if is_temporary(name)]
    manifest = files.pop(manifests.NAME, None)
    return replace(
        observation,
        number=number,
        files={name: found for name, found in files.items() if not is_temporary(name)},
        manifest=manifests.decode(manifest.content) if manifest and manifest.content else None,
        manifest_file=manifest,
        leftovers=(*observation.leftovers, *unfinished),
        directories={**observation.directories, path: attributes},
    )


def _generations(
    directory: Directory, leftovers: list[tuple[str, str]], directories: dict[str, Attributes]
) -> tuple[list[int], list[str]]:
    """The numbers of the generations that are there, and the names of those that are kept aside."""
    if not _is_directory(directory, GENERATIONS):
        return [], []
    with directory.subdirectory(GENERATIONS) as below:
        directories[GENERATIONS] = below.attributes()
        names = below.names()
        numbered = [name for name in names if _is_generation(name)]
        whole = [name for name in numbered if _is_directory(below, name)]
        failed = [name for name in names if is_failed(name) and _is_directory(below, name)]
    leftovers += [(GENERATIONS, name) for name in names if is_temporary(name)]
    leftovers += [(GENERATIONS, name) for name in numbered if name not in whole]
    return sorted(int(name) for name in whole), failed


def _refuse(directory: Directory, name: str, kinds: Tuple[str, ...]) -> None:
    entry = directory.entry(name)
    if entry is not None and entry.kind in kinds:
        raise DiskError(
            "{0}/{1} is {2} where {3} belongs; move it away".format(
                directory.path,
                name,
                "a directory" if entry.kind == "directory" else "no directory",
                "none" if entry.kind == "directory" else "one",
            )
        )


def _journal(directory: Directory) -> tuple[journals.Journal, Optional[Found], bool]:
    """The journal, its file, and whether it can be trusted: whoever writes to it tells us what to remove."""
    found = _read(directory, journals.NAME)
    if found is None:
        return journals.Journal(), None, True
    journal = journals.decode(found.content) if found.is_ours and found.content is not None else None
    return journal or journals.Journal(), found, journal is not None


def _in_use(directory: Directory, generations: list[int], ahead: Optional[int]) -> tuple[Optional[int], bool]:
    """The generation in use and whether `current` really points to it.

    Without a proper link it is the newest one that waits for nothing: a generation gets its number only when it is
    complete, and the link is the last thing that a first run makes.
    """
    entry = directory.entry(CURRENT)
    if entry is not None and entry.target is not None:
        for number in generations:
            if entry.target == current_target(number):
                return number, True
    others = [number for number in generations if number != ahead]
    return (others[-1], False) if others else (None, False)


def _is_directory(directory: Directory, name: str) -> bool:
    entry = directory.entry(name)
    return entry is not None and entry.kind == "directory"


def _read_all(directory: Directory, names: Optional[AbstractSet[str]]) -> Dict[str, Found]:
    found = {}
    for name in directory.names():
        file = _read(directory, name, names is None or name in names)
        if file is not None:
            found[name] = file
    return found


def _read(directory: Directory, name: str, whole: bool = True) -> Optional[Found]:
    entry = directory.entry(name)
    if entry is None:
        return None
    if entry.kind != "file" or not whole or entry.size > MAXIMUM_FILE:
        return Found(entry, None)
    try:
        return Found(entry, directory.read(name, MAXIMUM_FILE))
    except FormatError:
        return Found(entry, None)
