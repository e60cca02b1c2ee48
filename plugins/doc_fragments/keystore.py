# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name a store and open it; their spec is `keystore_arguments.store`."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for in this file."""

    DOCUMENTATION = r"""
options:
  path:
    description: The store's absolute path on the host.
    type: path
    required: true
  passphrase:
    description:
      - The store's passphrase.
      - Up to Java 17 at least, Java opens PKCS#12 stores only where it is made of printable ASCII characters. JKS has
        no such limit.
    type: str
    required: true
  key_passphrase:
    description: The passphrase of the keys in a JKS store. That of the store if not given.
    type: str
"""
