# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caf: an API over mTLS on a host of its own, with a bearer token on top.

Clients take the certificate and the key as PEM (Java samples read the key as PKCS#8), or both in one PKCS#12 file.
"""

from __future__ import annotations

from ...module_utils.document import Credential
from ...module_utils.errors import InputError
from .base import Profile


def _key_is_pkcs8(credential: Credential) -> None:
    if credential.key.format != "pkcs8":
        raise InputError("key.format: the clients of provider 'caf' read pkcs8, not {0}".format(credential.key.format))


PROFILE = Profile(
    name="caf",
    description="Caf API over mTLS",
    presets={"key": {"type": "RSA", "size": 2048, "format": "pkcs8"}},
    keystore={"format": "pkcs12"},
    required_subject=("CN",),
    rules=(_key_is_pkcs8,),
)
