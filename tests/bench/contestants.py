# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is measured, and how each is run: with the same hosts, credentials, forks, pipelining and ssh options."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import yaml

from ..environments import REPOSITORY
from . import recap
from .errors import BenchError
from .figures import FRESH, NOTHING_TO_DO, ROTATION
from .hosts import Hosts
from .measure import Measurement, measure

PING, OURS, PEERS, MITOGEN = "ping", "ours", "peers", "peers + Mitogen"
HERE = Path(__file__).resolve().parent
FORKS = 20
_SSH_OPTIONS = "-o ControlMaster=auto -o ControlPersist=60s"
_LINES_SHOWN = 40


@dataclass(frozen=True)
class Contestant:
    """A playbook, what it needs around it, and the environment (its Python) that it runs in.

    `ca` makes a CA once, before anything is measured; `state` is the variable for the controller's directory that
    holds it, which every fresh run finds as `ca` left it; `chain` names the CA's certificates there, the issuing one
    first. `place` is where a credential's files are in its directory on a host. `groups` is a directory of group
    variables. `works` are what it is measured at, in this order, `rotation` is the playbook for that one.
    """

    name: str
    python: Path
    playbook: Path
    config: Path
    ca: Optional[Path] = None
    state: Optional[str] = None
    chain: Sequence[str] = ()
    place: str = ""
    groups: Optional[Path] = None
    works: Sequence[str] = (FRESH, NOTHING_TO_DO)
    rotation: Optional[Path] = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether a fresh run changes hosts."""
        return self.ca is not None


def ping(python: Path, works: Sequence[str] = (FRESH, NOTHING_TO_DO)) -> Contestant:
    """The floor: connect, and run the smallest module. One run stands for all works that it is compared at."""
    return Contestant(PING, python, HERE / "ours/ping.yml", REPOSITORY / "ansible.cfg", works=works)


def ours(python: Path) -> Contestant:
    """This collection, in this clone."""
    books = REPOSITORY / "playbooks"
    return Contestant(
        OURS,
        python,
        books / "provision.yml",
        REPOSITORY / "ansible.cfg",
        ca=books / "ownca.yml",
        state="mtls_state_directory",
        chain=("ownca/corp/chain.pem",),
        place="current",
        groups=HERE / "ours/group_vars",
    )


def ours_rotating(python: Path) -> Contestant:
    """This collection, asked for new certificates on hosts that have good ones, in batches as it comes."""
    return replace(ours(python), works=(FRESH, ROTATION), rotation=REPOSITORY / "playbooks/rotate.yml")


def peers(python: Path) -> Contestant:
    """community.crypto and community.general."""
    directory = HERE / "peers"
    return Contestant(
        PEERS,
        python,
        directory / "playbook.yml",
        directory / "ansible.cfg",
        ca=directory / "ca.yml",
        state="pki_directory",
        chain=("issuing.pem", "root.pem"),
    )


def mitogen(python: Path) -> Contestant:
    """The same under Mitogen."""
    found = subprocess.run(
        [python, "-I", "-c", "import ansible_mitogen; print(ansible_mitogen.__path__[0])"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    plain = peers(python)
    return replace(
        plain,
        name=MITOGEN,
        config=plain.config.with_name("mitogen.cfg"),
        settings={"ANSIBLE_STRATEGY_PLUGINS": f"{found.stdout.strip()}/plugins/strategy"},
    )


class Runner:
    """A contestant with its own directory on the controller, ready to run against hosts."""

    def __init__(self, contestant: Contestant, hosts: Hosts, directory: Path, variables: Mapping[str, Any]) -> None:
        """Write the inventories and make the CA; `variables` are those that all contestants share."""
        self.contestant = contestant
        self._hosts = hosts
        self._directory = directory
        self._state = directory / "state"
        self._kept = directory / "state.kept"
        for path in (directory, directory / "home", directory / "tmp"):
            path.mkdir()
        if contestant.groups is not None:
            shutil.copytree(contestant.groups, directory / "group_vars")
        if contestant.state is not None:
            variables = {**variables, contestant.state: str(self._state)}
        for counted in (False, True):
            self._inventory(counted).write_text(yaml.safe_dump(self._content(variables, counted), sort_keys=False))
        if contestant.ca is not None:
            self._make_ca(contestant.ca)

    def _inventory(self, counted: bool) -> Path:
        return self._directory / ("counted.yml" if counted else "hosts.yml")

    def _content(self, variables: Mapping[str, Any], counted: bool) -> Dict[str, Any]:
        hosts = {name: self._hosts.variables(name, counted) for name in self._hosts.names}
        # Also for localhost, which is a host of its own and in no group but "all".
        return {"all": {"vars": dict(variables), "hosts": hosts}}

    def _make_ca(self, playbook: Path) -> None:
        done = subprocess.run(
            self._command([str(playbook)], counted=False),
            cwd=self._directory,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError(f"{self.contestant.name}: the CA could not be made:\n{done.stdout}")
        shutil.copytree(self._state, self._kept)

    def _book(self, work: str) -> List[str]:
        """The playbook for a work, with its options."""
        rotation = self.contestant.rotation if work == ROTATION else None
        return [str(self.contestant.playbook)] if rotation is None else [str(rotation), "-e", "mtls_operation=rotate"]

    def _command(self, playbook: Sequence[str], counted: bool) -> List[str]:
        return [
            str(self.contestant.python.parent / "ansible-playbook"),
            "-i",
            str(self._inventory(counted)),
            *playbook,
        ]

    def _environment(self) -> Dict[str, str]:
        """The same for all but for the configuration file: nothing of the caller's settings."""
        return {
            "PATH": os.pathsep.join([str(self.contestant.python.parent), os.environ.get("PATH", os.defpath)]),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self._directory / "home"),
            "TMPDIR": str(self._directory / "tmp"),
            "ANSIBLE_HOME": str(self._directory / "home/.ansible"),
            "ANSIBLE_CONFIG": str(self.contestant.config),
            "ANSIBLE_FORKS": str(FORKS),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_ARGS": _SSH_OPTIONS,
            "ANSIBLE_NOCOLOR": "1",
            **self.contestant.settings,
        }

    def chain(self) -> bytes:
        """The CA's certificates in PEM, the issuing one first, the root last."""
        return b"".join((self._state / name).read_bytes() for name in self.contestant.chain)

    def forget(self) -> None:
        """Bring the controller back to where it has a CA and has issued nothing."""
        if self._kept.exists():
            shutil.rmtree(self._state)
            shutil.copytree(self._kept, self._state)

    def run(self, work: str, *, counted: bool) -> Measurement:
        """Run the playbook once. BenchError unless it did what its time is taken for.

        `counted` counts interpreters on hosts and samples memory; its time means nothing.
        """
        log = self._directory / "output.log"
        measurement = measure(
            self._command(self._book(work), counted),
            directory=self._directory,
            environment=self._environment(),
            log=log,
            memory=counted,
        )
        output = log.read_text(encoding="utf-8", errors="replace")
        try:
            if measurement.status != 0:
                raise BenchError(f"exit status {measurement.status}")
            recap.check(output, self._hosts.names, self.contestant.changes and work != NOTHING_TO_DO)
        except BenchError as error:
            shown = "\n".join(output.splitlines()[-_LINES_SHOWN:])
            raise BenchError(f"{self.contestant.name}, {work}: {error}\n{shown}") from error
        return measurement
