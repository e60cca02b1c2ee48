#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create and keep an own CA."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ownca
short_description: Create and keep a CA of one's own for client certificates
version_added: 1.0.0
description:
  - Makes a root CA, or a root and an intermediate that issues, in a directory of the controller, with the ledger and
    the revocation list. Run it there, with C(delegate_to=localhost).
  - An existing CA is never replaced. Where O(subject), O(key), O(validity) or O(intermediate) are not what it was
    created with, the module fails and says so; a wrong passphrase is an error, too. To go over to another CA, use
    O(phase), best through the playbook C(mutual.tls.ownca), which looks at the hosts.
  - A run that was interrupted is completed by the next one, with the keys that are there.
  - Certificates are issued by the action M(mutual.tls.credential) through an issuer of type V(ownca).
options:
  directory:
    description:
      - Where the CA is kept, usually C(ownca/<issuer>) in the state directory. It must be empty, new, or hold this CA.
      - It gets C(ca.pem) (the root to trust), C(chain.pem) (the CA that issues first, the root last), C(key.pem) (the
        encrypted key of the CA that issues), C(ledger.sqlite) and C(crl.pem).
      - With O(intermediate) there is C(root-key.pem), too. Once the CA exists, nothing needs that file before the next
        change of passphrase; keep it offline.
      - Once a roll-over has begun, each CA has these files under names that begin with its number, as in C(2-key.pem).
        C(ca.pem) then holds every root to trust, C(chain.pem) the chain of the CA that issues and C(crl.pem) all lists.
    type: path
    required: true
  state_directory:
    description: The state directory that O(directory) lies in. It is created with its marker where it is missing.
    type: path
  passphrase:
    description:
      - What the keys are encrypted with (PKCS#8, PBES2 with AES-256).
      - A text of at most 1023 bytes without control characters. A bare number is an error; quote it.
    type: raw
    required: true
  previous_passphrase:
    description: Opens keys that O(passphrase) does not; they are then encrypted with O(passphrase).
    type: raw
  subject:
    description:
      - The root's name. A map is encoded in the order C, ST, L, O, OU, CN, emailAddress; a list of maps with one key
        each keeps its order.
    type: raw
    required: true
  key:
    description: The kind of the root's key.
    type: dict
    suboptions: &key
      type:
        description: The algorithm.
        type: str
        choices: [RSA, ECC, Ed25519]
        default: ECC
      size:
        description: The length of an RSA key in bits, 2048 to 8192; 4096 by default.
        type: int
      curve:
        description: The curve of an ECC key; V(secp384r1) by default.
        type: str
        choices: [secp256r1, secp384r1, secp521r1]
  validity:
    description: How long the root lasts, such as V(3650d), V(520w) or V(12h).
    type: str
    default: 3650d
  intermediate:
    description: A CA below the root that issues to clients. Without it the root does.
    type: dict
    suboptions:
      subject:
        description: Its name, in the forms of O(subject), and different from it.
        type: raw
        required: true
      key:
        description: The kind of its key; that of O(key) by default.
        type: dict
        suboptions: *key
      validity:
        description: How long it lasts, but never longer than the root.
        type: str
        default: 1825d
  crl_validity:
    description:
      - How long a revocation list is good. It is made anew when half of that has passed.
    type: str
    default: 30d
  phase:
    description:
      - Takes the CA's roll-over to a new one into this phase. Nothing happens where it is in that phase already; any
        other than the next one is an error. Without it the CAs are kept in the phase that they are in.
      - V(add) makes the new CA that O(subject), O(key), O(validity) and O(intermediate) describe, which needs names
        that the old one does not have. Both are to be trusted from then on. The old one issues.
      - V(reissue) lets the new CA issue. V(retire) takes the old one out of what is to be trusted; its key is kept,
        and its revocation list until the last of its certificates has ended.
      - V(add) after V(retire) begins the next roll-over.
    type: str
    choices: [add, reissue, retire]
  proof:
    description:
      - What the action M(mutual.tls.ca_rollover) has found on all hosts. V(reissue) and V(retire) need it, unless the
        roll-over is in that phase already.
    type: dict
  gone:
    description:
      - Hosts that exist no more. A host that holds a valid certificate by the CA's ledger, but is not in the inventory,
        keeps the next phase from coming, unless it is listed here.
    type: list
    elements: str
    default: []
author:
  - The mutual.tls authors (@mutual-tls)
requirements:
  - cryptography >= 3.3
attributes:
  check_mode:
    description: Whether the module can predict what it would do.
    support: full
  diff_mode:
    description: Whether the module reports what differs.
    support: full
notes:
  - Turn pipelining on (C(ansible_pipelining=true)), so that the passphrase is never in a temporary file. The role
    C(mutual.tls.mtls_ownca) does.
seealso:
  - module: mutual.tls.credential
  - module: mutual.tls.ca_rollover
"""

EXAMPLES = r"""
- name: Create the CA for client certificates
  mutual.tls.ownca:
    directory: "{{ mtls_state_directory }}/ownca/corp"
    state_directory: "{{ mtls_state_directory }}"
    passphrase: "{{ vault_ca }}"
    subject: {CN: Corp Client CA, O: Acme Inc}
    key: {type: ECC, curve: secp384r1}
    validity: 3650d
    intermediate:
      subject: {CN: Corp Client Issuing CA, O: Acme Inc}
      validity: 1825d
  delegate_to: localhost
  run_once: true
  vars:
    ansible_pipelining: true
"""

RETURN = r"""
directory:
  description: Where the CA is.
  type: str
  returned: success
reasons:
  description: Why something was done, or in check mode would be. See the documentation of reason codes.
  type: list
  elements: str
  returned: success
certificates:
  description:
    - The CA's certificates, the one that issues first, the root last.
    - In check mode, for a CA that does not exist yet, serial numbers, dates and fingerprints are not those it will get.
  type: list
  elements: dict
  returned: success
  contains:
    subject: {description: The name., type: str}
    issuer_dn: {description: The name of the CA above., type: str}
    serial_number: {description: In hexadecimal., type: str}
    not_before: {description: When it begins., type: str}
    not_after: {description: When it ends., type: str}
    fingerprint_sha256: {description: Of the certificate in DER., type: str}
    subject_alt_name: {description: Other names., type: list, elements: str}
    public_key: {description: The kind of its key., type: str}
rollover:
  description: The roll-over, also one that has ended; null where there never was one.
  type: dict
  returned: success
  contains:
    phase: {description: The phase that it is in., type: str}
    since: {description: Since when., type: str}
    trusted: {description: "SHA-256 fingerprints of the roots to trust, the oldest first.", type: list, elements: str}
    issuing: {description: SHA-256 fingerprint of the CA certificate that issues., type: str}
"""

from datetime import datetime, timezone
from typing import Any, Dict, Mapping, Optional

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.certificate import summary
from ..module_utils.difference import describe, reasons
from ..module_utils.errors import Error
from ..module_utils.imports import require_cryptography
from ..module_utils.invocation import discreet
from ..module_utils.ownca import proof
from ..module_utils.ownca.create import Keys, Outcome
from ..module_utils.ownca.options import argument_spec, own_ca, rollover_spec
from ..module_utils.ownca.phases import RollOver
from ..module_utils.ownca.rollover import converge
from ..module_utils.state_directory import open_state_directory


def keep(options: Mapping[str, Any], check_mode: bool) -> Outcome:
    """Do what the options ask for."""
    spec = own_ca(options)
    if options["state_directory"] is not None:
        open_state_directory(options["state_directory"], create=not check_mode)
    return converge(
        options["directory"],
        spec,
        Keys(options["passphrase"], options["previous_passphrase"]),
        datetime.now(timezone.utc),
        write=not check_mode,
        phase=options["phase"],
        found=proof.read(options["proof"], options["gone"]),
    )


def result(directory: str, outcome: Outcome) -> Dict[str, Any]:
    """What the task returns; it holds no secret."""
    return {
        "changed": bool(outcome.differences),
        "directory": directory,
        "reasons": reasons(outcome.differences),
        "certificates": [summary(certificate) for certificate in outcome.certificates],
        "rollover": _told(outcome.rollover),
        "diff": {
            "before": "".join(describe(one, one.was) + "\n" for one in outcome.differences),
            "after": "".join(describe(one, one.wanted) + "\n" for one in outcome.differences),
        },
        "invocation": {},
    }


def _told(rollover: Optional[RollOver]) -> Optional[Dict[str, Any]]:
    if rollover is None:
        return None
    return {
        "phase": rollover.phase,
        "since": "{0:%Y-%m-%dT%H:%M:%SZ}".format(rollover.since),
        "trusted": [one.root for one in rollover.trusted],
        "issuing": rollover.issuing.issuing,
    }


def main() -> None:
    module = discreet(AnsibleModule)(argument_spec={**argument_spec(), **rollover_spec()}, supports_check_mode=True)
    # Ansible masks the passphrase by its value wherever that occurs: a short one would garble names and dates.
    # Nothing here returns it, so there is nothing to mask, once the arguments are left out.
    module.no_log_values = set()
    try:
        require_cryptography()
        outcome = keep(module.params, module.check_mode)
    except Error as error:
        module.fail_json(msg=str(error), invocation={})
    module.exit_json(**result(module.params["directory"], outcome))


if __name__ == "__main__":
    main()
