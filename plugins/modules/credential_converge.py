#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of the action `credential`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_converge
short_description: The host's half of M(mutual.tls.credential)
version_added: 1.0.0
description:
  - Makes a host's credentials what one document says, in one transaction per credential.
  - Internal. Playbooks use M(mutual.tls.credential), which builds the document, asks the issuers and calls this
    module at most twice.
options:
  document:
    description: The wire document, as JSON text.
    type: str
    required: true
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
    support: none
    details: The action builds the diff from the differences that this module returns.
"""

EXAMPLES = r"""
- name: Use the action instead
  mutual.tls.credential:
    credentials: "{{ mtls_credentials }}"
"""

RETURN = r"""
reply:
  description: What was found and done, for the action.
  type: dict
  returned: success
"""

import os
import signal

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.converge.run import converge
from ..module_utils.document import Document, parse
from ..module_utils.errors import Error
from ..module_utils.imports import require_cryptography
from ..module_utils.reply import encode


def detach() -> None:
    """Let a controller that goes away leave this host finished, not half-way."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    if os.getpid() != os.getpgrp():
        os.setsid()


def holds_answers(document: Document) -> bool:
    """Whether this is the trip that deploys certificates."""
    return any(credential.answer is not None for credential in document.credentials)


def main() -> None:
    module = AnsibleModule(
        argument_spec={"document": {"type": "str", "required": True, "no_log": True}},
        supports_check_mode=True,
        no_log=True,
    )

    def context_of(path: str) -> str | None:
        context = module.selinux_default_context(path) if module.selinux_enabled() else []
        # The policy may have no rule for a path: its parts are None then.
        return ":".join(context) if context and all(context) else None

    try:
        require_cryptography()
        document = parse(module.params["document"])
        if holds_answers(document):
            detach()
        reply = converge(document, module.check_mode, context_of)
    except Error as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=reply.changed, reply=encode(reply))


if __name__ == "__main__":
    main()
