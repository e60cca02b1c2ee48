# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passphrases are nowhere but where they are meant to be; a private key is nowhere off its host.

Runs that go well and runs that fail in every way we know are watched: what they print and return, their processes'
arguments and environments, every file they write, what they tell the system's log.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Set

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.plugins.module_utils import name as names
from ansible_collections.mutual.tls.plugins.module_utils import private_key, request
from ansible_collections.mutual.tls.tests.integration.fleet import Fleet, Run
from ansible_collections.mutual.tls.tests.integration.surveillance import (
    STRACE,
    Canaries,
    Traced,
    Watcher,
    forms,
    key_forms,
    traced,
)
from ansible_collections.mutual.tls.tests.unit import material

HOSTS_PYTHON = Path(__file__).parent / "hosts_python"

SECRETS = {
    "quotes": "Qa7mark\"Qd4mark'Qs9mark`Qb2mark",
    "backslash": "B5window\\new\\table\\x41\\B8ending",
    "non-ASCII": "Ü8ñïcødé-Ж密碼-N3ending",
    "inner": "I6inner-canary",
    "outer": "O2heading-I6inner-canary-O9trailing",
    "long": "".join(f"L{number:05}x" for number in range(130)),
    "previous": "P4previous 'one' $HOME",
    "CA": "C1issuer\"'\\ß{ %s }C9ending",
    "other CA": "W1another-issuer-canary",
    "unused": "U1nobody-uses-this-one",
}

PIECES = {
    "quotes": ["Qa7mark", "Qd4mark", "Qs9mark", "Qb2mark"],
    "backslash": ["B5window", "B8ending"],
    "non-ASCII": ["Ü8ñïcødé", "N3ending", "密碼-N3"],
    "outer": ["O2heading", "O9trailing"],
    "long": [f"L{number:05}x" for number in range(0, 130, 10)],
    "previous": ["P4previous"],
    "CA": ["C1issuer", "C9ending"],
}
"""What is left where only a part was masked."""

STORES = [
    {"file": "a.p12", "format": "pkcs12"},
    {"file": "b.p12", "format": "pkcs12", "passphrase": SECRETS["non-ASCII"], "encryption": "compatible"},
    {"file": "c.jks", "format": "jks", "passphrase": SECRETS["inner"], "key_passphrase": SECRETS["outer"]},
]
TRUST = [
    {"file": "t.jks", "format": "jks", "passphrase": SECRETS["long"], "own_chain": True},
    {"file": "t.p12", "format": "pkcs12", "passphrase": SECRETS["backslash"], "own_chain": True},
]

TEMPLATES = {
    "good": "p={{ credential.passphrase }} k={{ credential.key_passphrase }} {{ credential.keystores | to_json }}\n",
    "no-such-attribute": "{{ credential.passphrase.nothing }}",
    "no-such-filter": "{{ credential.passphrase | no_such_filter }}",
    "syntax": "{{ credential.passphrase ",
    "not-a-date": "{{ credential.passphrase | to_datetime }}",
    "not-json": "{{ credential.passphrase | from_json }}",
    "no-such-file": "{{ lookup('ansible.builtin.file', credential.passphrase) }}",
    "all-of-it": "{{ credential | string | to_datetime }}",
    "issuer": "{{ test_issuers.corp.passphrase | to_datetime }}",
    "all-issuers": "{{ test_issuers | string | to_datetime }}",
    "told-so": "{{ credential.passphrase | ansible.builtin.mandatory(msg=credential.keystores | string) + 1 }}",
}


def canaries() -> Canaries:
    """All passphrases and their pieces, in all the ways in which they may be written."""
    return Canaries(
        {
            name: set().union(*(forms(text) for text in (value, *PIECES.get(name, ()))))
            for name, value in SECRETS.items()
        }
    )


def credential(name: str = "orders", **more: Any) -> Dict[str, Any]:
    """A credential with a passphrase wherever one can be."""
    return {
        "name": name,
        "issuer": "corp",
        "subject": {"CN": "orders"},
        "passphrase": SECRETS["quotes"],
        "key": {"type": "ECC", "encrypt": True, "passphrase": SECRETS["backslash"]},
        "keystores": STORES,
        "truststores": TRUST,
        "configs": [{"file": "app.conf", "src": "good.j2"}],
        **more,
    }


