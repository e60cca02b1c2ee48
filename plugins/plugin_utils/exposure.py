# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings of files with secrets that everybody on the host may read."""

from __future__ import annotations

import json
from typing import Iterator, List, Set, Tuple

from ..module_utils.errors import InputError
from .checks import is_for_everybody
from .intent import Intent
from .quoting import STYLES, quote

_KEY_FILES = ("key.pem", "client.pem")
_UNQUOTED = "java_properties"


def warnings(intent: Intent) -> List[str]:
    """One text for each option by which everybody may read a secret. The intent's configs are rendered already."""
    return [
        'credential {0!r}, {1}: everybody on the host may read its {2}; use "0640" and a group'.format(
            intent.name, option, secret
        )
        for option, secret in _readable(intent)
    ]


def _readable(intent: Intent) -> Iterator[Tuple[str, str]]:
    host = intent.host
    keys = {*_KEY_FILES, *(keystore.file for keystore in host.keystores)}
    forms = {form for secret in intent.secrets() if secret for form in _forms(secret)}
    telling = {config.file for config in host.configs if any(form in config.content for form in forms)}
    key_is_readable = host.state != "absent" and is_for_everybody(host.access.mode)
    if key_is_readable:
        yield "mode", "private key"
    for number, keystore in enumerate(host.keystores):
        if is_for_everybody(keystore.access.mode) and not key_is_readable:
            yield "keystores[{0}].mode".format(number), "private key"
    for number, config in enumerate(host.configs):
        if config.file in telling and is_for_everybody(config.access.mode):
            yield "configs[{0}].mode".format(number), "passphrase"
    for number, link in enumerate(host.links):
        if not link.copy or not is_for_everybody(link.access.mode):
            continue
        if link.file in keys and not key_is_readable:
            yield "links[{0}].mode".format(number), "private key"
        if link.file in telling:
            yield "links[{0}].mode".format(number), "passphrase"


def _forms(secret: str) -> Set[str]:
    """The secret as it is, and as each kind of configuration quotes it."""
    found = {secret, json.dumps(secret)[1:-1]}
    for style in STYLES:
        try:
            quoted = quote(secret, style)
        except InputError:
            # What cannot be quoted so does not stand there so.
            continue
        found.add(quoted if style == _UNQUOTED else quoted[1:-1])
    return found
