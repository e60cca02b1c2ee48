# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Network (NEO): HTTPS destinations for outbound messages, configured with a JKS keystore and truststore.

The passphrases of the key and of its store must be equal, and the keystore's name ends in `.jks`. The truststore
holds the server's whole chain and the certificates of the own keystore.
"""

from __future__ import annotations

from ...module_utils.document import Credential
from ...module_utils.errors import InputError
from .base import Profile


def _keystores_are_readable(credential: Credential) -> None:
    for number, keystore in enumerate(credential.keystores):
        if not keystore.file.endswith(".jks"):
            raise InputError(
                "keystores[{0}].file: provider 'one_network' demands a name that ends in .jks, not {1!r}".format(
                    number, keystore.file
                )
            )
        if keystore.key_passphrase is not None and keystore.key_passphrase != keystore.passphrase:
            raise InputError(
                "keystores[{0}].key_passphrase: provider 'one_network' demands that it equals the store's passphrase; "
                "leave it out".format(number)
            )


PROFILE = Profile(
    name="one_network",
    description="One Network (NEO) HTTPS destinations",
    presets={"key": {"type": "RSA", "size": 2048}},
    keystore={"format": "jks"},
    truststore={"format": "jks", "own_chain": True},
    keystore_formats=("jks",),
    truststore_formats=("jks",),
    rules=(_keystores_are_readable,),
)
