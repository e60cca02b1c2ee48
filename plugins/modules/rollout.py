#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `rollout`; the code is the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Plan the batches of a rotation, stop where one fails, and sum up
version_added: 1.0.0
author:
  - The mutual.tls authors (@mutual-tls)
description:
  - What the playbook C(mutual.tls.rotate) is made of. Where hosts have to be prepared, write one of your own around the
    role's task files C(rollout), C(batch) and C(summary), as that playbook does.
  - Ansible's C(serial) cannot see what an inventory says about its hosts. This action reads C(mtls_rollout) and
    C(mtls_rollout_by) of every host of the play, wherever the inventory sets them. The next play takes its C(hosts) and
    C(serial) from the result.
  - C(mtls_rollout) is a list of batch sizes, numbers of hosts or percentages of all hosts of the run, rounded down but
    at least 1. The last size repeats. It is C([1, "10%", "100%"]) where it is not set. All hosts of a run have to agree
    on it.
  - C(mtls_rollout_by) is a text that a host shares with those that stand in for it, such as the name of an HA pair.
    Hosts with the same value never share a batch. A host without one may be in any.
  - The inventory's order is kept, except where that would take more batches than necessary. Then the values that most
    hosts share come first.
  - It contacts no host.
options:
  step:
    description:
      - V(plan) plans the batches of the play's hosts. Run it once, in a play without C(serial).
      - V(gate) tells whether the batch that is about to run may do so, which takes a successful C(mtls_result) of every
        host of the batch before.
      - V(summary) tells what every host's C(mtls_result) came to.
    type: str
    choices: [plan, gate, summary]
    required: true
  plan:
    description: The result of the step V(plan). Required for the others.
    type: dict
attributes:
  action:
    description: Whether this is an action that runs on the controller.
    support: full
  check_mode:
    description: Whether check mode predicts what a run would do.
    support: full
    details: All hosts are then checked at once. The summary tells their batches, and where a run would stop.
  diff_mode:
    description: Whether it returns what differs.
    support: none
  async:
    description: Whether it can run in the background.
    support: none
seealso:
  - module: mutual.tls.credential
"""

EXAMPLES = r"""
- name: Plan the batches
  mutual.tls.rollout:
    step: plan
  register: mtls_rollout_plan
  run_once: true

- name: See whether the batch before has succeeded
  mutual.tls.rollout:
    step: gate
    plan: "{{ mtls_rollout_plan }}"
  register: mtls_rollout_gate
  run_once: true
"""

RETURN = r"""
batches:
  description: The hosts of each batch.
  type: list
  elements: list
  returned: by the step V(plan)
  sample: [[web1], [web2, db1]]
serial:
  description: The batches' sizes, for the next play's C(serial). In check mode one that holds all hosts.
  type: list
  elements: int
  returned: by the step V(plan)
  sample: [1, 2]
open:
  description: Whether the batch may run.
  type: bool
  returned: by the step V(gate)
unfinished:
  description: Hosts of the batch before that have not succeeded.
  type: list
  elements: str
  returned: by the step V(gate)
hosts:
  description:
    - The step V(plan) returns the hosts' names in the order of their turn, for the next play's C(hosts).
    - The step V(summary) returns for each host its C(host), C(batch), C(outcome) (V(succeeded), V(failed),
      V(unreachable) or V(not_started)), C(error) and C(credentials), as in M(mutual.tls.credential).
  type: list
  elements: raw
  returned: by the steps V(plan) and V(summary)
failed_hosts:
  description: Hosts that failed or could not be reached.
  type: list
  elements: str
  returned: by the step V(summary)
not_started:
  description: Hosts that had no turn, because a batch before theirs failed. They are as they were.
  type: list
  elements: str
  returned: by the step V(summary)
stopped_in:
  description: Number of the first batch in which a host failed, from 1 on.
  type: int
  returned: by the step V(summary); null where none failed
busiest_days:
  description: In check mode, the days ahead on which most is due, each with C(date) and C(count).
  type: list
  elements: dict
  returned: by the step V(summary)
lines:
  description: All of that for people to read.
  type: list
  elements: str
  returned: by the step V(summary)
"""
