# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `state_directory`; its spec is `arguments.state_directory`."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for in this file."""

    DOCUMENTATION = r"""
options:
  state_directory:
    description:
      - Where the controller keeps what must outlive a run - own CAs, the registry of keys. Keep it persistent and
        backed up.
      - A relative path begins at the inventory's directory. V(mtls) beside the inventory if not given.
    type: path
"""
