# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof of a credential's files, by real servers: accepted, rejected, tried again, and as another user."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.plugins.module_utils.converge import as_user, proof
from ansible_collections.mutual.tls.plugins.module_utils.converge.proof import Proof, Verify, prove, read
from ansible_collections.mutual.tls.plugins.module_utils.converge.verify import to_wire
from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError, InputError
from ansible_collections.mutual.tls.plugins.plugin_utils import launch
from tests.integration import servers
from tests.integration.handshake_world import World
from tests.unit import material

Tool = Callable[[str], str]
USER = "nobody"
KEY_PASSPHRASE = "key of the \N{SNOWMAN}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Where everybody on this machine may look: pytest's own directories are for one user only."""
    with tempfile.TemporaryDirectory(prefix="mtls-proof-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        found = World(directory)
        for path in directory.iterdir():
            path.chmod(0o644)
        encrypted = found.clients["good"][0].key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(KEY_PASSPHRASE.encode()),
        )
        found.write("encrypted.both", encrypted + found.clients["good"][0].pem)
        yield found


def verify_of(port: int, **options: Any) -> Verify:
    defaults = {"url": f"https://127.0.0.1:{port}/ping", "timeout": 20, "retries": 0}
    return read({**defaults, **options}, ["partner_root"])


def asked(world: World, port: int, client: str = "good", passphrase: Optional[str] = None, **options: Any) -> Proof:
    return prove(verify_of(port, **options), world.path(client + ".both"), passphrase, [world.root.der])


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> List[float]:
    """The pauses between attempts, which are not waited for."""
    found: List[float] = []
    monkeypatch.setattr(proof, "time", SimpleNamespace(sleep=found.append))
    return found


@pytest.fixture(scope="module")
def nginx(world: World, tool: Tool) -> Iterator[int]:
    """nginx that demands a certificate of Corp Root."""
    directory = world.directory / "nginx"
    directory.mkdir(exist_ok=True)
    settings = f"""
    ssl_certificate {world.path("server.pem")};
    ssl_certificate_key {world.path("server.key")};
    ssl_client_certificate {world.path("root.pem")};
    ssl_crl {world.path("revoked.crl")};
    ssl_verify_client on;
    location /ping {{ return 200 "pong"; }}
    location /secret {{ return 403; }}
    location /moved {{ return 302 https://elsewhere.example/?back=$request_uri; }}
    """
    with servers.nginx(tool("nginx"), directory, settings) as port:
        yield port


