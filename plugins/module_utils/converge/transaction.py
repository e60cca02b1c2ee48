# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's credentials change generations: proof, switch, reload, proof; whatever fails is taken back by itself.

What everybody needs to know is in each credential's journal before it happens, so that the next run can finish or
take back what this one was killed in:

1. a new generation is complete on the disk, is read again and judged; a handshake with its files succeeds;
2. the journal says: switching, from this generation to that one, a reload is due;
3. `current` is pointed to the new one; after all credentials, each reload runs once;
4. the journal says: reloaded; a handshake with the files in use succeeds;
5. the journal says nothing any more; the request that was answered and surplus generations go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Callable, Dict, List, Optional, Protocol, Sequence, Tuple

from ..difference import Difference
from ..document import Credential, Reload
from ..errors import Error
from .apply import Application
from .observe import CURRENT, current_target

Reloader = Callable[[Reload, float, Sequence[str]], Optional[str]]
"""Runs commands within so many seconds, hides these secrets, and tells what went wrong."""


class Proven(Protocol):
    """What came of a handshake."""

    @property
    def ok(self) -> bool: ...

    @property
    def message(self) -> str: ...


Prover = Callable[[Credential, str], Proven]
"""Makes a handshake as a credential, with the files below a directory of its own, such as `current`."""


@dataclass(frozen=True)
class Failure:
    """Why a credential's change did not come about, and how that is to be reported."""

    message: str
    difference: Optional[Difference] = None


