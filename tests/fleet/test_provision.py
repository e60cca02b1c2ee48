# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian 11, 12 and 13 with their own Python and cryptography: predicted, provisioned, left alone, put to use."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Set, Tuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.mutual.tls.inventories.demo.endpoint import Endpoint, Log
from ansible_collections.mutual.tls.tests.fleet.conftest import (
    ASK_VERSIONS,
    VERSIONS,
    ProjectOf,
    needed,
    two_of_each,
)
from ansible_collections.mutual.tls.tests.fleet.disk import Disk, disk_of, moved
from ansible_collections.mutual.tls.tests.fleet.network import machine_address
from ansible_collections.mutual.tls.tests.fleet.project import (
    KEY_PASSPHRASE,
    PASSPHRASE,
    SERVICE,
    Project,
    credential,
    event,
)
from ansible_collections.mutual.tls.tests.integration.fleet import Listing, Run, listing
from ansible_collections.mutual.tls.tests.unit import material

pytestmark = pytest.mark.timeout(1200)  # roots may have to be built first

CURRENT = "/etc/mtls/orders/current"

# name: mode, owner
FILES = {
    **dict.fromkeys("key.pem certificate.pem chain.pem fullchain.pem client.pem trust.pem".split(), (0o640, SERVICE)),
    **dict.fromkeys("modern.p12 client.jks trusted.pem curl.conf orders.yml".split(), (0o640, SERVICE)),
    "compatible.p12": (0o600, SERVICE),
    "trust.jks": (0o644, SERVICE),
    "trust.p12": (0o640, 0),
    "manifest.json": (0o600, 0),
}


@dataclass(frozen=True)
class Story:
    """What happened to a new fleet: check, run, and run again; disks and state directory after each, and before all."""

    project: Project
    disks: List[Dict[str, Disk]]
    states: List[Listing]
    checked: Run
    run: Run
    again: Run


@pytest.fixture(scope="module")
def story(project_of: ProjectOf) -> Story:
    project = project_of(two_of_each())
    disks, states = [_disks(project)], [listing(project.state)]
    runs = []
    for arguments in (["--check", "--diff"], ["--diff"], ["--diff"]):
        runs.append(project.run_with_ca(*arguments).must_succeed())
        disks.append(_disks(project))
        states.append(listing(project.state))
    return Story(project, disks, states, *runs)


def _disks(project: Project) -> Dict[str, Disk]:
    return {host.name: disk_of(host) for host in project.hosts}


def test_hosts_use_what_debian_ships(story: Story) -> None:
    for host in story.project.hosts:
        assert host.run([host.spec.python, "-c", ASK_VERSIONS]).stdout.strip() == VERSIONS[host.release]


def test_check_predicts_the_run_and_touches_nothing(story: Story) -> None:
    for host in story.project.hosts:
        predicted, done = event(story.checked, host).result, event(story.run, host).result
        assert predicted["changed"] and done["changed"]
        assert predicted["diff"] == done["diff"]
        assert _foreseeable(predicted) == _foreseeable(done)
        assert moved(story.disks[0][host.name], story.disks[1][host.name]) == set()
    assert story.states[0] == story.states[1] == {}


def _foreseeable(result: Mapping[str, Any]) -> List[Dict[str, Any]]:
    unknown = "issuer_dn serial_number not_before not_after due fingerprint_sha256".split()
    return [{key: value for key, value in one.items() if key not in unknown} for one in result["credentials"]]


def test_the_run_makes_what_was_asked_for_and_touches_nothing_else(story: Story) -> None:
    for host in story.project.hosts:
        before, after = story.disks[1][host.name], story.disks[2][host.name]
        places = {path for path in moved(before, after) if not path.startswith("/etc/mtls/")}
        assert places == {"/etc", "/etc/mtls", "/srv/orders", "/srv/orders/client.jks", "/srv/orders/modern.p12"}
        inside = {path for path in after if path.startswith("/etc/mtls/orders/generations/0001/")}
        found = {path.rpartition("/")[2]: after[path] for path in inside}
        shown = {name: (entry.mode & 0o7777, entry.owner) for name, entry in found.items()}
        assert shown == FILES
        assert after[CURRENT].content == "generations/0001"
        assert after["/srv/orders/client.jks"].content == f"{CURRENT}/client.jks"
        copy, original = after["/srv/orders/modern.p12"], found["modern.p12"]
        assert (copy.content, copy.mode & 0o7777, copy.owner) == (original.content, 0o400, SERVICE)
        assert host.run(["cat", f"{CURRENT}/client.pem"], user="orders").stdout.startswith("-----BEGIN")
        assert host.run(["cat", f"{CURRENT}/client.pem"], user="plain").returncode != 0


def test_the_second_run_changes_nothing(story: Story) -> None:
    for host in story.project.hosts:
        result = event(story.again, host).result
        assert result["changed"] is False and not result.get("diff")
        assert [(one["state"], one["changed"], one["reasons"]) for one in result["credentials"]] == [
            ("active", False, [])
        ] * 2
        assert moved(story.disks[2][host.name], story.disks[3][host.name]) == set()
    assert [one for one in story.again.events if one.result.get("changed")] == []
    assert story.states[2] == story.states[3]


