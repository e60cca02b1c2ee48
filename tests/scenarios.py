# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Molecule scenarios, and see what they leave behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Set

import yaml


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
