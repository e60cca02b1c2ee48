# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps at which the kill tests kill a rotation are all that it does to the disk, as strace sees it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Set, Tuple

import pytest

from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host, credential, keystore, link
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.partner import Partner, Service, partner_of

REPOSITORY = Path(__file__).resolve().parents[2]

# The rotation itself, with the kill tests' own steps around everything; each step is told instead of killed at.
ROTATION = """
import json, os, sys
from ansible_collections.mutual.tls.plugins.module_utils.converge.run import converge
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.test_kill import Bomb

class Counter(Bomb):
    def tick(self):
        self.ticks += 1

counter = Counter(0)
counter.ticks = 0
document = parse(open(sys.argv[1], encoding="utf-8").read())
counter.arm()
reply = converge(document, False, lambda path: None)
print(json.dumps({"ticks": counter.ticks, "states": [one.state for one in reply.credentials]}))
"""

MUTATING = (
    "mkdir mkdirat rename renameat renameat2 link linkat symlink symlinkat unlink unlinkat rmdir open openat creat "
    "write writev pwrite64 pwritev truncate ftruncate fallocate chmod fchmod fchmodat chown fchown lchown fchownat "
    "setxattr lsetxattr fsetxattr removexattr fremovexattr utimensat mknod mknodat copy_file_range sendfile"
).split()
_CALL = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")


class Call(NamedTuple):
    """One system call on the disk below the test's directory, with the absolute paths that it names."""

    name: str
    paths: Tuple[str, ...]


class Trace:
    """What one rotation did, in order: changes of the disk, and fsyncs."""

    def __init__(self, text: str, below: str) -> None:
        first = text.split(None, 1)[0]
        self.calls: List[Call] = []
        for line in text.splitlines():
            found = _CALL.match(line)
            # What a reload's own processes do is theirs; a call that failed has changed nothing.
            if found is None or found["pid"] != first or int(found["result"]) < 0:
                continue
            if found["name"].startswith("open") and "O_CREAT" not in found["arguments"]:
                continue
            call = Call(found["name"], tuple(_paths(found["name"], found["arguments"])))
            # A handshake writes its key to memory, which the kill tests count, too.
            in_memory = call.name == "write" and any(path.startswith("/memfd:") for path in call.paths)
            if in_memory or any(_is_at_or_below(path, below) for path in call.paths):
                self.calls.append(call)

    @property
    def changes(self) -> List[Call]:
        """Without the fsyncs."""
        return [call for call in self.calls if call.name != "fsync"]


def _paths(name: str, arguments: str) -> Iterator[str]:
    """The absolute paths in a call's arguments: of descriptors, and of names beside the descriptor before them."""
    if "write" in name:
        # What is written looks like a name.
        arguments = arguments.partition(">")[0] + ">"
    directory = os.getcwd()
    for part in re.finditer(r'(?:\d+|AT_FDCWD)<(/[^>]*)>|"([^"]*)"', arguments):
        if part[2] is not None:
            yield os.path.join(directory, part[2])
            continue
        directory = part[1]
        if not arguments.startswith(', "', part.end()):
            yield directory


class Rotation(NamedTuple):
    """A traced rotation: what the kill tests count as steps, and what strace saw."""

    ticks: int
    states: List[str]
    trace: Trace
    asked: int
    reloads: int


def _rotate(directory: Path, host: Host, partner: Partner, service: Service, wanted: Dict[str, Any]) -> Rotation:
    request = host.trip(wanted).credentials[0].request
    assert request is not None and request.pem is not None
    document = directory / "document.json"
    document.write_text(json.dumps(host.document({**wanted, "answer": host.authority.sign(request.pem)})))
    output = directory / "strace"
    partner.asked.clear()
    before = len(service.reloads)
    command = ["strace", "-f", "-y", "-s", "4096", "-o", str(output)]
    command += ["-e", "trace=fsync," + ",".join("?" + name for name in MUTATING)]
    done = subprocess.run(
        [*command, sys.executable, "-c", ROTATION, str(document)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    trace = Trace(output.read_text(), str(host.root.parent))
    return Rotation(told["ticks"], told["states"], trace, len(partner.asked), len(service.reloads) - before)


@pytest.fixture(params=["works", "is rejected", "is rejected later"])
def rotation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rotation]:
    (tmp_path / "disk/elsewhere").mkdir(parents=True)
    host = Host(tmp_path / "disk/root")
    with partner_of(host, tmp_path) as partner:
        service = Service(host, tmp_path)
        wanted = credential(
            keystores=[keystore(), keystore(file="client.jks", format="jks")],
            reload=service.command,
            verify=partner.verify(),
            links=[
                link(tmp_path / "disk/elsewhere" / kind, "client.pem", copy=kind == "copy") for kind in ("link", "copy")
            ],
        )
        assert host.run(wanted).state == "active"
        old = set(partner.asked)
        partner.accepts = {
            "works": lambda serial: True,
            "is rejected": lambda serial: serial in old,
            "is rejected later": lambda serial: serial in old or len(partner.asked) < 2,
        }[request.param]
        found = _rotate(tmp_path, host, partner, service, {**wanted, "subject": [["CN", "renewed"]]})
        assert found.states == [{"works": "active"}.get(request.param, "failed")]
        yield found


def test_every_change_of_the_disk_is_a_step(rotation: Rotation) -> None:
    changes = rotation.trace.changes
    # A step before each change; one before and one after each reload and each handshake.
    assert rotation.ticks == len(changes) + 2 * (rotation.asked + rotation.reloads)
    print("{0} steps: {1}".format(rotation.ticks, ", ".join(call.name for call in changes)))


def test_what_is_renamed_is_on_the_disk_and_stays_there(rotation: Rotation) -> None:
    calls = rotation.trace.calls
    renames = [place for place, call in enumerate(calls) if call.name.startswith("rename")]
    assert len(renames) >= 2
    for place in renames:
        old, new = calls[place].paths[-2:]
        for path in _changed_at_or_below(old, calls[:place]):
            assert _is_synced_at_the_end(path, calls[:place]), "{0} is not synced before its rename".format(path)
        parent = os.path.dirname(new)
        assert calls[place + 1] == Call("fsync", (parent,)), "{0}: {1} is not synced".format(new, parent)


def _changed_at_or_below(name: str, calls: List[Call]) -> Set[str]:
    """Files written, and directories whose names changed; a link's target is synced with its directory."""
    changed = set()
    for call in calls:
        if call.name == "write":
            changed.update(call.paths[:1])
        elif call.name.startswith(("mkdir", "open")):
            changed.add(os.path.dirname(call.paths[-1]))
            changed.update([call.paths[-1]] if call.name.startswith("mkdir") else [])
    return {path for path in changed if _is_at_or_below(path, name)}


def _is_synced_at_the_end(path: str, calls: List[Call]) -> bool:
    """Whether an fsync follows the last change of a file, or of the names in a directory."""
    for call in reversed(calls):
        if call == Call("fsync", (path,)):
            return True
        if call.name != "fsync" and (path == call.paths[0] or os.path.dirname(call.paths[-1]) == path):
            return False
    return False


def _is_at_or_below(path: str, above: str) -> bool:
    return path == above or path.startswith(above + "/")
