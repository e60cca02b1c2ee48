# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: it works, its second run changes nothing, and a deleted keystore is mended on its host alone."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

COPIED = ("ansible.cfg", "galaxy.yml", "meta", "plugins", "playbooks", "roles", "inventories")


@pytest.fixture(scope="module")
def clone(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo needs of this tree, without what an earlier demo left in it."""
    top = tmp_path_factory.mktemp("clone")
    for name in COPIED:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, top / name, ignore=shutil.ignore_patterns("__pycache__", "mtls.*"))
        else:
            shutil.copy(source, top / name)
    for name in ("hosts", "mtls", "run"):
        shutil.rmtree(top / "inventories/demo" / name, ignore_errors=True)
    (top / "ansible_collections/mutual").mkdir(parents=True)
    (top / "ansible_collections/mutual/tls").symlink_to("../..")
    return top


def environment(top: Path) -> Dict[str, str]:
    return {**os.environ, "ANSIBLE_CONFIG": str(top / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}


def run_demo(top: Path) -> str:
    command = [sys.executable, "inventories/demo/demo.py"]
    done = subprocess.run(command, cwd=top, env=environment(top), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def listing(top: Path) -> List[Tuple[object, ...]]:
    """Path, inode, mtime and SHA-256 of every host's tree."""
    rows: List[Tuple[object, ...]] = []
    for path in sorted((top / "inventories/demo/hosts").rglob("*")):
        found = path.lstat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        rows.append((path, found.st_ino, found.st_mtime_ns, found.st_mode, digest))
    return rows


def changed(output: str) -> List[Tuple[str, str]]:
    """Host and number of changes, from every recap."""
    return re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", output, re.MULTILINE)


def test_demo(clone: Path) -> None:
    first = run_demo(clone)
    for client in ("CN=demo-bot1", "CN=orders-1.acme.example", "CN=erp-1.acme.example"):
        called = first.split("=== 4.")[1].split("=== 5.")[0]
        assert client in called
    assert "Changed on the hosts in this run: yes" in first
    before = listing(clone)
    assert any(row[0].name == "client.jks" for row in before if isinstance(row[0], Path))

    second = run_demo(clone)
    assert "Changed on the hosts in this run: nothing" in second
    assert {number for _host, number in changed(second)} == {"0"}
    assert listing(clone) == before

    next(clone.glob("inventories/demo/hosts/erp-1/etc/mtls/neo/generations/*/client.jks")).unlink()
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventories/demo/hosts.yml"]
    command.append("playbooks/provision.yml")
    mended = subprocess.run(
        command, cwd=clone, env=environment(clone), capture_output=True, text=True, check=False
    ).stdout
    assert sorted(changed(mended)) == [("chat-1", "0"), ("erp-1", "1"), ("orders-1", "0")]
