# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that run the product on a fleet.

These tests need root and Linux. Where they cannot run they fail and say why: nothing here is skipped.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

import pytest

from ansible_collections.mutual.tls.tests.fleet.fleet import Fleet
from ansible_collections.mutual.tls.tests.fleet.project import Project
from ansible_collections.mutual.tls.tests.fleet.roots import DEBIAN
from ansible_collections.mutual.tls.tests.fleet.specification import HostSpec

VERSIONS = {"bullseye": "3.9 3.3.2", "bookworm": "3.11 38.0.4", "trixie": "3.13 43.0.0"}
ASK_VERSIONS = "import sys, cryptography as c; print('{0}.{1}'.format(*sys.version_info), c.__version__)"
"""What Debian ships: Python and cryptography; and the Python code that tells."""

ProjectOf = Callable[[Sequence[HostSpec]], Project]


def two_of_each() -> List[HostSpec]:
    """Two hosts of each release of Debian."""
    return [HostSpec(release=release) for release in DEBIAN for _round in range(2)]


@pytest.fixture(scope="module")
def project_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectOf]:
    """A function from specifications to a project about hosts like that, which live as long as the module's tests."""
    fleets: List[Fleet] = []
    label = Path(request.path).stem.replace("_", "-").removeprefix("test-")

    def bring_up(specs: Sequence[HostSpec]) -> Project:
        fleet = Fleet.up(f"{label}-{os.getpid()}-{len(fleets)}", specs)
        fleets.append(fleet)
        project = Project(tmp_path_factory.mktemp(label) / "controller", fleet)
        project.prepare_hosts()
        return project

    try:
        yield bring_up
    finally:
        for fleet in fleets:
            fleet.down()


def needed(program: str, package: str) -> str:
    """The path of a program; the test fails where it is missing, and names Debian's package."""
    path = shutil.which(program)
    if path is None:
        pytest.fail(f"The program '{program}' is missing: apt-get install {package}", pytrace=False)
    return path
