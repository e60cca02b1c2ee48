# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile behind a provider's name: built in (one file each in this directory) or the user's extension of one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from typing import Any, Dict, Mapping

from ...module_utils.arguments import credential as credential_spec
from ...module_utils.arguments import provider as provider_spec
from ...module_utils.errors import InputError
from ..structure import check, without_nulls
from ..suggestion import unknown
from .base import Profile

_NOT_PROFILES = frozenset(("base", "selector"))


@lru_cache(maxsize=1)
def built_in() -> Mapping[str, Profile]:
    """Every built-in profile by name."""
    package = __name__.rpartition(".")[0]
    paths = importlib.import_module(package).__path__
    names = [module.name for module in pkgutil.iter_modules(paths) if module.name not in _NOT_PROFILES]
    profiles = [importlib.import_module("{0}.{1}".format(package, name)).PROFILE for name in names]
    return {profile.name: profile for profile in profiles}


def profiles(custom: Mapping[str, Any]) -> Dict[str, Profile]:
    """All profiles that an inventory can name: the built-in ones and those of its `providers`.

    A provider extends the built-in profile that `extends` names; without it the one of its own name, else `generic`.
    Raises InputError naming the option.
    """
    known = dict(built_in())
    for name, options in custom.items():
        where = "providers.{0}".format(name)
        if not isinstance(options, dict):
            raise InputError("{0} must be a map such as {{extends: generic, data: {{}}}}".format(where))
        options = without_nulls(provider_spec(), options)
        check(provider_spec(), options, where)
        base = options.get("extends", name if name in built_in() else "generic")
        if base not in built_in():
            raise unknown("{0}.extends:".format(where), base, built_in())
        defaults = without_nulls(credential_spec(), options.get("defaults", {}))
        check(credential_spec(), defaults, where + ".defaults")
        if "name" in defaults:
            raise InputError("{0}.defaults.name: each credential has a name of its own; remove it".format(where))
        known[name] = built_in()[base].extended(name, options.get("data", {}), defaults)
    return known
