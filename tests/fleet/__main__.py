# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring up SSH hosts on this machine, and take them down: `up`, `down`, `list`, `roots`."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from typing import List

from . import fleet
from .accounts import USERS
from .errors import FleetError, require_root
from .keeper_client import is_up, take_down
from .places import Places
from .roots import DEBIAN, build_roots
from .specification import HostSpec, parse_kind


def main() -> int:
    arguments = _parser().parse_args()
    try:
        require_root()
        {"up": _up, "down": _down, "list": _list, "roots": _roots}[arguments.command](arguments)
    except FleetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fleet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring up a fleet, which stays until `down`")
    up.add_argument("--name", default="fleet", help="the fleet's name (default: fleet)")
    up.add_argument(
        "--host",
        action="append",
        required=True,
        metavar="KIND[=COUNT]",
        help="machine, bullseye, bookworm or trixie; the latter three also with -bare: without cryptography",
    )
    up.add_argument("--user", choices=USERS, default="root", help="who Ansible logs in as (default: root)")
    up.add_argument("--disk", type=int, default=256, metavar="MEBIBYTES", help="the size of each disk (default: 256)")
    down = commands.add_parser("down", help="take a fleet down, or remove what a crashed one left")
    which = down.add_mutually_exclusive_group()
    which.add_argument("--name", default="fleet", help="the fleet's name (default: fleet)")
    which.add_argument("--all", action="store_true", help="every fleet of this machine")
    commands.add_parser("list", help="the fleets of this machine")
    commands.add_parser("roots", help="build the roots of all Debian releases that are not built yet")
    return parser


def _up(arguments: argparse.Namespace) -> None:
    specs: List[HostSpec] = []
    for text in arguments.host:
        kind, _equals, count = text.partition("=")
        if not (count or "1").isdigit():
            raise FleetError(f"--host {text}: the count '{count}' is no number.")
        spec = replace(parse_kind(kind), user=arguments.user, disk_mebibytes=arguments.disk)
        specs += [spec] * int(count or "1")
    started = fleet.Fleet.up(arguments.name, specs, owned=False)
    print(f"Inventory: {started.inventory}")
    print(f"Try:       {shlex.join([*started.hosts[0].ssh_command(), 'cat', '/etc/os-release'])}")


def _down(arguments: argparse.Namespace) -> None:
    names = fleet.names() if arguments.all else [arguments.name]
    for name in names:
        if name not in fleet.names():
            raise FleetError(f"There is no fleet '{name}'.")
        take_down(Places(name))


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
    sys.exit(main())
