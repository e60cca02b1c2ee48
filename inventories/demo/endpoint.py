# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTPS server that demands client certificates and tells every caller who it is.

It stands for a provider's API in the demo and in tests. Each call, and each handshake that failed, is one line of
JSON in its log: the other end's view of what was provisioned.

Certificate and trusted CAs are read anew for each connection, so that renewed ones are used at once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import ssl
import sys
import threading
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional

IDLE_SECONDS = 10
CONNECTION_SECONDS = 30
CONNECTIONS = 64
BODY_LIMIT = 1024 * 1024

_SHORT_NAMES = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
}


class Log:
    """Appends one JSON object a line; safe to use from several threads, and readable while it grows."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, **values: Any) -> None:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        os.write(self._descriptor, (json.dumps({"time": now, **values}) + "\n").encode("ascii"))


class Endpoint(ThreadingHTTPServer):
    """Accepts connections at once and leaves everything slow, the TLS handshake too, to a thread for each."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, certificate: Path, trust: Path, log: Log) -> None:
        self._certificate = certificate
        self._trust = trust
        self.log = log
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self.context()
        super().__init__((host, port), Handler)

    def context(self) -> ssl.SSLContext:
        """The TLS settings, from the files as they are now."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self._trust))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self._certificate)
        return context

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(IDLE_SECONDS)
        # TLS takes the socket over; the duplicate reaches the connection even then.
        with request.dup() as raw:
            # A client may send one byte every nine seconds for ever; this ends it.
            watchdog = threading.Timer(CONNECTION_SECONDS, _hang_up, [raw])
            watchdog.daemon = True
            watchdog.start()
            try:
                self._converse(request, raw, client_address)
            finally:
                watchdog.cancel()

    def _converse(self, request: socket.socket, raw: socket.socket, client_address: Any) -> None:
        try:
            secured = self.context().wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError) as error:
            self.log.write(address=client_address[0], error=str(error), status=None)
            return
        with secured:
            try:
                secured.do_handshake()
            except (OSError, ValueError) as error:
                self.log.write(address=client_address[0], error=_reason(error), status=None)
                _linger(raw)
                return
            with contextlib.suppress(OSError):
                super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.log.write(address=client_address[0], error=repr(sys.exc_info()[1]), status=None)


def _reason(error: Exception) -> str:
    """OpenSSL's words for what went wrong, the client certificate's fault first."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client certificate refused: {error.verify_message}"
    return str(getattr(error, "reason", None) or error)


def _linger(raw: socket.socket) -> None:
    """Read what a refused client still sends: closing before would reset the connection and lose our alert."""
    with contextlib.suppress(OSError):
        raw.shutdown(socket.SHUT_WR)
        raw.settimeout(1)
        for _chunk in range(16):
            if not raw.recv(4096):
                return


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    """Answers every request with what the server knows about the caller."""

    protocol_version = "HTTP/1.1"
    server_version = "mutual-tls-endpoint"
    sys_version = ""

    def answer(self) -> None:
        assert isinstance(self.server, Endpoint)
        self.close_connection = True
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > BODY_LIMIT:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        self.rfile.read(int(length))
        caller = self._caller()
        body = (json.dumps({"you_are": caller, "method": self.command, "path": self.path}, indent=2) + "\n").encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def _caller(self) -> Dict[str, Any]:
        connection = self.connection
        assert isinstance(connection, ssl.SSLSocket)
        certificate: Dict[str, Any] = connection.getpeercert() or {}
        parts = [
            f"{_SHORT_NAMES.get(name, name)}={value}"
            for entry in certificate.get("subject", ())
            for name, value in entry
        ]
        return {
            "subject": ", ".join(parts),
            "serial_number": str(certificate.get("serialNumber", "")).lower().lstrip("0"),
            "not_after": certificate.get("notAfter", ""),
            "protocol": connection.version(),
        }

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        assert isinstance(self.server, Endpoint)
        caller = self._caller()
        self.server.log.write(
            address=self.client_address[0],
            client=caller["subject"],
            serial_number=caller["serial_number"],
            protocol=caller["protocol"],
            method=self.command,
            path=getattr(self, "path", None),
            status=int(code) if isinstance(code, int) else None,
        )

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing but calls is logged."""


def _arguments(argv: Optional[List[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An HTTPS server that demands client certificates.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="where to write the port")
    parser.add_argument("--pid-file", type=Path, help="where to write the process id; removed at the end")
    parser.add_argument("--certificate", type=Path, required=True, help="PEM: private key, certificate and chain")
    parser.add_argument("--trust", type=Path, required=True, help="PEM: the CAs whose client certificates are accepted")
    parser.add_argument("--log", type=Path, required=True, help="one line of JSON for each call is appended here")
    parser.add_argument(
        "--background", action="store_true", help="return when the server listens, and leave it running"
    )
    return parser.parse_args(argv)


def _background(pid_file: Optional[Path]) -> None:
    """Go on in a process of its own; the calling one ends when the process id is written."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os._exit(0 if os.read(reading, 1) else 1)
    os.close(reading)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    _write(pid_file, os.getpid())
    os.write(writing, b".")
    os.close(writing)


def _write(path: Optional[Path], value: int) -> None:
    if path is not None:
        temporary = path.with_name(path.name + ".new")
        temporary.write_text(f"{value}\n", encoding="ascii")
        temporary.replace(path)


def _end(_signal: int, _frame: Any) -> NoReturn:
    raise SystemExit(0)


def main(argv: Optional[List[str]] = None) -> None:
    given = _arguments(argv)
    try:
        server = Endpoint(given.host, given.port, given.certificate, given.trust, Log(given.log))
    except OSError as error:
        sys.exit(f"cannot serve with {given.certificate} and {given.trust} on {given.host} port {given.port}: {error}")
    _write(given.port_file, server.server_address[1])
    if given.background:
        _background(given.pid_file)
    else:
        _write(given.pid_file, os.getpid())
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
        if given.pid_file is not None:
            given.pid_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
