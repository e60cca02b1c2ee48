# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing what a host lacks, with Ansible's own module for its package manager."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible.errors import AnsibleAction

from ..module_utils.errors import DependencyError
from .rendering import harmless
from .results import visible


def install(action: Any, package: str, secrets: List[str], variables: Dict[str, Any]) -> None:
    """Install a package of the distribution on the host that `action` (an ActionBase) is about.

    Raises DependencyError with the package manager's own words, in which none of `secrets` is shown.
    """
    problems = []
    # The host's lists of packages may be old; to fetch them takes long, and may fail for reasons of its own.
    for more in ({}, {"update_cache": True}):
        found = _run(action, {"name": package, "state": "present", **more}, variables)
        if found.get("changed") and not found.get("failed"):
            return
        if not found.get("failed"):
            raise DependencyError(
                "{0} is installed, but ansible_python_interpreter does not find the library cryptography in it".format(
                    package
                )
            )
        problems.append(harmless(visible(str(found.get("msg") or "no reason was given")), secrets))
    raise DependencyError("{0} could not be installed: {1}".format(package, "; ".join(dict.fromkeys(problems))))


def _run(action: Any, arguments: Dict[str, Any], variables: Dict[str, Any]) -> Dict[str, Any]:
    """The result of `ansible.builtin.package`, with the connection and the rights of the action's own task."""
    task = action._task.copy()
    task.args = arguments
    package = action._shared_loader_obj.action_loader.get(
        "ansible.builtin.package",
        task=task,
        connection=action._connection,
        play_context=action._play_context,
        loader=action._loader,
        templar=action._templar,
        shared_loader_obj=action._shared_loader_obj,
    )
    try:
        found: Dict[str, Any] = package.run(task_vars=variables)
    except AnsibleAction as error:
        # It could not find out which package manager the host has.
        return {"failed": True, "msg": str(error)}
    return found
