# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that was cut off leaves behind, met by a next run that fails, or that is asked for something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils.converge.apply import Application
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host, credential, link, reasons
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.partner import Partner, Service, partner_of

OLD, NEW = "generations/0001", "generations/0002"


class PowerCut(BaseException):
    """Nothing is done after it."""


class World:
    """A host with a credential in use, whose partner and service are to be told of the next one."""

    def __init__(self, directory: Path, partner: Partner, host: Host) -> None:
        self.partner = partner
        self.host = host
        self.service = Service(host, directory)
        self.copy = directory / "disk/copy"
        self.plain = credential(truststores=[], links=[link(self.copy, "client.pem", copy=True)])
        self.watched = {**self.plain, "reload": self.service.command, "verify": partner.verify()}

    def cut(self, step: str, wanted: Dict[str, Any]) -> None:
        """A whole run that ends before (or with a "+": after) a step of the second trip, or of the only one."""
        candidate = self.candidate(wanted)
        if candidate is not None:
            wanted = {**wanted, "candidate": candidate}
        elif wanted["operation"] != "activate":
            request = self.host.trip(wanted).credentials[0].request
            assert request is not None and request.pem is not None
            wanted = {**wanted, "answer": self.host.authority.sign(request.pem)}
        name = step.rstrip("+")
        real: Callable[..., Any] = getattr(Application, name)

        def cut(*arguments: Any) -> None:
            if step.endswith("+"):
                real(*arguments)
            raise PowerCut

        setattr(Application, name, cut)
        try:
            with pytest.raises(PowerCut):
                self.host.trip(wanted)
        finally:
            setattr(Application, name, real)

    def candidate(self, wanted: Dict[str, Any]) -> Optional[str]:
        """What a rollback would go back to, where one is asked for."""
        if wanted["operation"] != "rollback":
            return None
        found = self.host.trip(wanted).credentials[0].candidate
        assert found is not None
        return certificates.fingerprint(certificates.load_all(found.certificate.encode(), "candidate")[0])

    def roll_back(self, wanted: Dict[str, Any]) -> CredentialReply:
        wanted = {**wanted, "operation": "rollback"}
        return self.host.run({**wanted, "candidate": self.candidate(wanted)})

    def serial(self) -> int:
        number: int = certificates.load_all((self.host.current() / "certificate.pem").read_bytes(), "leaf")[
            0
        ].serial_number
        return number

    @property
    def in_use(self) -> str:
        """Where `current` leads; it is there, and the copy elsewhere is of the same generation."""
        assert (self.host.current() / "client.pem").is_file(), os.readlink(self.host.current())
        assert self.copy.read_bytes() == (self.host.current() / "client.pem").read_bytes()
        return os.readlink(self.host.current())

    def generations(self) -> list[str]:
        return sorted(path.name for path in (self.host.root / "orders/generations").iterdir())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "disk").mkdir()
    host = Host(tmp_path / "disk/root")
    with partner_of(host, tmp_path) as partner:
        yield World(tmp_path, partner, host)


def rotated(wanted: Dict[str, Any]) -> Dict[str, Any]:
    return {**wanted, "subject": [["CN", "renewed"]]}


def assert_settled(world: World, wanted: Dict[str, Any], state: str = "active") -> None:
    before = world.host.listing()
    reply = world.host.run(wanted)
    assert (reply.state, reply.changed, reply.error) == (state, False, None)
    assert world.host.listing() == before


def only(world: World, serial: int) -> None:
    world.partner.accepts = lambda asked: asked == serial


# After a switch that nobody confirmed


