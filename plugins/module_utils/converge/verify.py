# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a credential is to be proved: the request that the server must answer as expected.

The controller makes it of the options (`verify_options.py`), the wire document carries it, `proof.py` carries it out.
It stands alone, because a host reads it in each run and proves something in few.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from ..errors import InputError


@dataclass(frozen=True)
class Verify:
    """One HTTPS request and what to make of its answer.

    `path` includes the query; `user` is the host's user to ask as, None for the run's own; `proxy` is a URL, which may
    hold a password; `timeout` in seconds is for one attempt, `retries` come after the first; `authorities` are names.
    """

    host: str
    port: int
    path: str = field(repr=False)
    method: str
    headers: Tuple[Tuple[str, str], ...] = field(repr=False)
    body: Optional[bytes] = field(repr=False)
    username: Optional[str]
    password: Optional[str] = field(repr=False)
    status: Tuple[int, ...]
    user: Optional[str]
    proxy: Optional[str] = field(repr=False)
    timeout: float
    retries: int
    authorities: Tuple[str, ...]


def to_wire(verify: Verify) -> Dict[str, Any]:
    """As values that JSON has, for the wire document."""
    return {
        **{one.name: getattr(verify, one.name) for one in fields(verify)},
        "headers": [list(pair) for pair in verify.headers],
        "body": None if verify.body is None else base64.b64encode(verify.body).decode("ascii"),
        "status": list(verify.status),
        "authorities": list(verify.authorities),
    }


def from_wire(raw: object, where: str) -> Verify:
    """What `to_wire` made. Raises InputError naming the place, `where` and below, for any other shape."""
    if not isinstance(raw, dict):
        raise InputError("{0} must be a map".format(where))
    found = {name: _taken(raw, name, read, where) for name, read in _READERS.items()}
    return Verify(**found)


def _taken(raw: Mapping[str, Any], name: str, read: Callable[[Any], Any], where: str) -> Any:
    try:
        return read(raw[name])
    except (KeyError, OverflowError, TypeError, ValueError):
        raise InputError("{0}.{1} is missing or of the wrong type".format(where, name)) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    # Half a surrogate pair is no text; that it is not is a ValueError.
    value.encode("utf-8")
    return value


def _optional_text(value: Any) -> Optional[str]:
    return None if value is None else _text(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError
    return float(value)


def _list(value: Any) -> Tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError
    return tuple(value)


def _headers(value: Any) -> Tuple[Tuple[str, str], ...]:
    pairs = [_list(pair) for pair in _list(value)]
    return tuple((_text(name), _text(content)) for name, content in pairs)


def _body(value: Any) -> Optional[bytes]:
    # binascii.Error is a ValueError.
    return None if value is None else base64.b64decode(_text(value), validate=True)


_READERS: Dict[str, Callable[[Any], Any]] = {
    "host": _text,
    "port": _whole,
    "path": _text,
    "method": _text,
    "headers": _headers,
    "body": _body,
    "username": _optional_text,
    "password": _optional_text,
    "status": lambda value: tuple(_whole(item) for item in _list(value)),
    "user": _optional_text,
    "proxy": _optional_text,
    "timeout": _number,
    "retries": _whole,
    "authorities": lambda value: tuple(_text(item) for item in _list(value)),
}
