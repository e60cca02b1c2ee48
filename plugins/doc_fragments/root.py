# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options `root` and `lock_timeout`; their spec is `arguments.root`."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for in this file."""

    DOCUMENTATION = r"""
options:
  root:
    description: The directory on the host that holds the credentials.
    type: str
    default: /etc/mtls
  lock_timeout:
    description: For how many seconds to wait for another run on the same host, 0 to 3600.
    type: int
    default: 60
"""
