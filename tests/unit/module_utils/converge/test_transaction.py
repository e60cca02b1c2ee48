# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch that is proven and told of, or taken back: with a real server and real commands."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils.converge import mounts
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Host,
    credential,
    keystore,
    link,
    reasons,
)
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.partner import Partner, Service, partner_of
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.test_kill import assert_matching_set, killed_at

OLD, NEW = "generations/0001", "generations/0002"


class World:
    """A host with a credential in use, its partner and its service; `wanted` asks for the next certificate."""

    def __init__(self, directory: Path, partner: Partner, host: Host) -> None:
        self.partner = partner
        self.host = host
        self.service = Service(host, directory)
        self.elsewhere = directory / "disk/elsewhere"
        self.elsewhere.mkdir()
        self.before = credential(
            keystores=[keystore()],
            truststores=[],
            reload=self.service.command,
            verify=partner.verify(),
            links=[link(self.elsewhere / "link", "client.pem"), link(self.elsewhere / "copy", "client.pem", copy=True)],
        )
        self.wanted: Dict[str, Any] = {**self.before, "subject": [["CN", "renewed"]]}

    def provide(self) -> None:
        """Bring the first generation into use."""
        assert self.host.run(self.before).state == "active"
        self.partner.asked.clear()
        (self.service.failing.parent / "reloads").unlink()

    def serial(self) -> int:
        """That of the certificate in use."""
        content = (self.host.current() / "certificate.pem").read_bytes()
        number: int = certificates.load_all(content, "certificate.pem")[0].serial_number
        return number

    def in_use(self) -> Tuple[str, bool]:
        """Where `current` leads, and whether the copy elsewhere is of the same generation."""
        same = (self.elsewhere / "copy").read_bytes() == (self.host.current() / "client.pem").read_bytes()
        return os.readlink(self.host.current()), same


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


def assert_settled(world: World, wanted: Dict[str, Any]) -> None:
    """Nothing is left to do, and looking for it asks and changes nothing."""
    asked, reloads, listing = len(world.partner.asked), len(world.service.reloads), world.host.listing()
    reply = world.host.run(wanted)
    assert (reply.changed, reply.differences, reply.error) == (False, (), None)
    assert (len(world.partner.asked), len(world.service.reloads)) == (asked, reloads)
    assert world.host.listing() == listing


def failed(reply: CredentialReply, reason: str, text: str) -> None:
    assert reply.state == "failed"
    assert reason in reasons(reply)
    assert reply.error is not None and text in reply.error


def test_new_certificate_is_proven_before_and_after_the_reload(world: World) -> None:
    old = world.serial()
    assert world.host.converges(world.wanted).state == "active"
    assert world.serial() != old
    assert world.partner.asked == [world.serial()] * 2
    assert world.service.reloads == [NEW]
    assert world.in_use() == (NEW, True)
    assert_settled(world, world.wanted)


def test_check_mode_asks_nobody_and_reloads_nothing(world: World) -> None:
    assert world.host.run(world.wanted, check=True).changed
    assert (world.partner.asked, world.service.reloads) == ([], [])


def test_rejected_certificate_is_never_switched_to(world: World) -> None:
    old, files = world.serial(), world.host.files()
    world.partner.accepts = lambda serial: serial == old
    failed(world.host.run(world.wanted), "verify_failed", "nothing was switched")
    assert (world.in_use(), world.host.files(), world.service.reloads) == ((OLD, True), files, [])
    assert len(world.partner.asked) == 2 and world.partner.asked[1] == old
    aside = world.host.root / "orders/generations/failed-0002"
    assert (aside / "client.pem").exists()
    # The same key is asked for again, not another one: the partner may have to register it.
    failed(world.host.run(world.wanted), "verify_failed", "nothing was switched")
    world.partner.accepts = lambda serial: True
    assert world.host.run(world.wanted).state == "active"
    assert world.in_use() == (NEW, True)
    assert not aside.exists()
    assert_settled(world, world.wanted)


def test_partner_that_is_down_is_no_fault_of_the_certificate(world: World) -> None:
    files = world.host.files()
    world.partner.accepts = lambda serial: False
    failed(world.host.run(world.wanted), "verify_unavailable", "with the files in use, too")
    assert (world.in_use(), world.host.files(), world.service.reloads) == ((OLD, True), files, [])


def test_certificate_that_fails_after_the_switch_is_taken_back(world: World) -> None:
    old = world.serial()
    world.partner.accepts = lambda serial: serial == old or len(world.partner.asked) < 2
    failed(world.host.run(world.wanted), "verify_failed", "after the switch")
    assert world.service.reloads == [NEW, OLD]
    assert world.in_use() == (OLD, True)
    assert world.serial() == old
    assert (world.host.root / "orders/generations/failed-0002/client.pem").exists()
    world.partner.accepts = lambda serial: True
    assert world.host.run(world.wanted).state == "active"
    assert_settled(world, world.wanted)


