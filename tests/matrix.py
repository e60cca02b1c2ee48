# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the unit tests of host code with the Python and the cryptography that each platform ships.

Where the platform's Python is missing on this machine, the nearest one takes its place; the output says so.
Tests that kill a run at each of its steps, race fifty processes, try every Python or break seals take long and say
nothing about libraries: `make unit` runs them, and `make fleet` kills runs on hosts with the oldest one. Some others
say something about Python only, and are run once with each.
"""

from __future__ import annotations

import argparse
import sys
from typing import AbstractSet, Dict, List, Sequence, Set, Tuple

from .environments import SUPPORTED, Job, pythons, run

PLATFORMS: Tuple[Tuple[str, str, str], ...] = (
    ("Debian 11", "3.9", "3.3.2"),
    ("Ubuntu 22.04", "3.10", "3.4.8"),
    ("RHEL 9", "3.9", "36.0.2"),
    ("Debian 12", "3.11", "38.0.4"),
    ("Ubuntu 24.04", "3.12", "41.0.7"),
    ("Debian 13", "3.13", "43.0.3"),
    ("newest", "3.13", "50.0.2"),
)
SELECTION = ("tests/unit/module_utils",)
ELSEWHERE = ("kill", "processes_at_once", "every_python", "seal")
ONCE_WITH_EACH_PYTHON = ("test_entry.py", "test_bootstrap.py")


def jobs() -> List[Job]:
    """One job for each platform, in the order of the table."""
    available = pythons()
    result: List[Job] = []
    seen: Set[str] = set()
    for platform, wanted, cryptography in PLATFORMS:
        version = _nearest(wanted, list(available))
        instead = "" if version == wanted else f" instead of {wanted}"
        name = f"{platform}: cryptography {cryptography} on Python {version}{instead}"
        requirements = ("-r", "requirements-unit.txt", f"cryptography=={cryptography}")
        result.append(Job(name, available[version], requirements, _selection(version, seen)))
        seen.add(version)
    return result


def _selection(version: str, seen: AbstractSet[str]) -> Sequence[str]:
    """What to run with a Python, where others have been seen."""
    files = ONCE_WITH_EACH_PYTHON if version in seen else ()
    names = " and ".join(f"not {name}" for name in ELSEWHERE)
    return (*SELECTION, "-k", names, *(f"--ignore-glob=*/{file}" for file in files))


def _nearest(wanted: str, available: List[str]) -> str:
    order: Dict[str, int] = {version: position for position, version in enumerate(SUPPORTED)}
    return min(available, key=lambda version: abs(order[version] - order[wanted]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", dest="parallel", type=int, default=2, help="environments at a time (default: 2)")
    return run(jobs(), parser.parse_args().parallel)


if __name__ == "__main__":
    sys.exit(main())
