# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS over a `Connection`, in memory, so that every byte and every ending can be seen."""

from __future__ import annotations

import ssl
import time
from typing import Callable, Optional, TypeVar

from ..errors import HandshakeError
from .connect import Connection
from .observer import Observer

_CHUNK = 16 * 1024
_SETTLE_SHORTEST = 1.0
_SETTLE_LONGEST = 5.0
_T = TypeVar("_T")


class Session:
    """A TLS client's side of one connection.

    Methods raise ssl.SSLError as OpenSSL reports it, and HandshakeError (timed_out).
    """

    def __init__(self, connection: Connection, context: ssl.SSLContext, server_name: str, observer: Observer) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._observer = observer
        self._handshake_seconds = 0.0
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        self.established = False

    def handshake(self) -> None:
        """Run the handshake. In TLS 1.3 the server has not judged the client's certificate yet when it ends."""
        self._connection.deadline.stage = "waiting for the server's side of the TLS handshake"
        begin = time.monotonic()
        self._drive(self.tls.do_handshake)
        self._handshake_seconds = time.monotonic() - begin
        self.established = True

    def settle(self) -> None:
        """Wait until a TLS 1.3 server has judged the client's certificate, as far as that can be seen.

        It shows as an alert (ssl.SSLError), or as a session ticket, close_notify or end of the connection. A
        server that does nothing of it within a few round trips is taken to be content.
        """
        self._connection.deadline.stage = "waiting for the server's word on the client certificate"
        patience = max(_SETTLE_SHORTEST, min(_SETTLE_LONGEST, 4 * self._handshake_seconds))
        end = time.monotonic() + patience
        try:
            # Sends close_notify. Waiting for the answer is left to read: SSL_shutdown takes a fatal alert for one.
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            self._flush()
        try:
            self._drive(lambda: self.tls.read(1), end, self._accepted)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            pass

    def _accepted(self) -> bool:
        return self._observer.tickets > 0

    def write(self, data: bytes) -> None:
        """Send application data."""
        view = memoryview(data)
        while view:
            part = view[:_CHUNK]
            self._drive(lambda part=part: self.tls.write(part))  # type: ignore[misc]
            view = view[len(part) :]

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes of application data; b"" at the end of the connection."""
        try:
            return self._drive(lambda: self.tls.read(count)) or b""
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def _drive(
        self, step: Callable[[], _T], end: Optional[float] = None, done: Callable[[], bool] = lambda: False
    ) -> Optional[_T]:
        """Repeat an OpenSSL call, moving bytes, until it is through; None when `done`, or `end` has come."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                if done() or not self._fill(end):
                    return None
            except ssl.SSLError:
                self._flush()
                raise
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            self._connection.send(data)

    def _fill(self, end: Optional[float]) -> bool:
        """Feed what the peer sends next, or its end; say no when `end` has come before anything did."""
        patience = 3600.0 if end is None else end - time.monotonic()
        if patience <= 0:
            return False
        try:
            data = self._connection.receive(patience)
        except HandshakeError:
            if end is not None and time.monotonic() >= end:
                return False
            raise
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True
