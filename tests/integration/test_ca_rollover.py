# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roll-over of an own CA with the real playbooks, over hosts whose clients call nginx all the time."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import shlex
import signal
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest
from cryptography.x509 import DNSName, IPAddress
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.plugins.module_utils import certificate
from ansible_collections.mutual.tls.tests.integration import servers
from ansible_collections.mutual.tls.tests.integration.fleet import (
    CA_PASSPHRASE,
    REPOSITORY,
    Fleet,
    Run,
    listing,
    moved,
)
from ansible_collections.mutual.tls.tests.unit import material

pytestmark = [pytest.mark.compat, pytest.mark.timeout(1200)]

OWNCA, PROVISION, ROTATE = (Path("mutual.tls." + name) for name in ("ownca", "provision", "rotate"))
DOCUMENTATION = (REPOSITORY / "docs/ca-rollover.md").read_text(encoding="utf-8")
BEGIN = "mutual.tls.mtls_ownca : See which own CA is to be rolled over, and whether its next phase depends on the hosts"
LOOK = "mutual.tls.mtls_ownca : See what this host has on its disk"
KEEP = "mutual.tls.mtls_ownca : Create and keep the own CAs"
HOSTS = ("gate", "web1", "web2")
CLIENTS = ("web1", "web2")
OLD, NEW = "Corp Client CA", "Corp Client CA 2027"
PATIENCE = 30.0
DOOM = Path(__file__).parent / "doom"

SETTINGS = """
    ssl_certificate {api}/server.pem; ssl_certificate_key {api}/server.key;
    ssl_client_certificate {trust}; ssl_crl {crl}; ssl_verify_client on; ssl_verify_depth 2;
    ssl_session_tickets off;
    location / {{ return 200 "$ssl_client_i_dn"; }}
"""


