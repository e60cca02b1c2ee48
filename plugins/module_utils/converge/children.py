# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that this one has started: waiting for one with a time limit, and how it ended."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from typing import Optional

_LONGEST_PAUSE = 0.05


@dataclass(frozen=True)
class Ending:
    """How a process ended: `how` completes a sentence about it, `status` is what it exited with, if it did."""

    how: str
    status: Optional[int] = None

    @property
    def is_success(self) -> bool:
        """Whether it exited with 0."""
        return self.status == 0


def wait(pid: int, until: float) -> Optional[Ending]:
    """How the child `pid` ended, or None where it has not at `until` (time.monotonic).

    It is looked at and not reaped: until it is, no other process or process group gets its number.
    """
    pause = 0.001
    while True:
        try:
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return Ending("ended, and how is not known because SIGCHLD is ignored here")
        if found is not None:
            return _ending(found.si_code, found.si_status)
        left = until - time.monotonic()
        if left <= 0:
            return None
        # To be woken at its end and at a time alike takes pidfd_open(2), of Linux 5.3.
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _ending(code: int, status: int) -> Ending:
    if code == os.CLD_EXITED:
        return Ending("ended with exit status {0}".format(status), status)
    return Ending("was killed by signal {0}".format(_signal_name(status)))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
