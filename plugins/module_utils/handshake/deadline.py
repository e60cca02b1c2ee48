# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One time limit for everything that one probe does, however slowly a peer drips its bytes."""

from __future__ import annotations

import time

from ..errors import HandshakeError


class Deadline:
    """Counts down `seconds` from its creation."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self.stage = "connecting"

    def remaining(self) -> float:
        """Return the seconds left, more than 0; HandshakeError (timed_out) when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.expired()
        return left

    def expired(self) -> HandshakeError:
        """Return the error that names what was being done."""
        return HandshakeError("timed_out", "timed out after {0:g} s while {1}".format(self.seconds, self.stage))
