# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a running fleet."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from .errors import FleetError, program
from .inventory import ssh_options
from .keeper_client import ask
from .places import Places
from .specification import HostSpec

_FILLING = "/filling"
# Beyond, ssh and Ansible give up: `cut` is the clearer way to say that.
_MOST_MILLISECONDS = 10_000


@dataclass(frozen=True)
class Host:
    """A host: where it is, and what can be done to it.

    description: what its first process gets to know, and what it is started from again.
    """

    places: Places
    spec: HostSpec
    description: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def release(self) -> str:
        return self.spec.release

    @property
    def address(self) -> str:
        return str(self.description["address"])

    @property
    def pid(self) -> int:
        """The host's first process, as this machine counts processes; another one after `reset`."""
        pids = ask(self.places, {"command": "look"})
        if self.name not in pids:
            raise FleetError(f"The host {self.name} does not run; a reset starts it.")
        return pids[self.name]

    def path(self, path: str) -> Path:
        """A file of the host, seen from here. Absolute links in it lead into this machine's files, not the host's."""
        return Path(f"/proc/{self.pid}/root/{path.lstrip('/')}")

    def run(
        self, command: Sequence[str], user: Optional[str] = None, text_input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host, not over ssh: it works when the network is cut, too. Its status is not checked."""
        inside = [program("nsenter"), "--target", str(self.pid), "--all", "--root", "--wd"]
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env"] if user else []
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        return subprocess.run(
            [*inside, *as_user, *command],
            input=text_input,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )

    def ssh_command(self) -> Sequence[str]:
        """A command line that logs in as the inventory's user; append what to run there."""
        key = ["-i", str(self.places.client_key)]
        return ["ssh", *ssh_options(self.places).split(), *key, f"{self.spec.user}@{self.address}"]

    def reset(self) -> None:
        """End the host and start it anew with an empty disk and its network in order."""
        ask(self.places, {"command": "boot", "hosts": [self.description]})

    def cut(self) -> None:
        """Pull the network plug: nothing reaches the host, and connections to it hang."""
        self._change("link", state="down")

    def join(self) -> None:
        """Plug the network in again after `cut`."""
        self._change("link", state="up")

    def latency(self, milliseconds: float) -> None:
        """Make the round trip to the host take so much longer than it takes by itself, 10,000 at most; 0 ends that."""
        if not 0 <= milliseconds <= _MOST_MILLISECONDS:
            raise FleetError(f"The latency must be 0 to {_MOST_MILLISECONDS} milliseconds, not {milliseconds}.")
        self._change("latency", milliseconds=milliseconds)

    def fill_disk(self) -> None:
        """Leave no byte free on the host's disk. That takes as much of this machine's memory as was free there."""
        try:
            with open(self.path(_FILLING), "wb", buffering=0) as file:
                free = os.fstatvfs(file.fileno())
                if free.f_bavail:
                    os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
        except OSError as error:
            raise FleetError(f"The disk of {self.name} cannot be filled: {error.strerror}") from error

    def free_disk(self) -> None:
        """Give the host its free space back, if `fill_disk` has taken it."""
        try:
            self.path(_FILLING).unlink(missing_ok=True)
        except OSError as error:
            raise FleetError(f"The disk of {self.name} cannot be freed: {error.strerror}") from error

    def read_only(self, wanted: bool) -> None:
        """Make the host's root read-only, or writable again; FleetError where a file there is open for writing."""
        outcome = self.run(["mount", "-o", f"remount,bind,{'ro' if wanted else 'rw'}", "/"])
        if outcome.returncode != 0:
            raise FleetError(f"{self.name}: {outcome.stderr.strip()}")

    def kill(self) -> None:
        """Kill every process of the host at once; it has no sshd until `start`."""
        self._change("kill")

    def start(self) -> None:
        """Start sshd after `kill`; it listens when this returns."""
        self._change("start")

    def _change(self, command: str, **arguments: Any) -> None:
        ask(self.places, {"command": command, "host": self.name, **arguments})
