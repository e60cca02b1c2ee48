# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule scenarios run through, and leave nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Callable, Dict, List, Set

import pytest
import yaml

from ansible_collections.mutual.tls.tests.fleet import fleet

# Each of a scenario's steps is a run of ansible-playbook; the first fleet builds the roots of its hosts.
pytestmark = pytest.mark.timeout(1800)


def environment(directory: Path) -> Dict[str, str]:
    """Nothing of the caller's settings, and every place that Ansible and Molecule write to below `directory`."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",
        "HOME": str(directory / "home"),
        "ANSIBLE_HOME": str(directory / "ansible"),
        "NO_COLOR": "1",
    }


def molecule(repository: Path, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (directory / "home").mkdir()
    return subprocess.run(
        [sys.executable, "-m", "molecule", *arguments],
        cwd=repository,
        env=environment(directory),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def steps(repository: Path) -> List[str]:
    shared = yaml.safe_load((repository / "extensions/molecule/config.yml").read_text(encoding="utf-8"))
    sequence: List[str] = shared["scenario"]["test_sequence"]
    return sequence


def files(directory: Path) -> Set[Path]:
    return {path for path in directory.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def processes_about(directory: Path) -> List[str]:
    """The command lines of all processes that name the directory."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(directory) in line:
            lines.append(line)
    return lines


def must_pass(repository: Path, directory: Path, scenario: str, *options: str) -> None:
    """Run all steps of a scenario; each must succeed, none may be left out, and nothing may be left behind.

    `options` are for every ansible-playbook.
    """
    before = files(repository / "extensions")
    done = molecule(repository, directory, "test", "-s", scenario, "--", *options)
    assert done.returncode == 0, done.stdout[-6000:]
    expected = len(steps(repository))
    assert re.search(rf"actions={expected} +successful={expected} ", done.stdout), done.stdout[-2000:]
    assert files(repository / "extensions") == before
    nothing_is_left(directory)


def nothing_is_left(directory: Path) -> None:
    """No process, no file but Molecule's own, and none of these in the user's home."""
    assert list((directory / "home").iterdir()) == []
    assert {path.name for path in files(directory)} <= {"ansible.cfg", "ansible_inventory.yml", "state.yml"}
    assert processes_about(directory) == []


@pytest.fixture
def hosts_can_be_made(tool: Callable[[str], str]) -> None:
    for program in ("ip", "mmdebstrap", "nsenter", "unshare", "ssh", "sshd"):
        tool(program)
    if os.geteuid() != 0:
        pytest.skip("only root can make hosts")


@pytest.fixture
def name() -> str:
    """The name that the scenario's fleet is told to have."""
    return f"molecule-{os.getpid()}"


def test_role_mtls_default(repository: Path, tmp_path: Path) -> None:
    must_pass(repository, tmp_path, "role_mtls_default")


@pytest.mark.usefixtures("hosts_can_be_made")
def test_role_mtls_fleet(repository: Path, tmp_path: Path, name: str) -> None:
    must_pass(repository, tmp_path, "role_mtls_fleet", f"--extra-vars=fleet_name={name}")
    assert name not in fleet.names()


@pytest.mark.usefixtures("hosts_can_be_made")
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
