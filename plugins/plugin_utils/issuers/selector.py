# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the issuer that an entry of `mtls_issuers` describes. A new type of issuer is one more line here."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple, Type

from ...module_utils.errors import InputError
from ...module_utils.state_directory import StateDirectory
from . import ownca
from .base import Issuer

_ISSUERS: Dict[str, Type[Issuer]] = {"ownca": ownca.OwnCa}

TYPES: Tuple[str, ...] = tuple(sorted(_ISSUERS))

PATH_OPTIONS: Dict[str, Tuple[str, ...]] = {"ownca": ownca.PATH_OPTIONS}
"""Options that are paths, by type; whoever calls `configure` has made them absolute."""


def configure(name: str, options: Mapping[str, Any], state_directory: StateDirectory) -> Issuer:
    """The issuer `name`. Raises InputError, naming the valid ones, for an unknown type or option."""
    if not isinstance(options, Mapping):
        raise InputError("issuer {0}: must be a map such as {{type: ownca, passphrase: ...}}".format(name))
    kind = options.get("type")
    if not isinstance(kind, str) or kind not in _ISSUERS:
        stated = "type is missing" if kind is None else "unknown type {0!r}".format(kind)
        raise InputError("issuer {0}: {1}; valid types are {2}".format(name, stated, ", ".join(TYPES)))
    return _ISSUERS[kind].configure(name, options, state_directory)
