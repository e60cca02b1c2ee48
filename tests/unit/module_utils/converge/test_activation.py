# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new generation that may not come into use at once: it waits for a handshake, or for somebody to ask for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Host,
    credential,
    link,
    reasons,
    temporary_files,
)
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.partner import Partner, Service, partner_of
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.test_kill import assert_matching_set, killed_at

OLD, NEW, NEWER = "generations/0001", "generations/0002", "generations/0003"


class World:
    """A host with a credential in use, its partner and its service, and what the inventory says of it."""

    def __init__(self, directory: Path, partner: Partner, host: Host) -> None:
        self.partner = partner
        self.host = host
        self.service = Service(host, directory)
        self.copy = directory / "disk/copy"
        self.automatic = credential(
            truststores=[],
            reload=self.service.command,
            verify=partner.verify(),
            links=[link(self.copy, "client.pem", copy=True)],
        )

    def wanted(self, activation: str, **changes: Any) -> Dict[str, Any]:
        """The credential with another subject, and so with another certificate."""
        return {**self.automatic, "subject": [["CN", "renewed"]], "activation": activation, **changes}

    def provide(self) -> None:
        """Bring the first generation into use."""
        assert self.host.run(self.automatic).state == "active"
        self.forget()

    def forget(self) -> None:
        """What was asked and reloaded so far."""
        self.partner.asked.clear()
        (self.service.failing.parent / "reloads").unlink(missing_ok=True)

    def know_old_ones_only(self) -> None:
        """The partner has not registered any new certificate yet."""
        known = {self.serial()}
        self.partner.accepts = lambda serial: serial in known

    def serial(self) -> int:
        """That of the certificate in use."""
        content = (self.host.current() / "certificate.pem").read_bytes()
        number: int = certificates.load_all(content, "certificate.pem")[0].serial_number
        return number

    @property
    def in_use(self) -> str:
        assert self.copy.read_bytes() == (self.host.current() / "client.pem").read_bytes()
        return os.readlink(self.host.current())


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "disk").mkdir()
    host = Host(tmp_path / "disk/root")
    with partner_of(host, tmp_path) as partner:
        yield World(tmp_path, partner, host)


@pytest.fixture
def world(fresh: World) -> World:
    fresh.provide()
    return fresh


def assert_waits(world: World, wanted: Dict[str, Any], what: str, number: int = 2) -> CredentialReply:
    """The new generation waits, also in another run, which changes nothing; check mode says the same."""
    before = world.host.listing()
    replies = [world.host.run(wanted, check=check) for check in (True, False)]
    assert world.host.listing() == before
    for reply in replies:
        assert (reply.state, reply.changed, reply.error) == ("awaiting", False, None)
        assert reasons(reply) == ["activation_pending", "link_changed"]
        assert reply.awaiting is not None
        assert (reply.awaiting.generation, reply.awaiting.what) == (number, what)
    assert temporary_files(world.host.root.parent) == []
    return replies[1]


def assert_settled(world: World, wanted: Dict[str, Any]) -> None:
    before = world.host.listing()
    reply = world.host.run(wanted)
    assert (reply.state, reply.changed, reply.differences, reply.error) == ("active", False, (), None)
    assert world.host.listing() == before


def test_certificate_waits_until_it_is_asked_for(world: World) -> None:
    wanted = world.wanted("on_request")
    done = world.host.run(wanted)
    assert (done.state, done.changed, done.generation) == ("awaiting", True, 1)
    assert (world.partner.asked, world.service.reloads) == ([], [])
    assert world.in_use == OLD
    assert_waits(world, wanted, "request")
    activate = {**wanted, "operation": "activate"}
    predicted = world.host.run(activate, check=True)
    assert (predicted.state, predicted.changed, predicted.generation) == ("active", True, 2)
    active = world.host.run(activate)
    assert (active.state, active.changed, active.generation, active.error) == ("active", True, 2, None)
    assert reasons(active) == reasons(predicted)
    assert world.in_use == NEW
    assert world.service.reloads == [NEW]
    assert_settled(world, wanted)
    assert_settled(world, activate)


def test_reply_tells_of_the_certificate_in_use(world: World) -> None:
    old = world.serial()
    reply = world.host.run(world.wanted("on_request"))
    assert reply.certificate is not None
    assert certificates.load_all(reply.certificate.encode(), "reply")[0].serial_number == old


def test_certificate_waits_until_the_partner_knows_it(world: World) -> None:
    world.know_old_ones_only()
    wanted = world.wanted("on_proof")
    done = world.host.run(wanted)
    assert (done.state, done.changed, done.generation) == ("awaiting", True, 1)
    assert done.awaiting is not None and "403" in (done.awaiting.problem or "")
    assert world.in_use == OLD
    waiting = assert_waits(world, wanted, "proof")
    assert waiting.awaiting is not None and "403" in (waiting.awaiting.problem or "")
    assert world.service.reloads == []
    world.partner.accepts = lambda serial: True
    active = world.host.run(wanted)
    assert (active.state, active.changed, active.generation) == ("active", True, 2)
    assert world.in_use == NEW
    assert world.service.reloads == [NEW]
    assert_settled(world, wanted)


def test_partner_that_knows_it_already_sees_it_at_once(world: World) -> None:
    done = world.host.run(world.wanted("on_proof"))
    assert (done.state, done.generation, world.in_use) == ("active", 2, NEW)
    assert_settled(world, world.wanted("on_proof"))


