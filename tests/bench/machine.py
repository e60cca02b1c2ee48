# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What figures were measured on: the machine, without names or addresses, and the versions of all software involved."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Dict, Sequence

from .errors import BenchError

_OURS = ("ansible-core", "cryptography")
_PEERS = ("ansible", "ansible-core", "mitogen", "cryptography", "pyjks")
_COLLECTIONS = ("community.crypto", "community.general")


def describe(python: Path, peers_python: Path) -> Dict[str, str]:
    """Names and values in the order to be shown. `python` runs ours, `peers_python` the peers."""
    peers = _packages(peers_python, _PEERS)
    found = {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{_system()}, Linux {_numbers(platform.release())}",
        "Python": _python(python),
        **_packages(python, _OURS),
        "OpenSSH": _numbers(_output(["ssh", "-V"])),
        "Java": _numbers(_output(["java", "-version"])),
        "peers: Python": _python(peers_python),
        **{f"peers: {name}": version for name, version in peers.items()},
    }
    for name in _COLLECTIONS:
        found[f"peers: {name}"] = _collection(peers_python, name)
    return found


def load() -> float:
    """How many processes wanted to run in the last minute, on average: what else the machine is busy with."""
    return os.getloadavg()[0]


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found.group(1) if found else platform.machine()


def _system() -> str:
    return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")


def _numbers(text: str) -> str:
    """The first version number in a text; what follows it may name the machine's owner."""
    found = re.search(r"\d+(\.\d+)+(p\d+)?", text)
    if found is None:
        raise BenchError(f"no version in {text!r}")
    return found.group()


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{command[0]} ended with status {done.returncode}: {done.stderr}")
    return done.stdout + done.stderr


def _python(python: Path) -> str:
    return _numbers(_output([str(python), "--version"]))


def _packages(python: Path, names: Sequence[str]) -> Dict[str, str]:
    program = (
        "import importlib.metadata, json, sys; print(json.dumps(list(map(importlib.metadata.version, sys.argv[1:]))))"
    )
    return dict(zip(names, json.loads(_output([str(python), "-I", "-c", program, *names]))))


def _collection(python: Path, name: str) -> str:
    program = "import ansible_collections, sys; print(ansible_collections.__path__[0])"
    root = Path(_output([str(python), "-I", "-c", program]).strip())
    manifest = json.loads((root / name.replace(".", "/") / "MANIFEST.json").read_text(encoding="utf-8"))
    return str(manifest["collection_info"]["version"])
