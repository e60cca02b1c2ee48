# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a credential, state.json: what it placed outside its own directory.

It is written before the act, so that a run that was cut off still knows what is its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Dict, Iterable, Mapping, Optional

NAME = "state.json"
MODE = 0o600
VERSION = 1


@dataclass(frozen=True)
class Journal:
    """`links` maps each path outside the credential's directory to what was put there: "link" or "copy"."""

    links: Mapping[str, str] = field(default_factory=dict)


def joined(journals: Iterable[Journal]) -> Journal:
    """Several journals as one. What any of them calls a copy is one: it may still stand where a link shall be."""
    links: Dict[str, str] = {}
    for journal in journals:
        for path, kind in journal.links.items():
            links[path] = "copy" if "copy" in (kind, links.get(path)) else kind
    return Journal(links)


def encode(journal: Journal) -> bytes:
    """The journal as JSON text that is equal for equal journals."""
    return (json.dumps({"version": VERSION, "links": dict(journal.links)}, indent=2, sort_keys=True) + "\n").encode()


def decode(content: bytes) -> Optional[Journal]:
    """Read a journal; None where it is not one."""
    try:
        raw = json.loads(content)
        links: Dict[str, str] = {
            path: kind
            for path, kind in raw["links"].items()
            if path.startswith("/") and ".." not in path.split("/") and "\0" not in path and kind in ("link", "copy")
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return Journal(links)
