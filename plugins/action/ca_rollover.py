# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action `ca_rollover`: sees whether every host is ready for the next phase of an own CA's roll-over."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ..module_utils.errors import Error, InputError
from ..module_utils.ownca import phases
from ..module_utils.ownca.members import read_members
from ..plugin_utils import ca_proof
from ..plugin_utils.facts import check_facts
from ..plugin_utils.plain import plain
from ..plugin_utils.results import visible
from ..plugin_utils.spelling import check_spelling
from ..plugin_utils.suggestion import unknown

_OPTIONS = ("authorities", "ca", "directory", "kept", "phase", "result", "root", "step")
_FOUND = "mtls_ownca_found"
_CHECKED = "mtls_result"
_FIELDS = ("credentials", "failed", "msg", "unreachable")
_OTHERWISE = ("mtls_operation", "mtls_select")
"""Variables by which the check of a host's credentials would leave some out, or foresee something else."""


class ActionModule(ActionBase):
    """Reads on the hosts, and compares on the controller; changes nothing anywhere."""

    TRANSFERS_FILES = False
    _requires_connection = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Ansible's entry point."""
        super().run(tmp, task_vars)
        try:
            return {"changed": False, **self._run(task_vars or {})}
        except Error as error:
            return {"failed": True, "changed": False, "msg": str(error)}

    def _run(self, variables: Dict[str, Any]) -> Dict[str, Any]:
        check_facts(variables)
        for name in self._task.args:
            if name not in _OPTIONS:
                raise unknown("option", name, _OPTIONS)
        arguments = {
            name: plain(_fields(value) if name == "result" else value, name) for name, value in self._task.args.items()
        }
        steps: Dict[str, Callable[[Dict[str, Any], Dict[str, Any]], Dict[str, Any]]] = {
            "begin": self._begin,
            "host": self._host,
            "proof": self._proof,
        }
        if arguments.get("step") not in steps:
            raise unknown("step:", str(arguments.get("step")), steps)
        if not arguments.get("phase"):
            raise InputError(
                "mtls_ca_phase: missing; name the phase that is to come, {0}".format(" or ".join(phases.PHASES))
            )
        if arguments["phase"] not in phases.PHASES:
            raise unknown("phase:", str(arguments["phase"]), phases.PHASES)
        return steps[arguments["step"]](arguments, variables)

    def _begin(self, arguments: Dict[str, Any], variables: Dict[str, Any]) -> Dict[str, Any]:
        """Which own CA is meant, and whether its next phase depends on the hosts."""
        check_spelling(load_extra_vars(self._loader))
        directory = _directory(arguments)
        phase = arguments["phase"]
        if phase not in ca_proof.PHASES:
            return {"directory": directory, "needed": False}
        needed = phases.is_due(read_members(directory).rollover, phase, directory)
        if needed and variables.get("ansible_limit"):
            raise InputError(
                "phase: {0} has to look at every host of the inventory, and this run is limited to {1}; run it without "
                "--limit".format(phase, variables["ansible_limit"])
            )
        asked = [name for name in _OTHERWISE if variables.get(name)]
        if needed and asked:
            raise InputError(
                "phase: {0} has to look at every credential as the inventory wants it; run it without {1}".format(
                    phase, " and ".join(asked)
                )
            )
        return {"directory": directory, "needed": needed}

    def _host(self, arguments: Dict[str, Any], variables: Dict[str, Any]) -> Dict[str, Any]:
        """What stands against the phase on this host."""
        result = arguments.get("result") or {}
        about = ca_proof.step(read_members(_text(arguments, "directory")), arguments["phase"])
        told = {"phase": about.phase, "new": about.new_root}
        if not _has_succeeded(result):
            return {**told, "objections": [_failure(result)]}
        directory = variables.get("inventory_dir") or self._loader.get_basedir()
        stale = ca_proof.stale_authorities(
            about, arguments.get("authorities") or {}, directory, datetime.now(timezone.utc)
        )
        held = ca_proof.read_held(self._held(_text(arguments, "root"), variables))
        return {**told, "objections": [*stale, *ca_proof.objections(about, result, held)]}

    def _held(self, root: str, variables: Dict[str, Any]) -> Any:
        """What the host has below its root. Raises InputError where that cannot be read."""
        looked = self._module("ansible.builtin.stat", {"path": root}, variables)
        if not looked.get("stat", {}).get("exists"):
            return []
        return self._module("mutual.tls.credential_info", {"root": root}, variables).get("credentials")

    def _module(self, name: str, arguments: Dict[str, Any], variables: Dict[str, Any]) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._execute_module(module_name=name, module_args=arguments, task_vars=variables)
        if found.get("failed"):
            raise InputError("it cannot be read: {0}".format(visible(str(found.get("msg") or name))))
        return found

    def _proof(self, arguments: Dict[str, Any], variables: Dict[str, Any]) -> Dict[str, Any]:
        """What stands against the phase on all hosts of the inventory, whether they were looked at or not."""
        about = ca_proof.step(read_members(_text(arguments, "directory")), arguments["phase"])
        hosts = {}
        for host in variables["groups"]["all"]:
            hosts[str(host)] = _known_of(variables["hostvars"].raw_get(host), about)
        return {"phase": about.phase, "new": about.new_root, "hosts": hosts}


