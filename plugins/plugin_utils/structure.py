# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the input of the shape that its argument spec wants? Stricter than Ansible, and no secret in any message.

Ansible converts what does not fit (0640 becomes "416", "a=b" a map) and quotes what it cannot convert. Here both end
in an error first: a number where text belongs has already lost its leading zeros in YAML.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from ..module_utils import passphrase
from ..module_utils.arguments import SECRET_OPTIONS, Spec
from ..module_utils.errors import InputError
from .suggestion import unknown

_NUMBERS_ALLOWED = frozenset(("owner", "group"))
_TEXT_LIMIT = 1024 * 1024


def without_nulls(spec: Spec, value: Mapping[str, Any]) -> Dict[str, Any]:
    """The options that are given: null means "as if it were not there", at every level that `spec` describes."""
    given = {}
    for name, item in value.items():
        if item is None:
            continue
        below = spec.get(name, {}).get("options")
        if below and isinstance(item, dict):
            item = without_nulls(below, item)
        elif below and isinstance(item, list):
            item = [without_nulls(below, entry) if isinstance(entry, dict) else entry for entry in item]
        given[name] = item
    return given


def check(spec: Spec, value: Mapping[str, Any], where: str = "") -> None:
    """Raise InputError for the first option, named with its path, that is unknown or of another type."""
    for name, item in value.items():
        path = "{0}.{1}".format(where, name) if where else name
        if name not in spec:
            raise unknown("option", name, spec, above=where + "." if where else "")
        if item is not None:
            _check_option(name, spec[name], item, path)


def _check_option(name: str, option: Mapping[str, Any], value: Any, path: str) -> None:
    kind = option["type"]
    if option.get("no_log"):
        passphrase.check(value, path)
    elif kind in ("str", "path"):
        _check_text(name, value, path)
    elif kind == "dict":
        _check_map(option, value, path)
    elif kind == "list":
        _check_list(option, value, path)


def _check_text(name: str, value: Any, path: str) -> None:
    if name == "mode" and not isinstance(value, str):
        raise InputError('{0} must be quoted, such as "0640": YAML reads the bare number in its own way'.format(path))
    if name in _NUMBERS_ALLOWED and isinstance(value, int) and not isinstance(value, bool):
        return
    if not isinstance(value, str):
        raise InputError("{0} must be text, not {1}; quote it".format(path, _kind(value)))
    if "\0" in value or not _is_unicode(value):
        raise InputError("{0} holds characters that no text has (NUL or half of a surrogate pair)".format(path))
    if len(value) > _TEXT_LIMIT:
        raise InputError("{0} is longer than {1} characters".format(path, _TEXT_LIMIT))


def _check_map(option: Mapping[str, Any], value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise InputError("{0} must be a map, not {1}".format(path, _kind(value)))
    if option.get("options"):
        check(option["options"], value, path)


def _check_list(option: Mapping[str, Any], value: Any, path: str) -> None:
    if not isinstance(value, list):
        raise InputError("{0} must be a list, not {1}".format(path, _kind(value)))
    element = {"type": option["elements"], "options": option.get("options")}
    for number, item in enumerate(value):
        place = "{0}[{1}]".format(path, number)
        if item is None:
            raise InputError("{0} is empty".format(place))
        _check_option("", element, item, place)


def check_secrets(value: Any, where: str) -> None:
    """Check every option of a free-form map (an issuer's) whose name says that it holds a secret."""
    items: List[Any] = []
    if isinstance(value, dict):
        items = [(where + "." + name, name, item) for name, item in value.items()]
    elif isinstance(value, list):
        items = [("{0}[{1}]".format(where, number), "", item) for number, item in enumerate(value)]
    for path, name, item in items:
        if name in SECRET_OPTIONS and item is not None:
            passphrase.check(item, path)
        else:
            check_secrets(item, path)


def _is_unicode(value: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in value)


def _kind(value: Any) -> str:
    names = {dict: "a map", list: "a list", bool: "true or false", int: "a number", float: "a number", str: "text"}
    return names.get(type(value), type(value).__name__)
