# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deliberate rollback to the generation before, the hold that follows, and its release; forced rotations."""

from __future__ import annotations

import base64
import os
import shutil
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import chain as chains
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Host,
    credential,
    link,
    public_key,
    reasons,
)
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.partner import Partner, Service, partner_of
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.test_kill import assert_matching_set, killed_at

OLD, NEW = "generations/0001", "generations/0002"


class World:
    """A host with two generations of a credential, the second in use."""

    def __init__(self, directory: Path, partner: Partner, host: Host) -> None:
        self.partner = partner
        self.host = host
        self.service = Service(host, directory)
        self.copy = directory / "disk/copy"
        self.wanted = credential(
            truststores=[],
            reload=self.service.command,
            verify=partner.verify(),
            links=[link(self.copy, "client.pem", copy=True)],
        )
        self.rollback = {**self.wanted, "operation": "rollback"}
        host.run(self.wanted)
        assert host.run({**self.wanted, "operation": "rotate"}).generation == 2
        partner.asked.clear()
        (self.service.failing.parent / "reloads").unlink()

    def roll_back(self, check: bool = False, candidate: Optional[str] = None) -> CredentialReply:
        """Both trips, with a controller that agrees."""
        first = self.host.run(self.rollback, check=check)
        if check or first.candidate is None:
            return first
        leaf = certificates.load_all(first.candidate.certificate.encode(), "candidate")[0]
        return self.host.run({**self.rollback, "candidate": candidate or certificates.fingerprint(leaf)})

    @property
    def in_use(self) -> str:
        assert self.copy.read_bytes() == (self.host.current() / "client.pem").read_bytes()
        return os.readlink(self.host.current())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "disk").mkdir()
    host = Host(tmp_path / "disk/root")
    with partner_of(host, tmp_path) as partner:
        yield World(tmp_path, partner, host)


def assert_unchanged(world: World, wanted: Dict[str, Any], state: str) -> CredentialReply:
    before = world.host.listing()
    reply = world.host.run(wanted)
    assert (reply.state, reply.changed, reply.error) == (state, False, None)
    assert world.host.listing() == before
    return reply


def test_first_trip_names_the_candidate_and_changes_nothing(world: World) -> None:
    old = certificates.load_all((world.host.root / "orders" / OLD / "certificate.pem").read_bytes(), "old")[0]
    reply = assert_unchanged(world, world.rollback, "active")
    assert reasons(reply) == ["rollback_requested", "link_changed"]
    assert reply.candidate is not None and reply.candidate.generation == 1
    found = certificates.load_all(reply.candidate.certificate.encode(), "candidate")[0]
    assert certificates.fingerprint(found) == certificates.fingerprint(old)
    assert world.host.run(world.rollback, check=True) == reply


def test_goes_back_proves_reloads_and_holds(world: World) -> None:
    done = world.roll_back()
    assert (done.state, done.changed, done.generation, done.error) == ("held", True, 1, None)
    assert done.held_since is not None
    assert world.in_use == OLD
    assert world.service.reloads == [OLD]
    assert len(world.partner.asked) == 2
    names = sorted(path.name for path in (world.host.root / "orders/generations").iterdir())
    assert names == ["0001", "failed-0002"]


def test_next_runs_do_not_undo_it(world: World) -> None:
    world.roll_back()
    for changes in ({}, {"subject": [["CN", "another"]]}, {"operation": "rotate"}, {"operation": "rollback"}):
        reply = assert_unchanged(world, {**world.wanted, **changes}, "held")
        assert (reply.generation, reply.request) == (1, None)
        assert reply.held_since is not None
    changed = world.host.run({**world.wanted, "subject": [["CN", "another"]]})
    assert "subject_changed" in reasons(changed)


def test_release_ends_the_hold_and_converges(world: World) -> None:
    world.roll_back()
    release = {**world.wanted, "operation": "release"}
    predicted = world.host.run(release, check=True)
    done = world.host.run(release)
    assert (done.state, done.changed, done.generation) == ("active", True, 1)
    assert reasons(done) == reasons(predicted) == ["hold_released"]
    assert (predicted.state, predicted.changed) == ("active", True)
    assert_unchanged(world, world.wanted, "active")
    assert_unchanged(world, release, "active")


def test_another_candidate_than_agreed_is_refused(world: World) -> None:
    before = world.host.listing()
    reply = world.roll_back(candidate="0" * 64)
    assert reply.state == "failed" and reply.error is not None and "agreed" in reply.error
    assert world.host.listing() == before


