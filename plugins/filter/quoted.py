# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter `mutual.tls.quoted`, for templates of client configurations."""

from __future__ import annotations

from typing import Any, Callable, Dict

from ansible.errors import AnsibleFilterError

from ..module_utils.errors import Error
from ..plugin_utils.quoting import quote


def quoted(value: Any, style: str) -> str:
    """`value` quoted for a file of this style."""
    try:
        return quote(value, style)
    except Error as error:
        raise AnsibleFilterError("mutual.tls.quoted: {0}".format(error)) from None


class FilterModule:
    """What Ansible looks for in this file."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {"quoted": quoted}
