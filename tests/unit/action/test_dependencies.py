# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action and a host that lacks the library: what is installed, when, and what the result says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List, Optional

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.mutual.tls.plugins.plugin_utils import launch, packages
from ansible_collections.mutual.tls.tests.unit.action import test_credential
from ansible_collections.mutual.tls.tests.unit.action.test_credential import PASSPHRASE, World
from ansible_collections.mutual.tls.tests.unit.module_utils.converge import host as host_module
from ansible_collections.mutual.tls.tests.unit.own_ca import snapshot

PACKAGE = "python3-cryptography"
LACKS = "the Python library 'cryptography' (>= 3.3) is needed on this host, but ..."

WITHOUT_LIBRARY = "import os, sys; sys.modules['cryptography'] = None; os.geteuid = lambda: 0; "
DISTRIBUTIONS = "sys.prefix = sys.base_prefix; os.path.realpath = lambda path: 'the same'; "

plugins = test_credential.plugins


class Host:
    """A host whose package manager gives `outcomes`, one for each call; it has the library once one succeeds."""

    def __init__(self, *outcomes: Optional[str], package: Optional[str] = PACKAGE, helps: bool = True) -> None:
        self.outcomes = list(outcomes)
        self.package = package
        self.helps = helps
        self.lacks = True
        self.calls: List[Dict[str, Any]] = []

    def install(self, arguments: Dict[str, Any]) -> Dict[str, Any]:
        self.calls.append(arguments)
        problem = self.outcomes.pop(0)
        if problem is not None:
            return {"failed": True, "msg": problem}
        self.lacks = not self.helps
        return {"changed": True}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.make_ca()
    return world


def run(world: World, monkeypatch: pytest.MonkeyPatch, host: Host, check: bool = False, wanted: Any = True) -> Any:
    """One task on a host that lacks the library."""
    real = test_credential.Action._low_level_execute_command
    lacking = {"failed": True, "msg": LACKS, "package": host.package}

    def execute(self: Any, *arguments: Any, **options: Any) -> Dict[str, Any]:
        found: Dict[str, Any] = real(self, *arguments, **options)
        return {"stdout": json.dumps(lacking), "rc": 0} if host.lacks else found

    def run_package(_action: Any, arguments: Dict[str, Any], _variables: Any) -> Dict[str, Any]:
        return host.install(arguments)

    monkeypatch.setattr(test_credential.Action, "_low_level_execute_command", execute)
    monkeypatch.setattr(packages, "_run", run_package)
    world.more = {"install_dependencies": wanted}
    return world.run(check=check)


def test_what_is_missing_is_installed_and_the_credentials_are_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(None)
    result = run(world, monkeypatch, host)
    assert host.calls == [{"name": PACKAGE, "state": "present"}]
    assert (result["changed"], result["installed"]) == (True, [PACKAGE])
    assert [one["state"] for one in result["credentials"]] == ["active"]
    assert result["diff"][0]["after"] == PACKAGE + "\n"
    assert len(result["diff"]) == 2
    again = run(world, monkeypatch, host)
    assert (again["changed"], "installed" in again, len(world.documents), len(host.calls)) == (False, False, 1, 1)


@pytest.mark.parametrize("wanted", [False, "no", None])
def test_nothing_is_installed_unless_asked(world: World, monkeypatch: pytest.MonkeyPatch, wanted: Any) -> None:
    host = Host()
    result = run(world, monkeypatch, host, wanted=wanted)
    assert (result["failed"], result["changed"], result["msg"], host.calls) == (True, False, LACKS, [])


@pytest.mark.parametrize("package", [None, "another-package", ["python3-cryptography"]])
def test_a_host_does_not_choose_what_is_installed(world: World, monkeypatch: pytest.MonkeyPatch, package: Any) -> None:
    host = Host(package=package)
    result = run(world, monkeypatch, host)
    assert (result["failed"], result["msg"], host.calls) == (True, LACKS, [])


def test_check_mode_installs_nothing_and_foresees_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    host, before = Host(), snapshot(world.directory)
    result = run(world, monkeypatch, host, check=True)
    assert (result["changed"], result["installed"], result["credentials"], host.calls) == (True, [PACKAGE], [], [])
    assert [one["after"] for one in result["diff"]] == [PACKAGE + "\n"]
    assert any(PACKAGE in warning for warning in result["warnings"])
    after = snapshot(world.directory)
    assert {path: entry for path, entry in after.items() if path in before} == before


def test_old_lists_of_packages_are_fetched_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("No package matching 'python3-cryptography' is available", None)
    result = run(world, monkeypatch, host)
    assert [call.get("update_cache") for call in host.calls] == [None, True]
    assert [one["state"] for one in result["credentials"]] == ["active"]


def test_the_package_managers_own_words_are_repeated_without_secrets(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(world, monkeypatch, Host("no such package", f"said to me: {PASSPHRASE}"))
    assert (result["failed"], result["changed"]) == (True, False)
    assert f"{PACKAGE} could not be installed: no such package" in result["msg"]
    assert PASSPHRASE not in result["msg"]


def test_a_package_that_does_not_help_is_said_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(world, monkeypatch, Host(None, helps=False))
    assert (result["failed"], result["changed"], result["installed"]) == (True, True, [PACKAGE])
    assert result["msg"] == f"{PACKAGE} was installed, but {LACKS}"


@pytest.mark.parametrize("outcome", ["installed", "no package manager"])
def test_ansibles_own_module_does_it(outcome: str) -> None:
    """With the task's own connection and rights: all but its arguments is what the task has."""
    made: Dict[str, Any] = {}

    class Package:
        def run(self, task_vars: Any) -> Dict[str, Any]:
            made["variables"] = task_vars
            if outcome == "no package manager":
                raise AnsibleActionFail("Could not detect a package manager.")
            return {"changed": True}

    def get(name: str, **options: Any) -> Package:
        made.update(options, name=name)
        return Package()

    task = SimpleNamespace(args={"credentials": []}, copy=lambda: SimpleNamespace())
    action = SimpleNamespace(
        _task=task,
        _shared_loader_obj=SimpleNamespace(action_loader=SimpleNamespace(get=get)),
        _connection="connection",
        _play_context="context",
        _loader="loader",
        _templar="templar",
    )
    found = packages._run(action, {"name": PACKAGE}, {"a": "variable"})
    assert (made["name"], made["connection"], made["play_context"]) == (
        "ansible.builtin.package",
        "connection",
        "context",
    )
    assert (made["task"].args, task.args, made["variables"]) == (
        {"name": PACKAGE},
        {"credentials": []},
        {"a": "variable"},
    )
    assert found == (
        {"changed": True} if outcome == "installed" else {"failed": True, "msg": "Could not detect a package manager."}
    )


@pytest.mark.parametrize(("python", "package"), [(DISTRIBUTIONS, PACKAGE), ("sys.prefix = '/opt/app/venv'; ", None)])
def test_a_host_says_which_package_would_help(tmp_path: Path, python: str, package: Optional[str]) -> None:
    document = json.dumps(host_module.Host(tmp_path / "root").document(host_module.credential()))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY + python + launch.CODE],
        input=launch.standard_input(document, check=False),
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    answer = launch.answer(done.stdout.decode())
    assert answer is not None
    assert (answer["failed"], answer["package"]) == (True, package)
    assert "'cryptography' (>= 3.3) is needed on this host" in answer["msg"]
    assert not (tmp_path / "root").exists()