def test_others_read_the_stores(story: Story) -> None:
    """The controller's cryptography and Java agree with the host about what its stores hold."""
    keytool = needed("keytool", "default-jdk-headless")
    for host in story.project.hosts[::2]:
        current = "/etc/mtls/orders/generations/0001"
        leaf = x509.load_pem_x509_certificate(host.path(f"{current}/certificate.pem").read_bytes())
        assert f"{leaf.serial_number:x}" == credential(story.run, host)["serial_number"]
        for file in ("modern.p12", "compatible.p12"):
            stored = pkcs12.load_pkcs12(host.path(f"{current}/{file}").read_bytes(), PASSPHRASE.encode())
            assert stored.cert is not None and stored.cert.certificate == leaf
            assert stored.key is not None and stored.key.public_key() == leaf.public_key()
            assert [_name(one.certificate) for one in stored.additional_certs] == [
                "Corp Client Issuing CA",
                "Corp Client CA",
            ]
        bundle = host.path("/etc/ssl/certs/ca-certificates.crt").read_text(encoding="ascii").count("BEGIN CERT")
        expected = {"client.jks": (1, 1), "trust.jks": (0, bundle + 1), "trust.p12": (0, 4)}
        found = {name: _entries(keytool, host.path(f"{current}/{name}")) for name in expected}
        assert found == expected


def _name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _entries(keytool: str, store: Path) -> Tuple[int, int]:
    """How many keys and how many trusted certificates a store has, as Java counts."""
    command = [keytool, "-J-XX:TieredStopAtLevel=1", "-list", "-keystore", str(store)]
    done = subprocess.run(
        [*command, "-storepass:env", "STORE"],
        capture_output=True,
        text=True,
        env={"STORE": PASSPHRASE, "LC_ALL": "C.UTF-8"},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.count("PrivateKeyEntry"), done.stdout.count("trustedCertEntry")


PEM = {
    "privatekey_path": f"{CURRENT}/client.pem",
    "privatekey_passphrase": PASSPHRASE,
    "certificate_path": f"{CURRENT}/client.pem",
}
JKS = {
    "format": "jks",
    "path": "/srv/orders/client.jks",
    "passphrase": PASSPHRASE,
    "key_passphrase": KEY_PASSPHRASE,
}
TRIES: List[List[Dict[str, Any]]] = [
    [
        {"pem": PEM, "truststore": {"format": "pem", "path": f"{CURRENT}/trusted.pem"}},
        {
            "keystore": {"format": "pkcs12", "path": f"{CURRENT}/compatible.p12", "passphrase": PASSPHRASE},
            "truststore": {"format": "pkcs12", "path": f"{CURRENT}/trust.p12", "passphrase": PASSPHRASE},
        },
    ],
    [
        {"keystore": JKS, "truststore": {"format": "jks", "path": f"{CURRENT}/trust.jks", "passphrase": PASSPHRASE}},
        {
            "keystore": {"format": "pkcs12", "path": "/srv/orders/modern.p12", "passphrase": PASSPHRASE},
            "truststore": {"format": "pem", "path": f"{CURRENT}/trust.pem"},
        },
    ],
]
"""What a release's first and its second host shake hands with."""
TASK = "Shake hands"


@contextmanager
def _server(project: Project, directory: Path) -> Iterator[Tuple[str, int, Path]]:
    """A server that demands our clients' certificates, where the hosts can reach it: address, port, log."""
    address = machine_address(int(project.hosts[0].address.split(".")[2]))
    identity = material.client(
        "server",
        project.partner,
        alternatives=[x509.IPAddress(ipaddress.ip_address(address))],
        purposes=[ExtendedKeyUsageOID.SERVER_AUTH],
    )
    certificate, log = directory / "server.pem", directory / "server.log"
    certificate.write_bytes(identity.key_pem + identity.pem)
    with Endpoint(address, 0, certificate, project.state / "ownca" / "corp" / "ca.pem", Log(log)) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.1])
        thread.start()
        yield address, int(server.server_address[1]), log
        server.shutdown()
        thread.join()


def test_hosts_shake_hands_with_what_they_got(story: Story, tmp_path: Path) -> None:
    project = story.project
    handshake = {"host": "{{ address }}", "port": "{{ port }}", "request": {"path": "/{{ number }}"}}
    handshake |= {name: "{{ item." + name + " | default(omit) }}" for name in ("pem", "keystore", "truststore")}
    task = {
        "name": TASK,
        "mutual.tls.handshake": handshake,
        "loop": "{{ tries }}",
        "loop_control": {"index_var": "number"},
    }
    playbook = project.directory / "handshake.yml"
    playbook.write_text(json.dumps([{"name": "Try", "hosts": "all", "gather_facts": False, "tasks": [task]}]))
    with _server(project, tmp_path) as (address, port, log):
        project.variables |= {"address": address, "port": port}
        project.host_variables = {host.name: {"tries": TRIES[number % 2]} for number, host in enumerate(project.hosts)}
        run = project.run(playbook=playbook).must_succeed()
    calls: Set[Tuple[str, str, str]] = set()
    for host in project.hosts:
        results = run.event(host.name, TASK).result["results"]
        assert [(one["diagnosis"]["code"], one["status"]) for one in results] == [("ok", 200)] * 2
        serial = credential(story.run, host)["serial_number"]
        calls |= {(f"OU=first, CN={host.name}", serial, f"/{number}") for number in range(2)}
    seen = [json.loads(line) for line in log.read_text(encoding="ascii").splitlines()]
    assert {(call["client"], call["serial_number"], call["path"]) for call in seen} == calls
