# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnosis of every kind of client certificate, by openssl s_server, nginx, HAProxy and the demo's endpoint."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

import pytest

from tests.integration import servers
from tests.integration.handshake_world import World, cause_codes, note_codes

Tool = Callable[[str], str]
VERSIONS = ("TLSv1.2", "TLSv1.3")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


# Client, then the code that a server gives whose alert says why, and the first cause found on this side.
REJECTED = [
    ("expired", "rejected_expired", "certificate_expired"),
    ("early", "rejected_bad_certificate", "certificate_not_yet_valid"),
    ("revoked", "rejected_revoked", "certificate_revoked"),
    ("stranger", "rejected_unknown_ca", "issuer_not_accepted"),
    ("chainless", "rejected_unknown_ca", "issuer_not_accepted"),
    ("server_only", "rejected_unsupported_certificate", "certificate_usage"),
]
PARAMETERS = [pytest.param(*row, id=row[0]) for row in REJECTED]


def _s_server(world: World, version: str, *more: str) -> Any:
    directory = world.directory / "s_server"
    directory.mkdir(exist_ok=True)
    flag = "-tls1_2" if version == "TLSv1.2" else "-tls1_3"
    return lambda program: servers.openssl_server(
        program, directory, flag, "-cert", world.path("server.pem"), "-key", world.path("server.key"), "-www", *more
    )


def _demanding(world: World) -> list[str]:
    return ["-CAfile", world.path("root+crl.pem"), "-Verify", "3", "-verify_return_error", "-crl_check"]


@pytest.fixture(scope="module", params=VERSIONS)
def s_server(request: pytest.FixtureRequest, world: World, tool: Tool) -> Iterator[int]:
    """openssl s_server that demands a certificate of Corp Root and looks at its CRL."""
    with _s_server(world, request.param, *_demanding(world))(tool("openssl")) as port:
        yield port


@pytest.mark.parametrize("with_request", [False, True], ids=["handshake", "request"])
@pytest.mark.parametrize(("client", "code", "cause"), PARAMETERS)
def test_openssl_says_why(world: World, s_server: int, client: str, code: str, cause: str, with_request: bool) -> None:
    result = world.ask(s_server, client, crl_path=world.path("revoked.crl"), request={} if with_request else None)
    assert (result["diagnosis"]["code"], cause_codes(result)[0]) == (code, cause)
    assert result["ok"] is False
    assert result["client_certificate_requested"] is True
    assert result["client_certificate_sent"] is True
    assert result["accepted_ca_names"] == ["CN=Corp Root"]
    assert result["server_certificates"][0]["subject_alt_name"] == ["DNS:localhost", "IP:127.0.0.1"]


@pytest.mark.parametrize("with_request", [False, True], ids=["handshake", "request"])
def test_openssl_demands_a_certificate(world: World, s_server: int, with_request: bool) -> None:
    result = world.ask(s_server, None, request={} if with_request else None)
    assert result["diagnosis"]["code"] == "client_certificate_missing"
    assert result["client_certificate_requested"] is True
    assert result["client_certificate_sent"] is False


@pytest.mark.parametrize("client", ["good", "ed25519"])
def test_openssl_accepts(world: World, s_server: int, client: str) -> None:
    result = world.ask(s_server, client, request={})
    assert result["diagnosis"]["code"] == "ok"
    assert result["protocol"] in VERSIONS
    assert result["status"] == 200
    assert "s_server" in result["body"]
    assert note_codes(result) == []


def test_rejection_without_a_word_ranks_what_is_wrong_here(world: World, s_server: int) -> None:
    """A CRL is missing at the server for the issuing CA, which it calls an unknown CA: nothing of it shows here."""
    result = world.ask(s_server, "chained", crl_path=world.path("revoked.crl"))
    assert result["diagnosis"]["code"] == "rejected_unknown_ca"
    assert cause_codes(result) == ["not_visible_here"]


def test_key_type_that_the_server_does_not_take(world: World, tool: Tool) -> None:
    only_rsa = [*_demanding(world), "-client_sigalgs", "rsa_pss_rsae_sha256"]
    with _s_server(world, "TLSv1.3", *only_rsa)(tool("openssl")) as port:
        result = world.ask(port, "ed25519")
    assert result["diagnosis"]["code"] == "client_certificate_missing"
    assert result["client_certificate_sent"] is False
    assert cause_codes(result) == ["key_type_not_accepted"]