def test_switch_that_fails_its_second_proof_is_taken_back_with_all_that_belongs_to_it(world: World) -> None:
    world.host.run(world.watched)
    old = world.serial()
    world.cut("finish", rotated(world.watched))
    assert world.in_use == NEW
    only(world, old)
    reloads = len(world.service.reloads)
    failed = world.host.run(rotated(world.watched))
    assert failed.state == "failed" and reasons(failed) == ["verify_failed"]
    assert world.in_use == OLD
    # The service has read the new files before: it must be told of the old ones, now.
    assert world.service.reloads[reloads:] == [OLD]
    assert world.generations() == ["0001", "failed-0002"]


def test_what_came_into_use_on_request_is_recognized_after_a_power_cut(world: World) -> None:
    world.host.run(world.watched)
    wanted = {**rotated(world.watched), "activation": "on_request"}
    assert world.host.run(wanted).state == "awaiting"
    world.cut("finish", {**wanted, "operation": "activate"})
    assert world.in_use == NEW
    done = world.host.run(wanted)
    assert (done.state, done.generation, world.in_use) == ("active", 2, NEW)
    assert reasons(done) == ["switch_unconfirmed"]
    assert_settled(world, wanted)


def test_what_nobody_confirmed_is_no_generation_to_go_back_to(world: World) -> None:
    world.host.run(world.watched)
    world.cut("finish", rotated(world.watched))
    changed = {**rotated(world.watched), "configs": []}
    done = world.host.run(changed)
    assert (done.state, done.generation, world.generations()) == ("active", 3, ["0001", "0003"])
    assert_settled(world, changed)


# Rollbacks


@pytest.mark.parametrize("kind", ["plain", "watched"])
def test_rollback_that_was_cut_off_is_finished(world: World, kind: str) -> None:
    wanted = getattr(world, kind)
    world.host.run(wanted)
    world.host.run(rotated(wanted))
    world.cut("_promote+", {**rotated(wanted), "operation": "rollback"})
    done = world.host.run(rotated(wanted))
    assert (done.state, world.in_use) == ("held", OLD)
    assert world.generations() == ["0001", "failed-0002"]
    assert_settled(world, rotated(wanted), "held")


@pytest.mark.parametrize("step", ["_set_aside+", "_links"])
def test_rollback_that_fails_its_second_proof_leaves_a_generation_in_use(world: World, step: str) -> None:
    world.host.run(world.watched)
    world.host.run(rotated(world.watched))
    new = world.serial()
    world.cut(step, {**rotated(world.watched), "operation": "rollback"})
    only(world, new)
    assert world.host.run(rotated(world.watched)).state == "failed"
    assert world.in_use == (OLD if step == "_set_aside+" else NEW)


def test_rollback_that_is_taken_back_later_holds_nothing(world: World) -> None:
    world.host.run(world.watched)
    world.host.run(rotated(world.watched))
    new = world.serial()
    world.cut("_links", {**rotated(world.watched), "operation": "rollback"})
    only(world, new)
    assert world.host.run(rotated(world.watched)).state == "failed"
    assert world.in_use == NEW
    world.partner.accepts = lambda serial: True
    reply = world.host.run(rotated(world.watched))
    assert (reply.state, reply.held_since) == ("active", None)


def test_rollback_from_a_switch_that_nobody_confirmed(world: World) -> None:
    """Cut off before it went back, it holds nothing; and it can be asked for again."""
    world.host.run(world.watched)
    world.cut("finish", rotated(world.watched))
    world.cut("_promote", {**rotated(world.watched), "operation": "rollback"})
    assert world.in_use == NEW
    done = world.roll_back(rotated(world.watched))
    assert (done.state, world.in_use) == ("held", OLD)


def test_release_of_a_rollback_that_was_cut_off_keeps_the_way_back(world: World) -> None:
    world.host.run(world.watched)
    world.host.run({**world.watched, "operation": "rotate"})
    new = world.serial()
    world.cut("_links", {**world.watched, "operation": "rollback"})
    only(world, new)
    assert world.host.run({**world.watched, "operation": "release"}).state == "failed"
    assert world.in_use == NEW
    world.partner.accepts = lambda serial: True
    assert world.host.run(world.watched).error is None
    assert_settled(world, world.watched)


