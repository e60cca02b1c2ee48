# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own bundle of certificate authorities, which inventories call `system`."""

from __future__ import annotations

import os
from typing import Tuple

from .. import certificate as certificates
from ..errors import InputError
from ..files import open_directory

SYSTEM = "system"

_MAXIMUM_BUNDLE = 8 * 1024 * 1024
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where Debian, Fedora and RHEL, older ones of these, SUSE, and Alpine keep it."""


def system_certificates() -> Tuple[bytes, ...]:
    """The bundle's certificates as DER. Raises InputError where this host has none."""
    for path in _BUNDLES:
        if os.path.exists(path):
            real = os.path.realpath(path)
            with open_directory(os.path.dirname(real)) as directory:
                content = directory.read(os.path.basename(real), _MAXIMUM_BUNDLE)
            return tuple(certificates.to_der(item) for item in certificates.load_all(content, path))
    raise InputError(
        "the authority 'system' is asked for, but this host has no CA bundle; install the package ca-certificates"
    )
