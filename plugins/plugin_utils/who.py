# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who runs Ansible on the controller, and in which run: what the audit log says about its own writer."""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
import pwd
import socket

from ..module_utils import lock_holder

_LONGEST_NAME = 256
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_PROCESS_NAMESPACE = "/proc/self/ns/pid"


def login() -> str:
    """The user who is logged in on the controller: whoever called sudo, else the owner of this process.

    It is what the environment says, and as good as that: people who may run playbooks may set it.
    """
    caller = os.environ.get("SUDO_USER", "")
    if 0 < len(caller) <= _LONGEST_NAME:
        return caller
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # In a container the user may have a number only.
        return "uid {0}".format(os.getuid())


def mark() -> str:
    """Who calls from which machine, in which run: for the command line of the process on the host.

    There people see it who look, and another run that waits in vain for this one's lock.
    """
    return lock_holder.mark("{0}@{1}".format(login(), socket.gethostname()), run_id())


@functools.cache
def run_id() -> str:
    """Sixteen hex digits, the same in every process of one ansible-playbook and in no other's.

    Ansible forks a process for each host's task: what they have in common is the process that forked them. Its number
    is used again some day, so the time at which it started counts, too. A process asks once; its children know.
    """
    parent = multiprocessing.parent_process()
    number = os.getpid() if parent is None else parent.pid
    meaning = [_content(_BOOT_ID) or socket.gethostname(), _link(_PROCESS_NAMESPACE), str(number), _started(number)]
    return hashlib.sha256("\0".join(meaning).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _started(number: object) -> str:
    """When a process was started, in ticks since the machine was; empty where nobody tells (proc(5), field 22)."""
    # The second field is the program's name, which may hold spaces and brackets.
    fields = _content("/proc/{0}/stat".format(number)).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