class Site:
    """An inventory, its hosts, and two servers: one on the host `gate`, one that has the CA's own files."""

    def __init__(self, directory: Path) -> None:
        self.fleet = Fleet(directory / "fleet")
        self.authority = self.fleet.state / "ownca/corp"
        self.api = directory / "api"
        self.api.mkdir()
        self.partner = material.authority("Partner Root")
        names = [DNSName("localhost"), IPAddress(ipaddress.ip_address("127.0.0.1"))]
        own = material.client("localhost", self.partner, alternatives=names, purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
        (self.api / "server.pem").write_bytes(own.pem)
        (self.api / "server.key").write_bytes(own.key_pem)
        for host in HOSTS:
            (self.fleet.directory / "hosts" / host).mkdir()
        self.description: Dict[str, Any] = {
            "name": "corp",
            "subject": {"CN": OLD},
            "key": {"type": "ECC", "curve": "secp256r1"},
            "intermediate": {"subject": {"CN": "Issuing " + OLD}},
        }
        self.more_authorities: Dict[str, Any] = {}
        self.host_variables: Dict[str, Dict[str, Any]] = {host: {} for host in HOSTS}

    @property
    def pid(self) -> Path:
        """Where the server of the host `gate` has its process id."""
        return self.api / "gate/nginx.pid"

    def describe(self, name: str) -> None:
        """Give the own CA another description."""
        self.description = {
            **self.description,
            "subject": {"CN": name},
            "intermediate": {"subject": {"CN": "Issuing " + name}},
        }

    def run(self, playbook: Path, *arguments: str, doom: Optional[Tuple[Path, str, str]] = None) -> Run:
        """Run a playbook; with `doom` it is killed when that file in that directory appears."""
        inventory = self.fleet.project / "hosts.json"
        inventory.write_text(json.dumps({"all": {"vars": self._variables(), "hosts": self.host_variables}}))
        environment = {}
        if doom is not None:
            told = [str(doom[0]), doom[1], doom[2], os.getpid()]
            environment = {"PYTHONPATH": str(DOOM), "MTLS_TEST_DOOM": json.dumps(told)}
        return self.fleet.run(*arguments, playbook=playbook, inventory=inventory, environment=environment)

    def roll(self, phase: str, *arguments: str, doom: Optional[Tuple[Path, str, str]] = None) -> Run:
        options = ("-e", "mtls_ca=corp", "-e", f"mtls_ca_phase={phase}")
        assert " ".join(["    ansible-playbook -i inventory", str(OWNCA), *options]) + "\n" in DOCUMENTATION
        return self.run(OWNCA, *options, *arguments, doom=doom)

    def refused(self, phase: str, *arguments: str, playbook: Path = OWNCA) -> str:
        """What is said of a phase that may not come; nothing changes, on hosts and controller."""
        before = [listing(directory) for directory in (self.fleet.state, self.fleet.directory / "hosts")]
        done = self.run(playbook, "-e", "mtls_ca=corp", "-e", f"mtls_ca_phase={phase}", *arguments)
        after = [listing(directory) for directory in (self.fleet.state, self.fleet.directory / "hosts")]
        assert done.returncode != 0, done.output
        assert [moved(*pair) for pair in zip(before, after)] == [[], []]
        told = [
            " ".join(one["msg"] for one in event.result.get("results") or [event.result])
            for event in done.events
            if event.task in (BEGIN, KEEP) and event.status == "failed"
        ]
        assert told, done.output
        return told[0]

    def killed(self, phase: Optional[str], directory: Path, name: str, moment: str) -> None:
        """A run, of a phase or over all hosts, is killed when that file is about to appear there, or just has."""
        doom = (directory, name, moment)
        done = self.run(PROVISION, doom=doom) if phase is None else self.roll(phase, doom=doom)
        assert done.returncode == -signal.SIGKILL, done.output

    def held(self, host: str) -> Path:
        return self.fleet.root(host) / "orders"

    def issued_by(self, host: str) -> str:
        (leaf, *_chain) = certificate.load_all((self.held(host) / "current/certificate.pem").read_bytes(), host)
        return dict(certificate.issuer(leaf))["CN"]

    def trusted(self, host: str) -> List[str]:
        found = certificate.load_all((self.held(host) / "current/trust.pem").read_bytes(), host)
        return [dict(certificate.subject(one))["CN"] for one in found]

    def _variables(self) -> Dict[str, Any]:
        reload = "test ! -e {0} || kill -HUP $(cat {0})".format(shlex.quote(str(self.pid)))
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "mtls_root": "{0}/hosts/{{{{ inventory_hostname }}}}/mtls".format(self.fleet.directory),
            "mtls_issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
            "mtls_ownca_authorities": [self.description],
            "mtls_authorities": {"corp": {"issuer": "corp"}, **self.more_authorities},
            "mtls_credentials": [
                {
                    "name": "orders",
                    "issuer": "corp",
                    "subject": {"CN": "{{ inventory_hostname }}"},
                    "key": {"type": "ECC"},
                    "authorities": ["corp"],
                    "passphrase": "changeit",
                    "keystores": [
                        {
                            "format": "jks",
                            "file": "client.jks",
                            "trusted": [{"friendly_name": "corp", "authority": "corp"}],
                        }
                    ],
                    "truststores": [{"format": "pkcs12", "file": "trust.p12"}],
                    "reload": ["/bin/sh", "-c", reload],
                }
            ],
        }


class Calls:
    """Clients that call both servers all the time, each with its host's files of that very moment."""

    def __init__(self, site: Site, ports: List[int]) -> None:
        self._site = site
        self._ports = ports
        self._ended = threading.Event()
        self.answers: Counter[Tuple[str, str]] = Counter()
        self.failures: List[str] = []
        self._threads = [threading.Thread(target=self._loop, args=(host,)) for host in CLIENTS]

    def __enter__(self) -> Calls:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def _loop(self, host: str) -> None:
        # Playbooks, too, need a processor.
        while not self._ended.wait(0.02):
            for port in self._ports:
                try:
                    status, body = call(self._site, port, self._site.held(host) / "current/client.pem")
                except (OSError, http.client.HTTPException) as error:
                    status, body = 0, repr(error)
                if status == 200:
                    self.answers[host, body] += 1
                else:
                    self.failures.append(f"{host}: {status} {body}")


