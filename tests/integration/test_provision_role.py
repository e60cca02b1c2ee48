# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role and its playbook, as users run them: groups that add up, vaulted and templated values, two hosts.

Fresh check, fresh run, rerun, one change, one credential less; under every release of ansible-core.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.mutual.tls.plugins.module_utils import keystore_format
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, Run, listing, moved

pytestmark = pytest.mark.compat

PLAYBOOK = Path("mutual.tls.provision")
TASK = "mutual.tls.mtls : Keep this host's client credentials"
VAULTED = 'vau\'lted \\ "ü"'
HOSTS = ("web1", "web2")


class Vaulted(str):
    """A value that is written to the inventory inline and encrypted."""


def to_yaml(value: Any, indent: str = "") -> str:
    """YAML with `!vault` where a value says so, JSON everywhere else."""
    if isinstance(value, Vaulted):
        encrypted = VaultLib([("default", VaultSecret(b"right"))]).encrypt(value).decode()
        return "!vault |\n" + "".join("{0}  {1}\n".format(indent, line) for line in encrypted.splitlines())
    if isinstance(value, dict) and value:
        return "\n" + "".join(
            "{0}{1}: {2}\n".format(indent, json.dumps(key), to_yaml(item, indent + "  ").rstrip("\n"))
            for key, item in value.items()
        )
    if isinstance(value, list) and value:
        return "\n" + "".join("{0}- {1}\n".format(indent, to_yaml(item, indent + "  ").strip("\n ")) for item in value)
    return json.dumps(value)


def inventory(fleet: Fleet) -> Dict[str, Any]:
    """Two hosts; what they have in common, what the group `partners` adds, and what one of them adds."""
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "mtls_root": "{0}/hosts/{{{{ inventory_hostname }}}}/mtls".format(fleet.directory),
        "mtls_issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
        "mtls_authorities__common": {"corp_root": {"issuer": "corp"}},
        "mtls_credential_defaults": {"issuer": "corp", "authorities": ["corp_root"], "key": {"type": "ECC"}},
        "mtls_credentials__common": [
            {
                "name": "base",
                "subject": {"CN": "{{ inventory_hostname }}.{{ domain }}"},
                "configs": [{"template": "env", "file": "env"}],
            }
        ],
        "domain": "acme.example",
        "vaulted": Vaulted(VAULTED),
    }
    partners = {
        "mtls_providers": {"neo": {"extends": "one_network"}},
        "mtls_credentials__partners": [
            {
                "name": "neo",
                "provider": "neo",
                "subject": {"CN": "erp", "O": "Acme"},
                "passphrase": Vaulted(VAULTED),
                "keystores": [{"file": "client.jks"}],
            },
        ],
    }
    extra = [{"name": "extra", "subject": {"CN": "extra"}, "passphrase": "{{ vaulted }}", "key": {"encrypt": True}}]
    return {
        "all": {
            "vars": common,
            "hosts": {"web1": {"mtls_credentials__web1": extra}, "web2": {}},
            "children": {"partners": {"vars": partners, "hosts": {"web1": {}}}},
        }
    }


@pytest.fixture(name="fleet", scope="module")
def make_fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    fleet = Fleet(tmp_path_factory.mktemp("role"))
    fleet.make_ca("corp")
    (fleet.project / "password").write_text("right", encoding="utf-8")
    (fleet.project / "wrong").write_text("wrong", encoding="utf-8")
    for host in HOSTS:
        (fleet.directory / "hosts" / host).mkdir()
    return fleet


def run(fleet: Fleet, content: Dict[str, Any], *options: str, password: str = "password") -> Run:
    path = fleet.project / "hosts.yml"
    path.write_text(to_yaml(content), encoding="utf-8")
    return fleet.run("--vault-password-file", password, *options, playbook=PLAYBOOK, inventory=path)


def entries(done: Run, host: str) -> Dict[str, Any]:
    return {entry["name"]: entry for entry in done.event(host, TASK).result["credentials"]}


