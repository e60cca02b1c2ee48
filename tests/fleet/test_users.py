# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who logs in is not root: one becomes root with sudo, one keeps its own credentials in its home."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, List, Mapping, Set

import pytest

from ansible_collections.mutual.tls.tests.fleet.accounts import DEPLOY, PLAIN
from ansible_collections.mutual.tls.tests.fleet.conftest import ProjectOf
from ansible_collections.mutual.tls.tests.fleet.disk import Disk, disk_of, moved
from ansible_collections.mutual.tls.tests.fleet.host import Host
from ansible_collections.mutual.tls.tests.fleet.project import (
    PASSPHRASE,
    SECRETS,
    SERVICE,
    Project,
    chat,
    event,
    message,
)
from ansible_collections.mutual.tls.tests.fleet.roots import DEBIAN
from ansible_collections.mutual.tls.tests.fleet.specification import HostSpec
from ansible_collections.mutual.tls.tests.fleet.trace import Trace
from ansible_collections.mutual.tls.tests.integration.fleet import Run
from ansible_collections.mutual.tls.tests.integration.surveillance import (
    STRACE,
    Canaries,
    Traced,
    forms,
    key_forms,
    traced,
)

pytestmark = pytest.mark.timeout(1200)  # roots may have to be built first

# Whoever traces what runs already cannot have the kernel sort out the calls.
OPTIONS = [option for option in STRACE if option not in ("--follow-forks", "--seccomp-bpf")]
OWN = ("/etc/mtls/", "/srv/orders/")
OTHER_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/home", "/root")
HOME = f"/home/{PLAIN}"


@pytest.fixture(scope="module")
def deploy(project_of: ProjectOf) -> Project:
    """One host of each release, on which a user logs in that has sudo."""
    project = project_of([HostSpec(release=release, user=DEPLOY) for release in DEBIAN])
    project.variables["ansible_become"] = True
    return project


@pytest.fixture(scope="module")
def plain(deploy: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same hosts, on which a user without sudo keeps one credential in its home."""
    project = Project(tmp_path_factory.mktemp("plain") / "controller", deploy.fleet, PLAIN)
    link = {"path": f"{HOME}/client.p12", "file": "chat.p12"}
    project.variables |= {"mtls_root": f"{HOME}/mtls", "mtls_credentials": [{**chat(), "links": [link]}]}
    return project


def _disks(project: Project) -> Dict[str, Disk]:
    return {host.name: disk_of(host) for host in project.hosts}


def _passphrases() -> Canaries:
    return Canaries({name: forms(text) for name, text in SECRETS.items()})


def _keys(host: Host) -> Canaries:
    generations = {"orders": PASSPHRASE, "chat": None}
    return Canaries(
        {
            f"the key of {name}": key_forms(
                host.path(f"/etc/mtls/{name}/generations/0001/key.pem").read_bytes(), passphrase
            )
            for name, passphrase in generations.items()
        }
    )


def test_become(deploy: Project, tmp_path: Path) -> None:
    """Everything is root's, or the service's, and no secret was ever anywhere else."""
    before = _disks(deploy)
    traces = {host.name: tmp_path / host.name for host in deploy.hosts}
    with ExitStack() as tracing:
        for host in deploy.hosts:
            tracing.enter_context(Trace(host, OPTIONS, traces[host.name]))
        run = deploy.run_with_ca("--diff", "-vvvv").must_succeed()
    after = _disks(deploy)
    again = deploy.run().must_succeed()
    assert not any(event(again, host).result["changed"] for host in deploy.hosts)
    for host in deploy.hosts:
        assert moved(after[host.name], disk_of(host)) == set()
        _check_owners(moved(before[host.name], after[host.name]), after[host.name])
        _check_secrets(host, run, deploy, traced(traces[host.name]))


def _check_owners(touched: Set[str], disk: Disk) -> None:
    assert {path for path in touched if not path.startswith(OWN)} == {"/etc", "/etc/mtls", "/srv/orders"}
    for path in touched - {"/etc", "/srv/orders"}:
        assert disk[path].owner in (0, SERVICE), path
    assert disk["/etc/mtls"].owner == disk["/etc/mtls/orders/generations/0001"].owner == 0


def _check_secrets(host: Host, run: Run, project: Project, seen: Traced) -> None:
    passphrases, keys = _passphrases(), _keys(host)
    to_files = [(target, data) for (_process, target), data in seen.written.items() if target.startswith("/")]
    # What is meant to hold secrets was seen to be written: the surveillance works.
    own = b"".join(data for target, data in to_files if target.startswith(OWN))
    assert passphrases.within(own, "") and keys.within(own, "") and len(seen.executed) > 3
    elsewhere = [(target, data) for target, data in to_files if not target.startswith(OWN)]
    elsewhere += [("a command or its environment", data) for data in seen.executed]
    elsewhere += [("a path", data) for data in seen.paths]
    elsewhere += [("the output", run.output.encode()), ("a result", json.dumps(event(run, host).result).encode())]
    found: List[str] = []
    for where, data in elsewhere:
        found += passphrases.within(data, where) + keys.within(data, where)
    for (_process, target), data in seen.written.items():
        if not target.startswith("/"):
            # Passphrases reach the host through these; keys leave it through none of them.
            found += keys.within(data, target)
    for directory in OTHER_PLACES:
        found += passphrases.in_files(host.path(directory)) + keys.in_files(host.path(directory))
    assert found + passphrases.in_files(project.temporary) + keys.in_files(project.temporary) == []


def test_without_sudo(plain: Project) -> None:
    before = _disks(plain)
    run = plain.run_with_ca().must_succeed()
    after = _disks(plain)
    again = plain.run().must_succeed()
    for host in plain.hosts:
        assert event(run, host).result["changed"] and not event(again, host).result["changed"]
        touched = moved(before[host.name], after[host.name])
        assert touched and all(path == HOME or path.startswith(f"{HOME}/") for path in touched)
        assert {after[host.name][path].owner for path in touched} == {after[host.name][HOME].owner}
        assert moved(after[host.name], disk_of(host)) == set()


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {"mtls_credentials": [{**chat(), "owner": "orders"}]},
            "credential chat: only root can give files to owner orders and group .*; run with become, or leave",
        ),
        (
            {"mtls_root": "/etc/mtls-of-plain", "mtls_credentials": [chat()]},
            "cannot write to /etc: run with become, as a user who may, or name another directory$",
        ),
    ],
    ids=["owner", "root"],
)
def test_what_only_root_may_do(plain: Project, variables: Mapping[str, Any], says: str) -> None:
    before = _disks(plain)
    run = plain.run("-e", json.dumps(variables))
    for host in plain.hosts:
        assert event(run, host).status == "failed"
        assert re.search(says, message(run, host) or "")
        assert moved(before[host.name], disk_of(host)) == set()
