# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was done stands in the host's own log, and in the reply."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator, List, Optional, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.converge import record
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply, Event
from ansible_collections.mutual.tls.tests.conftest import REPOSITORY
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host, credential
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.partner import Service

_LINE = re.compile(
    r"<85>[A-Z][a-z]{2} [ 123][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} mutual\.tls\[(?P<pid>[0-9]+)\]: event=(?P<event>[a-z_]+)"
    r"( generation=(?P<generation>[0-9]+))?( fingerprint_sha256=(?P<fingerprint>[0-9a-f]{64}))? directory=(?P<path>.*)"
)


class Log:
    """A log daemon's socket."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.setblocking(False)

    def lines(self) -> List[str]:
        """What was written since the last time."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def told(self) -> List[Tuple[str, Optional[int]]]:
        """The events and generations of the lines, all of which are of the one form that they may have."""
        matches = [_LINE.fullmatch(line) for line in self.lines()]
        assert None not in matches
        return [(one["event"], one["generation"] and int(one["generation"])) for one in matches if one is not None]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="mtls-log-") as directory:
        found = Log(os.path.join(directory, "log"))
        monkeypatch.setattr(record, "SOCKET", found.path)
        yield found
        found.socket.close()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "disk/root")


def made(reply: CredentialReply) -> List[Tuple[str, Optional[int]]]:
    return [(one.event, one.generation) for one in reply.events]


def plain(**changes: Any) -> Any:
    return credential(**{"keystores": [], "truststores": [], "configs": [], **changes})


def test_each_generation_that_comes_into_use(log: Log, host: Host) -> None:
    reply = host.run(plain())
    (line,) = log.lines()
    found = _LINE.fullmatch(line)
    assert found is not None
    manifest = json.loads((host.current() / "manifest.json").read_text())
    fingerprint = manifest["fingerprint_sha256"]
    assert (found["event"], found["generation"], found["fingerprint"]) == ("deployed", "1", fingerprint)
    assert (found["pid"], found["path"]) == (str(os.getpid()), str(host.root / "orders"))
    assert reply.events == (Event("deployed", 1, fingerprint),)
    again = host.run(plain(subject=[["CN", "new"]]))
    assert log.told() == made(again) == [("deployed", 2)]
    # Another file, the same certificate.
    restaged = host.run(plain(subject=[["CN", "new"]], authorities=[]))
    assert log.told() == made(restaged) == [("deployed", 3)]
    assert restaged.events[0].fingerprint_sha256 == again.events[0].fingerprint_sha256


def test_nothing_is_told_where_no_generation_changes(log: Log, host: Host) -> None:
    wanted = plain()
    host.run(wanted)
    log.lines()
    assert [host.run(wanted, check=check).events for check in (True, False)] == [(), ()]
    (host.current() / "certificate.pem").chmod(0o644)
    mended = host.run(wanted)
    assert (mended.changed, mended.events) == (True, ())
    assert host.run(plain(subject=[["CN", "new"]]), check=True).events == ()
    assert log.lines() == []


_RUN = """
import sys
from ansible_collections.mutual.tls.plugins.module_utils.converge.run import converge
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
reply = converge(parse(open(sys.argv[1], encoding="utf-8").read()), False, lambda path: None)
print(reply.changed, any(name.endswith(".converge.record") for name in sys.modules))
"""


