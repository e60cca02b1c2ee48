# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP proxies: the CONNECT method of RFC 9110 section 9.3.6."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Optional, Tuple
from urllib.parse import unquote, urlsplit

from ..errors import HandshakeError, InputError
from .basic_auth import credentials
from .connect import Connection
from .text import one_line

_MAXIMUM_ANSWER = 32 * 1024
_STATUS_LINE = re.compile(rb"\AHTTP/1\.[01] ([1-5][0-9][0-9])(?: ([^\r\n]{0,200}))?\r?\n")


@dataclass(frozen=True)
class Proxy:
    """A proxy's address and, where it wants them, user name and password."""

    host: str
    port: int
    user: Optional[str] = None
    password: Optional[str] = field(default=None, repr=False)

    @property
    def secrets(self) -> Tuple[str, ...]:
        """Return what must not be shown."""
        if self.password is None:
            return ()
        return (self.password, credentials(self.user or "", self.password))


def parse(url: str) -> Proxy:
    """Parse `http://[user:password@]host:port`; InputError otherwise, which never repeats the URL."""
    try:
        parts = urlsplit(url if "://" in url else "http://" + url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InputError("proxy: not a URL; write http://host:port") from None
    if parts.scheme != "http":
        raise InputError("proxy: only http:// proxies are supported, not {0}://".format(one_line(parts.scheme, 20)))
    if not host or re.search(r"[^\x21-\x7e]", host):
        raise InputError("proxy: the URL names no host; write http://host:port")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InputError("proxy: the URL must end after the port; write http://host:port")
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return Proxy(host, port or 3128, user, password if user is None or password is not None else "")


def named_in_environment() -> Optional[str]:
    """Return the name of the environment variable that names a proxy on this host, if one does."""
    for variable in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        if os.environ.get(variable):
            return variable
    return None


def open_tunnel(connection: Connection, proxy: Proxy, host: str, port: int) -> None:
    """Ask the proxy for a tunnel; HandshakeError (proxy_refused) with its answer when it gives none."""
    connection.deadline.stage = "waiting for the proxy {0} port {1} to connect".format(proxy.host, proxy.port)
    authority = "{0}:{1}".format("[{0}]".format(host) if ":" in host else host, port)
    lines = ["CONNECT {0} HTTP/1.1".format(authority), "Host: {0}".format(authority)]
    if proxy.user is not None:
        lines.append("Proxy-Authorization: Basic " + credentials(proxy.user, proxy.password or ""))
    connection.send(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
    answer = _read_head(connection, proxy)
    head, rest = answer
    status = _STATUS_LINE.match(head)
    if status is None:
        raise HandshakeError(
            "proxy_refused",
            "{0} port {1} does not answer like an HTTP proxy: {2}".format(
                proxy.host, proxy.port, one_line(head.decode("latin-1"), 80) or "it closed the connection"
            ),
        )
    if not status.group(1).startswith(b"2"):
        raise HandshakeError(
            "proxy_refused",
            "the proxy {0} port {1} refuses to connect to {2}: {3} {4}{5}".format(
                proxy.host,
                proxy.port,
                authority,
                status.group(1).decode("ascii"),
                one_line((status.group(2) or b"").decode("latin-1")),
                " (it wants a user name and password)" if status.group(1) == b"407" else "",
            ).rstrip(),
        )
    connection.push_back(rest)


def _read_head(connection: Connection, proxy: Proxy) -> Tuple[bytes, bytes]:
    """Return the answer's head with the empty line, and what came after it."""
    data = b""
    while True:
        end = re.search(rb"\r?\n\r?\n", data)
        if end is not None:
            return data[: end.end()], data[end.end() :]
        if len(data) > _MAXIMUM_ANSWER:
            raise HandshakeError(
                "proxy_refused", "the proxy {0} port {1} sends an endless answer".format(proxy.host, proxy.port)
            )
        if data and not b"HTTP/".startswith(data[:5]):
            return data, b""
        chunk = connection.receive()
        if not chunk:
            return data, b""
        data += chunk
