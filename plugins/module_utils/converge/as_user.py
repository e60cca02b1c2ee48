# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that another user of this host does: in a process that is that user's and cannot be root's again.

Such a process is a copy of this one, with all that is in its memory, passphrases of other credentials included. The
kernel keeps it from the user all the same: a process that changes its user cannot be traced or dumped by the new one
(prctl(2), PR_SET_DUMPABLE). What the copy holds open is closed, but for the way back.

The new user may be unable to read Python's own files, or this code's: what the work needs must be imported before.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import select
import signal
import time
from dataclasses import dataclass
from typing import Callable, NoReturn, Optional, Tuple

from ..errors import InputError
from .children import wait

_LARGEST = 64 * 1024
_DENIED = 77
"""The exit status of a child that could not become the other user (sysexits(3): EX_NOPERM)."""
_NO_RIGHTS = "cannot take on this user's rights: the system refuses it, although this process is root's"
_GRACE = 2.0
"""Seconds for a process to be gone after it was killed."""


@dataclass(frozen=True)
class Account:
    """A user of this host, with the groups that a login would give."""

    name: str
    uid: int
    gid: int
    groups: Tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """What the work came to: its bytes, or why there are none."""

    data: bytes
    problem: Optional[str] = None


def other_account(name: str, option: str) -> Optional[Account]:
    """The user of this name or number; None for the one that this process runs as.

    Raises InputError, naming `option`, for one who is unknown, or who only root could become.
    """
    try:
        found = pwd.getpwuid(int(name)) if name.isascii() and name.isdigit() else pwd.getpwnam(name)
    except (KeyError, OverflowError, ValueError):
        raise InputError(
            "{0}: user {1!r} does not exist on this host; create it first, or correct the name".format(option, name)
        ) from None
    if found.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise InputError(
            "{0}: only root can act as {1}; run with become: true, or leave the option out".format(option, name)
        )
    groups = os.getgrouplist(found.pw_name, found.pw_gid)
    return Account(found.pw_name, found.pw_uid, found.pw_gid, tuple(groups))


def run_as(account: Account, work: Callable[[], bytes], seconds: float) -> Outcome:
    """Have `work` done by a child process that belongs to the account, and return what it returns, up to 64 KiB.

    After `seconds` the child is killed. An exception in it is no result; it ends there, for its text may tell a secret.
    """
    until = time.monotonic() + seconds
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0):
        with open(writing, "wb", buffering=0):
            try:
                pid = os.fork()
            except OSError as error:
                return Outcome(b"", "cannot be started ({0})".format(error.strerror))
            if pid == 0:
                _be(account, work, writing)
        data, problem = _read(reading, until, seconds)
    return _outcome(pid, data, problem)


def _read(reading: int, until: float, seconds: float) -> Tuple[bytes, Optional[str]]:
    """All that comes, or why it is not all."""
    data = b""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    while len(data) <= _LARGEST:
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(1000 * left):
            return data, "did not end within {0:g} s".format(seconds)
        chunk = os.read(reading, _LARGEST)
        if not chunk:
            return data, None
        data += chunk
    return data, "told more than {0} bytes".format(_LARGEST)


def _outcome(pid: int, data: bytes, problem: Optional[str]) -> Outcome:
    if problem is not None:
        os.kill(pid, signal.SIGKILL)
    ending = wait(pid, time.monotonic() + _GRACE)
    if ending is not None:
        # None of ours to wait for where SIGCHLD is ignored.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    if problem is not None:
        return Outcome(b"", problem)
    if data:
        return Outcome(data)
    if ending is None:
        return Outcome(b"", "hangs")
    return Outcome(b"", _NO_RIGHTS if ending.status == _DENIED else ending.how)


def _be(account: Account, work: Callable[[], bytes], writing: int) -> NoReturn:
    """The child's whole life. Nothing of the parent's is flushed, run or told at its end."""
    status = 1
    try:
        writing = _alone(writing)
        if _became(account):
            left = memoryview(work())
            while left:
                left = left[os.write(writing, left) :]
            status = 0
        else:
            status = _DENIED
    finally:
        os._exit(status)


def _alone(writing: int) -> int:
    """Let go of all that is open, but for the pipe, whose new number is returned."""
    os.chdir("/")
    writing = fcntl.fcntl(writing, fcntl.F_DUPFD_CLOEXEC, 3)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in (0, 1, 2, writing):
            # The one that the list was read through is gone already.
            with contextlib.suppress(OSError):
                os.close(int(name))
    return writing


def _became(account: Account) -> bool:
    """Take on the user's rights, and see whether root's are gone for good: not everywhere does the kernel do both."""
    try:
        os.setgroups(account.groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError:
        return False
    try:
        os.setuid(0)
    except OSError:
        return True
    return False
