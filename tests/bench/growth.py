# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How time and memory grow with the number of hosts: simulated ones, each with a root of its own."""

from __future__ import annotations

import shutil
from typing import List

from .contestants import Runner, ours, ping
from .data import ECC, shared_variables
from .figures import Figure
from .hosts import LocalHosts
from .plan import Plan
from .same_work import make_api
from .scene import measure_scene, simulated_name


def measure_growth(plan: Plan) -> List[Figure]:
    """Ours beside ping with each number of hosts; one credential with an ECC key, which takes no luck to make."""
    figures: List[Figure] = []
    for size in plan.amount.sizes:
        directory = plan.work / f"growth-{size}"
        directory.mkdir()
        hosts = LocalHosts(directory / "hosts", size, plan.python)
        shared = shared_variables(directory, 1, ECC, make_api())
        runners = [
            Runner(contestant, hosts, directory / contestant.name, shared)
            for contestant in (ping(plan.python), ours(plan.python))
        ]
        figures += measure_scene(simulated_name(size), hosts, runners, plan.amount.rounds, _accept, plan.progress)
        shutil.rmtree(directory)
    return figures


def _accept(_runner: Runner) -> None:
    """Nobody's work is compared with anybody's here; the recap has been checked."""
