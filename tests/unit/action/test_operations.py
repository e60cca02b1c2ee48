# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations between an inventory and a host, in one process: whom they reach, what travels, what is revoked."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar, Dict, List, Set

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate
from ansible_collections.mutual.tls.plugins.module_utils.converge import plan
from ansible_collections.mutual.tls.plugins.module_utils.errors import IssuerError
from ansible_collections.mutual.tls.plugins.module_utils.seal import unbroken
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers import selector
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import Issuer
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.ownca import OwnCa
from ansible_collections.mutual.tls.tests.unit.action import test_credential
from ansible_collections.mutual.tls.tests.unit.action.test_credential import CA_PASSPHRASE, World
from ansible_collections.mutual.tls.tests.unit.own_ca import snapshot

plugins = test_credential.plugins
NAMES = ("orders", "chat", "bills")


@pytest.fixture(name="world")
def make_world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.make_ca()
    return world


def items(**changes: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Three credentials, some of them with other options."""
    base = {"issuer": "corp", "subject": {"CN": "ops"}, "key": {"type": "ECC"}}
    return [{"name": name, **base, **changes.get(name, {})} for name in NAMES]


def run(world: World, check: bool = False, asked: Any = None, **changes: Dict[str, Any]) -> Dict[str, Any]:
    """One run about the three credentials; `asked` are options of the operation."""
    world.more = {"credentials": items(**changes), **(asked or {})}
    return world.run(check=check)


def issuer(world: World) -> Issuer:
    state = open_state_directory(str(world.state), create=False)
    return selector.configure("corp", {"type": "ownca", "passphrase": CA_PASSPHRASE}, state)


def in_use(world: World, name: str) -> Any:
    content = (world.root() / name / "current/certificate.pem").read_bytes()
    return certificate.load_all(content, "certificate.pem")[0]


def told(world: World) -> List[Dict[str, Any]]:
    """What each trip said of each credential."""
    return [{one["name"]: one for one in json.loads(document)["credentials"]} for document in world.documents]


def states(result: Dict[str, Any]) -> Dict[str, str]:
    return {entry["name"]: entry["state"] for entry in result["credentials"]}


def moved(before: Dict[str, Any], after: Dict[str, Any]) -> Set[str]:
    """The credentials of which something is not as it was."""
    paths = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    return {path.split("/")[0] for path in paths} - {".seal"}


class TestSelection:
    def test_nothing_else_is_looked_at_changed_or_told(self, world: World) -> None:
        run(world)
        before = snapshot(world.root())
        changes: Any = {name: {"subject": {"CN": "new"}} for name in NAMES}
        result = run(world, asked={"select": {"credential": ["chat"]}}, **changes)
        assert states(result) == {"chat": "active"}
        assert set(told(world)[0]) == {"chat"}
        # Those that were not meant are listed all the same.
        assert (result["orphaned"], "warnings" in result) == ([], False)
        assert moved(before, snapshot(world.root())) == {"chat"}

    @pytest.mark.parametrize("select", [{"credential": "other"}, {"issuer": "corp", "provider": "vibes"}])
    def test_a_host_of_which_nothing_is_meant_is_not_called(self, world: World, select: Any) -> None:
        run(world)
        for operation in ("converge", "rotate", "rollback"):
            result = run(world, asked={"select": select, "operation": operation})
            assert (result["changed"], result["credentials"], world.documents) == (False, [], [])

    def test_serial_numbers_are_asked_for_without_changing_anything(self, world: World) -> None:
        run(world)
        before = snapshot(world.root())
        serial = certificate.serial_number(in_use(world, "bills"))
        changes: Any = {name: {"subject": {"CN": "new"}} for name in NAMES}
        result = run(world, asked={"select": {"serial": serial.upper()}}, **changes)
        assert states(result) == {"bills": "active"}
        assert [set(trip) for trip in told(world)] == [set(NAMES), {"bills"}, set(NAMES)]
        assert moved(before, snapshot(world.root())) == {"bills"}
        nobody = run(world, asked={"select": {"serial": serial}}, **changes)
        assert (nobody["changed"], nobody["credentials"], len(world.documents)) == (False, [], 1)

    @pytest.mark.parametrize(
        "asked",
        [{"operation": "rollback"}, {"revoke": "superseded"}, {"operation": "undo"}, {"select": {"credential": ""}}],
    )
    def test_what_is_refused_is_refused_before_a_host_is_called(self, world: World, asked: Any) -> None:
        before = snapshot(world.directory)
        result = run(world, asked=asked)
        assert (result["failed"], world.documents) == (True, [])
        assert snapshot(world.root()) == {
            path: one for path, one in before.items() if path.startswith("hosts/web1/mtls")
        }


class TestRemoval:
    GONE: ClassVar[Dict[str, Any]] = {"chat": {"state": "absent"}}

    def test_what_is_removed_is_revoked_and_a_check_says_so(self, world: World) -> None:
        run(world)
        serial = certificate.serial_number(in_use(world, "chat"))
        before = snapshot(world.directory)
        predicted = run(world, check=True, **self.GONE)
        assert snapshot(world.directory) == before
        done = run(world, **self.GONE)
        for result in (predicted, done):
            entry = result["credentials"][1]
            assert (entry["state"], entry["changed"], entry["revoked"]) == ("absent", True, [serial])
        assert predicted["diff"] == done["diff"]
        found = issuer(world).revoked(serial)
        assert found is not None and found.reason == "cessation_of_operation"
        before = snapshot(world.directory)
        again = run(world, **self.GONE)
        assert (again["changed"], again["credentials"][1]["revoked"]) == (False, [])
        assert snapshot(world.directory) == before

    def test_a_run_that_was_cut_off_before_is_made_up_for(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        run(world)
        serial = certificate.serial_number(in_use(world, "chat"))

        def locked(*_arguments: Any) -> Any:
            raise IssuerError("the CA is locked")

        with monkeypatch.context() as patch:
            patch.setattr(OwnCa, "revoke", locked)
            failed = run(world, **self.GONE)
        assert (failed["failed"], states(failed)["chat"]) == (True, "failed")
        assert "the CA is locked" in failed["msg"]
        assert not (world.root() / "chat").exists()
        late = run(world, **self.GONE)
        assert (late["changed"], late["credentials"][1]["revoked"]) == (True, [serial])
        assert late["credentials"][1]["reasons"] == ["state_absent"]

    def test_each_revocation_is_recorded_before_the_next(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        run(world)
        serial = certificate.serial_number(in_use(world, "orders"))
        real = OwnCa.revoke

        def interrupted(self: OwnCa, one: Any, *more: Any) -> Any:
            if certificate.serial_number(one) != serial:
                raise KeyboardInterrupt
            return real(self, one, *more)

        monkeypatch.setattr(OwnCa, "revoke", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(world, orders={"state": "absent"}, **self.GONE)
        events = [json.loads(line) for line in (world.state / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [one["serial_number"] for one in events if one["event"] == "revoked"] == [serial]

    def test_without_an_issuer_that_is_warned_of(self, world: World) -> None:
        run(world)
        result = run(world, chat={"state": "absent", "issuer": None})
        assert (states(result)["chat"], result["credentials"][1]["revoked"]) == ("absent", [])
        assert any("'chat'" in warning and "no issuer" in warning for warning in result["warnings"])
        assert "warnings" not in run(world, chat={"state": "absent", "issuer": None})


class TestWhatIsRevokedMeanwhile:
    def test_a_clean_host_is_told_the_same_whatever_was_revoked_before(self, world: World) -> None:
        run(world)
        old = in_use(world, "chat")
        run(world, chat={"subject": {"CN": "new"}})
        run(world, chat={"subject": {"CN": "new"}})
        (document,) = world.documents
        issuer(world).revoke(old, "superseded", datetime.now(timezone.utc))
        again = run(world, chat={"subject": {"CN": "new"}})
        assert (again["changed"], world.documents) == (False, [document])

    @pytest.mark.parametrize("check", [False, True])
    def test_it_is_no_secret_where_the_ca_cannot_issue(self, world: World, check: bool) -> None:
        run(world)
        old = in_use(world, "chat")
        issuer(world).revoke(old, "superseded", datetime.now(timezone.utc))
        world.issuers = {"corp": {"type": "ownca", "passphrase": "another"}}
        result = run(world, check=check)
        assert states(result) == {"orders": "active", "chat": "failed", "bills": "active"}
        assert result["credentials"][1]["reasons"] == ["certificate_revoked"]
        assert "passphrase" in result["msg"]
        assert in_use(world, "chat") == old

    def test_a_record_that_cannot_be_read_is_warned_of(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        run(world)

        def broken(*_arguments: Any) -> Any:
            raise IssuerError("the ledger is damaged")

        monkeypatch.setattr(OwnCa, "revoked_serials", broken)
        result = run(world)
        assert (result["changed"], result.get("failed")) == (False, None)
        assert any("the ledger is damaged" in warning for warning in result["warnings"])


def test_an_emergency_is_told_of(world: World) -> None:
    assert any("max_issued_per_run" in warning for warning in run(world, asked={"emergency": True})["warnings"])
    assert "warnings" not in run(world)


KEPT_KEY: Dict[str, Any] = {name: {"key": {"type": "ECC", "rotate": False}} for name in NAMES}
PREDICTED = ("state", "changed", "reasons", "generation", "directory", "revoked", "held_since")


def generations(result: Dict[str, Any]) -> Dict[str, Any]:
    return {entry["name"]: entry["generation"] for entry in result["credentials"]}


def predicted_and_done(world: World, asked: Dict[str, Any], **changes: Dict[str, Any]) -> Dict[str, Any]:
    """The result of a run, which a check before it has foreseen without writing anything."""
    before = snapshot(world.directory)
    foreseen = run(world, check=True, asked=asked, **changes)
    assert snapshot(world.directory) == before
    done = run(world, asked=asked, **changes)
    for then, now in zip(foreseen["credentials"], done["credentials"]):
        # A moment passes between the two.
        then, now = ({**one, "held_since": one["held_since"] is not None} for one in (then, now))
        assert {key: then[key] for key in PREDICTED} == {key: now[key] for key in PREDICTED}
    assert foreseen["changed"] == done["changed"]
    return done


class TestRotation:
    def test_those_that_are_meant_get_a_new_certificate(self, world: World) -> None:
        run(world, **KEPT_KEY)
        keys = {name: (world.root() / name / "current/key.pem").read_bytes() for name in NAMES}
        before = {name: in_use(world, name) for name in NAMES}
        done = predicted_and_done(
            world, {"operation": "rotate", "select": {"credential": ["orders", "chat"]}}, **KEPT_KEY
        )
        assert (states(done), generations(done)) == ({"orders": "active", "chat": "active"}, {"orders": 2, "chat": 2})
        assert done["credentials"][0]["reasons"] == ["rotation_requested"]
        assert [name for name in NAMES if in_use(world, name) != before[name]] == ["orders", "chat"]
        assert {name: (world.root() / name / "current/key.pem").read_bytes() for name in NAMES} == keys
        clean = run(world, **KEPT_KEY)
        assert (clean["changed"], len(world.documents)) == (False, 1)
        # It is not left to a full check of all for ever.
        assert unbroken(world.documents[0]) is not None

    def test_all_are_meant_where_nothing_is_selected_and_a_removal_goes_on(self, world: World) -> None:
        run(world)
        done = predicted_and_done(world, {"operation": "rotate"}, chat={"state": "absent"}, bills={"state": "held"})
        assert states(done) == {"orders": "active", "chat": "absent", "bills": "held"}
        assert generations(done) == {"orders": 2, "chat": None, "bills": 1}

    def test_the_old_ones_are_revoked_once_the_new_ones_are_in_use(self, world: World) -> None:
        run(world, **KEPT_KEY)
        old = in_use(world, "orders")
        key = (world.root() / "orders/current/key.pem").read_bytes()
        asked = {"revoke": "key_compromise", "select": {"credential": "orders"}}
        done = predicted_and_done(world, asked, **KEPT_KEY)
        (entry,) = done["credentials"]
        assert (entry["state"], entry["revoked"]) == ("active", [certificate.serial_number(old)])
        assert any("crl.pem" in warning for warning in done["warnings"])
        found = issuer(world).revoked(old)
        assert found is not None and found.reason == "key_compromise"
        assert in_use(world, "orders") != old
        assert (world.root() / "orders/current/key.pem").read_bytes() != key
        clean = run(world, **KEPT_KEY)
        assert (clean["changed"], clean.get("warnings")) == (False, None)
        assert unbroken(world.documents[0]) is not None

    def test_a_host_cannot_have_the_key_that_leaked_certified_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(world, **KEPT_KEY)
        old = in_use(world, "orders")
        # What is behind on the host, or lies.
        monkeypatch.setattr(plan, "_wants_new_key", lambda *_: False)
        result = run(world, asked={"revoke": "key_compromise", "select": {"credential": "orders"}}, **KEPT_KEY)
        assert states(result) == {"orders": "failed"}
        assert 'policy rule "new_key"' in result["msg"] and result["msg"].endswith("; nothing was revoked")
        assert [one.certificate for one in issuer(world).live(datetime.now(timezone.utc), "web1", "orders")] == [old]

    def test_nothing_is_revoked_where_the_rotation_fails(self, world: World) -> None:
        run(world)
        old = in_use(world, "orders")
        asked = {"revoke": "superseded", "select": {"credential": "orders"}}
        result = run(world, asked=asked, orders={"reload": ["/bin/false"]})
        assert result["failed"] is True
        assert "reload" in result["msg"] and result["msg"].endswith("; nothing was revoked")
        assert (in_use(world, "orders"), issuer(world).revoked(old)) == (old, None)

    def test_a_failure_says_what_is_in_use_after_it(self, world: World) -> None:
        run(world)
        serial = certificate.serial_number(in_use(world, "orders"))
        result = run(world, asked={"operation": "rotate"}, orders={"reload": ["/bin/false"]})
        (entry,) = [one for one in result["credentials"] if one["state"] == "failed"]
        assert (entry["name"], entry["generation"], entry["serial_number"]) == ("orders", 1, serial)
        assert in_use(world, "orders").serial_number == int(serial, 16)

    def test_what_has_to_be_activated_is_revoked_with_that(self, world: World) -> None:
        later: Dict[str, Any] = {"orders": {"activation": "on_request"}}
        run(world)
        old = in_use(world, "orders")
        select = {"select": {"credential": "orders"}}
        staged = predicted_and_done(world, {"revoke": "superseded", **select}, **later)
        (entry,) = staged["credentials"]
        assert (entry["state"], entry["generation"], entry["revoked"]) == ("pending", 1, [])
        assert "operation activate" in entry["pending"]["waits_for"]
        assert any("nothing was revoked" in warning for warning in staged["warnings"])
        assert (in_use(world, "orders"), issuer(world).revoked(old)) == (old, None)
        asked = {"operation": "activate", "revoke": "superseded", **select}
        active = predicted_and_done(world, asked, **later)
        (entry,) = active["credentials"]
        assert (entry["state"], entry["generation"]) == ("active", 2)
        assert entry["revoked"] == [certificate.serial_number(old)]
        again = run(world, asked=asked, **later)
        assert (again["changed"], again["credentials"][0]["revoked"]) == (False, [])

    @pytest.mark.parametrize("due", [False, True])
    def test_a_certificate_that_was_revoked_elsewhere_is_replaced_with_its_key(self, world: World, due: bool) -> None:
        run(world, **KEPT_KEY)
        key = (world.root() / "chat/current/key.pem").read_bytes()
        issuer(world).revoke(in_use(world, "chat"), "key_compromise", datetime.now(timezone.utc))
        # What is asked for before it is known must not be asked with the same key.
        changes = {**KEPT_KEY, "chat": {**KEPT_KEY["chat"], **({"subject": {"CN": "new"}} if due else {})}}
        done = predicted_and_done(world, {}, **changes)
        assert states(done) == dict.fromkeys(NAMES, "active")
        assert "certificate_revoked" in done["credentials"][1]["reasons"]
        assert generations(done) == {"orders": 1, "chat": 2, "bills": 1}
        assert (world.root() / "chat/current/key.pem").read_bytes() != key
        clean = run(world, **changes)
        assert (clean["changed"], len(world.documents)) == (False, 1)
        assert unbroken(world.documents[0]) is not None


class TestRollback:
    ASKED: ClassVar[Dict[str, Any]] = {"operation": "rollback", "select": {"credential": "orders"}}

    def rotated(self, world: World) -> Any:
        """The certificate of the generation before, after a rotation."""
        run(world)
        before = in_use(world, "orders")
        run(world, asked={"operation": "rotate", "select": {"credential": "orders"}})
        return before

    def test_it_goes_back_and_stays_there_until_released(self, world: World) -> None:
        before = self.rotated(world)
        done = predicted_and_done(world, self.ASKED)
        (entry,) = done["credentials"]
        assert (entry["state"], entry["changed"], entry["generation"]) == ("held", True, 1)
        assert entry["reasons"] == ["rollback_requested"]
        assert entry["serial_number"] == certificate.serial_number(before)
        assert entry["held_since"] is not None
        assert in_use(world, "orders") == before
        again = run(world, asked=self.ASKED)
        assert (again["changed"], states(again)) == (False, {"orders": "held"})
        for asked in ({}, {"operation": "rotate"}):
            kept = run(world, asked=asked, chat={"state": "held"}, bills={"state": "held"})
            assert (kept["changed"], states(kept)["orders"]) == (False, "held")
            assert kept["credentials"][0]["held_since"] == entry["held_since"]
        released = predicted_and_done(world, {"operation": "release"})
        assert states(released) == dict.fromkeys(NAMES, "active")
        assert released["credentials"][0]["held_since"] is None
        assert run(world)["changed"] is False

    def test_a_revoked_generation_is_refused(self, world: World) -> None:
        before = self.rotated(world)
        now = in_use(world, "orders")
        issuer(world).revoke(before, "superseded", datetime.now(timezone.utc))
        done = predicted_and_done(world, self.ASKED)
        assert (done["changed"], states(done)) == (False, {"orders": "failed"})
        assert "generation 1 is refused" in done["msg"] and "was revoked" in done["msg"]
        assert in_use(world, "orders") == now

    def test_one_whose_key_has_leaked_is_refused(self, world: World) -> None:
        run(world, **KEPT_KEY)
        run(world, asked={"operation": "rotate", "select": {"credential": "orders"}}, **KEPT_KEY)
        now = in_use(world, "orders")
        issuer(world).revoke(now, "superseded", datetime.now(timezone.utc))
        assert states(run(world, check=True, asked=self.ASKED, **KEPT_KEY)) == {"orders": "held"}
        run(world, asked={"operation": "rotate", "select": {"credential": "chat"}}, **KEPT_KEY)
        before = in_use(world, "chat")
        issuer(world).revoke(before, "key_compromise", datetime.now(timezone.utc))
        asked = {"operation": "rollback", "select": {"credential": "chat"}}
        done = predicted_and_done(world, asked, **KEPT_KEY)
        assert (done["changed"], states(done), in_use(world, "chat")) == (False, {"chat": "failed"}, before)
        assert "generation 1 is refused: others have its key" in done["msg"]

    def test_where_there_is_none_before_it_fails(self, world: World) -> None:
        run(world)
        before = snapshot(world.directory)
        result = predicted_and_done(world, self.ASKED)
        assert (result["changed"], states(result)) == (False, {"orders": "failed"})
        assert "no generation before" in result["msg"]
        assert snapshot(world.directory) == before

    def test_it_may_go_back_to_another_issuers(self, world: World) -> None:
        """What its own issuer does not know may be one's that the inventory still has."""
        run(world)
        before = in_use(world, "orders")
        second = world.state / "ownca/corp2"
        world.make_ca("corp2")
        world.issuers = {"corp2": {"type": "ownca", "passphrase": CA_PASSPHRASE}}
        moved_on: Dict[str, Any] = {"orders": {"issuer": "corp2"}}
        run(world, **moved_on)
        assert in_use(world, "orders").issuer != before.issuer
        assert states(run(world, asked=self.ASKED, **moved_on)) == {"orders": "held"}
        assert in_use(world, "orders") == before
        assert second.is_dir()
