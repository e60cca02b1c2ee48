# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One comparison: several contestants on the same hosts, taking turns."""

from __future__ import annotations

from typing import Callable, Dict, List, Sequence, Tuple

from .contestants import Runner
from .figures import CPU_SECONDS, FRESH, LAUNCHES, NOTHING_TO_DO, PEAK_MIB, SECONDS, Figure
from .hosts import Hosts
from .measure import Measurement
from .plan import Progress

Judge = Callable[[Runner], None]
"""Looks at the hosts after a contestant's fresh run; raises BenchError if it did other work than it should."""

_Samples = Dict[Tuple[str, str, str], List[float]]


def scene_name(hosts: int, credentials: int) -> str:
    """The name of a comparison on hosts over SSH."""
    return f"{hosts:,} hosts × {credentials}"


def simulated_name(hosts: int) -> str:
    """The name of a comparison on simulated hosts."""
    return f"{hosts:,} simulated hosts"


def measure_scene(
    name: str, hosts: Hosts, runners: Sequence[Runner], rounds: int, judge: Judge, progress: Progress
) -> List[Figure]:
    """Fresh and with nothing to do, everyone in every round.

    A round before the timed ones fills caches. Memory and interpreters on hosts are counted in it, and the outcome is
    judged: none of that can disturb times.
    """
    samples: _Samples = {}

    def note(runner: Runner, work: str, unit: str, value: float) -> None:
        samples.setdefault((work, runner.contestant.name, unit), []).append(value)

    for runner in runners:
        _begin(hosts, runner)
        hosts.arm()
        for work in (FRESH, NOTHING_TO_DO):
            taken = runner.run(work, counted=True)
            note(runner, work, PEAK_MIB, taken.peak_mib or 0.0)
            note(runner, work, LAUNCHES, hosts.launches())
            progress(f"{name}: {runner.contestant.name}, {work}: counted, not timed ({taken.seconds:.1f} s)")
            if work == FRESH:
                judge(runner)
    for number in range(1, rounds + 1):
        for runner in runners:
            _begin(hosts, runner)
            for work in (FRESH, NOTHING_TO_DO):
                taken = runner.run(work, counted=False)
                note(runner, work, SECONDS, taken.seconds)
                note(runner, work, CPU_SECONDS, taken.cpu_seconds)
                progress(_line(name, number, rounds, runner, work, taken))
    return [Figure(name, work, who, unit, tuple(values)) for (work, who, unit), values in samples.items()]


def _begin(hosts: Hosts, runner: Runner) -> None:
    hosts.reset()
    runner.forget()


def _line(name: str, number: int, rounds: int, runner: Runner, work: str, taken: Measurement) -> str:
    who = runner.contestant.name
    return f"{name}: round {number} of {rounds}: {who}, {work}: {taken.seconds:.2f} s, CPU {taken.cpu_seconds:.2f} s"
