# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills a playbook, whichever of its processes gets there first, when a certain file is about to appear, or just has.

With this directory in PYTHONPATH, MTLS_TEST_DOOM is a JSON list: directory, name, "before" or "after", and the process
id of the test. What dies is the process and all above it below the test, the controller last of them, by SIGKILL.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any


def _parent(process: int) -> int:
    with open("/proc/{0}/stat".format(process), encoding="utf-8", errors="replace") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def _die(test: int) -> None:
    doomed = [os.getpid()]
    while _parent(doomed[-1]) not in (test, 1):
        doomed.append(_parent(doomed[-1]))
    # From the top, so that nobody notices that a child has died.
    for process in reversed(doomed):
        os.kill(process, signal.SIGKILL)


def _arm(directory: str, name: str, moment: str, test: int) -> None:
    rename = os.rename

    def renamed(source: Any, target: Any, **options: Any) -> None:
        descriptor = options.get("dst_dir_fd")
        is_it = target == name and descriptor is not None and _path(descriptor) == directory
        if is_it and moment == "before":
            _die(test)
        rename(source, target, **options)
        if is_it:
            _die(test)

    os.rename = renamed  # type: ignore[assignment]


def _path(descriptor: int) -> str:
    return os.readlink("/proc/self/fd/{0}".format(descriptor))


if os.environ.get("MTLS_TEST_DOOM"):
    _arm(*json.loads(os.environ["MTLS_TEST_DOOM"]))
