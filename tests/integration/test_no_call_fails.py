# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients call an API all the time while a fleet rotates, whatever goes wrong in that: not one call fails.

No client tries anything twice. At every switch calls of every kind of client are under way (gate.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Sequence, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.ownca.layout import LEDGER
from ansible_collections.mutual.tls.plugins.module_utils.ownca.ledger import Ledger
from ansible_collections.mutual.tls.tests.integration.api import REJECTED, Api
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, Run
from ansible_collections.mutual.tls.tests.integration.gate import Gate, Switch
from ansible_collections.mutual.tls.tests.integration.running import Running, started
from ansible_collections.mutual.tls.tests.unit import material

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small disk"),
    pytest.mark.timeout(900),
]

PROGRAMS = Path(__file__).parent / "programs"
HOSTS = ("one", "two", "small")
KINDS = ("single", "resolved")
NOBODY = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_ssh_retries": 0}
PAGE = os.sysconf("SC_PAGE_SIZE")


class Generation(NamedTuple):
    """What is in use: where `current` leads, and the bytes of each file there."""

    number: str
    files: Mapping[str, bytes]


class Calls:
    """What clients have logged."""

    def __init__(self, logs: Sequence[Path]) -> None:
        self._logs = logs

    def all(self) -> List[Dict[str, Any]]:
        return [json.loads(line) for log in self._logs if log.exists() for line in log.read_text().splitlines()]

    def failed(self) -> List[Dict[str, Any]]:
        return [call for call in self.all() if call["problem"] is not None]


@contextlib.contextmanager
def clients(
    api: Api, kinds: Sequence[str], currents: Mapping[str, Path], end: Callable[[], None], wrapper: Sequence[str] = ()
) -> Iterator[Calls]:
    """Clients of these kinds, meanwhile. `end` has the server answer those calls that it holds."""
    logs = [api.directory / f"{kind}.jsonl" for kind in kinds]
    with contextlib.ExitStack() as stack:
        processes = []
        for kind, log in zip(kinds, logs):
            options = {"kind": kind, "port": api.port, "authority": str(api.authority), "log": str(log)}
            told = json.dumps({**options, "hosts": {host: str(path) for host, path in currents.items()}})
            command = [*wrapper, sys.executable, "-I", str(PROGRAMS / "caller.py"), told]
            processes.append(stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE)))
            stack.callback(processes[-1].kill)
        try:
            yield Calls(logs)
        finally:
            end()
            for process in processes:
                process.communicate(timeout=250)
        assert [process.returncode for process in processes] == [0] * len(processes)


