# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in a request's body a server must not echo into a result."""

from __future__ import annotations

import json
from typing import Any, Iterator, List, Tuple
from urllib.parse import parse_qsl

_SHORTEST = 4
"""Characters. Shorter values of a body are mostly flags, numbers and codes ("1", "en"): masking each of them wherever a
server writes it would garble the answer and hide nothing."""


def texts_of(body: bytes) -> Tuple[str, ...]:
    """The body as text, and the values in it where it is JSON or a form: a server may repeat them one by one."""
    text = body.decode("utf-8", "replace")
    found = [text, text.strip(), *_values(text)]
    return tuple(dict.fromkeys(one for one in found if len(one) >= _SHORTEST))


def _values(text: str) -> List[str]:
    try:
        return list(_leaves(json.loads(text)))
    except (ValueError, RecursionError):
        # No JSON: a form, then, or some text without such pairs.
        pass
    try:
        decoded = [value for _name, value in parse_qsl(text.strip())]
    except ValueError:
        return []
    return [*decoded, *(pair.partition("=")[2] for pair in text.strip().split("&"))]


def _leaves(value: Any) -> Iterator[str]:
    """Every string in a JSON value but the names. Without recursion: what JSON nests may nest deep."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            pending += item.values()
        elif isinstance(item, list):
            pending += item