def test_rollback_that_fails_takes_nothing_away_elsewhere(world: World) -> None:
    extra = {**world.watched, "configs": [*world.watched["configs"]]}
    without = {**world.watched, "configs": []}
    elsewhere = world.copy.parent / "app.conf"
    extra["links"] = [*world.watched["links"], link(elsewhere, "app.conf", copy=True)]
    world.host.run(without)
    world.host.run(extra)
    assert elsewhere.read_text() == "key = 1\n"
    world.service.failing.touch()
    assert world.roll_back(extra).state == "failed"
    assert world.in_use == NEW
    assert elsewhere.read_text() == "key = 1\n"
    world.service.failing.unlink()
    assert world.roll_back(extra).state == "held"
    assert world.in_use == OLD and not elsewhere.exists()


def test_rollback_without_its_verify_authorities_is_refused(world: World) -> None:
    world.host.run(world.watched)
    world.host.run(rotated(world.watched))
    verify = {**world.watched["verify"], "authorities": ["nobody"]}
    world.host.refuses({**rotated(world.watched), "verify": verify, "operation": "rollback"}, "'nobody' is not known")


def test_reply_of_what_is_held_tells_of_the_certificate_in_use(world: World) -> None:
    wanted = {**world.plain, "activation": "on_request"}
    world.host.run(world.plain)
    world.host.run({**world.plain, "operation": "rotate"})
    assert world.host.run(rotated(wanted)).state == "awaiting"
    world.roll_back(rotated(wanted))
    for held in (rotated(wanted), {**rotated(wanted), "operation": "rollback"}, {**rotated(wanted), "state": "held"}):
        reply = world.host.run(held)
        assert (reply.state, reply.generation) == ("held", 1)
        assert reply.certificate is not None
        found = certificates.load_all(reply.certificate.encode(), "reply")[0]
        assert found.serial_number == world.serial()


def test_new_generation_does_not_collide_with_what_a_rollback_left(world: World) -> None:
    world.host.run(world.plain)
    world.host.run({**world.plain, "operation": "rotate"})
    world.cut("_links", {**world.plain, "operation": "rollback"})
    released = {**world.plain, "configs": [], "operation": "release"}
    done = world.host.run(released)
    assert (done.state, done.error) == ("active", None)
    assert not (world.host.current() / "app.conf").exists()
    assert_settled(world, {**world.plain, "configs": []})


# What waits


def test_rotation_that_was_asked_for_once_happens_once(world: World) -> None:
    world.host.run(world.watched)
    world.cut("_drop_next", {**world.watched, "operation": "rotate"})
    assert world.in_use == NEW
    done = world.host.run(world.watched)
    assert (done.state, world.in_use) == ("active", NEW)
    assert "rotation_requested" not in reasons(done)
    assert_settled(world, world.watched)


@pytest.mark.parametrize("why", ["window", "issuer"])
def test_what_waits_is_left_alone_while_its_certificate_is_due(world: World, why: str) -> None:
    """Neither a closed window nor a slow issuer is a reason to stage the same again in each run."""
    world.host.days = (-80, 10)
    world.host.run(world.plain)
    wanted = {**world.plain, "configs": [], "activation": "on_request", "may_renew": why == "issuer"}
    world.host.trip(wanted)
    before = world.host.listing()
    for _run in range(2):
        reply = world.host.trip(wanted).credentials[0]
        assert (reply.changed, reply.error) == (False, None)
        assert world.host.listing() == before
    world.host.days = (-1, 90)
    done = world.host.run({**wanted, "may_renew": True})
    assert done.state == "awaiting" and world.in_use == OLD
    assert world.host.run({**wanted, "operation": "activate"}).state == "active"
    assert_settled(world, wanted)


