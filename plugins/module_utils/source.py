# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that options name, read with a bound."""

from __future__ import annotations

import os
import stat

from .errors import DiskError

MAXIMUM_SIZE = 8 * 1024 * 1024


def read(path: str, option: str) -> bytes:
    """Return the content of a regular file; DiskError naming `option` and `path` otherwise.

    A FIFO or device in its place does not block the run, and a huge file is refused, not read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise DiskError(
            "{0}: cannot open {1}: {2}".format(option, path, getattr(error, "strerror", None) or error)
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DiskError("{0}: {1} is not a regular file".format(option, path))
        data = _content(descriptor)
    except OSError as error:
        raise DiskError("{0}: cannot read {1}: {2}".format(option, path, error.strerror)) from error
    finally:
        os.close(descriptor)
    if len(data) > MAXIMUM_SIZE:
        raise DiskError("{0}: {1} is bigger than {2} MiB".format(option, path, MAXIMUM_SIZE >> 20))
    if not data:
        raise DiskError("{0}: {1} is empty".format(option, path))
    return data


def _content(descriptor: int) -> bytes:
    """Return what the file holds, one byte over the maximum at most."""
    data = b""
    while len(data) <= MAXIMUM_SIZE:
        chunk = os.read(descriptor, MAXIMUM_SIZE + 1 - len(data))
        if not chunk:
            break
        data += chunk
    return data
