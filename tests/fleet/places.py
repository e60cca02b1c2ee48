# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a fleet's files are."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Dict

REPOSITORY = Path(__file__).resolve().parent.parent.parent
BASE = Path("/run/mtls-fleets")
"""One directory for each fleet. The path is short, because Unix sockets below it may have 107 bytes."""


def environment() -> Dict[str, str]:
    """What the fleet's processes get of this process's environment: hosts must not learn secrets from it."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": str(REPOSITORY)}


class Places:
    """The files of the fleet with one name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = BASE / name
        self.socket = self.directory / "keeper"
        self.description = self.directory / "fleet.json"
        self.inventory = self.directory / "hosts.yml"
        self.client_key = self.directory / "client_key"
        self.host_key = self.directory / "host_key"
        self.known_hosts = self.directory / "known_hosts"
        self.keeper_log = self.directory / "keeper.log"
        self.control = self.directory / "ssh"
        """ssh keeps sockets of its persistent connections here."""
        self.mount_point = self.directory / "disk"
        """Each host mounts its disk here, in a mount namespace of its own: it stays empty."""

    def make(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True)
        self.control.mkdir(mode=0o700)
        self.mount_point.mkdir()

    def log(self, host: str) -> Path:
        """What the host's first process has printed."""
        return self.directory / f"{host}.log"

    def keeper_words(self) -> str:
        """What the keeper's log says, as a sentence."""
        text = self.keeper_log.read_text(encoding="utf-8", errors="replace").strip() if self.keeper_log.exists() else ""
        return f"Its log says:\n{text}" if text else "It has logged nothing."

    def remove(self) -> None:
        """Remove all files; nothing may be using them any more, but another process may be removing them, too."""
        with suppress(FileNotFoundError):
            for path in self.directory.iterdir():
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path != self.socket:
                    path.unlink(missing_ok=True)
            # Last: until then, who wants to bring up a fleet of this name finds the keeper, and waits for its end.
            self.socket.unlink(missing_ok=True)
            self.directory.rmdir()
