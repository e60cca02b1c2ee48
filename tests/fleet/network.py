# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet's network, as its keeper makes it: a switch, a link to the machine, and one port for each host.

All functions but `ip_batch` and `connect_machine` are for the keeper's own network namespace.
"""

from __future__ import annotations

import subprocess
import sys
from typing import List, Tuple

from .errors import FleetError, program
from .places import REPOSITORY

_SWITCH = "switch"
_UPLINK = "uplink"


def address(network: int, number: int) -> str:
    """The address of a fleet's host; a fleet's network is 10.99.<network>.0/24."""
    return f"10.99.{network}.{number}"


def machine_address(network: int) -> str:
    """The machine's own address among a fleet's hosts."""
    return address(network, 254)


def ip_batch(*lines: str) -> None:
    """Run commands of ip(8) in this process's network; FleetError says which one it refused."""
    outcome = _ip(["-batch", "-"], lines)
    if outcome.returncode != 0:
        raise FleetError(f"The network could not be changed: {outcome.stderr.strip()}")


def _ip(arguments: List[str], lines: Tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    text = "".join(f"{line}\n" for line in lines)
    return subprocess.run([program("ip"), *arguments], input=text, capture_output=True, text=True, check=False)


def make_switch(link: str, machine: int) -> None:
    """Make the switch, and its link to the network that the process `machine` is in."""
    ip_batch(
        f"link add {_SWITCH} type bridge",
        f"link add {_UPLINK} type veth peer name {link} netns {machine}",
        f"link set {_UPLINK} master {_SWITCH} up",
        f"link set {_SWITCH} up",
    )


def connect_machine(link: str, network: int) -> None:
    """Give the machine's end of the link its address."""
    ip_batch(f"address add {machine_address(network)}/24 dev {link}", f"link set {link} up")


def disconnect_machine() -> None:
    """Remove the link to the machine, at once."""
    ip_batch(f"link delete {_UPLINK}")


def port_commands(port: str, host_address: str, pid: int) -> List[str]:
    """What makes a port, with its other end as `eth0` of the host that the process `pid` is in."""
    # A host that begins anew has the card it had, so that nobody has to learn its address again.
    card = ":".join(["02", "00", *(f"{int(part):02x}" for part in host_address.split("."))])
    return [
        f"link add {port} type veth peer name eth0 address {card} netns {pid}",
        f"link set {port} master {_SWITCH} up",
    ]


def delete_ports(ports: List[str]) -> None:
    """Delete ports, at once. Those of a host that has ended may go, or have gone, by themselves."""
    _ip(["-force", "-batch", "-"], tuple(f"link delete {port}" for port in ports))


class SlowLine:
    """A relay between a port and the switch, which hands frames on only after a while."""

    def __init__(self, port: str, milliseconds: float) -> None:
        """The round trip takes so many milliseconds longer from now on."""
        self._port = port
        near, far = f"{port}-near", f"{port}-far"
        self._near = near
        ip_batch(
            f"link set {port} nomaster",
            f"link add {near} type veth peer name {far}",
            f"link set {near} up",
            f"link set {far} master {_SWITCH} up",
        )
        command = [sys.executable, "-m", f"{__package__}.relay", port, near, str(milliseconds / 2000)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, start_new_session=True
        )
        assert self._process.stdout is not None
        with self._process.stdout as output:
            if output.readline() != b"relaying\n":
                raise FleetError(f"The relay at {port} did not start: see the keeper's log.")

    def end(self) -> None:
        """Stop the relay."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        ip_batch(f"link delete {self._near}")

    def end_and_reconnect(self) -> None:
        """Stop the relay, and connect the port to the switch itself."""
        self.end()
        ip_batch(f"link set {self._port} master {_SWITCH}")
