# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are cut off, killed, full or read-only, before a run or in the middle of it.

The others finish. What is in use on the disturbed host is whole, and the next run converges.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, List, Optional

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ansible_collections.mutual.tls.tests.fleet.conftest import ProjectOf, two_of_each
from ansible_collections.mutual.tls.tests.fleet.disk import Disk, disk_of, moved
from ansible_collections.mutual.tls.tests.fleet.gate import Gate
from ansible_collections.mutual.tls.tests.fleet.host import Host
from ansible_collections.mutual.tls.tests.fleet.project import PASSPHRASE, Project, credential, event, message
from ansible_collections.mutual.tls.tests.fleet.trace import Trace
from ansible_collections.mutual.tls.tests.integration.fleet import Run

pytestmark = pytest.mark.timeout(1200)  # roots may have to be built first

CREDENTIAL = "/etc/mtls/orders"


class Disturbance:
    """Something that happens to a host: before the run begins, or when its second trip is about to begin (`gated`)."""

    gated = False
    status = "unreachable"
    """How the run ends on the host."""
    says = ""
    """A pattern of what is told then; where no connection is, the words are Ansible's."""
    finds = ""
    """A reason code of the next run's, beside those for the certificate."""

    def before(self, host: Host) -> None:
        """Done before the run begins."""

    def between(self, host: Host, gate: Gate) -> None:
        """Done between the trips. The second one must be let go."""

    def check(self, names: List[str], number: int) -> None:
        """Whether the host was met where it was meant to be: `names` below generations, the `number` of current."""

    def undo(self, host: Host) -> None:
        """Done before the next run, and also where the test fails."""


class CutBefore(Disturbance):
    def before(self, host: Host) -> None:
        host.cut()

    def undo(self, host: Host) -> None:
        host.join()


class CutBetween(Disturbance):
    gated = True
    finds = "request_pending"

    def between(self, host: Host, gate: Gate) -> None:
        assert sorted(os.listdir(host.path(f"{CREDENTIAL}/next"))) == ["key.pem", "request.pem", "since.json"]
        host.cut()
        gate.open()

    def undo(self, host: Host) -> None:
        host.join()


class Killed(Disturbance):
    """Everything on the host is killed in the second trip, right after a system call of the process there."""

    gated = True
    call = ""
    """Names for strace."""
    count = 1
    """After how many such calls."""

    def between(self, host: Host, gate: Gate) -> None:
        # The process stops there, so that the host can be killed at this very moment.
        stop = f"--inject={self.call}:signal=SIGSTOP:when={self.count}"
        with Trace(host, [f"--trace={self.call}", stop]) as trace:
            gate.open()
            trace.wait_for("stopped by SIGSTOP")
            host.kill()

    def undo(self, host: Host) -> None:
        host.start()


class KilledWriting(Killed):
    call, count = "fsync", 3
    finds = "generation_incomplete"

    def check(self, names: List[str], number: int) -> None:
        assert len(names) == number + 1 and names[0].startswith(".mtls-")


class KilledBeforeSwitch(Killed):
    call, count = "?renameat,?renameat2", 1
    finds = "generation_incomplete"

    def check(self, names: List[str], number: int) -> None:
        assert names[-1] == f"{number + 1:04d}"


class KilledBeforeFirstSwitch(KilledBeforeSwitch):
    # A complete generation, and none older: the next run takes it as it is.
    finds = "link_changed"


class KilledAfterSwitch(Killed):
    call, count = "?renameat,?renameat2", 2
    finds = "leftover_found"

    def check(self, names: List[str], number: int) -> None:
        assert names[-1] == f"{number:04d}"


class FullDisk(Disturbance):
    status = "failed"
    says = r"cannot write /etc/mtls.*: No space left on device; free some"

    def before(self, host: Host) -> None:
        host.fill_disk()

    def undo(self, host: Host) -> None:
        host.free_disk()


class ReadOnlyRoot(Disturbance):
    status = "failed"
    says = r"cannot \w+ /etc/mtls.*: Read-only file system; .*make it writable"

    def before(self, host: Host) -> None:
        host.read_only(True)

    def undo(self, host: Host) -> None:
        host.read_only(False)


Disturbances = Dict[str, Disturbance]


@pytest.fixture(scope="module")
def project(project_of: ProjectOf) -> Project:
    project = project_of(two_of_each())
    project.run_with_ca().must_succeed()
    return project