def test_reload_that_fails_is_taken_back_and_tried_again(world: World) -> None:
    world.service.failing.touch()
    failed(world.host.run(world.wanted), "reload_pending", "exit status 3")
    assert world.service.reloads == [NEW, OLD]
    assert world.in_use() == (OLD, True)
    # Nothing else is to be done: the reload alone is owed.
    listing = world.host.listing()
    predicted = world.host.run(world.before, check=True)
    assert (predicted.changed, "reload_pending" in reasons(predicted)) == (True, True)
    assert world.host.listing() == listing
    failed(world.host.run(world.before), "reload_pending", "refused")
    world.service.failing.unlink()
    assert world.host.run(world.before).state == "active"
    assert world.service.reloads == [NEW, OLD, OLD, OLD]
    assert_settled(world, world.before)


def test_mended_file_is_told_of(world: World) -> None:
    (world.host.current() / "app.conf").write_text("tampered")
    assert world.host.run(world.before).state == "active"
    assert (world.service.reloads, world.partner.asked) == ([OLD], [])
    (world.host.current() / "app.conf").write_text("tampered")
    world.service.failing.touch()
    failed(world.host.run(world.before), "reload_pending", "exit status 3")
    assert (world.host.current() / "app.conf").read_text() == "key = 1\n"
    world.service.failing.unlink()
    assert world.host.run(world.before).changed
    assert_settled(world, world.before)


def test_other_mode_is_nobodys_business(world: World) -> None:
    (world.host.current() / "app.conf").chmod(0o644)
    assert world.host.run(world.before).changed
    assert world.service.reloads == []


def test_first_certificate_that_is_rejected_never_comes_into_use(fresh: World) -> None:
    fresh.partner.accepts = lambda serial: False
    failed(fresh.host.run(fresh.before), "verify_failed", "nothing was switched")
    assert not fresh.host.current().exists()
    assert not (fresh.elsewhere / "link").is_symlink()
    assert fresh.service.reloads == []
    fresh.partner.accepts = lambda serial: True
    assert fresh.host.run(fresh.before).state == "active"
    assert fresh.in_use() == (OLD, True)
    assert_settled(fresh, fresh.before)


def test_first_certificate_that_fails_later_stays_and_is_owed(fresh: World) -> None:
    """There is nothing to go back to."""
    fresh.service.failing.touch()
    failed(fresh.host.run(fresh.before), "reload_pending", "exit status 3")
    assert fresh.in_use() == (OLD, True)
    predicted = fresh.host.run(fresh.before, check=True)
    assert {"reload_pending", "switch_unconfirmed"} <= set(reasons(predicted))
    fresh.service.failing.unlink()
    assert fresh.host.run(fresh.before).state == "active"
    assert fresh.service.reloads == [OLD, OLD]
    assert_settled(fresh, fresh.before)


def test_lost_link_is_made_again_although_the_partner_is_down(world: World) -> None:
    """It was in use before; that the server does not answer is told, and asked again."""
    world.host.current().unlink()
    world.partner.accepts = lambda serial: False
    failed(world.host.run(world.before), "verify_failed", "after the switch")
    assert world.in_use() == (OLD, True)
    predicted = world.host.run(world.before, check=True)
    assert (predicted.changed, reasons(predicted)) == (True, ["switch_unconfirmed"])
    world.partner.accepts = lambda serial: True
    assert world.host.run(world.before).state == "active"
    assert_settled(world, world.before)


def test_what_a_damaged_journal_may_have_owed_is_done(world: World) -> None:
    (world.host.root / "orders/state.json").write_text("{")
    predicted = world.host.run(world.before, check=True)
    done = world.host.run(world.before)
    assert (done.state, done.changed) == ("active", True)
    assert {"journal_unreadable", "reload_pending"} <= set(reasons(done)) == set(reasons(predicted))
    assert world.service.reloads == [OLD]
    assert_settled(world, world.before)


def test_failure_tells_what_is_in_use(world: World) -> None:
    world.service.failing.touch()
    reply = world.host.run(world.wanted)
    assert (reply.state, reply.generation) == ("failed", 1)
    assert reply.certificate is not None
    assert certificates.load_all(reply.certificate.encode(), "reply")[0].serial_number == world.serial()


def test_what_failed_is_kept_while_something_mounts_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.service.failing.touch()
    world.host.run(world.wanted)
    world.service.failing.unlink()
    aside = world.host.root / "orders/generations/failed-0002"
    monkeypatch.setattr(mounts, "mounted_names", lambda directory: {aside.name})
    assert world.host.run(world.wanted).state == "active"
    assert (aside / "client.pem").exists()


