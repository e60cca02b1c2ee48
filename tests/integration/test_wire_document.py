# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What really travels to a host: its own credentials and nothing of the controller's or of other hosts.

The hosts' interpreter keeps what it is sent, so that every byte of it can be searched.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import document as documents
from ansible_collections.mutual.tls.tests.integration.fleet import Fleet
from ansible_collections.mutual.tls.tests.unit import material

CA_SECRET = "the issuer's own secret"
HOSTS = ("first", "second")

TOP_LEVEL = {"version", "code", "root", "lock_timeout", "names", "authorities", "credentials"}


class Capture:
    """A fleet of two hosts, and what was sent to each of them."""

    def __init__(self, directory: Path) -> None:
        self.fleet = Fleet(directory)
        self.sent = directory / "sent"
        self.sent.mkdir()
        self.fleet.make_ca("corp", CA_SECRET)
        self.roots = {name: material.authority(name) for name in ("used-by-first", "used-by-second", "unused")}
        for host in HOSTS:
            self._add(host)

    def _add(self, host: str) -> None:
        self.fleet.add_host(
            host,
            credentials=[self.credential(host, "orders"), self.credential(host, "billing")],
            defaults={"labels": {"secret-of-nobody": "default-label"}},
            issuers={
                "corp": {"type": "ownca", "passphrase": CA_SECRET, "validity": "77d"},
                "spare": {"type": "ownca", "passphrase": "spare-issuer-secret", "directory": "spare-issuer-directory"},
            },
            authorities={
                **{name: {"content": root.pem.decode("ascii")} for name, root in self.roots.items()},
                "never-read": {"src": "files/never-read.pem"},
            },
            providers={
                "used": {"extends": "generic", "data": {"token": "used-provider-data"}},
                "idle": {"extends": "generic", "data": {"token": "idle-provider-data"}},
            },
        )
        # The interpreter of each host keeps its input, then runs it.
        wrapper = self.fleet.directory / f"python-{host}"
        store = shlex.quote(str(self.sent / host))
        wrapper.write_text(
            f'#!/bin/sh\nmkdir -p {store}\nfile=$(mktemp {store}/XXXXXX)\ncat > "$file"\n'
            f'exec {shlex.quote(sys.executable)} "$@" < "$file"\n',
            encoding="utf-8",
        )
        wrapper.chmod(0o755)
        self.fleet.hosts[host]["ansible_python_interpreter"] = str(wrapper)
        self.fleet.hosts[host]["a_variable_of_this_host"] = f"variable-of-{host}"

    @staticmethod
    def credential(host: str, name: str) -> Dict[str, Any]:
        return {
            "name": name,
            "issuer": "corp",
            "provider": "used",
            "subject": {"CN": f"{name}.{host}"},
            "key": {"type": "ECC", "encrypt": True, "passphrase": f"key-secret-of-{host}"},
            "passphrase": f"secret-of-{host}",
            "validity": "66d",
            "labels": {"team": f"label-of-{host}"},
            "authorities": [f"used-by-{host}"],
            "keystores": [{"file": "a.jks", "format": "jks"}],
        }

    def run(self, *arguments: str) -> Dict[str, List[bytes]]:
        """What a run sent, by host, in order."""
        for path in sorted(self.sent.glob("*/*")):
            path.unlink()
        self.fleet.run(*arguments).must_succeed()
        files = {host: sorted((self.sent / host).iterdir(), key=lambda path: path.stat().st_mtime_ns) for host in HOSTS}
        return {host: [path.read_bytes() for path in paths] for host, paths in files.items()}


def documents_in(payload: bytes) -> List[str]:
    """The wire documents inside what an interpreter was sent: the last line holds the arguments."""
    return list(_documents(json.loads(payload.splitlines()[-1])))


def _documents(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "document" and isinstance(item, str):
                yield item
            else:
                yield from _documents(item)


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    return Capture(tmp_path / "fleet")


def test_what_travels(capture: Capture, subtests: pytest.Subtests) -> None:
    """Two trips for a new host, one for one that is as wanted, and in each only what that host needs."""
    trips = {"issuing": capture.run(), "clean": capture.run(), "check": capture.run("--check", "--diff", "-vvvv")}
    for phase, sent in trips.items():
        for host in HOSTS:
            with subtests.test("round trips", phase=phase, host=host):
                assert len(sent[host]) == (2 if phase == "issuing" else 1)
            for number, payload in enumerate(sent[host]):
                with subtests.test("content", phase=phase, host=host, trip=number + 1):
                    _judge(capture, host, payload, answered=number == 1)


def _judge(capture: Capture, host: str, payload: bytes, answered: bool) -> None:
    texts = documents_in(payload)
    assert len(texts) == 1
    document = json.loads(texts[0])
    other = HOSTS[1 - HOSTS.index(host)]

    assert set(document) == TOP_LEVEL
    assert document["root"] == str(capture.fleet.root(host))
    assert document["names"] == ["orders", "billing"]
    assert set(document["authorities"]) == {f"used-by-{host}"}
    assert [item["name"] for item in document["credentials"]] == ["orders", "billing"]
    for item in document["credentials"]:
        assert item["key"]["passphrase"] == f"key-secret-of-{host}"
        assert item["keystores"][0]["passphrase"] == f"secret-of-{host}"
        assert item["subject"] == [["CN", f"{item['name']}.{host}"]]
        assert (item["answer"] is not None) == answered
    # Nothing beside what the host's own code reads.
    assert documents.parse(texts[0]).names == ("orders", "billing")

    never = [
        CA_SECRET,
        json.dumps(CA_SECRET)[1:-1],
        "ownca",
        '"77d"',
        '"66d"',
        "spare",
        "idle",
        "used-provider-data",
        "never-read",
        "unused",
        "label-of-",
        "default-label",
        "secret-of-nobody",
        f"of-{other}",
        f"by-{other}",
        f".{other}",
        "variable-of-",
        str(capture.fleet.state),
        str(capture.fleet.root(other)),
        "PRIVATE KEY",
    ]
    assert [word for word in never if word in texts[0]] == []
    # The rest of what is sent is the module's code, which may well name the types of issuers.
    secrets = [CA_SECRET, "spare-issuer", "idle-provider", "used-provider", f"secret-of-{other}", "variable-of-"]
    assert [word for word in secrets if word.encode() in payload] == []


def test_document_of_one_issued_credential(capture: Capture) -> None:
    """Trip 2 answers the request that was made; the whole document comes along, for the check that seals the host."""
    capture.run()
    changed = capture.credential("first", "orders")
    changed["subject"] = {"CN": "renamed"}
    changed["authorities"] = []
    capture.fleet.hosts["first"]["test_credentials"] = [changed, capture.credential("first", "billing")]
    first, second = (json.loads(documents_in(payload)[0]) for payload in capture.run()["first"])
    assert [item["name"] for item in first["credentials"]] == ["orders", "billing"]
    assert [item["name"] for item in second["credentials"] if item["answer"] is not None] == ["orders"]
    for item in second["credentials"]:
        item["answer"] = None
    assert second == first
