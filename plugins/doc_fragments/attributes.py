# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options `owner`, `group` and `mode`; their spec is `arguments.attributes`."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for in this file."""

    DOCUMENTATION = r"""
options:
  owner:
    description: Owner of the file, a name or a number. The user that the module runs as if not given.
    type: str
  group:
    description: Group of the file, a name or a number. That of the user that the module runs as if not given.
    type: str
  mode:
    description: Mode of the file, as quoted octal digits.
    type: str
"""
