# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half of the action `credential`: what the controller starts there, once or twice in a run.

The answer is one line of JSON on standard output: the reply, or `failed`, `msg` and the `package` that would help.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from . import seal
from .errors import Error


def main(document: str, check: bool) -> None:
    """Converge, or check, what the wire document says, and print the answer."""
    answer: dict[str, Any]
    try:
        answer = {"reply": seal.unbroken(document) or _full_run(document, check)}
    except Error as error:
        answer = {"failed": True, "msg": str(error), "package": error.package}
    # On a line of its own, whatever else this Python has to say.
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()


def _full_run(text: str, check: bool) -> dict[str, Any]:
    # Here, because a check of what is sealed needs none of it, and compiling it takes longer than that check.
    from .converge.run import converge
    from .document import parse
    from .imports import require_cryptography
    from .reply import encode
    from .selinux import context_of

    require_cryptography()
    document = parse(text)
    if not check and (document.holds_decisions or document.has_users):
        _detach()
    return encode(converge(document, check, context_of()))


def _detach() -> None:
    """Let a controller that goes away leave this host finished, not half-way."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    if os.getpid() != os.getpgrp():
        os.setsid()
