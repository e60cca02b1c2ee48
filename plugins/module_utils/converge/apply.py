# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a plan. The order of the steps is what makes it safe to be killed between any two of them.

A generation gets its number by a rename after all its files are on disk, comes into use by the rename of one link,
and the request that it answers goes only then. Whatever a cut-off run leaves behind is known by its name and
removed by the next one. What has to be told or asked in between, and when a switch is taken back: transaction.py.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from .. import certificate as certificates
from ..errors import DiskError
from ..files import Attributes, ContextOf, Directory, remove_any
from ..reply import Event
from . import contents, links, next_request
from . import journal as journals
from .generation_files import Staged
from .material import KEY, passphrase_of
from .observe import (
    CURRENT,
    DIRECTORY_MODE,
    GENERATIONS,
    MAXIMUM_FILE,
    NEXT,
    NEXT_MODE,
    current_target,
    directory_name,
    failed_name,
    is_failed,
)
from .planned import Plan

Step = Tuple[str, Callable[[], None]]


class Application:
    """One plan's execution, in three parts: `prepare`, `switch`, `finish`; `take_back` undoes the second.

    `done` names the steps that were completed, also after a failure, and `events` what is to be told of them;
    `taken_back` says that the old generation is in use again.
    """

    def __init__(
        self,
        root: Directory,
        plan: Plan,
        credential_directory: str,
        authorities: Mapping[str, Sequence[bytes]],
        context_of: ContextOf,
    ) -> None:
        self._root = root
        self._authorities = authorities
        self._plan = plan
        self._path = credential_directory
        self._context_of = context_of
        self._prefix = links.prefix(credential_directory)
        self._journal = plan.observation.journal
        self.waiting = plan.waiting
        self.taken_back = False
        self.problem: Optional[str] = None
        self.done: List[str] = []
        self.events: List[Event] = []

    @property
    def plan(self) -> Plan:
        """What is carried out."""
        return self._plan

    def prepare(self) -> None:
        """All that changes nothing which is in use, but for files to be mended; a new generation is checked.

        Raises Error at the first step that fails, as the other parts do; `current` is whole all the same.
        """
        if not self._plan.observation.exists:
            self._root.make_directory(self._plan.wanted.name, DIRECTORY_MODE).close()
            self._root.sync()
            self.done.append("directory")
        self._carry_out(self._preparations)

    def switch(self) -> None:
        """Bring the new generation into use, by one rename, and everything elsewhere that leads to it."""
        self._carry_out(self._switching)

    def finish(self, now: datetime) -> None:
        """What may go, or may be asked for, once it is sure which generation stays in use."""
        self._carry_out(lambda directory: self._rest(directory, now))

    def ask(self, now: datetime) -> None:
        """Ask for the certificate that is needed, though something else is still owed."""
        self._carry_out(lambda directory: self._asking(directory, now))

    def _carry_out(self, steps: Callable[[Directory], List[Step]]) -> None:
        with self._root.subdirectory(self._plan.wanted.name) as directory:
            for name, step in steps(directory):
                step()
                self.done.append(name)

    def _preparations(self, directory: Directory) -> List[Step]:
        plan = self._plan
        steps: List[Step] = []
        if plan.leftovers:
            steps.append(("leftovers", lambda: self._remove_leftovers(directory)))
        if plan.directories:
            steps.append(("directories", lambda: self._mend_directories(directory)))
        awaiting = ("awaiting", lambda: self._note(directory, awaiting=plan.awaits))
        notes = plan.awaits is not None and plan.awaits != self._journal.awaiting
        if notes and not plan.observation.awaits:
            # Before there is such a generation: without the note it would be a leftover.
            steps.append(awaiting)
        if plan.wants_reload and plan.mend:
            steps.append(("note", lambda: self._note(directory, reload=True)))
        if plan.mend or plan.attributes:
            steps.append(("mend", lambda: self._mend(directory)))
        staged = plan.staged
        if staged is not None:
            steps.append(("stage", lambda: self._stage(directory, staged)))
            steps.append(("check", lambda: self._check_staged(staged)))
        if notes and plan.observation.awaits:
            # Only now: until then the one that waited before is the one to keep.
            steps.append(awaiting)
        if plan.awaits is None and plan.superseded is not None and staged is not None:
            # Also where it comes into use at once: should that fail, it goes on waiting.
            steps.append(("awaiting", lambda: self._awaits_instead(directory, staged.number)))
        superseded = plan.superseded
        if superseded is not None:
            steps.append(("superseded", lambda: self._remove_generation(directory, superseded)))
        return steps

    def _switching(self, directory: Directory) -> List[Step]:
        plan = self._plan
        steps: List[Step] = []
        if (not plan.is_plain or plan.hold is not None) and plan.number is not None:
            changes = {"reload": plan.wants_reload, "switch": self._switch(), "held": plan.hold or self._journal.held}
            steps.append(("note", lambda: self._note(directory, **changes)))
        if plan.switches:
            steps.append(("promote", lambda: self._promote(directory)))
        if plan.places_links:
            steps.append(("links", lambda: self._links(directory)))
        return steps

    def _switch(self) -> Optional[journals.Switch]:
        """What is to be noted of the switch that is about to happen, or that nobody has confirmed yet."""
        plan, unconfirmed = self._plan, self._plan.owed.switch
        if plan.number is None or not plan.switches:
            return unconfirmed
        if plan.target is not None:
            return journals.Switch(plan.number, plan.previous)
        if plan.relink and not plan.observation.awaits:
            return journals.Switch(plan.number, None)
        if unconfirmed is not None and unconfirmed.previous is not None:
            return journals.Switch(plan.number, unconfirmed.previous)
        return journals.Switch(plan.number, plan.previous)

    @property
    def _confirmed(self) -> journals.Journal:
        """The journal when all is done."""
        plan = self._plan
        keeps_waiting = plan.closed or plan.observation.ahead is not None
        return replace(
            self._journal,
            reload=False,
            switch=None,
            awaiting=self._journal.awaiting if keeps_waiting else None,
            held=None if plan.release else self._journal.held,
        )

    def _rest(self, directory: Directory, now: datetime) -> List[Step]:
        plan = self._plan
        steps: List[Step] = []
        aside = plan.aside
        if aside is not None:
            steps.append(("aside", lambda: self._set_aside(directory, aside)))
        if self._confirmed != self._journal:
            steps.append(("confirm", lambda: self._write(directory, self._confirmed)))
        if plan.hold is not None or plan.release:
            event = "released" if plan.release else "held"
            steps.append((event, lambda: self._tell(directory, event, plan.in_use)))
        if plan.places_links and plan.links.remove:
            # Only now: what is taken back may need them again.
            steps.append(("links", lambda: self._remove_links(directory)))
        steps += self._asking(directory, now)
        if plan.drop_next:
            steps.append(("next", lambda: self._drop_next(directory)))
        if plan.prune:
            steps.append(("prune", lambda: self._prune(directory)))
        return steps

    def _asking(self, directory: Directory, now: datetime) -> List[Step]:
        plan = self._plan
        steps: List[Step] = []
        if plan.rewrite_key and plan.waiting is not None:
            request = plan.waiting
            steps.append(("request key", lambda: next_request.rewrite_key(directory, plan.wanted, request)))
        if plan.make_request:
            steps.append(("request", lambda: self._request(directory, now)))
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
        plan = self._plan
        number = plan.number
        if number is not None:
            directory.make_link(CURRENT, current_target(number))
            event = "rolled_back" if plan.target is not None else "activated" if self._was_ahead else "deployed"
            self._tell(directory, event, number)

    @property
    def _was_ahead(self) -> bool:
        """Whether what comes into use is a generation that an earlier run has left to wait for that."""
        return self._plan.staged is None and self._plan.observation.awaits

    def _tell(self, directory: Directory, event: str, number: Optional[int]) -> None:
        """Tell what was done, and which generation is in use now."""
        # Here, because few runs have anything to tell.
        from . import record

        self.events.append(record.record_generation(directory, self._path, event, number))

    def _links(self, directory: Directory) -> None:
        plan = self._plan.links
        before = self._journal.links
        both = journals.joined([self._journal, plan.journal]).links
        if both != before or plan.record:
            self._note(directory, links=both)
        number = self._plan.number
        for item in plan.place:
            content = b""
            if item.attributes is not None and number is not None:
                with _below(directory, current_target(number)) as generation:
                    content = generation.read(item.file, MAXIMUM_FILE)
            links.place(item, content, self._path, self._context_of)
        for parent, name in plan.leftovers:
            links.remove_leftover(parent, name, self._context_of)
        if both != plan.journal.links and not plan.remove:
            self._note(directory, links=plan.journal.links)

    def _awaits_instead(self, directory: Directory, number: int) -> None:
        awaiting = self._journal.awaiting
        if awaiting is not None:
            self._note(directory, awaiting=replace(awaiting, number=number))

    def _remove_links(self, directory: Directory) -> None:
        for path in self._plan.links.remove:
            links.remove(path, self._context_of)
        self._note(directory, links=self._plan.links.journal.links)

    def _note(self, directory: Directory, **changes: Any) -> None:
        """Write the journal with these changes, if they are any."""
        journal = replace(self._journal, **changes)
        if journal != self._journal or self._plan.links.record:
            self._write(directory, journal)

    def _write(self, directory: Directory, journal: journals.Journal) -> None:
        owner = directory.attributes()
        content = journals.encode(journal)
        directory.write(journals.NAME, content, Attributes(owner.owner, owner.group, journals.MODE))
        self._journal = journal

    def _request(self, directory: Directory, now: datetime) -> None:
        if directory.entry(NEXT) is not None:
            remove_any(directory, NEXT)
        plan = self._plan
        asked = plan.wanted.operation == "rotate"
        forced = asked or any(one.reason == "rotation_requested" for one in plan.differences)
        certificate = plan.material.certificate if plan.material is not None and forced else None
        replaces = None if certificate is None else certificates.fingerprint(certificate)
        self.waiting = next_request.make(directory, plan.wanted, plan.request_key, self._prefix, now, replaces)

    def _drop_next(self, directory: Directory) -> None:
        if directory.entry(NEXT) is not None:
            remove_any(directory, NEXT)

    def _check_staged(self, staged: Staged) -> None:
        """Read the new generation from the disk and judge it anew. Raises DiskError where it is not as wanted."""
        material = self._plan.material
        if material is None:
            return
        wanted = self._plan.wanted
        with _below(self._root, "{0}/{1}".format(wanted.name, current_target(staged.number))) as generation:
            for file in contents.wanted_files(wanted, material, self._authorities, None):
                found = file.compare(generation.read(file.name, MAXIMUM_FILE))
                if found:
                    raise DiskError(
                        "{0}/{1} is not what was just written there ({2}: {3}); nothing was switched".format(
                            generation.path, file.name, found[0].reason, found[0].was
                        )
                    )

    def reloaded(self) -> None:
        """Write down that those who use the files know of them."""
        with self._root.subdirectory(self._plan.wanted.name) as directory:
            self._note(directory, reload=False)
        self.done.append("reload")

    def take_back(self) -> None:
        """Point back to the generation that was in use before, and keep the new one aside.

        Its users may have seen the new one: they are to be told again. Where there was no generation before, or where
        it is gone, the new one stays, unconfirmed.
        """
        switch = self._journal.switch
        if switch is None or switch.previous is None:
            return
        awaiting = self._journal.awaiting
        with self._root.subdirectory(self._plan.wanted.name) as directory:
            if not _has_generation(directory, switch.previous):
                return
            # A rollback that is taken back holds nothing.
            held = self._journal.held if switch.number > switch.previous else None
            self._note(directory, reload=bool(self._plan.wanted.reload), held=held)
            directory.make_link(CURRENT, current_target(switch.previous))
            # Whatever fails from here on: those who read the new one before are to be told of the old one.
            self.taken_back = True
            # A deliberate rollback that did not work has come from a later one.
            self._tell(directory, "rolled_back" if switch.previous < switch.number else "deployed", switch.previous)
            self._restore_copies(directory, switch.previous)
            # One that was being gone back to is no new one, and one that has waited may be tried again.
            if switch.number > switch.previous and (awaiting is None or awaiting.number != switch.number):
                self._set_aside(directory, switch.number)
            self._note(directory, switch=None)
        self.done.append("take back")

    def abandon(self) -> None:
        """Keep a new generation aside that never came into use; one that waits may be tried again."""
        staged, awaiting = self._plan.staged, self._journal.awaiting
        waits = staged is not None and awaiting is not None and awaiting.number == staged.number
        if staged is not None and self._plan.awaits is None and not waits:
            with _below(self._root, "{0}/{1}".format(self._plan.wanted.name, GENERATIONS)) as generations:
                set_aside(generations, staged.number)

    def close(self, problem: str) -> None:
        """Let the new generation wait: its handshake has failed, and that was to be expected for a while."""
        self._plan = replace(self._plan, closed=True, prune=())
        self.problem = problem

    @property
    def awaiting(self) -> Optional[journals.Awaiting]:
        """What waits when all is done."""
        return self._journal.awaiting if self._plan.closed else None

    def key_passphrase(self, below: str) -> Optional[str]:
        """What opens the key in one directory of the credential's, which may be older than the inventory."""
        with self._root.subdirectory(self._plan.wanted.name) as directory:
            link = directory.entry(CURRENT) if below == CURRENT else None
            path = below if link is None or link.target is None else link.target
            with _below(directory, path) as generation:
                return passphrase_of(generation.read(KEY, MAXIMUM_FILE), self._plan.wanted, KEY)

    def _remove_generation(self, directory: Directory, number: int) -> None:
        with directory.subdirectory(GENERATIONS) as generations:
            remove_any(generations, directory_name(number))

    def _set_aside(self, directory: Directory, number: int) -> None:
        with directory.subdirectory(GENERATIONS) as generations:
            if generations.entry(directory_name(number)) is not None:
                set_aside(generations, number)

    def _restore_copies(self, directory: Directory, number: int) -> None:
        # Not only what this run has placed: an earlier one, which was cut off, may have done so.
        for item in links.copies(self._plan.wanted, self._path, self._journal):
            with _below(directory, current_target(number)) as generation:
                content = generation.read(item.file, MAXIMUM_FILE) if generation.entry(item.file) is not None else None
            if content is not None:
                links.place(item, content, self._path, self._context_of)

    def _prune(self, directory: Directory) -> None:
        with directory.subdirectory(GENERATIONS) as generations:
            for name in self._plan.prune:
                remove_any(generations, name)


def set_aside(generations: Directory, number: int) -> None:
    """Keep a generation that failed for people to look at, instead of any that failed before."""
    aside = failed_name(number)
    for name in generations.names():
        if is_failed(name):
            remove_any(generations, name)
    generations.rename(directory_name(number), aside)


def _has_generation(directory: Directory, number: int) -> bool:
    with directory.subdirectory(GENERATIONS) as generations:
        entry = generations.entry(directory_name(number))
    return entry is not None and entry.kind == "directory"


def _below(directory: Directory, path: str) -> Directory:
    """Open a directory some levels down; "" is the directory itself, opened anew."""
    current = directory.reopen()
    for part in path.split("/"):
        if part:
            below = current.subdirectory(part)
            current.close()
            current = below
    return current