class Scripted:
    """A TLS server that demands a certificate and gives its replies in turn, the last one for ever.

    None hangs up instead of a handshake; a function gets the request and returns the reply.
    """

    def __init__(self, *replies: Any) -> None:
        self._replies = list(replies)
        self._lock = threading.Lock()
        self.connections = 0
        self.requests: List[bytes] = []

    def answering(self, world: World, name: str) -> Callable[[socket.socket], None]:
        """What answers a connection, as the server of this name in the world."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(world.path(name + ".pem"), world.path(name + ".key"))
        context.load_verify_locations(world.path("root.pem"))
        context.verify_mode = ssl.CERT_REQUIRED

        def answer(connection: socket.socket) -> None:
            with self._lock:
                reply = self._replies[min(self.connections, len(self._replies) - 1)]
                self.connections += 1
            if reply is None:
                return
            with context.wrap_socket(connection, server_side=True) as tls:
                request = tls.recv(65536)
                self.requests.append(request)
                tls.sendall(reply(request) if callable(reply) else reply)
                with suppress(OSError):
                    tls.unwrap()

        return answer

    @contextmanager
    def serving(self, world: World, name: str = "server") -> Iterator[int]:
        with servers.socket_server(self.answering(world, name)) as port:
            yield port


# Accepted and rejected


def test_nginx_accepts(world: World, nginx: int) -> None:
    found = asked(world, nginx)
    assert found == Proof(True, "ok", f"127.0.0.1 port {nginx} answers 200 OK", True, found.is_asked_for)
    assert found.is_asked_for in (True, None)


def test_an_encrypted_key(world: World, nginx: int) -> None:
    assert asked(world, nginx, "encrypted", KEY_PASSPHRASE).ok
    for wrong in (None, "wrong", KEY_PASSPHRASE + "x"):
        found = asked(world, nginx, "encrypted", wrong)
        assert (found.ok, found.code, found.is_definite) == (False, "key_passphrase_wrong", True)
        assert KEY_PASSPHRASE not in found.message


@pytest.mark.parametrize("client", ["expired", "revoked", "stranger", "server_only"])
def test_nginx_rejects(world: World, nginx: int, client: str, pauses: List[float]) -> None:
    found = asked(world, nginx, client, retries=3)
    assert (found.ok, found.code, found.is_definite) == (False, "rejected_by_server", True)
    assert pauses == []


@pytest.mark.parametrize(("client", "code"), [("expired", "rejected_expired"), ("stranger", "rejected_unknown_ca")])
def test_a_rejection_is_a_word_that_stands(world: World, client: str, code: str, pauses: List[float]) -> None:
    server = Scripted(OK)
    with server.serving(world) as port:
        found = asked(world, port, client, retries=3)
        assert (found.ok, found.code, found.is_definite) == (False, code, True)
        assert (server.connections, pauses, server.requests) == (1, [], [])


def test_the_message_says_why_and_what_to_do(world: World) -> None:
    with Scripted(OK).serving(world) as port:
        expired = asked(world, port, "expired").message
        untrusted = prove(verify_of(port), world.path("good.both"), None, [world.other_root.der])
    assert "(45). Likely: the client certificate" in expired and "Renew the certificate" in expired
    assert untrusted.code == "server_certificate_untrusted"
    assert "verify.authorities" in untrusted.message and "truststore;" not in untrusted.message
    assert "\n" not in expired


def test_whether_a_certificate_was_wanted_at_all(world: World, tool: Tool) -> None:
    directory = world.directory / "s_server"
    directory.mkdir(exist_ok=True)
    files = ["-cert", world.path("server.pem"), "-key", world.path("server.key"), "-www"]
    with servers.openssl_server(tool("openssl"), directory, *files) as port:
        found = asked(world, port, url=f"https://127.0.0.1:{port}/")
    assert found.ok
    assert found.is_asked_for is False
    assert "not put to the test" in found.message


STATUS = [("/ping", [200], "ok"), ("/secret", [200], "http_forbidden"), ("/secret", [403], "ok")]


@pytest.mark.parametrize(("path", "status", "code"), STATUS)
def test_the_status_counts(world: World, nginx: int, path: str, status: List[int], code: str) -> None:
    found = asked(world, nginx, url=f"https://127.0.0.1:{nginx}{path}", status=status)
    assert (found.code, found.is_definite) == (code, True)


def test_the_request_is_the_one_of_the_options(world: World) -> None:
    server = Scripted(OK)
    options = {
        "method": "POST",
        "headers": {"X-One": "1"},
        "body": {"a": 1},
        "basic_auth": {"username": "us", "password": "pw"},
    }
    with server.serving(world) as port:
        assert asked(world, port, url=f"https://127.0.0.1:{port}/a?b=c", **options).ok
    head, _empty, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert {b"X-One: 1", b"Authorization: Basic dXM6cHc=", b"Content-Type: application/json"} <= set(
        head.split(b"\r\n")
    )
    assert json.loads(body) == {"a": 1}


def test_nothing_confidential_is_told(world: World, nginx: int) -> None:
    """A server repeats what it was told: in its status line, and in where it points to."""
    secrets = {"token": "Zq7-Xw9-Kv5", "password": "abcDEFGH", "header": "EFGHijkl"}

    def reply(_request: bytes) -> bytes:
        return "HTTP/1.1 418 abcDEFGHijkl\r\nLocation: /?token={token}&{password}\r\n\r\n".format(**secrets).encode()

    options = {
        "basic_auth": {"username": "us", "password": secrets["password"]},
        "headers": {"X-Token": secrets["header"]},
    }
    with Scripted(reply).serving(world) as port:
        url = f"https://127.0.0.1:{port}/?token={secrets['token']}"
        found = asked(world, port, url=url, **options)
    assert found.code == "http_status_unexpected" and " 418 " in found.message and "points to" in found.message
    assert [part for part in ("Zq7", "Kv5", "abc", "EFGH", "jkl") if part in found.message] == []
    moved = asked(world, nginx, url=f"https://127.0.0.1:{nginx}/moved?token={secrets['token']}")
    assert "elsewhere.example" in moved.message and secrets["token"] not in moved.message


# Tried again


def test_a_server_that_comes_up_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its port is its own from the beginning, and refuses until it listens."""
    answer = Scripted(OK).answering(world, "server")
    pauses: List[float] = []
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))

        def serve() -> None:
            with listener.accept()[0] as connection:
                answer(connection)

        def start_at_the_second(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                listener.listen()
                thread = threading.Thread(target=serve, daemon=True)
                thread.start()
                stack.callback(thread.join, 30)

        monkeypatch.setattr(proof, "time", SimpleNamespace(sleep=start_at_the_second))
        found = asked(world, listener.getsockname()[1], retries=5)
    assert (found.ok, found.code, pauses) == (True, "ok", [1, 2])
    assert "(attempt 3)" in found.message


def test_a_server_that_is_down(world: World, pauses: List[float]) -> None:
    found = asked(world, servers.free_port(), retries=4)
    assert (found.ok, found.code, found.is_definite) == (False, "connection_refused", False)
    assert pauses == [1, 2, 4, 8]


def test_unavailable_and_then_good(world: World, pauses: List[float]) -> None:
    server = Scripted(BUSY, BUSY, OK)
    with server.serving(world) as port:
        found = asked(world, port, retries=2)
    assert (found.ok, server.connections, pauses) == (True, 3, [1, 2])


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_what_a_server_may_get_over(world: World, status: int, pauses: List[float]) -> None:
    server = Scripted(BUSY.replace(b"503", str(status).encode()))
    with server.serving(world) as port:
        found = asked(world, port, retries=1)
    assert (found.code, found.is_definite) == ("http_status_unexpected", False)
    assert (server.connections, pauses) == (2, [1])


@pytest.mark.parametrize("status", [301, 401, 403, 404, 410])
def test_what_a_server_means(world: World, status: int, pauses: List[float]) -> None:
    server = Scripted(BUSY.replace(b"503", str(status).encode()))
    with server.serving(world) as port:
        assert asked(world, port, retries=1).is_definite is True
    assert (server.connections, pauses) == (1, [])


def test_a_server_that_says_nothing(world: World) -> None:
    """It takes as long as was said, and no longer."""
    ended = threading.Event()
    begin = time.monotonic()
    with servers.socket_server(lambda _connection: ended.wait(60) and None) as port:
        found = asked(world, port, timeout=0.5, retries=1)
        took = time.monotonic() - begin
        ended.set()
    assert (found.code, found.is_definite) == ("timed_out", False)
    assert 2.0 <= took < 2.0 + 10


def test_a_proxy_that_refuses_may_change_its_mind(world: World, pauses: List[float]) -> None:
    refusals: List[bytes] = []

    def refuse(connection: socket.socket) -> None:
        refusals.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")

    with servers.socket_server(refuse) as port:
        found = asked(world, 9, retries=1, proxy=f"http://me:pass-Zq7@127.0.0.1:{port}")
    assert (found.code, found.is_definite, len(refusals)) == ("proxy_refused", False, 2)
    assert "pass-Zq7" not in found.message and b"Proxy-Authorization: Basic" in refusals[0]


# What is wrong on this side


def test_files_that_cannot_be_used(world: World, nginx: int, tmp_path: Path) -> None:
    for name, content, code in (
        ("missing", None, "file_unreadable"),
        ("garbage", b"garbage", "pem_unreadable"),
        ("other", world.clients["good"][0].key_pem + world.clients["chained"][0].pem, "key_mismatch"),
    ):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        found = prove(verify_of(nginx, retries=3), str(path), None, [world.root.der])
        assert (found.ok, found.code, found.is_definite) == (False, code, True)
        assert str(path) in found.message


def test_what_cannot_be_asked_is_an_error(world: World, nginx: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.path("good.both")
    with pytest.raises(InputError, match=r"^verify\.authorities: "):
        prove(verify_of(nginx), path, None, [])
    with pytest.raises(FormatError):
        prove(verify_of(nginx), path, None, [b"no certificate"])
    for user in ("no-such-user-here", "4294967294", "99999999999999999999"):
        with pytest.raises(InputError, match=r"^verify\.user: .*does not exist"):
            prove(verify_of(nginx, user=user), path, None, [world.root.der])
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InputError, match=r"^verify\.user: .*become: true"):
        prove(verify_of(nginx, user=USER), path, None, [world.root.der])


def test_the_own_user_needs_no_other_process(world: World, nginx: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "run_as", None)
    assert asked(world, nginx, user=str(os.geteuid())).ok


# As another user


@needs_root
def test_as_another_user(world: World, nginx: int) -> None:
    found = asked(world, nginx, user=USER)
    assert (found.ok, found.code) == (True, "ok")
    assert asked(world, nginx, user="65534") == found
    assert asked(world, nginx, "encrypted", KEY_PASSPHRASE, user=USER).ok
    rejected = asked(world, nginx, "expired", user=USER)
    assert (rejected.code, rejected.is_definite) == ("rejected_by_server", True)


@needs_root
def test_another_user_tries_again_too(world: World) -> None:
    server = Scripted(BUSY, OK)
    begin = time.monotonic()
    with server.serving(world) as port:
        found = asked(world, port, retries=1, user=USER)
    assert (found.ok, server.connections) == (True, 2)
    assert time.monotonic() - begin >= 1


def shut(world: World, directory: Path) -> str:
    path = directory / "client.pem"
    path.write_bytes((world.directory / "good.both").read_bytes())
    path.chmod(0o640)
    return str(path)


@needs_root
@pytest.mark.parametrize("why", ["file", "directory"])
def test_files_that_the_user_may_not_read(world: World, nginx: int, why: str, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="mtls-proof-") as name:
        # Root's own group may read it, and the new user is in none of root's.
        Path(name).chmod(0o755 if why == "file" else 0o700)
        path = shut(world, Path(name))
        if why == "directory":
            Path(path).chmod(0o644)
        own = prove(verify_of(nginx), path, None, [world.root.der])
        found = prove(verify_of(nginx, user=USER, retries=3), path, None, [world.root.der])
    assert own.ok
    assert (found.ok, found.code, found.is_definite) == (False, "files_unreadable_by_user", True)
    assert f"the user {USER} cannot read {path}: Permission denied" in found.message


@needs_root
def test_the_groups_of_the_user_count(world: World, nginx: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getgrouplist", lambda _name, gid: [gid, 54321])
    with tempfile.TemporaryDirectory(prefix="mtls-proof-") as name:
        Path(name).chmod(0o755)
        path = shut(world, Path(name))
        os.chown(path, 0, 54321)
        assert prove(verify_of(nginx, user=USER), path, None, [world.root.der]).ok


@needs_root
@pytest.mark.parametrize("ignored", [False, True])
def test_a_process_that_dies_is_no_hang(
    world: World, nginx: int, ignored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "probe", lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL))
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        found = asked(world, nginx, user=USER)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert (found.ok, found.code, found.is_definite) == (False, proof.NO_RESULT, False)
    assert ("how is not known" if ignored else "was killed by signal SIGKILL") in found.message


@needs_root
def test_a_process_that_hangs_is_killed(world: World, nginx: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fork, started = os.fork, []

    def noted() -> int:
        started.append(fork())
        return started[-1]

    monkeypatch.setattr(os, "fork", noted)
    monkeypatch.setattr(proof, "probe", lambda *_arguments: signal.pause())
    found = asked(world, nginx, user=USER, timeout=0.2)
    assert (found.code, found.is_definite) == (proof.NO_RESULT, False)
    assert "did not end within 2.2 s" in found.message
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


def _crash(*_arguments: Any) -> bytes:
    raise RuntimeError("with a secret")


NO_PROOFS: Dict[str, Tuple[Callable[..., Any], str]] = {
    "an exception": (_crash, "ended with exit status 1"),
    "nothing": (lambda *_arguments: b"", "ended with exit status 0"),
    "no JSON": (lambda *_arguments: b"\xff{", "nothing that can be read"),
    "no map": (lambda *_arguments: b"[]", "nothing that can be read"),
    "another map": (lambda *_arguments: b'{"ok": true}', "nothing that can be read"),
    "nested": (lambda *_arguments: b"[" * 60000, "nothing that can be read"),
    "other types": (
        lambda *_arguments: b'{"ok": "yes", "code": "ok", "message": "", "is_definite": true, "is_asked_for": null}',
        "something else than a proof",
    ),
    "too much": (lambda *_arguments: b" " * (1 << 20), "told more than 65536 bytes"),
}


@needs_root
@pytest.mark.parametrize("name", NO_PROOFS)
def test_what_is_no_proof_is_not_taken_for_one(
    world: World, nginx: int, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    work, problem = NO_PROOFS[name]
    monkeypatch.setattr(proof, "_prove_as", work)
    found = asked(world, nginx, user=USER)
    assert (found.ok, found.code, found.is_definite) == (False, proof.NO_RESULT, False)
    assert problem in found.message
    assert capfd.readouterr() == ("", "")


def account() -> as_user.Account:
    found = as_user.other_account(USER, "verify.user")
    assert found is not None
    return found


def _rights() -> bytes:
    """Seen from within the process that is another user's."""
    refused = []
    for regain in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
        try:
            regain()
            refused.append(False)
        except PermissionError:
            refused.append(True)
    opened = {name: os.readlink("/proc/self/fd/" + name) for name in os.listdir("/proc/self/fd") if name in "012"}
    return json.dumps(
        {
            "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
            "refused": refused,
            "opened": opened,
            "count": len(os.listdir("/proc/self/fd")),
            "cwd": os.getcwd(),
            # The kernel gives /proc/<pid> of a process that must not be traced to root.
            "owner": os.stat("/proc/self/mem").st_uid,
        }
    ).encode()


@needs_root
def test_there_is_no_way_back(tmp_path: Path) -> None:
    held = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        outcome = as_user.run_as(account(), _rights, 60)
    finally:
        os.close(held)
    assert outcome.problem is None
    found = json.loads(outcome.data)
    assert found["ids"] == [[65534] * 3, [65534] * 3, [65534]]
    assert found["refused"] == [True] * 3
    assert found["opened"] == dict.fromkeys("012", "/dev/null")
    # With the pipe, and what the list is read through.
    assert found["count"] == 5
    assert found["cwd"] == "/"
    if Path("/proc/sys/fs/suid_dumpable").read_text().strip() != "1":
        assert found["owner"] == 0


@needs_root
def test_rights_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_numbers: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "setgroups", refuse)
        outcome = as_user.run_as(account(), _rights, 60)
    assert outcome.data == b"" and "cannot take on this user's rights" in str(outcome.problem)
    with monkeypatch.context() as patch:
        # Root's rights are still there: whatever such a process reads proves nothing.
        patch.setattr(os, "setresuid", lambda *_numbers: None)
        outcome = as_user.run_as(account(), _rights, 60)
    assert outcome.data == b"" and "cannot take on this user's rights" in str(outcome.problem)


@needs_root
def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "fork", refuse)
    outcome = as_user.run_as(account(), _rights, 60)
    assert "cannot be started (Resource temporarily unavailable)" in str(outcome.problem)
    assert len(os.listdir("/proc/self/fd")) == before


# On a host: the code comes from memory, and the user can read none of Python's files

_ENTRY = """
import importlib, json, os, sys
from .converge import proof, verify

class Watch:
    def find_spec(self, name, path=None, target=None):
        if os.getpid() != started:
            os._exit(99)

def main(arguments):
    global started
    started = os.getpid()
    sys.meta_path.insert(0, Watch())
    trusted = [bytes.fromhex(der) for der in arguments["trusted"]]
    asking = verify.from_wire(arguments["verify"], "verify")
    found = proof.prove(asking, arguments["path"], arguments["passphrase"], trusted)
    print(json.dumps([found.code, found.message]))
"""


def on_a_host(arguments: Dict[str, Any], python: str = sys.executable) -> List[str]:
    """Code and message of a host's proof, whose Python gets the sources as it gets them in a run."""
    whole = launch._input_of({**launch._SOURCES, "entry.py": _ENTRY})
    told = json.dumps({"arguments": arguments, "minimum_python": [3, 9]}).encode() + b"\n"
    ended = subprocess.run([python, "-c", launch.CODE], input=whole + told, capture_output=True, check=False, cwd="/")
    assert (ended.returncode, ended.stderr) == (0, b"")
    found: List[str] = json.loads(ended.stdout)
    return found


def chained_server(world: World, name: str, key: Any, authority_key: Any) -> material.Identity:
    """A server of Corp's with keys of another kind, which sends its CA's certificate, too; returns the CA."""
    authority = material.authority(name + " Root", key=authority_key)
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH]
    server = material.client("server", authority, key, alternatives=[x509.DNSName("localhost")], purposes=purposes)
    world.write(name + ".pem", server.pem + authority.pem)
    world.write(name + ".key", server.key_pem)
    return authority


