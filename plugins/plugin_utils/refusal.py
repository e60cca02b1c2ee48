# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a host gave no reply, in words for people."""

from __future__ import annotations

from typing import Any, List, Mapping

from ..module_utils.errors import DependencyError, Error, ReplyError
from ..module_utils.imports import PACKAGE
from . import results
from .rendering import harmless


def refusal(answer: Mapping[str, Any], found: Mapping[str, Any], secrets: List[str]) -> Error:
    """The error for a trip without a reply: `answer` is what the host's half said, `found` what its program left."""
    why = _why(answer, found, secrets)
    # Compared, not taken over: what a host says must not choose what is installed.
    return DependencyError(why, PACKAGE) if answer.get("package") == PACKAGE else ReplyError(why)


def _why(answer: Mapping[str, Any], found: Mapping[str, Any], secrets: List[str]) -> str:
    """Why the host's half gave no reply. Its own error is text for people; a crash is known by its last line."""
    message = results.visible(str(answer.get("msg") or ""))
    if answer.get("failed") and message:
        return harmless(message, secrets)
    noise = str(found.get("stderr") or found.get("stdout") or "").strip().splitlines()
    # A shell says first why it cannot start a program; a program that ends says last why.
    telling = 0 if found.get("rc") in (126, 127) else -1
    said = harmless(results.visible(noise[telling]), secrets) if noise else "nothing"
    return (
        "the program that does the work on the host gave no result; check that ansible_python_interpreter is a Python "
        ">= 3.9 and that the user may run it. It said: {0}".format(said)
    )
