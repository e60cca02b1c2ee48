# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain values from Ansible's own types, whatever the release. Vaulted ones: see the integration tests."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils.plain import plain

pytestmark = pytest.mark.compat


def test_marked_values_lose_their_marks() -> None:
    value = plain(wrap_var({"a": ["x", 1, True, None, 1.5], "b": {"c": "{{ y }}"}}), "x")
    assert value == {"a": ["x", 1, True, None, 1.5], "b": {"c": "{{ y }}"}}
    assert type(value) is dict
    assert type(value["a"]) is list
    assert [type(item) for item in value["a"]] == [str, int, bool, type(None), float]
    assert type(value["b"]["c"]) is str


@pytest.mark.parametrize("value", [datetime.date(2026, 1, 1), b"bytes", {1}, {"a": [object()]}, {7: "x"}])
def test_what_json_has_not_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="option"):
        plain(value, "option")


def test_a_list_within_itself_ends() -> None:
    loop: Any = []
    loop.append(loop)
    with pytest.raises(InputError, match="too deeply"):
        plain(loop, "option")
