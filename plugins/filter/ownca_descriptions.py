# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `mutual.tls.ownca_descriptions`, for the role `mtls_ownca`."""

from __future__ import annotations

from typing import Any, Callable, Dict

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import Error
from ..plugin_utils.own_cas import descriptions
from ..plugin_utils.plain import plain


def ownca_descriptions(authorities: Any, issuers: Any, state_directory: Any, base: Any) -> Any:
    """The own CAs of a host without their secrets."""
    try:
        return descriptions(
            plain(authorities, "mtls_ownca_authorities"),
            plain(issuers, "mtls_issuers"),
            plain(state_directory, "mtls_ownca_state_directory"),
            plain(base, "inventory_dir"),
        )
    except Error as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"ownca_descriptions": ownca_descriptions}