ISSUERS = {
    "corp": {"type": "ownca", "passphrase": SECRETS["CA"]},
    "unused": {"type": "ownca", "passphrase": SECRETS["unused"]},
}
SWAPPED = {
    "key": {"type": "RSA", "encrypt": True, "passphrase": SECRETS["outer"]},
    "passphrase": SECRETS["inner"],
    "keystores": [
        {"file": "a.p12", "format": "pkcs12", "passphrase": SECRETS["backslash"]},
        {"file": "c.jks", "format": "jks", "passphrase": SECRETS["quotes"], "key_passphrase": SECRETS["non-ASCII"]},
    ],
}
ROTATED = {
    "previous_passphrase": SECRETS["quotes"],
    "passphrase": SECRETS["previous"],
    "key": {"type": "ECC", "encrypt": True, "passphrase": SECRETS["backslash"]},
}


class Scene:
    """A fleet under surveillance: runs of it, and everything that could be seen of them."""

    def __init__(self, directory: Path, strace: str) -> None:
        self.fleet = Fleet(directory)
        self.strace = strace
        self.traces: List[Traced] = []
        self.runs: List[Run] = []
        self.watchers: List[Watcher] = []
        self.syslog = directory / "syslog"
        self.syslog.touch()

    def run(self, *arguments: str, playbook: Optional[Path] = None, **environment: str) -> Run:
        """Run a playbook, watched."""
        trace = self.fleet.directory / f"trace-{len(self.runs)}"
        mark = f"MTLS_TEST_RECORD={self.fleet.directory / 'record.jsonl'}"
        with Watcher(mark.encode(), [self.fleet.work], canaries()) as watcher:
            run = self.fleet.run(
                "-vvvv",
                *arguments,
                playbook=playbook,
                environment={
                    "PYTHONPATH": str(HOSTS_PYTHON),
                    "MTLS_TEST_SYSLOG": str(self.syslog),
                    **environment,
                },
                wrapper=[self.strace, *STRACE, f"--output={trace}"],
            )
        self.watchers.append(watcher)
        self.traces.append(traced(trace))
        self.runs.append(run)
        trace.unlink()
        return run

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Everything that was seen on the controller and between processes, but for writes to pipes."""
        for number, (run, trace) in enumerate(zip(self.runs, self.traces)):
            yield f"the output of run {number}", run.output.encode()
            for event in run.events:
                text = json.dumps(event.result, ensure_ascii=False)
                yield f"the result of {event.task} on {event.host}", text.encode()
            for data in trace.executed:
                yield f"a command or its environment, run {number}", data
            for data in trace.paths:
                yield f"a path, run {number}", data
        yield "the system's log", self.syslog.read_bytes()

    def written(self, pipes: bool) -> Iterator[tuple[str, bytes]]:
        """What processes wrote to files and sockets, and to pipes if that counts, but for hosts' own trees."""
        hosts = str(self.fleet.directory / "hosts") + "/"
        for trace in self.traces:
            for (process, target), data in trace.written.items():
                is_pipe = target.startswith("pipe:")
                # A memfd is memory: how Python's ssl is given a key without a file.
                if not target.startswith("/memfd:") and not target.startswith(hosts) and (pipes or not is_pipe):
                    yield f"what process {process} wrote to {target}", data


@pytest.fixture
def scene(tmp_path: Path, tool: Callable[[str], str]) -> Iterator[Scene]:
    scene = Scene(tmp_path / "fleet", tool("strace"))
    yield scene
    shutil.rmtree(tmp_path / "fleet")


