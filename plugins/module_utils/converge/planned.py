# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one credential needs, and what its plan has to know of the host and the run: values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import AbstractSet, Any, Mapping, Optional, Sequence, Tuple

from .. import private_key as private_keys
from ..difference import Difference
from ..document import Credential
from ..files import Attributes, ContextOf
from . import journal as journals
from . import links, next_request
from .generation_files import Staged
from .material import Material
from .observe import Observation


@dataclass(frozen=True)
class Owed:
    """What earlier runs have left: a reload, and a switch that nobody confirmed; `note` says that it is written down.

    A note may be of no concern any more: the switch did not happen, or nothing is there to be reloaded.
    """

    reload: bool = False
    switch: Optional[journals.Switch] = None
    note: bool = False

    @property
    def anything(self) -> bool:
        return self.reload or self.switch is not None or self.note


@dataclass(frozen=True)
class Plan:
    """All that a run would do for one credential, and why.

    `mend` are files of the generation in use to be written in place (a changed manifest first), `attributes` those
    that only need owner, group or mode. `make_request` asks for a new CSR, `request_key` is the key to keep for it;
    `rewrite_key` asks to protect the key of the request that waits in another way. `owed` is what a run that was cut
    off or failed has left to do for the generation in use.

    `previous` is the generation in use before, `certificate_before` its leaf where it stays in use. `awaits` is to be
    noted of a new generation that may not come into use at once; while `closed` it does not, and `superseded` is one
    that waited before it. `target` is the generation that a rollback goes back to, `candidate` its certificate, `aside`
    the one that is kept for people to look at then, `hold` (ISO 8601) since when the credential is held. `is_held`: a
    rollback holds it already, only what is owed is done; `release` ends that.
    """

    wanted: Credential
    observation: Observation
    differences: Tuple[Difference, ...]
    material: Optional[Material] = None
    directories: Tuple[str, ...] = ()
    leftovers: Tuple[Tuple[str, str], ...] = ()
    relink: bool = False
    mend: Tuple[Tuple[str, bytes, Attributes], ...] = field(default=(), repr=False)
    attributes: Tuple[Tuple[str, Attributes], ...] = ()
    staged: Optional[Staged] = None
    links: links.LinkPlan = field(default_factory=links.LinkPlan)
    links_wait: bool = False
    needs_certificate: bool = False
    waiting: Optional[next_request.Waiting] = None
    make_request: bool = False
    request_key: Optional[Any] = field(default=None, repr=False)
    rewrite_key: bool = False
    drop_next: bool = False
    prune: Tuple[str, ...] = ()
    owed: Owed = Owed()
    previous: Optional[int] = None
    awaits: Optional[journals.Awaiting] = None
    closed: bool = False
    certificate_before: Optional[Any] = None
    superseded: Optional[int] = None
    target: Optional[int] = None
    aside: Optional[int] = None
    candidate: Optional[Any] = None
    hold: Optional[str] = None
    is_held: bool = False
    release: bool = False

    @property
    def changes(self) -> bool:
        """Whether carrying out the plan changes anything on the host."""
        steps = (self.directories, self.leftovers, self.mend, self.attributes)
        flags = (self.make_request, self.rewrite_key, self.drop_next, self.release)
        return any(steps) or any(flags) or self.staged is not None or self.owed.anything or self._changes_use

    @property
    def _changes_use(self) -> bool:
        """What comes with another generation in use: where a handshake decides about it, nobody knows."""
        return self.awaits is None and (self.switches or self.places_links or bool(self.prune))

    @property
    def places_links(self) -> bool:
        """Whether anything is to be done about paths elsewhere now."""
        return not self.links.empty and not self.links_wait and not self.closed

    @property
    def moves(self) -> bool:
        """Whether another generation shall come into use, or the newest one for the first time."""
        return self.staged is not None or self.relink or self.target is not None

    @property
    def switches(self) -> bool:
        """Whether one does, in this run."""
        return self.moves and not self.closed

    @property
    def tries(self) -> bool:
        """Whether a handshake decides about a generation that waits."""
        return self.awaits is not None and self.switches

    @property
    def wants_reload(self) -> bool:
        """Whether those who use the files have to be told afterwards."""
        mends = bool(self.mend) and not self.observation.awaits
        alters = self.switches or mends or (self.places_links and bool(self.links.place))
        return bool(self.wanted.reload) and (alters or self.owed.reload)

    @property
    def is_plain(self) -> bool:
        """Whether nobody has to be told or asked: then what is in place is in use, and that is all."""
        return not self.wants_reload and not self.wants_proof

    @property
    def wants_proof(self) -> bool:
        """Whether a handshake has to show that the generation which comes into use, or just did, works."""
        return self.wanted.verify is not None and (self.switches or self.owed.switch is not None)

    @property
    def number(self) -> Optional[int]:
        """The generation that is or comes into use."""
        if self.target is not None:
            return self.target
        return self.staged.number if self.staged is not None else self.observation.number

    @property
    def in_use(self) -> Optional[int]:
        """The generation in use once the plan is carried out."""
        return self.previous if self.closed else self.number

    @property
    def request_fingerprint(self) -> Optional[str]:
        """Of the public key that a certificate is needed for; None where it would be that of a new key."""
        if self.waiting is not None:
            return self.waiting.public_fingerprint
        return None if self.request_key is None else private_keys.public_fingerprint(self.request_key.public_key())


@dataclass(frozen=True)
class Surroundings:
    """What every credential's plan needs to know of the host and the run.

    `placed` maps the paths elsewhere that the journals of all credentials below the root name, `claims` those
    that this document wants to the credential that wants them: a link may move from one credential to another.
    `deployed` are the credentials that have a generation in use. `unavailable` says of authorities that the host
    should have itself why it has not.
    """

    root: str
    authorities: Mapping[str, Sequence[bytes]]
    now: datetime
    user: int
    context_of: ContextOf
    placed: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    deployed: AbstractSet[str] = frozenset()
    unavailable: Mapping[str, str] = field(default_factory=dict)

    def directory(self, wanted: Credential) -> str:
        return "{0}/{1}".format(self.root.rstrip("/"), wanted.name)

    def places(self, wanted: Credential) -> links.Places:
        others = {path: name for path, name in self.claims.items() if name != wanted.name}
        return links.Places(
            root=self.root.rstrip("/"),
            directory=self.directory(wanted),
            placed=self.placed,
            claimed=frozenset(others),
            awaited=frozenset(path for path, name in others.items() if name not in self.deployed),
            context_of=self.context_of,
        )
