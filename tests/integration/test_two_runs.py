# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two playbooks at the same time, on one controller and on two: one waits, or says who is at work.

A host's reload is held up by the gate, so that its run is where the test wants it to be.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence

import pytest

from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, listing, moved
from ansible_collections.mutual.tls.tests.integration.gate import Gate
from ansible_collections.mutual.tls.tests.integration.running import Running, started, wait_for_another

pytestmark = pytest.mark.timeout(600)

RELOAD = Path(__file__).parent / "programs/reload.py"
HOSTS = ("one", "two", "three", "four")
AT_THE_RELOAD = ("reload", "one")
SECOND = (
    "the same controller",
    "another controller, the state directory shared",
    "another controller, the state directory restored",
)


class World:
    """Hosts that two controllers share. The second's state directory is the first's, or a copy of it."""

    def __init__(self, directory: Path, which: str) -> None:
        self.fleet = Fleet(directory / "fleet")
        self.fleet.make_ca("corp")
        self.gate = Gate()
        state = self.fleet.state
        if which == SECOND[2]:
            state = self.fleet.directory / "restored"
            shutil.copytree(self.fleet.state, state)
        home = self.fleet.work / "home"
        self._controllers = {
            "first": (self.fleet.state, home),
            "second": (state, home if which == SECOND[0] else self.fleet.directory / "home of another"),
        }

    def starts(
        self, controller: str, hosts: Sequence[str], unit: str, lock_timeout: int = 200
    ) -> contextlib.AbstractContextManager[Running]:
        """A playbook by which a controller gives hosts certificates with this OU."""
        state, home = self._controllers[controller]
        home.mkdir(exist_ok=True)
        self.fleet.hosts.clear()
        for host in hosts:
            self.fleet.add_host(
                host,
                state_directory=str(state),
                lock_timeout=lock_timeout,
                issuers={"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
                credentials=[self._credential(host, unit)],
            )
        environment = {"HOME": str(home), "ANSIBLE_HOME": str(home / "ansible")}
        return started(self.fleet, controller, environment=environment)

    def _credential(self, host: str, unit: str) -> Dict[str, Any]:
        current = self.fleet.root(host) / "orders/current"
        return {
            "name": "orders",
            "issuer": "corp",
            "subject": {"CN": host, "OU": unit},
            "key": {"type": "ECC"},
            "reload": [sys.executable, "-I", str(RELOAD), str(self.gate.port), host, str(current)],
            "reload_timeout": "200s",
        }

    def provide(self, hosts: Sequence[str], unit: str) -> None:
        """One playbook, with nobody else about."""
        with self.starts("first", hosts, unit) as running:
            running.wait().must_succeed()
        self.gate.begin_run()

    def settled(self, hosts: Sequence[str], unit: str) -> None:
        """Nothing is left to do, each host's files fit together, and no run has left anything behind."""
        before = {host: listing(self.fleet.tree(host)) for host in hosts}
        for controller in self._controllers:
            with self.starts(controller, hosts, unit) as running:
                done = running.wait().must_succeed()
            assert not any(done.event(host).result["changed"] for host in hosts)
        for host in hosts:
            assert moved(before[host], listing(self.fleet.tree(host))) == []
            orders = self.fleet.root(host) / "orders"
            key, chain = ((orders / "current" / name).read_bytes() for name in ("key.pem", "fullchain.pem"))
            assert (orders / "current/client.pem").read_bytes() in (key + chain, chain + key)
            assert not (orders / "next").exists()
            assert list(self.fleet.tree(host).rglob(".mtls-*")) == []


@pytest.fixture(params=SECOND)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path, request.param)
    try:
        yield found
    finally:
        found.gate.close()


@pytest.mark.parametrize("world", SECOND[1:2], indirect=True)
def test_who_waits_in_vain_is_told_who_is_at_work(world: World) -> None:
    world.provide(["one", "two"], "first")
    before = listing(world.fleet.tree("one"))
    with world.gate.paused(AT_THE_RELOAD), world.starts("first", ["one"], "second") as first:
        world.gate.wait_for(AT_THE_RELOAD)
        meanwhile = listing(world.fleet.tree("one"))
        assert moved(before, meanwhile) != []
        with world.starts("second", ["one", "two"], "third", lock_timeout=1) as second:
            vain = second.wait()
        assert moved(meanwhile, listing(world.fleet.tree("one"))) == []
        world.gate.resume(AT_THE_RELOAD)
        assert first.wait().must_succeed().credentials("one")["orders"]["state"] == "active"
    me = pwd.getpwuid(os.geteuid()).pw_name
    expected = (
        "another run holds the lock on {0} (process {1} of {2}, started N s ago, for {2}@{3}, run N); wait for it to "
        "end, or raise lock_timeout (1 seconds were not enough)"
    )
    said = re.sub(r"started \d+ s ago", "started N s ago", vain.event("one").result["msg"])
    assert re.sub(r"run [0-9a-f]{16}", "run N", said) == expected.format(
        world.fleet.root("one"), world.gate.reloaders["one"], me, socket.gethostname()
    )
    # Another host's lock is another one.
    assert vain.credentials("two")["orders"]["state"] == "active"
    world.provide(["one", "two"], "third")


def test_who_comes_second_waits_and_finds_all_done(world: World) -> None:
    world.provide(["one"], "first")
    with world.gate.paused(AT_THE_RELOAD), world.starts("first", ["one"], "second") as first:
        world.gate.wait_for(AT_THE_RELOAD)
        with world.starts("second", ["one"], "second") as second:
            wait_for_another(world.fleet.root("one"), world.gate.reloaders["one"])
            assert [running.process.poll() for running in (first, second)] == [None, None]
            world.gate.resume(AT_THE_RELOAD)
            assert first.wait().must_succeed().event("one").result["changed"] is True
            assert second.wait().must_succeed().event("one").result["changed"] is False
    world.settled(["one"], "second")


@pytest.mark.parametrize("world", SECOND[1:2], indirect=True)
def test_who_waits_goes_on_when_the_holder_is_killed(world: World) -> None:
    world.provide(["one"], "first")
    with world.gate.paused(AT_THE_RELOAD), world.starts("first", ["one"], "second") as first:
        world.gate.wait_for(AT_THE_RELOAD)
        holder = world.gate.reloaders["one"]
        with world.starts("second", ["one"], "second") as second:
            wait_for_another(world.fleet.root("one"), holder)
            assert second.process.poll() is None
            os.kill(holder, signal.SIGKILL)
            world.gate.resume(AT_THE_RELOAD)
            done = second.wait().must_succeed().credentials("one")["orders"]
        assert (done["state"], done["changed"]) == ("active", True)
        assert "switch_unconfirmed" in done["reasons"] or "reload_pending" in done["reasons"]
        assert "gave no result" in first.wait().event("one").result["msg"]
    assert world.gate.reloaders["one"] != holder
    world.settled(["one"], "second")


@pytest.mark.parametrize("world", SECOND[1:], indirect=True)
def test_both_at_once_on_fresh_hosts(world: World) -> None:
    with world.starts("first", HOSTS, "first") as first, world.starts("second", HOSTS, "first") as second:
        done = [running.wait().must_succeed() for running in (first, second)]
    for host in HOSTS:
        assert [run.credentials(host)["orders"]["state"] for run in done] == ["active", "active"]
        assert any(run.event(host).result["changed"] for run in done)
        assert os.readlink(world.fleet.root(host) / "orders/current") == "generations/0001"
    world.settled(HOSTS, "first")
