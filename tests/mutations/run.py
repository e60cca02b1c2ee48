# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply each mutation to a copy of the tree and expect the tests that it names to fail (see README.md here)."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import AbstractSet, Callable, Dict, FrozenSet, List, Optional, Sequence, Tuple

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
INVARIANTS = range(1, 8)
WANTED_EACH = 2
SAMPLE_EACH = 2
MANY = 10  # mutations, for which a tree that is compiled beforehand saves more than it costs
TIMEOUT = 600  # seconds for one selection
UNTRACKED = ("ls-files", "-z", "--others", "--exclude-standard")

# Runs a selection in a tree and gives pytest's exit status and output.
Runner = Callable[[Path, Sequence[str]], Tuple[int, str]]


class MutationError(Exception):
    """A mutation proves nothing as it stands: the message says why."""


@dataclass(frozen=True)
class Mutation:
    """A patch that breaks an invariant, and the pytest arguments that select the tests which must notice."""

    name: str
    invariant: int
    breaks: str
    selection: Tuple[str, ...]
    patch: str

    @property
    def files(self) -> FrozenSet[str]:
        """The files that it is about, from the repository's root: its own, those it changes, those with its tests."""
        changes = re.findall(r"^(?:--- a|\+\+\+ b)/(\S+)", self.patch, re.MULTILINE)
        tests = (argument.partition("::")[0] for argument in self.selection)
        return frozenset((f"tests/mutations/{self.name}", *changes, *(name for name in tests if name.endswith(".py"))))


def parse(name: str, text: str) -> Mutation:
    """Read a patch file: a header of `Invariant:`, `Breaks:` and `Tests:` lines, then the diff."""
    header, separator, diff = text.partition("\n--- ")
    fields = {match[1]: match[2].strip() for match in re.finditer(r"^(\w+): (.+)$", header, re.MULTILINE)}
    missing = [field for field in ("Invariant", "Breaks", "Tests") if field not in fields]
    if missing or not separator:
        raise MutationError(f"{name}: no {', '.join(missing) or 'diff'}")
    if not fields["Invariant"].isdigit() or int(fields["Invariant"]) not in INVARIANTS:
        raise MutationError(f"{name}: no invariant has the number {fields['Invariant']!r}")
    if not name.startswith(fields["Invariant"] + "-"):
        raise MutationError(f"{name}: the file's name must begin with the number of its invariant")
    return Mutation(
        name, int(fields["Invariant"]), fields["Breaks"], tuple(shlex.split(fields["Tests"])), f"--- {diff}"
    )


def _git(repository: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=repository, stdout=subprocess.PIPE, check=True, text=True).stdout


def copy_tree(source: Path, target: Path) -> None:
    """Copy what git would commit from `source`, links as links."""
    for name in filter(None, _git(source, *UNTRACKED, "--cached").split("\0")):
        if os.path.lexists(source / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name, follow_symlinks=False)


def apply(mutation: Mutation, tree: Path) -> None:
    """Apply the patch to `tree`; MutationError when it no longer fits."""
    result = subprocess.run(
        ["git", "apply", "--recount", "-"],
        cwd=tree,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)},
        input=mutation.patch,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise MutationError(f"{mutation.name}: the patch no longer applies: {result.stderr.strip()}")


def compile_tree(tree: Path) -> None:
    """Leave the bytecode of the product and its unit tests in `tree`, for copies that keep the times of its files."""
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "tests/unit"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.DEVNULL, check=True)


