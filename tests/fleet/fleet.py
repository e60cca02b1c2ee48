# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring fleets up and take them down."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Dict, Iterator, List, Optional, Sequence, Type

from .errors import FleetError, program, require_root
from .host import Host, ask_keeper
from .inventory import inventory, known_hosts
from .keeper import ip_batch
from .masters import end_masters
from .places import BASE, REPOSITORY, Places
from .roots import build_roots
from .specification import HostSpec, check_name, complete

_END_SECONDS = 60
_NETWORKS = 250


class Fleet:
    """A running fleet. As a context manager it is down at the block's end."""

    def __init__(self, places: Places, link: str, hosts: Sequence[Host]) -> None:
        self.places = places
        self.link = link
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

        owned: the fleet ends with this process, however that ends. Otherwise it stays until `down`.
        What a fleet of this name left that ended by a crash is removed first; FleetError if there is a running one.
        """
        require_root()
        check_name(name)
        specs = complete(specs)
        for needed in ("ip", "nsenter", "sshd", "ssh-keygen", "unshare"):
            program(needed)
        roots = build_roots(spec.release for spec in specs)
        places = Places(name)
        with _one_at_a_time():
            if places.directory.exists():
                if _keeper_pid(places) is not None:
                    raise FleetError(f"The fleet '{name}' is up already: take it down first, or choose another name.")
                _remove_remains(places)
            places.make()
            network = _free_network()
            fleet = cls(places, f"mtls{network}", [])
            try:
                fleet._start_keeper(network, owned)
            except BaseException:
                fleet.down()
                raise
        try:
            fleet._start_hosts(network, specs, roots)
        except BaseException:
            fleet.down()
            raise
        return fleet

    @classmethod
    def attach(cls, name: str) -> Fleet:
        """A fleet that is up already, brought up by this or another process."""
        places = Places(name)
        if not places.description.exists() or _keeper_pid(places) is None:
            raise FleetError(f"There is no running fleet '{name}'.")
        known = json.loads(places.description.read_text(encoding="utf-8"))
        hosts = [Host(places, HostSpec(**item["spec"]), item["description"]) for item in known["hosts"]]
        return cls(places, known["link"], hosts)

    def _start_keeper(self, network: int, owned: bool) -> None:
        for key in (self.places.host_key, self.places.client_key):
            _make_key(key)
        command = [program("unshare"), "--net", sys.executable, "-m", f"{__package__}.keeper", self.name, self.link]
        with self.places.keeper_log.open("wb") as log:
            self._keeper = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if owned else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=True,
            )
        assert self._keeper.stdout is not None
        with self._keeper.stdout as output:
            if output.readline() != b"listening\n":
                log_text = self.places.keeper_log.read_text(encoding="utf-8", errors="replace")
                raise FleetError(f"The fleet's keeper did not start: {log_text.strip()}")
        ip_batch(f"address add 10.99.{network}.254/24 dev {self.link}", f"link set {self.link} up")

    def _start_hosts(self, network: int, specs: Sequence[HostSpec], roots: Dict[str, Path]) -> None:
        addresses = {spec.name: f"10.99.{network}.{number}" for number, spec in enumerate(specs, 1)}
        host_public_key = _public_key(self.places.host_key)
        common = {
            "addresses": addresses,
            "host_key": self.places.host_key.read_text(encoding="utf-8"),
            "host_public_key": host_public_key,
            "client_public_key": _public_key(self.places.client_key),
            "mount_point": str(self.places.mount_point),
        }
        for number, spec in enumerate(specs, 1):
            own = {"address": addresses[spec.name], "root": str(roots[spec.release]), "port": f"port{number}"}
            description = {**dataclasses.asdict(spec), **common, **own}
            self.hosts.append(Host(self.places, spec, description))
        known = [{"spec": dataclasses.asdict(host.spec), "description": host.description} for host in self.hosts]
        self.places.description.write_text(json.dumps({"link": self.link, "hosts": known}), encoding="utf-8")
        self.places.known_hosts.write_text(known_hosts(f"10.99.{network}.", host_public_key), encoding="utf-8")
        self.places.inventory.write_text(inventory(self.places, specs, addresses), encoding="utf-8")
        self.reset()

    def reset(self) -> None:
        """Start all hosts anew, at the same time, with empty disks and their network in order."""
        ask_keeper(self.places, {"command": "boot", "hosts": [host.description for host in self.hosts]})

    def down(self) -> None:
        """Take the fleet down. When this returns nothing is left of it."""
        take_down(self.places)
        if self._keeper is not None:
            if self._keeper.stdin is not None:
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
    return sorted(path.name for path in BASE.iterdir() if path.is_dir()) if BASE.exists() else []


def is_up(name: str) -> bool:
    """Whether a fleet runs; one that does not has left files by a crash."""
    return _keeper_pid(Places(name)) is not None


def take_down(places: Places) -> None:
    """End a fleet's keeper, with all that hangs on it, and remove its files."""
    pid = _keeper_pid(places)
    if pid is not None:
        process = os.pidfd_open(pid)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.connect(str(places.socket))
                connection.sendall(b'{"command": "end"}\n')
                if not select.select([process], [], [], _END_SECONDS)[0]:
                    raise FleetError(f"The keeper of the fleet '{places.name}', process {pid}, does not end.")
        finally:
            os.close(process)
    if places.directory.exists():
        _remove_remains(places)


def _remove_remains(places: Places) -> None:
    """Remove what a fleet left whose keeper was killed: the kernel has removed the rest."""
    end_masters(places.control)
    places.remove()


def _keeper_pid(places: Places) -> Optional[int]:
    """The process that listens at the fleet's socket; None where nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(places.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid: int = struct.unpack("3i", credentials)[0]
        return pid


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Names and networks are taken by one process of the machine at a time."""
    BASE.mkdir(mode=0o755, exist_ok=True)
    directory = os.open(BASE, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _free_network() -> int:
    taken = {name for _index, name in socket.if_nameindex()}
    for number in range(_NETWORKS):
        if f"mtls{number}" not in taken:
            return number
    raise FleetError("All networks 10.99.0.0/24 to 10.99.249.0/24 are taken by fleets.")


def _make_key(path: Path) -> None:
    command = [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "fleet", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _public_key(path: Path) -> str:
    return path.with_name(path.name + ".pub").read_text(encoding="utf-8")
