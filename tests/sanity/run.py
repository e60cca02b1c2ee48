# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the collection, install it outside the clone, and run `ansible-test sanity` on what users would get.

In the clone ansible-test resolves the in-place link and refuses to work; below an ignored directory it tests nothing
and says so only in passing. Hence the temporary directory, and the check that tests have run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Dict, List, Union

from ..environments import REPOSITORY, pythons

HOME = REPOSITORY / ".cache" / "sanity"
PIP_NOISE = re.compile(
    r"\s*(Collecting|Downloading|Installing|Successfully installed|Looking in links|Processing|Using cached|"
    r"Requirement already|━)"
)
FEWEST_TESTS = 20


def environment() -> Dict[str, str]:
    """ansible-test's surroundings: its own home, kept between runs, where pip needs nothing from the net to start."""
    bootstrap = HOME / f".ansible/test/cache/get_pip_{_pip_version().replace('.', '_')}.py"
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    bootstrap.write_text("import ensurepip; ensurepip.bootstrap()\n", encoding="utf-8")
    for name in (".config/pip", ".pip"):
        link, target = HOME / name, Path.home() / name
        if target.is_dir() and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    surroundings = {**os.environ, "HOME": str(HOME), "PATH": path, "LC_ALL": "C.UTF-8"}
    surroundings.pop("ANSIBLE_CONFIG", None)
    return surroundings


def _pip_version() -> str:
    source = Path(str(files("ansible_test"))).joinpath("_internal/python_requirements.py").read_text(encoding="utf-8")
    (version,) = set(re.findall(r"\bpip='([\d.]+)'", source))
    return str(version)


def install(directory: Path, env: Dict[str, str]) -> Path:
    """Build the artifact from the clone, install it below `directory`, and return the collection's root."""
    artifact, collections = directory / "artifact", directory / "collections"
    galaxy: List[Union[str, Path]] = [sys.executable, "-m", "ansible", "galaxy", "collection"]
    subprocess.run([*galaxy, "build", "--output-path", artifact, REPOSITORY], cwd=directory, env=env, check=True)
    (archive,) = artifact.glob("*.tar.gz")
    install_command = [*galaxy, "install", "--offline", "--force", "-p", collections, archive]
    subprocess.run(install_command, cwd=directory, env=env, stdout=subprocess.DEVNULL, check=True)
    return collections / "ansible_collections/mutual/tls"


def sanity(root: Path, env: Dict[str, str], arguments: List[str]) -> int:
    """Run ansible-test in `root`, show what matters of its output, and return the number of failures."""
    process = subprocess.Popen(
        ["ansible-test", "sanity", "--color", "no", *arguments],
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout or ():
        lines.append(line)
        if not PIP_NOISE.match(line):
            print(line, end="", flush=True)
    status = process.wait()
    begun = sum(line.startswith("Running sanity test") for line in lines)
    print(f"{begun} sanity tests run")
    if any("All targets skipped" in line for line in lines) or begun < (1 if arguments[2:] else FEWEST_TESTS):
        print("ERROR: ansible-test has not tested the collection")
        return 1
    return status


def main() -> int:
    begin = time.monotonic()
    env = environment()
    controller = "{0}.{1}".format(*sys.version_info)
    oldest, path = next(iter(pythons().items()))
    with tempfile.TemporaryDirectory(prefix="sanity-") as directory:
        root = install(Path(directory).resolve(), env)
        status = sanity(root, env, ["--python", controller])
        if oldest != controller:
            tests = ["--test", "compile", "--test", "import"]
            env["PATH"] = os.pathsep.join((env["PATH"], str(path.parent)))
            status |= sanity(root, env, ["--python", oldest, *tests])
    print(f"== ansible-test sanity {'failed' if status else 'passed'} in {time.monotonic() - begin:.1f}s ==")
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