def _run_disturbed(project: Project, disturbed: Disturbances, directory: Path) -> Run:
    """Run while hosts are disturbed. When this returns, however it does, all of that is undone."""
    with ExitStack() as undo:
        gates: Dict[str, Gate] = {}
        for name, disturbance in disturbed.items():
            host = project.fleet.host(name)
            undo.callback(disturbance.undo, host)
            disturbance.before(host)
            if disturbance.gated:
                gates[name] = undo.enter_context(Gate(directory, name))
                project.host_variables[name] = {"ansible_ssh_executable": str(gates[name].executable)}
                undo.callback(project.host_variables.pop, name)
        with project.running() as running, ExitStack() as opened:
            for gate in gates.values():
                opened.enter_context(gate)
                gate.open()
            for name, gate in gates.items():
                gate.wait()
                gate.wait()
                disturbed[name].between(project.fleet.host(name), gate)
        run = running.result()
        for name, disturbance in disturbed.items():
            _check_disturbed(run, project.fleet.host(name), disturbance)
    return run


def _check_disturbed(run: Run, host: Host, disturbance: Disturbance) -> None:
    assert event(run, host).status == disturbance.status
    assert re.search(disturbance.says, message(run, host) or "")
    number = _whole_generation(host)
    generations = host.path(f"{CREDENTIAL}/generations")
    disturbance.check(sorted(os.listdir(generations)) if generations.exists() else [], number)


def _whole_generation(host: Host) -> int:
    """The number of the generation in use, 0 for none. What is in use must be a complete and matching set."""
    current = host.path(f"{CREDENTIAL}/current")
    if not current.is_symlink():
        return 0
    files = {path.name: path.read_bytes() for path in current.iterdir()}
    recorded = json.loads(files["manifest.json"])["files"]
    assert recorded == {name: hashlib.sha256(files[name]).hexdigest() for name in files if name != "manifest.json"}
    certificate = x509.load_pem_x509_certificate(files["certificate.pem"])
    key = load_pem_private_key(files["key.pem"], PASSPHRASE.encode())
    assert key.public_key() == certificate.public_key()
    return int(os.readlink(current).rpartition("/")[2])


def _in_use(host: Host) -> Optional[Disk]:
    current = host.path(f"{CREDENTIAL}/current")
    return disk_of(host, f"{CREDENTIAL}/{os.readlink(current)}") if current.is_symlink() else None


def _disturb_and_heal(project: Project, unit: str, disturbed: Disturbances, directory: Path) -> None:
    project.variables["unit"] = unit
    before = {host.name: _in_use(host) for host in project.hosts}
    run = _run_disturbed(project, disturbed, directory)
    for host in project.hosts:
        old = before[host.name]
        # The old generation is kept, so it can be compared after the switch, too.
        assert old is None or moved(old, disk_of(host, min(old))) == set()
        if host.name not in disturbed:
            assert credential(run, host)["subject"] == f"OU={unit}, CN={host.name}"
    healed = project.run().must_succeed()
    for host in project.hosts:
        found = credential(healed, host)
        assert found["changed"] == (host.name in disturbed)
        assert found["subject"] == f"OU={unit}, CN={host.name}"
        if host.name in disturbed:
            assert {disturbed[host.name].finds} - {""} <= set(found["reasons"])
        assert sorted(os.listdir(host.path(CREDENTIAL))) == ["current", "generations", "state.json"]
        assert found["generation"] == _whole_generation(host)
    again = project.run().must_succeed()
    assert not any(event(again, host).result["changed"] for host in project.hosts)


def test_fresh_hosts(project: Project, tmp_path: Path) -> None:
    project.fleet.reset()
    project.prepare_hosts()
    disturbed: Disturbances = {
        "bullseye-1": KilledWriting(),
        "bullseye-2": FullDisk(),
        "bookworm-1": KilledBeforeFirstSwitch(),
        "bookworm-2": CutBefore(),
        "trixie-1": CutBetween(),
    }
    _disturb_and_heal(project, "fresh", disturbed, tmp_path)


def test_hosts_with_a_credential_in_use(project: Project, tmp_path: Path) -> None:
    disturbed: Disturbances = {
        "bullseye-1": CutBetween(),
        "bullseye-2": ReadOnlyRoot(),
        "bookworm-1": KilledAfterSwitch(),
        "bookworm-2": FullDisk(),
        "trixie-1": KilledWriting(),
    }
    _disturb_and_heal(project, "second", disturbed, tmp_path)


def test_hosts_with_a_credential_in_use_once_more(project: Project, tmp_path: Path) -> None:
    disturbed: Disturbances = {
        "bullseye-1": KilledBeforeSwitch(),
        "bookworm-1": CutBetween(),
        "bookworm-2": ReadOnlyRoot(),
        "trixie-1": KilledAfterSwitch(),
        "trixie-2": FullDisk(),
    }
    _disturb_and_heal(project, "third", disturbed, tmp_path)
