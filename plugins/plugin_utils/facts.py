# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must not say about itself.

Any module's answer, and any fact cache, may carry `ansible_facts`. Ansible makes variables of them that win over the
inventory's, even over a host's name: a host could order credentials for itself, or be another host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..module_utils.errors import InputError

_PREFIX = "mtls_"
_IDENTITY = frozenset(
    (
        "group_names",
        "inventory_dir",
        "inventory_file",
        "inventory_hostname",
        "inventory_hostname_short",
        "omit",
        "role_name",
        "role_path",
    )
)
"""Variables of Ansible's own that a fact replaces (tried with 2.17, 2.19 and 2.21)."""
_SHOWN = 100


def check_facts(variables: Mapping[str, Any]) -> None:
    """Raise InputError, naming the fact, where one replaces a variable that decides who gets which certificate.

    `variables` are a task's. Only the top level counts: what stands deeper, as in `ansible_local`, replaces nothing.
    """
    facts = variables.get("ansible_facts")
    if not isinstance(facts, Mapping):
        return
    for fact in sorted(str(key) for key in facts):
        # Ansible takes `ansible_` away from facts' names here, so both spellings look the same.
        if fact.startswith(_PREFIX) or fact in _IDENTITY:
            raise InputError(
                "the host has the fact {0!r}, which would win over the inventory's variable of that name: a host "
                "could give itself anyone's certificate. If a play sets it (set_fact with cacheable: true), put it "
                "into the inventory or leave cacheable out. If not, find out which module on the host returned it. "
                "Then remove it from the fact cache (meta: clear_facts, or ansible-playbook --flush-cache)".format(
                    fact[:_SHOWN]
                )
            )
