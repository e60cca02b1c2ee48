# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that exists only in memory and only for this process.

Python's `ssl` reads a client's key from a path and from nothing else; this gives it a path without the key
ever being written to a disk.
"""

from __future__ import annotations

import contextlib
import os
from typing import Iterator

from ..errors import UnsupportedError


@contextlib.contextmanager
def memory_file(data: bytes) -> Iterator[str]:
    """Yield a path, valid inside the block, at which this process alone reads `data`.

    UnsupportedError where the system has no memfd_create(2) or no /proc.
    """
    if not hasattr(os, "memfd_create"):
        raise UnsupportedError(
            "this host's Python cannot make files in memory (memfd_create, Linux 3.17 and glibc 2.27 or newer), so a "
            "client certificate cannot be used without writing its key to a disk; run the handshake from another host"
        )
    try:
        descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
    except OSError as error:
        raise UnsupportedError("cannot make a file in memory (memfd_create): {0}".format(error.strerror)) from error
    try:
        path = "/proc/self/fd/{0}".format(descriptor)
        if not os.path.exists(path):
            raise UnsupportedError("/proc is not mounted on this host; a client certificate cannot be used without it")
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        yield path
    finally:
        os.close(descriptor)
