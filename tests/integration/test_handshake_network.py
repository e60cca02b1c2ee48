# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything between a client and a server that may go wrong, hostile peers included; sockets on loopback only."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.module_utils.handshake import connect
from ansible_collections.mutual.tls.plugins.module_utils.handshake.observer import Observer
from tests.integration import servers
from tests.integration.handshake_world import World, cause_codes, note_codes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def _no_proxy_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_nothing_listens(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    port = servers.free_port()
    result = world.ask(port, "good")
    assert (result["diagnosis"]["code"], cause_codes(result)) == ("connection_refused", [])
    assert str(port) in result["diagnosis"]["message"]
    monkeypatch.setenv("https_proxy", "http://user:hidden@proxy.example:3128")
    hinted = world.ask(port, "good")
    assert cause_codes(hinted) == ["proxy_not_used"]
    assert "hidden" not in json.dumps(hinted)


def test_name_is_not_resolved(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(connect.socket, "getaddrinfo", unknown)
    result = world.ask(443, host="nowhere.invalid")
    assert result["diagnosis"]["code"] == "name_not_resolved"
    assert "nowhere.invalid" in result["diagnosis"]["message"]


def test_resolver_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect.socket, "getaddrinfo", lambda *_a, **_o: time.sleep(3) or [])
    begin = time.monotonic()
    assert world.ask(443, host="slow.invalid", timeout=0.3)["diagnosis"]["code"] == "name_not_resolved"
    assert time.monotonic() - begin < 2


def test_first_address_is_dead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next address is tried, and its answer counts."""
    with servers.socket_server(lambda connection: connection.sendall(b"SSH-2.0-x\r\n")) as port:
        both = [
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", servers.free_port())),
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", port)),
        ]
        monkeypatch.setattr(connect.socket, "getaddrinfo", lambda *_a, **_o: both)
        assert world.ask(port, host="two.invalid")["diagnosis"]["code"] == "not_tls"


@pytest.mark.parametrize(("error", "code"), [
    (OSError(101, "Network is unreachable"), "unreachable"),
    (OSError(113, "No route to host"), "unreachable"),
    (PermissionError(1, "Operation not permitted"), "unreachable"),
    (TimeoutError(110, "Connection timed out"), "timed_out"),
    (socket.timeout("timed out"), "timed_out"),
])  # fmt: skip
def test_no_way_there(world: World, monkeypatch: pytest.MonkeyPatch, error: OSError, code: str) -> None:
    class Unconnectable(socket.socket):
        def connect(self, _address: Any) -> None:
            raise error

    monkeypatch.setattr(connect.socket, "socket", Unconnectable)
    assert world.ask(443)["diagnosis"]["code"] == code


def _say(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text)

    return answer


SPEECHES = [
    (b"SSH-2.0-OpenSSH_9\r\n", "not_tls", "SSH-2.0"),
    (b"220 mail.example ESMTP\r\n", "not_tls", "220 mail"),
    (b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\nplain", "not_tls", "plain HTTP"),
    (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy_in_the_way", "407"),
    (b"HTTP/1.1 403 Forbidden\r\nVia: 1.1 wall\r\n\r\n", "proxy_in_the_way", "403"),
    (b"HTTP/1.0 302 Found\r\nLocation: http://login.example/\r\n\r\n", "proxy_in_the_way", "302"),
    (b"\x1b[2J\x00\xff\xfe evil \r\n", "not_tls", "evil"),
    (b"\x15\x03\x03\x00\x02\x02\x46", "protocol_mismatch", "protocol_version"),
    (b"\x15\x03\x03\x00\x02\x02\x50", "tls_failed", "internal_error"),
    (b"\x15\x03\x03\x00\x02\x02\xfa", "tls_failed", "alert 250"),
    (b"\x16\x03\x03\xff\xff" + b"x" * 70_000, "tls_failed", ""),
    (b"\x16\x03\x03\x00\x04\x02\xff\xff\xff", "tls_failed", ""),
    (b"", "connection_closed", ""),
]


@pytest.mark.parametrize(("speech", "code", "shown"), SPEECHES)
def test_peer_that_does_not_speak_tls(world: World, speech: bytes, code: str, shown: str) -> None:
    with servers.socket_server(_say(speech)) as port:
        result = world.ask(port, "good")
    assert result["diagnosis"]["code"] == code
    assert shown in result["diagnosis"]["message"]
    assert all(character.isprintable() for character in result["diagnosis"]["message"])


def test_peer_that_says_nothing(world: World) -> None:
    with servers.socket_server(lambda connection: time.sleep(2)) as port:
        begin = time.monotonic()
        result = world.ask(port, timeout=0.4)
    assert (result["diagnosis"]["code"], cause_codes(result)) == ("timed_out", ["not_tls"])
    assert "TLS handshake" in result["diagnosis"]["message"]
    assert time.monotonic() - begin < 1.9


def test_peer_that_drips(world: World) -> None:
    """Each byte comes soon enough, all together do not: the time limit is for all."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00\x02")
        for _second in range(60):
            time.sleep(0.05)
            connection.sendall(b"\x00")

    with servers.socket_server(drip) as port:
        begin = time.monotonic()
        assert world.ask(port, timeout=0.5)["diagnosis"]["code"] == "timed_out"
        assert time.monotonic() - begin < 1.5


