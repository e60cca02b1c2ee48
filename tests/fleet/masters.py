# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that ssh keeps open for later use (ControlPersist): one background process each."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import Iterator

_SECONDS = 10


def end_masters(control: Path) -> None:
    """Kill every ssh process of this machine that uses a socket in the directory `control`, and wait for its end."""
    for pid in _ssh_processes(os.fsencode(control) + b"/"):
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [], _SECONDS)
        except ProcessLookupError:
            pass
        finally:
            os.close(process)


def _ssh_processes(directory: bytes) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.readlink(entry / "exe").endswith("/ssh") and directory in (entry / "cmdline").read_bytes():
                yield int(entry.name)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            # It has ended meanwhile, or belongs to the kernel.
            continue
