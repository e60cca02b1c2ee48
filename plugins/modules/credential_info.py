#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe the credentials on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_info
short_description: Describe the mTLS client credentials on a host
version_added: 1.0.0
description:
  - Tells which credentials a host holds, with their certificates, generations, files and pending requests.
  - Needs no passphrase and returns no secret. Changes nothing.
options:
  root:
    description: The directory that holds the credentials.
    type: path
    default: /etc/mtls
  names:
    description: Only these credentials. A name that is not there is an error. All of them by default.
    type: list
    elements: str
author:
  - The mutual.tls authors (@mutual-tls)
requirements:
  - cryptography >= 3.3
attributes:
  check_mode:
    description: Whether the module works in check mode.
    support: full
    details: It only reads.
  diff_mode:
    description: Whether the module returns a diff.
    support: N/A
    details: It changes nothing.
seealso:
  - module: mutual.tls.credential
"""

EXAMPLES = r"""
- name: See what this host holds
  mutual.tls.credential_info:
  register: found

- name: Show when each certificate ends
  ansible.builtin.debug:
    msg: "{{ item.name }} ends {{ item.certificate.not_after }}"
  loop: "{{ found.credentials }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
credentials:
  description: The credentials, by name.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The credential's name.
      type: str
      returned: always
    directory:
      description: Where its files are.
      type: str
      returned: always
    generation:
      description: The generation in use; none while the first certificate is pending.
      type: int
      returned: always
    generations:
      description: The generations on the disk.
      type: list
      elements: int
      returned: always
    provider:
      description: The provider it was made for.
      type: str
      returned: always
    issuer:
      description: The name of the issuer that it was asked of.
      type: str
      returned: always
    certificate:
      description:
        - "The certificate in use: C(subject), C(issuer_dn), C(serial_number), C(not_before), C(not_after),
          C(fingerprint_sha256), C(subject_alt_name) and C(public_key)."
      type: dict
      returned: always
    authority_key_identifier:
      description: The identifier, in hexadecimal, of the CA key that signed the certificate in use.
      type: str
      returned: always
    reload_pending:
      description: Whether those who use the files were not told yet that these have changed.
      type: bool
      returned: always
    switch_unconfirmed:
      description: Whether a run was cut off between a switch to another generation and the proof that it works.
      type: bool
      returned: always
    files:
      description:
        - "The generation's files: C(name), C(owner), C(group), C(mode), C(size) and C(certificates)."
        - C(certificates) are the SHA-256 fingerprints of the certificates in it; null where only a passphrase would
          tell.
      type: list
      elements: dict
      returned: always
    links:
      description: Paths elsewhere that lead to its files or hold copies of them.
      type: list
      elements: str
      returned: always
    pending:
      description: Since when a request waits for its certificate; none where none does.
      type: dict
      returned: always
    awaiting:
      description: The number of a generation that waits for its activation; none where none does.
      type: int
      returned: always
    held_since:
      description: Since when a rollback holds the credential; none where none does.
      type: str
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.information import information
from ..module_utils.errors import Error
from ..module_utils.imports import require_cryptography


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/etc/mtls"},
            "names": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    try:
        require_cryptography()
        found = information(module.params["root"], module.params["names"])
    except Error as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, credentials=found)


if __name__ == "__main__":
    main()
