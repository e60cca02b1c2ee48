# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook renews certificates that nginx demands: proven, told of, and left alone where nginx says no."""

from __future__ import annotations

import base64
import ipaddress
import os
import shlex
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from cryptography.x509 import DNSName, IPAddress
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.tests.integration import servers
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, listing, moved
from ansible_collections.mutual.tls.tests.unit import material

pytestmark = pytest.mark.compat

HOSTS = ("one", "two", "three")
PASSWORD = "only-the-partner-knows"
TOKEN = "Bearer nobody-else-sees-this"

# Who calls is judged by name, and by what comes with the certificate.
SETTINGS = """
    ssl_certificate {0}/server.pem; ssl_certificate_key {0}/server.key;
    ssl_client_certificate {0}/clients.pem; ssl_verify_client on;
    access_log {0}/access.log;
    if ($http_authorization != "Basic {1}") {{ return 401; }}
    if ($http_x_token != "{2}") {{ return 401; }}
    if ($ssl_client_s_dn ~ "OU=rejected") {{ return 403; }}
    location / {{ return 200 "pong"; }}
"""


class World:
    """Three hosts, a CA, and an API that their certificates are for."""

    def __init__(self, directory: Path) -> None:
        self.fleet = Fleet(directory / "fleet")
        authority = self.fleet.make_ca("corp")
        self.api = directory / "api"
        self.api.mkdir()
        self.partner = material.authority("Partner Root")
        names = [DNSName("localhost"), IPAddress(ipaddress.ip_address("127.0.0.1"))]
        own = material.client("localhost", self.partner, alternatives=names, purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
        (self.api / "server.pem").write_bytes(own.pem)
        (self.api / "server.key").write_bytes(own.key_pem)
        (self.api / "clients.pem").write_bytes((authority / "ca.pem").read_bytes())
        basic = base64.b64encode(f"orders:{PASSWORD}".encode()).decode()
        self.settings = SETTINGS.format(self.api, basic, TOKEN)
        self.port = 0

    @property
    def calls(self) -> int:
        """How many requests the API has answered."""
        log = self.api / "access.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def reloads(self, host: str) -> List[str]:
        """The generation that was in use at each reload of a host."""
        log = self.fleet.tree(host) / "reloads"
        return log.read_text().split() if log.exists() else []

    def want(self, host: str, unit: str) -> None:
        """Give a host its inventory."""
        current, log = (shlex.quote(str(path)) for path in (self.current(host), self.fleet.tree(host) / "reloads"))
        self.fleet.add_host(
            host,
            issuers={"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
            authorities={"partner": {"content": self.partner.pem.decode()}},
            credentials=[
                {
                    "name": "orders",
                    "issuer": "corp",
                    "subject": {"CN": host, "OU": unit},
                    "key": {"type": "ECC"},
                    "authorities": ["partner"],
                    "reload": ["/bin/sh", "-c", f"readlink {current} >> {log}"],
                    "verify": {
                        "url": f"https://localhost:{self.port}/ping",
                        "basic_auth": {"username": "orders", "password": PASSWORD},
                        "headers": {"X-Token": TOKEN},
                        "retries": 0,
                    },
                }
            ],
        )

    def current(self, host: str) -> Path:
        return self.fleet.root(host) / "orders/current"

    def run(self, *arguments: str) -> Dict[str, Any]:
        """Run the playbook; every host's credential."""
        run = self.fleet.run(*arguments)
        for secret in (PASSWORD, TOKEN, base64.b64encode(f"orders:{PASSWORD}".encode()).decode()):
            assert secret not in run.output
            assert secret not in repr(run.events)
        return {host: run.credentials(host)["orders"] for host in HOSTS}


@pytest.fixture
def world(tmp_path: Path, tool: Callable[[str], str]) -> Iterator[World]:
    found = World(tmp_path)
    with servers.nginx(tool("nginx"), found.api, found.settings) as port:
        found.port = port
        for host in HOSTS:
            found.want(host, "first")
        assert {one["state"] for one in found.run().values()} == {"active"}
        yield found


def test_rotation_of_a_fleet_whose_partner_rejects_one_host(world: World) -> None:
    calls, files = world.calls, {host: listing(world.fleet.tree(host)) for host in HOSTS}
    assert calls == 2 * len(HOSTS)
    for host in HOSTS:
        world.want(host, "rejected" if host == "two" else "second")

    predicted = world.run("--check", "--diff")
    assert world.calls == calls
    for host in HOSTS:
        assert moved(files[host], listing(world.fleet.tree(host))) == []
        assert (predicted[host]["state"], predicted[host]["changed"]) == ("active", True)

    done = world.run("-vvvv")
    assert {host: one["state"] for host, one in done.items()} == {"one": "active", "two": "failed", "three": "active"}
    assert done["one"]["reasons"] == predicted["one"]["reasons"]
    assert "verify_failed" in done["two"]["reasons"]
    assert "nothing was switched" in done["two"]["error"]
    assert "403" in done["two"]["error"]
    assert {host: os.readlink(world.current(host)) for host in HOSTS} == {
        "one": "generations/0002",
        "two": "generations/0001",
        "three": "generations/0002",
    }
    # Two calls for each that works; the rejected one is asked for once with the new files and once with the old ones.
    assert world.calls == calls + 2 * len(HOSTS)
    assert [world.reloads(host) for host in ("one", "two")] == [
        ["generations/0001", "generations/0002"],
        ["generations/0001"],
    ]

    world.want("two", "second")
    assert world.run()["two"]["state"] == "active"
    files = {host: listing(world.fleet.tree(host)) for host in HOSTS}
    calls = world.calls
    assert {one["changed"] for one in world.run().values()} == {False}
    assert world.calls == calls
    assert all(moved(files[host], listing(world.fleet.tree(host))) == [] for host in HOSTS)