@contextlib.contextmanager
def small_disk(place: Path, tool: Callable[[str], str]) -> Iterator[Tuple[List[str], Path]]:
    """A small disk at a place that only some see: what to put before a command to have it be one of them, and where
    others find what is there. It ends with the process that holds it.
    """
    script = 'mount -t tmpfs -o size=512k,mode=0755 tmpfs "$1" && echo ready && exec cat'
    command = [tool("unshare"), "--mount", "--propagation", "private", "sh", "-c", script, "sh", str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            inside = [tool("nsenter"), "--mount", "--target", str(process.pid), "--"]
            yield inside, Path("/proc", str(process.pid), "root", *place.parts[1:])
        finally:
            process.stdin.close()


class World:
    """Three hosts, one of them with a small disk, that have certificates for an API."""

    def __init__(self, directory: Path, tool: Callable[[str], str]) -> None:
        self.fleet = Fleet(directory / "fleet")
        self.ledger = Ledger(str(self.fleet.make_ca("corp") / LEDGER))
        self.api = Api(directory / "api", self.fleet.state / "ownca/corp/ca.pem")
        self.gate = Gate(KINDS)
        self.wrapper: List[str] = []
        self.disk = Path()
        self._flock = tool("flock")
        for host in HOSTS:
            self.fleet.tree(host).mkdir()

    def root(self, host: str) -> Path:
        """The root of a host, as this process finds it."""
        return self.disk / "mtls" if host == "small" else self.fleet.root(host)

    def generation(self, host: str) -> Generation:
        """What is in use on a host."""
        current = self.root(host) / "orders/current"
        return Generation(os.readlink(current), {path.name: path.read_bytes() for path in sorted(current.iterdir())})

    def generations(self) -> Dict[str, Generation]:
        return {host: self.generation(host) for host in HOSTS}

    def want(self, units: Mapping[str, str], lost: Sequence[str] = ()) -> None:
        """Have the inventory say what the OU of each host's certificate shall be, and who cannot be reached."""
        for host, unit in units.items():
            current = self.fleet.root(host) / "orders/current"
            tell = [sys.executable, "-I", str(PROGRAMS / "reload.py"), str(self.gate.port), host, str(current)]
            self.fleet.add_host(
                host,
                issuers={"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
                authorities={"partner": {"content": self.api.partner.pem.decode()}},
                credentials=[
                    {
                        "name": "orders",
                        "issuer": "corp",
                        "subject": {"CN": host, "OU": unit},
                        "key": {"type": "ECC"},
                        "authorities": ["partner"],
                        "reload": tell,
                        "reload_timeout": "200s",
                        "verify": {
                            "url": f"https://localhost:{self.api.port}/proof/{host}",
                            "timeout": 200,
                            "retries": 0,
                        },
                    }
                ],
            )
            if host in lost:
                self.fleet.hosts[host].update(NOBODY, ansible_port=1)

    def run(self) -> Run:
        """Run the playbook over the inventory as it is."""
        self.gate.begin_run()
        return self.fleet.run(wrapper=self.wrapper)

    def rotate(self, name: str) -> None:
        """Give every host a new certificate."""
        before = self.generations()
        self.want(dict.fromkeys(HOSTS, name))
        done = self.run().must_succeed()
        for host in HOSTS:
            assert done.credentials(host)["orders"]["state"] == "active"
            assert self.generation(host) != before.get(host)

    def converge(self, changing: Sequence[str]) -> None:
        """What has gone wrong is mended: the next run brings these hosts to what the inventory says, and no others."""
        before = self.generations()
        done = self.run().must_succeed()
        assert {host: done.credentials(host)["orders"]["state"] for host in HOSTS} == dict.fromkeys(HOSTS, "active")
        after = self.generations()
        assert sorted(host for host in HOSTS if after[host] != before[host]) == sorted(changing)
        assert not any(done.credentials(host)["orders"]["changed"] for host in HOSTS if host not in changing)

    def wait_until_idle(self) -> None:
        """Wait until nobody is at work on any host."""
        for host in HOSTS:
            subprocess.run([self._flock, "--timeout", "200", str(self.root(host)), "true"], check=True)


@pytest.fixture
def world(tmp_path: Path, tool: Callable[[str], str]) -> Iterator[World]:
    found = World(tmp_path, tool)
    try:
        with found.api.running(tool("nginx"), found.gate.port), small_disk(found.fleet.tree("small"), tool) as disk:
            found.wrapper, found.disk = disk
            found.want(dict.fromkeys(HOSTS, "first"))
            found.run().must_succeed()
            yield found
    finally:
        found.gate.close()


def _fill(world: World) -> Path:
    """Leave room on the small disk for a request, and not for a generation."""
    ballast = world.disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * PAGE)
    os.truncate(ballast, ballast.stat().st_size - 5 * PAGE)
    return ballast


def _rejected_ahead_reload_fails_disk_full(world: World) -> None:
    before = world.generations()
    world.want({"one": REJECTED, "two": "told in vain", "small": "too much"})
    world.api.reject(True)
    world.gate.fail("reload", "two")
    ballast = _fill(world)
    done = world.run()
    why = {host: str(done.credentials(host)["orders"]["error"]) for host in HOSTS}
    assert "nothing was switched" in why["one"] and "403" in why["one"]
    assert "the reload failed" in why["two"] and "the gate answers 500" in why["two"]
    assert "free some space" in why["small"]
    assert {done.credentials(host)["orders"]["state"] for host in HOSTS} == {"failed"}
    assert world.generations() == before
    world.api.reject(False)
    ballast.unlink()
    world.converge(HOSTS)


def _rejected_later_unreachable(world: World) -> None:
    before = world.generations()
    units = {"one": "proven in vain", "two": "not reached", "small": "as it should"}
    world.want(units, lost=["two"])
    world.gate.fail("after", "one")
    done = world.run()
    assert "the handshake after the switch failed" in str(done.credentials("one")["orders"]["error"])
    assert done.event("two").status == "unreachable"
    assert done.credentials("small")["orders"]["state"] == "active"
    after = world.generations()
    assert [host for host in HOSTS if after[host] == before[host]] == ["one", "two"]
    world.want(units)
    world.converge(["one", "two"])


def _killed(world: World, name: str, end: Callable[[Running], None]) -> None:
    """The controller ends while one host is about to switch, one about to reload, and one about to prove it all."""
    before = world.generations()
    world.want(dict.fromkeys(HOSTS, name))
    world.gate.begin_run()
    points = [("ahead", "one"), ("reload", "two"), ("after", "small")]
    with world.gate.paused(*points), started(world.fleet, "killed", wrapper=world.wrapper) as running:
        world.gate.wait_for(*points)
        end(running)
        assert running.wait().returncode != 0
        meanwhile = world.generations()
        assert [host for host in HOSTS if meanwhile[host] == before[host]] == ["one"]
    # Nobody asks them to, and nobody is there to be told: each host finishes what it has begun.
    world.wait_until_idle()
    after = world.generations()
    assert {host: after[host] == meanwhile[host] for host in HOSTS} == {"one": False, "two": True, "small": True}
    world.converge([])


def test_no_call_fails_whatever_goes_wrong_in_20_rotations(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    begin, issued = time.monotonic(), len(world.ledger.entries())
    world.gate.expect_calls()
    currents = {host: world.fleet.root(host) / "orders/current" for host in HOSTS}
    with clients(world.api, KINDS, currents, world.gate.end_calls, world.wrapper) as calls:
        world.rotate("as it should")
        _rejected_ahead_reload_fails_disk_full(world)
        _rejected_later_unreachable(world)
        _killed(world, "power", Running.lose_power)
        _killed(world, "terminated", lambda running: running.process.send_signal(signal.SIGTERM))
        _killed(world, "interrupted", lambda running: running.process.send_signal(signal.SIGINT))
        world.rotate("as ever")

    rotations = len(world.ledger.entries()) - issued
    made = Counter((call["kind"], call["path"].split("/")[1]) for call in calls.all())
    with capsys.disabled():
        print(
            "\n{0} calls ({1}) during {2} rotations with {3} switches in {4:.0f} s, {5} failed".format(
                sum(made.values()),
                ", ".join("{0} {1}: {2}".format(*key, count) for key, count in sorted(made.items())),
                rotations,
                len(world.gate.switches),
                time.monotonic() - begin,
                len(calls.failed()),
            )
        )
    assert calls.failed() == []
    assert sum(made.values()) >= 1000
    assert rotations >= 20
    assert len(world.gate.switches) == 3 + 2 + 3 + 2 + 1 + 2 + 3 * 3 + 3
    assert [one for one in world.gate.switches if one.kinds != frozenset(KINDS)] == []
    # The server saw the same.
    assert {answer.status for answer in world.api.answers() if not answer.path.startswith("/proof/")} == {200}


def _switched_in_place(current: Path, identities: Sequence[material.Identity]) -> None:
    """What must not be done: one file after the other, where it is in use."""
    for identity in identities:
        (current / "key.pem").write_bytes(identity.key_pem)
        (current / "fullchain.pem").write_bytes(identity.pem)
        (current / "client.pem").write_bytes(identity.key_pem + identity.pem)


@pytest.mark.parametrize("kind", KINDS)
def test_calls_fail_where_files_are_replaced_one_by_one(kind: str, tmp_path: Path, tool: Callable[[str], str]) -> None:
    """The method itself: what is wrong is noticed, by clients of every kind."""
    authority = material.authority("Clients' Root")
    (tmp_path / "clients.pem").write_bytes(authority.pem)
    api = Api(tmp_path / "api", tmp_path / "clients.pem")
    current = tmp_path / "current"
    current.mkdir()
    pair = [material.client(name, authority) for name in ("old", "new")]
    _switched_in_place(current, pair)
    deadline = time.monotonic() + 120
    with api.running(tool("nginx")), clients(api, [kind], {"one": current}, lambda: None) as calls:
        while not calls.failed():
            assert time.monotonic() < deadline, "no call has failed: nothing would be noticed"
            _switched_in_place(current, pair)


def test_a_switch_without_calls_under_way_is_seen_as_such() -> None:
    """The method itself: the gate tells of those calls only that were there before and after."""
    gate = Gate(["single"])
    try:
        assert gate.reload("one", "0001", 1)
        assert gate.prove("one")
        assert gate.reload("one", "0002", 1)
        assert gate.switches == [Switch("one", "0001", "0002", frozenset())]
    finally:
        gate.close()
