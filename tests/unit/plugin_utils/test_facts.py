# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that would decide who gets which certificate."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils.facts import check_facts

REFUSED = ("mtls_credentials__evil", "mtls_root", "mtls_", "inventory_hostname", "inventory_dir", "group_names")


@pytest.mark.parametrize("fact", REFUSED)
def test_they_are_named(fact: str) -> None:
    with pytest.raises(InputError, match="the host has the fact {0!r}".format(fact)) as caught:
        check_facts({"ansible_facts": {"distribution": "Debian", fact: "somebody's passphrase"}})
    assert "clear_facts" in str(caught.value)
    assert "somebody" not in str(caught.value)


@pytest.mark.parametrize(
    "facts",
    [
        None,
        {},
        "no map",
        {"distribution": "Debian", "hostname": "web1", "inventory_of_hardware": 1, "my_mtls_fact": 1},
        {"ansible_local": {"mtls_credentials": []}, "local": {"mtls_root": "/"}},
    ],
)
def test_others_are_fine(facts: Any) -> None:
    check_facts({"ansible_facts": facts, "mtls_credentials": [], "inventory_hostname": "web1"})
    check_facts({})
