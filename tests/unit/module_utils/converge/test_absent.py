# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A credential that shall be absent: what is ours goes, in the right order; what is not ours is never touched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, system_bundle
from ansible_collections.mutual.tls.plugins.module_utils.files import Directory
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Host,
    credential,
    keystore,
    link,
    reasons,
    truststore,
)

ABSENT = credential(state="absent")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "disk/elsewhere").mkdir(parents=True)
    return Host(tmp_path / "disk" / "root")


def _directory(path: Path, *names: str) -> None:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("precious")


FOREIGN: Dict[str, Callable[[Host, Path], Any]] = {
    "a directory of somebody's": lambda host, path: _directory(path, "data/precious", "precious"),
    "an empty directory in it": lambda host, path: (path / "data").mkdir(parents=True),
    "a website": lambda host, path: _directory(path, "next/index.js"),
    "a backup": lambda host, path: _directory(path, "generations/monday"),
    "a file beside ours": lambda host, path: (host.run(credential()), _directory(path, "precious")),
    "a link": lambda host, path: (path.mkdir(parents=True), (path / "data").symlink_to(host.root.parent)),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_ours_is_never_removed(host: Host, name: str) -> None:
    host.run(credential(name="other"))
    path = host.root / "orders"
    FOREIGN[name](host, path)
    assert str(path) in host.refuses(ABSENT, "which this collection did not make")


OURS: Dict[str, Callable[[Host, Path], Any]] = {
    "empty": lambda host, path: path.mkdir(),
    "unfinished": lambda host, path: _directory(path, ".mtls-0123456789ab-next/key.pem", ".mtls-x"),
    "emptied": lambda host, path: (path / "generations").mkdir(parents=True),
    "half emptied": lambda host, path: (path / "next").mkdir(parents=True),
    "waiting": lambda host, path: host.trip(credential()),
    "without its link": lambda host, path: (host.run(credential()), host.current().unlink()),
    "a stranger in a generation": lambda host, path: (host.run(credential()), _directory(host.current(), "stranger")),
    "journal alone": lambda host, path: _directory(path, "state.json"),
}


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_goes_whatever_is_left_of_it(host: Host, name: str) -> None:
    host.run(credential(name="other"))
    OURS[name](host, host.root / "orders")
    assert reasons(host.converges(ABSENT)) == ["state_absent"]
    assert [path.name for path in host.root.iterdir()] == ["other"]


@pytest.mark.parametrize(
    ("method", "failing"), [("remove_tree", "generations"), ("remove_tree", "orders"), ("remove", "second")]
)
def test_failure_half_way_reports_what_it_changed(
    host: Host, method: str, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = host.root.parent / "elsewhere"
    links = [link(elsewhere / "first", "key.pem"), link(elsewhere / "second", "key.pem")]
    wanted = credential(links=links)
    host.run(wanted)
    real = getattr(Directory, method)

    def broken(self: Directory, name: str) -> None:
        if name == failing:
            os.rmdir(elsewhere.parent / "no such directory")
        real(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, method, _explaining(broken))
        reply = host.trip({**wanted, "state": "absent"})
    assert (reply.credentials[0].state, reply.credentials[0].changed, reply.changed) == ("failed", True, True)
    assert not (elsewhere / "first").is_symlink()
    assert host.converges({**wanted, "state": "absent"}).state == "absent"
    assert list(elsewhere.iterdir()) == []


def _explaining(broken: Callable[[Directory, str], None]) -> Callable[[Directory, str], None]:
    """Fails as the real one does."""
    from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError

    def call(self: Directory, name: str) -> None:
        try:
            broken(self, name)
        except OSError as error:
            raise DiskError(str(error)) from error

    return call


def test_failure_before_anything_went_reports_no_change(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.run(credential())
    before = host.listing()
    with monkeypatch.context() as patch:

        def remove(self: Directory, name: str) -> None:
            os.rmdir(host.root / "no such directory")

        patch.setattr(Directory, "remove", _explaining(remove))
        reply = host.trip(ABSENT).credentials[0]
    assert (reply.state, reply.changed, host.listing()) == ("failed", False, before)


HELD: Dict[str, Dict[str, Any]] = {
    "store passphrase": {"keystores": [keystore(passphrase="wrong")]},
    "key passphrase": {"key": {**credential()["key"], "passphrase": "wrong"}},
    "unknown authority": {"authorities": ["nobody's"]},
    "unknown owner": {"owner": "nobody-of-that-name"},
}


@pytest.mark.parametrize("name", HELD)
def test_held_that_cannot_be_judged_says_so_and_is_no_failure(host: Host, name: str) -> None:
    """Held means: leave it alone. What is wrong is told, and the rest of the fleet goes on."""
    item = credential()
    item["key"]["passphrase"] = "right"
    host.run(item)
    before = host.listing()
    for check in (True, False):
        reply = host.trip(credential(**{"key": item["key"], **HELD[name], "state": "held"}), check=check)
        held = reply.credentials[0]
        assert (held.state, held.changed, reply.changed, held.differences) == ("held", False, False, ())
        assert held.error is not None and "orders" in held.error
    assert host.listing() == before
    host.refuses(credential(**{"key": item["key"], **HELD[name]}), held.error)


SYSTEM: Dict[str, Callable[[Path], Any]] = {
    "none": lambda path: None,
    "damaged": lambda path: path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    "empty": lambda path: path.write_text(""),
    "too large": lambda path: path.write_bytes(b"\n" * (certificate.SIZE_LIMIT + 1)),
    "a directory": lambda path: path.mkdir(),
}
USES: Dict[str, Dict[str, Any]] = {
    "trust.pem": {"authorities": ["system"]},
    "truststore": {"truststores": [truststore(authorities=["partner", "system"])]},
    "keystore": {"keystores": [keystore(trusted=[{"friendly_name": "ca", "authority": "system"}])]},
}


@pytest.mark.parametrize("name", SYSTEM)
def test_hosts_own_bundle_fails_only_those_that_ask_for_it(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    SYSTEM[name](bundle)
    monkeypatch.setattr(system_bundle, "PATHS", (str(bundle),))
    asking = [credential(name=str(number), **changes) for number, changes in enumerate(USES.values())]
    for check in (True, False):
        reply = host.trip(*asking, credential(), check=check)
        assert [item.state for item in reply.credentials] == [*["failed"] * len(asking), "request"]
        assert all("bundle" in (item.error or "") for item in reply.credentials[: len(asking)])
    assert sorted(path.name for path in host.root.iterdir()) == ["orders"]


def test_hosts_own_bundle_may_be_as_large_as_any(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle, pem = tmp_path / "bundle.pem", certificate.to_pem([host.partner.certificate])
    bundle.write_bytes(b"\n" * (certificate.SIZE_LIMIT - len(pem)) + pem)
    monkeypatch.setattr(system_bundle, "PATHS", (str(bundle),))
    assert host.run(credential(authorities=["system"])).state == "active"
    assert (host.current() / "trust.pem").read_bytes() == pem
