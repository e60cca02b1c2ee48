# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What travels to a host goes through the connection itself: without pipelining it would lie in temporary files."""

from __future__ import annotations

from typing import Any, Callable

from ansible import constants as C

from ..module_utils.errors import InputError


def insist(connection: Any, is_enabled: Callable[[], bool]) -> None:
    """Make a connection pipeline. Raises InputError, saying why, where that cannot be; nothing was sent then.

    `is_enabled` tells whether Ansible would pipeline through it.
    """
    if getattr(connection, "has_pipelining", False):
        try:
            connection.set_option("pipelining", True)
        except (AttributeError, KeyError):
            # A connection plugin without that option follows the general setting.
            pass
    if C.DEFAULT_KEEP_REMOTE_FILES or not is_enabled():
        raise InputError("passphrases would lie in temporary files on the host: {0}".format(_why_not(connection)))


def _why_not(connection: Any) -> str:
    """What stands in the way of pipelining, and what to do about it."""
    if C.DEFAULT_KEEP_REMOTE_FILES:
        return "Ansible is told to keep remote files; unset ANSIBLE_KEEP_REMOTE_FILES (keep_remote_files)"
    become = getattr(connection, "become", None)
    if become is not None and (become.name == "su" or not getattr(become, "pipelining", True)):
        return "become_method {0} cannot be pipelined; use sudo, or log in as the user that the task needs".format(
            become.name
        )
    return (
        "the connection {0} cannot pipeline, or is told not to; use one that can, such as ssh, and set "
        "ANSIBLE_PIPELINING=1".format(getattr(connection, "transport", "in use"))
    )
