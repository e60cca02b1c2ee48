# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a lock, for whoever waits for it in vain: what Linux tells in /proc, and nothing where it does not.

Whoever may open a directory may lock it, so the holder can be anybody's process: of its command line only what the
controller puts there (`mark`) is told, for all else could be a secret.
"""

from __future__ import annotations

import os
import pwd
import re
from typing import List, Optional

_KINDS = ("FLOCK", "POSIX")
_MARK = "mutual.tls for {0}, run {1}"
_MARKED = re.compile(r"mutual\.tls for ([!-~]{1,128}), run ([0-9a-f]{16})")
_LONGEST_NAME = 128
_LONGEST_FILE = 1 << 20


def mark(caller: str, run: str) -> str:
    """The last argument of a host's process: for whom it works, and in which run (`who.run_id`)."""
    return _MARK.format(re.sub("[^!-~]", "?", caller)[:_LONGEST_NAME], run)


def holder(status: os.stat_result) -> str:
    """Who holds the lock on what has this status, in brackets after a space; an empty text where nobody knows.

    As in ` (process 4711 of root, started 42 s ago, for alice@controller, run 0123456789abcdef)`.
    """
    number = _process(status)
    return "" if number is None else " ({0})".format(_described(number))


def _process(status: os.stat_result) -> Optional[int]:
    """Its number in /proc/locks (proc(5)), as in `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF`.

    Who waits has an arrow for a second field. Some file systems show another device than stat(2), so the inode has to
    do where nothing fits better. Of several holders one who writes is named.
    """
    place = "{0:02x}:{1:02x}:{2}".format(os.major(status.st_dev), os.minor(status.st_dev), status.st_ino)
    rows = [line.split() for line in _content("/proc/locks").splitlines()]
    locks = [row for row in rows if len(row) > 5 and row[1] in _KINDS and row[4].isdigit() and int(row[4]) > 0]
    found = [row for row in locks if row[5] == place] or [row for row in locks if row[5].endswith(_inode(place))]
    found.sort(key=lambda row: row[3] != "WRITE")
    return int(found[0][4]) if found else None


def _inode(place: str) -> str:
    return place[place.rindex(":") :]


def _described(number: int) -> str:
    owner = _owner(number)
    if owner is None:
        # It has ended meanwhile, or is hidden from this user.
        return "process {0}".format(number)
    parts = ["process {0} of {1}".format(number, owner)]
    age = _age(number)
    if age is not None:
        parts.append("started {0} s ago".format(age))
    arguments = [argument for argument in _content("/proc/{0}/cmdline".format(number)).split("\0") if argument]
    marked = _MARKED.fullmatch(arguments[-1]) if arguments else None
    if marked is not None:
        return ", ".join([*parts, "for {0}".format(marked[1]), "run {0}".format(marked[2])])
    name = _printable(_content("/proc/{0}/comm".format(number)).rstrip("\n"))
    return ", ".join(parts) + (": " + name if name else "")


def _owner(number: int) -> Optional[str]:
    try:
        owner = os.stat("/proc/{0}".format(number)).st_uid
    except OSError:
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return "uid {0}".format(owner)


def _age(number: int) -> Optional[int]:
    """How long a process has been running, in whole seconds."""
    # The second field is the program's name, which may hold spaces and brackets; the start is the 22nd.
    fields = _content("/proc/{0}/stat".format(number)).rpartition(")")[2].split()
    running = _content("/proc/uptime").split()
    try:
        age = float(running[0]) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (IndexError, ValueError):
        return None
    # In a container the time since the machine was started may be that since the container was.
    return int(age) if age >= 0 else None


def _printable(text: str) -> str:
    letters: List[str] = [letter if "!" <= letter <= "~" else "?" for letter in text]
    return "".join(letters)


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST_FILE)
    except OSError:
        return ""
