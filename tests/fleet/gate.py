# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A gate before a host: each trip there says when it begins, and waits until it may go on.

Between the two nothing happens on its own, so a test can do to the host what it likes at exactly this moment.
"""

from __future__ import annotations

import os
import select
from pathlib import Path
from types import TracebackType
from typing import Optional, Type

from .errors import program

_SCRIPT = """\
#!/bin/sh
echo begins >"$0.arrived"
read -r _word <"$0.opened"
exec {ssh} "$@"
"""
_SECONDS = 60
_FOR_ALL = 100


class Gate:
    """An executable that Ansible starts instead of ssh (`ansible_ssh_executable`). Open for good at the block's end."""

    def __init__(self, directory: Path, name: str) -> None:
        self.executable = directory / f"ssh-{name}"
        self.executable.write_text(_SCRIPT.format(ssh=program("ssh")), encoding="utf-8")
        self.executable.chmod(0o755)
        # Both for reading and writing: no end of a pipe waits for the other one.
        self._arrived = _pipe(self.executable.with_name(self.executable.name + ".arrived"))
        self._opened = _pipe(self.executable.with_name(self.executable.name + ".opened"))

    def wait(self) -> None:
        """Wait until a trip begins; it stands at the closed gate then. TimeoutError where none comes."""
        if not select.select([self._arrived], [], [], _SECONDS)[0]:
            raise TimeoutError(f"no trip has begun at {self.executable.name} for {_SECONDS} s")
        os.read(self._arrived, len("begins\n"))

    def open(self, times: int = 1) -> None:
        """Let so many trips go on."""
        os.write(self._opened, b"go\n" * times)

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        # The pipes stay open: a script that opens one later must not wait for ever.
        self.open(_FOR_ALL)


def _pipe(path: Path) -> int:
    os.mkfifo(path)
    return os.open(path, os.O_RDWR)
