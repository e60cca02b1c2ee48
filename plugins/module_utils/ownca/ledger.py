# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger of an own CA: every certificate it ever issued, to whom, and whether it was revoked.

Times are ISO 8601 in UTC (`2026-11-21T12:00:00Z`), which compare as text; serial numbers and fingerprints are
lower-case hex.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Sequence

from .. import certificate as certificates
from ..database import Schema, is_filled, select, transaction
from ..errors import InputError
from ..imports import x509

_COLUMNS = (
    "serial, host, credential, public_fingerprint, request_digest, csr_digest, issued_at, not_before, not_after, "
    "certificate, status, reason, revoked_at"
)
_SELECTORS = ("host", "credential", "serial")
_SERIAL = re.compile(r"[0-9a-f]{1,128}\Z")
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
        "CREATE INDEX certificate_by_holder ON certificate (host, credential)",
        "CREATE INDEX certificate_by_key ON certificate (public_fingerprint)",
        "CREATE TABLE counter (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL)",
        "INSERT INTO counter VALUES ('crl_number', 0)",
    ),
)

KEY_COMPROMISE = "key_compromise"

REVOCATION_REASONS = (
    "unspecified",
    KEY_COMPROMISE,
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "privilege_withdrawn",
)
"""Why an issuing CA may revoke a client's certificate (RFC 5280, 5.3.1); hold is not offered: it can be undone."""


@dataclass(frozen=True)
class Revocation:
    """One revoked certificate: its serial number, when and why."""

    serial: str
    revoked_at: datetime
    reason: str


