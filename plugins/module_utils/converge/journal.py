# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a credential, state.json: what it placed outside its own directory, and what is still owed.

It is written before the act, so that a run that was cut off still knows what is its own and what is to be finished.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Iterable, Mapping, Optional

NAME = "state.json"
MODE = 0o600
VERSION = 2
MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_LINKS_ONLY = 1

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
_LARGEST_NUMBER = 10**9


@dataclass(frozen=True)
class Switch:
    """`current` was pointed, or is about to be, to the generation `number`, and nobody has confirmed it yet.

    `previous` is the generation to point back to; None where there was none.
    """

    number: int
    previous: Optional[int]


PROOF, REQUEST = "proof", "request"


@dataclass(frozen=True)
class Awaiting:
    """The generation `number` waits since (ISO 8601) for `PROOF`, a handshake, or for a `REQUEST` to be used."""

    number: int
    since: str
    what: str


@dataclass(frozen=True)
class Journal:
    """What a credential's runs leave for the next one.

    `links` maps each path outside the credential's directory to what was put there: "link" or "copy". `reload` says
    that files in use have changed, or may have, since those who use them were last told. `switch` is a switch that is
    not confirmed, `awaiting` a generation that may not come into use yet. `held` says since when (ISO 8601) a rollback
    keeps everything else from being done.
    """

    links: Mapping[str, str] = field(default_factory=dict)
    reload: bool = False
    switch: Optional[Switch] = None
    awaiting: Optional[Awaiting] = None
    held: Optional[str] = None


def joined(journals: Iterable[Journal]) -> Journal:
    """Several journals as one. What any of them calls a copy is one: it may still stand where a link shall be."""
    links: Dict[str, str] = {}
    for journal in journals:
        for path, kind in journal.links.items():
            links[path] = "copy" if "copy" in (kind, links.get(path)) else kind
    return Journal(links)


def encode(journal: Journal) -> bytes:
    """The journal as JSON text that is equal for equal journals."""
    switch, awaiting = journal.switch, journal.awaiting
    raw = {
        "version": VERSION,
        "links": dict(journal.links),
        "reload": journal.reload,
        "switch": None if switch is None else {"number": switch.number, "previous": switch.previous},
        "awaiting": None if awaiting is None else asdict(awaiting),
        "held": journal.held,
    }
    return (json.dumps(raw, indent=2, sort_keys=True) + "\n").encode()


def decode(content: bytes) -> Optional[Journal]:
    """Read a journal, also of version 1, which knew links only; None where it is not one."""
    try:
        raw: Dict[str, Any] = json.loads(content)
        links: Dict[str, str] = {
            path: kind
            for path, kind in raw["links"].items()
            if path.startswith("/") and ".." not in path.split("/") and "\0" not in path and kind in ("link", "copy")
        }
        if raw["version"] == _LINKS_ONLY:
            return Journal(links)
        if raw["version"] != VERSION or not isinstance(raw["reload"], bool):
            return None
        return Journal(links, raw["reload"], _switch(raw["switch"]), _awaiting(raw["awaiting"]), _moment(raw["held"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _switch(raw: Any) -> Optional[Switch]:
    if raw is None:
        return None
    previous = raw["previous"]
    return Switch(_number(raw["number"]), None if previous is None else _number(previous))


def _awaiting(raw: Any) -> Optional[Awaiting]:
    if raw is None:
        return None
    since = _moment(raw["since"])
    if since is None or raw["what"] not in (PROOF, REQUEST):
        raise ValueError("nothing waits for this")
    return Awaiting(_number(raw["number"]), since, raw["what"])


def _moment(value: Any) -> Optional[str]:
    if value is not None and not (isinstance(value, str) and _MOMENT.match(value)):
        raise ValueError("this is no moment")
    return value


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < _LARGEST_NUMBER:
        raise ValueError("no generation has this number")
    return value
