# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a plan. The order of the steps is what makes it safe to be killed between any two of them.

A generation gets its number by a rename after all its files are on disk, comes into use by the rename of one link,
and the request that it answers goes only then. Whatever a cut-off run leaves behind is known by its name and
removed by the next one.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Callable, Dict, List, Optional, Tuple

from ..errors import DiskError
from ..files import Attributes, ContextOf, Directory, remove_any
from . import journal as journals
from . import links, next_request
from .generation_files import Staged
from .observe import CURRENT, DIRECTORY_MODE, GENERATIONS, MAXIMUM_FILE, NEXT, NEXT_MODE, current_target, directory_name
from .plan import Plan

Step = Tuple[str, Callable[[], None]]


class Application:
    """One plan's execution. `done` names the steps that were completed, also after a failure."""

    def __init__(self, root: Directory, plan: Plan, credential_directory: str, context_of: ContextOf) -> None:
        self._root = root
        self._plan = plan
        self._path = credential_directory
        self._context_of = context_of
        self._prefix = links.prefix(credential_directory)
        self.waiting = plan.waiting
        self.done: List[str] = []

    def run(self, now: datetime) -> None:
        """Carry out every step. Raises Error at the first that fails; `current` is whole all the same."""
        plan = self._plan
        if not plan.changes:
            return
        if not plan.observation.exists:
            self._root.make_directory(plan.wanted.name, DIRECTORY_MODE).close()
            self._root.sync()
            self.done.append("directory")
        with self._root.subdirectory(plan.wanted.name) as directory:
            for name, step in self._steps(directory, now):
                step()
                self.done.append(name)

    def _steps(self, directory: Directory, now: datetime) -> List[Step]:
        plan = self._plan
        steps: List[Step] = []
        if plan.leftovers:
            steps.append(("leftovers", lambda: self._remove_leftovers(directory)))
        if plan.directories:
            steps.append(("directories", lambda: self._mend_directories(directory)))
        if plan.mend or plan.attributes:
            steps.append(("mend", lambda: self._mend(directory)))
        staged = plan.staged
        if staged is not None:
            steps.append(("stage", lambda: self._stage(directory, staged)))
        if staged is not None or plan.relink:
            steps.append(("promote", lambda: self._promote(directory)))
        if not plan.links.empty and not plan.links_wait:
            steps.append(("links", lambda: self._links(directory)))
        if plan.rewrite_key and plan.waiting is not None:
            request = plan.waiting
            steps.append(("request key", lambda: next_request.rewrite_key(directory, plan.wanted, request)))
        if plan.make_request:
            steps.append(("request", lambda: self._request(directory, now)))
        if plan.drop_next:
            steps.append(("next", lambda: self._drop_next(directory)))
        if plan.prune:
            steps.append(("prune", lambda: self._prune(directory)))
        return steps

    def _remove_leftovers(self, directory: Directory) -> None:
        for parent, name in self._plan.leftovers:
            with _below(directory, parent) as below:
                remove_any(below, name)

    def _mend_directories(self, directory: Directory) -> None:
        for name in self._plan.directories:
            found = self._plan.observation.directories[name]
            attributes = Attributes(os.geteuid(), found.group, NEXT_MODE if name == NEXT else DIRECTORY_MODE)
            parent, _slash, last = name.rpartition("/")
            if not name:
                self._root.set_attributes(self._plan.wanted.name, attributes)
                continue
            with _below(directory, parent) as below:
                below.set_attributes(last, attributes)

    def _mend(self, directory: Directory) -> None:
        number = self._plan.observation.number
        if number is None:
            return
        with _below(directory, current_target(number)) as generation:
            for name, content, attributes in self._plan.mend:
                entry = generation.entry(name)
                if entry is not None and entry.kind == "directory":
                    raise DiskError(
                        "{0}/{1} is a directory where a file belongs; move it away".format(generation.path, name)
                    )
                generation.write(name, content, attributes)
            for name, attributes in self._plan.attributes:
                generation.set_attributes(name, attributes)

    def _stage(self, directory: Directory, staged: Staged) -> None:
        if directory.entry(GENERATIONS) is None:
            directory.make_directory(GENERATIONS, DIRECTORY_MODE).close()
            directory.sync()
        labels = self._labels(directory, staged)
        with directory.subdirectory(GENERATIONS) as generations:
            staging = self._prefix + directory_name(staged.number)
            try:
                with generations.make_directory(staging, 0o700, directory_name(staged.number)) as generation:
                    for name, content, attributes in staged.files:
                        generation.create(name, content, attributes, labels.get(name))
                    generation.set_own_mode(DIRECTORY_MODE)
                    generation.sync()
                generations.rename(staging, directory_name(staged.number))
            except BaseException:
                if generations.entry(staging) is not None:
                    generations.remove_tree(staging)
                raise

    def _labels(self, directory: Directory, staged: Staged) -> Dict[str, Optional[bytes]]:
        """The SELinux contexts of the files that the new ones replace."""
        number = self._plan.observation.number
        if number is None:
            return {}
        with _below(directory, current_target(number)) as generation:
            return {name: generation.label_of(name) for name, _content, _attributes in staged.files}

    def _promote(self, directory: Directory) -> None:
        number = self._plan.number
        if number is not None:
            directory.make_link(CURRENT, current_target(number))

    def _links(self, directory: Directory) -> None:
        plan = self._plan.links
        before = self._plan.observation.journal
        both = journals.joined([before, plan.journal])
        if both.links != before.links or plan.record:
            self._record(directory, both)
        number = self._plan.number
        for item in plan.place:
            content = b""
            if item.attributes is not None and number is not None:
                with _below(directory, current_target(number)) as generation:
                    content = generation.read(item.file, MAXIMUM_FILE)
            links.place(item, content, self._path, self._context_of)
        for path in plan.remove:
            links.remove(path, self._context_of)
        for parent, name in plan.leftovers:
            links.remove_leftover(parent, name, self._context_of)
        if both.links != plan.journal.links:
            self._record(directory, plan.journal)

    def _record(self, directory: Directory, journal: journals.Journal) -> None:
        owner = directory.attributes()
        directory.write(journals.NAME, journals.encode(journal), Attributes(owner.owner, owner.group, journals.MODE))

    def _request(self, directory: Directory, now: datetime) -> None:
        if directory.entry(NEXT) is not None:
            remove_any(directory, NEXT)
        plan = self._plan
        self.waiting = next_request.make(directory, plan.wanted, plan.request_key, self._prefix, now)

    def _drop_next(self, directory: Directory) -> None:
        if directory.entry(NEXT) is not None:
            remove_any(directory, NEXT)

    def _prune(self, directory: Directory) -> None:
        with directory.subdirectory(GENERATIONS) as generations:
            for number in self._plan.prune:
                generations.remove_tree(directory_name(number))


def _below(directory: Directory, path: str) -> Directory:
    """Open a directory some levels down; "" is the directory itself, opened anew."""
    current = directory.reopen()
    for part in path.split("/"):
        if part:
            below = current.subdirectory(part)
            current.close()
            current = below
    return current