def _two(world: World, *subjects: str) -> List[Dict[str, Any]]:
    return [
        credential(
            name=name,
            subject=[["CN", subject]],
            keystores=[],
            truststores=[],
            reload=world.service.command,
            verify=world.partner.verify(),
        )
        for name, subject in zip(("orders", "billing"), subjects)
    ]


def _answered(world: World, wanted: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    answered = []
    for item, reply in zip(wanted, world.host.trip(*wanted).credentials):
        assert reply.request is not None and reply.request.pem is not None
        answered.append({**item, "answer": world.host.authority.sign(reply.request.pem)})
    return answered


def test_identical_reload_runs_once_and_is_taken_back_together(fresh: World) -> None:
    first = _two(fresh, "one", "two")
    assert [one.state for one in fresh.host.trip(*_answered(fresh, first)).credentials] == ["active"] * 2
    assert fresh.service.reloads == [OLD]
    accepted = set(fresh.partner.asked)
    answers = _answered(fresh, _two(fresh, "three", "four"))
    # Before the switch both are fine; after it the second one is not.
    fresh.partner.accepts = lambda serial: serial in accepted or len(fresh.partner.asked) < 8
    replies = fresh.host.trip(*answers).credentials
    assert [one.state for one in replies] == ["failed", "failed"]
    assert "went back with others" in str(replies[0].error)
    assert reasons(replies[1]) == ["verify_failed"]
    assert fresh.service.reloads == [OLD, NEW, OLD]
    assert [os.readlink(fresh.host.current(name)) for name in ("orders", "billing")] == [OLD, OLD]


@pytest.mark.parametrize("outcome", ["works", "is rejected", "is rejected later", "cannot be reloaded"])
def test_killed_at_any_step(world: World, outcome: str) -> None:
    """Whatever the step: what is in use is whole and accepted, and the next run comes to the same end."""
    host, partner, service = world.host, world.partner, world.service
    old = world.serial()
    request = host.trip(world.wanted).credentials[0].request
    assert request is not None and request.pem is not None
    answer = host.authority.sign(request.pem)
    new = certificates.from_der(base64.b64decode(answer["certificates"][0])).serial_number
    answered = {**world.wanted, "answer": answer}
    saved = host.root.parent.parent / "saved"
    shutil.copytree(host.root.parent, saved, symlinks=True)
    step = 0

    def begin() -> None:
        partner.asked.clear()
        # What an earlier round was told must not stand for this one.
        (service.failing.parent / "reloads").unlink(missing_ok=True)
        service.failing.unlink(missing_ok=True)
        if outcome == "cannot be reloaded":
            service.failing.touch()
        partner.accepts = {
            "is rejected": lambda serial: serial == old,
            "is rejected later": lambda serial: serial == old or len(partner.asked) < 2,
        }.get(outcome, lambda serial: True)

    begin()
    while killed_at(step, lambda: host.trip(answered), may_fail=True):
        assert_matching_set(host, world.wanted, copies=False)
        assert world.serial() in (old, new)
        partner.accepts = lambda serial: True
        service.failing.unlink(missing_ok=True)
        was_told = bool(service.reloads)
        host.trip(world.wanted)
        if was_told:
            assert service.reloads[-1] == os.readlink(host.current()), "after step {0}".format(step)
        reply = host.trip(answered if world.serial() == old else world.wanted).credentials[0]
        assert (reply.state, reply.error) == ("active", None), "after step {0}".format(step)
        assert (world.serial(), world.in_use()[1]) == (new, True), "after step {0}".format(step)
        assert service.reloads[-1] == os.readlink(host.current()), "after step {0}".format(step)
        assert_settled(world, world.wanted)
        shutil.rmtree(host.root.parent)
        shutil.copytree(saved, host.root.parent, symlinks=True)
        begin()
        step += 1
    assert step > 20


def test_certificate_that_a_service_cannot_load_can_be_replaced(fresh: World) -> None:
    """There is nothing to go back to, and the reload that is owed fails until there is another certificate."""
    fresh.service.failing.touch()
    failed(fresh.host.run({**fresh.before, "verify": None}), "reload_pending", "the reload failed")
    subject = "openssl x509 -noout -subject -in {0}/certificate.pem".format(fresh.host.current())
    picky = {**fresh.wanted, "verify": None, "reload": [["/bin/sh", "-c", subject + " | grep -q renewed"]]}
    done = fresh.host.run(picky)
    assert (done.state, done.error) == ("active", None)
    assert_settled(fresh, picky)
