# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's reply: what it found and did, in the shape that the controller accepts.

The host fills it with `encode`; the controller reads it with `decode`, which trusts nothing: unknown keys, wrong
types, overlong texts and certificates of credentials it never asked about end in ReplyError.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from .difference import REASONS, Difference
from .errors import ReplyError

VERSION = 1
STATES = ("active", "request", "absent", "failed", "held")

MAXIMUM_SIZE = 4 * 1024 * 1024
_MAXIMUM_TEXT = 64 * 1024
_MAXIMUM_ITEMS = 10_000


@dataclass(frozen=True)
class PendingRequest:
    """A CSR that waits on the host (PEM; None in check mode, where none was made) and since when (ISO 8601)."""

    pem: Optional[str]
    since: Optional[str]


@dataclass(frozen=True)
class CredentialReply:
    """One credential's outcome on the host. `certificate` is the leaf in use, PEM."""

    name: str
    state: str
    changed: bool
    differences: Tuple[Difference, ...]
    generation: Optional[int]
    certificate: Optional[str]
    request: Optional[PendingRequest]
    error: Optional[str]
    directory: str


@dataclass(frozen=True)
class Reply:
    """A whole host's outcome; `orphaned` are credentials on its disk that the inventory does not list."""

    changed: bool
    orphaned: Tuple[str, ...]
    credentials: Tuple[CredentialReply, ...]


def encode(reply: Reply) -> Dict[str, Any]:
    """The reply as plain JSON values."""
    return {"version": VERSION, **asdict(reply)}


def decode(raw: Mapping[str, Any], names: Sequence[str]) -> Reply:
    """Read a reply about the credentials `names`. Raises ReplyError where it is not what was agreed on."""
    if len(json.dumps(raw, default=str)) > MAXIMUM_SIZE:
        raise ReplyError("the host's reply is larger than {0} bytes".format(MAXIMUM_SIZE))
    if raw.get("version") != VERSION:
        raise ReplyError("the host's reply is of another version")
    replies = tuple(_credential(item) for item in _list(raw, "credentials"))
    if sorted(reply.name for reply in replies) != sorted(names):
        raise ReplyError("the host's reply is not about the credentials that were sent")
    return Reply(
        changed=_value(raw, "changed", bool),
        orphaned=tuple(_text(item) for item in _list(raw, "orphaned")),
        credentials=replies,
    )


def _credential(item: object) -> CredentialReply:
    raw = _map(item)
    state = _text(raw.get("state"))
    if state not in STATES:
        raise ReplyError("the host's reply holds an unknown state")
    request = raw.get("request")
    generation = None if raw.get("generation") is None else _value(raw, "generation", int)
    return CredentialReply(
        name=_text(raw.get("name")),
        state=state,
        changed=_value(raw, "changed", bool),
        differences=tuple(_difference(entry) for entry in _list(raw, "differences")),
        generation=generation,
        certificate=_optional(raw.get("certificate")),
        request=None if request is None else _request(_map(request)),
        error=_optional(raw.get("error")),
        directory=_text(raw.get("directory")),
    )


def _request(raw: Mapping[str, Any]) -> PendingRequest:
    return PendingRequest(_optional(raw.get("pem")), _optional(raw.get("since")))


def _difference(item: object) -> Difference:
    raw = _map(item)
    reason = _text(raw.get("reason"))
    if reason not in REASONS:
        raise ReplyError("the host's reply holds an unknown reason code")
    return Difference(reason, _text(raw.get("where")), _text(raw.get("was")), _text(raw.get("wanted")))


def _map(item: object) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise ReplyError("the host's reply holds something else where a map should be")
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


def _optional(value: object) -> Optional[str]:
    return None if value is None else _text(value)
