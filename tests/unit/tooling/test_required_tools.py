# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/conftest.py: programs are found, a skip gives its reason, and is a failure where all is required."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Mapping

import pytest

CASES: Dict[str, str] = {
    "fixture": "def test_it(tool):\n    tool('no-such-program')\n",
    "body": "import pytest\ndef test_it():\n    pytest.skip('no-such-program')\n",
    "mark": "import pytest\n@pytest.mark.skip(reason='no-such-program')\ndef test_it():\n    pass\n",
    "module": "import pytest\npytest.skip('no-such-program', allow_module_level=True)\n",
    "session_fixture": (
        "import pytest\n@pytest.fixture(scope='session')\ndef server(tool):\n    return tool('no-such-program')\n"
        "def test_it(server):\n    pass\n"
    ),
}


def run_pytest(
    directory: Path, repository: Path, sources: Mapping[str, str], require: str
) -> subprocess.CompletedProcess[str]:
    shutil.copy(repository / "tests/conftest.py", directory / "conftest.py")
    for name, source in sources.items():
        (directory / f"test_{name}.py").write_text(f"def test_other():\n    pass\n{source}")
    options = [
        "-rsfEp",
        "-p",
        "no:cacheprovider",
        "--no-fold-skipped",
        "--continue-on-collection-errors",
        "--rootdir",
        str(directory),
    ]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(directory)],
        env={**os.environ, "MTLS_TEST_REQUIRE": require, "PYTEST_ADDOPTS": "", "COLUMNS": "400"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def outcomes(output: str, word: str) -> Dict[str, str]:
    """The lines of pytest's summary that begin with a word, by the case that they are about."""
    return dict(re.findall(rf"^{word}\b.*?\btest_(\w+)\.py(.*)$", output, re.MULTILINE))


def test_a_skip_names_its_reason(tmp_path: Path, repository: Path) -> None:
    result = run_pytest(tmp_path, repository, CASES, require="")
    assert result.returncode == 0, result.stdout
    skipped = outcomes(result.stdout, "SKIPPED")
    assert set(skipped) == set(CASES)
    assert all("no-such-program" in reason for reason in skipped.values())
    assert "tests run" not in result.stdout


def test_a_skip_fails_where_everything_is_required(tmp_path: Path, repository: Path) -> None:
    result = run_pytest(tmp_path, repository, CASES, require="all")
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert outcomes(result.stdout, "SKIPPED") == {}
    assert {*outcomes(result.stdout, "FAILED"), *outcomes(result.stdout, "ERROR")} == set(CASES)
    assert result.stdout.count(", but this was skipped: ") >= len(CASES)
    # The one that is skipped as a whole has no other test.
    assert set(outcomes(result.stdout, "PASSED")) == set(CASES) - {"module"}
    assert "tests run" in result.stdout


def test_expected_failures_are_no_skips(tmp_path: Path, repository: Path) -> None:
    source = "import pytest\n@pytest.mark.xfail\ndef test_it():\n    raise ValueError\n"
    result = run_pytest(tmp_path, repository, {"case": source}, require="all")
    assert result.returncode == 0, result.stdout
    assert "2 tests run" in result.stdout


def test_an_unknown_requirement_is_refused(tmp_path: Path, repository: Path) -> None:
    result = run_pytest(tmp_path, repository, {"case": ""}, require="some")
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "MTLS_TEST_REQUIRE" in result.stderr


def test_programs_of_the_running_environment_are_found(tool) -> None:
    assert Path(tool("pytest")).parent == Path(sys.executable).parent
