# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/bench/hosts.py: simulated hosts are fresh after a reset, and count their interpreters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mutual.tls.tests.bench.hosts import LocalHosts
from ansible_collections.mutual.tls.tests.bench.measure import HOST_MARK


@pytest.fixture
def hosts(tmp_path: Path) -> LocalHosts:
    made = LocalHosts(tmp_path / "some hosts", 2, Path(sys.executable))
    made.reset()
    return made


def test_every_host_has_a_root_of_its_own(hosts: LocalHosts) -> None:
    assert list(hosts.names) == ["host-0001", "host-0002"]
    roots = [hosts.root(name) for name in hosts.names]
    assert len(set(roots)) == 2
    for name, root in zip(hosts.names, roots):
        assert hosts.variables(name, counted=False)["mtls_root"] == str(root)
        assert root.parent.is_dir()
        assert not root.exists()


def test_a_reset_leaves_nothing(hosts: LocalHosts) -> None:
    (hosts.root("host-0001") / "orders").mkdir(parents=True)
    hosts.reset()
    assert not hosts.root("host-0001").exists()
    assert hosts.root("host-0001").parent.is_dir()


def test_interpreters_are_counted_and_marked(hosts: LocalHosts) -> None:
    hosts.arm()
    interpreter = hosts.variables("host-0001", counted=True)["ansible_python_interpreter"]
    program = f"import os, sys; print(os.environ['{HOST_MARK}'], sys.argv[1:], sys.prefix)"
    for _round in range(3):
        done = subprocess.run([interpreter, "-c", program, "two words"], stdout=subprocess.PIPE, text=True, check=True)
        assert done.stdout == f"1 ['two words'] {sys.prefix}\n"
    assert hosts.launches() == 3
    assert hosts.launches() == 0


def test_the_plain_interpreter_is_not_counted(hosts: LocalHosts) -> None:
    hosts.arm()
    interpreter = hosts.variables("host-0002", counted=False)["ansible_python_interpreter"]
    subprocess.run([interpreter, "-c", ""], check=True)
    assert hosts.launches() == 0
