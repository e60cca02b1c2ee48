# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that a fleet lives in: it holds the fleet's network switch, starts hosts and ends them.

The switch is a bridge in the keeper's own network namespace, with one link to the machine. So everything that a fleet
consists of in the kernel hangs on this one process, and nothing but files outlives it.

Its standard input is the fleet's life line where the fleet has an owner: when the owner is gone, however it went, the
line ends, and the keeper takes the fleet down. Requests come over a Unix socket, one JSON object each.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from . import masters
from .errors import FleetError, program
from .places import REPOSITORY, Places

SWITCH = "switch"
_UPLINK = "uplink"
_SECONDS = 120
_MESSAGE = 1 << 20
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child")


class RunningHost:
    """One host: the process that waits for its first process, and the socket to the latter."""

    def __init__(self, description: Mapping[str, Any], port: str, log: Path) -> None:
        self.description = description
        self.name: str = description["name"]
        self.port = port
        self.log = log
        self.socket, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(_SECONDS)
        command = [program("unshare"), *_NAMESPACES, sys.executable, "-m", f"{__package__}.first_process"]
        with others, log.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdin=others.fileno(), stdout=output, stderr=output, cwd=REPOSITORY, start_new_session=True
            )
        self.pid = 0

    def wait_for_pid(self) -> None:
        """Learn the id of the first process, as the machine counts."""
        self.pid = int(self.receive())

    def receive(self) -> str:
        """What the first process says next; FleetError with the end of its log where it has ended instead."""
        try:
            message = self.socket.recv(_MESSAGE)
        except TimeoutError:
            message = b""
        if not message:
            raise FleetError(f"The host {self.name} does not run. {self._last_words()}")
        return message.decode()

    def send(self, text: str) -> None:
        try:
            self.socket.send(text.encode())
        except BrokenPipeError:
            raise FleetError(f"The host {self.name} does not run. {self._last_words()}") from None

    def _last_words(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
        return f"Its log ends with:\n{text}" if text else "It has logged nothing."

    def end(self) -> None:
        """End the host; when this returns none of its processes is left."""
        self.socket.close()
        # The first process ends because of that; it is killed for the case that it hangs.
        if self.pid and self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait()


class Keeper:
    """The running hosts of one fleet."""

    def __init__(self, places: Places, link: str) -> None:
        self.places = places
        self.hosts: Dict[str, RunningHost] = {}
        # The parent waits until this process listens, and lives in the machine's network.
        ip_batch(
            f"link add {SWITCH} type bridge",
            f"link add {_UPLINK} type veth peer name {link} netns {os.getppid()}",
            f"link set {_UPLINK} master {SWITCH} up",
            f"link set {SWITCH} up",
        )

    def answer(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Do what a request says; the reply has `error`, or the ids of the hosts' first processes."""
        try:
            if request["command"] == "boot":
                self.boot(request["hosts"])
            elif request["command"] in ("start", "kill"):
                host = self.hosts[request["host"]]
                host.send(request["command"])
                host.receive()
        except FleetError as error:
            return {"error": str(error)}
        return {"pids": {name: host.pid for name, host in self.hosts.items()}}

    def boot(self, descriptions: Sequence[Mapping[str, Any]]) -> None:
        """Start hosts, all at the same time; those that run already are ended first and begin anew."""
        self.end_hosts([item["name"] for item in descriptions if item["name"] in self.hosts])
        begun: List[RunningHost] = []
        for item in descriptions:
            host = RunningHost(item, item["port"], self.places.log(item["name"]))
            self.hosts[host.name] = host
            begun.append(host)
        for host in begun:
            host.wait_for_pid()
        ip_batch(*(line for host in begun for line in _link(host)))
        for host in begun:
            host.send(json.dumps(dict(host.description)))
        for host in begun:
            host.receive()

    def end_hosts(self, names: Sequence[str]) -> None:
        ended = [self.hosts.pop(name) for name in names]
        for host in ended:
            host.socket.close()
        for host in ended:
            host.end()
        # The kernel removes the links of a host that has ended, but later: new ones get the same names.
        present = {name for _index, name in socket.if_nameindex()}
        ip_batch(*(f"link delete {host.port}" for host in ended if host.port in present))

    def end(self) -> None:
        """End all hosts, the ssh connections to them, and the link to the machine; remove the fleet's files."""
        self.end_hosts(list(self.hosts))
        ip_batch(f"link delete {_UPLINK}")
        masters.end_masters(self.places.control)
        self.places.remove()


def _link(host: RunningHost) -> List[str]:
    return [
        f"link add {host.port} type veth peer name eth0 netns {host.pid}",
        f"link set {host.port} master {SWITCH} up",
    ]


def ip_batch(*lines: str) -> None:
    """Run commands of ip(8) in this process's network; FleetError says which one it refused."""
    outcome = subprocess.run(
        [program("ip"), "-batch", "-"], input="".join(f"{line}\n" for line in lines), capture_output=True, text=True
    )
    if outcome.returncode != 0:
        raise FleetError(f"The network could not be made: {outcome.stderr.strip()}")


def _serve(keeper: Keeper, listener: socket.socket) -> None:
    """Answer requests until one says "end", or the owner is gone."""
    watched: List[Any] = [listener]
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        watched.append(sys.stdin)
    while True:
        readable = select.select(watched, [], [])[0]
        if sys.stdin in readable:
            return
        connection, _address = listener.accept()
        with connection:
            line = connection.makefile("rb").readline()
            # Who only looks whether the keeper is there says nothing.
            if not line:
                continue
            request = json.loads(line)
            if request["command"] == "end":
                keeper.end()
                return
            try:
                connection.sendall(json.dumps(keeper.answer(request)).encode() + b"\n")
            except ConnectionError:
                # Who asked does not wait for the answer any more.
                continue


def main() -> None:
    places, link = Places(sys.argv[1]), sys.argv[2]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    keeper = Keeper(places, link)
    listener.bind(str(places.socket))
    listener.listen(64)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    _serve(keeper, listener)
    if places.directory.exists():
        keeper.end()


if __name__ == "__main__":
    main()
