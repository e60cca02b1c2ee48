# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action `rollout` and what it reads of hosts' variables."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Dict, List, Mapping, Optional

import pytest
from ansible.errors import AnsibleUndefinedVariable

from ansible_collections.mutual.tls.plugins.action.rollout import ActionModule

HOSTS = ("web1", "web2", "db1")
GOOD = {"credentials": [], "failed": False}


class HostVars:
    """The two ways to a host's variables that Ansible offers: as they are written, and templated."""

    def __init__(self, raw: Mapping[str, Mapping[str, Any]], templated: Mapping[str, Mapping[str, Any]]) -> None:
        self.raw = raw
        self.templated = templated

    def raw_get(self, host: str) -> Mapping[str, Any]:
        return self.raw.get(host, {})

    def __getitem__(self, host: str) -> Mapping[str, Any]:
        return self.templated[host]


def act(
    arguments: Dict[str, Any],
    raw: Optional[Mapping[str, Mapping[str, Any]]] = None,
    templated: Optional[Mapping[str, Mapping[str, Any]]] = None,
    check: bool = False,
    **variables: Any,
) -> Dict[str, Any]:
    task = SimpleNamespace(args=arguments, check_mode=check, diff=False, async_val=0, action="mutual.tls.rollout")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action = ActionModule(
        task=task, connection=connection, play_context=None, loader=None, templar=None, shared_loader_obj=None
    )
    known = {
        "ansible_play_hosts_all": list(HOSTS),
        "ansible_play_hosts": list(HOSTS),
        "hostvars": HostVars(raw or {}, templated or {}),
        **variables,
    }
    result: Dict[str, Any] = action.run(task_vars=known)
    return result


def plan(*args: Any, **kwargs: Any) -> Dict[str, Any]:
    return act({"step": "plan"}, *args, **kwargs)


def test_the_plan_follows_from_the_hosts_variables() -> None:
    raw = {host: {"mtls_rollout": [1, "100%"], "mtls_rollout_by": host[:3]} for host in HOSTS}
    planned = plan(raw)
    assert planned == {
        "changed": False,
        "batches": [["web1"], ["web2", "db1"]],
        "hosts": ["web1", "web2", "db1"],
        "serial": [1, 2],
    }


def test_a_check_looks_at_all_batches_at_once() -> None:
    planned = plan(check=True)
    assert planned["batches"] == [["web1"], ["web2"], ["db1"]]
    assert planned["serial"] == [3]


def test_templates_are_filled_in_by_the_host_that_has_them() -> None:
    raw = {host: {"mtls_rollout": ["{{ size }}"], "mtls_rollout_by": "{{ pair }}"} for host in HOSTS}
    templated = {host: {"mtls_rollout": ["3"], "mtls_rollout_by": host[:3]} for host in HOSTS}
    assert plan(raw, templated)["batches"] == [["web1", "db1"], ["web2"]]


class Undefined(Dict[str, Any]):
    def __getitem__(self, name: str) -> Any:
        raise AnsibleUndefinedVariable("'pair' is undefined")


@pytest.mark.parametrize("templated", [{"mtls_rollout_by": "{{ pair }}"}, Undefined()], ids=["before 2.19", "since"])
def test_a_variable_that_a_host_lacks_is_named_with_the_host(templated: Dict[str, Any]) -> None:
    failed = plan({"web2": {"mtls_rollout_by": "{{ pair }}"}}, {"web2": templated})
    assert failed["failed"]
    assert failed["msg"].startswith("web2: ")
    assert "pair" in failed["msg"]


def test_a_hosts_own_facts_have_no_say() -> None:
    failed = plan({"db1": {"mtls_rollout_by": "x", "ansible_facts": {"mtls_rollout_by": "x"}}})
    assert failed["failed"]
    assert failed["msg"].startswith("db1: the host has the fact 'mtls_rollout_by'")


def test_a_host_that_is_lost_already_is_named() -> None:
    failed = plan(ansible_play_hosts=["web2"])
    assert failed["failed"]
    assert "earlier in this run: db1, web1;" in failed["msg"]


@pytest.mark.parametrize("name", ["a,b", "!a", "&a", " a", "a:b:c:d e"])
def test_a_name_that_is_a_pattern_is_refused(name: str) -> None:
    failed = plan(ansible_play_hosts_all=[name], ansible_play_hosts=[name])
    assert failed["failed"]
    assert "reads as a pattern" in failed["msg"]


@pytest.mark.parametrize("name", ["web1", "web-1.acme.example", "192.0.2.7", "2001:db8::7", "wëb_1"])
def test_other_names_are_fine(name: str) -> None:
    assert plan(ansible_play_hosts_all=[name], ansible_play_hosts=[name])["hosts"] == [name]


def gate(results: Mapping[str, Any], running: List[str], check: bool = False) -> Dict[str, Any]:
    raw = {host: {"mtls_result": result} for host, result in results.items()}
    batches = {"batches": [["web1"], ["web2", "db1"]]}
    return act({"step": "gate", "plan": batches}, raw, check=check, ansible_play_batch=running)


def test_the_gate_opens_for_success_only() -> None:
    assert gate({}, ["web1"])["open"] is True
    assert gate({"web1": GOOD}, ["web2", "db1"])["open"] is True
    for bad in [{}, None, {"failed": True, "msg": "x"}, {"unreachable": True}, {**GOOD, "failed": True}]:
        found = gate({"web1": bad}, ["web2", "db1"])
        assert (found["open"], found["unfinished"]) == (False, ["web1"])
    assert gate({}, ["web2", "db1"])["open"] is False


def test_the_gate_refuses_hosts_that_are_no_batch() -> None:
    failed = gate({"web1": GOOD}, ["web1", "web2", "db1"])
    assert failed["failed"]
    assert "no batch of the plan" in failed["msg"]
    assert gate({}, ["web1", "web2", "db1"], check=True)["open"] is True


def test_the_summary_takes_what_it_needs_of_the_results() -> None:
    alien = object()
    raw = {"web1": {"mtls_result": {**GOOD, "exception": alien}}, "web2": {"mtls_result": {"failed": True, "msg": "x"}}}
    told = act({"step": "summary", "plan": {"batches": [["web1"], ["web2"], ["db1"]]}}, raw)
    assert [host["outcome"] for host in told["hosts"]] == ["succeeded", "failed", "not_started"]
    assert told["changed"] is False


WRONG: Dict[str, Any] = {
    "no step": ({}, "step: 'None' is not known"),
    "misspelt step": ({"step": "plans"}, "did you mean 'plan'?"),
    "a list as step": ({"step": ["plan"]}, "is not known"),
    "other option": ({"step": "plan", "hosts": []}, "option 'hosts' is not known"),
    "no plan": ({"step": "gate"}, "plan must be what the step plan has returned"),
    "no plan's result": ({"step": "summary", "plan": {"failed": True}}, "plan must be what the step plan has returned"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG.keys())
def test_wrong_options(arguments: Dict[str, Any], message: str) -> None:
    failed = act(arguments)
    assert failed["failed"]
    assert message in failed["msg"]
