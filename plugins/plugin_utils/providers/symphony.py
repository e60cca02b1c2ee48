# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Symphony: bots authenticate to the Pod and to the Key Manager with certificates of the customer's own CA.

The CN must equal the service account's user name; the bot reads a PKCS#12 file with AES-256.
"""

from __future__ import annotations

from .base import Profile

PROFILE = Profile(
    name="symphony",
    description="Symphony bot authentication on Pod and Key Manager",
    presets={"key": {"type": "RSA", "size": 4096}},
    keystore={"format": "pkcs12", "encryption": "modern"},
    required_subject=("CN",),
    key_types=("RSA",),
    keystore_formats=("pkcs12",),
    data={
        "port": 8444,
        "session_path": "/sessionauth/v1/authenticate",
        "key_manager_path": "/keyauth/v1/authenticate",
    },
)
