# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Client configurations from templates, on the controller.

A template sees the inventory's variables, and `credential`, `provider` and `labels`. Nothing that came from a host
through this collection is among them.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from typing import Any, Dict, Mapping, Optional, Sequence

from ansible.plugins.loader import lookup_loader
from ansible.release import __version__ as ansible_version
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils.document import Config, Credential
from ..module_utils.errors import InputError
from .checks import TRUST_FILE
from .intent import ConfigSource, Intent
from .suggestion import unknown

_SUFFIX = ".j2"
_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")
_CONTENT_LIMIT = 1024 * 1024
_TELLING = 8
"""Characters: a shorter part of a passphrase may be a word that stands in a message by chance."""

# Before 2.19 the lookup turns text that looks like a Python literal into data unless told otherwise; since 2.19 it
# never does, and the option is deprecated.
_LOOKUP_OPTIONS: Dict[str, Any] = (
    {"convert_data": False} if tuple(int(part) for part in ansible_version.split(".")[:2]) < (2, 19) else {}
)


# What Ansible tells every host about all the others: some have as many entries as the fleet has hosts.
_FLEET = frozenset(
    """
    ansible_current_hosts ansible_failed_hosts ansible_play_batch ansible_play_hosts ansible_play_hosts_all groups
    hostvars play_hosts
    """.split()
)
_ALL = "vars"
"""A variable that holds all the others once more."""


class _Variables(Dict[str, Any]):
    """Variables of which a copy shares what is about the whole fleet.

    The lookup copies all variables in depth for each template, so that none can change them for the next one. With
    the lists of all hosts in every copy a host would cost the more, the larger the fleet is.
    """

    def copy(self) -> _Variables:
        return _Variables(self)

    def __deepcopy__(self, memo: Dict[int, Any]) -> Dict[str, Any]:
        copied: Dict[str, Any] = {}
        for name, value in self.items():
            own = _Variables(value) if name == _ALL and isinstance(value, dict) else value
            copied[name] = value if name in _FLEET else copy.deepcopy(own, memo)
        return copied


class Renderer:
    """Renders the configs of one host's credentials.

    `variables` are the task's, `templar` and `loader` the action's, `directory` the inventory's: the users' own
    templates are looked for there first, then where the `template` module would look. `secrets` are those that a
    template can reach beside the credential's own: no message shows them.
    """

    def __init__(
        self, templar: Any, loader: Any, variables: Mapping[str, Any], directory: str, secrets: Sequence[str] = ()
    ) -> None:
        self._lookup = lookup_loader.get("ansible.builtin.template", loader=loader, templar=templar)
        self._variables = variables
        self._directory = directory
        self._secrets = tuple(secrets)

    def render(self, intent: Intent, root: str) -> Intent:
        """The intent with its configs rendered. Raises InputError naming credential and option."""
        if not intent.configs:
            return intent
        variables = _Variables({**self._variables, **wrap_var(template_variables(intent, root))})
        configs = tuple(
            self._config(intent, "credential {0!r}, configs[{1}]".format(intent.name, number), config, variables)
            for number, config in enumerate(intent.configs)
        )
        return replace(intent, host=replace(intent.host, configs=configs))

    def _config(self, intent: Intent, where: str, config: ConfigSource, variables: Dict[str, Any]) -> Config:
        path = self._path(intent.host, where, config)
        try:
            rendered = self._lookup.run([path], variables=variables, **_LOOKUP_OPTIONS)[0]
        except Exception as error:
            # A template can call anything and so raise anything, and the text of each may quote a passphrase.
            raise InputError(
                "{0}: {1} cannot be rendered: {2}".format(
                    where, path, harmless(str(error), [*intent.secrets(), *self._secrets])
                )
            ) from None
        if not isinstance(rendered, str):
            raise InputError(
                "{0}: {1} renders to data instead of text; end it with a filter such as to_nice_json".format(
                    where, path
                )
            )
        content = "".join((rendered, ""))
        if len(content) > _CONTENT_LIMIT or not _is_unicode(content):
            raise InputError(
                "{0}: {1} renders to more than {2} characters, or to text that is not Unicode".format(
                    where, path, _CONTENT_LIMIT
                )
            )
        return Config(config.file, content, config.access)

    def _path(self, credential: Credential, where: str, config: ConfigSource) -> str:
        if config.template is not None:
            if config.template not in built_in():
                raise unknown(
                    "{0}.template:".format(where), config.template, built_in(), "src names a template of yours"
                )
            _check_needs(credential, "{0}.template".format(where), config.template)
            return os.path.join(_DIRECTORY, config.template + _SUFFIX)
        source = os.path.expanduser(config.src or "")
        path: Optional[str] = os.path.join(self._directory, source)
        if not os.path.isfile(path or ""):
            path = self._lookup.find_file_in_search_path(
                dict(self._variables), "templates", source, ignore_missing=True
            )
        if path is None:
            raise InputError(
                "{0}.src: there is no template {1!r}; relative paths begin at the inventory's directory ({2})".format(
                    where, config.src, self._directory
                )
            )
        return path


