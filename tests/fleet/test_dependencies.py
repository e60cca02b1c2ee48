# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts without cryptography: told what is missing and how to get it, or given it where the inventory says so."""

from __future__ import annotations

import re
from typing import Dict

import pytest

from ansible_collections.mutual.tls.tests.fleet.accounts import DEPLOY
from ansible_collections.mutual.tls.tests.fleet.conftest import ASK_VERSIONS, VERSIONS, ProjectOf
from ansible_collections.mutual.tls.tests.fleet.disk import Disk, disk_of, moved
from ansible_collections.mutual.tls.tests.fleet.project import Project, credential, event, message
from ansible_collections.mutual.tls.tests.fleet.roots import DEBIAN
from ansible_collections.mutual.tls.tests.fleet.specification import HostSpec
from ansible_collections.mutual.tls.tests.integration.fleet import Run

pytestmark = pytest.mark.timeout(1200)  # roots may have to be built first

MISSING = r"'cryptography' \(>= 3\.3\) is needed on this host, but /usr/bin/python3\S* cannot import it"


@pytest.fixture(scope="module")
def project(project_of: ProjectOf) -> Project:
    return project_of([HostSpec(release=release, user=DEPLOY, cryptography=False) for release in DEBIAN])


def _run(project: Project, install: bool, become: bool, *arguments: str) -> Run:
    project.variables |= {"mtls_install_dependencies": install, "ansible_become": become}
    return project.run_with_ca(*arguments)


def _disks(project: Project) -> Dict[str, Disk]:
    return {host.name: disk_of(host) for host in project.hosts}


@pytest.mark.parametrize(
    ("install", "become", "remedy"),
    [
        (False, True, "mtls_install_dependencies: true$"),
        (True, False, "mtls_install_dependencies: true and become: true$"),
    ],
    ids=["nobody asked for it", "nobody may"],
)
def test_what_is_missing_is_told_and_nothing_is_touched(
    project: Project, install: bool, become: bool, remedy: str
) -> None:
    before = _disks(project)
    run = _run(project, install, become)
    for host in project.hosts:
        assert event(run, host).status == "failed"
        assert re.search(
            f"{MISSING}.* install the package python3-cryptography, or let .* do it with {remedy}",
            message(run, host) or "",
        )
    assert _disks(project) == before


def test_it_is_installed_and_the_credentials_follow_in_the_same_run(project: Project) -> None:
    before = _disks(project)
    predicted = _run(project, True, True, "--check").must_succeed()
    assert _disks(project) == before
    run = _run(project, True, True).must_succeed()
    after = _disks(project)
    again = _run(project, True, True).must_succeed()
    for host in project.hosts:
        assert host.run([host.spec.python, "-c", ASK_VERSIONS]).stdout.strip() == VERSIONS[host.release]
        for one in (predicted, run):
            assert event(one, host).result["installed"] == ["python3-cryptography"]
            assert event(one, host).result["changed"]
        assert credential(run, host)["state"] == "active" and credential(run, host)["changed"]
        assert "installed" not in event(again, host).result and not event(again, host).result["changed"]
        assert moved(after[host.name], disk_of(host)) == set()
