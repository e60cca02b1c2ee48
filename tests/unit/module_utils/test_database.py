# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people are told where a database cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.database import Schema, select, transaction
from ansible_collections.mutual.tls.plugins.module_utils.errors import IssuerError

SCHEMA = Schema("the ledger", 1, ("CREATE TABLE one (value BLOB)",))


def test_a_full_disk_is_called_that_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sqlite")
    with transaction(path, SCHEMA) as connection:
        connection.execute("INSERT INTO one VALUES ('kept')")
    told = pytest.raises(IssuerError, match=r"the ledger .*a\.sqlite: .*full; look at its permissions and free space")
    with told, transaction(path, SCHEMA) as connection:
        connection.execute("INSERT INTO one VALUES ('half')")
        # As SQLite says it of a disk; it ends the transaction by itself.
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("INSERT INTO one VALUES (zeroblob(10000000))")
    assert select(path, SCHEMA, "SELECT value FROM one") == [("kept",)]
