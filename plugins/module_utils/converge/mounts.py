# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which generations something still has mounted.

A bind mount of `current` (into a container, say) pins the generation it was made from; pruning that one would
take the files from under its user.
"""

from __future__ import annotations

import os
from typing import Set

from .observe import GENERATIONS


def mounted_names(credential_directory: str) -> Set[str]:
    """The names of a credential's generations that any process has mounted, per /proc/*/mountinfo (proc(5))."""
    marker = "/{0}/{1}/".format(os.path.basename(credential_directory), GENERATIONS)
    names: Set[str] = set()
    for process in os.listdir("/proc"):
        if process.isdigit():
            names.update(_names(process, marker))
    return names


def _names(process: str, marker: str) -> Set[str]:
    try:
        with open("/proc/{0}/mountinfo".format(process), encoding="utf-8", errors="replace") as table:
            roots = [line.split(" ")[3] for line in table if marker in line]
    except OSError:
        # The process has ended meanwhile, or is not ours to look at.
        return set()
    return {(root + "/").split(marker, 1)[1].split("/")[0] for root in roots if marker in root + "/"}
