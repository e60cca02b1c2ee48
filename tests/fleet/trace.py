# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""strace at the processes of a host, from outside: sees, or stops, what somebody who logs in does there."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import List, Optional, Sequence, Type

from .errors import FleetError
from .host import Host

_SECONDS = 60


class Trace:
    """strace at all that runs on a host now, and at all that this starts. Ends with the block, or with the host.

    output: where to write what it sees; without it `wait_for` can wait for it.
    """

    def __init__(self, host: Host, options: Sequence[str], output: Optional[Path] = None) -> None:
        strace = shutil.which("strace")
        if strace is None:
            raise FleetError("The program 'strace' is missing: apt-get install strace")
        pids = _processes(host)
        command = [strace, "--follow-forks", *options, *(f"--attach={pid}" for pid in pids)]
        if output is not None:
            command.append(f"--output={output}")
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._seen = b""
        self.wait_for("attached", len(pids))

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until strace has told of something so many times. TimeoutError where it does not, with what it told."""
        assert self._process.stderr is not None
        end = time.monotonic() + _SECONDS
        while self._seen.count(text.encode()) < times:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._process.stderr], [], [], left)[0]:
                raise TimeoutError(f"strace has not told of {text!r} for {_SECONDS} s, but:\n{self._told()}")
            told = os.read(self._process.stderr.fileno(), 1 << 16)
            if not told:
                raise TimeoutError(f"strace has ended and not told of {text!r}, but:\n{self._told()}")
            self._seen += told

    def _told(self) -> str:
        return self._seen.decode(errors="replace")[-4000:]

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self._process.terminate()
        self._process.communicate()


def _processes(host: Host) -> List[int]:
    """The processes of a host but for its first one, as this machine counts."""
    first = host.pid
    namespace = os.readlink(f"/proc/{first}/ns/pid")
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(entry) != first and os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            # It has ended meanwhile, or is none of a host's.
            continue
    return found