def test_certificate_is_asked_for_but_not_demanded(world: World, tool: Tool) -> None:
    with _s_server(world, "TLSv1.3", "-CAfile", world.path("root.pem"), "-verify", "3")(tool("openssl")) as port:
        result = world.ask(port)
    assert result["diagnosis"]["code"] == "ok"
    assert note_codes(result) == ["certificate_not_sent"]


def test_certificate_is_not_asked_for(world: World, tool: Tool) -> None:
    with _s_server(world, "TLSv1.3")(tool("openssl")) as port:
        result = world.ask(port, "good", request={})
    assert result["diagnosis"]["code"] == "ok"
    assert result["client_certificate_requested"] is False
    assert note_codes(result) == ["certificate_not_asked"]


def test_no_common_cipher(world: World, tool: Tool) -> None:
    with _s_server(world, "TLSv1.2", "-cipher", "ADH-AES128-SHA@SECLEVEL=0")(tool("openssl")) as port:
        assert world.ask(port)["diagnosis"]["code"] == "protocol_mismatch"


def test_protocol_too_old(world: World, tool: Tool) -> None:
    old = ["-min_protocol", "TLSv1", "-max_protocol", "TLSv1.1", "-cipher", "ALL@SECLEVEL=0"]
    directory = world.directory / "s_server"
    directory.mkdir(exist_ok=True)
    files = ["-cert", world.path("server.pem"), "-key", world.path("server.key")]
    with servers.openssl_server(tool("openssl"), directory, *files, *old) as port:
        assert world.ask(port)["diagnosis"]["code"] == "protocol_mismatch"


@contextmanager
def _serving(world: World, tool: Tool, certificate: str, *more: str) -> Iterator[int]:
    directory = world.directory / "s_server"
    directory.mkdir(exist_ok=True)
    files = ["-cert", world.path(certificate + ".pem"), "-key", world.path(certificate + ".key")]
    with servers.openssl_server(tool("openssl"), directory, *files, *more) as port:
        yield port


SERVERS = [
    ("expired_server", "root.pem", "server_certificate_expired", []),
    ("elsewhere", "root.pem", "server_certificate_wrong_name", []),
    ("server", "other_root.pem", "server_certificate_untrusted", ["ca_not_in_truststore", "server_chain_incomplete"]),
    ("below_issuing", "root.pem", "server_certificate_untrusted", ["ca_not_in_truststore", "server_chain_incomplete"]),
    ("below_issuing", "issuing.pem", "ok", []),
    ("forged", "root.pem", "server_certificate_untrusted",
     ["proxy_in_the_way", "ca_not_in_truststore", "server_chain_incomplete"]),
    ("root", "issuing.pem", "server_certificate_untrusted", ["self_signed"]),
]  # fmt: skip


@pytest.mark.parametrize(("certificate", "trust", "code", "causes"), SERVERS, ids=[row[0] + row[1] for row in SERVERS])
def test_server_certificate(
    world: World, tool: Tool, certificate: str, trust: str, code: str, causes: list[str]
) -> None:
    truststore = {"format": "pem", "path": world.path(trust), "passphrase": None}
    with _serving(world, tool, certificate, "-www") as port:
        result = world.ask(
            port, "good", truststore=truststore, request={"basic_auth": {"username": "u", "password": "p"}}
        )
    assert (result["diagnosis"]["code"], cause_codes(result)) == (code, causes)
    assert len(result["server_certificates"]) == 1
    if code != "ok":
        assert result["status"] is None


def test_name_that_the_server_has_is_told(world: World, tool: Tool) -> None:
    with _serving(world, tool, "elsewhere") as port:
        assert "DNS:elsewhere.example" in world.ask(port)["diagnosis"]["message"]


def test_ca_with_a_new_key(world: World, tool: Tool) -> None:
    from tests.unit import material

    path = world.write("renewed.pem", material.authority("Corp Root").pem)
    with _serving(world, tool, "server") as port:
        result = world.ask(port, truststore={"format": "pem", "path": path, "passphrase": None})
    assert result["diagnosis"]["code"] == "server_certificate_untrusted"
    assert cause_codes(result)[0] == "ca_replaced"


