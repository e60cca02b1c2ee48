# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to a file on the host: check predicts it, a run mends exactly that, a rerun changes nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import private_key
from ansible_collections.mutual.tls.tests.unit import material
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    ACCESS,
    EC,
    Host,
    credential,
    keystore,
    link,
    places,
    public_key,
    reasons,
    truststore,
)

STORES = ("client.p12", "client.jks", "trust.p12", "trust.jks")
FILES = (
    "key.pem",
    "certificate.pem",
    "chain.pem",
    "fullchain.pem",
    "client.pem",
    "trust.pem",
    "manifest.json",
    "app.conf",
    "ca.pem",
    *STORES,
)
STRANGER = 54321


def everything(place: Path) -> Dict[str, Any]:
    """A credential with every kind of file, a link and a copy."""
    return credential(
        keystores=[keystore(), keystore(file="client.jks", format="jks", key_passphrase="key-secret")],
        truststores=[
            truststore(),
            truststore(file="trust.p12", format="pkcs12"),
            truststore(file="ca.pem", format="pem", passphrase=None, own_chain=True),
        ],
        links=[link(place / "link.p12", "client.p12"), link(place / "copy.jks", "client.jks", copy=True)],
    )


class Whole:
    """A host that is complete; every test leaves it so, or the next one gets another."""

    def __init__(self, place: Path) -> None:
        self.place = place / "elsewhere"
        self.place.mkdir()
        self.host = Host(place / "root")
        self.wanted = everything(self.place)
        self.wanted["key"] = {**EC, "passphrase": "key.pem-secret"}
        assert self.host.run(self.wanted).state == "active"

    @property
    def current(self) -> Path:
        return self.host.current()


@pytest.fixture(scope="module")
def kept() -> List[Whole]:
    return []


@pytest.fixture
def whole(
    kept: List[Whole], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Whole]:
    one = kept.pop() if kept else Whole(tmp_path_factory.mktemp("whole"))
    failed = request.session.testsfailed
    yield one
    if request.session.testsfailed == failed:
        kept.append(one)


def _delete(path: Path) -> None:
    path.unlink()


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _garbage(path: Path) -> None:
    path.write_bytes(b"\xff\x00garbage\n" * 20)


def _link(path: Path) -> None:
    canary = path.resolve().parent.parent.parent.parent.parent / "canary"
    canary.write_bytes(b"canary")
    path.unlink()
    path.symlink_to(canary)


