# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory wants of one host: all its credentials, merged, checked and turned into values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils.arguments import DEFAULT_ROOT, SECRET_OPTIONS
from ..module_utils.arguments import credential as credential_spec
from ..module_utils.arguments import credentials as credentials_spec
from ..module_utils.errors import InputError
from ..module_utils.pkcs12 import opens_in_every_java
from . import checks
from .intent import Intent, read
from .layering import overlay
from .providers.base import Profile
from .providers.selector import profiles
from .structure import check, check_secrets, without_nulls
from .suggestion import unknown

_MAPS = ("issuers", "authorities", "providers")
_LOCK_TIMEOUTS = range(3601)


@dataclass(frozen=True)
class Inventory:
    """One host's whole input, checked. `issuers` and `authorities` are still the maps that the user wrote."""

    credentials: Tuple[Intent, ...]
    issuers: Mapping[str, Mapping[str, Any]]
    authorities: Mapping[str, Mapping[str, Any]]
    root: str
    lock_timeout: int
    install_dependencies: bool = False
    warnings: Tuple[str, ...] = ()

    def used_issuers(self) -> List[str]:
        """The issuers that a credential may have to ask, each once."""
        present = [intent.host.issuer for intent in self.credentials if intent.host.state == "present"]
        return list(dict.fromkeys(present))

    def used_authorities(self) -> List[str]:
        """The authorities that some file holds, each once."""
        return list(dict.fromkeys(name for intent in self.credentials for name in intent.authorities()))

    def secrets(self) -> List[str]:
        """Every passphrase in it: the credentials' and the issuers'."""
        found = [secret for intent in self.credentials for secret in intent.secrets()]
        for options in self.issuers.values():
            found += [str(options[name]) for name in SECRET_OPTIONS if options.get(name) is not None]
        return list(dict.fromkeys(found))


def read_inventory(arguments: Mapping[str, Any]) -> Inventory:
    """Check the action's arguments (plain values) and merge each credential's layers.

    The layers, from general to particular: built-in defaults, `defaults`, the provider's presets, the credential.
    Raises InputError that names the option and what to do.
    """
    given = without_nulls(_top_level(), arguments)
    check(_top_level(), given)
    if "credentials" not in given:
        raise InputError("credentials: missing; give a list, [] if this host has none")
    _check_maps(given)
    known = profiles(given.get("providers", {}))
    defaults = without_nulls(credential_spec(), given.get("defaults", {}))
    _check_defaults(defaults)
    root: str = given.get("root") or DEFAULT_ROOT
    checks.check_path("root", root)
    items = [_item(raw, number) for number, raw in enumerate(given["credentials"])]
    _check_names(items)
    intents = tuple(_intent(item, defaults, known) for item in items)
    links = [
        ("credential {0!r}, links[{1}]".format(intent.name, number), link)
        for intent in intents
        if intent.host.state != "absent"
        for number, link in enumerate(intent.host.links)
    ]
    checks.check_links_together(links, root)
    inventory = Inventory(
        credentials=intents,
        issuers=given.get("issuers", {}),
        authorities=given.get("authorities", {}),
        root=root,
        lock_timeout=_lock_timeout(given.get("lock_timeout", credentials_spec()["lock_timeout"]["default"])),
        install_dependencies=_install_dependencies(given.get("install_dependencies", False)),
        warnings=tuple(warning for intent in intents for warning in _warnings(intent)),
    )
    _check_references(inventory)
    return inventory


def _top_level() -> Dict[str, Dict[str, Any]]:
    """The action's options, the credentials' own left to a later check that can name the credential."""
    return {name: {**option, "options": None} for name, option in credentials_spec().items()}


def _check_maps(given: Mapping[str, Any]) -> None:
    for group in _MAPS:
        for name, options in given.get(group, {}).items():
            where = "{0}.{1}".format(group, name)
            if not isinstance(options, dict):
                raise InputError("{0} must be a map of options".format(where))
            check_secrets(options, where)


def _check_defaults(defaults: Mapping[str, Any]) -> None:
    check(credential_spec(), defaults, "defaults")
    if "name" in defaults:
        raise InputError("defaults.name: each credential has a name of its own; remove it")


def _item(raw: Any, number: int) -> Dict[str, Any]:
    where = "credentials[{0}]".format(number)
    if not isinstance(raw, dict):
        raise InputError("{0} must be a map that begins with a name".format(where))
    item = without_nulls(credential_spec(), raw)
    if "name" not in item:
        raise InputError("{0}.name: missing; give the credential a name".format(where))
    if not isinstance(item["name"], str):
        raise InputError("{0}.name must be text; quote it".format(where))
    return item


def _check_names(items: Sequence[Mapping[str, Any]]) -> None:
    first: Dict[str, int] = {}
    for number, item in enumerate(items):
        name = item["name"]
        if name in first:
            raise InputError(
                "credentials[{0}].name: {1!r} is already the name of credentials[{2}]; names are unique on a host, "
                "rename or remove one".format(number, name, first[name])
            )
        first[name] = number


def _intent(item: Mapping[str, Any], defaults: Mapping[str, Any], known: Mapping[str, Profile]) -> Intent:
    try:
        check(credential_spec(), item)
        checks.check_name(item["name"])
        provider = item.get("provider", defaults.get("provider", "generic"))
        if provider not in known:
            raise unknown("provider:", provider, known)
        profile = known[provider]
        merged = overlay(overlay(defaults, profile.presets), item)
        merged["provider"] = provider
        return read(profile.preset(merged), profile)
    except InputError as error:
        raise InputError("credential {0!r}, {1}".format(item["name"], error)) from error


def _lock_timeout(value: Any) -> int:
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        seconds = -1
    if isinstance(value, bool) or seconds not in _LOCK_TIMEOUTS:
        raise InputError("lock_timeout must be a number of seconds from 0 to 3600")
    return seconds


def _install_dependencies(value: Any) -> bool:
    try:
        return bool(boolean(value))
    except TypeError:
        raise InputError("install_dependencies must be true or false") from None


def _check_references(inventory: Inventory) -> None:
    for intent in inventory.credentials:
        host = intent.host
        if host.state != "absent" and host.issuer and host.issuer not in inventory.issuers:
            raise unknown("credential {0!r}, issuer:".format(host.name), host.issuer, inventory.issuers)
        for name in intent.authorities():
            if name != "system" and name not in inventory.authorities:
                raise unknown("credential {0!r}, authority".format(host.name), name, [*inventory.authorities, "system"])


def _warnings(intent: Intent) -> List[str]:
    return [
        "credential {0!r}, keystores[{1}].passphrase: Java before 25 opens no PKCS#12 store with other characters than "
        "ASCII in its passphrase; use format jks for it, or another passphrase".format(intent.name, number)
        for number, keystore in enumerate(intent.host.keystores)
        if keystore.format == "pkcs12" and not opens_in_every_java(keystore.passphrase)
    ]
