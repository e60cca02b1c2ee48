# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths elsewhere on the host that lead to a credential's files, or hold copies of them.

The directory such a path stands in may belong to a service's own user. It is opened once, without following what
that user could have put there, and the new link or file is made under a new name and renamed: nothing that the
user swaps meanwhile can redirect it.
"""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field, replace
from typing import AbstractSet, Container, Dict, Iterable, List, Mapping, Optional, Tuple

from ..difference import Difference
from ..document import Credential, Link
from ..errors import InputError
from ..files import Attributes, ContextOf, Directory, Entry, is_directory, open_directory, prefix_for
from . import journal as journals
from .contents import resolve
from .journal import Journal
from .observe import CURRENT, MAXIMUM_FILE, Observation

_LINK, _COPY = "link", "copy"


@dataclass(frozen=True)
class Placed:
    """One path to write: a symbolic link's target, or a copy's file and attributes."""

    path: str
    kind: str
    target: str
    file: str
    attributes: Optional[Attributes]


@dataclass(frozen=True)
class LinkPlan:
    """What to do about links: paths to place, paths to remove, leftovers (directory, name) of runs cut off.

    `journal` is what the journal will hold, `record` whether that is to be written even if nothing else is done.
    """

    differences: Tuple[Difference, ...] = ()
    place: Tuple[Placed, ...] = ()
    remove: Tuple[str, ...] = ()
    leftovers: Tuple[Tuple[str, str], ...] = ()
    journal: Journal = field(default_factory=Journal)
    record: bool = False

    @property
    def empty(self) -> bool:
        return not (self.place or self.remove or self.leftovers or self.record)


def prefix(credential_directory: str) -> str:
    """How unfinished files of one credential begin: another one's run must not take them for leftovers."""
    return prefix_for(credential_directory)


@dataclass(frozen=True)
class Places:
    """Where links may be: below `root` lie the credentials, below `directory` this one.

    `placed` maps the paths that the journals of all credentials name to what was put there; `claimed` are those that
    another credential of the same document wants, and so are not removed for this one; `awaited` are those of them
    whose new owner has no certificate yet, and would not know a copy as ours when it has.
    """

    root: str
    directory: str
    placed: Mapping[str, str]
    claimed: AbstractSet[str]
    awaited: AbstractSet[str]
    context_of: ContextOf


def plan(wanted: Credential, observation: Observation, places: Places, contents: Mapping[str, bytes]) -> LinkPlan:
    """Compare links with the disk. `contents` holds the files' bytes as they will be; missing ones will change.

    Raises InputError and DiskError where a path cannot be had; nothing was changed then.
    """
    journal = observation.journal
    differences = _journal_differences(observation)
    place: List[Placed] = []
    kinds: Dict[str, str] = {}
    for link in wanted.links:
        where = "credential {0}, link {1}".format(wanted.name, link.path)
        kinds[link.path] = _COPY if link.copy else _LINK
        with _parent(link.path, where, places.context_of) as directory:
            found = directory.entry(os.path.basename(link.path))
            item = _placed(link, places.directory, where)
            was = _difference(directory, found, item, contents)
            _check(found, link, where, was is None or _is_ours(found, link.path, places))
        if was is not None:
            place.append(item)
        elif journal.links.get(link.path) != item.kind:
            # As wanted already: it is only to be remembered, so that it can be removed one day.
            was = "made by somebody else"
        if was is not None:
            differences.append(Difference("link_changed", link.path, was, _described(item)))
    remove = removals(observation, places, kept=kinds)
    differences += [Difference("link_changed", path, journal.links[path], "absent") for path in remove]
    leftovers, found_differences = unfinished([*kinds, *journal.links], places)
    return LinkPlan(
        differences=(*differences, *found_differences),
        place=tuple(place),
        remove=tuple(remove),
        leftovers=tuple(leftovers),
        journal=replace(journal, links=kinds),
        record=journal.links != kinds or bool(_journal_differences(observation)),
    )


def _journal_differences(observation: Observation) -> List[Difference]:
    found = observation.journal_file
    if found is None:
        return []
    if not observation.journal_readable:
        return [Difference("journal_unreadable", journals.NAME, "unreadable, or open to others", "a journal")]
    if found.entry.attributes.mode == journals.MODE:
        return []
    modes = ["{0:04o}".format(mode) for mode in (found.entry.attributes.mode, journals.MODE)]
    return [Difference("mode_changed", journals.NAME, *modes)]


def unfinished(paths: Iterable[str], places: Places) -> Tuple[List[Tuple[str, str]], List[Difference]]:
    """What runs that were cut off left beside links: (directory, name) of each, and a difference per directory.

    A service's user may own the directory: only what a run of ours can have left counts, files and links.
    """
    leftovers: List[Tuple[str, str]] = []
    differences = []
    for parent in sorted({os.path.dirname(path) for path in paths}):
        if not is_directory(parent):
            continue
        with open_directory(parent, context_of=places.context_of) as directory:
            entries = {name: directory.entry(name) for name in directory.names_beginning(prefix(places.directory))}
        ours = [name for name, entry in entries.items() if entry is not None and entry.kind in ("file", "link")]
        if ours:
            leftovers += [(parent, name) for name in ours]
            differences.append(Difference("leftover_found", parent, "{0} unfinished".format(len(ours)), "absent"))
    return leftovers, differences


