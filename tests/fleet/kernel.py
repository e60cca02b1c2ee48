# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount calls of Linux, which Python has no functions for."""

from __future__ import annotations

import ctypes
import os

NOSUID = 0x2
READ_ONLY = 0x1
NODEV = 0x4
NOEXEC = 0x8
_REMOUNT = 0x20
_BIND = 0x1000
_RECURSIVE = 0x4000
_PRIVATE = 0x40000
_DETACH = 0x2

_libc = ctypes.CDLL(None, use_errno=True)


def mount(kind: str, target: str, options: str = "", flags: int = 0) -> None:
    """mount(2) of a file system that has no device; OSError names the target."""
    _check(
        _libc.mount(kind.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode()), target
    )


def show_read_only(source: str, target: str) -> None:
    """Let a directory be seen at another place, too, where nobody can change it."""
    for flags in (_BIND, _BIND | _REMOUNT | READ_ONLY):
        _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(flags), None), target)


def keep_mounts_private() -> None:
    """What is mounted from now on is seen in this mount namespace only."""
    _check(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_RECURSIVE | _PRIVATE), None), "/")


def change_root(directory: str) -> None:
    """Make a mount point the root of this mount namespace, and let go of everything else in it; pivot_root(2)."""
    os.chdir(directory)
    # Both roots share one place for a moment, so that the new one needs no directory for the old one.
    _check(_libc.pivot_root(b".", b"."), directory)
    _check(_libc.umount2(b".", _DETACH), "the old root")
    os.chdir("/")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