@dataclass(frozen=True)
class Entry:
    """One issued certificate (DER) with what it answers: digests of the request's meaning and of its bytes.

    `revocation` is None where it was not revoked.
    """

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
    revocation: Optional[Revocation] = None


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

    def revoke(self, serial: str, reason: str, at: datetime) -> Optional[Revocation]:
        """Mark a certificate as revoked. Where it was already, that stays as it was and is returned."""
        changed = self._connection.execute(
            "UPDATE certificate SET status = 'revoked', reason = ?, revoked_at = ? "
            "WHERE serial = ? AND status = 'issued'",
            (reason, _text(at), serial),
        )
        return None if changed.rowcount else self._revocation("serial = ?", serial)

    def compromised(self, public_fingerprint: str) -> Optional[Revocation]:
        """The first revocation, of any certificate for this key, that says that others have the key; None if none."""
        return self._revocation("public_fingerprint = ? AND reason = ?", public_fingerprint, KEY_COMPROMISE)

    def _revocation(self, condition: str, *parameters: str) -> Optional[Revocation]:
        query = (
            "SELECT serial, revoked_at, reason FROM certificate WHERE status = 'revoked' AND {0} ORDER BY revoked_at"
        )
        row = self._connection.execute(query.format(condition), parameters).fetchone()
        return None if row is None else Revocation(row[0], _time(row[1]), row[2])

    def next_crl_number(self, of_root: bool = False) -> int:
        """A number higher than that of every revocation list before, of the CA that issues or of the root above it."""
        counter = "root_crl_number" if of_root else "crl_number"
        self._connection.execute("INSERT OR IGNORE INTO counter VALUES (?, 0)", (counter,))
        self._connection.execute("UPDATE counter SET value = value + 1 WHERE name = ?", (counter,))
        row = self._connection.execute("SELECT value FROM counter WHERE name = ?", (counter,)).fetchone()
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

    def revocations(self, at: datetime, issuing: Optional[x509.Certificate] = None) -> List[Revocation]:
        """Every revoked certificate that has not expired at `at`, by serial number.

        With `issuing`, where several CAs share the ledger, those only that this CA certificate's key has signed.
        """
        rows = select(
            self._path,
            _SCHEMA,
            "SELECT serial, revoked_at, reason, {0} FROM certificate WHERE status = 'revoked' AND not_after >= ? "
            "ORDER BY serial".format("NULL" if issuing is None else "certificate"),
            _text(at),
        )
        return [
            Revocation(serial, _time(revoked_at), reason)
            for serial, revoked_at, reason, der in rows
            if issuing is None or is_of(der, issuing)
        ]

    def holders(self, at: datetime) -> List[str]:
        """The hosts with a certificate that is neither revoked nor expired at `at`, by name."""
        rows = select(
            self._path,
            _SCHEMA,
            "SELECT DISTINCT host FROM certificate WHERE status = 'issued' AND not_after >= ? ORDER BY host",
            _text(at),
        )
        return [str(host) for (host,) in rows]

    def last_end(self) -> Optional[datetime]:
        """When the last of all certificates ends; None where there are none."""
        ((last,),) = select(self._path, _SCHEMA, "SELECT MAX(not_after) FROM certificate")
        return None if last is None else _time(last)

    def revoked_of(self, host: str, at: datetime) -> Dict[str, FrozenSet[str]]:
        """The serial numbers of a host's certificates that were revoked and have not expired at `at`, by credential."""
        rows = select(
            self._path,
            _SCHEMA,
            "SELECT credential, serial FROM certificate WHERE host = ? AND status = 'revoked' AND not_after >= ?",
            host,
            _text(at),
        )
        found: Dict[str, FrozenSet[str]] = {}
        for credential, serial in rows:
            found[credential] = found.get(credential, frozenset()) | {serial}
        return found

    def compromised(self, public_fingerprint: str) -> Optional[Revocation]:
        """The first revocation, of any certificate for this key, that says that others have the key; None if none."""
        query = (
            "SELECT serial, revoked_at, reason FROM certificate WHERE status = 'revoked' AND public_fingerprint = ? "
            "AND reason = ? ORDER BY revoked_at LIMIT 1"
        )
        rows = select(self._path, _SCHEMA, query, public_fingerprint, KEY_COMPROMISE)
        return Revocation(rows[0][0], _time(rows[0][1]), rows[0][2]) if rows else None

    def entries(
        self,
        host: Optional[str] = None,
        credential: Optional[str] = None,
        serial: Optional[str] = None,
        live_at: Optional[datetime] = None,
    ) -> List[Entry]:
        """The certificates of a host, of a credential, with a serial number, in the order in which they were issued.

        What is None does not matter. With `live_at` those only that are neither revoked nor expired then; one that is
        not valid yet is live. Raises InputError where the serial number is none.
        """
        serial = None if serial is None else normal_serial(serial)
        wanted = [(name, value) for name, value in zip(_SELECTORS, (host, credential, serial)) if value is not None]
        conditions = ["{0} = ?".format(name) for name, _value in wanted]
        parameters = [value for _name, value in wanted]
        if live_at is not None:
            conditions.append("status = 'issued' AND not_after >= ?")
            parameters.append(_text(live_at))
        query = "SELECT {0} FROM certificate{1}{2} ORDER BY issued_at, rowid".format(
            _COLUMNS, " WHERE " if conditions else "", " AND ".join(conditions)
        )
        return [_entry(row) for row in select(self._path, _SCHEMA, query, *parameters)]


def is_of(der: bytes, issuing: x509.Certificate) -> bool:
    """Whether a certificate in the ledger (DER) was signed by this CA certificate's key: all of them name it."""
    signed_by = certificates.authority_key_identifier(certificates.from_der(der))
    return signed_by is not None and signed_by == certificates.subject_key_identifier(issuing)


def normal_serial(text: str) -> str:
    """A serial number as the ledger holds it: colons, upper case and leading zeros do not matter. Raises InputError."""
    serial = text.replace(":", "").lower().lstrip("0")
    if _SERIAL.match(serial) is None:
        raise InputError("{0!r} is not a serial number; write it in hexadecimal, as in 1f3a or 1F:3A".format(text))
    return serial


def _entry(row: Sequence[Any]) -> Entry:
    serial, host, credential, key, request_digest, csr_digest, *times, der, status, reason, revoked_at = row
    revocation = Revocation(serial, _time(revoked_at), reason) if status == "revoked" else None
    issued_at, not_before, not_after = (_time(text) for text in times)
    return Entry(
        serial,
        host,
        credential,
        key,
        request_digest,
        csr_digest,
        issued_at,
        not_before,
        not_after,
        bytes(der),
        revocation,
    )


def _text(at: datetime) -> str:
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