def test_a_check_that_finds_nothing_to_do_loads_none_of_it(host: Host, tmp_path: Path) -> None:
    host.run(plain())
    document = tmp_path / "document.json"
    for wanted, said in ((plain(), "False False"), (plain(authorities=[]), "True True")):
        # Sealed, it would not even get that far.
        (host.root / ".seal").unlink(missing_ok=True)
        document.write_text(json.dumps(host.document(wanted)))
        command = [sys.executable, "-c", _RUN, str(document)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.strip() == said


def test_what_is_taken_back(log: Log, host: Host, tmp_path: Path) -> None:
    service = Service(host, tmp_path)
    wanted = plain(reload=service.command)
    first = host.run(wanted).events[0].fingerprint_sha256
    service.failing.touch()
    reply = host.run({**wanted, "subject": [["CN", "new"]]})
    assert log.told()[1:] == made(reply) == [("deployed", 2), ("rolled_back", 1)]
    assert (reply.state, reply.events[1].fingerprint_sha256) == ("failed", first)


def test_what_is_removed(log: Log, host: Host) -> None:
    deployed = host.run(plain()).events[0]
    assert host.run(plain(state="absent"), check=True).events == ()
    gone = host.run(plain(state="absent"))
    assert gone.events == (Event("removed", None, deployed.fingerprint_sha256),)
    assert log.told() == [("deployed", 1), ("removed", None)]
    assert host.run(plain(state="absent")).events == ()
    assert log.lines() == []


def test_a_rollback_and_its_release(log: Log, host: Host) -> None:
    host.run(plain())
    host.run(plain(subject=[["CN", "new"]]))
    candidate = host.trip(plain(operation="rollback")).credentials[0].candidate
    assert candidate is not None
    fingerprint = json.loads((host.root / "orders/generations/0001/manifest.json").read_text())["fingerprint_sha256"]
    back = host.trip(plain(operation="rollback", candidate=fingerprint)).credentials[0]
    assert made(back) == [("rolled_back", 1), ("held", 1)]
    released = host.run(plain(operation="release"))
    assert made(released)[0] == ("released", 1)
    assert log.told()[2:] == [*made(back), *made(released)]


def test_a_generation_that_has_waited(log: Log, host: Host) -> None:
    host.run(plain())
    waits = plain(subject=[["CN", "new"]], activation="on_request")
    assert made(host.run(waits)) == []
    assert made(host.run({**waits, "operation": "activate"})) == [("activated", 2)]
    assert log.told() == [("deployed", 1), ("activated", 2)]


def test_a_host_without_a_log_is_none_the_worse(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(record, "SOCKET", str(tmp_path / "none"))
    assert made(host.run(plain())) == [("deployed", 1)]


@pytest.mark.timeout(60)
def test_a_log_that_takes_nothing_holds_nobody_up(log: Log, host: Host) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        other.connect(log.path)
        with pytest.raises(BlockingIOError):
            while True:
                other.send(b"x")
    assert made(host.run(plain())) == [("deployed", 1)]


def test_a_path_cannot_forge_a_line(log: Log) -> None:
    record.record("/etc/x\n<85>event=forged\x1b[2J\udcff", "removed", None, None)
    (line,) = log.lines()
    assert line.endswith("event=removed directory=/etc/x?<85>event=forged?[2J?")


@pytest.mark.parametrize("damage", ["gone", "{", '{"version": 1}', "another fingerprint"])
def test_a_damaged_manifest_costs_the_fingerprint_only(log: Log, host: Host, tmp_path: Path, damage: str) -> None:
    service = Service(host, tmp_path)
    wanted = plain(reload=service.command)
    host.run(wanted)
    manifest = host.root / "orders/generations/0001/manifest.json"
    answer = host.authority.sign(_request(host, {**wanted, "subject": [["CN", "new"]]}))
    if damage == "gone":
        manifest.unlink()
    elif damage == "another fingerprint":
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "fingerprint_sha256": "x\n"}))
    else:
        manifest.write_text(damage)
    service.failing.touch()
    reply = host.trip({**wanted, "subject": [["CN", "new"]], "answer": answer}).credentials[0]
    assert [(one.event, one.fingerprint_sha256 is None) for one in reply.events] == [
        ("deployed", False),
        ("rolled_back", True),
    ]


def _request(host: Host, wanted: Any) -> str:
    request = host.trip(wanted).credentials[0].request
    assert request is not None and request.pem is not None
    return request.pem
