# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that a fleet lives in: it holds the fleet's network switch, starts hosts and ends them.

The switch is a bridge in the keeper's own network namespace, with one link to the machine. So everything that a fleet
consists of in the kernel hangs on this one process, and nothing but files outlives it.

Its standard input is the fleet's life line: when it ends, because the fleet's owner has ended, however that went, the
keeper takes the fleet down. A fleet that is to stay gets a "release" once it is complete. Requests come over a Unix
socket, one JSON object each.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from typing import Any, Dict, List, Mapping, Sequence

from . import masters, network
from .errors import FleetError
from .places import Places
from .running_host import RunningHost


class Keeper:
    """The running hosts of one fleet."""

    def __init__(self, places: Places, link: str) -> None:
        self._places = places
        self._hosts: Dict[str, RunningHost] = {}
        # The parent waits until this process listens, and lives in the machine's network.
        network.make_switch(link, os.getppid())

    def answer(self, request: Mapping[str, Any]) -> Dict[str, Any]:
        """Do what a request says; the reply has `error`, or the ids of the running hosts' first processes."""
        try:
            if request["command"] == "boot":
                self._boot(request["hosts"])
            elif request["command"] != "look":
                self._change(request["command"], self._host(request["host"]), request)
        except FleetError as error:
            return {"error": str(error)}
        return {"pids": {name: host.pid for name, host in self._hosts.items() if host.runs}}

    def _host(self, name: str) -> RunningHost:
        host = self._hosts.get(name)
        if host is None or not host.runs:
            raise FleetError(f"The host {name} does not run; a reset starts it.")
        return host

    def _change(self, command: str, host: RunningHost, request: Mapping[str, Any]) -> None:
        if command in ("start", "kill"):
            host.send(command)
            host.wait_until_done()
        elif command == "link":
            host.set_link(request["state"])
        elif command == "latency":
            host.set_latency(request["milliseconds"])
        else:
            raise FleetError(f"The keeper knows no command '{command}'.")

    def _boot(self, descriptions: Sequence[Mapping[str, Any]]) -> None:
        """Start hosts, all at the same time; those that run already are ended first and begin anew."""
        self._end_hosts([item["name"] for item in descriptions if item["name"] in self._hosts])
        begun: List[RunningHost] = []
        for item in descriptions:
            host = RunningHost(item, self._places.log(item["name"]))
            self._hosts[host.name] = host
            begun.append(host)
        commands: List[str] = []
        for host in begun:
            host.wait_for_pid()
            commands += network.port_commands(host.port, host.description["address"], host.pid)
        network.ip_batch(*commands)
        for host in begun:
            host.send(json.dumps(dict(host.description)))
        for host in begun:
            host.wait_until_done()

    def _end_hosts(self, names: Sequence[str]) -> None:
        ended = [self._hosts.pop(name) for name in names]
        for host in ended:
            host.hang_up()
        for host in ended:
            host.end()
        network.delete_ports([host.port for host in ended])

    def end(self) -> None:
        """End all hosts, the ssh connections to them, and the link to the machine; remove the fleet's files."""
        self._end_hosts(list(self._hosts))
        network.disconnect_machine()
        masters.end_masters(self._places.control)
        self._places.remove()


def _serve(keeper: Keeper, listener: socket.socket) -> None:
    """Answer requests until one says "end", or the owner is gone."""
    watched: List[Any] = [sys.stdin, listener]
    while True:
        for ready in select.select(watched, [], [])[0]:
            if ready is sys.stdin:
                return
            if ready is listener:
                # Heard once there is something to hear: who was interrupted after connecting may never say anything.
                watched.append(listener.accept()[0])
                continue
            watched.remove(ready)
            with ready:
                # Who only looks whether the keeper is there says nothing, and hangs up.
                request = json.loads(ready.makefile("rb").readline() or b'{"command": "look"}')
                if request["command"] == "end":
                    return
                if request["command"] == "release":
                    watched = [one for one in watched if one is not sys.stdin]
                    request = {"command": "look"}
                _reply(ready, keeper.answer(request))


def _reply(connection: socket.socket, answer: Mapping[str, Any]) -> None:
    try:
        connection.sendall(json.dumps(answer).encode() + b"\n")
    except ConnectionError:
        # Who asked does not wait for the answer any more.
        return


def main() -> None:
    places, link = Places(sys.argv[1]), sys.argv[2]
    os.umask(0o022)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    keeper = Keeper(places, link)
    listener.bind(str(places.socket))
    listener.listen(64)
    try:
        os.write(sys.stdout.fileno(), b"listening\n")
        _serve(keeper, listener)
    except BrokenPipeError:
        # The owner has ended already, so there is nobody to serve.
        pass
    keeper.end()


if __name__ == "__main__":
    main()
