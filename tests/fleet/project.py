# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller's project about a fleet: an inventory, the state directory, and runs of the real playbooks."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from ansible_collections.mutual.tls.tests.integration.fleet import Event, Run
from ansible_collections.mutual.tls.tests.integration.fleet import Fleet as Controller
from ansible_collections.mutual.tls.tests.unit import material

from .fleet import Fleet
from .host import Host
from .places import REPOSITORY

OWNCA = REPOSITORY / "playbooks" / "ownca.yml"
PROVISION = REPOSITORY / "playbooks" / "provision.yml"
TASK = "mutual.tls.mtls : Keep this host's client credentials"

CA_PASSPHRASE = "C1authority\"'\\ß C9ending"
PASSPHRASE = "O1rders\"'\\x41 O9ending"
KEY_PASSPHRASE = "J1öwn'key`J9ending"
CHAT_PASSPHRASE = "T1chat $HOME T9ending"
SECRETS = {"CA": CA_PASSPHRASE, "orders": PASSPHRASE, "JKS key": KEY_PASSPHRASE, "chat": CHAT_PASSPHRASE}

SERVICE = 900
"""Number of the user and of the group `orders`, whose files these are."""

# What is kept open to a host that is cut off is given up after a while, as in every fleet where hosts may go.
_SSH = "-C -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=2 -o ServerAliveCountMax=4"


def orders() -> Dict[str, Any]:
    """A credential with everything that one can have: RSA, all formats, links."""
    return {
        "name": "orders",
        "subject": {"CN": "{{ inventory_hostname }}", "OU": "{{ unit }}"},
        "subject_alt_name": ["DNS:{{ inventory_hostname }}.acme.example"],
        "passphrase": PASSPHRASE,
        "key": {"type": "RSA", "size": 2048, "encrypt": True},
        "authorities": ["partner"],
        "owner": "orders",
        "group": "orders",
        "mode": "0640",
        "keystores": [
            {"format": "pkcs12", "file": "modern.p12"},
            {"format": "pkcs12", "file": "compatible.p12", "encryption": "compatible", "mode": "0600"},
            {
                "format": "jks",
                "file": "client.jks",
                "key_passphrase": KEY_PASSPHRASE,
                "trusted": [{"friendly_name": "partner", "authority": "partner"}],
            },
        ],
        "truststores": [
            {"format": "jks", "file": "trust.jks", "authorities": ["partner", "system"], "mode": "0644"},
            {"format": "pkcs12", "file": "trust.p12", "own_chain": True, "owner": "root"},
            {"format": "pem", "file": "trusted.pem", "authorities": ["partner", "system"]},
        ],
        "configs": [{"template": "curl", "file": "curl.conf"}, {"src": "orders.j2", "file": "orders.yml"}],
        "links": [
            {"path": "/srv/orders/client.jks", "file": "client.jks"},
            {"path": "/srv/orders/modern.p12", "file": "modern.p12", "copy": True, "mode": "0400"},
        ],
    }


def chat() -> Dict[str, Any]:
    """A small second one, with an elliptic curve."""
    return {
        "name": "chat",
        "subject": {"CN": "{{ inventory_hostname }}-chat"},
        "passphrase": CHAT_PASSPHRASE,
        "key": {"type": "ECC", "format": "traditional"},
        "keystores": [{"format": "pkcs12", "file": "chat.p12"}],
    }


class Project:
    """One project directory. `variables` are those of all hosts, `host_variables` those of one, by its name.

    user: who logs in; if None, whom the host's specification names.
    """

    def __init__(self, directory: Path, fleet: Fleet, user: Optional[str] = None) -> None:
        self.fleet = fleet
        self._user = user
        self._controller = Controller(directory)
        self.directory = self._controller.project
        self.state = self._controller.state
        self.partner = material.authority("Partner Root CA")
        (self.directory / "partner.pem").write_bytes(self.partner.pem)
        (self.directory / "orders.j2").write_text("store: {{ credential.passphrase }}\n", encoding="utf-8")
        corp = {"passphrase": CA_PASSPHRASE}
        subjects = [{"CN": "Corp Client CA"}, {"CN": "Corp Client Issuing CA"}]
        authority = {"name": "corp", "subject": subjects[0], "key": {"type": "ECC"}, **corp}
        self.variables: Dict[str, Any] = {
            "mtls_state_directory": str(self.state),
            "mtls_ownca_authorities": [{**authority, "intermediate": {"subject": subjects[1]}}],
            "mtls_issuers": {"corp": {"type": "ownca", **corp}},
            "mtls_authorities": {"partner": {"src": "partner.pem"}},
            "mtls_credential_defaults": {"issuer": "corp"},
            "mtls_credentials": [orders(), chat()],
            "unit": "first",
            "ansible_ssh_args": _SSH,
        }
        self.host_variables: Dict[str, Dict[str, Any]] = {}

    @property
    def hosts(self) -> List[Host]:
        return self.fleet.hosts

    def prepare_hosts(self) -> None:
        """Give each host what provisioning expects to find: the service's user, and its directory."""
        for host in self.hosts:
            script = (
                f"groupadd -g {SERVICE} orders; useradd -u {SERVICE} -g orders orders; install -d -o orders /srv/orders"
            )
            host.run(["sh", "-euc", script.replace("; ", "\n")]).check_returncode()

    def write_inventory(self) -> Path:
        """The fleet's inventory and this project's variables in one file."""
        inventory = json.loads(self.fleet.inventory.read_text(encoding="utf-8"))
        inventory["all"]["vars"].update(self.variables)
        user = {"ansible_user": self._user} if self._user else {}
        inventory["all"]["hosts"] = {
            host.name: {**user, **self.host_variables.get(host.name, {})} for host in self.hosts
        }
        path = self.directory / "hosts.yml"
        path.write_text(json.dumps(inventory, indent=1), encoding="utf-8")
        return path

    def run(self, *arguments: str, playbook: Path = PROVISION) -> Run:
        """Run a playbook, `provision` unless told otherwise, over all hosts at the same time."""
        environment = {"ANSIBLE_FORKS": str(len(self.hosts))}
        return self._controller.run(
            *arguments, playbook=playbook, inventory=self.write_inventory(), environment=environment
        )

    def run_with_ca(self, *arguments: str) -> Run:
        """Run `ownca`, then `provision`, as people do it at first."""
        return self.run(str(PROVISION), *arguments, playbook=OWNCA)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Future[Run]]:
        """Run `provision` while the block does something else; the run has ended when the block has."""
        with ThreadPoolExecutor(1) as background:
            yield background.submit(self.run, *arguments)

    @property
    def temporary(self) -> Path:
        """Where runs put whatever they write on the controller beside the state directory."""
        return self._controller.work


def event(run: Run, host: Host) -> Event:
    """What the credentials' task came to on a host."""
    return run.event(host.name, TASK)


def credential(run: Run, host: Host, name: str = "orders") -> Mapping[str, Any]:
    """The result of one credential; AssertionError where the host gave none."""
    result = event(run, host)
    for found in result.result.get("credentials", ()):
        if found["name"] == name:
            return dict(found)
    raise AssertionError(f"{host.name} is {result.status}: {result.result.get('msg')}")


def reasons(run: Run, host: Host, name: str = "orders") -> List[str]:
    """The reason codes of one credential."""
    return list(credential(run, host, name)["reasons"])


def message(run: Run, host: Host) -> Optional[str]:
    """What a host's failure says, None where it did not fail."""
    result = event(run, host)
    return str(result.result.get("msg")) if result.status != "ok" else None