def test_server_name_that_nobody_knows(world: World, tool: Tool) -> None:
    more = ["-servername", "other.example", "-servername_fatal", "-cert2", world.path("server.pem"),
            "-key2", world.path("server.key")]  # fmt: skip
    with _serving(world, tool, "server", *more) as port:
        assert world.ask(port)["diagnosis"]["code"] == "server_name_unknown"


@pytest.fixture(scope="module", params=VERSIONS)
def nginx(request: pytest.FixtureRequest, world: World, tool: Tool) -> Iterator[int]:
    directory = world.directory / "nginx"
    directory.mkdir(exist_ok=True)
    settings = f"""
    ssl_protocols {request.param};
    ssl_certificate {world.path("server.pem")};
    ssl_certificate_key {world.path("server.key")};
    ssl_client_certificate {world.path("root.pem")};
    ssl_crl {world.path("revoked.crl")};
    ssl_verify_client on;
    ssl_verify_depth 3;
    location / {{ return 200 hello; }}
    location /secret {{ return 403 no; }}
    location /login {{ add_header WWW-Authenticate 'Basic realm="x"' always; return 401 who; }}
    location /moved {{ return 302 https://elsewhere.example/; }}
    location /echo {{ return 200 "got $http_authorization from $remote_user"; }}
    """
    with servers.nginx(tool("nginx"), directory, settings) as port:
        yield port


@pytest.mark.parametrize(("client", "code", "cause"), PARAMETERS)
def test_nginx_gives_one_page_for_all(world: World, nginx: int, client: str, code: str, cause: str) -> None:
    del code
    result = world.ask(nginx, client, crl_path=world.path("revoked.crl"), request={})
    assert (result["diagnosis"]["code"], cause_codes(result)[0]) == ("rejected_by_server", cause)
    assert result["status"] == 400
    handshake_only = world.ask(nginx, client, crl_path=world.path("revoked.crl"))
    assert handshake_only["ok"] is True
    assert cause in note_codes(handshake_only)


def test_nginx_without_a_certificate(world: World, nginx: int) -> None:
    result = world.ask(nginx, request={})
    assert result["diagnosis"]["code"] == "client_certificate_missing"
    assert result["status"] == 400


ANSWERS = [
    ("/", None, "ok"),
    ("/secret", None, "http_forbidden"),
    ("/secret", [403], "ok"),
    ("/login", None, "http_unauthorized"),
    ("/moved", None, "http_status_unexpected"),
    ("/", [204], "http_status_unexpected"),
]


@pytest.mark.parametrize(("path", "status", "code"), ANSWERS)
def test_nginx_answers(world: World, nginx: int, path: str, status: Optional[list[int]], code: str) -> None:
    result = world.ask(nginx, "good", request={"path": path, **({"status": status} if status else {})})
    assert result["diagnosis"]["code"] == code
    if path == "/moved":
        assert "elsewhere.example" in result["diagnosis"]["message"]
    if path == "/login":
        assert "Basic" in result["diagnosis"]["message"]


def test_echoed_credentials_are_masked(world: World, nginx: int) -> None:
    given = {"path": "/echo", "basic_auth": {"username": "us\N{SNOWMAN}er", "password": "pass\\word\N{SNOWMAN}"}}
    body = world.ask(nginx, "good", request=given)["body"]
    assert body.startswith("got Basic ********")
    bearer = {"path": "/echo", "headers": {"Authorization": "Bearer abcdef"}}
    assert world.ask(nginx, "good", request=bearer)["body"].startswith("got ******** from")


@pytest.fixture(scope="module", params=VERSIONS)
def haproxy(request: pytest.FixtureRequest, world: World, tool: Tool) -> Iterator[int]:
    with _haproxy(world, tool, f"verify required ssl-min-ver {request.param} ssl-max-ver {request.param}") as port:
        yield port