def test_fresh_check_run_rerun_one_change_and_an_orphan(fleet: Fleet) -> None:
    content = inventory(fleet)
    hosts = fleet.directory / "hosts"
    empty = listing(fleet.directory / "hosts")
    predicted = run(fleet, content, "--check", "--diff").must_succeed()
    assert moved(empty, listing(hosts)) == []

    made = run(fleet, content, "--diff", "-vvvv").must_succeed()
    assert "vau'lted" not in made.output
    assert CA_PASSPHRASE not in made.output
    assert set(entries(made, "web1")) == {"base", "neo", "extra"}
    assert set(entries(made, "web2")) == {"base"}
    for host in HOSTS:
        assert predicted.event(host, TASK).result["diff"] == made.event(host, TASK).result["diff"]
        for name, entry in entries(made, host).items():
            assert (entry["state"], entry["changed"]) == ("active", True)
            for field in ("state", "changed", "reasons", "directory", "subject", "issuer", "labels"):
                assert entries(predicted, host)[name][field] == entry[field]
    assert entries(made, "web1")["base"]["subject"] == "CN=web1.acme.example"

    store = (hosts / "web1/mtls/neo/current/client.jks").read_bytes()
    assert [entry.alias for entry in keystore_format.codec("jks").decode(store, VAULTED).entries] == ["neo"]
    assert b"ENCRYPTED" in (hosts / "web1/mtls/extra/current/key.pem").read_bytes()

    before = listing(hosts)
    again = run(fleet, content, "--diff").must_succeed()
    assert moved(before, listing(hosts)) == []
    for host in HOSTS:
        assert again.event(host, TASK).result["changed"] is False
        assert again.event(host, TASK).result["diff"] == []

    other = copy.deepcopy(content)
    other["all"]["children"]["partners"]["vars"]["mtls_credentials__partners"][0]["keystores"][0]["friendly_name"] = "x"
    changed = run(fleet, other).must_succeed()
    assert changed.event("web2", TASK).result["changed"] is False
    assert {name: entry["changed"] for name, entry in entries(changed, "web1").items()} == {
        "base": False,
        "neo": True,
        "extra": False,
    }
    assert entries(changed, "web1")["neo"]["reasons"][0] == "store_alias_changed"
    assert entries(changed, "web1")["neo"]["serial_number"] == entries(made, "web1")["neo"]["serial_number"]

    del other["all"]["hosts"]["web1"]["mtls_credentials__web1"]
    result = run(fleet, other).must_succeed().event("web1", TASK).result
    assert (result["orphaned"], result["changed"]) == (["extra"], False)
    assert "extra" in result["warnings"][0]
    assert (fleet.root("web1") / "extra/current/key.pem").exists()


def test_a_name_in_two_groups_names_both_variables(fleet: Fleet) -> None:
    content = inventory(fleet)
    content["all"]["hosts"]["web1"]["mtls_credentials__web1"][0]["name"] = "neo"
    before = listing(fleet.directory / "hosts")
    done = run(fleet, content)
    assert done.event("web1", TASK).status == "failed"
    message = done.event("web1", TASK).result["msg"]
    assert "'neo' is defined in mtls_credentials__partners and in mtls_credentials__web1" in message
    assert done.event("web2", TASK).status == "ok"
    assert [path for path in moved(before, listing(fleet.directory / "hosts")) if path.startswith("web1")] == []


def test_a_wrong_vault_password_fails_before_anything_happens(fleet: Fleet) -> None:
    before = listing(fleet.directory / "hosts")
    done = run(fleet, inventory(fleet), password="wrong")
    assert done.returncode != 0
    assert done.event("web1", TASK).status == "failed"
    assert [path for path in moved(before, listing(fleet.directory / "hosts")) if path.startswith("web1")] == []


def test_a_state_directory_that_ansible_reads_as_inventory_is_warned_of(fleet: Fleet) -> None:
    content = inventory(fleet)
    directory = fleet.project / "inventory"
    directory.mkdir()
    content["all"]["vars"]["mtls_state_directory"] = str(directory / "mtls")
    (directory / "hosts.yml").write_text(to_yaml(content), encoding="utf-8")
    options = ("--vault-password-file", "password", "--check", "--limit", "web2")
    by_file = fleet.run(*options, playbook=PLAYBOOK, inventory=directory / "hosts.yml").must_succeed()
    # Only that its CA is still to be made.
    (warning,) = by_file.event("web2", TASK).result["warnings"]
    assert "does not exist yet" in warning
    by_directory = fleet.run(*options, playbook=PLAYBOOK, inventory=directory).must_succeed()
    assert "not its directory" in by_directory.event("web2", TASK).result["warnings"][0]
