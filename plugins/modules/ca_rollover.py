#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `ca_rollover`; the code is the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ca_rollover
short_description: See whether every host is ready for the next phase of an own CA's roll-over
version_added: 1.0.0
author:
  - The mutual.tls authors (@mutual-tls)
description:
  - What the role C(mutual.tls.mtls_ownca) looks at hosts with, before M(mutual.tls.ownca) takes an own CA into the
    phase C(reissue) or C(retire). Use the playbook C(mutual.tls.ownca), which runs its steps in the right order.
  - For C(reissue) no file in use on any host may hold the old root without the new one. For C(retire) no certificate
    in use may come from the old CA, either. A host on which somebody still has to be told of changed files is not
    ready.
  - A host that could not be reached, failed or was not looked at is not ready.
options:
  step:
    description:
      - V(begin) finds out which own CA is meant, and whether its next phase depends on the hosts. Run it once.
      - V(host) looks at one host, which takes a connection to it. Register it as C(mtls_ownca_found).
      - V(proof) joins what all hosts of the inventory have come to. Run it once.
    type: str
    choices: [begin, host, proof]
    required: true
  phase:
    description: The phase that shall come.
    type: str
    choices: [add, reissue, retire]
    required: true
  ca:
    description: The own CA's name, for the step V(begin).
    type: str
  kept:
    description: By host, the own CAs that it takes care of, for the step V(begin).
    type: dict
  directory:
    description: The own CA's directory on the controller, for the steps V(host) and V(proof).
    type: path
  root:
    description: The directory that holds the host's credentials, for the step V(host).
    type: path
  result:
    description: What M(mutual.tls.credential) has returned in check mode, for the step V(host).
    type: dict
  authorities:
    description: The inventory's authorities, for the step V(host). None may be a copy of the old root alone.
    type: dict
    default: {}
attributes:
  action:
    description: Whether this is an action that runs on the controller.
    support: full
  check_mode:
    description: Whether it works in check mode.
    support: full
    details: It only reads.
  diff_mode:
    description: Whether it returns what differs.
    support: none
  async:
    description: Whether it can run in the background.
    support: none
seealso:
  - module: mutual.tls.ownca
  - module: mutual.tls.credential_info
"""

EXAMPLES = r"""
- name: See which own CA is to be rolled over, and whether its next phase depends on the hosts
  mutual.tls.ca_rollover:
    step: begin
    ca: corp
    kept: "{{ mtls_ownca_kept }}"
    phase: retire
  register: mtls_ownca_step
  run_once: true

- name: Join what stands against the next phase on all hosts
  mutual.tls.ca_rollover:
    step: proof
    directory: "{{ mtls_ownca_step.directory }}"
    phase: retire
  register: mtls_ownca_proof
  run_once: true
"""

RETURN = r"""
directory:
  description: The own CA's directory.
  type: str
  returned: by the step V(begin)
needed:
  description: Whether the phase needs to know what is on the hosts. Not where the roll-over is in it already.
  type: bool
  returned: by the step V(begin)
phase:
  description: The phase that shall come.
  type: str
  returned: by the steps V(host) and V(proof)
new:
  description: SHA-256 fingerprint of the new CA's root.
  type: str
  returned: by the steps V(host) and V(proof)
objections:
  description: What stands against the phase on this host; empty where nothing does.
  type: list
  elements: str
  returned: by the step V(host)
hosts:
  description: The objections of every host of the inventory. The module M(mutual.tls.ownca) takes the whole result.
  type: dict
  returned: by the step V(proof)
  sample: {web1: [], web2: ["it cannot be reached: connection refused"]}
"""
