# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps an own CA, and rolls it over to a new one in the same directory.

A step that was begun is told by rollover.json, written last of what others need and first of what only follows: a run
that is killed anywhere is completed by the next one, with the keys that are there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Dict, List, Optional, Sequence

from .. import certificate, private_key
from ..difference import Difference
from ..errors import InputError, IssuerError
from ..imports import x509
from ..name import render
from . import phases, proof, views
from .build import BACKDATE, AuthoritySpec
from .create import Keys, Outcome, OwnCaSpec, Work, check_input, opened
from .layout import CHAIN, CRL, KEY, LEDGER, ROOT, ROOT_CRL, ROOT_KEY, STATE, Place
from .ledger import Ledger
from .members import read_chain
from .phases import ADD, REISSUE, Known, RollOver

_OWN = (ROOT, CHAIN, KEY, ROOT_KEY, CRL, ROOT_CRL)
_PRIVATE = (KEY, ROOT_KEY, ROOT_CRL)
"""Files that nobody but the CA itself needs: they are not to be had under two names for good."""


def converge(
    directory: str,
    spec: OwnCaSpec,
    keys: Keys,
    at: datetime,
    write: bool,
    phase: Optional[str] = None,
    found: Optional[proof.Proof] = None,
) -> Outcome:
    """Create, complete or maintain an own CA; with `phase`, take its roll-over into that one unless it is there.

    `spec` describes the newest CA: from the phase `add` on the new one. Without `write`, only tell what would be done.
    Raises InputError where the phase cannot come now or `found` says that hosts are not ready for it, and what
    create.converge() raises.
    """
    check_input(spec, keys.passphrase)
    with opened(directory, write) as place:
        present = phases.read(place)
        step = phase if phase is not None and phases.is_due(present, phase, place.path) else None
        if present is None and step is None:
            return Work(place, spec, keys, at, write).run()
        return _Run(place, spec, keys, at, write).run(present, step, found)


