# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure one command: wall time, CPU time and memory of all processes that it starts, daemons included.

A keeper process stands between: the kernel hands it every process that the command leaves behind (ssh's connection
masters, which go on for a minute). It ends them when the command has ended, so that the next run begins without
open connections, and its account of children then holds all of their CPU time, exactly and without sampling.
Hosts that are reached by SSH are no descendants of the command, so what they use is not counted. Hosts over the local
connection are: their CPU time is included, their memory only if HOST_MARK is not in their environment.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

HOST_MARK = "MTLS_BENCH_HOST"
"""The environment variable that marks a process as one of a simulated host, not of the controller."""

_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_SAMPLE_SECONDS = 0.05
_PATIENCE_SECONDS = 5
_KIB_PER_MIB = 1024


class MeasureError(Exception):
    """A command could not be measured; the message says why."""


@dataclass(frozen=True)
class Measurement:
    """What one command took. Memory is None where it was not sampled."""

    status: int
    seconds: float
    cpu_seconds: float
    peak_mib: Optional[float]


def measure(
    command: Sequence[str], *, directory: Path, environment: Mapping[str, str], log: Path, memory: bool = False
) -> Measurement:
    """Run a command to its end, output into `log`, and return what it took.

    `memory` samples the sum of the processes' proportional set sizes (PSS: what is shared is counted once). That takes
    CPU time away from the command, so a run is either for time or for memory.
    """
    order = {
        "command": list(command),
        "directory": str(directory),
        "environment": dict(environment),
        "log": str(log),
        "memory": memory,
    }
    with subprocess.Popen(
        [sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as keeper:
        try:
            answer, _errors = keeper.communicate(json.dumps(order))
        finally:
            # Where this is interrupted the keeper still ends what the command has started, and is waited for.
            keeper.terminate()
    if keeper.returncode != 0:
        raise MeasureError(f"measuring {command[0]} ended with status {keeper.returncode}")
    return Measurement(**json.loads(answer))


def _keep(order: Mapping[str, Any]) -> Measurement:
    """The keeper's work: run the command, end what it leaves behind, add up."""
    _process_control(_SET_CHILD_SUBREAPER, 1)
    try:
        with open(order["log"], "wb") as log:
            begin = time.monotonic()
            process = subprocess.Popen(
                order["command"],
                cwd=order["directory"],
                env=order["environment"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            sampler = _Sampler() if order["memory"] else None
            status = process.wait()
            seconds = time.monotonic() - begin
            peak = None if sampler is None else sampler.end()
    finally:
        _end_descendants()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Measurement(status, seconds, usage.ru_utime + usage.ru_stime, peak)


class _Sampler:
    """Looks at the descendants' memory in a thread of its own, until its end."""

    def __init__(self) -> None:
        self._peak_kib = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            sizes = [_pss_kib(process) for process in descendants(os.getpid()) if not _is_of_a_host(process)]
            self._peak_kib = max(self._peak_kib, sum(sizes))

    def end(self) -> float:
        """The peak so far, in MiB."""
        self._ended.set()
        self._thread.join()
        return self._peak_kib / _KIB_PER_MIB


def descendants(ancestor: int) -> Set[int]:
    """The processes below one, as they are now; it is not among them."""
    children: Dict[int, List[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = _parent(int(name))
            if parent is not None:
                children.setdefault(parent, []).append(int(name))
    found: Set[int] = set()
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def _parent(process: int) -> Optional[int]:
    stat = _read(process, "stat")
    # The program's name stands in parentheses and may hold any byte; the state and the parent follow it.
    return int(stat.rpartition(b")")[2].split()[1]) if stat else None


def _pss_kib(process: int) -> int:
    for line in _read(process, "smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1])
    return 0


def _is_of_a_host(process: int) -> bool:
    return any(entry.startswith(HOST_MARK.encode() + b"=") for entry in _read(process, "environ").split(b"\0"))


def _read(process: int, name: str) -> bytes:
    """A file of /proc; empty where the process has ended meanwhile."""
    try:
        with open(f"/proc/{process}/{name}", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _end_descendants() -> None:
    """Ask all of them to end, make those that do not, and wait until none is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            _reap()
            left = descendants(os.getpid())
            if not left:
                return
            for process in left:
                _send(process, number)
            _wait_for_one_of(left, deadline - time.monotonic())
    raise MeasureError("processes of the command do not end")


def _send(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _wait_for_one_of(processes: Set[int], seconds: float) -> None:
    """Until one of them ends, or the time is over."""
    poll = select.poll()
    handles = []
    for process in processes:
        try:
            handles.append(os.pidfd_open(process))
        except ProcessLookupError:
            continue
        poll.register(handles[-1], select.POLLIN)
    if len(handles) == len(processes):
        poll.poll(max(0.0, seconds) * 1000)
    for handle in handles:
        os.close(handle)


def _process_control(option: int, argument: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


_STOPPING = (signal.SIGTERM, signal.SIGINT)


def _stop(_number: int, _frame: object) -> None:
    # Once is enough: a terminal's Ctrl-C comes from the terminal and from who ordered the measurement.
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(1)


def main() -> int:
    """The keeper: an order on standard input, a measurement on standard output. It dies with who ordered it."""
    for number in _STOPPING:
        signal.signal(number, _stop)
    _process_control(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    order = json.load(sys.stdin)
    print(json.dumps(asdict(_keep(order))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
