# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages for a name that is not known, with the nearest one that is."""

from __future__ import annotations

import difflib
from typing import Iterable

from ..module_utils.errors import InputError


def unknown(what: str, name: str, known: Iterable[str], remedy: str = "", above: str = "") -> InputError:
    """The error for `name`, which is none of `known`: `what` says what it stands for, `above` the path to it."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        hint = "did you mean {0!r}?".format(near[0])
    elif names:
        hint = "known are: {0}".format(", ".join(names))
    else:
        hint = "none is defined"
    ending = "; {0}".format(remedy) if remedy else ""
    return InputError("{0} {1!r} is not known; {2}{3}".format(what, above + name, hint, ending))
