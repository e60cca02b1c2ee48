# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own CAs of a play: what each host lists, without its secrets, and which of the hosts takes care of each."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ..module_utils.arguments import SECRET_OPTIONS, Spec
from ..module_utils.errors import InputError
from ..module_utils.ownca.options import argument_spec
from .structure import check, check_secrets, without_nulls

Description = Dict[str, Any]

_VARIABLE = "mtls_ownca_authorities"


def descriptions(
    authorities: Sequence[Any], issuers: Mapping[str, Any], state_directory: str, base: str
) -> List[Description]:
    """What a host's list says of each own CA, checked, without passphrases, and with the path of its directory.

    A directory that is not stated is the issuer's, else ownca/<name> in the state directory; relative paths begin at
    `base`. Raises InputError naming the option.
    """
    return [_description(item, number, issuers, state_directory, base) for number, item in enumerate(authorities)]


def keepers(listed: Mapping[str, Sequence[Description]]) -> Dict[str, List[Description]]:
    """Which host takes care of which own CAs: of each directory the first host that lists it.

    `listed` are the descriptions by host. Raises InputError naming two hosts that describe one CA in different ways.
    """
    first: Dict[str, Tuple[str, Description]] = {}
    kept: Dict[str, List[Description]] = {}
    for host, items in listed.items():
        for item in items:
            if item["directory"] not in first:
                first[item["directory"]] = (host, item)
                kept.setdefault(host, []).append(item)
            _check_alike(first[item["directory"]], (host, item))
    return kept


def _check_alike(one: Tuple[str, Description], other: Tuple[str, Description]) -> None:
    different = sorted(key for key in {*one[1], *other[1]} if one[1].get(key) != other[1].get(key))
    if different:
        raise InputError(
            "the own CA in {0} is described in different ways ({1}) for the hosts {2} and {3}; describe it once, or "
            "alike wherever {4} lists it".format(one[1]["directory"], ", ".join(different), one[0], other[0], _VARIABLE)
        )


def _description(item: Any, number: int, issuers: Mapping[str, Any], state_directory: str, base: str) -> Description:
    where = "{0}[{1}]".format(_VARIABLE, number)
    if not isinstance(item, dict):
        raise InputError("{0} must be a map that begins with a name".format(where))
    given = without_nulls(_spec(), item)
    check(_spec(), given, where)
    if not given.get("name"):
        raise InputError("{0}.name: missing; give the name of the issuer that issues from this CA".format(where))
    name = given["name"]
    issuer = issuers.get(name) or {}
    if not isinstance(issuer, dict):
        raise InputError("mtls_issuers.{0} must be a map of options".format(name))
    check_secrets(issuer, "mtls_issuers.{0}".format(name))
    if "passphrase" not in given and issuer.get("passphrase") is None:
        raise InputError(
            "{0}.passphrase: missing; state the passphrase of own CA {1!r} here or as that of the issuer in "
            "mtls_issuers".format(where, name)
        )
    path = given.get("directory") or issuer.get("directory") or os.path.join(state_directory, "ownca", name)
    described = {key: value for key, value in given.items() if key not in SECRET_OPTIONS}
    return {**described, "directory": os.path.normpath(os.path.join(base, os.path.expanduser(path)))}


def _spec() -> Spec:
    options = {key: option for key, option in argument_spec().items() if key != "state_directory"}
    return {"name": {"type": "str"}, **options}