def built_in() -> Sequence[str]:
    """The names of the built-in templates."""
    return sorted(name[: -len(_SUFFIX)] for name in os.listdir(_DIRECTORY) if name.endswith(_SUFFIX))


def template_variables(intent: Intent, root: str) -> Dict[str, Any]:
    """What a template sees beside the inventory's own variables; all paths are the stable ones, through `current`."""
    host = intent.host
    directory = "{0}/{1}".format(root, host.name)
    current = "{0}/current".format(directory)
    paths: Dict[str, Optional[str]] = {
        kind: "{0}/{1}.pem".format(current, kind) for kind in ("key", "certificate", "chain", "fullchain", "client")
    }
    paths["trust"] = "{0}/{1}".format(current, TRUST_FILE) if host.authorities else None
    return {
        "credential": {
            "name": host.name,
            "directory": directory,
            "current": current,
            "paths": paths,
            "subject": [list(pair) for pair in host.spec.subject],
            "subject_alt_name": list(host.spec.subject_alt_name),
            "passphrase": intent.passphrase,
            "key_passphrase": host.key.passphrase,
            "keystores": {
                store.file: {
                    "path": "{0}/{1}".format(current, store.file),
                    "format": store.format,
                    "friendly_name": _stored_alias(store.friendly_name, store.format),
                    "passphrase": store.passphrase,
                    "key_passphrase": store.key_passphrase or store.passphrase,
                }
                for store in host.keystores
            },
            "truststores": {
                store.file: {
                    "path": "{0}/{1}".format(current, store.file),
                    "format": store.format,
                    "passphrase": store.passphrase,
                }
                for store in host.truststores
            },
        },
        "provider": {**intent.profile.data, "name": intent.profile.name},
        "labels": dict(intent.labels),
    }


def _stored_alias(alias: str, format: str) -> str:
    return alias.lower() if format == "jks" else alias


def _check_needs(credential: Credential, option: str, template: str) -> None:
    """Some clients cannot do without something that others can."""
    if template == "java" and not credential.keystores:
        raise InputError("{0}: java needs a keystore; add one to keystores".format(option))
    if template == "nginx" and not credential.authorities:
        raise InputError(
            "{0}: nginx verifies the server with trust.pem only; set the credential's authorities, [system] for "
            "public CAs".format(option)
        )
    if template == "nginx" and credential.key.passphrase is not None:
        raise InputError(
            "{0}: nginx reads an encrypted key only with a second file for its passphrase; set key.encrypt: false, the "
            "file's mode protects it".format(option)
        )


def harmless(message: str, secrets: Sequence[str]) -> str:
    """An error's text, unless a secret or a good part of one stands in it, in whatever way it is quoted there.

    Replacing what stands there instead would show where short ones are, and leave a tail of overlapping ones.
    """
    text = message.replace("\\", "")
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1], secret.encode("unicode_escape").decode("ascii")):
            bare = form.replace("\\", "") or form
            parts = [bare[start : start + _TELLING] for start in range(max(1, len(bare) - _TELLING + 1))]
            if secret in message or any(part in text for part in parts):
                return "(the reason is not shown, because a passphrase may stand in it)"
    return message


def _is_unicode(text: str) -> bool:
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)