def _prepare(scene: Scene) -> None:
    fleet = scene.fleet
    fleet.make_ca("corp", SECRETS["CA"])
    (fleet.project / "templates").mkdir()
    for name, text in TEMPLATES.items():
        (fleet.project / "templates" / f"{name}.j2").write_text(text, encoding="utf-8")
    fleet.add_host("good", issuers=ISSUERS, credentials=[credential(), credential("swapped", **SWAPPED)])
    fleet.add_host("wrong", issuers=ISSUERS, credentials=[credential("key"), credential("store", key={"type": "ECC"})])


def _issuers(passphrase: str) -> Dict[str, Any]:
    return {"corp": {"type": "ownca", "passphrase": passphrase}}


def _fail_everywhere(fleet: Fleet) -> Dict[str, str]:
    """Change the inventory so that each host fails in a way of its own. Returns what its message has to say."""
    expected = {
        "wrong": "previous_passphrase",
        "twin": "key_owner",
        "crash": "RuntimeError in ",
        "no-root": "a-file",
        "unreachable": "",
        "bad-ca": "passphrase",
        "list": "passphrase",
        "control": "passphrase",
        "misspelt": "passphrase",
        "empty-issuer": "passphrase",
    }
    other = {"type": "ECC", "encrypt": True, "passphrase": SECRETS["long"]}
    fleet.add_host("good", issuers=ISSUERS, credentials=[credential(**ROTATED), credential("swapped", **SWAPPED)])
    fleet.add_host(
        "wrong",
        issuers=ISSUERS,
        credentials=[
            credential("key", key=other),
            credential("store", key={"type": "ECC"}, passphrase=SECRETS["long"]),
        ],
    )
    fleet.add_host("twin", issuers=ISSUERS, credentials=[credential()])
    fleet.add_host("crash", issuers=ISSUERS, credentials=[credential()])
    fleet.hosts["crash"]["test_crash"] = "yes"
    (fleet.tree("good") / "a-file").touch()
    fleet.add_host("no-root", issuers=ISSUERS, credentials=[credential()], root=str(fleet.tree("good") / "a-file/root"))
    fleet.add_host("unreachable", issuers=ISSUERS, credentials=[credential()])
    fleet.hosts["unreachable"].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=_closed_port())
    fleet.add_host("bad-ca", issuers=_issuers(SECRETS["other CA"]), credentials=[credential()])
    fleet.add_host("list", issuers=ISSUERS, credentials=[credential(passphrase=[SECRETS["quotes"]])])
    fleet.add_host("control", issuers=ISSUERS, credentials=[credential(passphrase=SECRETS["inner"] + "\n")])
    fleet.add_host("misspelt", issuers=ISSUERS, credentials=[credential(pasphrase=SECRETS["inner"])])
    fleet.add_host(
        "empty-issuer", issuers={"corp": {"type": "ownca", "pasphrase": SECRETS["CA"]}}, credentials=[credential()]
    )
    for name in TEMPLATES:
        if name != "good":
            config = {"file": "app.conf", "src": f"{name}.j2"}
            fleet.add_host(f"template-{name}", issuers=ISSUERS, credentials=[credential(configs=[config])])
            expected[f"template-{name}"] = f"{name}.j2"
    return expected


def _closed_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port: int = closed.getsockname()[1]
    return port


def _keys(fleet: Fleet) -> Dict[str, Set[bytes]]:
    """The private keys that hosts hold now, in all the ways in which they could be written."""
    found = {}
    for path in sorted((fleet.directory / "hosts").rglob("key.pem")):
        for passphrase in (None, *SECRETS.values()):
            try:
                found[f"the key {path}"] = key_forms(path.read_bytes(), passphrase)
            except (TypeError, ValueError):
                continue
    return found


