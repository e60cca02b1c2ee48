# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller between a host's request and its certificate: it waits for the ledger, or ends there."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Callable, Dict, Iterator

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.ownca.layout import LEDGER
from ansible_collections.mutual.tls.plugins.module_utils.ownca.ledger import Ledger
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, listing, moved
from ansible_collections.mutual.tls.tests.integration.running import Running, started, wait_for_another

ENDS: Dict[str, Callable[[Running], None]] = {
    "power": Running.lose_power,
    "SIGTERM": lambda running: running.process.send_signal(signal.SIGTERM),
    "SIGINT": lambda running: running.process.send_signal(signal.SIGINT),
}


class World:
    """A host whose certificate is to have another OU, and a ledger that somebody else can lock."""

    def __init__(self, directory: Path) -> None:
        self.fleet = Fleet(directory / "fleet")
        self.path = self.fleet.make_ca("corp") / LEDGER
        self.ledger = Ledger(str(self.path))
        self.orders = self.fleet.root("one") / "orders"
        self.want("first")
        self.fleet.run().must_succeed()

    def want(self, unit: str) -> None:
        credential = {"name": "orders", "issuer": "corp", "subject": {"CN": "one", "OU": unit}, "key": {"type": "ECC"}}
        issuers = {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}}
        self.fleet.add_host("one", credentials=[credential], issuers=issuers)

    @contextlib.contextmanager
    def waiting(self, unit: str) -> Iterator[Running]:
        """A playbook that waits for the ledger, to have a request answered."""
        self.want(unit)
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with started(self.fleet, "waiting") as running:
                request = self.orders / "next/request.pem"
                deadline = time.monotonic() + 120
                while not request.exists():
                    assert time.monotonic() < deadline, "there is no request"
                    time.sleep(0.02)
                wait_for_another(self.path, os.getpid())
                assert running.process.poll() is None
                yield running
                connection.rollback()
                running.process.wait(120)

    def settled(self) -> None:
        """Nothing is left to do."""
        before = listing(self.fleet.tree("one"))
        assert self.fleet.run().must_succeed().event("one").result["changed"] is False
        assert moved(before, listing(self.fleet.tree("one"))) == []
        assert not (self.orders / "next").exists()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_who_finds_the_ledger_locked_waits_for_it(world: World) -> None:
    with world.waiting("second") as running:
        pass
    assert running.wait().must_succeed().credentials("one")["orders"]["state"] == "active"
    assert os.readlink(world.orders / "current") == "generations/0002"
    world.settled()


@pytest.mark.parametrize("how", ENDS)
def test_a_controller_that_ends_leaves_a_request_that_the_next_run_has_answered(world: World, how: str) -> None:
    before = listing(world.orders / "generations")
    issued = len(world.ledger.entries())
    with world.waiting("second") as running:
        ENDS[how](running)
        # While the ledger is still locked: nobody has to wait for that.
        assert running.process.wait(60) != 0
    assert os.readlink(world.orders / "current") == "generations/0001"
    assert moved(before, listing(world.orders / "generations")) == []
    assert len(world.ledger.entries()) == issued
    key = (world.orders / "next/key.pem").read_bytes()

    assert world.fleet.run().must_succeed().credentials("one")["orders"]["state"] == "active"
    assert (world.orders / "current/key.pem").read_bytes() == key
    assert len(world.ledger.entries()) == issued + 1
    world.settled()
