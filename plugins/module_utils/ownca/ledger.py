# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of an own CA: every certificate it ever issued, to whom, and whether it was revoked.

Times are ISO 8601 in UTC (`2026-11-21T12:00:00Z`), which compare as text; serial numbers and fingerprints are
lower-case hex.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Iterator, List, Optional

from ..database import Schema, is_filled, select, transaction
from ..errors import InputError

_SCHEMA = Schema(
    "the ledger",
    1,
    (
        """
        CREATE TABLE certificate (
            serial TEXT NOT NULL PRIMARY KEY,
            host TEXT NOT NULL,
            credential TEXT NOT NULL,
            public_fingerprint TEXT NOT NULL,
            request_digest TEXT NOT NULL,
            csr_digest TEXT NOT NULL,
            issued_at TEXT NOT NULL,
            not_before TEXT NOT NULL,
            not_after TEXT NOT NULL,
            certificate BLOB NOT NULL,
            status TEXT NOT NULL DEFAULT 'issued' CHECK (status IN ('issued', 'revoked')),
            reason TEXT,
            revoked_at TEXT
        )
        """,
        "CREATE INDEX certificate_by_request ON certificate (request_digest, not_after)",
        "CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)",
        "INSERT INTO counter VALUES ('crl_number', 0)",
    ),
)

REVOCATION_REASONS = (
    "unspecified",
    "key_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "privilege_withdrawn",
)
"""Why an issuing CA may revoke a client's certificate (RFC 5280, 5.3.1); hold is not offered: it can be undone."""


@dataclass(frozen=True)
class Entry:
    """One issued certificate (DER) with what it answers: digests of the request's meaning and of its bytes."""

    serial: str
    host: str
    credential: str
    public_fingerprint: str
    request_digest: str
    csr_digest: str
    issued_at: datetime
    not_before: datetime
    not_after: datetime
    certificate: bytes


@dataclass(frozen=True)
class Revocation:
    """One revoked certificate: its serial number, when and why."""

    serial: str
    revoked_at: datetime
    reason: str


class Writer:
    """The ledger inside one write transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def latest(self, request_digest: str) -> Optional[bytes]:
        """The certificate (DER) that lasts longest of those issued, and not revoked, for the same request."""
        row = self._connection.execute(
            "SELECT certificate FROM certificate WHERE request_digest = ? AND status = 'issued' "
            "ORDER BY not_after DESC, issued_at DESC LIMIT 1",
            (request_digest,),
        ).fetchone()
        return None if row is None else bytes(row[0])

    def has_serial(self, serial: str) -> bool:
        """Whether a serial number was given out before."""
        query = "SELECT 1 FROM certificate WHERE serial = ?"
        return self._connection.execute(query, (serial,)).fetchone() is not None

    def add(self, entry: Entry) -> None:
        """Record a certificate."""
        self._connection.execute(
            "INSERT INTO certificate (serial, host, credential, public_fingerprint, request_digest, csr_digest, "
            "issued_at, not_before, not_after, certificate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                entry.serial,
                entry.host,
                entry.credential,
                entry.public_fingerprint,
                entry.request_digest,
                entry.csr_digest,
                _text(entry.issued_at),
                _text(entry.not_before),
                _text(entry.not_after),
                entry.certificate,
            ),
        )

    def revoke(self, serial: str, reason: str, at: datetime) -> bool:
        """Mark a certificate as revoked; False where it was already. Raises InputError for an unknown serial."""
        if not self.has_serial(serial):
            raise InputError("no certificate with the serial number {0} was issued by this CA".format(serial))
        changed = self._connection.execute(
            "UPDATE certificate SET status = 'revoked', reason = ?, revoked_at = ? "
            "WHERE serial = ? AND status = 'issued'",
            (reason, _text(at), serial),
        )
        return changed.rowcount == 1

    def next_crl_number(self) -> int:
        """A number higher than that of every revocation list before."""
        self._connection.execute("UPDATE counter SET value = value + 1 WHERE name = 'crl_number'")
        row = self._connection.execute("SELECT value FROM counter WHERE name = 'crl_number'").fetchone()
        return int(row[0])


class Ledger:
    """The ledger in one file. It is opened per call, so the object may cross a fork."""

    def __init__(self, path: str) -> None:
        self._path = path

    def exists(self) -> bool:
        """Whether the ledger was created, completely."""
        return is_filled(self._path, _SCHEMA)

    def create(self) -> None:
        """Make an empty ledger."""
        with transaction(self._path, _SCHEMA, create=True):
            return

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """One transaction, alone in the ledger, on disk at its end. Raises IssuerError."""
        with transaction(self._path, _SCHEMA, create=False) as connection:
            yield Writer(connection)

    def revocations(self, at: datetime) -> List[Revocation]:
        """Every revoked certificate that has not expired at `at`, by serial number."""
        rows = select(
            self._path,
            _SCHEMA,
            "SELECT serial, revoked_at, reason FROM certificate WHERE status = 'revoked' AND not_after >= ? "
            "ORDER BY serial",
            _text(at),
        )
        return [Revocation(serial, _time(revoked_at), reason) for serial, revoked_at, reason in rows]


def _text(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
