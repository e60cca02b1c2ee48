# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers on loopback, each alive inside a `with` block: openssl s_server, nginx, HAProxy and bare sockets.

Every one listens on a free port, lives in a directory of the test's and is ended by its own process id.
"""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Iterator, List, Sequence

_PATIENCE = 15.0
_ATTEMPTS = 5


class NotStartedError(Exception):
    """A server ended before it listened; holds what it wrote."""


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _process(argv: Sequence[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = directory / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, cwd=directory, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _wait(process: subprocess.Popen[bytes], directory: Path, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            raise NotStartedError((directory / "output.log").read_text(errors="replace"))
        time.sleep(0.02)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def openssl_server(program: str, directory: Path, *arguments: str) -> Iterator[int]:
    """`openssl s_server` with these arguments; yields its port."""
    argv = [program, "s_server", "-accept", "127.0.0.1:0", "-naccept", "200", *arguments]
    log = directory / "output.log"

    def ready() -> bool:
        return re.search(rb"ACCEPT .*:\d+", log.read_bytes()) is not None

    with _process(argv, directory) as process:
        _wait(process, directory, ready)
        found = re.search(rb"ACCEPT .*:(\d+)", log.read_bytes())
        if found is None:
            raise NotStartedError(log.read_text(errors="replace"))
        yield int(found.group(1))


@contextlib.contextmanager
def _configured(argv: List[str], directory: Path, write: Callable[[int], None]) -> Iterator[int]:
    """A server whose configuration names its port: another process may take a free port first, so try again."""
    for attempt in range(_ATTEMPTS):
        port = free_port()
        write(port)
        with _process(argv, directory) as process:
            try:
                _wait(process, directory, lambda port=port: _listens(port))  # type: ignore[misc]
            except NotStartedError:
                if attempt + 1 == _ATTEMPTS:
                    raise
                continue
            yield port
            return


_NGINX = """\
daemon off;
master_process {master};
pid {directory}/nginx.pid;
error_log stderr info;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name localhost;
    {settings}
  }}
}}
"""


@contextlib.contextmanager
def nginx(program: str, directory: Path, settings: str, reloads: bool = False) -> Iterator[int]:
    """nginx with one TLS server that has these settings; yields its port.

    One that `reloads` on SIGHUP has a worker beside the process whose id is in nginx.pid.
    """
    configuration = directory / "nginx.conf"

    def write(port: int) -> None:
        master = "on" if reloads else "off"
        configuration.write_text(_NGINX.format(directory=directory, port=port, settings=settings, master=master))

    argv = [program, "-p", str(directory), "-e", "stderr", "-c", str(configuration)]
    with _configured(argv, directory, write) as port:
        yield port


_HAPROXY = """\
global
  stats socket {directory}/admin.sock
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend tls
  bind 127.0.0.1:{port} ssl {bind}
  {settings}
"""


@contextlib.contextmanager
def haproxy(program: str, directory: Path, bind: str, settings: str) -> Iterator[int]:
    """HAProxy with one TLS frontend: `bind` continues its bind line, `settings` its section; yields its port."""
    configuration = directory / "haproxy.cfg"

    def write(port: int) -> None:
        configuration.write_text(_HAPROXY.format(directory=directory, port=port, bind=bind, settings=settings))

    with _configured([program, "-db", "-f", str(configuration)], directory, write) as port:
        yield port


_CONNECTION = "a socket server's connection"


def wait_for_connections() -> None:
    """Wait until no socket server of this process holds a connection any more."""
    for thread in threading.enumerate():
        if thread.name == _CONNECTION:
            thread.join(15)
            if thread.is_alive():
                raise TimeoutError("a connection of a socket server has not ended")


@contextlib.contextmanager
def socket_server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that hands every connection to `answer`, in a thread of its own; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            if ended.is_set():
                connection.close()
                return
            threading.Thread(target=handle, args=(connection,), daemon=True, name=_CONNECTION).start()

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            answer(connection)

    port: int = listener.getsockname()[1]
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        ended.set()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            pass
        thread.join(5)
        listener.close()
