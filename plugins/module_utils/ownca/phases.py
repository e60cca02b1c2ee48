# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the roll-over of an own CA is: its phases, their order, and the file that says which one it is in.

add      a new CA is there and shall be trusted beside the old one, which issues
reissue  the new CA issues, and the old one is still trusted
retire   the old CA is not trusted any more; so it stays until the next roll-over begins

The file is replaced by one rename, and it alone says which CA issues and which are trusted. A run that is killed
before that has changed nothing for anybody; one that is killed after it is completed by the next.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Dict, Optional, Tuple

from ..errors import InputError, IssuerError
from .layout import STATE, Place

ADD, REISSUE, RETIRE = PHASES = ("add", "reissue", "retire")

VERSION = 1

_BEFORE: Dict[str, Tuple[Optional[str], ...]] = {ADD: (None, RETIRE), REISSUE: (ADD,), RETIRE: (REISSUE,)}
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Known:
    """One CA: its number, and the SHA-256 fingerprints of its root and of the CA that issues (lower-case hex).

    `retired` is since when it is; `listed_until` is when the last of its certificates ends, up to which servers may
    ask for its revocation list.
    """

    number: int
    root: str
    issuing: str
    retired: Optional[datetime] = None
    listed_until: Optional[datetime] = None

    def is_listed(self, at: datetime) -> bool:
        """Whether its revocation list is to be had at a moment (aware)."""
        return self.listed_until is None or at <= self.listed_until


@dataclass(frozen=True)
class RollOver:
    """A roll-over's phase, since when it is in that (aware, in UTC), and all CAs there ever were, the oldest first."""

    phase: str
    since: datetime
    cas: Tuple[Known, ...]

    @property
    def issuing(self) -> Known:
        """The CA that issues."""
        return self.old if self.phase == ADD else self.new

    @property
    def old(self) -> Known:
        """The CA that is, or was, replaced."""
        return self.cas[-2]

    @property
    def new(self) -> Known:
        """The CA that replaces it."""
        return self.cas[-1]

    @property
    def trusted(self) -> Tuple[Known, ...]:
        """The CAs whose roots are to be trusted, the oldest first."""
        return tuple(one for one in self.cas if one.retired is None)


def is_due(present: Optional[RollOver], phase: str, directory: str) -> bool:
    """Whether a phase is the next one; False where it is the present one. Raises InputError for any other."""
    current = None if present is None else present.phase
    if current == phase:
        return False
    if current in _BEFORE[phase]:
        return True
    stands = "is in no roll-over" if current is None else "is in the phase {0}".format(current)
    following = next(one for one in PHASES if current in _BEFORE[one])
    raise InputError(
        "phase: the own CA in {0} {1}, so {2} cannot come now; the next phase is {3}".format(
            directory, stands, phase, following
        )
    )


def begun(present: Optional[RollOver], old: Known, new: Known, at: datetime) -> RollOver:
    """The phase `add`; `old` counts where there was no roll-over before."""
    before = (old,) if present is None else present.cas
    return RollOver(ADD, at, (*before, new))


def reissuing(present: RollOver, at: datetime) -> RollOver:
    """The phase `reissue`."""
    return replace(present, phase=REISSUE, since=at)


def retired(present: RollOver, at: datetime, listed_until: datetime) -> RollOver:
    """The phase `retire`."""
    old = replace(present.old, retired=at, listed_until=listed_until)
    return RollOver(RETIRE, at, (*present.cas[:-2], old, present.new))


def read(place: Place) -> Optional[RollOver]:
    """The roll-over of the CAs in a directory; None where there never was one. Raises IssuerError, DiskError."""
    if not place.has(STATE):
        return None
    try:
        return _decoded(json.loads(place.read(STATE)))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise IssuerError(
            "{0} is not what this version of mutual.tls wrote; restore it from the backup".format(place.path_of(STATE))
        ) from error


def write(place: Place, rollover: RollOver) -> None:
    """Put the file in place; from then on everybody goes by it."""
    place.put(STATE, encode(rollover))


def encode(rollover: RollOver) -> bytes:
    """The file's content, equal for equal roll-overs."""
    raw = {
        "version": VERSION,
        "phase": rollover.phase,
        "since": _text(rollover.since),
        "cas": [
            {
                "number": one.number,
                "root": one.root,
                "issuing": one.issuing,
                "retired": _text(one.retired),
                "listed_until": _text(one.listed_until),
            }
            for one in rollover.cas
        ],
    }
    return (json.dumps(raw, indent=2, sort_keys=True) + "\n").encode()


def _decoded(raw: Any) -> RollOver:
    if raw["version"] != VERSION or raw["phase"] not in PHASES:
        raise ValueError("another version")
    cas = tuple(
        Known(
            int(one["number"]), str(one["root"]), str(one["issuing"]), _time(one["retired"]), _time(one["listed_until"])
        )
        for one in raw["cas"]
    )
    found = RollOver(raw["phase"], _moment(raw["since"]), cas)
    trusted = (found.new,) if found.phase == RETIRE else (found.old, found.new)
    if found.trusted != trusted or [one.number for one in cas] != list(range(1, len(cas) + 1)):
        raise ValueError("no run writes such a list")
    return found


def _text(at: Optional[datetime]) -> Optional[str]:
    return None if at is None else at.astimezone(timezone.utc).strftime(_FORMAT)


def _time(text: Optional[str]) -> Optional[datetime]:
    return None if text is None else _moment(text)


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _FORMAT).replace(tzinfo=timezone.utc)
