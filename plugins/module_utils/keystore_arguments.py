# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs of the modules `keystore` and `keystore_info`.

The doc fragment `keystore` describes what they share.
"""

from __future__ import annotations

from .arguments import Spec, attributes, secret
from .errors import InputError
from .keystore_format import FORMATS
from .pkcs12 import PROFILES


def store() -> Spec:
    """A store file and what opens it."""
    return {
        "path": {"type": "path", "required": True},
        "passphrase": secret(required=True),
        "key_passphrase": secret(),
    }


def keystore() -> Spec:
    """All options of the module `keystore`."""
    return {
        **store(),
        "format": {"type": "str", "choices": list(FORMATS), "required": True},
        "previous_passphrase": secret(),
        "encryption": {"type": "str", "choices": list(PROFILES)},
        # Which of an entry's options go together is checked in `keystore_entries`: ansible-core's own messages about
        # suboptions would be masked by value, and count a null as given.
        "entries": {"type": "list", "elements": "dict", "required": True, "options": entry()},
        "exclusive": {"type": "bool", "default": False},
        "lock_timeout": {"type": "int", "default": 60},
        **attributes(),
        # Not "str": Ansible would turn the bare number 0640, which YAML reads as 416, into the text "416".
        "mode": {"type": "raw"},
    }


def check_mode(mode: object) -> None:
    """Raise InputError for a mode that is no text; None is none given."""
    if mode is not None and not isinstance(mode, str):
        raise InputError('mode must be quoted, such as "0640": YAML reads the bare number in its own way')


def entry() -> Spec:
    """One item of `entries`."""
    return {
        "friendly_name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "privatekey_path": {"type": "path"},
        "privatekey_content": secret(),
        "privatekey_passphrase": secret(),
        "certificate_path": {"type": "path"},
        "certificate_content": {"type": "str"},
        "other_certificates": {"type": "list", "elements": "path", "default": []},
        "other_certificates_content": {"type": "str"},
    }


def keystore_info() -> Spec:
    """All options of the module `keystore_info`."""
    return {**store(), "format": {"type": "str", "choices": list(FORMATS)}}