def _no_older(world: World) -> None:
    shutil.rmtree(world.host.root / "orders" / OLD)


def _damaged(world: World) -> None:
    (world.host.root / "orders" / OLD / "key.pem").write_bytes(b"")


def _without_manifest(world: World) -> None:
    (world.host.root / "orders" / OLD / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [(_no_older, "no generation before"), (_damaged, "key.pem is not as"), (_without_manifest, "manifest")],
)
def test_what_is_not_whole_is_not_gone_back_to(world: World, damage: Any, message: str) -> None:
    damage(world)
    world.host.refuses(world.rollback, message)


def test_expired_generation_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    host = Host(tmp_path / "disk/root")
    host.days = (-90, 4 / 86400)
    wanted = credential()
    assert host.run(wanted).state == "active"
    end = certificates.not_after(certificates.load_all((host.current() / "certificate.pem").read_bytes(), "leaf")[0])
    host.days = (-1, 90)
    assert host.run(wanted).generation == 2
    while datetime.now(timezone.utc) < end:
        time.sleep(0.1)
    host.refuses({**wanted, "operation": "rollback"}, "not valid now")


def test_goes_forward_again_where_the_partner_refuses_the_old_one(world: World) -> None:
    known = certificates.load_all((world.host.current() / "certificate.pem").read_bytes(), "new")[0].serial_number
    world.partner.accepts = lambda serial: serial == known
    reply = world.roll_back()
    assert reply.state == "failed" and reply.error is not None and "nothing was switched" in reply.error
    assert world.in_use == NEW
    assert_unchanged(world, world.wanted, "active")


def test_goes_forward_again_where_the_reload_fails(world: World) -> None:
    world.service.failing.touch()
    reply = world.roll_back()
    assert reply.state == "failed" and reply.error is not None and "the reload failed" in reply.error
    assert world.in_use == NEW
    world.service.failing.unlink()
    assert world.host.run(world.wanted).state == "active"
    assert world.in_use == NEW
    assert_unchanged(world, world.wanted, "active")


