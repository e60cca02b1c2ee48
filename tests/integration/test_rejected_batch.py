# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A partner that rejects the new certificate of the first batch keeps all other hosts from being touched."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping

import pytest

from ansible_collections.mutual.tls.tests.integration.api import REJECTED, Api
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, Run, listing, moved

pytestmark = pytest.mark.compat

ROTATE = Path("mutual.tls.rotate")
KEEP = "mutual.tls.mtls : Keep this host's client credentials"
SUMMARY = "mutual.tls.mtls : Sum up"
BATCHES = (("canary",), ("a1", "a2"), ("b1",))
HOSTS = tuple(host for batch in BATCHES for host in batch)


class World:
    """Hosts in three batches, which the inventory states, with certificates that an API demands."""

    def __init__(self, directory: Path) -> None:
        self.fleet = Fleet(directory / "fleet")
        self.api = Api(directory / "api", self.fleet.make_ca("corp") / "ca.pem")
        for host in HOSTS:
            self.fleet.tree(host).mkdir()

    def want(self, units: Mapping[str, str]) -> None:
        """Have the inventory say what the OU of each host's certificate shall be."""
        for host in HOSTS:
            self.fleet.hosts[host] = {
                "mtls_root": str(self.fleet.root(host)),
                "mtls_state_directory": str(self.fleet.state),
                "mtls_rollout": [1, 2],
                "mtls_issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
                "mtls_authorities": {"partner": {"content": self.api.partner.pem.decode()}},
                "mtls_credentials": [self._credential(host, units[host])],
            }

    def _credential(self, host: str, unit: str) -> Dict[str, Any]:
        return {
            "name": "orders",
            "issuer": "corp",
            "subject": {"CN": host, "OU": unit},
            "key": {"type": "ECC"},
            "authorities": ["partner"],
            "reload": [sys.executable, "-I", "-c", "open({0!r}, 'a').write('reloaded\\n')".format(str(self.log(host)))],
            "verify": {"url": "https://localhost:{0}/ping".format(self.api.port), "retries": 0},
        }

    def log(self, host: str) -> Path:
        """What a host's reload leaves; not among what a run must not touch, so that it is seen by itself."""
        return self.fleet.directory / "reloads of {0}".format(host)

    def current(self, host: str) -> Dict[str, Any]:
        """The number and the files that are in use."""
        current = self.fleet.root(host) / "orders/current"
        return {"number": os.readlink(current), **{path.name: path.read_bytes() for path in current.iterdir()}}

    def trees(self, *hosts: str) -> Dict[str, Any]:
        """Inode, time, mode, owner and content of every path of these hosts."""
        return {host: listing(self.fleet.tree(host)) for host in hosts}

    def rotate(self) -> Run:
        return self.fleet.run(playbook=ROTATE)


@pytest.fixture
def world(tmp_path: Path, tool: Callable[[str], str]) -> Iterator[World]:
    found = World(tmp_path)
    with found.api.running(tool("nginx")):
        found.want(dict.fromkeys(HOSTS, "first"))
        found.rotate().must_succeed()
        yield found


def credential(done: Run, host: str) -> Mapping[str, Any]:
    (found,) = done.event(host, KEEP).result["credentials"]
    return dict(found)


def turns(done: Run) -> List[str]:
    return [event.host for event in done.events if event.task == KEEP]


def test_a_rejected_certificate_stops_all_batches_after_its_own(world: World) -> None:
    others = HOSTS[1:]
    before, old, calls = world.trees(*others), world.current("canary"), len(world.api.answers())
    logs = {host: world.log(host).read_bytes() for host in HOSTS}
    world.want({"canary": REJECTED, **dict.fromkeys(others, "second")})
    world.api.reject(True)

    done = world.rotate()
    assert done.returncode != 0
    assert turns(done) == ["canary"]
    rejected = credential(done, "canary")
    assert rejected["state"] == "failed"
    assert "verify_failed" in rejected["reasons"]
    assert "403" in rejected["error"]
    assert world.current("canary") == old
    after = world.trees(*others)
    assert {host: moved(before[host], after[host]) for host in others} == {host: [] for host in others}
    assert {host: world.log(host).read_bytes() for host in HOSTS} == logs
    # Asked with the new certificate, and once more with the old one to see whose fault it is: by the first host only.
    assert len(world.api.answers()) - calls == 2
    (told,) = [event.result for event in done.events if event.task == SUMMARY]
    assert (told["failed_hosts"], told["stopped_in"], told["not_started"]) == (["canary"], 1, list(others))

    # What stopped it is out of the way: the same command goes on from there.
    world.api.reject(False)
    assert sorted(turns(world.rotate().must_succeed())) == sorted(HOSTS)
    assert all(os.readlink(world.fleet.root(host) / "orders/current") != "generations/0001" for host in HOSTS)
    settled = world.trees(*HOSTS)
    world.rotate().must_succeed()
    assert all(moved(settled[host], listing(world.fleet.tree(host))) == [] for host in HOSTS)


def test_a_certificate_rejected_in_a_later_batch_leaves_the_earlier_ones_rotated(world: World) -> None:
    before, old = world.trees("b1"), {host: world.current(host) for host in HOSTS}
    world.want({**dict.fromkeys(HOSTS, "second"), "a1": REJECTED})
    world.api.reject(True)
    done = world.rotate()
    assert done.returncode != 0
    assert sorted(turns(done)) == ["a1", "a2", "canary"]
    assert {host for host in HOSTS if world.current(host) != old[host]} == {"canary", "a2"}
    assert moved(before["b1"], listing(world.fleet.tree("b1"))) == []
    (told,) = [event.result for event in done.events if event.task == SUMMARY]
    assert (told["failed_hosts"], told["stopped_in"], told["not_started"]) == (["a1"], 2, ["b1"])
