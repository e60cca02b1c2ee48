# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts ask of a rollout, and what lets the next batch begin."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils.rollout import (
    batch_before,
    common_sizes,
    has_succeeded,
    stand_ins,
)

HOSTS = ["a", "b", "c"]

AGREED: Dict[str, Tuple[Dict[str, Any], List[Any]]] = {
    "nobody says": ({}, [1, "10%", "100%"]),
    "null": (dict.fromkeys(HOSTS), [1, "10%", "100%"]),
    "all say the same": ({host: [2, "50%"] for host in HOSTS}, [2, "50%"]),
    "one size": (dict.fromkeys(HOSTS, "50%"), ["50%"]),
    "a number and the same as text": ({"a": [2], "b": "2", "c": 2}, [2]),
}


@pytest.mark.parametrize(("given", "sizes"), AGREED.values(), ids=AGREED.keys())
def test_common_sizes(given: Dict[str, Any], sizes: List[Any]) -> None:
    assert common_sizes(HOSTS, given) == sizes


def test_no_hosts_have_the_default() -> None:
    assert common_sizes([], {}) == [1, "10%", "100%"]


DISAGREED: Dict[str, Tuple[Dict[str, Any], str]] = {
    "another list": ({"a": [1], "b": [1], "c": [1, 2]}, "mtls_rollout is [1] for a, but [1, 2] for c"),
    "none": ({"a": [1], "c": [1]}, "mtls_rollout is [1] for a, but not set for b"),
    "only one has it": ({"b": "5%"}, "mtls_rollout is not set for a, but [5%] for b"),
    "empty list": ({"a": []}, "mtls_rollout is an empty list; leave it out for [1, 10%, 100%]"),
}


@pytest.mark.parametrize(("given", "message"), DISAGREED.values(), ids=DISAGREED.keys())
def test_hosts_that_disagree_are_named(given: Dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        common_sizes(HOSTS, given)
    assert message in str(caught.value)


def test_stand_ins() -> None:
    assert stand_ins({"a": "pair", "b": None, "c": "", "d": 7}) == {"a": "pair", "d": "7"}


@pytest.mark.parametrize("value", [True, 1.5, ["pair"], {"pair": 1}])
def test_a_value_is_a_name(value: Any) -> None:
    with pytest.raises(InputError, match="mtls_rollout_by of a must be text"):
        stand_ins({"a": value})


RESULTS: Dict[str, Tuple[Dict[str, Any], bool]] = {
    "none": ({}, False),
    "good": ({"credentials": [], "failed": False}, True),
    "without a word on failure": ({"credentials": []}, True),
    "one credential failed": ({"credentials": [{}], "failed": True, "msg": "x"}, False),
    "the task failed": ({"failed": True, "msg": "x"}, False),
    "unreachable": ({"unreachable": True, "msg": "x"}, False),
    "skipped": ({"skipped": True, "failed": False}, False),
}


@pytest.mark.parametrize(("result", "expected"), RESULTS.values(), ids=RESULTS.keys())
def test_only_a_whole_result_is_a_success(result: Dict[str, Any], expected: bool) -> None:
    assert has_succeeded(result) is expected


def test_the_batch_before() -> None:
    plan = [["a"], ["b", "c"], ["d"]]
    assert batch_before(plan, ["a"]) == []
    assert batch_before(plan, ["c", "b"]) == ["a"]
    # Another host of the batch was lost earlier.
    assert batch_before(plan, ["c"]) == ["a"]
    assert batch_before(plan, ["d"]) == ["b", "c"]


@pytest.mark.parametrize("running", [["a", "b"], ["a", "b", "c", "d"], ["x"], ["b", "x"]])
def test_what_is_no_batch_is_refused(running: List[str]) -> None:
    with pytest.raises(InputError, match="no batch of the plan"):
        batch_before([["a"], ["b", "c"], ["d"]], running)
