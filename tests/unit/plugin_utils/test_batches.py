# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches: nobody lost, nobody twice, nobody beside its stand-in, no batch too many."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Dict, List, Sequence, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils.batches import plan

TEN = [f"h{number}" for number in range(10)]
PAIRS = {host: host[0] for host in ["a1", "a2", "b1", "b2", "c1", "c2"]}

PLANS: Dict[str, Tuple[List[str], List[Any], Dict[str, str], List[int]]] = {
    "one by one": (TEN[:3], [1], {}, [1, 1, 1]),
    "the last size repeats": (TEN, [1, 3], {}, [1, 3, 3, 3]),
    "percent of all hosts": (TEN, [1, "20%", "100%"], {}, [1, 2, 7]),
    "rounded down": (TEN, ["25%"], {}, [2, 2, 2, 2, 2]),
    "at least one": (TEN[:3], ["10%"], {}, [1, 1, 1]),
    "more than there are": (TEN, [1000], {}, [10]),
    "numbers as text": (TEN, ["4"], {}, [4, 4, 2]),
    "no host": ([], [1], {}, []),
    "values that nobody shares": (TEN, ["100%"], {host: host for host in TEN}, [10]),
    "everybody shares one": (TEN, ["100%"], dict.fromkeys(TEN, "x"), [1] * 10),
}


@pytest.mark.parametrize(("hosts", "rollout", "by", "lengths"), PLANS.values(), ids=PLANS.keys())
def test_sizes(hosts: List[str], rollout: List[Any], by: Dict[str, str], lengths: List[int]) -> None:
    batches = plan(hosts, rollout, by)
    assert [len(batch) for batch in batches] == lengths
    assert [host for batch in batches for host in batch] == hosts


def test_pairs_are_parted_and_the_order_is_kept_otherwise() -> None:
    hosts = ["a1", "a2", "b1", "b2", "alone", "c1", "c2"]
    assert plan(hosts, [1, "100%"], PAIRS) == [["a1"], ["a2", "b1", "alone", "c1"], ["b2", "c2"]]


def test_a_host_without_value_is_like_no_other() -> None:
    hosts = ["a1", "x", "y", "z"]
    assert plan(hosts, ["100%"], {"a1": "x"}) == [hosts]


def test_the_largest_value_goes_first_where_the_order_would_cost_a_batch() -> None:
    hosts = ["b", "c", "d", "a1", "a2", "a3"]
    # In order it would be [b, c], [d, a1], [a2], [a3].
    assert plan(hosts, [2], PAIRS | {"a3": "a"}) == [["b", "a1"], ["c", "a2"], ["d", "a3"]]


def test_a_host_named_twice_is_one() -> None:
    assert plan(["a", "b", "a"], [1], {}) == [["a"], ["b"]]


REFUSED: Dict[str, Any] = {
    "zero": 0,
    "zero as text": "0",
    "no percent": "0%",
    "too many percent": "150%",
    "negative": -1,
    "negative as text": "-1",
    "true": True,
    "text": "x",
    "empty": "",
    "null": None,
    "fraction": 1.5,
    "fraction of a percent": "12.5%",
    "list": [1],
    "space": "10 %",
    "digits of other scripts": "١",
    "endless": "1" * 5000,
}


@pytest.mark.parametrize("size", REFUSED.values(), ids=REFUSED.keys())
def test_refuses_what_is_no_size(size: Any) -> None:
    with pytest.raises(InputError, match=r"mtls_rollout\[1\]: .* is no size of a batch"):
        plan(TEN, [1, size], {})


@pytest.mark.parametrize("rollout", [[], None, 1, "10%", {"size": 1}])
def test_refuses_what_is_no_list(rollout: Any) -> None:
    with pytest.raises(InputError, match="mtls_rollout must be a list"):
        plan(TEN, rollout, {})


def needed(groups: Sequence[int], sizes: Sequence[int]) -> int:
    """The fewest batches of these sizes (the last one repeats) that part groups of these many hosts.

    The theorem of Gale and Ryser: it can be done if, for every j, the j largest groups find places where each batch
    has at most j for them.
    """
    totals = list(accumulate(sorted(groups, reverse=True)))
    number = 0
    while True:
        batches = [sizes[min(index, len(sizes) - 1)] for index in range(number)]
        if all(total <= sum(min(size, j) for size in batches) for j, total in enumerate(totals, 1)):
            return number
        number += 1


@st.composite
def fleets(draw: st.DrawFn) -> Tuple[List[str], List[int], Dict[str, str]]:
    hosts = [f"h{number}" for number in range(draw(st.integers(0, 24)))]
    values = draw(st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), min_size=len(hosts), max_size=len(hosts)))
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    return hosts, sizes, {host: value for host, value in zip(hosts, values) if value}


@given(fleets())
def test_every_plan_is_whole_careful_and_short(fleet: Tuple[List[str], List[int], Dict[str, str]]) -> None:
    hosts, sizes, by = fleet
    batches = plan(hosts, sizes, by)
    assert sorted(host for batch in batches for host in batch) == sorted(hosts)
    for number, batch in enumerate(batches):
        assert 1 <= len(batch) <= sizes[min(number, len(sizes) - 1)]
        assert batch == sorted(batch, key=hosts.index)
        values = [by[host] for host in batch if host in by]
        assert len(values) == len(set(values))
    groups = [list(by.values()).count(value) for value in set(by.values())] + [1] * (len(hosts) - len(by))
    assert len(batches) == needed(groups, sizes)


@given(fleets())
def test_hosts_of_one_value_keep_their_order(fleet: Tuple[List[str], List[int], Dict[str, str]]) -> None:
    hosts, sizes, by = fleet
    worked = [host for batch in plan(hosts, sizes, by) for host in batch]
    for value in set(by.values()):
        assert [host for host in worked if by.get(host) == value] == [host for host in hosts if by.get(host) == value]
