# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring up SSH hosts on this machine, disturb them, and take them down."""

from __future__ import annotations

import argparse
import re
import shlex
import signal
import sys
from dataclasses import replace
from typing import Callable, Dict, List, Tuple

from . import fleet
from .accounts import USERS
from .errors import FleetError, require_root
from .host import Host
from .keeper_client import is_up, take_down
from .places import Places
from .roots import DEBIAN, build_roots
from .specification import HostSpec, parse_kind

_COUNT = re.compile(r"[0-9]{1,3}")
_LATENCY = "latency"
_CHANGES: Dict[str, Tuple[str, Callable[[Host, argparse.Namespace], None]]] = {
    "cut": ("pull a host's network plug: connections to it hang", lambda host, _arguments: host.cut()),
    "join": ("plug its network in again", lambda host, _arguments: host.join()),
    _LATENCY: (
        "make its round trips so many milliseconds longer; 0 ends that",
        lambda host, arguments: host.latency(arguments.milliseconds),
    ),
    "fill-disk": ("leave no byte free on its disk", lambda host, _arguments: host.fill_disk()),
    "free-disk": ("give it its free space back", lambda host, _arguments: host.free_disk()),
    "read-only": ("make its root read-only", lambda host, _arguments: host.read_only(True)),
    "writable": ("make its root writable again", lambda host, _arguments: host.read_only(False)),
    "kill": ("kill everything that runs on it, sshd too", lambda host, _arguments: host.kill()),
    "start": ("start its sshd again", lambda host, _arguments: host.start()),
    "reset": ("end it and start it anew, with an empty disk", lambda host, _arguments: host.reset()),
}
"""Command → what it does, for people, and how."""


def main() -> int:
    arguments = _parser().parse_args()
    try:
        require_root()
        arguments.run(arguments)
    except FleetError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring up a fleet, which stays until `down`")
    _add_name(up)
    up.add_argument(
        "--host",
        action="append",
        required=True,
        metavar="KIND[=COUNT]",
        help="machine, bullseye, bookworm or trixie; the latter three also with -bare: without cryptography",
    )
    up.add_argument("--user", choices=USERS, default="root", help="who Ansible logs in as (default: root)")
    up.add_argument("--disk", type=int, default=256, metavar="MEBIBYTES", help="the size of each disk (default: 256)")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="take a fleet down, or remove what a crashed one left")
    which = down.add_mutually_exclusive_group()
    _add_name(which)
    which.add_argument("--all", action="store_true", help="every fleet of this machine")
    down.set_defaults(run=_down)
    listing = commands.add_parser("list", help="the fleets of this machine, and their hosts")
    listing.set_defaults(run=_list)
    building = commands.add_parser("roots", help="build the roots of all Debian releases that are not built yet")
    building.set_defaults(run=_roots)
    for name, (text, change) in _CHANGES.items():
        one = commands.add_parser(name, help=text)
        if name == _LATENCY:
            one.add_argument("milliseconds", type=float)
        one.add_argument("hosts", nargs="+", metavar="HOST", help="a host's name, as `list` shows it")
        _add_name(one)
        one.set_defaults(run=_change, change=change)
    return parser


def _add_name(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--name", default="fleet", help="the fleet's name (default: fleet)")


def _up(arguments: argparse.Namespace) -> None:
    specs: List[HostSpec] = []
    for text in arguments.host:
        kind, equals, count = text.partition("=")
        if equals and not _COUNT.fullmatch(count):
            raise FleetError(f"--host {text}: the count '{count}' is no whole number below 1,000.")
        spec = replace(parse_kind(kind), user=arguments.user, disk_mebibytes=arguments.disk)
        specs += [spec] * int(count or "1")
    started = fleet.Fleet.up(arguments.name, specs, owned=False)
    print(f"Inventory: {started.inventory}")
    print(f"Try:       {shlex.join([*started.hosts[0].ssh_command(), 'cat', '/etc/os-release'])}")


def _down(arguments: argparse.Namespace) -> None:
    if not arguments.all and arguments.name not in fleet.names():
        raise FleetError(f"There is no fleet '{arguments.name}'.")
    for name in fleet.names() if arguments.all else [arguments.name]:
        take_down(Places(name))


def _change(arguments: argparse.Namespace) -> None:
    running = fleet.Fleet.attach(arguments.name)
    for host in [running.host(name) for name in arguments.hosts]:
        arguments.change(host, arguments)


def _list(_arguments: argparse.Namespace) -> None:
    for name in fleet.names():
        places = Places(name)
        if not is_up(places):
            print(f"{name}: was killed, and has left files; `down --name {name}` removes them")
        elif not places.description.exists():
            print(f"{name}: is coming up")
        else:
            print(f"{name}: {places.inventory}")
            for host in fleet.Fleet.attach(name).hosts:
                print(f"  {host.name} {host.address}")


def _roots(_arguments: argparse.Namespace) -> None:
    for release, root in build_roots(DEBIAN).items():
        print(f"{release}: {root}")


if __name__ == "__main__":
    # Whoever ends it, and however, it tidies up first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