def refuse(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")


@needs_root
def test_nothing_is_imported_by_the_other_user(world: World, nginx: int) -> None:
    """Each way that a proof can go: what it needs is there before, for the user may not be able to read it."""
    rsa = chained_server(world, "RSA", material.rsa_key(0), material.rsa_key(1))
    edwards = chained_server(world, "Edwards", material.ed25519_key(), material.ed25519_key())

    def case(port: int, client: str, root: material.Identity = world.root, **options: Any) -> Dict[str, Any]:
        return {
            "verify": to_wire(verify_of(port, user=USER, **options)),
            "path": world.path(client + ".both"),
            "passphrase": KEY_PASSPHRASE if client == "encrypted" else None,
            "trusted": [root.der.hex()],
        }

    with ExitStack() as stack:
        strict = stack.enter_context(Scripted(OK).serving(world))
        rsa_port = stack.enter_context(Scripted(OK).serving(world, "RSA"))
        edwards_port = stack.enter_context(Scripted(OK).serving(world, "Edwards"))
        proxy = stack.enter_context(servers.socket_server(refuse))
        cases = [
            (case(nginx, "good"), "ok"),
            (case(nginx, "encrypted"), "ok"),
            (case(nginx, "good", url=f"https://localhost:{nginx}/ping"), "ok"),
            (case(nginx, "good", url="https://no-such-host.invalid/"), "name_not_resolved"),
            (case(nginx, "good", url=f"https://127.0.0.1:{nginx}/moved?token=abcdef"), "http_status_unexpected"),
            (case(nginx, "chained", basic_auth={"username": "ü", "password": "ö"}), "rejected_by_server"),
            (case(nginx, "ed25519"), "ok"),
            (case(strict, "expired"), "rejected_expired"),
            (case(strict, "stranger"), "rejected_unknown_ca"),
            (case(strict, "good", world.other_root), "server_certificate_untrusted"),
            (case(strict, "good", body={"a": "ü"}, method="POST"), "ok"),
            (case(rsa_port, "good", rsa, url=f"https://localhost:{rsa_port}/"), "ok"),
            (case(rsa_port, "good", rsa), "server_certificate_wrong_name"),
            (case(edwards_port, "good", edwards, url=f"https://localhost:{edwards_port}/"), "ok"),
            (case(edwards_port, "stranger", edwards, url=f"https://localhost:{edwards_port}/"), "rejected_unknown_ca"),
            (case(9, "good", proxy=f"http://127.0.0.1:{proxy}"), "proxy_refused"),
            (case(servers.free_port(), "good"), "connection_refused"),
        ]
        # Each in a Python of its own: one must not import for the next.
        found = [on_a_host(arguments) for arguments, _code in cases]
    assert [code for code, _message in found] == [code for _arguments, code in cases], found
