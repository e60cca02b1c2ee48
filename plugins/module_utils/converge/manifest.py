# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a generation: what was asked for and the SHA-256 of each file as it was written.

With it a file that somebody tampered with (mended in place) can be told from a changed inventory (a new
generation). It holds no secrets and is readable by root alone, since a digest of a short secret is a hint.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Tuple

from ..request import RequestSpec

NAME = "manifest.json"
VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """What a generation was made for. `files` maps names to SHA-256 (hex), `aliases` stores to their own aliases."""

    provider: str
    issuer: str
    spec: RequestSpec
    fingerprint_sha256: str
    files: Mapping[str, str]
    aliases: Mapping[str, Tuple[str, ...]]


def digest(content: bytes) -> str:
    """SHA-256 of a file's content, lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def encode(manifest: Manifest) -> bytes:
    """The manifest as JSON text that is equal for equal manifests."""
    raw = {
        "version": VERSION,
        "provider": manifest.provider,
        "issuer": manifest.issuer,
        "subject": [list(pair) for pair in manifest.spec.subject],
        "subject_alt_name": list(manifest.spec.subject_alt_name),
        "fingerprint_sha256": manifest.fingerprint_sha256,
        "files": dict(manifest.files),
        "aliases": {name: list(aliases) for name, aliases in manifest.aliases.items()},
    }
    return (json.dumps(raw, indent=2, sort_keys=True) + "\n").encode()


def decode(content: bytes) -> Optional[Manifest]:
    """Read a manifest; None where it is not one (it is rebuilt then: nothing depends on it alone)."""
    try:
        raw: Dict[str, Any] = json.loads(content)
        if raw["version"] != VERSION:
            return None
        return Manifest(
            provider=_text(raw["provider"]),
            issuer=_text(raw["issuer"]),
            spec=RequestSpec(
                subject=tuple((_text(name), _text(value)) for name, value in raw["subject"]),
                subject_alt_name=tuple(_text(name) for name in raw["subject_alt_name"]),
            ),
            fingerprint_sha256=_text(raw["fingerprint_sha256"]),
            files={_text(name): _text(value) for name, value in raw["files"].items()},
            aliases={_text(name): tuple(_text(alias) for alias in aliases) for name, aliases in raw["aliases"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
