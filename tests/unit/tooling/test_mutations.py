# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/mutations/run.py: what counts as noticed, and what proves nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable

import pytest

from ansible_collections.mutual.tls.tests.mutations import run as mutations

PATCHES = Path(mutations.__file__).resolve().parent
HEADER = "Invariant: 4\nBreaks: two and two are five\nTests: test_sum.py -k 'adds or not'\n\n"
DIFF = "diff --git a/sum.py b/sum.py\n--- a/sum.py\n+++ b/sum.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a + b\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "sum.py").write_text("def add(a, b):\n    return a + b\n")
    (tmp_path / "test_sum.py").write_text(
        "import sys\nsys.path.insert(0, '.')\nfrom sum import add\n"
        "def test_adds():\n    assert add(2, 2) == 4\ndef test_other():\n    pass\n"
    )
    (tmp_path / ".gitignore").write_text("*.secret\n")
    (tmp_path / "left.secret").write_text("not copied")
    (tmp_path / "link").symlink_to("sum.py")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def mutation(line: str, selection: str = "test_sum.py") -> mutations.Mutation:
    header = f"Invariant: 4\nBreaks: two and two are five\nTests: {selection}\n"
    return mutations.parse("4-sum.patch", f"{header}\n{DIFF}+{line}\n")


def test_a_mutation_that_fails_its_tests_is_noticed(tree: Path) -> None:
    assert mutations.judge(mutation("    return 5"), tree) is None
    assert (tree / "sum.py").read_text().endswith("return a + b\n")


@pytest.mark.parametrize(
    ("line", "selection", "complaint"),
    [
        ("    return b + a", "test_sum.py", "SURVIVED"),
        ("    return 5", "test_sum.py::test_other", "SURVIVED"),
        ("    return (", "test_sum.py", "did not run"),
        ("    return 5", "test_sum.py -k nothing", "did not run"),
        ("    return 5", "test_missing.py", "did not run"),
    ],
)
def test_a_mutation_that_proves_nothing_is_an_error(tree: Path, line: str, selection: str, complaint: str) -> None:
    problem = mutations.judge(mutation(line, selection), tree)
    assert problem is not None
    assert complaint in problem


def test_a_patch_that_no_longer_applies_is_an_error(tree: Path) -> None:
    (tree / "sum.py").write_text("def add(a, b):\n    return b + a\n")
    problem = mutations.judge(mutation("    return 5"), tree)
    assert problem is not None
    assert "no longer applies" in problem


def test_a_selection_has_to_pass_without_the_mutation(tree: Path) -> None:
    assert mutations.baseline(["test_sum.py"], tree) is None
    (tree / "sum.py").write_text("def add(a, b):\n    return 5\n")
    problem = mutations.baseline(["test_sum.py"], tree)
    assert problem is not None
    assert "unchanged tree" in problem


def test_the_copy_holds_what_git_would_commit(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("copy")
    mutations.copy_tree(tree, target)
    assert sorted(path.name for path in target.iterdir()) == [".gitignore", "link", "sum.py", "test_sum.py"]
    assert (target / "link").is_symlink()


def test_the_header_is_read() -> None:
    parsed = mutations.parse("4-sum.patch", HEADER + DIFF)
    assert (parsed.invariant, parsed.breaks) == (4, "two and two are five")
    assert parsed.selection == ("test_sum.py", "-k", "adds or not")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("4-sum.patch", DIFF, "no Invariant, Breaks, Tests"),
        ("4-sum.patch", HEADER, "no diff"),
        ("3-sum.patch", HEADER + DIFF, "file's name"),
        ("9-sum.patch", HEADER.replace("4", "9") + DIFF, "no invariant has the number"),
    ],
)
def test_a_bad_patch_file_is_an_error(name: str, text: str, complaint: str) -> None:
    with pytest.raises(mutations.MutationError, match=complaint):
        mutations.parse(name, text)


def test_every_invariant_needs_mutations() -> None:
    one = mutations.parse("4-sum.patch", HEADER + DIFF)
    complaints = mutations.too_few([one, one])
    assert len(complaints) == len(mutations.INVARIANTS) - 1
    assert not any("invariant 4 " in complaint for complaint in complaints)


def test_the_files_that_a_mutation_is_about() -> None:
    header = HEADER.replace("-k ", "tests/test_more.py::test_it -k ")
    diff = DIFF + "--- a/plugins/more.py\n+++ b/plugins/other.py\n@@ -1 +1 @@\n-a\n+b\n"
    assert mutations.parse("4-sum.patch", header + diff).files == {
        "tests/mutations/4-sum.patch",
        "sum.py",
        "plugins/more.py",
        "plugins/other.py",
        "test_sum.py",
        "tests/test_more.py",
    }


def test_what_has_changed_since_a_commit(tree: Path) -> None:
    git = ("git", "-C", str(tree), "-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "first"], check=True)
    assert mutations.changed_since("HEAD", tree) == set()
    (tree / "committed.py").touch()
    subprocess.run([*git, "add", "committed.py"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "second"], check=True)
    (tree / "sum.py").write_text("")
    (tree / "untracked.py").touch()
    assert mutations.changed_since("HEAD~1", tree) == {"committed.py", "sum.py", "untracked.py"}
    with pytest.raises(subprocess.CalledProcessError):
        mutations.changed_since("no-such-commit", tree)


def test_mutations_of_what_has_changed_and_a_few_of_each_invariant_are_selected() -> None:
    every = [
        mutations.parse(
            f"{invariant}-{number}.patch",
            HEADER.replace("4", str(invariant)).replace("test_sum", f"test_{number}") + DIFF,
        )
        for invariant in mutations.INVARIANTS
        for number in range(6)
    ]
    chosen = mutations.selected(every, {"test_3.py"}, "seed")
    assert chosen == [mutation for mutation in every if mutation in chosen]
    assert {mutation.name for mutation in every if "test_3.py" in mutation.files} < {one.name for one in chosen}
    assert len(chosen) == len(mutations.INVARIANTS) * (1 + mutations.SAMPLE_EACH)
    assert mutations.selected(every, {"test_3.py"}, "seed") == chosen
    others = {one.name for seed in range(40) for one in mutations.selected(every, set(), str(seed))}
    assert others == {mutation.name for mutation in every}
    assert mutations.selected(every, {"sum.py"}, "seed") == every


@pytest.mark.parametrize("patch", sorted(PATCHES.glob("*.patch")), ids=lambda patch: patch.stem)
def test_every_patch_applies(patch: Path, repository: Path, tool: Callable[[str], str]) -> None:
    """The whole run takes minutes; that a patch has gone stale is to be seen at once."""
    command = [tool("git"), "apply", "--check", "--recount", str(patch)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
