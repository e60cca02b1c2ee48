#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a JKS or PKCS#12 store holds."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystore_info
short_description: Tell what a JKS or PKCS#12 store holds
version_added: 1.0.0
description:
  - Opens a store and lists its entries with their certificates. Returns no keys.
  - Needs neither C(keytool) nor C(openssl) on the host.
extends_documentation_fragment:
  - mutual.tls.keystore
options:
  format:
    description: The store's format. Found out if not given.
    type: str
    choices: [jks, pkcs12]
author:
  - The mutual.tls authors (@mutual-tls)
requirements:
  - cryptography >= 3.3
attributes:
  check_mode:
    description: Whether the module works in check mode.
    support: full
    details: It changes nothing.
  diff_mode:
    description: Whether the module returns a diff.
    support: N/A
    details: It changes nothing.
seealso:
  - module: mutual.tls.keystore
"""

EXAMPLES = r"""
- name: Read a store
  mutual.tls.keystore_info:
    path: /opt/orders/conf/client.jks
    passphrase: "{{ vault_store }}"
  register: store

- name: Fail where a certificate in it ends soon
  ansible.builtin.assert:
    that: item.certificates[0].not_after > '2027-01-01'
  loop: "{{ store.entries }}"
  loop_control:
    label: "{{ item.friendly_name }}"
"""

RETURN = r"""
format:
  description: The store's format, V(jks) or V(pkcs12).
  type: str
  returned: success
encryption:
  description:
    - How it is protected. V(jks), or for PKCS#12 V(modern), V(compatible), or V(other) for anything else, such as what
      OpenSSL 1.x or Java 8 wrote.
  type: str
  returned: success
entries:
  description: What it holds.
  type: list
  elements: dict
  returned: success
  contains:
    friendly_name:
      description: The entry's name (alias). May be empty where Java does not see the entry.
      type: str
    type:
      description: V(key) or V(trusted).
      type: str
    chain_length:
      description: How many certificates a key has; 0 for a trusted certificate.
      type: int
    certificates:
      description:
        - The key's certificates, its own first, or the trusted one.
        - "Each with C(subject), C(issuer_dn), C(serial_number), C(not_before), C(not_after), C(fingerprint_sha256),
          C(subject_alt_name) and C(public_key); one that cannot be read has only C(fingerprint_sha256)."
      type: list
      elements: dict
    visible_to_java:
      description: Whether Java sees the entry. It overlooks certificates in PKCS#12 that are not marked for it.
      type: bool
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import source
from ..module_utils.errors import Error
from ..module_utils.imports import require_cryptography
from ..module_utils.invocation import discreet, visible
from ..module_utils.keystore_arguments import keystore_info
from ..module_utils.keystore_format import codec, detect
from ..module_utils.keystore_report import report


def main() -> None:
    spec = keystore_info()
    module = discreet(AnsibleModule)(argument_spec=spec, supports_check_mode=True)
    # Ansible masks by value: a passphrase of one letter would garble every name and date. No result holds a secret.
    module.no_log_values.clear()
    options = module.params
    shown = {"module_args": visible(options, spec)}
    try:
        require_cryptography()
        data = source.read(options["path"], "path")
        format = options["format"] or detect(data)
        store = codec(format).decode(data, options["passphrase"], options["key_passphrase"])
    except Error as error:
        module.fail_json(msg="{0}: {1}".format(options["path"], error), invocation=shown)
    module.exit_json(changed=False, format=format, encryption=store.encryption, entries=report(store), invocation=shown)


if __name__ == "__main__":
    main()
