# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts need Python and `cryptography`, and no program: read from the source of all that runs there."""

from __future__ import annotations

import ast
import importlib.util
import re
import sysconfig
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest

from ansible_collections.mutual.tls.tests.conftest import REPOSITORY

ROOT = REPOSITORY / "plugins"
LIBRARIES = sorted((ROOT / "module_utils").rglob("*.py"))
MODULES = sorted((ROOT / "modules").glob("*.py"))
STARTS_PROGRAMS = {"subprocess", "pty", "multiprocessing", "_posixsubprocess"}
# The inventory's own commands to reload what uses a credential: to start them is all that this file is for.
STARTER = ROOT / "module_utils/converge/reloading.py"
STARTING_CALLS = re.compile(r"(exec|spawn)[lv]p?e?|posix_spawnp?|system|popen|run_command")


def imported(tree: ast.AST) -> Iterator[Tuple[str, str]]:
    """Each imported module from outside this collection: its first name, and all of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0], node.module


def started(tree: ast.AST) -> List[str]:
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return sorted(name for name in names if STARTING_CALLS.fullmatch(name))


def is_standard(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    if spec is None:
        return False
    standard = Path(sysconfig.get_paths()["stdlib"]).resolve()
    origin = Path(spec.origin or "")
    return spec.origin in ("built-in", "frozen") or (
        standard in origin.resolve().parents and "site-packages" not in origin.parts
    )


def identify(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*LIBRARIES, *MODULES], ids=identify)
def test_nothing_but_the_standard_library_and_cryptography(path: Path) -> None:
    allowed = {"ansible"} if path in MODULES else {"cryptography"} if path.name == "imports.py" else set()
    foreign = {name for name, _full in imported(ast.parse(path.read_text(encoding="utf-8"))) if not is_standard(name)}
    assert foreign <= allowed


@pytest.mark.parametrize("path", [*LIBRARIES, *MODULES], ids=identify)
def test_no_program_is_started(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    allowed = {"subprocess"} if path == STARTER else set()
    assert STARTS_PROGRAMS.intersection(name for name, _full in imported(tree)) == allowed
    assert started(tree) == []


def test_only_commands_that_were_given_are_started() -> None:
    """One call, and what it starts is an argument: no program of ours has a name there."""
    tree = ast.parse(STARTER.read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    used = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "subprocess"}
    assert used == {"DEVNULL", "Popen", "SubprocessError"}
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "subprocess.Popen"
    ]
    assert len(calls) == 1
    assert [node for node in ast.walk(calls[0].args[0]) if isinstance(node, ast.Name) and node.id == "command"]


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_modules_take_nothing_but_the_module_class_from_ansible(path: Path) -> None:
    names = [full for name, full in imported(ast.parse(path.read_text(encoding="utf-8"))) if name == "ansible"]
    assert set(names) <= {"ansible.module_utils.basic"}


def test_the_sources_were_found() -> None:
    assert len(LIBRARIES) > 20
    assert len(MODULES) > 3
