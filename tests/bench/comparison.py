# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everyone on the same hosts over SSH: ping, ours, the peers, and the peers under Mitogen."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import List, Sequence

from ..fleet.fleet import Fleet
from ..fleet.specification import HostSpec
from .contestants import Contestant, Runner, mitogen, ours, ours_rotating, peers, ping
from .data import NAMES, RSA, passphrase, shared_variables, subject
from .errors import BenchError
from .figures import Figure
from .hosts import ROOT, Hosts
from .plan import Plan
from .same_work import Api, DifferentWorkError, Expectation, make_api, verify
from .scene import Judge, measure_scene, rotation_name, scene_name
from .ssh_hosts import SshHosts


def measure_comparison(plan: Plan, credentials: int) -> List[Figure]:
    """Fresh and with nothing to do, with so many credentials on each host."""
    contestants = [ping(plan.python), ours(plan.python), peers(plan.peers_python), mitogen(plan.peers_python)]
    return _measure(plan, scene_name(plan.amount.hosts, credentials), contestants, credentials)


def measure_rotation(plan: Plan) -> List[Figure]:
    """New certificates for hosts that have good ones, beside ping."""
    rotating = ours_rotating(plan.python)
    return _measure(plan, rotation_name(plan.amount.hosts), [ping(plan.python, rotating.works), rotating], 1)


def _measure(plan: Plan, name: str, contestants: Sequence[Contestant], credentials: int) -> List[Figure]:
    directory = Path(tempfile.mkdtemp(prefix="hosts-", dir=plan.work))
    api = make_api()
    shared = shared_variables(directory, credentials, RSA, api)
    specs = [HostSpec(name=f"host-{number:02}") for number in range(1, plan.amount.hosts + 1)]
    plan.progress(f"{name}: bringing up the hosts")
    with Fleet.up(f"bench-{os.getpid()}", specs) as fleet:
        hosts = SshHosts(fleet, plan.python)
        runners = [
            Runner(contestant, hosts, directory / f"runner-{number}", shared)
            for number, contestant in enumerate(contestants)
        ]
        judge = judge_of(hosts, NAMES[:credentials], api, plan)
        return measure_scene(name, hosts, runners, plan.amount.rounds, judge, plan.progress)


def judge_of(hosts: Hosts, credentials: Sequence[str], api: Api, plan: Plan) -> Judge:
    """Verifies every credential on the first and the last host."""

    def judge(runner: Runner) -> None:
        contestant = runner.contestant
        if not contestant.changes:
            return
        for host in {hosts.names[0], hosts.names[-1]}:
            for name in credentials:
                place = f"{name}/{contestant.place}".rstrip("/")
                wanted = Expectation(f"{ROOT}/{place}", subject(name), name, passphrase(name), runner.chain(), api)
                try:
                    verify(hosts.root(host) / place, wanted)
                except DifferentWorkError as error:
                    raise BenchError(f"{contestant.name} did other work: {error}") from error
        plan.progress(f"{contestant.name}: keytool, a JVM and handshakes find the work done")

    return judge
