# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a fleet, as Ansible reads it."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable

from .places import Places
from .specification import HostSpec


def known_hosts(addresses: Iterable[str], host_public_key: str) -> str:
    """The file by which ssh knows the hosts: they all have the same key."""
    return "".join(f"{address} {host_public_key}" for address in addresses)


def ssh_options(places: Places) -> str:
    """Options for ssh that make it use nothing of the user's own configuration."""
    settings = ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={places.known_hosts}")
    others = ("GlobalKnownHostsFile=none", "IdentitiesOnly=yes")
    return " ".join(["-F none", *(f"-o {setting}" for setting in (*settings, *others))])


def inventory(places: Places, specs: Iterable[HostSpec], addresses: Dict[str, str]) -> str:
    """YAML (JSON is YAML): one group for each release, and `bare` for hosts without cryptography."""
    groups: Dict[str, Dict[str, Any]] = {}
    for spec in specs:
        variables = {
            "ansible_host": addresses[spec.name],
            "ansible_user": spec.user,
            "ansible_python_interpreter": spec.python,
        }
        groups.setdefault(spec.release, {"hosts": {}})["hosts"][spec.name] = variables
        if not spec.cryptography:
            groups.setdefault("bare", {"hosts": {}})["hosts"][spec.name] = {}
    common = {
        "ansible_connection": "ssh",
        "ansible_ssh_private_key_file": str(places.client_key),
        "ansible_ssh_common_args": ssh_options(places),
        "ansible_control_path_dir": str(places.control),
    }
    return json.dumps({"all": {"vars": common, "children": groups}}, indent=2) + "\n"
