# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as its fleet's keeper sees it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Mapping, Optional

from .errors import FleetError, program
from .first_process import READY
from .network import SlowLine, ip_batch
from .places import REPOSITORY

_SECONDS = 120
_MESSAGE = 1 << 20
_NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "--kill-child")


class RunningHost:
    """The process that waits for the host's first process, and the socket to the latter."""

    def __init__(self, description: Mapping[str, Any], log: Path) -> None:
        """Start the first process; it waits for `describe` then."""
        self.description = description
        self.name: str = description["name"]
        self.port: str = description["port"]
        self.pid = 0
        self._first_process: Optional[int] = None
        self.slow_line: Optional[SlowLine] = None
        self._log = log
        self._socket, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_SECONDS)
        command = [program("unshare"), *_NAMESPACES, sys.executable, "-m", f"{__package__}.first_process"]
        with others, log.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdin=others.fileno(), stdout=output, stderr=output, cwd=REPOSITORY, start_new_session=True
            )

    @property
    def runs(self) -> bool:
        """Whether the first process is alive, and the host with it."""
        return self._first_process is not None and not select.select([self._first_process], [], [], 0)[0]

    def wait_for_pid(self) -> None:
        """Learn the id of the first process, as the machine counts."""
        self.pid = int(self._receive())
        self._first_process = os.pidfd_open(self.pid)

    def send(self, text: str) -> None:
        """Give the first process its description, or an order."""
        try:
            self._socket.send(text.encode())
        except (BrokenPipeError, ConnectionResetError):
            raise FleetError(self._last_words()) from None

    def wait_until_done(self) -> None:
        """Wait until the first process has done what it was sent; FleetError says why it could not."""
        answer = self._receive()
        if answer != READY:
            raise FleetError(f"{self.name}: {answer}")

    def _receive(self) -> str:
        try:
            message = self._socket.recv(_MESSAGE)
        except ConnectionResetError:
            message = b""
        except TimeoutError:
            raise FleetError(f"The host {self.name} has not answered for {_SECONDS} s.") from None
        if not message:
            raise FleetError(self._last_words())
        return message.decode()

    def _last_words(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace")[-2000:].strip()
        return f"The host {self.name} has ended. " + (f"Its log says:\n{text}" if text else "It has logged nothing.")

    def set_link(self, state: str) -> None:
        """Cut the host off ("down"), or join it to the network again ("up")."""
        ip_batch(f"link set {self.port} {state}")

    def set_latency(self, milliseconds: float) -> None:
        """Make the round trip to the host take so much longer than it takes by itself."""
        if self.slow_line is not None:
            line, self.slow_line = self.slow_line, None
            line.end_and_reconnect()
        if milliseconds > 0:
            self.slow_line = SlowLine(self.port, milliseconds)

    def hang_up(self) -> None:
        """Tell the first process to end, without waiting for it."""
        self._socket.close()

    def end(self) -> None:
        """End the host; when this returns none of its processes is left."""
        self.hang_up()
        if self._first_process is not None:
            # It ends because of that; it is killed for the case that it hangs.
            try:
                signal.pidfd_send_signal(self._first_process, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(self._first_process)
            self._first_process = None
        self._process.wait()
        if self.slow_line is not None:
            self.slow_line.end()