def _huge(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 34)


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: Dict[str, Callable[[Path], None]] = {
    "deleted": _delete,
    "truncated": _truncate,
    "emptied": _empty,
    "garbage": _garbage,
    "a link": _link,
    "huge": _huge,
    "a FIFO": _fifo,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_damaged_file_is_mended_and_no_other(whole: Whole, name: str, damage: str) -> None:
    before, key = whole.host.files(), public_key(whole.host, passphrase="key.pem-secret")
    DAMAGES[damage](whole.current / name)
    reply = whole.host.converges(whole.wanted)
    assert (reply.changed, reply.state, reply.generation) == (True, "active", reply.generation)
    after = whole.host.files()
    assert after.keys() == before.keys()
    # A store has new salts, and so another digest in the manifest.
    excepted = {name, "manifest.json"} if name in STORES else {name}
    assert {one for one in after if after[one] != before[one]} <= excepted
    if name not in STORES:
        assert after[name][2] == before[name][2]
    assert public_key(whole.host, passphrase="key.pem-secret") == key
    canary = whole.host.root.parent / "canary"
    assert not canary.exists() or canary.read_bytes() == b"canary"


@pytest.mark.parametrize("name", FILES)
def test_other_mode_is_mended_in_place(whole: Whole, name: str) -> None:
    before = whole.host.files()
    (whole.current / name).chmod(0o646)
    reply = whole.host.converges(whole.wanted)
    assert (reasons(reply), reply.changed) == (["mode_changed"], True)
    assert whole.host.files() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", FILES)
def test_other_owner_is_mended_in_place(whole: Whole, name: str) -> None:
    before = whole.host.files()
    os.chown(whole.current / name, STRANGER, STRANGER)
    reply = whole.host.converges(whole.wanted)
    assert (reasons(reply), reply.changed) == (["owner_changed", "group_changed"], True)
    assert whole.host.files() == before


@pytest.mark.parametrize("name", FILES)
def test_directory_in_a_files_place_goes_with_its_generation(whole: Whole, name: str) -> None:
    before, key = whole.host.files(), public_key(whole.host, passphrase="key.pem-secret")
    number = int(os.readlink(whole.current)[-4:])
    (whole.current / name).unlink()
    (whole.current / name).mkdir()
    (whole.current / name / "precious").write_text("precious")
    reply = whole.host.converges(whole.wanted)
    assert (reply.changed, reply.generation) == (True, number + 1)
    assert whole.host.files().keys() == before.keys()
    assert public_key(whole.host, passphrase="key.pem-secret") == key
    old = whole.host.root / "orders/generations" / "{0:04d}".format(number)
    assert (old / name / "precious").read_text() == "precious"


@pytest.mark.parametrize("place", ["", "generations", "current"])
def test_directory_that_others_can_write_to_is_closed(whole: Whole, place: str) -> None:
    path = (whole.host.root / "orders" / place).resolve()
    path.chmod(0o777)
    reply = whole.host.converges(whole.wanted)
    assert (reasons(reply), reply.changed) == (["mode_changed"], True)
    assert path.stat().st_mode & 0o7777 == 0o755


def test_two_files_of_one_secret_are_mended_together(whole: Whole) -> None:
    key = public_key(whole.host, passphrase="key.pem-secret")
    for name in ("key.pem", "client.pem", "client.p12", "certificate.pem", "fullchain.pem", "chain.pem"):
        (whole.current / name).unlink()
    whole.host.converges(whole.wanted)
    assert public_key(whole.host, passphrase="key.pem-secret") == key


def test_key_that_nothing_holds_any_more_makes_a_new_certificate(whole: Whole) -> None:
    key, number = public_key(whole.host, passphrase="key.pem-secret"), int(os.readlink(whole.current)[-4:])
    for name in ("key.pem", "client.pem", "client.p12", "client.jks"):
        (whole.current / name).unlink()
    reply = whole.host.converges(whole.wanted)
    assert "key_missing" in reasons(reply)
    assert (reply.state, reply.generation) == ("active", number + 1)
    assert public_key(whole.host, passphrase="key.pem-secret") != key


def test_certificate_that_nothing_holds_any_more_is_replaced(whole: Whole) -> None:
    number = int(os.readlink(whole.current)[-4:])
    for name in ("certificate.pem", "fullchain.pem", "client.pem", "client.p12", "client.jks"):
        (whole.current / name).unlink()
    reply = whole.host.converges(whole.wanted)
    assert "certificate_missing" in reasons(reply)
    assert (reply.state, reply.generation) == ("active", number + 1)


def test_chain_cut_at_a_certificate_is_completed_not_shortened(whole: Whole) -> None:
    chain = (whole.current / "chain.pem").read_bytes()
    before = whole.host.files()
    (whole.current / "chain.pem").write_bytes(chain + (whole.current / "trust.pem").read_bytes())
    whole.host.converges(whole.wanted)
    assert (whole.current / "chain.pem").read_bytes() == chain
    after = whole.host.files()
    assert {name for name in after if after[name] != before[name]} == {"chain.pem"}


def test_another_credentials_key_and_certificate_are_thrown_out(whole: Whole, tmp_path: Path) -> None:
    other = Host(tmp_path / "root")
    other.run(credential(key={**EC, "passphrase": "key.pem-secret"}))
    key = public_key(whole.host, passphrase="key.pem-secret")
    for name in ("key.pem", "certificate.pem"):
        shutil.copyfile(other.current() / name, whole.current / name)
    reply = whole.host.converges(whole.wanted)
    assert public_key(whole.host, passphrase="key.pem-secret") == key
    assert set(reasons(reply)) == {"key_mismatch", "file_changed"}


def test_unexpected_file_is_reported_and_left(whole: Whole) -> None:
    stranger = whole.current / "notes\n.txt"
    stranger.write_text("mine")
    reply = whole.host.converges(whole.wanted)
    assert (reasons(reply), reply.changed) == (["unexpected_file"], False)
    assert stranger.read_text() == "mine"
    stranger.unlink()


CURRENT_DAMAGES: Dict[str, Callable[[Path], Any]] = {
    "deleted": lambda path: path.unlink(),
    "dangling": lambda path: (path.unlink(), path.symlink_to("generations/4711")),
    "elsewhere": lambda path: (path.unlink(), path.symlink_to("/")),
    "a file": lambda path: (path.unlink(), path.write_text("x")),
}


@pytest.mark.parametrize("damage", CURRENT_DAMAGES)
def test_current_points_to_the_newest_generation_again(whole: Whole, damage: str) -> None:
    target, before = os.readlink(whole.current), whole.host.files()
    CURRENT_DAMAGES[damage](whole.current)
    reply = whole.host.converges(whole.wanted)
    assert (reasons(reply), reply.changed) == (["link_changed"], True)
    assert os.readlink(whole.current) == target
    assert whole.host.files() == before


@pytest.mark.parametrize("name", ["current", "state.json"])
def test_directory_that_no_run_would_remove_is_an_error(whole: Whole, name: str) -> None:
    path = whole.host.root / "orders" / name
    target = os.readlink(path) if path.is_symlink() else path.read_text()
    path.unlink()
    path.mkdir()
    whole.host.refuses(whole.wanted, "move it away")
    path.rmdir()
    if name == "current":
        path.symlink_to(target)
    else:
        path.write_text(target)
        path.chmod(0o600)


def test_generations_that_are_no_directory_are_an_error(whole: Whole) -> None:
    path = whole.host.root / "orders" / "generations"
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")
    whole.host.refuses(whole.wanted, "move it away")
    path.unlink()
    path.with_name("moved").rename(path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [(name, damage) for name in ("link.p12", "copy.jks") for damage in ("deleted", "a link")]
    # A file in a link's place is somebody else's: test_links.
    + [("copy.jks", "garbage"), ("copy.jks", "emptied")],
)
def test_link_elsewhere_is_healed(whole: Whole, name: str, damage: str) -> None:
    before, path = whole.host.files(), whole.place / name
    if damage in ("garbage", "emptied"):
        path.unlink()
        path.write_bytes(b"garbage" if damage == "garbage" else b"")
    elif damage == "a link":
        path.unlink()
        path.symlink_to("/nonexistent")
    else:
        path.unlink()
    reply = whole.host.converges(whole.wanted)
    assert (reasons(reply), reply.changed) == (["link_changed"], True)
    assert whole.host.files() == before
    assert path.read_bytes() == (whole.current / ("client" + path.suffix)).read_bytes()


def test_copy_keeps_its_attributes(whole: Whole) -> None:
    (whole.place / "copy.jks").chmod(0o666)
    reply = whole.host.converges(whole.wanted)
    assert (reasons(reply), reply.changed) == (["link_changed"], True)
    assert (whole.place / "copy.jks").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_directory_or_device_in_a_links_place_is_an_error(whole: Whole, kind: str) -> None:
    path = whole.place / "link.p12"
    path.unlink()
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    whole.host.refuses(whole.wanted, "stands there")
    path.rmdir() if kind == "directory" else path.unlink()
    whole.host.converges(whole.wanted)


JOURNAL_DAMAGES: Dict[str, Callable[[Path], Any]] = {
    "deleted": _delete,
    "emptied": _empty,
    "garbage": _garbage,
    "not a journal": lambda path: path.write_text("[1]"),
    "nested": lambda path: path.write_text("[" * 100_000),
    "open to others": lambda path: path.chmod(0o666),
    "a link": lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    "a FIFO": _fifo,
    "readable": lambda path: path.chmod(0o644),
}


@pytest.mark.parametrize("damage", JOURNAL_DAMAGES)
def test_journal_is_written_anew_and_no_link_is_touched(whole: Whole, damage: str) -> None:
    path = whole.host.root / "orders" / "state.json"
    content, places = path.read_bytes(), [one.lstat().st_ino for one in sorted(whole.place.iterdir())]
    JOURNAL_DAMAGES[damage](path)
    reply = whole.host.converges(whole.wanted)
    assert reply.changed
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (content, 0o600)
    assert [one.lstat().st_ino for one in sorted(whole.place.iterdir())] == places


def test_forged_journal_makes_nothing_disappear(whole: Whole) -> None:
    precious = whole.host.root.parent / "precious"
    precious.write_text("precious")
    path = whole.host.root / "orders" / "state.json"
    path.write_text('{{"version": 1, "links": {{"{0}": "copy"}}}}'.format(precious))
    path.chmod(0o666)
    whole.host.converges(whole.wanted)
    assert precious.read_text() == "precious"


def test_leftovers_of_every_kind_go(whole: Whole) -> None:
    directory = whole.host.root / "orders"
    (directory / ".mtls-0123").write_text("x")
    (directory / "generations" / ".mtls-x-0009").mkdir()
    (directory / "generations" / ".mtls-x-0009" / "key.pem").write_text("x")
    (directory / "generations" / "9999").mkdir()
    (directory / "generations" / "8888").write_text("no directory")
    (whole.current / ".mtls-0123").write_text("x")
    (directory / "next").mkdir()
    reply = whole.host.converges(whole.wanted)
    assert reply.changed
    assert places(reply) == {
        ("leftover_found", ".mtls-0123"),
        ("generation_incomplete", "generations/.mtls-x-0009"),
        ("generation_incomplete", "generations/8888"),
        ("generation_incomplete", "generations/9999"),
        ("leftover_found", "generations/{0}/.mtls-0123".format(whole.current.resolve().name)),
        ("leftover_found", "next"),
    }
    assert not (directory / "next").exists()
    assert [path.name for path in (directory / "generations").iterdir() if path.name in ("9999", "8888")] == []


def test_manifest_and_certificate_lost_at_once(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    host.run(credential())
    (host.current() / "manifest.json").write_text("{}")
    (host.current() / "certificate.pem").unlink()
    assert host.converges(credential()).state == "active"


def test_foreign_store_is_refused_with_its_name(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    host.run(credential())
    (host.current() / "client.p12").write_bytes(b"\xce\xce\xce\xce" + b"\0" * 100)
    host.refuses(credential(), "JCEKS")


def test_a_thousand_other_files_do_not_matter(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    place = tmp_path / "elsewhere"
    place.mkdir()
    wanted = credential(links=[link(place / "app.conf", "app.conf")])
    host.run(wanted)
    for number in range(1000):
        (place / "f{0}".format(number)).write_text("x")
        (host.current() / "f{0}".format(number)).write_text("x")
    reply = host.run(wanted)
    assert (reasons(reply), reply.changed, len(reply.differences)) == (["unexpected_file"], False, 1000)


def test_config_access_is_part_of_every_file_kind() -> None:
    # The table above damages what `everything` makes: one that it lacked would go untested.
    wanted = everything(Path("/nowhere"))
    named = {item["file"] for group in ("keystores", "truststores", "configs") for item in wanted[group]}
    assert named < set(FILES)
    assert ACCESS["mode"] == "0600"


RSA = {**EC, "type": "RSA", "size": 2048, "curve": None}


def _break(path: Path) -> None:
    key = private_key.load(path.read_bytes(), None).key
    path.write_bytes(material.with_broken_factor(key))


@pytest.mark.parametrize("forged", [False, True], ids=["", "with a manifest of somebody else's"])
def test_rsa_key_that_only_looks_like_one(forged: bool, tmp_path: Path) -> None:
    """The proof of an RSA key is left out only for bytes that a manifest of our own says are ours."""
    host = Host(tmp_path / "root")
    wanted = credential(key=RSA)
    host.run(wanted)
    path, manifest = host.current() / "key.pem", host.current() / "manifest.json"
    content, recorded = path.read_bytes(), manifest.read_bytes()
    _break(path)
    if forged:
        digests = [hashlib.sha256(one).hexdigest().encode() for one in (content, path.read_bytes())]
        manifest.write_bytes(recorded.replace(*digests))
        manifest.chmod(0o666)
    done = host.converges(wanted)
    assert ("key_unreadable", "key.pem") in places(done)
    assert (host.current() / "key.pem").read_bytes() == content


def test_waiting_rsa_key_that_only_looks_like_one(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential(key=RSA)
    first = host.trip(wanted).credentials[0].request
    _break(host.root / "orders" / "next" / "key.pem")
    again = host.trip(wanted).credentials[0]
    assert ("request_unreadable", "next") in places(again)
    assert first is not None and again.request is not None
    assert first.public_fingerprint != again.request.public_fingerprint