@pytest.mark.timeout(600)
def test_credentials(scene: Scene, subtests: pytest.Subtests) -> None:
    """The action: provisioned, predicted, changed, and failed in every way we know."""
    fleet = scene.fleet
    _prepare(scene)
    # The action itself sees to it that nothing goes through temporary files.
    as_shipped_by_ansible = {"ANSIBLE_PIPELINING": "false"}
    first = scene.run("--diff", **as_shipped_by_ansible)
    assert first.event("good").status == "ok", first.event("good").result
    keys = _keys(fleet)
    _share_the_key(fleet)
    tasks = json.loads(fleet.playbook.read_text(encoding="utf-8"))[0]["tasks"]
    playbook = fleet.write_playbook(
        "crash.yml", tasks, environment={"MTLS_TEST_CRASH": "{{ test_crash | default('') }}"}
    )
    expected = _fail_everywhere(fleet)
    scene.run("--check", "--diff", playbook=playbook, **as_shipped_by_ansible)
    failed = scene.run("--diff", playbook=playbook, **as_shipped_by_ansible)
    keys.update(_keys(fleet))

    for host, words in expected.items():
        with subtests.test("each failure is the one that was meant", host=host):
            event = failed.event(host)
            assert event.status == ("unreachable" if host == "unreachable" else "failed")
            assert words in event.result["msg"]
    with subtests.test("the passphrase was changed"):
        assert "store_passphrase_changed" in failed.credentials("good")["orders"]["reasons"]
    _expect_no_secrets(scene, subtests)
    with subtests.test("a private key stays on its host"):
        # The second run re-encrypted nothing but stores, so each key is there once.
        assert len(keys) >= 5
        search = Canaries(keys)
        elsewhere = [*scene.places(), *scene.written(pipes=True)]
        assert [hit for where, data in elsewhere for hit in search.within(data, where)] == []
        assert search.in_files(fleet.project) + search.in_files(fleet.work) == []


def _share_the_key(fleet: Fleet) -> None:
    """The host `twin` asks for a certificate for the key of `good`, as a cloned machine would."""
    waiting = fleet.root("twin") / "orders/next"
    waiting.mkdir(mode=0o700, parents=True)
    key = next((fleet.root("good") / "orders/generations").iterdir()) / "key.pem"
    shutil.copy(key, waiting / "key.pem")
    loaded = private_key.load(key.read_bytes(), SECRETS["backslash"]).key
    spec = request.RequestSpec(names.normalize({"CN": "orders"}), ())
    (waiting / "request.pem").write_bytes(request.build(loaded, spec))
    (waiting / "since.json").write_text('{"since": "2026-01-01T00:00:00Z"}', encoding="utf-8")


def _expect_no_secrets(scene: Scene, subtests: pytest.Subtests, *sources: Path) -> None:
    search = canaries()
    fleet = scene.fleet
    with subtests.test("output, results, arguments, environments, paths, log"):
        assert [hit for where, data in scene.places() for hit in search.within(data, where)] == []
    with subtests.test("what processes wrote to files and sockets"):
        written = list(scene.written(pipes=False))
        assert [hit for where, data in written for hit in search.within(data, where)] == []
    with subtests.test("files that are left"):
        allowed = [*sources, fleet.project / "inventory.json", *(fleet.directory / "hosts").rglob("app.conf")]
        assert search.in_files(fleet.directory, allowed) == []
    with subtests.test("the same, while the runs went on"):
        assert [hit for watcher in scene.watchers for hit in watcher.found] == []
    with subtests.test("there was something to be seen"):
        assert all(len(watcher.processes) > 3 for watcher in scene.watchers)
        assert all(len(trace.executed) > 3 for trace in scene.traces)
        piped = (
            data for trace in scene.traces for (_, target), data in trace.written.items() if target.startswith("pipe:")
        )
        assert any(search.within(data, "a pipe") for data in piped)


class Endpoint(threading.Thread):
    """A TLS server that demands a client certificate, and answers one HTTP request for each that it gets."""

    def __init__(self, directory: Path) -> None:
        super().__init__(daemon=True)
        root = material.authority("Server Root")
        server = material.client(
            "localhost",
            signer=root,
            alternatives=[x509.DNSName("localhost")],
            purposes=[ExtendedKeyUsageOID.SERVER_AUTH],
        )
        (directory / "server.pem").write_bytes(server.key_pem + server.pem)
        (directory / "server-root.pem").write_bytes(root.pem)
        self.trust = directory / "server-root.pem"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(directory / "server.pem")
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.load_verify_locations(directory / "project/mtls/ownca/corp/ca.pem")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.callers: List[str] = []

    def run(self) -> None:
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(connection, server_side=True) as session:
                    certificate = session.getpeercert() or {}
                    self.callers.append(str(certificate.get("subject")))
                    session.recv(65536)
                    session.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            except OSError:
                continue

    def __enter__(self) -> Endpoint:
        self.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.join()


