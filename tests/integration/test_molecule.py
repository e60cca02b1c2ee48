# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Molecule scenario on local hosts runs through, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mutual.tls.tests.scenarios import must_pass

# Each of a scenario's steps is a run of ansible-playbook.
pytestmark = pytest.mark.timeout(600)


def test_role_mtls_default(repository: Path, tmp_path: Path) -> None:
    must_pass(repository, tmp_path, "role_mtls_default")
