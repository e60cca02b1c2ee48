# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Did a playbook do what its time is taken for? Its own recap says."""

from __future__ import annotations

import re
from typing import Collection, Dict, Optional

from .errors import BenchError

_LINE = re.compile(r"^(\S+)\s+: ((?:\w+=\d+\s*)+)$", re.MULTILINE)


def counts(output: str) -> Dict[str, Dict[str, int]]:
    """What ansible-playbook counted for each host, as in {"web-1": {"ok": 3, "changed": 0, ...}}."""
    recap = output.rpartition("PLAY RECAP")[2]
    found: Dict[str, Dict[str, int]] = {}
    for host, fields in _LINE.findall(recap):
        found[host] = {name: int(number) for name, _equals, number in (item.partition("=") for item in fields.split())}
    return found


def check(output: str, hosts: Collection[str], changes: Optional[bool]) -> None:
    """BenchError unless every host was reached, none failed, and each one changed (True), or did not (False).

    `changes` None allows both.
    """
    found = counts(output)
    for host in hosts:
        if host not in found:
            raise BenchError(f"{host} is not in the playbook's recap")
        if found[host]["unreachable"] or found[host]["failed"] or not found[host]["ok"]:
            raise BenchError(f"{host} did not succeed: {found[host]}")
        if changes is not None and bool(found[host]["changed"]) != changes:
            wanted = "something" if changes else "nothing"
            raise BenchError(f"{host} should have changed {wanted}: {found[host]}")
