# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a provider's profile is: presets for its credentials, and rules that they must keep."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, Mapping, Tuple

from ...module_utils.document import Credential
from ...module_utils.errors import InputError
from ..layering import overlay

Rule = Callable[[Credential], None]
"""Raises InputError, naming the option, where a credential breaks it."""


@dataclass(frozen=True)
class Profile:
    """One provider.

    `presets` are credential options, laid over the user's general defaults and under the credential's own options;
    `keystore` and `truststore` are presets for each item of these lists. `data` is what templates see as `provider`.
    """

    name: str
    description: str
    presets: Mapping[str, Any] = field(default_factory=dict)
    keystore: Mapping[str, Any] = field(default_factory=dict)
    truststore: Mapping[str, Any] = field(default_factory=dict)
    required_subject: Tuple[str, ...] = ()
    key_types: Tuple[str, ...] = ("RSA", "ECC", "Ed25519")
    minimum_rsa_size: int = 2048
    keystore_formats: Tuple[str, ...] = ("pkcs12", "jks")
    truststore_formats: Tuple[str, ...] = ("pem", "pkcs12", "jks")
    rules: Tuple[Rule, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    def extended(self, name: str, data: Mapping[str, Any], defaults: Mapping[str, Any]) -> Profile:
        """The same profile under another name, with more data and presets; its rules stay."""
        return replace(self, name=name, data=overlay(self.data, data), presets=overlay(self.presets, defaults))

    def preset(self, options: Mapping[str, Any]) -> Dict[str, Any]:
        """A credential's options with this profile's presets for each of its stores under them."""
        result = dict(options)
        for name, preset in (("keystores", self.keystore), ("truststores", self.truststore)):
            stores = result.get(name)
            if isinstance(stores, list):
                result[name] = [overlay(preset, store) if isinstance(store, dict) else store for store in stores]
        return result

    def check(self, credential: Credential) -> None:
        """Raise InputError, naming the option, for the first demand that the credential does not meet."""
        self._check_subject(credential)
        self._check_key(credential)
        for number, keystore in enumerate(credential.keystores):
            self._check_format("keystores[{0}].format".format(number), keystore.format, self.keystore_formats)
        for number, truststore in enumerate(credential.truststores):
            self._check_format("truststores[{0}].format".format(number), truststore.format, self.truststore_formats)
        for rule in self.rules:
            rule(credential)

    def _check_subject(self, credential: Credential) -> None:
        given = {name for name, _value in credential.spec.subject}
        missing = [name for name in self.required_subject if name not in given]
        if missing:
            raise InputError("subject: provider {0!r} demands {1}; add it".format(self.name, " and ".join(missing)))

    def _check_key(self, credential: Credential) -> None:
        kind = credential.key.kind
        if kind.type not in self.key_types:
            raise InputError(
                "key.type: provider {0!r} accepts {1}, not {2}".format(
                    self.name, " or ".join(self.key_types), kind.type
                )
            )
        if kind.type == "RSA" and kind.size is not None and kind.size < self.minimum_rsa_size:
            raise InputError(
                "key.size: provider {0!r} demands at least {1} bits, not {2}".format(
                    self.name, self.minimum_rsa_size, kind.size
                )
            )

    def _check_format(self, option: str, value: str, allowed: Tuple[str, ...]) -> None:
        if value not in allowed:
            raise InputError(
                "{0}: provider {1!r} reads {2}, not {3}".format(option, self.name, " or ".join(allowed), value)
            )


def subject_value(credential: Credential, name: str) -> str:
    """The first value of a subject attribute, "" where there is none."""
    return next((value for key, value in credential.spec.subject if key == name), "")
