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
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Iterator, List, Tuple, Union

from .errors import IssuerError
from .lock_holder import holder

BUSY_TIMEOUT = 120.0
"""Seconds that a process waits for the others; each holds the lock for milliseconds."""
_STEP = 0.5
"""Seconds that it waits at a time: it hears no signal meanwhile, and whoever presses Ctrl-C waits with it."""


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
        _begin(connection)
        try:
            _prepare(connection, schema, path)
            yield connection
        except BaseException:
            # SQLite has done so itself where the disk is full: a second time would hide that.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _begin(connection: sqlite3.Connection) -> None:
    """Take the write lock, when the others let it go."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    _wait_at_most(connection, min(_STEP, BUSY_TIMEOUT))
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            break
        except sqlite3.OperationalError as error:
            if not _is_locked(error) or time.monotonic() >= deadline:
                raise
    _wait_at_most(connection, BUSY_TIMEOUT)


def _wait_at_most(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute("PRAGMA busy_timeout = {0:d}".format(int(1000 * seconds)))


def _is_locked(error: sqlite3.Error) -> bool:
    # The error's code can be asked for since Python 3.11.
    return "is locked" in str(error)


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
        raise IssuerError(_problem(schema, path, error)) from error


def _problem(schema: Schema, path: str, error: sqlite3.Error) -> str:
    if _is_locked(error):
        told = holder(os.stat(path)) if os.path.exists(path) else ""
        return "cannot use {0} {1}: another process{2} has kept it locked for {3:g} seconds; wait for it to end".format(
            schema.what, path, told, BUSY_TIMEOUT
        )
    return "cannot use {0} {1}: {2}; look at its permissions and free space, or restore it from the backup".format(
        schema.what, path, error
    )


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