@contextmanager
def _tls_server(world: World, speak: Callable[[ssl.SSLSocket], None], demand: bool = False) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.path("server.both"))
    if demand:
        context.load_verify_locations(world.path("root.pem"))
        context.verify_mode = ssl.CERT_REQUIRED

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(65536)
            speak(secured)

    with servers.socket_server(serve) as port:
        yield port


ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", "ok"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok", "ok"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b"\x1b]0;x\x07\xe2\x80\xae<b>\r\nk\xff", "ok", "\ufffd]0;x\ufffd\ufffd<b>\nk\ufffd"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nshort", "ok", "short"),
    (b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * 3_000_000, "ok", "y" * 2000 + "\u2026"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "ok", ""),
    (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "ok", ""),
    (b"SSH-2.0-x\r\n", "not_http", ""),
    (b"HTTP/1.1 abc OK\r\n\r\n", "not_http", ""),
    (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n", "not_http", ""),
    (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n", "not_http", ""),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 60_000, "not_http", ""),
    (b"", "connection_closed", ""),
]


@pytest.mark.parametrize(("answer", "code", "body"), ANSWERS, ids=range(len(ANSWERS)))
def test_hostile_answers(world: World, answer: bytes, code: str, body: str) -> None:
    with _tls_server(world, lambda secured: secured.sendall(answer)) as port:
        result = world.ask(port, request={})
    assert (result["diagnosis"]["code"], result["body"]) == (code, body)


def test_hang_up_after_the_request_is_a_rejection_where_a_certificate_was_demanded(world: World) -> None:
    with _tls_server(world, lambda secured: None, demand=True) as port:
        result = world.ask(port, "good", request={})
    assert (result["diagnosis"]["code"], cause_codes(result)) == ("rejected_by_server", ["not_visible_here"])


def test_answer_that_never_comes(world: World) -> None:
    with _tls_server(world, lambda secured: time.sleep(2)) as port:
        result = world.ask(port, request={}, timeout=0.5)
    assert result["diagnosis"]["code"] == "timed_out"
    assert "HTTP answer" in result["diagnosis"]["message"]
    assert result["protocol"] == "TLSv1.3"


def test_python_without_message_callback(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be seen is none, alerts come from OpenSSL's reasons, and a note says so."""
    monkeypatch.setattr(Observer, "attach", lambda self, context: None)
    with _tls_server(world, lambda secured: secured.sendall(ANSWERS[0][0]), demand=True) as port:
        accepted = world.ask(port, "good", request={})
        rejected = world.ask(port, "expired", request={})
        missing = world.ask(port, request={})
    assert accepted["ok"] is True
    assert accepted["client_certificate_requested"] is None
    assert accepted["server_certificates"][0]["subject"] == "CN=localhost"
    assert "details_not_visible" in note_codes(accepted)
    assert (rejected["diagnosis"]["code"], cause_codes(rejected)[0]) == ("rejected_expired", "certificate_expired")
    assert missing["diagnosis"]["code"] == "client_certificate_missing"


def _proxy(seen: list[bytes], target: int, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> Any:
    def serve(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        seen.append(head)
        connection.sendall(answer)
        if not answer.startswith(b"HTTP/1.1 200"):
            return
        with socket.create_connection(("127.0.0.1", target)) as onward:
            onward.settimeout(5)
            connection.settimeout(0.01)
            onward.settimeout(0.01)
            end = time.monotonic() + 5
            while time.monotonic() < end:
                for source, sink in ((connection, onward), (onward, connection)):
                    try:
                        data = source.recv(65536)
                    except socket.timeout:
                        continue
                    if not data:
                        return
                    sink.sendall(data)

    return servers.socket_server(serve)


def test_through_a_proxy(world: World) -> None:
    seen: list[bytes] = []
    with _tls_server(world, lambda secured: secured.sendall(ANSWERS[0][0])) as port, _proxy(seen, port) as proxy:
        result = world.ask(port, request={}, proxy=f"http://us%65r:p%40ss@127.0.0.1:{proxy}")
    assert (result["diagnosis"]["code"], result["body"]) == ("ok", "ok")
    assert seen[0].startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % port)
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:p@ss") in seen[0]


REFUSALS = [
    (b"HTTP/1.1 407 Authentication required\r\n\r\n", "wants a user name"),
    (b"HTTP/1.1 403 Not for you, p@ss\r\n\r\n", "403 Not for you, ********"),
    (b"HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\n<html>", "503"),
    (b"SSH-2.0-OpenSSH\r\n", "does not answer like an HTTP proxy"),
    (b"HTTP/1.1 2000 x\r\n\r\n", "does not answer like an HTTP proxy"),
    (b"HTTP/1.1 200 x\r\n" + b"a" * 40_000, "endless"),
    (b"", "closed the connection"),
]


@pytest.mark.parametrize(("answer", "shown"), REFUSALS, ids=range(len(REFUSALS)))
def test_proxy_refuses(world: World, answer: bytes, shown: str) -> None:
    with servers.socket_server(_say(answer)) as proxy:
        result = world.ask(443, proxy=f"http://user:p%40ss@127.0.0.1:{proxy}")
    assert result["diagnosis"]["code"] == "proxy_refused"
    assert shown in result["diagnosis"]["message"]
    assert "p@ss" not in json.dumps(result)


def test_proxy_is_not_there(world: World) -> None:
    result = world.ask(443, proxy=f"127.0.0.1:{servers.free_port()}")
    assert result["diagnosis"]["code"] == "connection_refused"
    assert "the proxy 127.0.0.1" in result["diagnosis"]["message"]


BAD_OPTIONS = [
    ({"host": "two words"}, "host"),
    ({"host": ""}, "host"),
    ({"host": "a\r\nb"}, "host"),
    ({"host": "a..b"}, "host"),
    ({"host": ".a"}, "host"),
    ({"server_name": "*.example"}, "server_name"),
    ({"server_name": "x" * 64 + ".example"}, "server_name"),
    ({"server_name": "b\u00fccher.example"}, "server_name"),
    ({"timeout": 0.0}, "timeout"),
    ({"timeout": float("nan")}, "timeout"),
    ({"port": 70000}, "port"),
    ({"proxy": "https://proxy.example:443"}, "proxy"),
    ({"proxy": "http://"}, "proxy"),
    ({"proxy": "http://x:99999"}, "proxy"),
    ({"request": {"path": "no-slash"}}, "request.path"),
    ({"request": {"path": "/a b"}}, "request.path"),
    ({"request": {"path": "/\r\nX: y"}}, "request.path"),
    ({"request": {"method": "GET /"}}, "request.method"),
    ({"request": {"headers": {"A": "b\r\nC: d"}}}, "request.headers"),
    ({"request": {"headers": {"A B": "c"}}}, "request.headers"),
    ({"request": {"headers": {"A": "\N{SNOWMAN}"}}}, "request.headers"),
    ({"request": {"basic_auth": {"username": "a:b", "password": "c"}}}, "request.basic_auth"),
]


@pytest.mark.parametrize(("options", "option"), BAD_OPTIONS, ids=range(len(BAD_OPTIONS)))
def test_options_that_make_no_sense(world: World, options: dict[str, Any], option: str) -> None:
    with pytest.raises(InputError, match="^" + option):
        world.ask(options.pop("port", 443), **options)


def test_nothing_is_left_open(world: World) -> None:
    def descriptors() -> int:
        servers.wait_for_connections()
        return len(os.listdir("/proc/self/fd"))

    with _tls_server(world, lambda secured: secured.sendall(ANSWERS[0][0]), demand=True) as port:
        world.ask(port, "good", request={})
        before = descriptors()
        for client in ("good", "expired", None, "good"):
            world.ask(port, client, request={})
        assert descriptors() == before
