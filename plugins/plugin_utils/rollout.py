# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout's beginning and its gate: what the hosts' variables ask for, and whether the next batch may begin."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from ..module_utils.errors import InputError
from . import batches
from .batches import Size

SIZES = batches.VARIABLE
VALUE = "mtls_rollout_by"
DEFAULT_SIZES = (1, "10%", "100%")
_REMEDY = "set it where all of these hosts get it, such as group_vars/all, or pass it with -e"


def common_sizes(hosts: Sequence[str], given: Mapping[str, Any]) -> List[Size]:
    """The one list of batch sizes that `hosts` agree on; `given` holds it, as plain values, for those that have it.

    One size counts as a list of it; null counts as not given, and `DEFAULT_SIZES` hold where nobody has any. Raises
    InputError, naming two hosts, where they disagree: a run has one rollout.
    """
    stated = {host: _listed(given.get(host)) for host in hosts}
    for host in hosts[1:]:
        first = hosts[0]
        # As texts: what was made by a template is one, where the same size in YAML is a number.
        if [str(size) for size in stated[host]] != [str(size) for size in stated[first]]:
            raise InputError(
                "{0} is {1} for {2}, but {3} for {4}; a run has one rollout: {5}".format(
                    SIZES, _shown(stated[first]), first, _shown(stated[host]), host, _REMEDY
                )
            )
    agreed = stated[hosts[0]] if hosts else []
    return agreed or list(DEFAULT_SIZES)


def stand_ins(given: Mapping[str, Any]) -> Dict[str, str]:
    """What the hosts with a value share with those that stand in for them. Null and empty text are no value.

    Raises InputError for anything but a text or a whole number.
    """
    values = {}
    for host, value in given.items():
        if value is None or value == "":
            continue
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise InputError(
                "{0} of {1} must be text: a name that only the hosts share which stand in for each other".format(
                    VALUE, host
                )
            )
        values[host] = str(value)
    return values


def has_succeeded(result: Mapping[str, Any]) -> bool:
    """Whether a host's result proves that all its credentials are as they should be, or wait for their issuer."""
    return "credentials" in result and not result.get("failed") and not result.get("unreachable")


def batch_before(plan: Sequence[Sequence[str]], running: Sequence[str]) -> List[str]:
    """The batch of `plan` before the `running` one; empty for the first.

    Raises InputError where the running hosts are of no batch, or of several: nothing would hold them apart.
    """
    for number, batch in enumerate(plan):
        if set(running) <= set(batch):
            return list(plan[number - 1]) if number else []
    raise InputError(
        "the hosts {0} run together, but are no batch of the plan; give the play the plan's hosts and serial, as the "
        "playbook mutual.tls.rotate does".format(", ".join(running))
    )


def _listed(value: Any) -> List[Any]:
    if value is None:
        return []
    if isinstance(value, list) and not value:
        raise InputError("{0} is an empty list; leave it out for {1}".format(SIZES, _shown(list(DEFAULT_SIZES))))
    return value if isinstance(value, list) else [value]


def _shown(sizes: Sequence[Any]) -> str:
    return "[{0}]".format(", ".join(map(str, sizes))) if sizes else "not set"
