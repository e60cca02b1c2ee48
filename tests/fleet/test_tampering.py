# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody tampers with a host, on each release: exactly that is repaired, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Set

import pytest

from ansible_collections.mutual.tls.tests.fleet.conftest import ProjectOf, two_of_each
from ansible_collections.mutual.tls.tests.fleet.disk import Disk, disk_of, moved, spoilt
from ansible_collections.mutual.tls.tests.fleet.host import Host
from ansible_collections.mutual.tls.tests.fleet.project import SERVICE, Project, credential, event

pytestmark = pytest.mark.timeout(1200)  # roots may have to be built first

CREDENTIAL = "/etc/mtls/orders"
GENERATION = f"{CREDENTIAL}/generations/0001"
SRV = "/srv/orders"
SEAL = "/etc/mtls/.seal"
# Whatever a repair does to the credential, the seal on the root directory is a new one then.
SEALED = {"/etc/mtls", SEAL}
WATCHED = ("/etc", "/home", "/opt", "/root", "/srv")

Act = Callable[[Path], None]


@dataclass(frozen=True)
class Tampering:
    """What somebody does to a path, the reasons it is told by, and the paths that the repair may move."""

    path: str
    act: Act
    reasons: Sequence[str]
    moved: Set[str]

    @property
    def content_may_differ(self) -> Set[str]:
        """A store is encrypted anew each time it is written, and the manifest records it."""
        return {path for path in self.moved if path.endswith((".p12", ".jks", "manifest.json", ".seal"))}