def _module_tasks(fleet: Fleet, endpoint: Endpoint) -> Dict[str, Dict[str, Any]]:
    """The other modules with passphrases in every option that takes one: going well, and not."""
    current = fleet.root("good") / "orders/current"
    store = str(fleet.tree("good") / "store.jks")
    entry = {
        "friendly_name": "client",
        "privatekey_path": str(current / "key.pem"),
        "privatekey_passphrase": SECRETS["backslash"],
        "certificate_path": str(current / "certificate.pem"),
        "other_certificates": [str(current / "chain.pem")],
    }
    stored = {"path": store, "format": "jks", "passphrase": SECRETS["quotes"], "key_passphrase": SECRETS["non-ASCII"]}
    pem = {
        "privatekey_path": entry["privatekey_path"],
        "privatekey_passphrase": SECRETS["backslash"],
        "certificate_path": str(current / "fullchain.pem"),
    }
    shake = {
        "host": "localhost",
        "port": endpoint.port,
        "timeout": 5,
        "truststore": {"path": str(endpoint.trust)},
        "request": {
            "headers": {"Authorization": SECRETS["inner"]},
            "body": SECRETS["long"],
            "basic_auth": {"username": "orders", "password": SECRETS["unused"]},
        },
    }
    plain = {**shake, "request": {"headers": {"X-Token": SECRETS["inner"]}, "body": SECRETS["long"]}}
    proxied = {**plain, "proxy": f"http://user:{SECRETS['inner']}@127.0.0.1:{_closed_port()}"}
    other = SECRETS["long"]
    return {
        "keystore": {**stored, "entries": [entry]},
        "keystore again": {**stored, "entries": [entry]},
        "keystore, another passphrase": {
            **stored,
            "passphrase": SECRETS["outer"],
            "previous_passphrase": SECRETS["quotes"],
            "entries": [entry],
        },
        "keystore, wrong passphrase": {**stored, "passphrase": other, "entries": [entry]},
        "keystore, wrong key passphrase": {
            **stored,
            "path": store + ".other",
            "entries": [{**entry, "privatekey_passphrase": other}],
        },
        "keystore, unknown option": {**stored, "entries": [{**entry, "pasphrase": other}]},
        "keystore, a map as passphrase": {**stored, "passphrase": {"a": other}, "entries": [entry]},
        "keystore, missing option": {"passphrase": SECRETS["quotes"], "entries": [{"privatekey_passphrase": other}]},
        "keystore_info": {"path": store, "passphrase": SECRETS["outer"], "key_passphrase": SECRETS["non-ASCII"]},
        "keystore_info, wrong": {"path": store, "passphrase": other, "key_passphrase": SECRETS["inner"]},
        "handshake": {**plain, "pem": pem},
        "handshake, a store": {**plain, "keystore": {**stored, "passphrase": SECRETS["outer"]}},
        "handshake, basic auth": {**shake, "request": {"basic_auth": shake["request"]["basic_auth"]}, "pem": pem},
        "handshake, two authorizations": {**shake, "pem": pem},
        "handshake, wrong passphrase": {**plain, "keystore": {**stored, "passphrase": other}},
        "handshake, wrong key passphrase": {**plain, "pem": {**pem, "privatekey_passphrase": other}},
        "handshake, a proxy in the way": {**proxied, "pem": pem},
        "handshake, nobody there": {**plain, "port": _closed_port(), "pem": pem},
        "handshake, a bad header": {
            **plain,
            "request": {"headers": {"X-Token": SECRETS["inner"] + "\n"}},
            "pem": pem,
        },
        "handshake, unknown option": {**plain, "pem": {**pem, "pasphrase": other}},
        "ownca": {"directory": str(fleet.state / "ownca/corp"), "subject": {"CN": "x"}, "passphrase": SECRETS["CA"]},
        "ownca, wrong passphrase": {
            "directory": str(fleet.state / "ownca/corp"),
            "subject": {"CN": "x"},
            "passphrase": SECRETS["other CA"],
            "previous_passphrase": SECRETS["previous"],
        },
    }