def _directory(arguments: Dict[str, Any]) -> str:
    """Where the own CA is that is to be rolled over. Raises InputError where that is not clear."""
    name = arguments.get("ca")
    known: Dict[str, set[str]] = {}
    for items in (arguments.get("kept") or {}).values():
        for item in items:
            known.setdefault(item["name"], set()).add(item["directory"])
    if not name:
        raise InputError(
            "mtls_ca: missing; name the own CA that is to be rolled over, one of {0}".format(", ".join(sorted(known)))
        )
    if name not in known:
        raise unknown("mtls_ca:", str(name), known)
    if len(known[name]) > 1:
        raise InputError(
            "mtls_ca: {0} stands for own CAs in several directories: {1}; roll them over with an inventory each".format(
                name, ", ".join(sorted(known[name]))
            )
        )
    (directory,) = known[name]
    return directory


def _known_of(variables: Mapping[str, Any], about: ca_proof.Step) -> List[str]:
    """What a host's own step has returned, if it was about this; else why nothing is known of it."""
    try:
        check_facts(variables)
    except InputError as error:
        return [str(error)]
    found: Any = variables.get(_FOUND)
    if _is_about(found, about):
        return [str(text) for text in found["objections"]]
    for result in (_fields(found), _fields(variables.get(_CHECKED))):
        if result.get("unreachable") or result.get("failed"):
            return [_failure(result)]
    return ["it was not looked at in this run"]


def _is_about(found: Any, about: ca_proof.Step) -> bool:
    return (
        isinstance(found, Mapping)
        and isinstance(found.get("objections"), list)
        and (found.get("phase"), found.get("new")) == (about.phase, about.new_root)
    )


def _failure(result: Mapping[str, Any]) -> str:
    """Why a task has come to nothing."""
    stem = "it cannot be reached" if result.get("unreachable") else "its check has failed"
    return "{0}: {1}".format(stem, visible(str(result.get("msg") or "no reason was given")))


def _has_succeeded(result: Mapping[str, Any]) -> bool:
    return "credentials" in result and not result.get("failed") and not result.get("unreachable")


def _fields(raw: Any) -> Dict[str, Any]:
    # Ansible adds values of its own, which differ from release to release and are not plain.
    given = raw if isinstance(raw, Mapping) else {}
    return {name: given[name] for name in _FIELDS if name in given}


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise InputError("{0}: missing".format(name))
    return os.path.expanduser(value) if name == "directory" else value
