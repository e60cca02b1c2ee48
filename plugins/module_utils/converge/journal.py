# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a credential, state.json: what it placed outside its own directory.

It is written before the act, so that a run that was cut off still knows what is its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Dict, Mapping

NAME = "state.json"
VERSION = 1


@dataclass(frozen=True)
class Journal:
    """`links` maps each path outside the credential's directory to what was put there: "link" or "copy"."""

    links: Mapping[str, str] = field(default_factory=dict)


def encode(journal: Journal) -> bytes:
    """The journal as JSON text that is equal for equal journals."""
    return (json.dumps({"version": VERSION, "links": dict(journal.links)}, indent=2, sort_keys=True) + "\n").encode()


def decode(content: bytes) -> Journal:
    """Read a journal; what is not one counts as empty."""
    try:
        raw = json.loads(content)
        links: Dict[str, str] = {
            path: kind
            for path, kind in raw["links"].items()
            if isinstance(path, str) and path.startswith("/") and kind in ("link", "copy")
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Journal()
    return Journal(links)
