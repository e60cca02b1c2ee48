# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that are provisioned: of a fleet over SSH, or directories over the local connection."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any, Dict, List, Protocol, Sequence

from .measure import HOST_MARK

ROOT = "/etc/mtls"


class Hosts(Protocol):
    """What a scene needs of hosts. Names are those of the inventory."""

    @property
    def names(self) -> Sequence[str]:
        """All of them."""

    def variables(self, host: str, counted: bool) -> Dict[str, Any]:
        """A host's inventory variables: how it is reached, and its root for credentials.

        `counted`: its interpreter is one that counts; arm() must have placed it.
        """

    def root(self, host: str) -> Path:
        """Where that root is seen from here."""

    def reset(self) -> None:
        """Make all of them fresh."""

    def arm(self) -> None:
        """Place the interpreter that counts, from zero."""

    def launches(self) -> int:
        """How often the interpreter was started on all hosts together, since arm() or the last call."""


class LocalHosts:
    """Directories below one, each a host's root: no SSH, and no root rights needed."""

    def __init__(self, directory: Path, count: int, interpreter: Path) -> None:
        self._directory = directory
        self._interpreter = str(interpreter)
        self._counter = directory / "launches"
        self._wrapper = directory / "counted-python"
        self._names = [f"host-{number:04}" for number in range(1, count + 1)]
        directory.mkdir()

    @property
    def names(self) -> List[str]:
        return self._names

    def variables(self, host: str, counted: bool) -> Dict[str, Any]:
        return {
            "ansible_connection": "local",
            "ansible_python_interpreter": str(self._wrapper) if counted else self._interpreter,
            "mtls_root": str(self.root(host)),
        }

    def root(self, host: str) -> Path:
        return self._directory / host / ROOT.lstrip("/")

    def reset(self) -> None:
        for name in self._names:
            shutil.rmtree(self._directory / name, ignore_errors=True)
            self.root(name).parent.mkdir(parents=True)

    def arm(self) -> None:
        self._wrapper.write_text(counting_interpreter(self._interpreter, self._counter))
        self._wrapper.chmod(0o755)
        self._counter.write_bytes(b"")

    def launches(self) -> int:
        return take_count(self._counter)


def counting_interpreter(interpreter: str, counter: Path) -> str:
    """A script that adds one byte to `counter` and goes on as the interpreter, marked as a host's process."""
    return f'#!/bin/sh\nprintf . >>{shlex.quote(str(counter))}\n{HOST_MARK}=1 exec {shlex.quote(interpreter)} "$@"\n'


def take_count(counter: Path) -> int:
    """The number of launches in a counter; it begins anew."""
    count = len(counter.read_bytes())
    counter.write_bytes(b"")
    return count
