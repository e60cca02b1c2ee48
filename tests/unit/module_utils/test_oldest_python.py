# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts run uses no syntax newer than the oldest Python that they may have."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.mutual.tls.tests.conftest import REPOSITORY

OLDEST = (3, 9)
SOURCES = [*(REPOSITORY / "plugins/module_utils").rglob("*.py"), *(REPOSITORY / "plugins/modules").glob("*.py")]


@pytest.mark.parametrize("path", sorted(SOURCES), ids=lambda path: str(path.relative_to(REPOSITORY / "plugins")))
def test_source_is_read_by_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)


def test_newer_syntax_is_noticed() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("match a:\n    case 1:\n        pass\n", feature_version=OLDEST)
