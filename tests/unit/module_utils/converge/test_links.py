# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and copies elsewhere on the host: whose they are, and who may have them next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict

import pytest

from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host, credential, link, reasons


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "disk/elsewhere").mkdir(parents=True)
    return Host(tmp_path / "disk/root")


@pytest.fixture
def place(host: Host) -> Path:
    return host.root.parent / "elsewhere"


def _one(name: str, path: Path, **changes: Any) -> Dict[str, Any]:
    return credential(name=name, links=[link(path, "app.conf", **changes)])


@pytest.mark.parametrize("copy", [True, False])
def test_other_peoples_file_needs_force(host: Host, place: Path, copy: bool) -> None:
    for kind in ("file", "link"):
        path = place / kind
        path.write_text("mine") if kind == "file" else path.symlink_to("/etc/hostname")
        host.run(credential())
        host.refuses(_one("orders", path, copy=copy), "force: true")
        reply = host.converges(_one("orders", path, copy=copy, force=True))
        assert reasons(reply) == ["link_changed"]
        assert path.read_text() == "key = 1\n"
        host.run(credential(state="absent"))


def test_file_that_is_as_wanted_is_taken_over(host: Host, place: Path) -> None:
    host.run(credential())
    path = place / "copy"
    path.write_text("key = 1\n")
    path.chmod(0o600)
    inode = path.stat().st_ino
    reply = host.converges(_one("orders", path, copy=True))
    assert (reasons(reply), path.stat().st_ino) == (["link_changed"], inode)
    host.run(credential(state="absent"))
    assert not path.exists()


CHANGES: Dict[str, Dict[str, Any]] = {
    "copy": {"copy": True},
    "mode of a copy": {"copy": True, "mode": "0640"},
    "force": {"force": True},
}


@pytest.mark.parametrize("name", CHANGES)
def test_change_of_a_link(host: Host, place: Path, name: str) -> None:
    host.run(_one("orders", place / "x"))
    files = host.files()
    reply = host.converges(_one("orders", place / "x", **CHANGES[name]))
    assert reasons(reply) == ([] if name == "force" else ["link_changed"])
    assert host.files() == files
    # And back.
    assert reasons(host.converges(_one("orders", place / "x"))) == reasons(reply)


def test_link_to_another_file_or_path(host: Host, place: Path) -> None:
    host.run(credential(links=[link(place / "a", "app.conf"), link(place / "b", "key.pem", copy=True)]))
    reply = host.converges(credential(links=[link(place / "a", "key.pem"), link(place / "c", "key.pem", copy=True)]))
    assert reasons(reply) == ["link_changed"]
    assert sorted(path.name for path in place.iterdir()) == ["a", "c"]
    assert os.readlink(place / "a") == str(host.root / "orders/current/key.pem")
    reply = host.converges(credential())
    assert (reasons(reply), list(place.iterdir())) == (["link_changed"], [])


def test_copy_follows_its_file(host: Host, place: Path) -> None:
    host.run(_one("orders", place / "x", copy=True))
    wanted = _one("orders", place / "x", copy=True)
    wanted["configs"][0]["content"] = "key = 2\n"
    assert reasons(host.converges(wanted)) == ["config_changed", "link_changed"]
    assert (place / "x").read_text() == "key = 2\n"
    wanted["links"] = [link(place / "x", "certificate.pem", copy=True)]
    host.converges(wanted)
    host.converges({**wanted, "subject": [["CN", "renewed"]]})
    assert (place / "x").read_bytes() == (host.current() / "certificate.pem").read_bytes()


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_link_moves_to_another_credential(host: Host, place: Path, copy: bool, reverse: bool) -> None:
    path = place / "x"
    host.run(_one("old", path, copy=copy))
    host.run(credential(name="new"))
    wanted = [credential(name="old"), _one("new", path, copy=copy)]
    wanted = wanted[::-1] if reverse else wanted
    predicted = host.trip(*wanted, check=True)
    done = host.trip(*wanted)
    assert [item.error for item in done.credentials] == [None, None]
    assert [reasons(item) for item in done.credentials] == [reasons(item) for item in predicted.credentials]
    assert path.exists()
    assert copy or os.readlink(path).startswith(str(host.root / "new"))
    before = host.listing()
    assert not host.trip(*wanted).changed
    assert host.listing() == before


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_credential_is_renamed_with_its_link(host: Host, place: Path, copy: bool, reverse: bool) -> None:
    path = place / "x"
    host.run(_one("old", path, copy=copy))
    wanted = [credential(name="old", state="absent"), _one("new", path, copy=copy)]
    wanted = wanted[::-1] if reverse else wanted
    first = host.trip(*wanted)
    assert [item.error for item in first.credentials] == [None, None]
    assert host.run(_one("new", path, copy=copy)).state == "active"
    assert path.read_text() == "key = 1\n"
    before = host.listing()
    assert not host.trip(*wanted).changed
    assert host.listing() == before


def test_two_credentials_link_into_one_directory(host: Host, place: Path) -> None:
    names = ("a", "b")
    wanted = [_one(name, place / name, copy=True) for name in names]
    for item in wanted:
        host.run(item)
    stranger = place / ".mtls-0123456789abcdef"
    stranger.write_text("another root's unfinished file")
    assert not host.trip(*wanted).changed
    (place / "a").unlink()
    assert reasons(host.run(wanted[0])) == ["link_changed"]
    assert not host.trip(wanted[1]).changed
    assert stranger.exists()


def test_link_below_the_root_is_refused(host: Host) -> None:
    host.run(credential())
    host.refuses(_one("orders", host.root / "orders/current"), "below the root")
    host.refuses(_one("orders", host.root / "x"), "below the root")


def test_directory_of_ours_beside_a_link_is_nobodys_leftover(host: Host, place: Path) -> None:
    from ansible_collections.mutual.tls.plugins.module_utils.converge.links import prefix

    wanted = _one("orders", place / "x")
    host.run(wanted)
    mine = prefix(str(host.root / "orders"))
    (place / (mine + "directory")).mkdir()
    assert not host.run(wanted).changed
    (place / (mine + "file")).write_text("x")
    assert reasons(host.run(wanted)) == ["leftover_found"]
    assert [path.name for path in place.iterdir() if path.name.endswith("file")] == []
    assert not host.run(wanted).changed


def test_a_file_put_in_a_links_place_is_not_overwritten(host: Host, tmp_path: Path) -> None:
    """Nobody but its owner knows what is in it; an own copy, which may be damaged, is mended all the same."""
    path = tmp_path / "app.conf"
    host.run(credential(links=[link(path, "app.conf")]))
    path.unlink()
    path.write_text("precious")
    reply = host.run(credential(links=[link(path, "app.conf")]))
    assert reply.state == "failed" and reply.error is not None and "force: true" in reply.error
    assert path.read_text() == "precious"
    assert host.run(credential(links=[link(path, "app.conf", force=True)])).changed
    assert path.is_symlink()