def run_pytest(tree: Path, selection: Sequence[str]) -> Tuple[int, str]:
    """Run `selection` in `tree`, up to the first failure."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", *selection]
    try:
        result = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, "ANSIBLE_CONFIG": str(tree / "ansible.cfg")},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return pytest.ExitCode.INTERRUPTED, f"no result after {TIMEOUT} s"
    return result.returncode, result.stdout


def in_copy(source: Path, selection: Sequence[str], mutation: Optional[Mutation], runner: Runner) -> Tuple[int, str]:
    """Run `selection` in a fresh copy of `source`, mutated if `mutation` is given."""
    with tempfile.TemporaryDirectory(prefix="mutation-") as directory:
        tree = Path(directory).resolve() / "tree"
        subprocess.run(["cp", "-a", source, tree], check=True)
        if mutation is not None:
            apply(mutation, tree)
        return runner(tree, selection)


def judge(mutation: Mutation, source: Path, runner: Runner = run_pytest) -> Optional[str]:
    """None when the tests notice the mutation, else what is wrong with it."""
    try:
        status, output = in_copy(source, mutation.selection, mutation, runner)
    except MutationError as error:
        return str(error)
    if status == pytest.ExitCode.OK:
        return f"{mutation.name}: SURVIVED: {shlex.join(mutation.selection)} passes although {mutation.breaks}"
    if status != pytest.ExitCode.TESTS_FAILED:
        return f"{mutation.name}: the tests did not run (pytest ended with {status}):\n{output}"
    return None


def baseline(selection: Sequence[str], source: Path, runner: Runner = run_pytest) -> Optional[str]:
    """None when `selection` passes in the unchanged tree, else why it proves nothing."""
    status, output = in_copy(source, selection, None, runner)
    if status == pytest.ExitCode.OK:
        return None
    return f"{shlex.join(selection)} does not pass in the unchanged tree (pytest ended with {status}):\n{output}"


def too_few(mutations: Sequence[Mutation]) -> List[str]:
    """A line for each invariant that has fewer mutations than wanted."""
    counts: Dict[int, int] = {
        invariant: sum(mutation.invariant == invariant for mutation in mutations) for invariant in INVARIANTS
    }
    return [f"invariant {key} has {count} of {WANTED_EACH} mutations" for key, count in counts.items() if count < 2]


def changed_since(commit: str, repository: Path) -> FrozenSet[str]:
    """The files that are not as in `commit`, committed or not; CalledProcessError where there is no such commit."""
    changed = _git(repository, "diff", "--name-only", "--no-renames", "-z", commit, "--")
    return frozenset(filter(None, (changed + _git(repository, *UNTRACKED)).split("\0")))


def selected(mutations: Sequence[Mutation], changed: AbstractSet[str], seed: str) -> List[Mutation]:
    """Those about a file that has changed, and some more of each invariant: others for another `seed`."""
    chosen = {mutation for mutation in mutations if mutation.files & changed}
    for invariant in INVARIANTS:
        rest = [mutation for mutation in mutations if mutation.invariant == invariant and mutation not in chosen]
        rest.sort(key=lambda mutation: hashlib.sha256(f"{seed} {mutation.name}".encode()).digest())
        chosen.update(rest[:SAMPLE_EACH])
    return [mutation for mutation in mutations if mutation in chosen]


def check(mutations: Sequence[Mutation], baselines: bool, parallel: int) -> List[str]:
    """Judge each mutation, and each selection in the unchanged tree if wanted. Returns what is wrong."""
    selections = sorted({mutation.selection for mutation in mutations}) if baselines else []
    problems: List[str] = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as directory, ThreadPoolExecutor(parallel) as pool:
        tree = Path(directory).resolve() / "tree"
        copy_tree(REPOSITORY, tree)
        if len(mutations) > MANY:
            compile_tree(tree)
        green = pool.map(lambda selection: baseline(selection, tree), selections)
        for mutation, problem in zip(mutations, pool.map(lambda mutation: judge(mutation, tree), mutations)):
            print(f"{'ok   ' if problem is None else 'ERROR'} {mutation.name}: {mutation.breaks}", flush=True)
            problems += [problem] if problem else []
        problems += filter(None, green)
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", dest="parallel", type=int, default=2, help="test runs at a time (default: 2)")
    parser.add_argument(
        "--tree-is-green", action="store_true", help="the unchanged tree has just passed all tests: do not check again"
    )
    parser.add_argument(
        "--since",
        metavar="COMMIT",
        help=f"only those about files that have changed since then, and {SAMPLE_EACH} more of each invariant",
    )
    parser.add_argument("names", nargs="*", help="patch files; default: all, and every invariant must have some")
    arguments = parser.parse_args()
    begin = time.monotonic()
    files = sorted(HERE.glob("*.patch")) if not arguments.names else [Path(name) for name in arguments.names]
    mutations = [parse(path.name, path.read_text(encoding="utf-8")) for path in files]
    problems = [] if arguments.names else too_few(mutations)
    total = len(mutations)
    if arguments.since is not None:
        try:
            changed = changed_since(arguments.since, REPOSITORY)
        except subprocess.CalledProcessError:
            parser.error(f"--since: this clone has no commit {arguments.since!r}")
        mutations = selected(mutations, changed, _git(REPOSITORY, "rev-parse", "HEAD"))
    problems += check(mutations, not arguments.tree_is_green, arguments.parallel)
    print("\n".join(problems))
    failed = f"{len(problems)} failed, " if problems else ""
    left = f" of {total}" if len(mutations) < total else ""
    print(f"== {failed}{len(mutations)}{left} mutations run in {time.monotonic() - begin:.1f}s ==")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
