# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typing errors in the names of variables that are given for one run.

Ansible knows no unknown variables: with `-e mtls_selct=…` a run that should be about one credential is about all.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from ..module_utils.errors import InputError

FOR_ONE_RUN = (
    "mtls_ca",
    "mtls_ca_gone",
    "mtls_ca_phase",
    "mtls_emergency",
    "mtls_hosts",
    "mtls_operation",
    "mtls_revoke",
    "mtls_rollout",
    "mtls_rollout_by",
    "mtls_select",
)
"""What people give with -e."""
OTHERS = (
    "mtls_authorities",
    "mtls_credential_defaults",
    "mtls_credentials",
    "mtls_install_dependencies",
    "mtls_issuers",
    "mtls_lock_timeout",
    "mtls_ownca_authorities",
    "mtls_ownca_gone",
    "mtls_ownca_issuers",
    "mtls_ownca_name",
    "mtls_ownca_phase",
    "mtls_ownca_state_directory",
    "mtls_providers",
    "mtls_root",
    "mtls_state_directory",
)
_PREFIX = "mtls"
_ALIKE = 0.85


def check_spelling(extra_variables: Mapping[str, Any]) -> None:
    """Raise InputError where one of the variables given with -e is almost, but not quite, one that counts here.

    Names that are like none are people's own.
    """
    for name in sorted(map(str, extra_variables)):
        if name in FOR_ONE_RUN or name in OTHERS or not name.startswith(_PREFIX):
            continue
        near = difflib.get_close_matches(name, FOR_ONE_RUN, n=1, cutoff=_ALIKE)
        if near:
            raise InputError(
                "the variable {0!r}, given with -e, is not known; did you mean {1!r}?".format(name, near[0])
            )
