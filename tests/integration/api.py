# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API behind nginx that demands certificates of the fleet's own CA, and refuses some of them on demand."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from pathlib import Path
from typing import Iterator, List, NamedTuple

from cryptography.x509 import DNSName, IPAddress
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.tests.integration import servers
from ansible_collections.mutual.tls.tests.unit import material

REJECTED = "rejected"
"""How the OU of certificates begins that the API refuses while it is told to."""

_SETTINGS = """
    ssl_certificate {0}/server.pem; ssl_certificate_key {0}/server.key;
    ssl_client_certificate {0}/clients.pem; ssl_verify_client on;
    access_log {0}/access.log;
    set $judged "";
    if (-f {0}/rejecting) {{ set $judged "now $ssl_client_s_dn"; }}
    if ($judged ~ "OU={1}") {{ return 403; }}
    location / {{ return 200 "pong"; }}
"""
_BEHIND = """
    proxy_read_timeout 200s;
    location /held/ {{ proxy_pass http://127.0.0.1:{0}; }}
    location /proof/ {{ proxy_pass http://127.0.0.1:{0}; }}
"""
_LINE = re.compile(r'"GET (/\S*) HTTP/1\.[01]" (\d+) ')


class Answer(NamedTuple):
    """One line of the API's log."""

    path: str
    status: int


class Api:
    """The API's files. `authority` is the CA of its own certificate; `port` is there while it runs."""

    def __init__(self, directory: Path, clients: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.partner = material.authority("Partner Root")
        names = [DNSName("localhost"), IPAddress(ipaddress.ip_address("127.0.0.1"))]
        own = material.client("localhost", self.partner, alternatives=names, purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
        self.authority = directory / "authority.pem"
        self.authority.write_bytes(self.partner.pem)
        (directory / "server.pem").write_bytes(own.pem)
        (directory / "server.key").write_bytes(own.key_pem)
        (directory / "clients.pem").write_bytes(clients.read_bytes())
        self._rejecting = directory / "rejecting"
        self.port = 0

    @contextlib.contextmanager
    def running(self, nginx: str, behind: int = 0) -> Iterator[None]:
        """nginx, meanwhile; `behind` is the port of a gate that some calls go on to."""
        settings = _SETTINGS.format(self.directory, REJECTED) + (_BEHIND.format(behind) if behind else "")
        with servers.nginx(nginx, self.directory, settings) as port:
            self.port = port
            yield

    def reject(self, on: bool) -> None:
        """Whether certificates are refused from now on whose OU begins so."""
        if on:
            self._rejecting.touch()
        else:
            self._rejecting.unlink()

    def answers(self) -> List[Answer]:
        """Every answer so far."""
        log = self.directory / "access.log"
        found = _LINE.findall(log.read_text()) if log.exists() else []
        return [Answer(path, int(status)) for path, status in found]
