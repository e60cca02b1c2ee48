# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: finding programs, and making a skip a failure where nothing may be skipped.

Host code is tested where ansible-core is not installed, so nothing here imports it.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any, Callable, Generator, List, Optional

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run: a failure is a failure of the change, not of the day's luck.
settings.register_profile("repeatable", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

REPOSITORY = Path(__file__).resolve().parent.parent
REQUIRE = "MTLS_TEST_REQUIRE"


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone: the directory that holds galaxy.yml."""
    return REPOSITORY


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """A function from a program's name to its absolute path; the test is skipped where it is missing.

    Programs of the running Python's own environment (ansible-playbook) come first, then PATH, then the
    directories where distributions put servers (nginx, haproxy).
    """
    directories = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]

    def find(name: str) -> str:
        path = shutil.which(name, path=os.pathsep.join(directories))
        if path is None:
            pytest.skip(f"the program {name!r} is not installed")
        return path

    return find


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(REQUIRE, "") not in ("", "all"):
        raise pytest.UsageError(f"{REQUIRE} must be 'all' or empty, not {os.environ[REQUIRE]!r}")


def pytest_collection_modifyitems(items: List[pytest.Item]) -> None:
    # Those that may take longer than others begin first, so that parallel workers end together.
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
    for item in items:
        if item.path.is_relative_to(REPOSITORY / "tests/unit"):
            item.add_marker(pytest.mark.compat)


def pytest_make_parametrize_id(val: object, argname: str) -> Optional[str]:
    """Bytes and long texts may hold random salts and keys, but parallel workers have to agree on the names of tests."""
    return argname if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 60) else None


def _nothing_may_be_skipped() -> bool:
    return os.environ.get(REQUIRE) == "all"


def _fail_instead(report: Any) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{REQUIRE}=all, but this was skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _nothing_may_be_skipped():
        _fail_instead(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _nothing_may_be_skipped():
        _fail_instead(report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not _nothing_may_be_skipped():
        return
    counted = ("passed", "failed", "error", "xfailed", "xpassed")
    run = sum(len(terminalreporter.stats.get(outcome, ())) for outcome in counted)
    terminalreporter.write_line(f"{REQUIRE}=all: {run} tests run, none may be skipped")
