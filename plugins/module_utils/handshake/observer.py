# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes over a TLS connection beside application data, as `ssl`'s message callback shows it.

The callback is private to Python (3.8 and later). Where it is missing, alerts still come from OpenSSL's error
reasons and certificates from the connection; only the accepted CA names stay unknown.
"""

from __future__ import annotations

import ssl
from typing import Any, List, Optional, Tuple

from ..errors import FormatError
from . import alerts, messages

_HANDSHAKE = 22
_ALERT = 21
_FATAL = 2


class Observer:
    """Keeps, unparsed and bounded, the messages that matter; nothing in the callback can raise.

    `alert_received` and `alert_sent` are alert numbers; warnings are not kept.
    """

    def __init__(self) -> None:
        self.watching = False
        self.alert_received: Optional[int] = None
        self.alert_sent: Optional[int] = None
        self.tickets = 0
        self._version = 0
        self._server_certificates = b""
        self._request = b""
        self._client_certificates: Optional[bytes] = None

    def attach(self, context: ssl.SSLContext) -> None:
        """Start watching the connections made from `context`, if this Python can."""
        try:
            context._msg_callback = self._message  # type: ignore[attr-defined]
        except (AttributeError, TypeError):
            return
        self.watching = hasattr(type(context), "_msg_callback")

    def _message(self, _connection: Any, direction: str, version: int, kind: int, detail: int, data: bytes) -> None:
        if len(data) > messages.MAXIMUM_MESSAGE:
            return
        received = direction == "read"
        if kind == _ALERT and len(data) == 2:
            if not _is_fatal(data[0], data[1], int(version)):
                return
            if received:
                self.alert_received = data[1]
            else:
                self.alert_sent = data[1]
        elif kind == _HANDSHAKE and data:
            self._handshake(received, int(version), data)

    def _handshake(self, received: bool, version: int, data: bytes) -> None:
        kind = data[0]
        if kind == messages.CERTIFICATE and received:
            self._version, self._server_certificates = version, data
        elif kind == messages.CERTIFICATE_REQUEST and received:
            self._version, self._request = version, data
        elif kind == messages.CERTIFICATE:
            self._version, self._client_certificates = version, data
        elif kind == messages.NEW_SESSION_TICKET and received:
            self.tickets += 1

    @property
    def certificate_requested(self) -> Optional[bool]:
        """Say whether the server asked for a client certificate; None where that cannot be seen."""
        return bool(self._request) if self.watching else None

    @property
    def certificates_sent(self) -> Optional[int]:
        """Return how many certificates the client sent; None where that cannot be seen."""
        if not self.watching:
            return None
        if self._client_certificates is None:
            return 0
        return len(messages.certificates(self._client_certificates, self._version))

    def server_certificates(self) -> Tuple[bytes, ...]:
        """Return the DER certificates that the server sent; FormatError when the message is malformed."""
        if not self._server_certificates:
            return ()
        return messages.certificates(self._server_certificates, self._version)

    def certificate_request(self) -> Optional[messages.CertificateRequest]:
        """Return what the server asked for, if it asked; FormatError when the message is malformed."""
        if not self._request:
            return None
        return messages.certificate_request(self._request, self._version)


def _is_fatal(level: int, number: int, version: int) -> bool:
    """Say whether an alert ends a connection for a reason; TLS 1.3 ignores the level (RFC 8446 section 6)."""
    if number in (alerts.CLOSE_NOTIFY, alerts.USER_CANCELED):
        return False
    return level == _FATAL or version >= messages.TLS_1_3


def chain_of(connection: ssl.SSLObject, observer: Observer) -> Tuple[bytes, ...]:
    """Return the certificates that the server sent, leaf first, by whichever way this Python has."""
    try:
        seen = observer.server_certificates()
    except FormatError:
        seen = ()
    if seen:
        return seen
    chain: List[bytes] = []
    if hasattr(connection, "get_unverified_chain"):
        try:
            chain = list(connection.get_unverified_chain())[: messages.MAXIMUM_CERTIFICATES]
        except (ValueError, ssl.SSLError):
            chain = []
    if not chain:
        try:
            leaf = connection.getpeercert(binary_form=True)
        except ValueError:
            leaf = None
        chain = [leaf] if leaf else []
    return tuple(chain)
