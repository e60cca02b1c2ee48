# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own bundle of certificate authorities, which inventories call `system`."""

from __future__ import annotations

import os
from typing import Tuple

from .. import certificate as certificates
from .. import system_bundle
from ..errors import Error, FormatError, InputError
from ..files import open_directory, real_path

SYSTEM = "system"


def system_certificates() -> Tuple[bytes, ...]:
    """The bundle's certificates as DER. Raises InputError where this host has none, DiskError, FormatError."""
    for path in system_bundle.PATHS:
        real = real_path(path)
        if real is not None:
            with open_directory(os.path.dirname(real)) as directory:
                content = directory.read(os.path.basename(real), certificates.SIZE_LIMIT)
            try:
                return tuple(certificates.to_der(item) for item in certificates.load_all(content, path))
            except Error as error:
                raise FormatError(
                    "the authority 'system' is asked for, but this host's CA bundle cannot be read: {0}; mend it, for "
                    "example with update-ca-certificates or update-ca-trust".format(error)
                ) from error
    raise InputError(
        "the authority 'system' is asked for, but this host has no CA bundle; install the package ca-certificates"
    )
