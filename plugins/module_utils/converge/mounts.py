# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which generations something still has mounted.

A bind mount of `current` (into a container, say) pins the generation it was made from; pruning that one would
take the files from under its user.
"""

from __future__ import annotations

import os
from typing import Set, Tuple

from ..files import saw_what_changes_by_itself
from .observe import GENERATIONS


def mounted_names(credential_directory: str) -> Set[str]:
    """The names of a credential's generations that any process has mounted, per /proc/*/mountinfo (proc(5))."""
    saw_what_changes_by_itself()
    real = os.path.realpath(credential_directory)
    names: Set[str] = set()
    for process in os.listdir("/proc"):
        if process.isdigit():
            names.update(_names(process, real))
    return names


def _names(process: str, directory: str) -> Set[str]:
    marker = "/{0}/{1}/".format(os.path.basename(directory), GENERATIONS)
    try:
        with open("/proc/{0}/mountinfo".format(process), encoding="utf-8", errors="replace") as table:
            roots = [line.split(" ")[3] for line in table if marker in line]
    except OSError:
        # The process has ended meanwhile, or is not ours to look at.
        return set()
    return {_split(root, marker)[1] for root in roots if _is_below(directory, _split(root, marker)[0])}


def _split(root: str, marker: str) -> Tuple[str, str]:
    """The credential's directory and the generation's name in a mount's root."""
    above, _marker, below = (root + "/").partition(marker)
    return above + "/" + marker.split("/")[1], below.split("/")[0]


def _is_below(directory: str, mounted: str) -> bool:
    """Whether a mount's root can be this directory: it is told from the root of its file system, not of the host.

    So it is the end of the path where that file system is mounted below /, and the path is its end on a subvolume.
    """
    return directory.endswith(mounted) or mounted.endswith(directory)
