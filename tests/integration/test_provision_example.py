# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventory that people copy is accepted as it stands and does what its comments say."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from ansible_collections.mutual.tls.tests.integration.fleet import Fleet, listing

PLAYBOOK = Path("mutual.tls.provision")
TASK = "mutual.tls.mtls : Keep this host's client credentials"
FILES = {
    "orders-1.acme.example": ("orders", {"client.jks", "trust.p12", "trust.pem", "curl.conf", "client.properties"}),
    "orders-2.acme.example": ("orders", {"client.jks", "orders.yml"}),
    "chat-1.acme.example": ("bot", {"bot.p12", "client.js", "trust.pem"}),
    "erp-1.acme.example": ("neo", {"client.jks", "trust.jks"}),
}


@pytest.fixture(name="fleet")
def make_fleet(tmp_path: Path, repository: Path) -> Fleet:
    """The example, copied; its hosts are directories of this machine, and so is /opt/neo."""
    fleet = Fleet(tmp_path / "fleet")
    shutil.copytree(repository / "inventories/example", fleet.project / "example")
    path = fleet.project / "example/group_vars/erp.yml"
    text = path.read_text(encoding="utf-8")
    assert "/opt/neo/" in text
    path.write_text(text.replace("/opt/neo/", f"{tmp_path}/fleet/opt/"), encoding="utf-8")
    (tmp_path / "fleet/opt").mkdir()
    return fleet


def test_the_example_provisions(fleet: Fleet) -> None:
    inventory = fleet.project / "example/hosts.yml"
    root = f"{fleet.directory}/hosts/{{{{ inventory_hostname }}}}/mtls"
    options = ["-e", "ansible_connection=local", "-e", f"ansible_python_interpreter={sys.executable}"]
    for host in FILES:
        (fleet.directory / "hosts" / host).mkdir()
    options += ["-e", f"mtls_root={root}"]
    fleet.run(*options, playbook=Path("mutual.tls.ownca"), inventory=inventory).must_succeed()
    done = fleet.run(*options, playbook=PLAYBOOK, inventory=inventory).must_succeed()
    for host, (name, files) in FILES.items():
        entries = done.event(host, TASK).result["credentials"]
        assert [(entry["name"], entry["state"]) for entry in entries] == [(name, "active")]
        assert files <= {path.name for path in (fleet.root(host) / name / "current").iterdir()}
    assert (fleet.directory / "opt/client.jks").is_symlink()
    assert not (fleet.directory / "opt/trust.jks").is_symlink()
    before = listing(fleet.directory / "hosts")
    again = fleet.run(*options, playbook=PLAYBOOK, inventory=inventory).must_succeed()
    assert [again.event(host, TASK).result["changed"] for host in FILES] == [False] * len(FILES)
    assert listing(fleet.directory / "hosts") == before
