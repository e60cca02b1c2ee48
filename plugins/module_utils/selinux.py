# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which SELinux context a path should have, as the host's policy says (matchpathcon(3))."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Optional

from .errors import DependencyError
from .files import ContextOf, no_context

# Where the kernel shows SELinux (selinux(8)); other hosts load no library.
_MOUNT = "/sys/fs/selinux/enforce"
_LIBRARY = "libselinux.so.1"


def context_of() -> ContextOf:
    """What tells a path's context on this host. Raises DependencyError where SELinux is on without its library."""
    if not os.path.exists(_MOUNT):
        return no_context
    library = _library()
    if library.is_selinux_enabled() != 1:
        return no_context
    return lambda path: _context(library, path)


def _library() -> Any:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError as error:
        raise DependencyError(
            "this host has SELinux, but {0} cannot be loaded ({1}); install libselinux".format(_LIBRARY, error)
        ) from None
    library.matchpathcon.argtypes = [ctypes.c_char_p, ctypes.c_uint, ctypes.POINTER(ctypes.c_void_p)]
    library.freecon.argtypes = [ctypes.c_void_p]
    library.freecon.restype = None
    return library


def _context(library: Any, path: str) -> Optional[str]:
    """None where the policy has no rule for the path."""
    found = ctypes.c_void_p()
    if library.matchpathcon(os.fsencode(path), 0, ctypes.byref(found)) != 0 or not found.value:
        return None
    try:
        return os.fsdecode(ctypes.string_at(found.value))
    finally:
        library.freecon(found)
