# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which batches a fleet is worked on.

Sizes work as those of Ansible's `serial` do. In addition, hosts that stand in for each other (`by` has the same value
for them) never share a batch, so that one of them is always left alone.

Hosts are taken in the inventory's order: each batch takes those whose value it does not hold yet, until it is full.
Only where that needs more batches than have to be, each batch first takes the values with the most hosts left; no way
of filling batches of these sizes needs fewer.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import chain, repeat
from typing import Callable, Dict, Iterator, List, Mapping, Sequence, Union

from ..module_utils.errors import InputError

VARIABLE = "mtls_rollout"
Size = Union[int, str]
_NUMBER = re.compile(r"([0-9]{1,9})(%?)", re.ASCII)
_REMEDY = 'write numbers of hosts (1 or more) or percentages ("1%" to "100%"), such as [1, "10%", "100%"]'


def plan(hosts: Sequence[str], rollout: Sequence[Size], by: Mapping[str, str]) -> List[List[str]]:
    """All `hosts` in batches; `by` gives the value of those that have one.

    `rollout` holds the batches' sizes, as numbers or as percentages of all hosts (rounded down, at least 1); the last
    one repeats. Raises InputError for sizes that are none.
    """
    hosts = list(dict.fromkeys(hosts))
    sizes = read_sizes(rollout, len(hosts))
    # A host without a value is on its own; a pair of it and nothing is unlike every value.
    values: Dict[str, object] = {host: by.get(host, (host, None)) for host in hosts}
    in_order = _fill(hosts, sizes, values, lambda left: left)
    if len(set(values.values())) == len(values):
        return in_order
    fewest = _fill(hosts, sizes, values, lambda left: _most_left_first(left, values))
    return in_order if len(in_order) <= len(fewest) else fewest


def read_sizes(rollout: Sequence[Size], total: int) -> List[int]:
    """The sizes as numbers of hosts, of `total` hosts. Raises InputError."""
    if not isinstance(rollout, (list, tuple)) or not rollout:
        raise InputError("{0} must be a list with at least one size: {1}".format(VARIABLE, _REMEDY))
    return [_size(item, total, "{0}[{1}]".format(VARIABLE, number)) for number, item in enumerate(rollout)]


def _size(item: Size, total: int, where: str) -> int:
    # True is a number in Python.
    match = _NUMBER.fullmatch(str(item)) if isinstance(item, (int, str)) and not isinstance(item, bool) else None
    number = int(match.group(1)) if match else 0
    percent = match is not None and match.group(2) == "%"
    if number < 1 or (percent and number > 100):
        raise InputError("{0}: {1!r} is no size of a batch; {2}".format(where, item, _REMEDY))
    return max(1, total * number // 100) if percent else number


def _fill(
    hosts: Sequence[str],
    sizes: Sequence[int],
    values: Mapping[str, object],
    ordered: Callable[[List[str]], List[str]],
) -> List[List[str]]:
    batches: List[List[str]] = []
    left = list(hosts)
    following: Iterator[int] = chain(sizes, repeat(sizes[-1]))
    while left:
        size = next(following)
        chosen: Dict[object, str] = {}
        for host in ordered(left):
            if len(chosen) == size:
                break
            chosen.setdefault(values[host], host)
        taken = set(chosen.values())
        batches.append([host for host in left if host in taken])
        left = [host for host in left if host not in taken]
    return batches


def _most_left_first(left: List[str], values: Mapping[str, object]) -> List[str]:
    counts = Counter(values[host] for host in left)
    return sorted(left, key=lambda host: -counts[values[host]])