def test_first_certificate_waits_too(fresh: World) -> None:
    fresh.partner.accepts = lambda serial: False
    wanted = fresh.wanted("on_proof")
    done = fresh.host.run(wanted)
    assert (done.state, done.changed, done.generation, done.certificate) == ("awaiting", True, None, None)
    assert not fresh.host.current().is_symlink() and not fresh.copy.exists()
    assert_waits(fresh, wanted, "proof", 1)
    fresh.partner.accepts = lambda serial: True
    assert fresh.host.run(wanted).state == "active"
    assert fresh.in_use == OLD
    assert_settled(fresh, wanted)


def test_change_of_the_inventory_waits_with_the_same_certificate(world: World) -> None:
    wanted = {**world.automatic, "activation": "on_request", "configs": []}
    assert world.host.run(wanted).state == "awaiting"
    assert (world.in_use, (world.host.current() / "app.conf").exists()) == (OLD, True)
    before = world.serial()
    assert world.host.run({**wanted, "operation": "activate"}).state == "active"
    assert (world.in_use, world.serial()) == (NEW, before)


def test_what_waits_follows_the_inventory(world: World) -> None:
    wanted = world.wanted("on_request")
    world.host.run(wanted)
    changed = {**wanted, "configs": []}
    done = world.host.run(changed)
    assert (done.state, done.changed) == ("awaiting", True)
    names = sorted(path.name for path in (world.host.root / "orders/generations").iterdir())
    assert names == ["0001", "0003"]
    assert_waits(world, changed, "request", 3)
    assert world.host.run({**changed, "operation": "activate"}).state == "active"
    assert world.in_use == NEWER
    assert not (world.host.current() / "app.conf").exists()


def test_what_nobody_wants_any_more_does_not_wait(world: World) -> None:
    world.host.run(world.wanted("on_request"))
    done = world.host.run({**world.automatic, "activation": "on_request"})
    assert (done.state, done.changed) == ("active", True)
    assert world.in_use == OLD
    assert sorted(path.name for path in (world.host.root / "orders/generations").iterdir()) == ["0001"]
    assert_settled(world, {**world.automatic, "activation": "on_request"})


def test_tampering_with_what_waits_is_mended(world: World) -> None:
    wanted = world.wanted("on_request")
    world.host.run(wanted)
    (world.host.root / "orders" / NEW / "chain.pem").write_bytes(b"")
    done = world.host.run(wanted)
    assert (done.state, done.changed) == ("awaiting", True)
    assert world.service.reloads == []
    assert_waits(world, wanted, "request")


def test_automatic_activation_takes_what_waits(world: World) -> None:
    world.host.run(world.wanted("on_request"))
    done = world.host.run(world.wanted("automatic"))
    assert (done.state, done.changed, world.in_use) == ("active", True, NEW)
    assert_settled(world, world.wanted("automatic"))


def test_what_waited_can_be_tried_again_after_a_failed_reload(world: World) -> None:
    wanted = world.wanted("on_request")
    world.host.run(wanted)
    waiting = (world.host.root / "orders" / NEW / "client.pem").read_bytes()
    world.service.failing.touch()
    failed = world.host.run({**wanted, "operation": "activate"})
    assert failed.state == "failed" and failed.error is not None and "the reload failed" in failed.error
    assert world.in_use == OLD
    world.service.failing.unlink()
    assert world.host.run(wanted).state == "awaiting"
    assert world.host.run({**wanted, "operation": "activate"}).state == "active"
    assert (world.host.current() / "client.pem").read_bytes() == waiting


@pytest.mark.parametrize("case", ["is asked for", "is known at last", "still waits", "follows the inventory"])
def test_killed_anywhere_nothing_that_waits_is_lost(world: World, case: str) -> None:
    world.know_old_ones_only()
    wanted = world.wanted("on_request" if case in ("is asked for", "follows the inventory") else "on_proof")
    assert world.host.run(wanted).state == "awaiting"
    if case != "still waits":
        world.partner.accepts = lambda serial: True
    if case == "is asked for":
        wanted = {**wanted, "operation": "activate"}
    if case == "follows the inventory":
        wanted = {**wanted, "configs": []}
    waiting = (world.host.root / "orders" / NEW / "client.pem").read_bytes()
    saved = world.host.root.parent.parent / "saved"
    shutil.copytree(world.host.root.parent, saved, symlinks=True)
    step = 0
    while killed_at(step, lambda: world.host.trip(wanted)):
        assert_matching_set(world.host, wanted, copies=False)
        generations = world.host.root / "orders/generations"
        assert waiting in [path.read_bytes() for path in generations.glob("[0-9]*/client.pem")], step
        again = world.host.run(wanted)
        assert (again.state, again.error) == ("awaiting" if case in WAITING else "active", None), step
        world.partner.accepts = lambda serial: True
        assert world.host.run({**wanted, "operation": "activate"}).state == "active"
        assert (world.host.current() / "client.pem").read_bytes() == waiting, step
        assert_settled(world, wanted)
        shutil.rmtree(world.host.root.parent)
        shutil.copytree(saved, world.host.root.parent, symlinks=True)
        if case == "still waits":
            world.know_old_ones_only()
        step += 1
    assert step > (0 if case == "still waits" else 5)


WAITING = ("still waits", "follows the inventory")
