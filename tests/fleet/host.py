# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a running fleet."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

from .errors import FleetError, program
from .places import Places
from .specification import HostSpec

_SECONDS = 300


def ask_keeper(places: Places, request: Mapping[str, Any]) -> Dict[str, int]:
    """Have a fleet's keeper do something; host → id of its first process. FleetError says what went wrong."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(places.socket))
        with connection.makefile("rw", encoding="utf-8") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            line = stream.readline()
    if not line:
        raise FleetError(f"The keeper of the fleet '{places.name}' has ended; its log is {places.keeper_log}.")
    answer = json.loads(line)
    if "error" in answer:
        raise FleetError(answer["error"])
    pids: Dict[str, int] = answer["pids"]
    return pids


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
        return ask_keeper(self.places, {"command": "pids"})[self.name]

    def path(self, path: str) -> Path:
        """A file of the host, seen from here. Absolute links in it lead into this machine's files, not the host's."""
        return Path(f"/proc/{self.pid}/root/{path.lstrip('/')}")

    def run(
        self, command: Sequence[str], user: Optional[str] = None, text_input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host, not over ssh: it works when the network is cut, too. Its status is not checked."""
        inside = [program("nsenter"), "--target", str(self.pid), "--all", "--root", "--wdns=/"]
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

    def ssh_command(self, user: Optional[str] = None) -> Sequence[str]:
        """A command line that logs in; append what to run there."""
        from .inventory import ssh_options

        options = [*ssh_options(self.places).split(), "-i", str(self.places.client_key)]
        return ["ssh", *options, f"{user or self.spec.user}@{self.address}"]

    def reset(self) -> None:
        """End the host and start it anew with an empty disk and its network in order."""
        ask_keeper(self.places, {"command": "boot", "hosts": [self.description]})

    def kill(self) -> None:
        """Kill every process of the host at once; it has no sshd until `start`."""
        ask_keeper(self.places, {"command": "kill", "host": self.name})

    def start(self) -> None:
        """Start sshd after `kill`; it listens when this returns."""
        ask_keeper(self.places, {"command": "start", "host": self.name})