@contextmanager
def _haproxy(world: World, tool: Tool, more: str, settings: str = "") -> Iterator[int]:
    directory = world.directory / "haproxy"
    directory.mkdir(exist_ok=True)
    files = [world.path(name) for name in ("server.both", "root.pem", "revoked.crl")]
    bind = "crt {} ca-file {} crl-file {} ".format(*files) + more
    answer = "http-request return status 200 content-type text/plain string hello"
    with servers.haproxy(tool("haproxy"), directory, bind, settings or answer) as port:
        yield port


@pytest.mark.parametrize("with_request", [False, True], ids=["handshake", "request"])
@pytest.mark.parametrize(("client", "code", "cause"), PARAMETERS)
def test_haproxy_says_why(world: World, haproxy: int, client: str, code: str, cause: str, with_request: bool) -> None:
    result = world.ask(haproxy, client, crl_path=world.path("revoked.crl"), request={} if with_request else None)
    assert (result["diagnosis"]["code"], cause_codes(result)[0]) == (code, cause)


def test_haproxy_demands_and_accepts(world: World, haproxy: int) -> None:
    assert world.ask(haproxy)["diagnosis"]["code"] == "client_certificate_missing"
    accepted = world.ask(haproxy, "good", request={})
    assert (accepted["diagnosis"]["code"], accepted["body"]) == ("ok", "hello")


def test_haproxy_that_decides_after_the_handshake(world: World, tool: Tool) -> None:
    """crt-ignore-err lets everyone finish the handshake; a rule then forbids."""
    deny = "http-request deny deny_status 403 if { ssl_c_verify gt 0 }\n  http-request return status 200"
    with _haproxy(world, tool, "verify optional crt-ignore-err all ca-ignore-err all", deny) as port:
        expired = world.ask(port, "expired", request={})
        assert (expired["diagnosis"]["code"], cause_codes(expired)) == ("http_forbidden", ["certificate_expired"])
        assert world.ask(port, "good", request={})["ok"] is True


@pytest.fixture(scope="module")
def endpoint(world: World, repository: Path) -> Iterator[int]:
    directory = world.directory / "endpoint"
    directory.mkdir(exist_ok=True)
    program = repository / "inventories/demo/endpoint.py"
    argv = [sys.executable, str(program), "--certificate", world.path("server.both"), "--trust", world.path("root.pem"),
            "--log", str(directory / "log"), "--port-file", str(directory / "port"),
            "--pid-file", str(directory / "pid")]  # fmt: skip
    process = subprocess.Popen(argv)
    try:
        for _attempt in range(500):
            if (directory / "pid").exists():
                break
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.02)
        yield int((directory / "port").read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert not (directory / "pid").exists()


# A server in Python names no CAs: what it rejects as unknown can only be guessed at.
GUESSED = {"issuer_not_accepted": "issuer_not_known"}


@pytest.mark.parametrize(("client", "code", "cause"), [row for row in PARAMETERS if row.id != "revoked"])
def test_endpoint_says_why(world: World, endpoint: int, client: str, code: str, cause: str) -> None:
    for request in (None, {}, {"method": "POST", "body": "x" * 100_000}):
        result = world.ask(endpoint, client, request=request)
        assert (result["diagnosis"]["code"], cause_codes(result)[0]) == (code, GUESSED.get(cause, cause))


def test_endpoint_knows_its_caller(world: World, endpoint: int) -> None:
    import json

    given = {"method": "post", "path": "/orders?x=1", "body": {"a": [1, None]}}
    result = world.ask(endpoint, "chained", request=given)
    answer = json.loads(result["body"])
    serial = f"{world.clients['chained'][0].certificate.serial_number:x}"
    assert (answer["method"], answer["path"]) == ("POST", "/orders?x=1")
    assert (answer["you_are"]["subject"], answer["you_are"]["serial_number"]) == ("CN=chained", serial)
    lines = (world.directory / "endpoint/log").read_text().splitlines()
    logged = [json.loads(line) for line in lines if '"/orders?x=1"' in line][-1]
    assert (logged["client"], logged["serial_number"], logged["status"]) == ("CN=chained", serial, 200)


def test_endpoint_is_not_held_up_by_a_silent_client(world: World, endpoint: int) -> None:
    import socket

    with socket.create_connection(("127.0.0.1", endpoint)), socket.create_connection(("127.0.0.1", endpoint)) as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert world.ask(endpoint, "good", request={}, timeout=5.0)["ok"] is True
