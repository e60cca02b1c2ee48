# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action `ca_rollover`: whom it counts as not ready, whatever a host says or does not say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Mapping, Optional

import pytest

from ansible_collections.mutual.tls.plugins.action.ca_rollover import ActionModule
from ansible_collections.mutual.tls.plugins.module_utils.ownca import members
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

GOOD = {"credentials": [], "failed": False}


class Action(ActionModule):
    """Its modules' answers are given."""

    answers: Dict[str, Any]

    def _execute_module(self, module_name: str = "", **options: Any) -> Dict[str, Any]:
        answer: Dict[str, Any] = self.answers[module_name]
        return answer


def act(
    arguments: Dict[str, Any],
    raw: Optional[Mapping[str, Mapping[str, Any]]] = None,
    answers: Optional[Dict[str, Any]] = None,
    **variables: Any,
) -> Dict[str, Any]:
    task = SimpleNamespace(args=arguments, check_mode=False, diff=False, async_val=0, action="mutual.tls.ca_rollover")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = Action(
        task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
    )
    action.answers = answers or {}
    hosts = raw or {}
    known = {
        "inventory_dir": "/nonexistent",
        "groups": {"all": list(hosts)},
        "hostvars": SimpleNamespace(raw_get=lambda host: hosts[host]),
        **variables,
    }
    result: Dict[str, Any] = action.run(task_vars=known)
    return result


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    ca.converge(tmp_path / "corp")
    ca.roll(tmp_path / "corp", "add")
    return tmp_path / "corp"


def new_root(directory: Path) -> str:
    found = members.read_members(str(directory)).rollover
    assert found is not None
    return found.new.root


class TestBegin:
    def begin(self, directory: Path, phase: str = "reissue", ca_name: Any = "corp", **variables: Any) -> Dict[str, Any]:
        kept = {"web1": [{"name": "corp", "directory": str(directory)}, {"name": "orders", "directory": "/other"}]}
        return act({"step": "begin", "phase": phase, "ca": ca_name, "kept": kept}, **variables)

    def test_which_ca_and_whether_hosts_matter(self, directory: Path) -> None:
        assert self.begin(directory) == {"changed": False, "directory": str(directory), "needed": True}
        assert self.begin(directory, "add", "orders") == {"changed": False, "directory": "/other", "needed": False}
        ca.roll(directory, "reissue", found=ca.proved(directory, "reissue"))
        assert self.begin(directory)["needed"] is False
        assert self.begin(directory, ansible_limit="web1")["needed"] is False
        assert self.begin(directory, "retire")["needed"] is True

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"ca_name": ""}, "mtls_ca: missing; name the own CA that is to be rolled over, one of corp, orders"),
            ({"ca_name": "crop"}, "mtls_ca: 'crop' is not known; did you mean 'corp'"),
            ({"phase": ""}, "mtls_ca_phase: missing; name the phase that is to come, add or reissue or retire"),
            ({"phase": "reisue"}, "phase: 'reisue' is not known; did you mean 'reissue'"),
            ({"phase": "retire"}, "is in the phase add, so retire cannot come now; the next phase is reissue"),
            ({"ansible_limit": "web1:&db"}, "this run is limited to web1:&db; run it without --limit"),
            (
                {"mtls_select": {"credential": "chat"}},
                "every credential as the inventory wants it; run it without mtls_s",
            ),
            ({"mtls_operation": "rotate", "mtls_select": {}}, "run it without mtls_operation"),
        ],
    )
    def test_refusals(self, directory: Path, changes: Dict[str, Any], message: str) -> None:
        told = self.begin(directory, **changes)
        assert told["failed"] and message in told["msg"]

    def test_one_name_for_several_directories(self) -> None:
        kept = {"web1": [{"name": "corp", "directory": "/a"}], "web2": [{"name": "corp", "directory": "/b"}]}
        told = act({"step": "begin", "phase": "add", "ca": "corp", "kept": kept})
        assert "stands for own CAs in several directories: /a, /b" in told["msg"]


