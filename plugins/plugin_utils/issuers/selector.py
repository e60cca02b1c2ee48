# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the issuer that an entry of `mtls_issuers` describes: one file each in this directory."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Dict, Mapping, Tuple, Type

from ...module_utils.errors import InputError
from ...module_utils.state_directory import StateDirectory
from .base import Issuer

_NOT_ISSUERS = frozenset(("base", "selector"))


def _found() -> Dict[str, Type[Issuer]]:
    """Every issuer by its type."""
    package = __name__.rpartition(".")[0]
    paths = importlib.import_module(package).__path__
    names = [module.name for module in pkgutil.iter_modules(paths) if module.name not in _NOT_ISSUERS]
    classes = [importlib.import_module("{0}.{1}".format(package, name)).ISSUER for name in names]
    return {issuer.type: issuer for issuer in classes}


_ISSUERS = _found()

TYPES: Tuple[str, ...] = tuple(sorted(_ISSUERS))

PATH_OPTIONS: Dict[str, Tuple[str, ...]] = {kind: _ISSUERS[kind].path_options for kind in TYPES}
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
