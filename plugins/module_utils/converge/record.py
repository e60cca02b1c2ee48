# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what was done to a credential: at once in the host's own log, and later in the reply.

Lines go to the log daemon's local socket as RFC 3164, 4.1 has them. Python's syslog module writes the same, but it
waits for a log daemon that hangs, and a switch must not.
"""

from __future__ import annotations

import os
import re
import socket
import time
from typing import Optional

from ..errors import Error
from ..files import Directory
from ..reply import Event
from . import manifest as manifests
from .observe import GENERATIONS, MAXIMUM_FILE, directory_name

SOCKET = "/dev/log"
_PRIORITY = 10 * 8 + 5
"""authpriv.notice: of interest to those who may see who logs in."""
_TAG = "mutual.tls"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST = 1024
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")


def record(path: str, event: str, generation: Optional[int], fingerprint: Optional[str]) -> Event:
    """Write one event, one of reply.EVENTS, of the credential in the directory `path` to the host's log; return it.

    A host without a log, or with one that takes nothing now, is none the worse for it.
    """
    known = fingerprint if fingerprint is not None and _FINGERPRINT.match(fingerprint) else None
    told = Event(event, generation, known)
    line = "<{0}>{1} {2}[{3}]: {4}".format(_PRIORITY, _now(), _TAG, os.getpid(), _text(path, told))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.setblocking(False)
            log.connect(SOCKET)
            log.send(line.encode("utf-8", "backslashreplace")[:_LONGEST])
    except OSError:
        pass
    return told


def record_generation(directory: Directory, path: str, event: str, number: Optional[int]) -> Event:
    """The same of an event after which the generation `number` of the open credential `directory` is in use."""
    return record(path, event, number, None if number is None else _fingerprint(directory, number))


def _fingerprint(directory: Directory, number: int) -> Optional[str]:
    """Of a generation's certificate, as its manifest has it. What was done is done, whether it can be read or not."""
    try:
        with directory.subdirectory(GENERATIONS) as below, below.subdirectory(directory_name(number)) as generation:
            if generation.entry(manifests.NAME) is None:
                return None
            manifest = manifests.decode(generation.read(manifests.NAME, MAXIMUM_FILE))
    except Error:
        return None
    return None if manifest is None else manifest.fingerprint_sha256


def _now() -> str:
    """The host's own time, as log daemons read it: `Nov  1 09:05:00`, whatever the locale."""
    now = time.localtime()
    return "{0} {1:2d} {2:02d}:{3:02d}:{4:02d}".format(
        _MONTHS[now.tm_mon - 1], now.tm_mday, now.tm_hour, now.tm_min, now.tm_sec
    )


def _text(path: str, event: Event) -> str:
    said = ["event={0}".format(event.event)]
    if event.generation is not None:
        said.append("generation={0}".format(event.generation))
    if event.fingerprint_sha256 is not None:
        said.append("fingerprint_sha256={0}".format(event.fingerprint_sha256))
    # Last, because it may hold spaces; nothing in it begins another line.
    said.append("directory={0}".format("".join(one if one.isprintable() else "?" for one in path)))
    return " ".join(said)
