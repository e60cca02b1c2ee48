# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring fleets up and take them down."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Optional, Sequence, Type

from .errors import FleetError, program, require_root
from .host import Host
from .inventory import inventory, known_hosts
from .keeper_client import ask, is_up, one_at_a_time, remove_remains, take_down
from .network import address, connect_machine
from .places import BASE, REPOSITORY, Places, environment
from .roots import MACHINE, build_roots
from .specification import HostSpec, check_name, complete

_NETWORKS = 250


class Fleet:
    """A running fleet. As a context manager it is down at the block's end."""

    def __init__(self, places: Places, hosts: Sequence[Host]) -> None:
        self.places = places
        self.hosts = list(hosts)
        self._keeper: Optional[subprocess.Popen[bytes]] = None

    @property
    def name(self) -> str:
        return self.places.name

    @property
    def inventory(self) -> Path:
        """The inventory's file."""
        return self.places.inventory

    def host(self, name: str) -> Host:
        """The host with a name; FleetError where there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise FleetError(f"The fleet '{self.name}' has no host '{name}'.")

    @classmethod
    def up(cls, name: str, specs: Sequence[HostSpec], owned: bool = True) -> Fleet:
        """Bring up a fleet; all its hosts can be reached over ssh when this returns.

        owned: the fleet ends with this process, however that ends. Otherwise it stays until it is taken down.
        What a killed fleet of this name has left is removed first. FleetError if a fleet of this name runs, a
        specification is wrong, a program is missing, or a host does not start; nothing is left then.
        """
        require_root()
        check_name(name)
        specs = complete(specs)
        for needed in ("ip", "nsenter", "ssh-keygen", "unshare"):
            program(needed)
        if any(spec.release == MACHINE for spec in specs):
            program("sshd")
        roots = build_roots(spec.release for spec in specs)
        fleet = cls(Places(name), [])
        with ExitStack() as undo:
            with one_at_a_time():
                if is_up(fleet.places):
                    raise FleetError(f"The fleet '{name}' is up already: take it down, or choose another name.")
                undo.callback(fleet.down)
                remove_remains(fleet.places)
                fleet.places.make()
                network = _free_network()
                fleet._start_keeper(network)
            fleet._start_hosts(network, specs, roots)
            if not owned:
                ask(fleet.places, {"command": "release"})
            undo.pop_all()
        return fleet

    @classmethod
    def attach(cls, name: str) -> Fleet:
        """A fleet that is up already, brought up by this or another process."""
        places = Places(name)
        if not (is_up(places) and places.description.exists()):
            raise FleetError(f"There is no running fleet '{name}'.")
        known = json.loads(places.description.read_text(encoding="utf-8"))
        return cls(places, [Host(places, HostSpec(**item["spec"]), item["description"]) for item in known])

    def _start_keeper(self, network: int) -> None:
        for key in (self.places.host_key, self.places.client_key):
            _make_key(key)
        link = f"mtls{network}"
        with self.places.keeper_log.open("wb") as log:
            self._keeper = subprocess.Popen(
                [program("unshare"), "--net", sys.executable, "-m", f"{__package__}.keeper", self.name, link],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=REPOSITORY,
                env=environment(),
                start_new_session=True,
            )
        assert self._keeper.stdout is not None
        with self._keeper.stdout as output:
            if output.readline() != b"listening\n":
                raise FleetError(f"The keeper of the fleet '{self.name}' did not start. {self.places.keeper_words()}")
        connect_machine(link, network)

    def _start_hosts(self, network: int, specs: Sequence[HostSpec], roots: Dict[str, Path]) -> None:
        addresses = {spec.name: address(network, number) for number, spec in enumerate(specs, 1)}
        host_public_key = _read(_public(self.places.host_key))
        common: Dict[str, Any] = {
            "addresses": addresses,
            "host_key": _read(self.places.host_key),
            "host_public_key": host_public_key,
            "client_public_key": _read(_public(self.places.client_key)),
            "mount_point": str(self.places.mount_point),
        }
        for number, spec in enumerate(specs, 1):
            own = {"address": addresses[spec.name], "root": str(roots[spec.release]), "port": f"port{number}"}
            self.hosts.append(Host(self.places, spec, {**dataclasses.asdict(spec), **common, **own}))
        self.places.known_hosts.write_text(known_hosts(addresses.values(), host_public_key), encoding="utf-8")
        self.places.inventory.write_text(inventory(self.places, specs, addresses), encoding="utf-8")
        self.reset()
        known = [{"spec": dataclasses.asdict(host.spec), "description": host.description} for host in self.hosts]
        self.places.description.write_text(json.dumps(known), encoding="utf-8")

    def reset(self) -> None:
        """Start all hosts anew, at the same time, with empty disks and their network in order."""
        ask(self.places, {"command": "boot", "hosts": [host.description for host in self.hosts]})

    def down(self) -> None:
        """Take the fleet down. When this returns nothing is left of it."""
        take_down(self.places)
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            self._keeper.stdin.close()
            self._keeper.wait()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.down()


def names() -> List[str]:
    """All fleets that are up, or have left files."""
    return sorted(path.name for path in BASE.iterdir()) if BASE.exists() else []


def _free_network() -> int:
    taken = {name for _index, name in socket.if_nameindex()}
    for number in range(_NETWORKS):
        if f"mtls{number}" not in taken:
            return number
    raise FleetError(f"All networks 10.99.0.0/24 to 10.99.{_NETWORKS - 1}.0/24 are taken by fleets.")


def _make_key(path: Path) -> None:
    command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "fleet", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _public(key: Path) -> Path:
    return key.with_name(key.name + ".pub")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