def call(site: Site, port: int, client: Path) -> Tuple[int, str]:
    """One request over a connection of its own.

    The client's file is read once. By its path the library would open it twice, for the certificate and for the key.
    """
    context = ssl.create_default_context(cadata=site.partner.pem.decode())
    memory = os.memfd_create("client")
    try:
        os.write(memory, client.read_bytes())
        context.load_cert_chain("/proc/self/fd/{0}".format(memory))
    finally:
        os.close(memory)
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextlib.contextmanager
def nginx(program: str, site: Site, name: str, trust: Path) -> Iterator[Tuple[int, Callable[[], None]]]:
    """A server that asks for the own CA's clients; its port, and how to make it read its files again."""
    directory = site.api / name
    directory.mkdir()
    settings = SETTINGS.format(api=site.api, trust=trust, crl=site.authority / "crl.pem")

    def reload() -> None:
        os.kill(int((directory / "nginx.pid").read_text()), signal.SIGHUP)

    with servers.nginx(program, directory, settings, reloads=True) as port:
        yield port, reload


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    # A short path: ansible-core 2.21 has a socket below it, whose name may have 107 bytes.
    found = Site(tmp_path_factory.mktemp("ca"))
    found.run(OWNCA).must_succeed()
    found.run(PROVISION).must_succeed()
    return found


@pytest.fixture
def unreachable(tool: Callable[[str], str]) -> Iterator[Dict[str, Any]]:
    """A host's variables with which nobody can reach it."""
    tool("ssh")
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        yield {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": nobody_listens.getsockname()[1],
        }


def refusals(site: Site, phase: str, unreachable: Dict[str, Any]) -> None:
    """Not with a limited inventory, and not without a host that cannot be reached."""
    message = site.refused(phase, "--limit", "web1,gate")
    assert f"{phase} has to look at every host of the inventory, and this run is limited to web1,gate" in message
    site.host_variables["web2"] = unreachable
    message = site.refused(phase)
    assert f"the phase {phase} has to wait for 1 of 3 hosts. web2: it cannot be reached" in message
    site.host_variables["web2"] = {"mtls_lock_timeout": "soon"}
    message = site.refused(phase)
    assert f"the phase {phase} has to wait for 1 of 3 hosts. web2: its check has failed" in message
    site.host_variables["web2"] = {}


