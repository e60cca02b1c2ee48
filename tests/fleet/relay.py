# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands Ethernet frames from one network interface to another, each a while later, and back.

The kernel can do that, too (netem), but not every kernel has it built in. Arguments: two interfaces, and the seconds
that a frame takes in either direction. Standard input is the life line: the relay ends with it.
"""

from __future__ import annotations

import errno
import select
import socket
import sys
import time
from collections import deque
from typing import Any, Deque, List, Optional, Tuple

_ALL_PROTOCOLS = 0x0003
_SOL_PACKET = 263
_VIRTUAL_HEADER = 15
_IGNORE_OUTGOING = 23
_BUFFER = 8 << 20
# The kernel hands over segments of up to 64 KiB that it has not split yet.
_FRAME = 1 << 17


class Direction:
    """Frames on their way from one interface to the other."""

    def __init__(self, source: socket.socket, target: socket.socket, delay: float) -> None:
        self.source = source
        self._target = target
        self._delay = delay
        self._waiting: Deque[Tuple[float, bytes]] = deque()

    def receive(self) -> None:
        frame = _unless_down(lambda: self.source.recv(_FRAME))
        if frame is not None:
            self._waiting.append((time.monotonic() + self._delay, frame))

    def next_due(self) -> Optional[float]:
        return self._waiting[0][0] if self._waiting else None

    def send_due(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            frame = self._waiting.popleft()[1]
            _unless_down(lambda frame=frame: self._target.send(frame))


def _unless_down(action: Any) -> Any:
    """Frames to and from an interface that is down are lost: that is what a cut link does."""
    try:
        return action()
    except OSError as error:
        if error.errno not in (errno.ENETDOWN, errno.ENOBUFS):
            raise
        return None


def _open(interface: str) -> socket.socket:
    result = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    result.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    # Each frame comes with the work that the kernel has put off (checksum, splitting), and passes it on.
    result.setsockopt(_SOL_PACKET, _VIRTUAL_HEADER, 1)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    result.bind((interface, _ALL_PROTOCOLS))
    return result


def main() -> None:
    first, second = _open(sys.argv[1]), _open(sys.argv[2])
    delay = float(sys.argv[3])
    directions = [Direction(first, second, delay), Direction(second, first, delay)]
    sys.stdout.write("relaying\n")
    sys.stdout.flush()
    watched: List[Any] = [sys.stdin, first, second]
    while True:
        due = [moment for moment in (direction.next_due() for direction in directions) if moment is not None]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        readable = select.select(watched, [], [], timeout)[0]
        if sys.stdin in readable:
            return
        for direction in directions:
            if direction.source in readable:
                direction.receive()
            direction.send_due(time.monotonic())


if __name__ == "__main__":
    main()
