# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller's project and the hosts it manages, all below one temporary directory.

A host is a directory with a root of its own, reached over the local connection. Playbooks run in a process of their
own, as people run them; a callback records every result. One run costs a second or two, whatever the number of
hosts, so tests put many cases into one.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.mutual.tls.plugins.module_utils import arguments
from ansible_collections.mutual.tls.plugins.module_utils import name as names
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create
from ansible_collections.mutual.tls.plugins.module_utils.ownca.build import AuthoritySpec
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import open_state_directory

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CA_PASSPHRASE = "the own CA's passphrase, for nobody's eyes"
TASK = "Keep credentials"
_TIMEOUT = 240

OPTIONS = tuple(arguments.credentials())
"""The task's options; a host has each as the variable `test_<option>`, or not at all."""

Listing = Dict[str, Tuple[Any, ...]]


@dataclass(frozen=True)
class Event:
    """What one task came to on one host: status is ok, failed, skipped or unreachable."""

    host: str
    task: str
    status: str
    result: Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """One finished ansible-playbook."""

    returncode: int
    output: str
    events: Tuple[Event, ...] = field(repr=False)

    def event(self, host: str, task: str = TASK) -> Event:
        """The one result of a task on a host."""
        found = [event for event in self.events if event.host == host and event.task == task]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} results of {task!r} on {host}:\n{self.output}")
        return found[0]

    def credentials(self, host: str) -> Dict[str, Mapping[str, Any]]:
        """The result's credentials by name."""
        event = self.event(host)
        if "credentials" not in event.result:
            raise AssertionError(f"{host} is {event.status}: {event.result}")
        return {item["name"]: item for item in event.result["credentials"]}

    def must_succeed(self) -> Run:
        """The run itself, unless some host failed."""
        bad = [event for event in self.events if event.status in ("failed", "unreachable")]
        if bad or self.returncode:
            shown = "\n".join(f"{event.host} {event.status}: {event.result.get('msg')}" for event in bad)
            raise AssertionError(f"exit status {self.returncode}\n{shown}\n{self.output[-4000:]}")
        return self


class Fleet:
    """A project directory. Set `hosts` (variables by host name), then `run` a playbook."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.project = directory / "project"
        self.state = self.project / "mtls"
        self.work = directory / "work"
        self.hosts: Dict[str, Dict[str, Any]] = {}
        for path in (self.project, self.work / "tmp", self.work / "home", directory / "hosts"):
            path.mkdir(parents=True)
        self.playbook = self.write_playbook(
            "keep.yml",
            [
                {
                    "name": TASK,
                    "mutual.tls.credential": {
                        option: "{{ test_" + option + " | default(omit) }}" for option in OPTIONS
                    },
                }
            ],
        )

    def add_host(self, host: str, **options: Any) -> None:
        """A host with the task's options as given, and its own root unless that is given too."""
        (self.directory / "hosts" / host).mkdir(exist_ok=True)
        options = {"root": str(self.root(host)), "state_directory": str(self.state), **options}
        self.hosts[host] = {f"test_{option}": value for option, value in options.items() if value is not None}

    def root(self, host: str) -> Path:
        """Where a host keeps its credentials."""
        return self.directory / "hosts" / host / "mtls"

    def tree(self, host: str) -> Path:
        """Everything of a host: its root, and paths for links beside it."""
        return self.directory / "hosts" / host

    def make_ca(self, name: str, passphrase: str = CA_PASSPHRASE, age: timedelta = timedelta(0)) -> Path:
        """An own CA in the state directory, made in this process, or some time ago."""
        place = open_state_directory(str(self.state), create=True).ownca(name)
        spec = AuthoritySpec(
            names.normalize({"CN": f"{name} client CA"}), KeyKind("ECC", curve="secp256r1"), timedelta(days=3650)
        )
        Path(place).parent.mkdir(exist_ok=True, mode=0o700)
        create.converge(
            place,
            create.OwnCaSpec(spec, None, timedelta(days=30)),
            passphrase,
            None,
            datetime.now(timezone.utc) - age,
            write=True,
        )
        return Path(place)

    def write_playbook(self, name: str, tasks: Sequence[Mapping[str, Any]], **play: Any) -> Path:
        """A playbook with one play over all hosts."""
        path = self.project / name
        plays = [{"name": "Test", "hosts": "all", "gather_facts": False, "tasks": list(tasks), **play}]
        path.write_text(json.dumps(plays, indent=1), encoding="utf-8")
        return path

    def write_inventory(self) -> Path:
        """The inventory as a file, in the YAML that is JSON."""
        path = self.project / "inventory.json"
        base = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = {host: {**base, **variables} for host, variables in self.hosts.items()}
        path.write_text(json.dumps({"all": {"hosts": hosts}}, indent=1, ensure_ascii=False), encoding="utf-8")
        return path

    def environment(self, **more: str) -> Dict[str, str]:
        """What ansible's programs are started with: nothing of the caller's settings, every temporary file below."""
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "LC_ALL": "C.UTF-8",
            **kept,
            "HOME": str(self.work / "home"),
            "TMPDIR": str(self.work / "tmp"),
            "ANSIBLE_HOME": str(self.work / "ansible"),
            "ANSIBLE_REMOTE_TMP": str(self.work / "remote"),
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(REPOSITORY),
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            # Since ansible-core 2.21 it would be left out, and with it a place where secrets could be seen.
            "ANSIBLE_INJECT_INVOCATION": "1",
            "ANSIBLE_FORKS": "4",
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **more,
        }

    def run(
        self,
        *arguments: str,
        playbook: Optional[Path] = None,
        inventory: Optional[Path] = None,
        environment: Optional[Mapping[str, str]] = None,
        wrapper: Sequence[str] = (),
    ) -> Run:
        """Run a playbook over the hosts; `wrapper` is put before the command, as in `strace -f`."""
        record = self.directory / "record.jsonl"
        record.unlink(missing_ok=True)
        command = [
            *wrapper,
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            str(inventory or self.write_inventory()),
            str(playbook or self.playbook),
            *arguments,
        ]
        done = subprocess.run(
            command,
            cwd=self.project,
            env=self.environment(MTLS_TEST_RECORD=str(record), **(environment or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        return Run(done.returncode, done.stdout, tuple(Event(**json.loads(line)) for line in lines))


def listing(directory: Path) -> Listing:
    """Every path below a directory with what must not move: inode, mtime, mode, owner, group, content or target."""
    found: Listing = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = ""
        if stat.S_ISREG(status.st_mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        found[str(path.relative_to(directory))] = (
            status.st_ino,
            status.st_mtime_ns,
            oct(status.st_mode),
            status.st_uid,
            status.st_gid,
            content,
        )
    return found


def moved(before: Listing, after: Listing) -> List[str]:
    """The paths that are not the same in two listings, for a message that people can read."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
