# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vibes, Message API and Public API: basic authentication first, a client certificate as the second factor.

One request per platform user, whose e-mail address the subject must hold as CN, with the company as O. Vibes signs
it by hand and sends the certificate and its CA certificate back.
"""

from __future__ import annotations

from ...module_utils.document import Credential
from ...module_utils.errors import InputError
from .base import Profile, subject_value


def _common_name_is_a_user(credential: Credential) -> None:
    if "@" not in subject_value(credential, "CN").strip("@"):
        raise InputError(
            "subject: provider 'vibes' demands the platform user's e-mail address as CN, such as ops@acme.example"
        )


PROFILE = Profile(
    name="vibes",
    description="Vibes Message API and Public API",
    presets={"key": {"type": "RSA", "size": 2048}},
    required_subject=("CN", "O"),
    key_types=("RSA",),
    rules=(_common_name_is_a_user,),
)