def copies(wanted: Credential, credential_directory: str, journal: Journal) -> List[Placed]:
    """The copies that stand elsewhere, as far as they are wanted still."""
    return [
        _placed(link, credential_directory, "credential {0}, link {1}".format(wanted.name, link.path))
        for link in wanted.links
        if link.copy and journal.links.get(link.path) == _COPY
    ]


def place(item: Placed, content: bytes, credential_directory: str, context_of: ContextOf) -> None:
    """Make one link or copy."""
    with open_directory(os.path.dirname(item.path), context_of=context_of) as directory:
        name = os.path.basename(item.path)
        if item.attributes is None:
            directory.make_link(name, item.target, prefix(credential_directory))
        else:
            directory.write(name, content, item.attributes, prefix(credential_directory))


def remove(path: str, context_of: ContextOf) -> None:
    """Remove a link or a copy that this collection made."""
    with open_directory(os.path.dirname(path), context_of=context_of) as directory:
        directory.remove(os.path.basename(path))


def remove_leftover(parent: str, name: str, context_of: ContextOf) -> None:
    """Remove an unfinished file that a run which was cut off left beside a link."""
    with open_directory(parent, context_of=context_of) as directory:
        entry = directory.entry(name)
        if entry is not None and entry.kind != "directory":
            directory.remove(name)


def removals(observation: Observation, places: Places, kept: Container[str] = ()) -> List[str]:
    """The paths elsewhere that the journal names and nobody wants any more, as far as they are there."""
    return [
        path
        for path, kind in observation.journal.links.items()
        if path not in kept
        and (path not in places.claimed or (kind == _COPY and path in places.awaited))
        and _still_ours(path, kind, places.directory, places.context_of)
    ]


def _parent(path: str, where: str, context_of: ContextOf) -> Directory:
    parent = os.path.dirname(path)
    if not is_directory(parent):
        raise InputError("{0}: the directory {1} does not exist; create it first".format(where, parent))
    return open_directory(parent, context_of=context_of)


def _check(found: Optional[Entry], link: Link, where: str, ours: bool) -> None:
    if found is None:
        return
    if found.kind == "directory":
        raise InputError("{0}: a directory stands there; choose another path or move it away".format(where))
    if found.kind == "other":
        raise InputError("{0}: something that is neither file nor link stands there".format(where))
    if not (ours or link.force):
        raise InputError(
            "{0}: a {1} stands there that this collection did not make; set force: true to replace it, or move it "
            "away".format(where, found.kind)
        )


def _is_ours(found: Optional[Entry], path: str, places: Places) -> bool:
    """Whether this collection made it, for this credential or for another one that is kept below the same root."""
    if found is None:
        return True
    if found.kind == "file":
        # Where the journal names a link, somebody has put a file of his own in its place.
        return places.placed.get(path) == _COPY
    if path in places.placed:
        return True
    return found.target is not None and found.target.startswith(places.root + "/")


def _placed(link: Link, credential_directory: str, where: str) -> Placed:
    target = "{0}/{1}/{2}".format(credential_directory, CURRENT, link.file)
    attributes = resolve(link.access, where.replace("credential ", "", 1)) if link.copy else None
    return Placed(link.path, _COPY if link.copy else _LINK, target, link.file, attributes)


def _difference(
    directory: Directory, found: Optional[Entry], item: Placed, contents: Mapping[str, bytes]
) -> Optional[str]:
    """What was found instead of the wanted thing, None where it is as wanted."""
    if found is None:
        return "absent"
    if item.kind == _LINK:
        return None if found.target == item.target else found.target or "a " + found.kind
    if found.kind != "file":
        return "a " + found.kind
    if found.attributes != item.attributes:
        return "other owner, group or mode"
    # The file's owner may write to it: only its content tells.
    current = directory.read(os.path.basename(item.path), MAXIMUM_FILE) if found.size <= MAXIMUM_FILE else None
    return None if current == contents.get(item.file) else "other content"


def _described(item: Placed) -> str:
    return item.target if item.kind == _LINK else "a copy of " + item.file


def _still_ours(path: str, kind: str, credential_directory: str, context_of: ContextOf) -> bool:
    if not is_directory(os.path.dirname(path)):
        return False
    with open_directory(os.path.dirname(path), context_of=context_of) as directory:
        found = directory.entry(os.path.basename(path))
    if found is None:
        return False
    if kind == _LINK:
        return found.target is not None and found.target.startswith(credential_directory + "/")
    return found.kind == "file"