def edit(path: Path) -> None:
    """Change one byte, and neither size nor time."""
    found = path.stat()
    with path.open("r+b") as file:
        file.seek(found.st_size // 2)
        byte = file.read(1)
        file.seek(found.st_size // 2)
        file.write(b"!" if byte != b"!" else b"?")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def truncate(path: Path) -> None:
    """Cut the second half off."""
    os.truncate(path, path.stat().st_size // 2)


def overwrite_with(other: str) -> Act:
    """Put the content of another file of the generation into it."""
    return lambda path: os.truncate(path, path.write_bytes(path.with_name(other).read_bytes()))


def lead_astray(path: Path) -> None:
    """Let a link lead somewhere else."""
    path.unlink()
    path.symlink_to("/etc/passwd")


def chmod(mode: int) -> Act:
    return lambda path: path.chmod(mode)


def chown(owner: int, group: int) -> Act:
    return lambda path: os.chown(path, owner, group)


def leave_behind(path: Path) -> None:
    path.write_bytes(b"of a run that was cut off")


def _file(name: str, act: Act, *reasons: str, also: Sequence[str] = ()) -> Tampering:
    """With a file of the generation: it is written anew, beside it and renamed."""
    path = f"{GENERATION}/{name}"
    return Tampering(path, act, reasons, {path, GENERATION, *(f"{GENERATION}/{other}" for other in also)} | SEALED)


def _attribute(path: str, act: Act, *reasons: str) -> Tampering:
    """With owner or mode: it is put right where it is."""
    return Tampering(path, act, reasons, {path} | SEALED)


def _elsewhere(path: str, act: Act, *reasons: str) -> Tampering:
    """With a link or a copy elsewhere: the journal knows it already."""
    return Tampering(path, act, reasons, {path, SRV} | SEALED)


def _above(name: str, act: Act, *reasons: str) -> Tampering:
    """With what stands beside the generations."""
    return Tampering(f"{CREDENTIAL}/{name}", act, reasons, {f"{CREDENTIAL}/{name}", CREDENTIAL} | SEALED)


TAMPERINGS = [
    _file("key.pem", edit, "key_unreadable"),
    _file("certificate.pem", edit, "certificate_unreadable"),
    _file("chain.pem", edit, "chain_changed"),
    _file("fullchain.pem", edit, "file_changed"),
    _file("client.pem", edit, "file_changed"),
    _file("trust.pem", edit, "truststore_content_changed"),
    _file("compatible.p12", truncate, "store_unreadable", also=["manifest.json"]),
    _file("client.jks", overwrite_with("trust.jks"), "store_content_changed", also=["manifest.json"]),
    _file("trust.jks", truncate, "store_unreadable"),
    _file("trust.p12", overwrite_with("modern.p12"), "truststore_content_changed", also=["manifest.json"]),
    _file("trusted.pem", edit, "truststore_content_changed"),
    _file("curl.conf", edit, "config_changed"),
    _file("manifest.json", truncate, "manifest_unreadable"),
    _file("key.pem", Path.unlink, "key_missing"),
    _file("client.jks", Path.unlink, "store_missing", also=["manifest.json"]),
    _file("orders.yml", Path.unlink, "file_missing"),
    Tampering(f"{GENERATION}/.mtls-0123456789abcdef", leave_behind, ["leftover_found"], {GENERATION} | SEALED),
    # Its copy elsewhere has to follow.
    Tampering(
        f"{GENERATION}/modern.p12",
        overwrite_with("compatible.p12"),
        ["store_encryption_changed", "link_changed"],
        {GENERATION, f"{GENERATION}/modern.p12", f"{GENERATION}/manifest.json", SRV, f"{SRV}/modern.p12"} | SEALED,
    ),
    _attribute(f"{GENERATION}/client.pem", chmod(0o644), "mode_changed"),
    _attribute(f"{GENERATION}/trust.p12", chown(SERVICE, SERVICE), "owner_changed"),
    _attribute(f"{GENERATION}/modern.p12", chown(SERVICE, 0), "group_changed"),
    _attribute(GENERATION, chmod(0o777), "mode_changed"),
    _elsewhere(f"{SRV}/client.jks", lead_astray, "link_changed"),
    _elsewhere(f"{SRV}/modern.p12", edit, "link_changed"),
    _above("state.json", edit, "journal_unreadable", "link_changed"),
    _above("current", Path.unlink, "link_changed"),
    _above("current", lead_astray, "link_changed"),
]


@pytest.fixture(scope="module")
def project(project_of: ProjectOf) -> Project:
    project = project_of(two_of_each())
    project.run_with_ca().must_succeed()
    return project


def _disks(project: Project) -> Dict[str, Disk]:
    return {host.name: disk_of(host, *WATCHED) for host in project.hosts}


def _rounds(project: Project) -> List[Dict[str, Tampering]]:
    """By host. Each release sees every tampering, on one of its two hosts; each host has a rest now and then."""
    waiting = {host.release: list(TAMPERINGS) for host in project.hosts}
    rounds: List[Dict[str, Tampering]] = []
    while any(waiting.values()):
        tampered: Dict[str, Tampering] = {}
        for number, host in enumerate(project.hosts):
            rests = len(rounds) % (2 * len(project.hosts)) == 2 * number
            if waiting[host.release] and not rests:
                tampered[host.name] = waiting[host.release].pop(0)
        rounds.append(tampered)
    return rounds


def test_what_was_tampered_with_is_repaired_and_nothing_else_is_touched(
    project: Project, subtests: pytest.Subtests
) -> None:
    before = _disks(project)
    for tampered in _rounds(project):
        for host in project.hosts:
            if host.name in tampered:
                tampered[host.name].act(host.path(tampered[host.name].path))
        run = project.run().must_succeed()
        after = _disks(project)
        for host in project.hosts:
            tampering = tampered.get(host.name)
            with subtests.test(host=host.name, path=tampering.path if tampering else None):
                found = credential(run, host)
                difference = moved(before[host.name], after[host.name])
                if tampering is None:
                    assert (event(run, host).result["changed"], found["reasons"], difference) == (False, [], set())
                    continue
                assert found["reasons"] == list(tampering.reasons)
                assert difference == tampering.moved
                assert spoilt(before[host.name], after[host.name], tampering.content_may_differ) == []
                assert found["changed"] and not credential(run, host, "chat")["changed"]
        before = after
    run = project.run().must_succeed()
    assert not any(event(run, host).result["changed"] for host in project.hosts)
    assert _disks(project) == before


def lose_keys(host: Host) -> None:
    """Remove every file that has the private key."""
    for name in "key.pem client.pem modern.p12 compatible.p12 client.jks".split():
        host.path(f"{GENERATION}/{name}").unlink()


def lose_generation(host: Host) -> None:
    shutil.rmtree(host.path(GENERATION))


def test_who_has_lost_the_key_gets_a_new_certificate(project: Project) -> None:
    before = _disks(project)
    for number, host in enumerate(project.hosts):
        (lose_generation if number % 2 else lose_keys)(host)
    run = project.run().must_succeed()
    after = _disks(project)
    for number, host in enumerate(project.hosts):
        found, difference = credential(run, host), moved(before[host.name], after[host.name])
        lost = ["certificate_missing", "key_missing", "link_changed"] if number % 2 else ["key_missing", "link_changed"]
        assert found["reasons"] == lost
        assert found["generation"] == (1 if number % 2 else 2)
        elsewhere = {path for path in difference if not path.startswith(CREDENTIAL + "/")}
        assert elsewhere == {CREDENTIAL, SRV, f"{SRV}/modern.p12"} | SEALED
        assert not credential(run, host, "chat")["changed"]


def test_without_its_seal_a_host_is_checked_in_full_and_left_alone(project: Project) -> None:
    project.run().must_succeed()
    for number, host in enumerate(project.hosts):
        (edit if number % 2 else Path.unlink)(host.path(SEAL))
    before = _disks(project)
    run = project.run().must_succeed()
    assert not any(event(run, host).result["changed"] for host in project.hosts)
    assert _disks(project) == before
