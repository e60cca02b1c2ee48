# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passphrases are nowhere but where they are meant to be; a private key is nowhere off its host.

Runs that go well and runs that fail in every way we know are watched: what they print and return, their processes'
arguments and environments, every file they write, what they tell the system's log.
"""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Set

import pytest

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
    "long": [f"L{number:05}x" for number in range(130)],
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
                if not target.startswith(hosts) and (pipes or not is_pipe):
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
        "crash": "a crash on purpose",
        "no-root": "root",
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
    first = scene.run("--diff")
    assert first.event("good").status == "ok", first.event("good").result
    keys = _keys(fleet)
    _share_the_key(fleet)
    tasks = json.loads(fleet.playbook.read_text(encoding="utf-8"))[0]["tasks"]
    playbook = fleet.write_playbook(
        "crash.yml", tasks, environment={"MTLS_TEST_CRASH": "{{ test_crash | default('') }}"}
    )
    expected = _fail_everywhere(fleet)
    scene.run("--check", "--diff", playbook=playbook)
    failed = scene.run("--diff", playbook=playbook)
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


def _expect_no_secrets(scene: Scene, subtests: pytest.Subtests) -> None:
    search = canaries()
    fleet = scene.fleet
    with subtests.test("output, results, arguments, environments, paths, log"):
        assert [hit for where, data in scene.places() for hit in search.within(data, where)] == []
    with subtests.test("what processes wrote to files and sockets"):
        written = list(scene.written(pipes=False))
        assert [hit for where, data in written for hit in search.within(data, where)] == []
    with subtests.test("files that are left"):
        allowed = [fleet.project / "inventory.json", *(fleet.directory / "hosts").rglob("app.conf")]
        assert search.in_files(fleet.directory, allowed) == []
    with subtests.test("the same, while the runs went on"):
        assert [hit for watcher in scene.watchers for hit in watcher.found] == []
    with subtests.test("there was something to be seen"):
        assert all(len(watcher.processes) > 3 for watcher in scene.watchers)
        assert all(len(trace.executed) > 3 for trace in scene.traces)
        piped = b"".join(
            data for trace in scene.traces for (_, target), data in trace.written.items() if target.startswith("pipe:")
        )
        assert search.within(piped, "a pipe") != []
