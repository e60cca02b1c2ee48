# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule scenario on SSH hosts runs through, and leaves nothing behind, also when it fails."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ansible_collections.mutual.tls.tests.fleet import fleet
from ansible_collections.mutual.tls.tests.scenarios import molecule, must_pass, nothing_is_left

# Each of a scenario's steps is a run of ansible-playbook.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def name() -> str:
    """The name that the scenario's fleet is told to have."""
    return f"molecule-{os.getpid()}"


def test_role_mtls_fleet(repository: Path, tmp_path: Path, name: str) -> None:
    must_pass(repository, tmp_path, "role_mtls_fleet", f"--extra-vars=fleet_name={name}")
    assert name not in fleet.names()


def test_a_failure_leaves_no_fleet(repository: Path, tmp_path: Path, name: str) -> None:
    variables = f"--extra-vars=fleet_name={name} mtls_root=relative"
    done = molecule(repository, tmp_path, "test", "-s", "role_mtls_fleet", "--", variables)
    assert done.returncode != 0
    # It came to the hosts, and failed for the reason that it was given.
    assert "create: Executed: Successful" in done.stdout, done.stdout[-6000:]
    assert "converge: Executed: Failed" in done.stdout
    assert re.search(r"root: .*absolute", done.stdout)
    nothing_is_left(tmp_path)
    assert name not in fleet.names()
