# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which host each public key belongs to: one registry for all issuers.

Without it a host that got hold of another's private key (or an image cloned with its keys) could have that key
certified under its own name. The identity of a host is its `inventory_hostname`.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Optional

from ..module_utils.database import Schema, select, transaction
from ..module_utils.errors import PolicyError
from ..module_utils.state_directory import StateDirectory

_SCHEMA = Schema(
    "the key registry",
    1,
    (
        """
        CREATE TABLE key (
            public_fingerprint TEXT NOT NULL PRIMARY KEY,
            host TEXT NOT NULL,
            credential TEXT NOT NULL,
            registered_at TEXT NOT NULL
        ) WITHOUT ROWID
        """,
    ),
)


class Registry:
    """The key registry of one state directory. Opens its file per call, so it may cross a fork."""

    def __init__(self, state_directory: StateDirectory) -> None:
        self._path = state_directory.registry

    def claim(self, public_fingerprint: str, host: str, credential: str) -> None:
        """Register a key for a host; nothing happens where it has it already.

        Raises PolicyError where another host holds the key, IssuerError where the registry cannot be used.
        """
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        with transaction(self._path, _SCHEMA) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO key VALUES (?, ?, ?, ?)", (public_fingerprint, host, credential, now)
            )
            query = "SELECT host, credential FROM key WHERE public_fingerprint = ?"
            holder, held_for = connection.execute(query, (public_fingerprint,)).fetchone()
        if holder != host:
            raise PolicyError(
                'policy rule "key_owner": host {0}, credential {1}: the public key {2} is registered for host {3} '
                "(credential {4}). If that host's disk was cloned, remove the key on {0} so that it makes its "
                "own".format(host, credential, public_fingerprint, holder, held_for)
            )

    def holder(self, public_fingerprint: str) -> Optional[str]:
        """The host that a key is registered for, or None. Writes nothing."""
        if not os.path.lexists(self._path):
            return None
        query = "SELECT host FROM key WHERE public_fingerprint = ?"
        rows = select(self._path, _SCHEMA, query, public_fingerprint)
        return str(rows[0][0]) if rows else None
