# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain values from what Ansible hands to a plugin.

Inventory values are of Ansible's own types: marked as trusted or unsafe, still encrypted, or read lazily, which
differs from release to release. Everything behind this file sees `dict`, `list`, `str`, `int`, `float`, `bool`
and `None` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleError

from ..module_utils.errors import InputError

try:
    from ansible.parsing.vault import EncryptedString as _Encrypted
except ImportError:  # ansible-core before 2.19
    from ansible.parsing.yaml.objects import AnsibleVaultEncryptedUnicode as _Encrypted

_MAXIMUM_DEPTH = 32


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """A copy of `value` made of plain types only.

    Raises InputError, naming `where`, for a vaulted value that cannot be decrypted and for anything that JSON does
    not have (an unquoted date, for one).
    """
    if depth > _MAXIMUM_DEPTH:
        raise InputError("{0} is nested too deeply".format(where))
    if value is None or isinstance(value, bool):
        return None if value is None else bool(value)
    if isinstance(value, _Encrypted):
        return _text(_decrypted(value, where))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {_key(key, where): plain(item, _below(where, key), depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(item, "{0}[{1}]".format(where, number), depth + 1) for number, item in enumerate(value)]
    raise InputError("{0} is of type {1}; quote it to make it text".format(where, type(value).__name__))


def _text(value: str) -> str:
    # Joining always makes a new object of exactly this type, whatever marks a subclass carries.
    return "".join((value, ""))


def _decrypted(value: Any, where: str) -> str:
    try:
        return str(value)
    except AnsibleError:
        # The error's own text may quote what it failed on.
        raise InputError(
            "{0} is vaulted and cannot be decrypted; give its vault password (--vault-id) or encrypt it anew".format(
                where
            )
        ) from None


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise InputError("{0} has a key that is not text; quote it".format(where))
    return _text(key)


def _below(where: str, key: Any) -> str:
    return "{0}.{1}".format(where, key)
