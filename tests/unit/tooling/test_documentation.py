# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation claims about files, targets and codes is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.difference import REASONS
from ansible_collections.mutual.tls.tests.conftest import REPOSITORY

PAGES = sorted(
    page
    for page in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *REPOSITORY.glob("roles/*/*.md")]
    if page.name != "CHANGELOG.md"
)


def links() -> Iterator[Tuple[Path, str]]:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                yield page, target


@pytest.mark.parametrize(("page", "target"), [pytest.param(*link, id=f"{link[0].name}-{link[1]}") for link in links()])
def test_links_lead_somewhere(page: Path, target: str) -> None:
    path, _hash, anchor = target.partition("#")
    file = (page.parent / path) if path else page
    assert file.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z-]+)`", page.read_text(encoding="utf-8"))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_reason_code_is_explained_and_no_other() -> None:
    text = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8").partition("## Reason codes")[2]
    rows = "".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    reserved = next(line for line in text.splitlines() if line.startswith("Reserved"))
    explained = re.findall(r"`(\w+)`", rows + reserved)
    assert sorted(explained) == sorted(REASONS)
