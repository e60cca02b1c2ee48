# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's reply: what it found and did, in the shape that the controller accepts.

The host fills it with `encode`; the controller reads it with `decode`, which trusts nothing: unknown keys, wrong
types, overlong texts and certificates of credentials it never asked about end in ReplyError.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .difference import REASONS, Difference
from .errors import ReplyError

VERSION = 1
STATES = ("active", "request", "awaiting", "absent", "failed", "held")
AWAITED = ("proof", "request")
EVENTS = ("deployed", "rolled_back", "activated", "held", "released", "removed")

MAXIMUM_SIZE = 4 * 1024 * 1024
_MAXIMUM_TEXT = 64 * 1024
_MAXIMUM_ITEMS = 10_000
_MAXIMUM_GENERATION = 10**9
# What a host sends of one credential: its directories may hold thousands of files that are not ours.
_MAXIMUM_DIFFERENCES = 300
_MAXIMUM_SHOWN = 1000
# One run does no more than a few things to a credential, and each becomes a line of the audit log.
_MAXIMUM_EVENTS = 16

_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class PendingRequest:
    """A CSR that waits on the host (PEM; None in check mode, where none was made) and since when (ISO 8601).

    `public_fingerprint` (SHA-256 of the public key, lower-case hex) is that of the key that waits or is kept, also
    where there is no CSR yet; None where the key would be a new one.
    """

    pem: Optional[str]
    since: Optional[str]
    public_fingerprint: Optional[str] = None


@dataclass(frozen=True)
class Candidate:
    """A generation that a rollback could go back to, and its certificate (PEM)."""

    generation: int
    certificate: str


@dataclass(frozen=True)
class Awaiting:
    """A generation that waits for its activation, since when (ISO 8601), and for what: one of `AWAITED`.

    `problem` says how its handshake failed, where one was made.
    """

    generation: int
    since: str
    what: str
    problem: Optional[str]


@dataclass(frozen=True)
class Event:
    """One thing that was done, one of `EVENTS`: the generation in use since then, the SHA-256 of its certificate."""

    event: str
    generation: Optional[int]
    fingerprint_sha256: Optional[str]


@dataclass(frozen=True)
class CredentialReply:
    """One credential's outcome on the host. `certificate` is the leaf in use, PEM.

    `error` says why it failed, or why one that is held cannot be judged. `candidate` answers a rollback that the
    controller has not agreed to yet. `held_since` (ISO 8601): a rollback holds it until it is released. `events` are
    what this trip did, in order.
    """

    name: str
    state: str
    changed: bool
    differences: Tuple[Difference, ...]
    generation: Optional[int]
    certificate: Optional[str]
    request: Optional[PendingRequest]
    error: Optional[str]
    directory: str
    candidate: Optional[Candidate] = None
    awaiting: Optional[Awaiting] = None
    held_since: Optional[str] = None
    events: Tuple[Event, ...] = ()


@dataclass(frozen=True)
class Reply:
    """A whole host's outcome; `orphaned` are credentials on its disk that the inventory does not list."""

    changed: bool
    orphaned: Tuple[str, ...]
    credentials: Tuple[CredentialReply, ...]


def encode(reply: Reply) -> Dict[str, Any]:
    """The reply as plain JSON values, with texts and lists cut to what the controller accepts."""
    raw = {"version": VERSION, **asdict(reply)}
    for credential in raw["credentials"]:
        credential["differences"] = _few(credential["differences"])
        credential["error"] = None if credential["error"] is None else _short(credential["error"])
        if credential["awaiting"] is not None and credential["awaiting"]["problem"] is not None:
            credential["awaiting"]["problem"] = _short(credential["awaiting"]["problem"])
    return raw


def _few(differences: Sequence[Dict[str, str]]) -> List[Dict[str, str]]:
    """The first ones, and of those beyond them one for each further reason."""
    kept = list(differences[:_MAXIMUM_DIFFERENCES])
    seen = {item["reason"] for item in kept}
    for item in differences[_MAXIMUM_DIFFERENCES:]:
        if item["reason"] not in seen:
            seen.add(item["reason"])
            kept.append(item)
    return [{key: _short(text) for key, text in item.items()} for item in kept]


def _short(text: str) -> str:
    return text if len(text) <= _MAXIMUM_SHOWN else text[:_MAXIMUM_SHOWN] + "..."


def decode(raw: Mapping[str, Any], names: Sequence[str]) -> Reply:
    """Read a reply about the credentials `names`. Raises ReplyError where it is not what was agreed on."""
    _check_size(raw)
    _map(raw, ("version", *_names_of(Reply)))
    if _value(raw, "version", int) != VERSION:
        raise ReplyError("the host's reply is of another version")
    replies = tuple(_credential(item) for item in _list(raw, "credentials"))
    if sorted(reply.name for reply in replies) != sorted(names):
        raise ReplyError("the host's reply is not about the credentials that were sent")
    return Reply(
        changed=_value(raw, "changed", bool),
        orphaned=tuple(_shown(item) for item in _list(raw, "orphaned")),
        credentials=replies,
    )


