# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks that are at work while a test goes on: to have two at once, and to end one in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Sequence, Set

from ansible_collections.mutual.tls.tests.integration.fleet import Event, Fleet, Run

_LONGEST = 240
"""Seconds that a playbook may take."""


class Running:
    """One ansible-playbook; `process` is the controller's first process."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path, record: Path) -> None:
        self.process = process
        self._output = output
        self._record = record

    def wait(self) -> Run:
        """What it came to, once it has ended."""
        status = self.process.wait(_LONGEST)
        lines = self._record.read_text(encoding="utf-8").splitlines() if self._record.exists() else []
        output = self._output.read_text(encoding="utf-8", errors="replace")
        return Run(status, output, tuple(Event(**json.loads(line)) for line in lines))

    def lose_power(self) -> None:
        """End all of the controller's processes at once, without a word; those on the hosts go on."""
        number = self.process.pid
        # Stopped, it starts and reaps nobody: the numbers stay those of its workers.
        os.kill(number, signal.SIGSTOP)
        os.waitid(os.P_PID, number, os.WSTOPPED)
        for worker in _children(number):
            os.kill(worker, signal.SIGKILL)
        self.process.kill()
        self.process.wait(_LONGEST)


def _children(number: int) -> List[int]:
    tables = Path("/proc", str(number), "task").glob("*/children")
    return [int(child) for table in tables for child in table.read_text().split()]


@contextlib.contextmanager
def started(
    fleet: Fleet,
    name: str,
    *arguments: str,
    playbook: Optional[Path] = None,
    environment: Optional[Mapping[str, str]] = None,
    wrapper: Sequence[str] = (),
) -> Iterator[Running]:
    """A playbook over the fleet's hosts as they are now, under a name of its own among those that run meanwhile."""
    record, output = (fleet.directory / f"{kind}-{name}" for kind in ("record", "output"))
    record.unlink(missing_ok=True)
    inventory = shutil.copy(fleet.write_inventory(), fleet.project / f"inventory-{name}.json")
    command = [*wrapper, str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory)]
    with output.open("wb") as log:
        process = subprocess.Popen(
            [*command, str(playbook or fleet.playbook), *arguments],
            cwd=fleet.project,
            env=fleet.environment(MTLS_TEST_RECORD=str(record), **(environment or {})),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    running = Running(process, output, record)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.lose_power()


def users(path: Path) -> Set[int]:
    """The processes that have a file or directory open."""
    found = set()
    for entry in Path("/proc").iterdir():
        # What ends meanwhile, or is somebody else's, is not ours.
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and any(os.readlink(one) == str(path) for one in (entry / "fd").iterdir()):
                found.add(int(entry.name))
    return found


def wait_for_another(path: Path, known: int) -> None:
    """Wait until another process than this one has opened a path: nobody tells of those that wait for a lock."""
    deadline = time.monotonic() + 120
    while not users(path) - {known}:
        if time.monotonic() > deadline:
            raise TimeoutError("nobody else has opened {0}".format(path))
        time.sleep(0.02)
