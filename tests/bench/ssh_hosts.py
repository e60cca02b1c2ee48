# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a fleet, as a scene needs them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import yaml

from ..fleet.fleet import Fleet
from .errors import BenchError
from .hosts import ROOT, counting_interpreter, take_count

_WRAPPER = "/usr/local/bin/counted-python"
_COUNTER = "/var/tmp/python-launches"


class SshHosts:
    """All hosts of one fleet, with one interpreter."""

    def __init__(self, fleet: Fleet, interpreter: Path) -> None:
        self._fleet = fleet
        self._interpreter = str(interpreter)
        self._check_interpreter()
        self._inventory = yaml.safe_load(fleet.inventory.read_text(encoding="utf-8"))["all"]

    def _check_interpreter(self) -> None:
        """Hosts have this machine's files and its Python, but nothing else of what is mounted in it."""
        done = self._fleet.hosts[0].run([self._interpreter, "-c", "import cryptography"])
        if done.returncode != 0:
            raise BenchError(
                f"hosts cannot run {self._interpreter}, which may need files that are not on the disk that is mounted "
                f"at /: {done.stderr.strip()}"
            )

    @property
    def names(self) -> List[str]:
        return [host.name for host in self._fleet.hosts]

    def variables(self, host: str, counted: bool) -> Dict[str, Any]:
        """What the fleet's own inventory says of a host, for an inventory without its groups."""
        own = [group["hosts"][host] for group in self._inventory["children"].values() if host in group["hosts"]]
        interpreter = _WRAPPER if counted else self._interpreter
        return {**self._inventory["vars"], **own[0], "ansible_python_interpreter": interpreter}

    def root(self, host: str) -> Path:
        return self._fleet.host(host).path(ROOT)

    def reset(self) -> None:
        self._fleet.reset()

    def arm(self) -> None:
        for host in self._fleet.hosts:
            wrapper = host.path(_WRAPPER)
            wrapper.write_text(counting_interpreter(self._interpreter, Path(_COUNTER)), encoding="utf-8")
            wrapper.chmod(0o755)
            host.path(_COUNTER).write_bytes(b"")

    def launches(self) -> int:
        return sum(take_count(host.path(_COUNTER)) for host in self._fleet.hosts)
