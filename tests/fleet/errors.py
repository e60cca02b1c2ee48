# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in a fleet, and the programs that it needs."""

from __future__ import annotations

import os
import shutil

# Where a distribution keeps what only root runs; PATH may lack it.
_SYSTEM_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")

PACKAGES = {
    "gpg": "gpg",
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "unshare": "util-linux",
}
"""Program → the Debian package that has it."""


class FleetError(Exception):
    """A sentence for people: what is wrong, where, and what to do about it."""


def program(name: str) -> str:
    """The absolute path of a program in `PACKAGES`; FleetError names the package where it is missing."""
    path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_DIRECTORIES]))
    if path is None:
        raise FleetError(f"The program '{name}' is missing: apt-get install {PACKAGES[name]}")
    return path


def require_root() -> None:
    """Namespaces, mounts and network links need root."""
    if os.geteuid() != 0:
        raise FleetError("Only root can make hosts: run this as root, or with sudo.")
