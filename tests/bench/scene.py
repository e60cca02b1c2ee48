# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One comparison: several contestants on the same hosts, taking turns."""

from __future__ import annotations

from typing import Callable, Dict, List, Sequence, Tuple

from .contestants import Runner
from .figures import CPU_SECONDS, FRESH, LAUNCHES, PEAK_MIB, SECONDS, Figure
from .hosts import Hosts
from .measure import Measurement
from .plan import Progress

Judge = Callable[[Runner], None]
"""Looks at the hosts after a contestant's fresh run; raises BenchError if it did other work than it should."""

_Samples = Dict[Tuple[str, str, str], List[float]]


def scene_name(hosts: int, credentials: int) -> str:
    """The name of a comparison on hosts over SSH."""
    return f"{hosts:,} hosts × {credentials}"


def rotation_name(hosts: int) -> str:
    """The name of a comparison of rotations over SSH."""
    return f"{hosts:,} hosts × 1, rotated"


def simulated_name(hosts: int) -> str:
    """The name of a comparison on simulated hosts."""
    return f"{hosts:,} simulated hosts"


def measure_scene(
    name: str, hosts: Hosts, runners: Sequence[Runner], rounds: int, judge: Judge, progress: Progress
) -> List[Figure]:
    """Everyone at all of their works, in every round.

    A round before the timed ones fills caches. Memory and interpreters on hosts are counted in it, and the outcome is
    judged: none of that can disturb times.
    """
    samples: _Samples = {}

    def note(runner: Runner, work: str, unit: str, value: float) -> None:
        samples.setdefault((work, runner.contestant.name, unit), []).append(value)

    for runner in runners:
        _begin(hosts, runner)
        hosts.arm()
        for works in _turns(runner):
            taken, launches = runner.run(works[0], counted=True), hosts.launches()
            for work in works:
                note(runner, work, PEAK_MIB, taken.peak_mib or 0.0)
                note(runner, work, LAUNCHES, launches)
            progress(f"{name}: {_what(runner, works)}: counted, not timed ({taken.seconds:.1f} s)")
            if FRESH in works:
                judge(runner)
    for number in range(1, rounds + 1):
        for runner in runners:
            _begin(hosts, runner)
            for works in _turns(runner):
                taken = runner.run(works[0], counted=False)
                for work in works:
                    note(runner, work, SECONDS, taken.seconds)
                    note(runner, work, CPU_SECONDS, taken.cpu_seconds)
                progress(_line(f"{name}: round {number} of {rounds}: {_what(runner, works)}", taken))
    return [Figure(name, work, who, unit, tuple(values)) for (work, who, unit), values in samples.items()]


def _begin(hosts: Hosts, runner: Runner) -> None:
    hosts.reset()
    runner.forget()


def _turns(runner: Runner) -> Sequence[Tuple[str, ...]]:
    """What each run of a round stands for: who changes nothing would do the same twice, so one run stands for both."""
    works = tuple(runner.contestant.works)
    return tuple((work,) for work in works) if runner.contestant.changes else (works,)


def _what(runner: Runner, works: Sequence[str]) -> str:
    return f"{runner.contestant.name}, {' and '.join(works)}"


def _line(what: str, taken: Measurement) -> str:
    return f"{what}: {taken.seconds:.2f} s, CPU {taken.cpu_seconds:.2f} s"
