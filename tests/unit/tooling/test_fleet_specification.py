# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/fleet: what hosts are asked for, and what is said about what cannot be had."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from ansible_collections.mutual.tls.tests.fleet import __main__ as command_line
from ansible_collections.mutual.tls.tests.fleet import errors, roots
from ansible_collections.mutual.tls.tests.fleet.errors import FleetError
from ansible_collections.mutual.tls.tests.fleet.host import Host
from ansible_collections.mutual.tls.tests.fleet.inventory import inventory
from ansible_collections.mutual.tls.tests.fleet.places import Places
from ansible_collections.mutual.tls.tests.fleet.specification import HostSpec, complete, parse_kind

LONGEST = "n" * 31


def test_names_count_up_within_a_kind() -> None:
    specs = [parse_kind(kind) for kind in ("trixie", "machine", "trixie", "trixie-bare")]
    assert [spec.name for spec in complete(specs)] == ["trixie-1", "machine-1", "trixie-2", "trixie-bare-1"]
    assert [spec.cryptography for spec in specs] == [True, True, True, False]


def test_python_is_the_releases_own() -> None:
    pythons = [spec.python for spec in complete([HostSpec(), HostSpec("bullseye"), HostSpec(python="/opt/python")])]
    assert pythons == [sys.executable, "/usr/bin/python3", "/opt/python"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (HostSpec("buster"), "no release 'buster'; there are: machine, bullseye, bookworm, trixie"),
        (HostSpec(user="nobody"), "no user 'nobody'.*root, deploy, plain"),
        (HostSpec(cryptography=False), "not from 'machine'"),
        (HostSpec(disk_mebibytes=0), "disk of machine-1 must have 1 to 1048576 MiB, not 0"),
        (HostSpec(disk_mebibytes=10**20), "must have 1 to 1048576 MiB"),
        (HostSpec(name="../up"), "name '../up' does not fit"),
        (HostSpec(name=LONGEST + "n"), "does not fit"),
    ],
)
def test_what_cannot_be_had_is_refused(spec: HostSpec, message: str) -> None:
    with pytest.raises(FleetError, match=message):
        complete([spec])


@pytest.mark.parametrize("count", [0, 254])
def test_a_fleet_fits_its_network(count: int) -> None:
    assert len(complete([HostSpec()] * 253)) == 253
    with pytest.raises(FleetError, match=f"1 to 253 hosts, not {count}"):
        complete([HostSpec()] * count)


def test_two_hosts_have_two_names() -> None:
    with pytest.raises(FleetError, match=r"same name: machine-2\."):
        complete([HostSpec(name="machine-2"), HostSpec()])


def test_the_inventory_groups_by_release_and_by_what_is_missing() -> None:
    specs = complete([HostSpec("trixie", user="deploy"), HostSpec("trixie", cryptography=False), HostSpec()])
    places = Places("example")
    groups = json.loads(inventory(places, specs, {spec.name: f"address of {spec.name}" for spec in specs}))["all"]
    members = {name: sorted(group["hosts"]) for name, group in groups["children"].items()}
    assert members == {"trixie": ["trixie-1", "trixie-bare-1"], "bare": ["trixie-bare-1"], "machine": ["machine-1"]}
    assert groups["children"]["trixie"]["hosts"]["trixie-1"] == {
        "ansible_host": "address of trixie-1",
        "ansible_user": "deploy",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def test_sockets_of_ssh_fit_their_limit() -> None:
    # ssh binds to the socket's path with a point and 16 letters more; a Unix socket's path has 107 bytes at most.
    longest_name_of_ansible = "0123456789"
    assert len(os.fsencode(Places(LONGEST).control / longest_name_of_ansible)) + 17 <= 107


def test_a_root_has_another_place_when_its_recipe_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = roots.root_of("trixie")
    assert roots.root_of("trixie") == first != roots.root_of("bookworm")
    hook = tmp_path / "hook"
    hook.write_bytes(roots.HOOK.read_bytes() + b"\n")
    monkeypatch.setattr(roots, "HOOK", hook)
    assert roots.root_of("trixie") != first
    assert roots.root_of("machine") == Path("/")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up", "--host", "bookworm=many"], "--host bookworm=many: the count 'many' is no whole number below 1,000."),
        (["up", "--host", "machine="], "--host machine=: the count '' is no whole number"),
        (["up", "--host", "machine=\u00b2"], "--host machine=\u00b2: the count '\u00b2' is no whole number"),
        (["up", "--host", "machine=99999999999999999999"], "--host machine=99999999999999999999: the count"),
        (["up", "--host", "machine=0"], "A fleet has 1 to 253 hosts, not 0."),
        (["up", "--host", "machine", "--name", "A"], "The name 'A' does not fit"),
        (["down", "--name", "no-such-fleet"], "There is no fleet 'no-such-fleet'."),
        (["cut", "--name", "no-such-fleet", "machine-1"], "There is no running fleet 'no-such-fleet'."),
    ],
)
def test_the_command_line_answers_with_a_sentence(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fleet", *arguments])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert command_line.main() == 1
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("milliseconds", [-1, 10_001, float("nan"), float("inf")])
def test_a_latency_that_cannot_be_is_refused_before_the_keeper_hears_of_it(milliseconds: float) -> None:
    host = Host(Places("no-such-fleet"), HostSpec(), {})
    with pytest.raises(FleetError, match="must be 0 to 10000 milliseconds"):
        host.latency(milliseconds)


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["fleet", "list"])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert command_line.main() == 1
    assert "run this as root" in capsys.readouterr().err


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(errors, "_SYSTEM_DIRECTORIES", ())
    with pytest.raises(FleetError, match="'nsenter' is missing: apt-get install util-linux"):
        errors.program("nsenter")