def _check_size(raw: object) -> None:
    try:
        size = len(json.dumps(raw, default=str))
    except (TypeError, ValueError, RecursionError):
        raise ReplyError("the host's reply is not of plain values") from None
    if size > MAXIMUM_SIZE:
        raise ReplyError("the host's reply is larger than {0} bytes".format(MAXIMUM_SIZE))


def _credential(item: object) -> CredentialReply:
    raw = _map(item, _names_of(CredentialReply))
    state = _text(raw.get("state"))
    if state not in STATES:
        raise ReplyError("the host's reply holds an unknown state")
    request, error = raw.get("request"), raw.get("error")
    explained = {"failed": (True,), "held": (True, False)}.get(state, (False,))
    awaiting = None if raw.get("awaiting") is None else _awaiting(raw["awaiting"])
    if (
        (request is not None) != (state == "request")
        or (awaiting is not None) != (state == "awaiting")
        or (error is not None) not in explained
    ):
        raise ReplyError("the host's reply contradicts itself")
    candidate, since = raw.get("candidate"), raw.get("held_since")
    return CredentialReply(
        name=_text(raw.get("name")),
        state=state,
        changed=_value(raw, "changed", bool),
        differences=tuple(_difference(entry) for entry in _list(raw, "differences")),
        generation=None if raw.get("generation") is None else _generation(raw),
        certificate=_optional(raw.get("certificate")),
        request=None if request is None else _request(_map(request, _names_of(PendingRequest))),
        error=None if error is None else _shown(error),
        directory=_shown(raw.get("directory")),
        candidate=None if candidate is None else _candidate(candidate),
        awaiting=awaiting,
        held_since=None if since is None else _shown(since),
        events=_events(_list(raw, "events")),
    )


def _candidate(item: object) -> Candidate:
    raw = _map(item, _names_of(Candidate))
    return Candidate(_generation(raw), _text(raw.get("certificate")))


def _awaiting(item: object) -> Awaiting:
    raw = _map(item, _names_of(Awaiting))
    what, problem = _text(raw.get("what")), raw.get("problem")
    if what not in AWAITED:
        raise ReplyError("the host's reply says of a generation that it waits for nobody knows what")
    return Awaiting(_generation(raw), _shown(raw.get("since")), what, None if problem is None else _shown(problem))


def _events(items: Sequence[object]) -> Tuple[Event, ...]:
    if len(items) > _MAXIMUM_EVENTS:
        raise ReplyError("the host's reply holds more events than one run can have")
    return tuple(_event(_map(item, _names_of(Event))) for item in items)


def _event(raw: Mapping[str, Any]) -> Event:
    event, fingerprint = _text(raw.get("event")), _optional(raw.get("fingerprint_sha256"))
    if event not in EVENTS:
        raise ReplyError("the host's reply holds an unknown event")
    if fingerprint is not None and not _FINGERPRINT.match(fingerprint):
        raise ReplyError("the host's reply holds no proper fingerprint of a certificate")
    return Event(event, None if raw.get("generation") is None else _generation(raw), fingerprint)


def _generation(raw: Mapping[str, Any]) -> int:
    generation: int = _value(raw, "generation", int)
    if not 0 < generation <= _MAXIMUM_GENERATION:
        raise ReplyError("the host's reply holds an impossible generation")
    return generation


def _request(raw: Mapping[str, Any]) -> PendingRequest:
    since, fingerprint = raw.get("since"), _optional(raw.get("public_fingerprint"))
    if fingerprint is not None and not _FINGERPRINT.match(fingerprint):
        raise ReplyError("the host's reply holds no proper fingerprint of a public key")
    return PendingRequest(_optional(raw.get("pem")), None if since is None else _shown(since), fingerprint)


def _difference(item: object) -> Difference:
    raw = _map(item, _names_of(Difference))
    reason = _text(raw.get("reason"))
    if reason not in REASONS:
        raise ReplyError("the host's reply holds an unknown reason code")
    return Difference(reason, _shown(raw.get("where")), _shown(raw.get("was")), _shown(raw.get("wanted")))


def _names_of(kind: type[Any]) -> Tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


def _map(item: object, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise ReplyError("the host's reply holds something else where a map should be")
    if set(item) != set(keys):
        raise ReplyError("the host's reply holds a map with other keys than agreed on")
    return item


def _list(raw: Mapping[str, Any], key: str) -> List[Any]:
    value = raw.get(key)
    if not isinstance(value, (list, tuple)) or len(value) > _MAXIMUM_ITEMS:
        raise ReplyError("the host's reply holds no proper list {0!r}".format(key))
    return list(value)


def _value(raw: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    value = raw.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ReplyError("the host's reply holds no proper {0!r}".format(key))
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _MAXIMUM_TEXT:
        raise ReplyError("the host's reply holds something else where a short text should be")
    # A plain copy: the controller's own string types carry trust marks that a host must not set.
    return str.__str__(value)


def _shown(value: object) -> str:
    """A text that people will read: nothing in it may steer their terminal, forge a line or break an encoder."""
    text = _text(value)
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _optional(value: object) -> Optional[str]:
    return None if value is None else _text(value)
