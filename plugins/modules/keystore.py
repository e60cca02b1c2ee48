#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the entries of one JKS or PKCS#12 store."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keystore
short_description: Keep the entries of a JKS or PKCS#12 store
version_added: 1.0.0
description:
  - Makes a store hold the listed private keys with their chains, and the listed trusted certificates. What stands in it
    under other names stays, unless O(exclusive) is set.
  - Compares values, not bytes. A store that already holds what is listed is not touched.
  - A store that its passphrases do not open is an error, never a reason to make a new one.
  - Needs neither C(keytool) nor C(openssl) on the host.
  - For everything that a client needs, kept together and renewed, use M(mutual.tls.credential).
extends_documentation_fragment:
  - mutual.tls.keystore
options:
  format:
    description: The store's format. V(jks) is the real one, not PKCS#12 under that name.
    type: str
    choices: [jks, pkcs12]
    required: true
  previous_passphrase:
    description: Opens a store, or the keys in it, that was made with another passphrase; it is then written anew.
    type: str
  encryption:
    description:
      - How a PKCS#12 store is protected. One that is protected in another way is written anew.
      - V(modern) is AES-256 with PBKDF2 and SHA-256, which Java since 8u301 and OpenSSL since 1.1 open.
      - V(compatible) is 3DES with SHA-1, for readers that are older.
      - V(modern) if not given.
    type: str
    choices: [modern, compatible]
  entries:
    description: What the store holds. Names compare without case, as in Java; JKS holds them in lower case.
    type: list
    elements: dict
    required: true
    suboptions:
      friendly_name:
        description:
          - The entry's name (alias).
          - Several trusted certificates under one name are stored as V(name-1), V(name-2) and so on. Trusted
            certificates whose alias is the name with or without such a number belong to the entry, and go when they
            are no longer part of it, unless they are listed themselves.
        type: str
        required: true
      state:
        description: Whether it is in the store.
        type: str
        choices: [present, absent]
        default: present
      privatekey_path:
        description: A PEM file on the host with the private key. Without a key, the certificates are trusted ones.
        type: path
      privatekey_content:
        description: The private key in PEM itself.
        type: str
      privatekey_passphrase:
        description: The passphrase of the private key as it is given here.
        type: str
      certificate_path:
        description:
          - A file on the host with the certificate, in PEM, DER or PKCS#7; the chain may be in it, too.
          - It or O(entries[].certificate_content) is required for what is present.
        type: path
      certificate_content:
        description: The certificate in PEM itself.
        type: str
      other_certificates:
        description:
          - Files on the host with the certificates that the chain of a key is made of, in any order. Those that do not
            belong to it are left out.
        type: list
        elements: path
        default: []
      other_certificates_content:
        description: The same in PEM.
        type: str
  exclusive:
    description: Whether entries that are not listed are removed.
    type: bool
    default: false
  lock_timeout:
    description: For how many seconds to wait for another run that works in the same directory.
    type: int
    default: 60
  mode:
    description:
      - Mode of the file, as quoted octal digits. An existing file keeps its own if not given, a new one gets V(0600).
    type: raw
  owner:
    description: Owner of the file, a name or a number. An existing file keeps its own if not given.
    type: str
  group:
    description: Group of the file, a name or a number. An existing file keeps its own if not given.
    type: str
notes:
  - Passphrases reach the host as those of any module do. With pipelining on, they are in no temporary file there.
  - A secret (symmetric) key in a store would be lost in writing, so a store with one is refused, and so are JCEKS, BKS
    and UBER stores.
author:
  - The mutual.tls authors (@mutual-tls)
requirements:
  - cryptography >= 3.3
attributes:
  check_mode:
    description: Whether check mode predicts what a run would do.
    support: full
  diff_mode:
    description: Whether it returns what differs.
    support: full
    details: Names, dates and fingerprints; never a secret.
seealso:
  - module: mutual.tls.keystore_info
  - module: mutual.tls.credential
"""

EXAMPLES = r"""
- name: Keep the client's key, its chain and a CA to trust in one store
  mutual.tls.keystore:
    path: /opt/orders/conf/client.jks
    format: jks
    passphrase: "{{ vault_store }}"
    key_passphrase: "{{ vault_key }}"
    entries:
      - friendly_name: client
        privatekey_path: /etc/orders/key.pem
        certificate_path: /etc/orders/certificate.pem
        other_certificates: [/etc/orders/chain.pem]
      - friendly_name: vibesca
        certificate_content: "{{ lookup('ansible.builtin.file', 'vibes-ca.pem') }}"
      - friendly_name: old
        state: absent
    owner: orders
    mode: "0640"

- name: Keep a truststore that holds nothing else
  mutual.tls.keystore:
    path: /opt/orders/conf/trust.p12
    format: pkcs12
    passphrase: changeit
    exclusive: true
    entries:
      - friendly_name: partner
        certificate_path: /etc/orders/partner-bundle.pem
"""

RETURN = r"""
path:
  description: The store's path.
  type: str
  returned: success
reasons:
  description: Why something was done, or in check mode would be. See the documentation of reason codes.
  type: list
  elements: str
  returned: success
  sample: [store_content_changed]
friendly_names:
  description: The names of all entries that the store now has, or in check mode would have.
  type: list
  elements: str
  returned: success
"""

import time
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.difference import reasons
from ..module_utils.errors import Error
from ..module_utils.imports import require_cryptography
from ..module_utils.invocation import discreet, visible
from ..module_utils.keystore_arguments import check_mode, keystore
from ..module_utils.keystore_entries import changes
from ..module_utils.keystore_file import Outcome, State, StoreFile, keep
from ..module_utils.pkcs12 import opens_in_every_java


def result(path: str, outcome: Outcome) -> Dict[str, Any]:
    """What the task returns; it holds no secret."""

    def text(state: State | None) -> str:
        return "".join(line + "\n" for line in state.lines()) if state else ""

    after = outcome.after if outcome.differences else outcome.before
    return {
        "changed": bool(outcome.differences),
        "path": path,
        "reasons": reasons(outcome.differences),
        "friendly_names": [entry.alias for entry in after.store.entries] if after else [],
        "diff": {
            "before_header": path,
            "after_header": path,
            "before": text(outcome.before),
            "after": text(after),
        },
    }


def main() -> None:
    spec = keystore()
    module = discreet(AnsibleModule)(argument_spec=spec, supports_check_mode=True)
    # Ansible masks by value: a passphrase of one letter would garble every name and date. No result holds a secret.
    module.no_log_values.clear()
    options = dict(module.params)
    shown = {"module_args": visible(options, spec)}

    def context_of(path: str) -> str | None:
        context = module.selinux_default_context(path) if module.selinux_enabled() else []
        return ":".join(context) if context and all(context) else None

    if options["format"] == "pkcs12" and not opens_in_every_java(options["passphrase"]):
        module.warn("{0}: not every Java opens PKCS#12 with a passphrase beyond ASCII".format(options["path"]))
    try:
        require_cryptography()
        check_mode(options["mode"])
        wanted = changes(options.pop("entries"), time.time_ns() // 1_000_000)
        outcome = keep(StoreFile(**options), wanted, not module.check_mode, context_of)
    except Error as error:
        module.fail_json(msg=str(error), invocation=shown)
    module.exit_json(invocation=shown, **result(options["path"], outcome))


if __name__ == "__main__":
    main()