class Transaction:
    """The changes of one host's credentials. `failures` has one for each credential that ended in one."""

    def __init__(self, applications: Sequence[Application], reload: Reloader, prove: Prover, now: datetime) -> None:
        self._applications = applications
        self._reload = reload
        self._prove = prove
        self._now = now
        self.failures: Dict[str, Failure] = {}

    def run(self) -> None:
        """Carry out all of it. One credential's failure is its own, and that of those who share its reload."""
        ready = [one for one in self._applications if self._attempt(one, one.prepare) and self._proven_ahead(one)]
        switched = [one for one in ready if self._switch(one)]
        for reload, group in _grouped(switched):
            self._settle(reload, group)

    def _attempt(self, one: Application, step: Callable[[], None]) -> bool:
        try:
            step()
        except Error as error:
            self._fail(one, str(error))
            return False
        return True

    def _fail(self, one: Application, message: str, difference: Optional[Difference] = None) -> None:
        self.failures.setdefault(one.plan.wanted.name, Failure(message, difference))

    def _proven_ahead(self, one: Application) -> bool:
        """Prove the new files before anything is switched; where that fails, tell whether it is the files' fault.

        Where the handshake decides when they come into use, they wait.
        """
        plan = one.plan
        if plan.number is None or not plan.switches or plan.wanted.verify is None:
            return True
        if plan.relink and not plan.observation.awaits:
            # It was in use before. Without it nobody has anything: whether it works is asked afterwards.
            return True
        try:
            problem = self._problem_with(plan.wanted, current_target(plan.number))
            if problem is None:
                return True
            if plan.awaits is not None:
                one.close(problem)
                return True
            before = self._problem_with(plan.wanted, CURRENT) if plan.observation.current is not None else None
        except Error as error:
            self._fail(one, "nothing was switched: {0}".format(error))
        else:
            self._fail(one, *_blamed(problem, before, current_target(plan.number)))
        self._attempt(one, one.abandon)
        return False

    def _problem_with(self, wanted: Credential, below: str) -> Optional[str]:
        """What went wrong in a handshake with the files of one directory; None where it went well."""
        proof = self._prove(wanted, below)
        return None if proof.ok else proof.message

    def _switch(self, one: Application) -> bool:
        if self._attempt(one, one.switch):
            return True
        self._attempt(one, one.take_back)
        return False

    def _settle(self, reload: Reload, group: Sequence[Application]) -> None:
        """Reload once for the whole group and prove each of it; go back together where anything fails."""
        problem = self._reloaded(reload, group)
        if problem is not None:
            for one in group:
                self._unloaded(one, problem)
            self._go_back(reload, group)
            return
        rejected = [one for one in group if not self._proven(one)]
        if rejected:
            self._go_back(reload, group)
        for one in group:
            if one.plan.wanted.name not in self.failures and not one.taken_back:
                self._attempt(one, lambda one=one: one.finish(self._now))  # type: ignore[misc]

    def _unloaded(self, one: Application, problem: str) -> None:
        """Tell of a reload that failed. It stays owed where a new certificate is asked for: that may be the remedy."""
        if one.plan.needs_certificate and not one.plan.switches:
            self._attempt(one, lambda: one.ask(self._now))
            return
        pending = Difference("reload_pending", CURRENT, problem, "reloaded")
        self._fail(one, "the reload failed: {0}".format(problem), pending)

    def _reloaded(self, reload: Reload, group: Sequence[Application]) -> Optional[str]:
        """Run the reload where one is due, and write it down. Returns what went wrong."""
        return self._run_reload(reload, group) if any(one.plan.wants_reload for one in group) else None

    def _run_reload(self, reload: Reload, group: Sequence[Application]) -> Optional[str]:
        if not reload:
            return None
        seconds = max(one.plan.wanted.reload_timeout for one in group)
        secrets = [secret for one in group for secret in one.plan.wanted.secrets()]
        problem = self._reload(reload, seconds, secrets)
        if problem is None:
            for one in group:
                self._attempt(one, one.reloaded)
        return problem

    def _proven(self, one: Application) -> bool:
        if not one.plan.wants_proof:
            return True
        try:
            problem = self._problem_with(one.plan.wanted, CURRENT)
        except Error as error:
            problem = str(error)
        if problem is not None:
            difference = Difference("verify_failed", CURRENT, problem, "a handshake")
            self._fail(one, "the handshake after the switch failed: {0}".format(problem), difference)
        return problem is None

    def _go_back(self, reload: Reload, group: Sequence[Application]) -> None:
        """Point the whole group back and reload once more; who has nothing to go back to stays where he is."""
        failures = [self.failures[one.plan.wanted.name] for one in group if one.plan.wanted.name in self.failures]
        cause = failures[0].message if failures else "the reload failed"
        for one in group:
            self._attempt(one, one.take_back)
            if one.taken_back:
                self._fail(one, "it went back with others that share its reload, where {0}".format(cause))
        if any(one.taken_back for one in group):
            problem = self._run_reload(reload, group)
            if problem is not None:
                self._amend(group, "; the reload after going back failed, too: {0}".format(problem))

    def _amend(self, group: Sequence[Application], text: str) -> None:
        for one in group:
            failure = self.failures.get(one.plan.wanted.name)
            if failure is not None:
                self.failures[one.plan.wanted.name] = Failure(failure.message + text, failure.difference)


def _blamed(problem: str, before: Optional[str], staged: str) -> Tuple[str, Difference]:
    """How to tell of a handshake that failed with new files, and maybe with those in use, too."""
    if before is None:
        text = "nothing was switched, as the handshake with the new files failed: {0}".format(problem)
        return text, Difference("verify_failed", staged, problem, "a handshake")
    text = "nothing was switched, as the handshake fails with the files in use, too: {0}".format(before)
    return text, Difference("verify_unavailable", CURRENT, before, "a handshake")


def _grouped(applications: Sequence[Application]) -> List[Tuple[Reload, List[Application]]]:
    """Those with identical reloads together, in order of first appearance; who has none is on its own."""
    groups: Dict[object, Tuple[Reload, List[Application]]] = {}
    for one in applications:
        reload = one.plan.wanted.reload
        key: object = reload or one.plan.wanted.name
        groups.setdefault(key, (reload, []))[1].append(one)
    return list(groups.values())
