# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The users that every host has beside root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Set

DEPLOY = "deploy"
"""May do everything through sudo, without a password."""
PLAIN = "plain"
"""May do nothing special."""
USERS = ("root", DEPLOY, PLAIN)


def add_users() -> None:
    """Add the users to this process's root, where they are missing. Nobody has a password: keys let them in."""
    for name in (DEPLOY, PLAIN):
        if name not in _column("/etc/passwd", 0):
            _add(name)
    sudoers = Path("/etc/sudoers.d")
    if sudoers.is_dir():
        (sudoers / "fleet").write_text(f"{DEPLOY} ALL=(ALL:ALL) NOPASSWD: ALL\n", encoding="utf-8")
        os.chmod(sudoers / "fleet", 0o440)


def _add(name: str) -> None:
    taken = _column("/etc/passwd", 2) | _column("/etc/group", 2)
    number = next(number for number in range(1000, 60000) if str(number) not in taken)
    home = f"/home/{name}"
    shell = "/bin/bash" if os.path.exists("/bin/bash") else "/bin/sh"
    _append("/etc/passwd", f"{name}:x:{number}:{number}::{home}:{shell}")
    _append("/etc/group", f"{name}:x:{number}:")
    _append("/etc/shadow", f"{name}:*:20000:0:99999:7:::")
    os.makedirs(home, mode=0o755, exist_ok=True)
    os.chown(home, number, number)


def _column(path: str, index: int) -> Set[str]:
    return {line.split(":")[index] for line in Path(path).read_text(encoding="utf-8").splitlines() if ":" in line}


def _append(path: str, line: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        file.write(line + "\n")
