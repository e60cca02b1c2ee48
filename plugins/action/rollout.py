# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action `rollout`: plans the batches of a rotation, decides whether the next one may begin, and sums up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Dict, Optional, Sequence

from ansible.errors import AnsibleError
from ansible.inventory.manager import split_host_pattern
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ..module_utils.errors import Error, InputError
from ..plugin_utils import batches, rollout, selection, summary
from ..plugin_utils.facts import check_facts
from ..plugin_utils.plain import plain
from ..plugin_utils.spelling import check_spelling
from ..plugin_utils.suggestion import unknown

_RESULT = "mtls_result"
_FIELDS = ("credentials", "failed", "msg", "unreachable")
_OPTIONS = ("plan", "step")
_STEPS = ("plan", "gate", "summary")


class ActionModule(ActionBase):
    """Works on the controller alone; what it needs of other hosts are their variables."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Ansible's entry point."""
        super().run(tmp, task_vars)
        try:
            return {"changed": False, **self._run(task_vars or {})}
        except Error as error:
            return {"failed": True, "changed": False, "msg": str(error)}

    def _run(self, variables: Dict[str, Any]) -> Dict[str, Any]:
        arguments = {name: plain(value, name) for name, value in self._task.args.items()}
        for name in arguments:
            if name not in _OPTIONS:
                raise unknown("option", name, _OPTIONS)
        step = arguments.get("step")
        if step not in _STEPS:
            raise unknown("step:", str(step), _STEPS)
        if step == "plan":
            return self._plan(variables)
        plan = arguments.get("plan")
        if not isinstance(plan, dict) or not isinstance(plan.get("batches"), list):
            raise InputError("plan must be what the step plan has returned; register that, and pass it on")
        return (self._gate if step == "gate" else self._summary)(variables, plan["batches"])

    def _plan(self, variables: Mapping[str, Any]) -> Dict[str, Any]:
        """Batches of the play's hosts, as their own variables ask for."""
        check_spelling(load_extra_vars(self._loader))
        hosts = [str(host) for host in variables["ansible_play_hosts_all"]]
        _check_present(hosts, variables["ansible_play_hosts"])
        _check_names(hosts)
        asked = {host: _asked_by(host, variables["hostvars"]) for host in hosts}
        sizes = rollout.common_sizes(hosts, {host: values.get(rollout.SIZES) for host, values in asked.items()})
        shared = rollout.stand_ins({host: values.get(rollout.VALUE) for host, values in asked.items()})
        planned = batches.plan(hosts, sizes, shared)
        return {
            "batches": planned,
            "hosts": [host for batch in planned for host in batch],
            # A check has nothing to stop, and people want to know about all hosts.
            "serial": [len(hosts)] if self._task.check_mode else [len(batch) for batch in planned],
        }

    def _gate(self, variables: Mapping[str, Any], planned: Sequence[Sequence[str]]) -> Dict[str, Any]:
        """Whether the batch that is about to run may do so."""
        if self._task.check_mode:
            return {"open": True, "unfinished": []}
        running = [str(host) for host in variables["ansible_play_batch"]]
        before = _results(rollout.batch_before(planned, running), variables["hostvars"])
        unfinished = [host for host, result in before.items() if not rollout.has_succeeded(result)]
        return {"open": not unfinished, "unfinished": unfinished}

    def _summary(self, variables: Mapping[str, Any], planned: Sequence[Sequence[str]]) -> Dict[str, Any]:
        """What all hosts came to."""
        results = _results([host for batch in planned for host in batch], variables["hostvars"])
        selected = bool(variables.get(selection.VARIABLE))
        return summary.build(planned, results, bool(self._task.check_mode), datetime.now(timezone.utc), selected)


def _check_present(hosts: Sequence[str], present: Sequence[str]) -> None:
    """Who has failed already would get no turn, and would stop the rollout half-way."""
    lost = sorted(set(hosts) - set(present))
    if lost:
        raise InputError(
            "these hosts failed or could not be reached earlier in this run: {0}; mend that and run again, or leave "
            "them out with --limit".format(", ".join(lost))
        )


def _check_names(hosts: Sequence[str]) -> None:
    """The next play names its hosts one by one, where Ansible would take some characters for a pattern."""
    for host in hosts:
        if split_host_pattern(host) != [host] or host[0] in "!&":
            raise InputError(
                "the host {0!r} has a name that Ansible reads as a pattern; give it another name in the inventory, and "
                "its address in ansible_host".format(host)
            )


def _asked_by(host: str, hostvars: Any) -> Dict[str, Any]:
    """What a host's variables say about the rollout, as plain values."""
    raw = hostvars.raw_get(host)
    try:
        check_facts(raw)
        names = [name for name in (rollout.SIZES, rollout.VALUE) if name in raw]
        # Making a host's templating engine takes most of the time that a host costs here.
        templated = hostvars[host] if any(_is_template(raw[name]) for name in names) else raw
        values = {name: plain(templated[name], name) for name in names}
    except (AnsibleError, InputError) as error:
        raise InputError("{0}: {1}".format(host, error)) from None
    for name, value in values.items():
        # Before ansible-core 2.19 a template stays as it is where it names a variable that is not there.
        if _is_template(value):
            raise InputError("{0}: {1} uses a variable that this host does not have: {2}".format(host, name, value))
    return values


def _is_template(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_is_template, value))
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _results(hosts: Sequence[str], hostvars: Any) -> Dict[str, Dict[str, Any]]:
    """What the credentials' task has returned, by host; an empty map for a host that had no turn."""
    return {host: _result(hostvars.raw_get(host).get(_RESULT)) for host in hosts}


def _result(raw: Any) -> Dict[str, Any]:
    # Ansible adds values of its own, which differ from release to release and are not plain.
    given = raw if isinstance(raw, Mapping) else {}
    return {name: plain(given[name], name) for name in _FIELDS if name in given}
