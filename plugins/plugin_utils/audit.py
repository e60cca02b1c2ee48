# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log: what was issued, deployed, rolled back or revoked, for which host, by whom and in which run.

One JSON object a line, in `audit.jsonl` in the state directory, and nothing is ever taken out of it or changed. It
holds the fields of Event and no others, each of a shape that no secret fits in.

The file is opened anew for each call: whoever moves it away gets a new one. Truncating it in its place
(`copytruncate`) loses what is written meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, timezone
from typing import Any, BinaryIO, Dict, Iterator, NoReturn, Optional, Pattern, Tuple

from ..module_utils import certificate
from ..module_utils.errors import DiskError, Error, InputError, IssuerError
from ..module_utils.state_directory import StateDirectory, open_state_directory
from .who import login, run_id

NAME = "audit.jsonl"

EVENTS = (
    "issued",
    "renewed",
    "deployed",
    "rolled_back",
    "activated",
    "held",
    "released",
    "revocation_requested",
    "revoked",
    "adopted",
    "removed",
)
"""Everything that is recorded; docs/audit.md says what each means."""

_LOCK_TIMEOUT = 60.0
_POLL = 0.01
_LONGEST_TEXT = 1024
_MOST_REASONS = 64
# Longer than any line of ours: each character may take six, as \u0000 does.
_LONGEST_LINE = 64 * 1024
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SERIAL = re.compile(r"[0-9a-f]{1,128}\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_OPEN = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Event:
    """One thing that happened to a credential of a host. Raises InputError where a field is not of its shape.

    Times are aware, in UTC, and recorded in whole seconds; serial number and fingerprints are lower-case hex; `reasons`
    are codes. `by` is who is logged in on the controller, `run` is the same for all that one ansible-playbook does.
    """

    event: str
    host: str
    credential: str
    issuer: Optional[str] = None
    serial_number: Optional[str] = None
    fingerprint_sha256: Optional[str] = None
    public_fingerprint: Optional[str] = None
    not_after: Optional[datetime] = None
    reasons: Tuple[str, ...] = ()
    generation: Optional[int] = None
    at: datetime = field(default_factory=_now)
    by: str = field(default_factory=login)
    run: str = field(default_factory=run_id)

    def __post_init__(self) -> None:
        if self.event not in EVENTS:
            raise InputError("audit log: {0!r} is not one of {1}".format(self.event, ", ".join(EVENTS)))
        for name in ("host", "credential", "by", "run"):
            _check_text(name, getattr(self, name))
        if self.issuer is not None:
            _check_text("issuer", self.issuer)
        for name, pattern in _HEXADECIMAL.items():
            if getattr(self, name) is not None:
                _check_pattern(name, getattr(self, name), pattern)
        _check_time("at", self.at)
        if self.not_after is not None:
            _check_time("not_after", self.not_after)
        if not isinstance(self.reasons, tuple) or len(self.reasons) > _MOST_REASONS:
            _refuse("reasons")
        for reason in self.reasons:
            _check_pattern("reasons", reason, _CODE)
        if self.generation is not None and not _is_number(self.generation):
            _refuse("generation")


_HEXADECIMAL = {"serial_number": _SERIAL, "fingerprint_sha256": _FINGERPRINT, "public_fingerprint": _FINGERPRINT}
_FIRST = ("at", "event")
_FIELDS = _FIRST + tuple(one.name for one in fields(Event) if one.name not in _FIRST)


def about(one: Any) -> Dict[str, Any]:
    """The fields of an Event that a certificate fills. Raises FormatError where it is malformed."""
    return {
        "serial_number": certificate.serial_number(one),
        "fingerprint_sha256": certificate.fingerprint(one),
        "public_fingerprint": certificate.public_fingerprint(one),
        "not_after": certificate.not_after(one),
    }


class AuditLog:
    """The audit log of one state directory. Opens its file per call, so it may cross a fork."""

    def __init__(self, state_directory: StateDirectory, check_mode: bool = False) -> None:
        self._directory = state_directory.path
        self._is_writing = not check_mode
        self.path = state_directory.path_of(NAME)
        # Found out early: the process that started this one may be gone when there is something to record.
        run_id()

    def record(self, *events: Event) -> None:
        """Append events, each as a line of its own; they are on disk when this returns. In check mode, do nothing.

        Raises DiskError, saying what to do, where they could not be written.
        """
        if not events or not self._is_writing:
            return
        with _explained("write to", self.path):
            descriptor = _open_locked(self._directory, self.path)
            try:
                for event in events:
                    _append(descriptor, _encode(event), self.path)
                # A copy of the descriptor in a process that somebody forked meanwhile must not keep the lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def read(path: str) -> Iterator[Event]:
    """The events of a log, as they were recorded; none where there is no file.

    A line that is no event is passed over: one that a crash cut off, or one that only a newer version understands.
    Raises DiskError where the file cannot be read.
    """
    with _explained("read", path):
        try:
            file = os.fdopen(os.open(path, _READ), "rb")
        except FileNotFoundError:
            return
        with file:
            _check_regular(file.fileno(), path)
            for line in _lines(file):
                event = _decode(line)
                if event is not None:
                    yield event


def _encode(event: Event) -> bytes:
    values = {name: getattr(event, name) for name in _FIELDS}
    values.update({name: _text(values[name]) for name in ("at", "not_after")})
    # Everything outside of ASCII is escaped, control characters, too: no name can end a line or move a cursor.
    return json.dumps(values, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def _decode(line: bytes) -> Optional[Event]:
    try:
        values = json.loads(line)
        if not isinstance(values, dict):
            return None
        known = {name: values[name] for name in _FIELDS}
        known.update({name: _moment(known[name]) for name in ("at", "not_after")})
        if isinstance(known["reasons"], list):
            known["reasons"] = tuple(known["reasons"])
        return Event(**known)
    except (ValueError, KeyError, TypeError, RecursionError, Error):
        return None


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The whole lines of a file, those left out that are longer than any event, and the one that has no end yet."""
    is_rest = False
    for piece in iter(lambda: file.readline(_LONGEST_LINE), b""):
        is_end = piece.endswith(b"\n")
        if is_end and not is_rest:
            yield piece
        is_rest = not is_end


def _open_locked(directory: str, path: str) -> int:
    """A descriptor of the log that stands at `path` once it is locked: it may have been moved while we waited."""
    deadline = time.monotonic() + _LOCK_TIMEOUT
    while True:
        descriptor = _open(directory, path)
        try:
            _check_regular(descriptor, path)
            _lock(descriptor, path, deadline)
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _open(directory: str, path: str) -> int:
    while True:
        try:
            return os.open(path, _OPEN)
        except FileNotFoundError:
            _check_directory(directory)
        try:
            descriptor = os.open(path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            # Another process was quicker.
            continue
        _make_ours(descriptor, directory)
        return descriptor


def _check_directory(path: str) -> None:
    """Before a log is begun: its directory may have been unmounted since it was opened."""
    try:
        exists = open_state_directory(path, create=False).exists
    except IssuerError as error:
        raise DiskError("cannot begin an audit log: {0}".format(error)) from error
    if not exists:
        raise DiskError(
            "cannot begin an audit log: the state directory {0} is gone; mount it, or restore it from the "
            "backup".format(path)
        )


def _make_ours(descriptor: int, directory: str) -> None:
    """Give a new log its owner and mode, and make its name durable."""
    parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstat(parent)
        if os.geteuid() == 0:
            # A run as root must not take the log away from the user that the state directory belongs to.
            os.fchown(descriptor, found.st_uid, found.st_gid)
        os.fchmod(descriptor, 0o600)
        os.fsync(parent)
    finally:
        os.close(parent)


def _lock(descriptor: int, path: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise DiskError(
                    "cannot write to the audit log {0}: another process has held its lock for {1:g} seconds; find it "
                    "with lsof or fuser, and end it".format(path, _LOCK_TIMEOUT)
                ) from None
            time.sleep(_POLL)


def _is_at(path: str, descriptor: int) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    ours = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)


def _append(descriptor: int, line: bytes, path: str) -> None:
    """Write a line, beginning a new one where the last has no end; the caller holds the lock."""
    size = os.fstat(descriptor).st_size
    content = line if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n" else b"\n" + line
    if os.write(descriptor, content) != len(content):
        raise DiskError(
            "cannot write to the audit log {0}: there was room for a part of the line only; free some space "
            "there".format(path)
        )


def _check_regular(descriptor: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise DiskError("the audit log {0} is not a regular file; move away what is there".format(path))


@contextmanager
def _explained(action: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(
            "cannot {0} the audit log {1}: {2}; it must be a file that {3} may read and write, on a file system with "
            "free space".format(action, path, error.strerror or error, login())
        ) from error


def _text(moment: Optional[datetime]) -> Optional[str]:
    # Not strftime: it writes years before 1000 without leading zeros.
    return None if moment is None else moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _moment(text: Any) -> Optional[datetime]:
    return None if text is None else datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        _refuse(name)


def _check_pattern(name: str, value: Any, pattern: Pattern[str]) -> None:
    if not isinstance(value, str) or pattern.match(value) is None:
        _refuse(name)


def _check_time(name: str, value: Any) -> None:
    if not isinstance(value, datetime) or value.utcoffset() != timedelta(0):
        _refuse(name)


def _refuse(name: str) -> NoReturn:
    # Without the value: what has the wrong shape may be anything, a secret, too.
    raise InputError("audit log: {0} is not of the shape that it must have; see docs/audit.md".format(name))