@pytest.mark.timeout(600)
def test_modules(scene: Scene, subtests: pytest.Subtests) -> None:
    """The modules that people call themselves: keystore, keystore_info, handshake, ownca."""
    fleet = scene.fleet
    _prepare(scene)
    del fleet.hosts["wrong"]
    fleet.add_host("good", issuers=ISSUERS, credentials=[credential(configs=[])])
    fleet.run().must_succeed()
    with Endpoint(fleet.directory) as endpoint:
        tasks = _module_tasks(fleet, endpoint)
        playbook = fleet.write_playbook(
            "modules.yml",
            [
                {"name": name, "mutual.tls." + name.partition(",")[0].split()[0]: options, "ignore_errors": True}
                for name, options in tasks.items()
            ],
        )
        run = scene.run("--diff", playbook=playbook)
        assert any("orders" in caller for caller in endpoint.callers)
    well = {"keystore", "keystore again", "keystore, another passphrase", "keystore_info", "handshake"}
    well |= {"handshake, a store", "handshake, basic auth", "handshake, two authorizations"}
    for name in tasks:
        with subtests.test("each task ends as it was meant", task=name):
            event = run.event("good", name)
            assert event.status == ("ok" if name in well else "failed"), event.result
    _expect_no_secrets(scene, subtests, playbook)
    with subtests.test("a private key stays on its host"):
        keys = _keys(fleet)
        assert len(keys) == 1
        search = Canaries(keys)
        elsewhere = [*scene.places(), *scene.written(pipes=True)]
        assert [hit for where, data in elsewhere for hit in search.within(data, where)] == []
        assert search.in_files(fleet.project) + search.in_files(fleet.work) == []


_VOLATILE = (
    (r"[0-9a-f]{30,64}", "HEX"),
    (r"run [0-9a-f]{16}", "RUN"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "TIME"),
    (r"-----BEGIN [^-]*-----[^-]*-----END [^-]*-----", "PEM"),
    (r"\d+\.\d+", "NUMBER"),
    (r"one-letter-\d", "DIRECTORY"),
)


@pytest.mark.timeout(600)
def test_passphrase_of_one_letter(tmp_path: Path, subtests: pytest.Subtests) -> None:
    """Two runs whose passphrases are different letters cannot be told apart, and nothing is garbled by masking."""
    seen: Dict[str, List[str]] = {}
    for number, letter in enumerate("eQ"):
        fleet = Fleet(tmp_path / f"one-letter-{number}")
        fleet.make_ca("corp", letter)
        _one_letter_hosts(fleet, letter, None)
        syslog = fleet.directory / "syslog"
        environment = {
            "ANSIBLE_FORKS": "1",
            "PYTHONPATH": str(HOSTS_PYTHON),
            "MTLS_TEST_SYSLOG": str(syslog),
        }
        runs = [fleet.run("-vvvv", "--diff", environment=environment).must_succeed()]
        _one_letter_hosts(fleet, "zX"[number], letter)
        runs.append(fleet.run("-vvvv", "--diff", "--check", environment=environment))
        runs.append(fleet.run("-vvvv", "--diff", environment=environment))
        for run in runs:
            for event in run.events:
                seen.setdefault(letter, []).extend(json.dumps(event.result, indent=1).splitlines())
            seen[letter] += run.output.splitlines()
        seen[letter] += syslog.read_text(encoding="utf-8").splitlines() if syslog.exists() else []
        with subtests.test("files without secrets are the same", letter=letter):
            for path in sorted(fleet.state.rglob("*")):
                seen[letter].append(str(path.relative_to(fleet.state)))
            for name in ("state.json", "since.json"):
                for path in sorted((fleet.directory / "hosts").rglob(name)):
                    seen[letter].append(path.read_text(encoding="utf-8"))
        shutil.rmtree(fleet.directory)
    one, other = (["\n".join(lines)] for lines in seen.values())
    for pattern, word in _VOLATILE:
        one, other = ([re.sub(pattern, word, text[0])] for text in (one, other))
    with subtests.test("the runs look the same"):
        assert one[0].splitlines() == other[0].splitlines()
    with subtests.test("nothing is masked"):
        assert not re.search(r"(?<![ *])[*]{3}", one[0]) and "VALUE_SPECIFIED" not in one[0]
    with subtests.test("the runs said something"):
        assert "store_passphrase_changed" in one[0] and "CN=orders" in one[0] and "previous_passphrase" in one[0]


