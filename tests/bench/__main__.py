# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the collection beside what people use today, and write docs/performance.md and docs/performance.json.

Needs root rights for the test hosts, Java, and a machine that does nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict, List, Optional

from ..environments import REPOSITORY, environment
from ..fleet.errors import FleetError
from . import machine, report
from .codecs import measure_codecs
from .comparison import measure_comparison, measure_rotation
from .errors import BenchError
from .figures import Figure
from .growth import measure_growth
from .measure import MeasureError
from .plan import FULL, QUICK, Plan, Progress
from .sections import CODECS, FIVE, GROWTH, ONE, ROTATING, SECTIONS

_PROGRAMS: Dict[str, str] = {"ssh": "openssh-client", "java": "default-jdk-headless", "keytool": "default-jdk-headless"}
_BUSY = 0.5


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    begin = time.monotonic()

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - begin:6.0f} s] {text}", flush=True)

    try:
        _check_machine()
        output = arguments.output or (None if arguments.quick else REPOSITORY / "docs")
        _check_output(output)
        with tempfile.TemporaryDirectory(prefix="mtls-bench-") as work:
            amount = QUICK if arguments.quick else FULL
            plan = Plan(Path(work), Path(sys.executable), _peers_python(progress), progress, amount)
            _measure(plan, arguments.only or list(SECTIONS), output)
    except (BenchError, FleetError, MeasureError) as error:
        print(f"The benchmark stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The benchmark was interrupted.", file=sys.stderr)
        return 130
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench BENCH=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few hosts, one round; written only with --output")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section; may be repeated")
    parser.add_argument("--output", type=Path, help="the directory to write to instead of docs")
    return parser.parse_args()


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise BenchError("test hosts are network namespaces, which need root rights; run it as root")
    for program, package in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise BenchError(f"the program {program} is missing; on Debian and Ubuntu: apt-get install {package}")


def _check_output(output: Optional[Path]) -> None:
    """Now, and not when hours have been measured."""
    if output is None:
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"nothing can be written to {output}: {error.strerror}") from error


def _peers_python(progress: Progress) -> Path:
    """That of the peers' environment, which is made from the same Python as ours."""
    progress("the peers' environment: requirements-bench.txt")
    try:
        return environment(Path(sys.executable).resolve(), ["-r", "requirements-bench.txt"])
    except subprocess.CalledProcessError as error:
        raise BenchError("requirements-bench.txt cannot be installed; the messages above say why") from error


def _measure(plan: Plan, names: List[str], output: Optional[Path]) -> None:
    properties = machine.describe(plan.python, plan.peers_python)
    kept = report.Report(properties, ()) if output is None else report.begin(output, properties)
    load = machine.load()
    if load > _BUSY:
        plan.progress(f"this machine is busy (load {load:.1f}): times will be too long, and differ")
    for name in names:
        figures = _section(plan, name)
        date = datetime.now(timezone.utc).date().isoformat()
        section = report.Section(name, date, _revision(), plan.amount.rounds, load, tuple(figures))
        kept = kept.replaced(section, SECTIONS)
        if output is not None:
            report.save(kept, output)
            plan.progress(f"{name}: written to {output}")
    print(f"\n{report.render(kept)}")


def _section(plan: Plan, name: str) -> List[Figure]:
    if name == GROWTH:
        return measure_growth(plan)
    if name == CODECS:
        return measure_codecs(plan)
    if name == ROTATING:
        return measure_rotation(plan)
    return measure_comparison(plan, {ONE: 1, FIVE: 5}[name])


def _revision() -> str:
    """Git's name for the code that is measured."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(git, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


if __name__ == "__main__":
    sys.exit(main())