def test_what_waits_stays_until_its_successor_is_there(world: World) -> None:
    world.host.run(world.plain)
    wanted = {**rotated(world.plain), "activation": "on_request"}
    world.host.days = (-80, 10)
    world.host.run(wanted)
    waiting = (world.host.root / "orders" / NEW / "client.pem").read_bytes()
    reply = world.host.trip(wanted).credentials[0]
    assert (reply.state, reply.generation) == ("request", 1)
    # It is due, but better than what is in use: it can still be asked for.
    assert world.host.trip({**wanted, "operation": "activate"}).credentials[0].error is None
    assert (world.host.current() / "client.pem").read_bytes() == waiting


def test_rotation_is_asked_for_although_something_waits(world: World) -> None:
    world.host.run(world.plain)
    wanted = {**rotated(world.plain), "activation": "on_request"}
    assert world.host.run(wanted).state == "awaiting"
    waiting = (world.host.root / "orders" / NEW / "client.pem").read_bytes()
    done = world.host.run({**wanted, "operation": "rotate"})
    assert (done.state, world.in_use) == ("awaiting", OLD)
    assert (world.host.root / "orders" / NEW / "client.pem").read_bytes() != waiting
    assert_settled(world, wanted, "awaiting")


def test_switch_is_confirmed_although_something_waits(world: World) -> None:
    world.host.run(world.watched)
    old = world.serial()
    world.cut("switch+", rotated(world.watched))
    wanted = {**rotated(world.watched), "configs": [], "activation": "on_request"}
    real = Application.switch
    try:
        Application.switch = lambda self: (_ for _ in ()).throw(PowerCut())  # type: ignore[method-assign,assignment]
        with pytest.raises(PowerCut):
            world.host.trip(wanted)
    finally:
        Application.switch = real  # type: ignore[method-assign]
    only(world, old)
    failed = world.host.run(wanted)
    assert failed.state == "failed" and "verify_failed" in reasons(failed)
    assert world.in_use == OLD
    assert world.service.reloads[-1] == OLD


def test_lost_link_is_made_again_before_anything_is_staged_beside_what_waits(world: World) -> None:
    world.host.run(world.plain)
    wanted = {**rotated(world.plain), "activation": "on_request"}
    world.host.run(wanted)
    world.host.current().unlink()
    changed = {**wanted, "configs": []}
    again = world.host.run(changed)
    assert (again.error, world.in_use, world.generations()) == (None, OLD, ["0001", "0002"])
    assert (again.state, reasons(again)) == ("awaiting", ["link_changed"])
    assert again.awaiting is not None and (again.generation, again.awaiting.generation) == (1, 2)
    assert world.host.run(changed).state == "awaiting"
    assert (world.in_use, world.generations()) == (OLD, ["0001", "0003"])
    assert_settled(world, changed, "awaiting")


@pytest.mark.parametrize("how", ["is rejected", "cannot be reloaded", "is cut off"])
def test_what_waited_is_not_lost_where_it_follows_the_inventory_into_use(world: World, how: str) -> None:
    world.host.run(world.watched)
    old = world.serial()
    wanted = {**rotated(world.watched), "activation": "on_request"}
    world.host.run(wanted)
    waiting = (world.host.root / "orders" / NEW / "key.pem").read_bytes()
    activate = {**wanted, "configs": [], "operation": "activate"}
    if how == "is cut off":
        world.cut("switch", activate)
    elif how == "is rejected":
        only(world, old)
        assert world.host.run(activate).state == "failed"
    else:
        world.service.failing.touch()
        assert world.host.run(activate).state == "failed"
    assert world.in_use == OLD
    world.partner.accepts = lambda serial: True
    world.service.failing.unlink(missing_ok=True)
    assert world.host.run({**wanted, "configs": []}).state == "awaiting"
    assert world.host.run(activate).state == "active"
    assert (world.host.current() / "key.pem").read_bytes() == waiting
    assert_settled(world, {**wanted, "configs": []})
