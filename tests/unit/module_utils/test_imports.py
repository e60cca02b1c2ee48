# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host code can be imported without `cryptography`, and then says what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import errors, imports

PACKAGE = "ansible_collections.mutual.tls.plugins.module_utils"

IMPORT_WITHOUT = """
import importlib, sys
sys.modules["cryptography"] = None
for name in sys.argv[1:]:
    importlib.import_module(name)
"""

REQUIRE_WITH = """
import sys, types
library = types.ModuleType("cryptography")
library.__version__ = sys.argv[1]
library.__path__ = []
sys.modules["cryptography"] = library
from {0} import errors, imports
try:
    imports.require_cryptography()
except errors.DependencyError as error:
    print(error)
""".format(PACKAGE)


def run(repository: Path, *arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", *arguments], cwd=repository, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    ).stdout


def test_every_file_survives_a_missing_library(repository: Path) -> None:
    root = repository / "plugins/module_utils"
    names = [
        ".".join((PACKAGE, *path.relative_to(root).with_suffix("").parts)) for path in sorted(root.rglob("[!_]*.py"))
    ]
    assert len(names) > 3
    run(repository, IMPORT_WITHOUT, *names)


@pytest.mark.parametrize("version", ["2.9.2", "3.2", "3.3", "36.0.2"])
def test_a_library_that_lacks_what_is_needed_is_named_with_the_remedy(repository: Path, version: str) -> None:
    message = run(repository, REQUIRE_WITH, version)
    assert "cryptography" in message
    assert "python3-cryptography" in message


def test_a_good_library_is_accepted(repository: Path) -> None:
    source = "from {0}.imports import require_cryptography, x509; require_cryptography(); x509.Name".format(PACKAGE)
    assert run(repository, source) == ""


def test_an_old_python_is_named_before_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 20))
    with pytest.raises(errors.DependencyError, match=r"Python 3\.9 or newer .* 3\.8"):
        imports.require_cryptography()


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """This Python is the distribution's, is run by root, and lacks the library."""
    monkeypatch.setattr(imports, "_problem", "{0} cannot import it (no such module)".format(sys.executable))
    monkeypatch.setattr(imports, "_missing", True)
    monkeypatch.setattr(imports, "_DISTRIBUTIONS_PYTHON", sys.executable)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return monkeypatch


def refused() -> errors.DependencyError:
    with pytest.raises(errors.DependencyError) as caught:
        imports.require_cryptography()
    assert imports.PACKAGE in str(caught.value)
    assert sys.executable in str(caught.value)
    return caught.value


def test_a_library_that_its_package_would_bring_is_named_with_that(lacking: pytest.MonkeyPatch) -> None:
    error = refused()
    assert error.package == "python3-cryptography"
    assert str(error).endswith("mtls_install_dependencies: true")


def test_who_is_not_root_is_told_to_become_it(lacking: pytest.MonkeyPatch) -> None:
    lacking.setattr(os, "geteuid", lambda: 1000)
    error = refused()
    assert error.package is None
    assert str(error).endswith("mtls_install_dependencies: true and become: true")


@pytest.mark.parametrize("way", ["environment", "another Python"])
def test_the_package_does_not_help_a_python_that_is_not_the_distributions(
    lacking: pytest.MonkeyPatch, way: str
) -> None:
    if way == "environment":
        lacking.setattr(sys, "prefix", "/opt/app/venv")
    else:
        lacking.setattr(imports, "_DISTRIBUTIONS_PYTHON", "/usr/bin/python3-of-the-distribution")
    error = refused()
    assert error.package is None
    assert "ansible_python_interpreter" in str(error)
    assert "pip" in str(error)
    assert "mtls_install_dependencies" not in str(error)


def test_a_library_that_is_too_old_is_not_made_up_for_by_installing(lacking: pytest.MonkeyPatch) -> None:
    lacking.setattr(imports, "_missing", False)
    lacking.setattr(imports, "_problem", "that of {0} is version 2.9".format(sys.executable))
    error = refused()
    assert error.package is None
    assert "replace it" in str(error)