def _one_letter_hosts(fleet: Fleet, letter: str, previous: Optional[str]) -> None:
    """The hosts `good` and, where there is a previous letter, `wrong`: the first knows it, the second does not."""
    issuers = _issuers(letter if previous is None else previous)
    stores = [
        {"file": "a.p12", "format": "pkcs12"},
        {"file": "b.jks", "format": "jks", "passphrase": letter, "key_passphrase": letter},
    ]
    truststores = [{"file": "t.jks", "format": "jks", "own_chain": True}]
    common = {"passphrase": letter, "key": {"type": "ECC", "encrypt": True}, "keystores": stores}
    for host, opens in (("good", previous), ("wrong", None)):
        fleet.add_host(
            host,
            issuers=issuers,
            credentials=[
                {
                    "name": "orders",
                    "issuer": "corp",
                    "subject": {"CN": "orders"},
                    "truststores": truststores,
                    "previous_passphrase": opens,
                    **common,
                }
            ],
        )


def test_search_finds_what_is_planted(tmp_path: Path, tool: Callable[[str], str]) -> None:
    """What all of the above relies on: a secret in each of these places would be seen."""
    search = canaries()
    (tmp_path / "temporary").mkdir()
    script = (
        "import os, socket, sys, time; secret = sys.stdin.read();"
        "file = open('temporary/file', 'w'); file.write(secret[:12]); file.flush(); file.write(secret[12:]);"
        "file.flush(); time.sleep(0.5); os.remove('temporary/file');"
        "one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); one.send(secret.encode());"
        "os.mkdir('temporary/' + secret[:20]);"
        "os.environ['HIDDEN'] = secret; os.execvp('sleep', ['sleep', '0.5', '0', '--', '0'])"
    )
    secret = SECRETS["outer"]
    with Watcher(b"MARK=here", [tmp_path / "temporary"], search) as watcher:
        subprocess.run(
            [tool("strace"), *STRACE, f"--output={tmp_path / 'trace'}", sys.executable, "-c", script],
            input=secret,
            text=True,
            env={"MARK": "here", "PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            check=True,
        )
    trace = traced(tmp_path / "trace")
    assert any("outer in" in hit and hit.count("environment") for hit in watcher.found)
    assert any("temporary/file" in hit for hit in watcher.found)
    assert any(search.within(data, "") for (_, target), data in trace.written.items() if target.endswith("/file"))
    assert any(search.within(data, "") for (_, target), data in trace.written.items() if "UNIX" in target)
    assert any(search.within(data, "") for data in trace.executed)
    assert any(search.within(data, "") for data in trace.paths)
    assert not search.within(b"nothing of the kind, CERTIFICATE", "")


@pytest.mark.parametrize(
    "written",
    [
        SECRETS["backslash"],
        json.dumps({"a": SECRETS["quotes"]}),
        repr([SECRETS["quotes"]]),
        json.dumps(repr({"b": SECRETS["backslash"]})),
        json.dumps(SECRETS["non-ASCII"]),
        base64.b64encode(b"x" + SECRETS["long"].encode()).decode(),
        "CERTIFIC******** O9trailing",
        SECRETS["CA"].encode("utf-16-be").decode("latin-1"),
    ],
)
def test_search_knows_how_secrets_are_written(written: str) -> None:
    assert canaries().within(written.encode("latin-1", "ignore") + written.encode(), "")
