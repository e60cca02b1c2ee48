# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQLite files on the controller: opened per operation, safe for many processes at once.

Each host's task runs in a process of its own, so a connection must not outlive the call that needs it. A
transaction takes the write lock when it begins (BEGIN IMMEDIATE): what it reads cannot change before it writes.
It is on disk when it returns (synchronous=FULL, rollback journal: write-ahead logs do not work on network
file systems).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator, List, Tuple, Union

from .errors import IssuerError

BUSY_TIMEOUT = 120.0
"""Seconds that a process waits for the others; each holds the lock for milliseconds."""


@dataclass(frozen=True)
class Schema:
    """What a database file holds: a word for messages, its version, and the statements that make it."""

    what: str
    version: int
    statements: Tuple[str, ...]


@contextmanager
def transaction(path: str, schema: Schema, create: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection inside one write transaction: committed and durable at the end, rolled back on any error.

    With `create` a missing file is made, readable by its owner only. Raises IssuerError where the file is
    missing, locked for too long, not a database, or made by a newer version.
    """
    with _connection(path, schema, create) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            _prepare(connection, schema, path)
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def select(path: str, schema: Schema, query: str, *parameters: Union[str, int]) -> List[Tuple[Any, ...]]:
    """The rows that a query gives; none where the file was created but never filled. Writes nothing.

    Raises IssuerError as `transaction` does, also where the file is missing.
    """
    with _connection(path, schema, create=False) as connection:
        connection.execute("PRAGMA query_only = ON")
        if _version(connection, schema, path) == 0:
            return []
        return connection.execute(query, parameters).fetchall()


def is_filled(path: str, schema: Schema) -> bool:
    """Whether the file exists and a first transaction has been completed in it."""
    if not os.path.lexists(path):
        return False
    with _connection(path, schema, create=False) as connection:
        return _version(connection, schema, path) > 0


@contextmanager
def _connection(path: str, schema: Schema, create: bool) -> Iterator[sqlite3.Connection]:
    try:
        if create:
            # SQLite would create it with whatever the umask allows; its journal takes the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        elif not os.path.isfile(path):
            raise IssuerError("{0} {1} is missing; restore it from the backup".format(schema.what, path))
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
        finally:
            connection.close()
    except OSError as error:
        raise IssuerError("cannot open {0} {1}: {2}".format(schema.what, path, error.strerror or error)) from error
    except sqlite3.Error as error:
        raise IssuerError(
            "cannot use {0} {1}: {2}; look at its permissions and free space, or restore it from the backup".format(
                schema.what, path, error
            )
        ) from error


def _version(connection: sqlite3.Connection, schema: Schema, path: str) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > schema.version:
        raise IssuerError(
            "{0} {1} was made by a newer version of mutual.tls; use that version".format(schema.what, path)
        )
    return version


def _prepare(connection: sqlite3.Connection, schema: Schema, path: str) -> None:
    if _version(connection, schema, path) == 0:
        for statement in schema.statements:
            connection.execute(statement)
        connection.execute("PRAGMA user_version = {0:d}".format(schema.version))