class _Run:
    """One run over a directory in which there are, or are about to be, several CAs."""

    def __init__(self, place: Place, spec: OwnCaSpec, keys: Keys, at: datetime, write: bool) -> None:
        self._place = place
        self._spec = spec
        self._keys = keys
        self._at = at
        self._write = write
        self._now = at.replace(microsecond=0)
        self._ledger = Ledger(place.path_of(LEDGER))
        self._differences: List[Difference] = []

    def run(self, present: Optional[RollOver], step: Optional[str], found: Optional[proof.Proof]) -> Outcome:
        if not self._ledger.exists():
            raise IssuerError(
                "there is no own CA in {0} to roll over, or it has lost its {1}; create one without a phase, or "
                "restore it from the backup".format(self._place.path, LEDGER)
            )
        if present is None or step == ADD:
            following = self._begin(present)
        else:
            following = self._go_on(present, step, found)
        self._differences += views.refresh(self._place, following, self._at)
        self._remove_plain()
        chain = read_chain(self._place.member(following.issuing.number))
        # Several CAs share the ledger, and each run over one of them looks at its mode.
        return Outcome(tuple(dict.fromkeys(self._differences)), chain, following)

    def _begin(self, present: Optional[RollOver]) -> RollOver:
        """The phase `add`."""
        if present is not None:
            self._keep(present, beginning=True)
        return self._stepped(present, self._add(present))

    def _go_on(self, present: RollOver, step: Optional[str], found: Optional[proof.Proof]) -> RollOver:
        """The phase after `add` or `reissue`; without a step, the present one."""
        if step is not None:
            self._check_complete(present)
            old = read_chain(self._place.member(present.old.number))[0]
            proof.check(found, present, step, self._ledger, old, self._at)
        self._keep(present, beginning=False)
        if step is None:
            return present
        if step == REISSUE:
            return self._stepped(present, phases.reissuing(present, self._now))
        return self._stepped(present, phases.retired(present, self._now, self._ledger.last_end() or self._now))

    def _stepped(self, present: Optional[RollOver], following: RollOver) -> RollOver:
        """Take the step; the rename of its file is the moment at which it counts."""
        was = "no roll-over" if present is None else present.phase
        self._differences.append(Difference("ca_phase_changed", STATE, was, following.phase))
        phases.write(self._place, following)
        return following

    def _check_complete(self, present: RollOver) -> None:
        """A server that is not in the inventory has the roots from there: no host's proof tells what it trusts."""
        if ROOT in views.stale(self._place, present, self._at):
            raise InputError(
                "phase: the run into the phase {0} was cut off before {1} was written; run that phase once more, and "
                "give the file to all servers that are not in the inventory".format(
                    present.phase, self._place.path_of(ROOT)
                )
            )

    def _keep(self, present: RollOver, beginning: bool) -> None:
        """Maintain every CA whose keys are still needed; only the newest has a description to be compared with."""
        for one in present.cas:
            place = self._place.member(one.number)
            chain = read_chain(place)
            if one is present.new and not beginning:
                self._work(place, self._spec)
            elif one.is_listed(self._at) and all(self._at < certificate.not_after(ca) for ca in chain):
                self._work(place, described(chain, self._spec))

    def _work(self, place: Place, spec: OwnCaSpec) -> None:
        outcome = Work(place, spec, self._keys, self._at, self._write, established=True).run()
        self._differences += outcome.differences

    def _add(self, present: Optional[RollOver]) -> RollOver:
        """Make the new CA beside the old one, which keeps issuing."""
        earlier = [self._place] if present is None else [self._place.member(one.number) for one in present.cas]
        _check_names(self._spec, [ca for place in earlier for ca in read_chain(place)])
        old = self._first() if present is None else present.new
        number = old.number + 1
        place = self._place.member(number)
        remedy = (
            "This CA was left unfinished and has issued nothing. State what it has, or remove its files, whose names "
            "begin with {0}, from that directory".format(place.name_of(""))
        )
        work = Work(place, self._spec, self._keys, self._at, self._write, established=False, remedy=remedy)
        outcome = work.run()
        self._differences += outcome.differences
        return phases.begun(present, old, _known(number, outcome.certificates), self._now)

    def _first(self) -> Known:
        """Give the only CA's files the names of one among several; those who read them now find them still."""
        chain = read_chain(self._place)
        self._work(self._place, described(chain, self._spec))
        place = self._place.member(1)
        for name in _OWN:
            if not self._place.has(name):
                continue
            content = self._place.read(name)
            if not place.has(name) or place.read(name) != content:
                self._differences.append(Difference("file_missing", place.name_of(name), "", "present"))
                place.put(name, content)
        return _known(1, chain)

    def _remove_plain(self) -> None:
        """Remove what the first CA had under other names. A root's key that was brought back there is left alone."""
        first = self._place.member(1)
        for name in _PRIVATE:
            if self._place.has(name) and first.has(name):
                self._differences.append(Difference("file_no_longer_wanted", name, "present", "absent"))
                self._place.remove(name)


def described(chain: Sequence[x509.Certificate], stated: OwnCaSpec) -> OwnCaSpec:
    """The description that an existing CA has: the inventory's is another one's."""
    intermediate = None if len(chain) == 1 else _described(chain[0])
    return OwnCaSpec(_described(chain[-1]), intermediate, stated.crl_validity)


def _described(ca: x509.Certificate) -> AuthoritySpec:
    lifetime = certificate.not_after(ca) - certificate.not_before(ca)
    return AuthoritySpec(certificate.subject(ca), private_key.kind_of(ca.public_key()), lifetime - BACKDATE)


def _check_names(spec: OwnCaSpec, old: Sequence[x509.Certificate]) -> None:
    """A server names the CAs that it accepts, and clients choose by that: two of one name could not be told apart."""
    wanted: Dict[str, AuthoritySpec] = {"subject": spec.root}
    if spec.intermediate is not None:
        wanted["intermediate.subject"] = spec.intermediate
    taken = [certificate.subject(ca) for ca in old]
    for option, one in wanted.items():
        if one.subject in taken:
            raise InputError(
                "{0}: the old CA is called {1}, too; give the new one a name of its own, for example with the year in "
                "its CN".format(option, render(one.subject))
            )


def _known(number: int, chain: Sequence[x509.Certificate]) -> Known:
    return Known(number, certificate.fingerprint(chain[-1]), certificate.fingerprint(chain[0]))
