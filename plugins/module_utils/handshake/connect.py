# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP: names to addresses, addresses to a connection, and a connection that reports how it ended."""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Any, List, Tuple

from ..errors import HandshakeError
from .deadline import Deadline

_TELLING = ("connection_refused", "timed_out", "unreachable")
_FIRST_BYTES = 512
_CHUNK = 16 * 1024

Address = Tuple[int, Any]


def resolve(host: str, port: int, deadline: Deadline, label: str) -> List[Address]:
    """Return (family, socket address) pairs for a name or literal address, without exceeding the deadline.

    `label` says whose name it is, for the message. The resolver cannot be interrupted, hence the thread.
    """
    found: List[Address] = []
    problem: List[str] = []

    def ask() -> None:
        try:
            for family, _kind, _protocol, _name, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((family, address))
        except (OSError, UnicodeError) as error:
            problem.append(
                os.strerror(error.errno)
                if isinstance(error, OSError) and error.errno and error.errno > 0
                else str(getattr(error, "strerror", None) or error)
            )

    deadline.stage = "resolving the {0} name {1}".format(label, host)
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(deadline.remaining())
    if thread.is_alive():
        raise HandshakeError(
            "name_not_resolved",
            "the {0} name {1} was not resolved within {2:g} s".format(label, host, deadline.seconds),
        )
    if problem or not found:
        raise HandshakeError(
            "name_not_resolved",
            "the {0} name {1} cannot be resolved: {2}".format(label, host, problem[0] if problem else "no address"),
        )
    return found


def open_connection(host: str, port: int, deadline: Deadline, label: str) -> Connection:
    """Connect to the first address that answers; HandshakeError with the most telling failure otherwise."""
    failures: List[Tuple[str, str]] = []
    addresses = resolve(host, port, deadline, label)
    for position, (family, address) in enumerate(addresses):
        deadline.stage = "connecting to the {0} {1} port {2} ({3})".format(label, host, port, address[0])
        patience = deadline.remaining() / (len(addresses) - position)
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            failures.append(("unreachable", "{0}: {1}".format(address[0], error.strerror)))
            continue
        try:
            sock.settimeout(patience)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failures.append((_code(error), "{0}: {1}".format(address[0], error.strerror or "no answer")))
        else:
            return Connection(sock, deadline, str(address[0]))
    code = min((code for code, _text in failures), key=_TELLING.index)
    raise HandshakeError(
        code,
        "cannot connect to the {0} {1} port {2} ({3})".format(
            label, host, port, "; ".join(text for _code, text in failures)
        ),
    )


def _code(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection_refused"
    if isinstance(error, socket.timeout) or error.errno == errno.ETIMEDOUT:
        return "timed_out"
    return "unreachable"


class Connection:
    """A connected socket under a deadline.

    A peer that resets the connection is no exception here: what it said before, an alert mostly, is still to
    be read. `first` holds the first bytes received, `received` counts all.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, address: str) -> None:
        self._sock = sock
        self._pushed_back = b""
        self.deadline = deadline
        self.address = address
        self.first = b""
        self.received = 0
        self.was_reset = False
        self.ended = False

    def send(self, data: bytes) -> None:
        """Send everything, unless the peer is gone already."""
        if self.was_reset:
            return
        view = memoryview(data)
        try:
            while view:
                self._sock.settimeout(self.deadline.remaining())
                view = view[self._sock.send(view) :]
        except socket.timeout:
            raise self.deadline.expired() from None
        except OSError:
            self.was_reset = True

    def receive(self, patience: float = 3600.0) -> bytes:
        """Return what comes next, b"" at the end; TimeoutError-like waiting ends in HandshakeError (timed_out).

        `patience` in seconds shortens the wait below what the deadline leaves.
        """
        if self._pushed_back:
            data, self._pushed_back = self._pushed_back, b""
            return data
        try:
            self._sock.settimeout(min(patience, self.deadline.remaining()))
            data = self._sock.recv(_CHUNK)
        except socket.timeout:
            raise self.deadline.expired() from None
        except OSError:
            self.was_reset = self.ended = True
            return b""
        self.ended = not data
        self.received += len(data)
        if len(self.first) < _FIRST_BYTES:
            self.first += data[: _FIRST_BYTES - len(self.first)]
        return data

    def push_back(self, data: bytes) -> None:
        """Make `data` the next bytes received, and the first of a new conversation."""
        self._pushed_back = data
        self.first = data[:_FIRST_BYTES]

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()