def test_no_call_fails_while_the_ca_rolls_over(
    site: Site, tool: Callable[[str], str], unreachable: Dict[str, Any]
) -> None:
    program = tool("nginx")
    gate_trust = site.held("gate") / "current/trust.pem"
    with contextlib.ExitStack() as stack:
        port, _reload = stack.enter_context(nginx(program, site, "gate", gate_trust))
        other_port, reload_other = stack.enter_context(nginx(program, site, "other", site.authority / "ca.pem"))
        calls = stack.enter_context(Calls(site, [port, other_port]))
        old_client = site.api / "old.pem"
        old_client.write_bytes((site.held("web1") / "current/client.pem").read_bytes())

        # A new CA beside the old one.
        site.describe(NEW)
        assert "is in no roll-over, so reissue cannot come now; the next phase is add" in site.refused("reissue")
        site.killed("add", site.authority, "2-key.pem", "after")
        site.killed("add", site.authority, "rollover.json", "before")
        site.killed("add", site.authority, "ca.pem", "before")
        site.roll("add").must_succeed()
        reload_other()
        message = site.refused("reissue")
        assert "the phase reissue has to wait for 3 of 3 hosts" in message
        assert "orders has a trust.pem without the new root; run mutual.tls.provision" in message
        site.killed(None, site.held("web1"), "current", "after")
        site.run(PROVISION).must_succeed()
        assert [site.trusted(host) for host in HOSTS] == [[OLD, NEW]] * 3

        # The new one issues.
        assert "the next phase is reissue" in site.refused("retire")
        refusals(site, "reissue", unreachable)
        before = listing(site.fleet.state)
        assert site.roll("reissue", "--check").must_succeed().event("gate", KEEP).result["changed"]
        assert moved(before, listing(site.fleet.state)) == []
        site.killed("reissue", site.authority, "rollover.json", "after")
        site.roll("reissue").must_succeed()
        message = site.refused("retire")
        assert "the phase retire has to wait for 3 of 3 hosts" in message
        assert "orders has a certificate of the old CA, which ends" in message
        site.killed(None, site.held("web1"), "current", "before")
        site.run(ROTATE).must_succeed()
        assert [site.issued_by(host) for host in HOSTS] == ["Issuing " + NEW] * 3
        assert call(site, port, old_client) == call(site, other_port, old_client) == (200, "CN=Issuing " + OLD)

        # The old one goes.
        assert "the next phase is retire" in site.refused("add")
        refusals(site, "retire", unreachable)
        site.killed("retire", site.authority, "ca.pem", "before")
        site.roll("retire").must_succeed()
        reload_other()
        site.killed(None, site.held("gate"), "current", "after")
        site.run(PROVISION).must_succeed()
        assert [site.trusted(host) for host in HOSTS] == [[NEW]] * 3

        done = [site.run(playbook).must_succeed() for playbook in (OWNCA, PROVISION)]
        assert not any(event.result.get("changed") for one in done for event in one.events)
        for refusing in (port, other_port):
            wait_for(lambda refusing=refusing: call(site, refusing, old_client)[0] == 400)  # type: ignore[misc]
            assert call(site, refusing, site.held("web1") / "current/client.pem") == (200, "CN=Issuing " + NEW)
    print("{0} calls: {1}".format(sum(calls.answers.values()), dict(calls.answers)))
    assert calls.failures == []
    assert {body for _host, body in calls.answers} == {"CN=Issuing " + OLD, "CN=Issuing " + NEW}
    assert sum(calls.answers.values()) > 200


def test_nobody_is_forgotten(site: Site) -> None:
    """Neither a host that was not looked at, nor one that the inventory has lost, nor a copy of the old root."""
    site.describe(NEW)
    assert "mtls_ca: 'crop' is not known; did you mean 'corp'" in site.refused("add", "-e", "mtls_ca=crop")
    site.roll("add", "--limit", "web1").must_succeed()
    site.run(PROVISION).must_succeed()

    alone = site.fleet.project / "alone.yml"
    play = {"hosts": "all", "gather_facts": False, "roles": ["mutual.tls.mtls_ownca"]}
    alone.write_text(json.dumps([play]), encoding="utf-8")
    message = site.refused("reissue", playbook=alone)
    assert "has to wait for 3 of 3 hosts. gate: it was not looked at in this run" in message

    copied = (site.authority / "1-ca.pem").read_text()
    site.more_authorities["copy"] = {"content": copied}
    message = site.refused("reissue")
    assert "3 of 3 hosts. gate: authorities.copy holds the old root but not the new one" in message
    del site.more_authorities["copy"]

    lost = site.host_variables.pop("web2")
    message = site.refused("reissue")
    assert "1 of 3 hosts. web2: it is not in the inventory but holds a certificate of this CA" in message
    gone = ("-e", json.dumps({"mtls_ca_gone": ["web2"]}))
    site.roll("reissue", *gone).must_succeed()
    site.run(PROVISION).must_succeed()
    assert "1 of 3 hosts. web2: it is not in the inventory" in site.refused("retire")
    site.host_variables["web2"] = lost
    assert "gone: the inventory has web2" in site.refused("retire", *gone)
    message = site.refused("retire")
    assert "1 of 3 hosts. web2: orders has a certificate of the old CA" in message
    site.run(PROVISION).must_succeed()
    site.roll("retire").must_succeed()


def wait_for(holds: Callable[[], bool]) -> None:
    """Ask until it is so: nginx hands its sockets over to new processes a moment after it was told to."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
