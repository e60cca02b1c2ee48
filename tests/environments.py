# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments for the matrices: the Pythons of this machine, and cached virtual environments made from them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, Optional, Sequence

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = REPOSITORY / ".cache" / "environments"
SUPPORTED = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


@dataclass(frozen=True)
class Job:
    """One environment and what pytest runs in it."""

    name: str
    python: Path
    requirements: Sequence[str]
    selection: Sequence[str]


def pythons() -> Dict[str, Path]:
    """Every supported Python that runs on this machine and can make environments, by version ("3.9")."""
    found = {version: _first_working(version) for version in SUPPORTED}
    return {version: path for version, path in found.items() if path is not None}


def _first_working(version: str) -> Optional[Path]:
    check = "import sys, ensurepip, venv; sys.exit('{0}.{1}'.format(*sys.version_info) != sys.argv[1])"
    for path in _candidates(version):
        if subprocess.run([path, "-c", check, version], capture_output=True, check=False).returncode == 0:
            return path
    return None


def _candidates(version: str) -> Iterator[Path]:
    if version == "{0}.{1}".format(*sys.version_info):
        yield Path(sys.executable).resolve()
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield Path(on_path)
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)


def environment(python: Path, requirements: Sequence[str]) -> Path:
    """The Python of a virtual environment that holds `requirements` (arguments of pip install), made once."""
    files = [(REPOSITORY / item).read_bytes() for item in requirements if item.endswith(".txt")]
    key = b"\0".join([os.fsencode(python), *(item.encode() for item in requirements), *files])
    directory = CACHE / hashlib.sha256(key).hexdigest()[:16]
    ready = directory / "ready"
    if not ready.exists():
        subprocess.run([python, "-m", "venv", "--clear", directory], check=True)
        pip = [str(directory / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], cwd=REPOSITORY, check=True)
        ready.touch()
    return directory / "bin/python"


def run(jobs: Sequence[Job], parallel: int) -> int:
    """Run all jobs, `parallel` at a time; print each one's outcome as it ends, and return an exit status."""
    begin = time.monotonic()
    with ThreadPoolExecutor(parallel) as pool:
        failed = [job.name for job, passed in zip(jobs, pool.map(_run_one, jobs)) if not passed]
    for name in failed:
        print(f"FAILED {name}")
    counts = f"{len(failed)} failed, " if failed else ""
    print(f"== {counts}{len(jobs) - len(failed)} environments passed in {time.monotonic() - begin:.1f}s ==")
    return 1 if failed else 0


def _run_one(job: Job) -> bool:
    try:
        python = environment(job.python, job.requirements)
    except subprocess.CalledProcessError as error:
        print(f"---- {job.name}: {error}", flush=True)
        return False
    # Since 2.21 Ansible opens a socket below its temporary directory, and a socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="m") as short:
        options = ["-q", "-o", f"cache_dir={python.parent.parent / 'pytest'}", f"--basetemp={short}/t"]
        result = subprocess.run(
            [python, "-m", "pytest", *options, *job.selection],
            cwd=REPOSITORY,
            env={**os.environ, "PATH": os.pathsep.join((str(python.parent), os.environ["PATH"]))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    passed = result.returncode == 0
    shown = result.stdout.rstrip().splitlines()
    print("\n".join([f"---- {job.name}", *(shown[-1:] if passed else shown)]), flush=True)
    return passed