def test_previous_passphrase_is_used_for_the_proof(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    host = Host(tmp_path / "disk/root")
    with partner_of(host, tmp_path) as partner:
        key = {"type": "ECC", "size": None, "curve": "secp256r1", "format": "pkcs8", "rotate": True}
        wanted = credential(key={**key, "passphrase": "first"}, keystores=[], truststores=[], verify=partner.verify())
        host.run(wanted)
        changed = {**wanted, "key": {**key, "passphrase": "second"}, "previous_passphrases": ["first"]}
        assert host.run(changed).generation == 2
        first = host.run({**changed, "operation": "rollback"})
        assert first.candidate is not None
        leaf = certificates.load_all(first.candidate.certificate.encode(), "candidate")[0]
        done = host.run({**changed, "operation": "rollback", "candidate": certificates.fingerprint(leaf)})
        assert (done.state, done.error) == ("held", None)


def test_killed_anywhere_it_can_be_made_again(world: World) -> None:
    first = world.host.run(world.rollback)
    assert first.candidate is not None
    leaf = certificates.load_all(first.candidate.certificate.encode(), "candidate")[0]
    agreed = {**world.rollback, "candidate": certificates.fingerprint(leaf)}
    saved = world.host.root.parent.parent / "saved"
    shutil.copytree(world.host.root.parent, saved, symlinks=True)
    step = 0
    while killed_at(step, lambda: world.host.trip(agreed)):
        assert_matching_set(world.host, world.wanted, copies=False)
        assert world.host.run(world.wanted).error is None
        done = world.roll_back()
        assert (done.state, done.error) == ("held", None), step
        assert world.in_use == OLD, step
        assert world.service.reloads[-1] == OLD, step
        assert_unchanged(world, world.wanted, "held")
        shutil.rmtree(world.host.root.parent)
        shutil.copytree(saved, world.host.root.parent, symlinks=True)
        (world.service.failing.parent / "reloads").unlink()
        step += 1
    assert step > 5


def test_rotation_that_is_asked_for_needs_no_reason(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential()
    host.run(wanted)
    before = public_key(host)
    done = host.run({**wanted, "operation": "rotate"})
    assert (done.state, done.generation) == ("active", 2)
    assert "rotation_requested" in reasons(done)
    assert public_key(host) != before
    assert host.run(wanted).changed is False


def test_request_that_was_asked_for_waits_for_its_answer(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential()
    host.run(wanted)
    asked = host.trip({**wanted, "operation": "rotate"}).credentials[0]
    later = host.trip(wanted).credentials[0]
    assert asked.request is not None and later.request is not None
    assert (later.state, later.changed, later.request) == ("request", False, asked.request)
    assert later.request.pem is not None
    answer = host.authority.sign(later.request.pem)
    assert host.trip({**wanted, "answer": answer}).credentials[0].generation == 2
    assert host.run(wanted).changed is False


@pytest.mark.parametrize("rotate", [True, False])
def test_revoked_certificate_is_replaced_with_a_new_key(tmp_path: Path, rotate: bool) -> None:
    host = Host(tmp_path / "root")
    wanted = credential(key={**credential()["key"], "rotate": rotate})
    host.run(wanted)
    leaf = certificates.load_all((host.current() / "certificate.pem").read_bytes(), "leaf")[0]
    before = public_key(host)
    revoked = {**wanted, "revoked": ["{0:x}".format(leaf.serial_number)]}
    done = host.converges(revoked)
    assert "certificate_revoked" in reasons(done)
    assert public_key(host) != before


def test_key_that_must_not_be_used_again_is_not_asked_for(tmp_path: Path) -> None:
    """A request that waits with the key in use is dropped for one with a new key."""
    host = Host(tmp_path / "root")
    wanted = credential(key={**credential()["key"], "rotate": False})
    host.run(wanted)
    before = public_key(host)
    waiting = host.trip({**wanted, "operation": "rotate"}).credentials[0]
    assert waiting.request is not None and waiting.request.public_fingerprint == before
    done = host.run({**wanted, "operation": "rotate", "new_key": True})
    assert done.state == "active"
    assert public_key(host) != before


def test_certificate_of_another_ca_than_issues_now_is_replaced(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential()
    host.run(wanted)
    own = certificates.fingerprint(certificates.from_der(base64.b64decode(host.authority.der)))
    assert host.run({**wanted, "issuing_cas": [own]}).changed is False
    reply = host.run({**wanted, "issuing_cas": ["0" * 64]}, check=True)
    assert (reply.state, reasons(reply)[0]) == ("request", "issuing_ca_changed")


def test_host_without_a_root_gets_none(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    host.refuses({**credential(), "operation": "rollback"}, "no generation before the first")
    assert not host.root.exists()


@pytest.mark.parametrize("unwanted", ["revoked", "another CA"])
def test_answer_that_would_be_replaced_at_once_is_refused(tmp_path: Path, unwanted: str) -> None:
    host = Host(tmp_path / "root")
    wanted = credential()
    host.run(wanted)
    request = host.trip({**wanted, "operation": "rotate"}).credentials[0].request
    assert request is not None and request.pem is not None
    answer = host.authority.sign(request.pem)
    leaf = certificates.from_der(base64.b64decode(answer["certificates"][0]))
    revoked = {"revoked": ["{0:x}".format(leaf.serial_number)]}
    reply = host.trip(
        {**wanted, "answer": answer, **(revoked if unwanted == "revoked" else {"issuing_cas": ["0" * 64]})}
    ).credentials[0]
    assert reply.state == "failed" and reply.error is not None and unwanted in reply.error
    assert os.readlink(host.current()) == OLD


def test_generation_whose_ca_has_ended_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(leaf: Any, chain: Any, at: Any) -> None:
        raise InputError("the CA 'CN=Test CA' expired")

    monkeypatch.setattr(chains, "verify", ended)
    reply = world.host.run(world.rollback)
    assert reply.state == "failed" and reply.error is not None
    assert "0001 cannot be used again: the CA" in reply.error


def test_due_certificate_may_have_to_wait(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    host.days = (-80, 10)
    wanted = credential()
    host.run(wanted)
    closed = {**wanted, "may_renew": False}
    before = host.listing()
    reply = host.run(closed)
    assert (reply.state, reply.changed, reasons(reply)) == ("active", False, ["certificate_due"])
    assert host.listing() == before
    # Somebody who asks for another one knows what time it is; and anything else than its end does not wait.
    assert host.trip({**closed, "operation": "rotate"}).credentials[0].state == "request"
    assert host.run({**closed, "subject": [["CN", "another"]]}).generation == 2
