# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody wants a host to be."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from typing import Dict, List, Sequence

from .accounts import USERS
from .errors import FleetError
from .roots import MACHINE, RELEASES

_BARE = "-bare"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
# The network has addresses .1 to .253 for hosts.
_MOST_HOSTS = 253
# Nobody's memory holds more, and the kernel takes larger numbers for something else.
_MOST_MEBIBYTES = 1 << 20


@dataclass(frozen=True)
class HostSpec:
    """One host. What is left empty gets a default: names count up, Python is the release's own.

    release: "machine" (this machine's files), "bullseye", "bookworm" or "trixie".
    user: who Ansible logs in as: "root", "deploy" (sudo without password) or "plain" (no sudo).
    cryptography: whether the host has python3-cryptography; if not, its apt can install it offline.
    disk_mebibytes: the size of what the host can write; it takes memory only as it is filled.
    """

    release: str = MACHINE
    name: str = ""
    user: str = "root"
    cryptography: bool = True
    python: str = ""
    disk_mebibytes: int = 256

    @property
    def kind(self) -> str:
        """The release, with "-bare" where cryptography is missing: how hosts are called and asked for."""
        return self.release if self.cryptography else self.release + _BARE


def parse_kind(text: str) -> HostSpec:
    """A specification from "bookworm" or "bookworm-bare"."""
    release = text[: -len(_BARE)] if text.endswith(_BARE) else text
    return HostSpec(release=release, cryptography=release == text)


def complete(specs: Sequence[HostSpec]) -> List[HostSpec]:
    """Check specifications and fill in their defaults; FleetError says what is wrong with which one."""
    if not 0 < len(specs) <= _MOST_HOSTS:
        raise FleetError(f"A fleet has 1 to {_MOST_HOSTS} hosts, not {len(specs)}.")
    counts: Dict[str, int] = {}
    result: List[HostSpec] = []
    for spec in specs:
        counts[spec.kind] = counts.get(spec.kind, 0) + 1
        name = spec.name or f"{spec.kind}-{counts[spec.kind]}"
        _check(spec, name)
        python = spec.python or (sys.executable if spec.release == MACHINE else "/usr/bin/python3")
        result.append(replace(spec, name=name, python=python))
    names = [spec.name for spec in result]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise FleetError(f"Two hosts have the same name: {', '.join(doubles)}.")
    return result


def _check(spec: HostSpec, name: str) -> None:
    if spec.release not in RELEASES:
        raise FleetError(f"There is no release '{spec.release}'; there are: {', '.join(RELEASES)}.")
    if spec.user not in USERS:
        raise FleetError(f"There is no user '{spec.user}' on hosts; there are: {', '.join(USERS)}.")
    if spec.release == MACHINE and not spec.cryptography:
        raise FleetError("cryptography can be removed from Debian releases only, not from 'machine'.")
    if not 1 <= spec.disk_mebibytes <= _MOST_MEBIBYTES:
        raise FleetError(f"The disk of {name} must have 1 to {_MOST_MEBIBYTES} MiB, not {spec.disk_mebibytes}.")
    check_name(name)


def check_name(name: str) -> None:
    """Names of hosts and fleets become file names and network names."""
    if not _NAME.fullmatch(name):
        raise FleetError(
            f"The name '{name}' does not fit: up to 31 lower-case letters, digits and '-', a letter first."
        )