class TestHost:
    def host(self, directory: Path, result: Any, answers: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        arguments = {"step": "host", "phase": "reissue", "directory": str(directory), "root": "/r", "result": result}
        return act(arguments, answers=answers)

    def test_a_host_without_anything(self, directory: Path) -> None:
        told = self.host(directory, GOOD, {"ansible.builtin.stat": {"stat": {"exists": False}}})
        assert told == {"changed": False, "phase": "reissue", "new": new_root(directory), "objections": []}

    @pytest.mark.parametrize(
        ("result", "message"),
        [
            ({"unreachable": True, "msg": "refused"}, "it cannot be reached: refused"),
            ({"failed": True, "msg": "no\x1bpe", "credentials": []}, "its check has failed: no pe"),
            ({}, "its check has failed: no reason was given"),
            (None, "its check has failed: no reason was given"),
        ],
    )
    def test_a_check_that_came_to_nothing(self, directory: Path, result: Any, message: str) -> None:
        assert self.host(directory, result)["objections"] == [message]

    @pytest.mark.parametrize(
        "answers",
        [
            {"ansible.builtin.stat": {"failed": True, "msg": "denied"}},
            {
                "ansible.builtin.stat": {"stat": {"exists": True}},
                "mutual.tls.credential_info": {"failed": True, "msg": "denied"},
            },
            {"ansible.builtin.stat": {"stat": {"exists": True}}, "mutual.tls.credential_info": {}},
            {"ansible.builtin.stat": {"stat": {"exists": True}}, "mutual.tls.credential_info": {"credentials": [1]}},
        ],
    )
    def test_what_cannot_be_read_fails(self, directory: Path, answers: Dict[str, Any]) -> None:
        told = self.host(directory, GOOD, answers)
        assert told["failed"] and "objections" not in told


class TestProof:
    def proof(self, directory: Path, **hosts: Mapping[str, Any]) -> Any:
        return act({"step": "proof", "phase": "reissue", "directory": str(directory)}, hosts)

    def test_every_host_of_the_inventory_has_a_say(self, directory: Path) -> None:
        about = {"phase": "reissue", "new": new_root(directory)}
        told = self.proof(
            directory,
            ready={"mtls_ownca_found": {**about, "objections": []}},
            waiting={"mtls_ownca_found": {**about, "objections": ["orders waits"]}},
            unseen={},
            forgotten={"mtls_ownca_found": {}, "mtls_result": {}},
            lost={"mtls_ownca_found": {"unreachable": True, "msg": "refused"}, "mtls_result": GOOD},
            broken={"mtls_ownca_found": {"failed": True, "msg": "denied"}, "mtls_result": GOOD},
            unchecked={"mtls_ownca_found": {}, "mtls_result": {"failed": True, "msg": "nope"}},
            earlier={"mtls_ownca_found": {**about, "phase": "retire", "objections": []}},
            another={"mtls_ownca_found": {**about, "new": "0" * 64, "objections": []}},
            liar={"mtls_ownca_found": {**about, "objections": "none"}},
        )
        unseen = ["it was not looked at in this run"]
        assert told == {
            "changed": False,
            **about,
            "hosts": {
                "ready": [],
                "waiting": ["orders waits"],
                "unseen": unseen,
                "forgotten": unseen,
                "lost": ["it cannot be reached: refused"],
                "broken": ["its check has failed: denied"],
                "unchecked": ["its check has failed: nope"],
                "earlier": unseen,
                "another": unseen,
                "liar": unseen,
            },
        }

    def test_a_host_cannot_prove_itself_with_a_fact(self, directory: Path) -> None:
        found = {"phase": "reissue", "new": new_root(directory), "objections": []}
        told = self.proof(directory, liar={"mtls_ownca_found": found, "ansible_facts": {"mtls_ownca_found": found}})
        assert "the host has the fact 'mtls_ownca_found'" in told["hosts"]["liar"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"step": "begn", "phase": "add"}, "did you mean 'begin'"), ({"stp": "begin"}, "did you mean 'step'")],
)
def test_mistakes_are_named(arguments: Dict[str, Any], message: str) -> None:
    assert message in act(arguments)["msg"]
