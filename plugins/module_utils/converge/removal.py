# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a credential from a host, and only what this collection made."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ..difference import Difference
from ..document import Credential
from ..errors import InputError
from ..files import ContextOf, Directory, remove_any
from ..reply import Event
from . import journal as journals
from . import links
from .observe import CURRENT, NEXT, Observation, foreign_names, observe
from .planned import Surroundings


class Removal:
    """One credential's removal: `differences` tell what it comes to; `done` names what went, also after a failure.

    `events` are what is to be told of it.
    """

    def __init__(self, root: Optional[Directory], wanted: Credential, around: Surroundings) -> None:
        """Look at what there is. Raises InputError where it is none of ours, DiskError; nothing was changed then."""
        self._root = root
        self._name = wanted.name
        self._path = around.directory(wanted)
        self._fingerprint: Optional[str] = None
        self._context_of: ContextOf = around.context_of
        self._paths: List[str] = []
        self._leftovers: List[Tuple[str, str]] = []
        self.differences: Tuple[Difference, ...] = ()
        self.done: List[str] = []
        self.events: List[Event] = []
        observation = observe(root, wanted.name)
        if root is not None and observation.exists:
            self._look(root, wanted, around, observation)

    def _look(self, root: Directory, wanted: Credential, around: Surroundings, observation: Observation) -> None:
        self._fingerprint = None if observation.manifest is None else observation.manifest.fingerprint_sha256
        with root.subdirectory(wanted.name) as directory:
            foreign = foreign_names(directory)
        if foreign:
            raise InputError(
                "credential {0} shall be absent, but {1} holds {2!r}, which this collection did not make; move it "
                "away, or correct root and name".format(wanted.name, self._path, foreign[0])
            )
        places = around.places(wanted)
        self._paths = links.removals(observation, places)
        gone = [Difference("link_changed", one, observation.journal.links[one], "absent") for one in self._paths]
        self._leftovers, unfinished = links.unfinished(observation.journal.links, places)
        self.differences = (Difference("state_absent", self._path, "present", "absent"), *gone, *unfinished)

    def run(self) -> None:
        """Carry it out: links elsewhere first, so that none is left dangling by a run that is cut off."""
        if self._root is None or not self.differences:
            return
        for path in self._paths:
            links.remove(path, self._context_of)
            self.done.append(path)
        for parent, name in self._leftovers:
            links.remove_leftover(parent, name, self._context_of)
            self.done.append(parent + "/" + name)
        with self._root.subdirectory(self._name) as directory:
            for name in _in_order(directory.names()):
                remove_any(directory, name)
                self.done.append(name)
        self._root.remove_tree(self._name)
        self.done.append(self._name)
        # Here, because few runs have anything to tell.
        from . import record

        self.events.append(record.record(self._path, "removed", None, self._fingerprint))


def _in_order(names: List[str]) -> List[str]:
    """Without `current` no client starts to read what is about to go; the journal knows what is ours to the end."""
    return sorted(names, key=lambda name: (name == journals.NAME, name != CURRENT, name != NEXT, name))
