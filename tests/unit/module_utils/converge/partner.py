# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A partner's API that demands client certificates, in this process, and a service that has to be told of new ones."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import shlex
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

from cryptography.x509 import DNSName, IPAddress
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.plugins.module_utils.converge.verify import to_wire
from ansible_collections.mutual.tls.plugins.module_utils.converge.verify_options import read
from ansible_collections.mutual.tls.tests.unit import material
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host

_ANSWER = b"HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Partner:
    """Answers 200 to client certificates of the host's CA that `accepts` agrees to, by serial number, else 403.

    `asked` has the serial number of every client, in order. Its own certificate is of `authority`.
    """

    def __init__(self, host: Host, directory: Path) -> None:
        self.authority = material.authority("Partner's Root")
        names = [DNSName("localhost"), IPAddress(ipaddress.ip_address("127.0.0.1"))]
        own = material.client(
            "localhost", self.authority, alternatives=names, purposes=[ExtendedKeyUsageOID.SERVER_AUTH]
        )
        self.accepts: Callable[[int], bool] = lambda serial: True
        self.asked: List[int] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        both = directory / "partner.pem"
        both.write_bytes(own.pem + own.key_pem)
        self._context.load_cert_chain(both)
        self._context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(base64.b64decode(host.authority.der)))
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ended = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def verify(self, **changes: Any) -> Dict[str, Any]:
        """How to prove a credential to it, as the wire document says it; its authority has the name `server`."""
        options = {"url": "https://localhost:{0}/ping".format(self.port), "retries": 0, **changes}
        return to_wire(read(options, ["server"]))

    def close(self) -> None:
        """Answer nobody any more."""
        self._ended = True
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            pass
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            connection, _address = self._listener.accept()
            if self._ended:
                connection.close()
                return
            # One by one: a client that was killed in between has closed its end.
            with connection, contextlib.suppress(OSError):
                connection.settimeout(10)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with self._context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            found = secured.getpeercert() or {}
            serial = int(str(found["serialNumber"]), 16)
            self.asked.append(serial)
            secured.sendall(_ANSWER % ((200, b"OK") if self.accepts(serial) else (403, b"Forbidden")))


@contextlib.contextmanager
def partner_of(host: Host, directory: Path) -> Iterator[Partner]:
    """A partner while it is needed; the host's authority `server` is its own."""
    partner = Partner(host, directory)
    host.bundles["server"] = [base64.b64encode(partner.authority.der).decode()]
    try:
        yield partner
    finally:
        partner.close()


class Service:
    """What a reload tells: which generation was in use each time. It fails while `failing` is there."""

    def __init__(self, host: Host, directory: Path, name: str = "orders") -> None:
        self._log = directory / "reloads"
        self.failing = directory / "failing"
        place = shlex.quote(str(host.root / name / "current"))
        script = "readlink {0} >> {1}; test ! -e {2} || {{ echo refused >&2; exit 3; }}".format(
            place, shlex.quote(str(self._log)), shlex.quote(str(self.failing))
        )
        self.command = [["/bin/sh", "-c", script]]

    @property
    def reloads(self) -> List[str]:
        """The generation that `current` led to at each reload."""
        return self._log.read_text().split() if self._log.exists() else []
