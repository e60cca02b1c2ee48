# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that does not fit never replaces a working one."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import private_key
from ansible_collections.mutual.tls.plugins.module_utils import request as requests
from ansible_collections.mutual.tls.plugins.module_utils.imports import hashes, x509
from ansible_collections.mutual.tls.plugins.module_utils.request import RequestSpec
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Authority,
    Host,
    credential,
    places,
    public_key,
    reasons,
)


def _foreign_request() -> str:
    key = private_key.generate(private_key.KeyKind("ECC", curve="secp256r1"))
    return requests.build(key, RequestSpec((("CN", "orders"),), ())).decode()


def _other_key(host: Host, csr: str) -> Dict[str, Any]:
    answer = host.authority.sign(_foreign_request())
    fingerprint = private_key.public_fingerprint(requests.load(csr.encode()).public_key())
    return {**answer, "public_fingerprint": fingerprint}


def _changed(host: Host, csr: str, change: Callable[[List[str]], List[str]]) -> Dict[str, Any]:
    answer = host.authority.sign(csr)
    return {**answer, "certificates": change(answer["certificates"])}


BAD: Dict[str, Any] = {
    "another request's": (
        lambda host, csr: host.authority.sign(_foreign_request()),
        "answers a request that is not there any more",
    ),
    "another key's": (_other_key, "does not fit its key"),
    "expired": (lambda host, csr: host.authority.sign(csr, (-90, -1)), "not valid now"),
    "not yet valid": (lambda host, csr: host.authority.sign(csr, (1, 90)), "not valid now"),
    "for servers": (lambda host, csr: host.authority.sign(csr, usage="server"), "not for TLS clients"),
    "chain missing": (lambda host, csr: _changed(host, csr, lambda ders: ders[:1]), "incomplete"),
    "chain of another CA": (
        lambda host, csr: _changed(host, csr, lambda ders: [ders[0], Authority("Test CA").der]),
        "incomplete",
    ),
    "chain first": (lambda host, csr: _changed(host, csr, lambda ders: ders[::-1]), "does not fit its key"),
    "empty": (lambda host, csr: _changed(host, csr, lambda ders: []), "unreadable"),
    "garbage": (lambda host, csr: _changed(host, csr, lambda ders: ["AAAA"]), "unreadable"),
    "garbage after it": (lambda host, csr: _changed(host, csr, lambda ders: [ders[0], "AAAA"]), "unreadable"),
    "cut": (lambda host, csr: _changed(host, csr, lambda ders: [ders[0][:400]]), "unreadable"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("fresh", [True, False])
def test_answer_that_does_not_fit(name: str, fresh: bool, tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    if not fresh:
        host.run(credential())
    wanted = credential(subject=[["CN", "renewed"]])
    request = host.trip(wanted).credentials[0].request
    assert request is not None and request.pem is not None
    make, message = BAD[name]
    before = host.listing()
    reply = host.trip({**wanted, "answer": make(host, request.pem)}).credentials[0]
    assert (reply.state, reply.changed) == ("failed", False)
    assert reply.error is not None and message in reply.error
    assert host.listing() == before
    # And the right answer still comes in time.
    assert host.run(wanted).state == "active"


def test_answer_without_a_request_is_refused_and_makes_no_key(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    answer = host.authority.sign(_foreign_request())
    reply = host.trip({**credential(), "answer": answer}).credentials[0]
    assert (reply.state, reply.changed) == ("failed", False)
    assert not host.root.exists() or list(host.root.iterdir()) == []


def test_answer_to_a_request_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    request = host.trip(credential()).credentials[0].request
    assert request is not None and request.pem is not None
    answer = host.authority.sign(request.pem)
    host.trip(credential(subject=[["CN", "other"]]))
    reply = host.trip({**credential(subject=[["CN", "other"]]), "answer": answer}).credentials[0]
    assert (reply.state, reply.changed) == ("failed", False)


def test_answer_that_came_twice_does_nothing(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    request = host.trip(credential()).credentials[0].request
    assert request is not None and request.pem is not None
    answered = {**credential(), "answer": host.authority.sign(request.pem)}
    assert host.trip(answered).credentials[0].state == "active"
    before = host.listing()
    reply = host.trip(answered)
    assert (reply.changed, reply.credentials[0].state, host.listing()) == (False, "active", before)


class Chain(Authority):
    """A CA below two others."""

    def __init__(self) -> None:
        super().__init__("Issuing CA")
        self.root = Authority("Root CA")
        self.middle = Authority("Middle CA")
        self.middle.certificate = _certified(self.root, self.middle)
        self.certificate = _certified(self.middle, self)


def _certified(issuer: Authority, subject: Authority) -> Any:
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    builder = x509.CertificateBuilder().subject_name(subject.name).issuer_name(issuer.name)
    builder = builder.public_key(subject.key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=200))
    builder = builder.not_valid_after(now + datetime.timedelta(days=2000))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(issuer.key, hashes.SHA256())


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (2, 1, 3)])
@pytest.mark.parametrize("with_root", [True, False])
def test_chain_in_any_order(order: Any, with_root: bool, tmp_path: Path) -> None:
    host, authority = Host(tmp_path / "root"), Chain()
    request = host.trip(credential()).credentials[0].request
    assert request is not None and request.pem is not None
    answer = authority.sign(request.pem)
    above = {1: authority.certificate, 2: authority.middle.certificate, 3: authority.root.certificate}
    pool = [above[number] for number in order if number != 3 or with_root]
    # A stranger among them is left out.
    pool.insert(1, host.partner.certificate)
    ders = [base64.b64encode(certificates.to_der(item)).decode() for item in pool]
    answer = {**answer, "certificates": [answer["certificates"][0], *ders]}
    reply = host.trip({**credential(), "answer": answer}).credentials[0]
    assert (reply.state, reply.error) == ("active", None)
    expected = [above[1], above[2], *([above[3]] if with_root else [])]

    def names(file: str) -> List[str]:
        found = certificates.load_all((host.current() / file).read_bytes(), file)
        return [certificates.fingerprint(item) for item in found]

    assert names("chain.pem") == [certificates.fingerprint(item) for item in expected]
    assert names("fullchain.pem")[1:] == [certificates.fingerprint(item) for item in expected[:2]]
    assert names("client.pem") == names("fullchain.pem")
    assert not host.converges(credential()).changed
    # What a chain loses is found again in the other files.
    for damage in (
        lambda content: content[: len(content) // 2],
        lambda content: b"".join(_pem(above[1])),
        lambda _: b"",
    ):
        path = host.current() / "chain.pem"
        content = path.read_bytes()
        path.write_bytes(damage(content))
        key = public_key(host)
        assert host.converges(credential()).generation == 1
        assert (path.read_bytes(), public_key(host)) == (content, key)


def _pem(certificate: Any) -> List[bytes]:
    return [certificates.to_pem([certificate])]


NEXT_DAMAGES: Dict[str, Callable[[Path], Any]] = {
    "request deleted": lambda path: (path / "request.pem").unlink(),
    "key deleted": lambda path: (path / "key.pem").unlink(),
    "request garbage": lambda path: (path / "request.pem").write_bytes(b"garbage"),
    "key garbage": lambda path: (path / "key.pem").write_bytes(b"\xff" * 100),
    "request of another key": lambda path: (path / "request.pem").write_text(_foreign_request()),
    "signature broken": lambda path: (path / "request.pem").write_bytes(_broken((path / "request.pem").read_bytes())),
    "emptied": lambda path: [one.unlink() for one in path.iterdir()],
    "a file": lambda path: ([one.unlink() for one in path.iterdir()], path.rmdir(), path.write_text("x")),
    "a link": lambda path: (path.rename(path.with_name("moved")), path.symlink_to("moved")),
    "key a link": lambda path: ((path / "key.pem").unlink(), (path / "key.pem").symlink_to("/etc/passwd")),
}


def _broken(pem: bytes) -> bytes:
    lines = pem.decode().splitlines()
    der = bytearray(base64.b64decode("".join(lines[1:-1])))
    der[-1] ^= 1
    return b"-----BEGIN CERTIFICATE REQUEST-----\n" + base64.encodebytes(bytes(der)) + lines[-1].encode() + b"\n"


@pytest.mark.parametrize("damage", NEXT_DAMAGES)
def test_damaged_request_is_made_anew(damage: str, tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    first = host.trip(credential()).credentials[0]
    NEXT_DAMAGES[damage](host.root / "orders/next")
    predicted = host.trip(credential(), check=True).credentials[0]
    second = host.trip(credential()).credentials[0]
    assert (predicted.changed, second.changed) == (True, True)
    assert reasons(predicted) == reasons(second)
    assert first.request is not None and second.request is not None
    assert first.request.pem != second.request.pem
    third = host.trip(credential())
    assert not third.changed
    assert third.credentials[0].request == second.request
    assert host.run(credential()).state == "active"


def test_request_waits_unchanged_and_is_open_to_nobody(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    first = host.trip(credential()).credentials[0]
    before = host.listing()
    for _ in range(2):
        again = host.trip(credential())
        assert (again.changed, again.credentials[0].request) == (False, first.request)
    assert host.listing() == before
    path = host.root / "orders/next"
    assert (path.stat().st_mode & 0o7777, (path / "key.pem").stat().st_mode & 0o7777) == (0o700, 0o600)
    path.chmod(0o755)
    assert reasons(host.trip(credential()).credentials[0])[-1] == "mode_changed"
    assert path.stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("rotate", [True, False])
def test_lost_certificate_and_the_key_that_is_still_there(rotate: bool, tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential(keystores=[])
    wanted["key"]["rotate"] = rotate
    host.run(wanted)
    key = public_key(host)
    for name in ("certificate.pem", "fullchain.pem", "client.pem"):
        (host.current() / name).unlink()
    assert host.converges(wanted).state == "active"
    assert (public_key(host) == key) is not rotate


ENDS = {
    "due, and sooner": ({}, (-80, 10), 9, False),
    "due, and the same day": ({}, (-80, 10), 10.5, True),
    "due, and the subject changed": ({"subject": [["CN", "other"]]}, (-80, 10), 9, True),
    "not due": ({"subject": [["CN", "other"]]}, (-1, 90), 9, True),
}


@pytest.mark.parametrize("name", ENDS)
def test_certificate_that_ends_sooner(name: str, tmp_path: Path) -> None:
    """No gain where the one in use is only due; where it is wrong, it has to go whatever the new one's end."""
    changes, in_use, end, taken = ENDS[name]
    host = Host(tmp_path / "root")
    host.days = in_use
    host.run(credential())
    files = host.files()
    wanted = credential(**changes)
    request = host.trip(wanted).credentials[0].request
    assert request is not None and request.pem is not None
    reply = host.trip({**wanted, "answer": host.authority.sign(request.pem, (-1, end))}).credentials[0]
    assert (reply.state, reply.changed) == (("active", True) if taken else ("failed", False))
    assert ("sooner than the one in use" in (reply.error or "")) is not taken
    assert (host.files() == files) is not taken


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("may_request", [True, False])
def test_reply_names_the_key_that_a_certificate_is_needed_for(check: bool, may_request: bool, tmp_path: Path) -> None:
    """The controller then knows before the run whether that key may be certified for this host."""
    host = Host(tmp_path / "root")

    def needed(rotate: bool, **key: Any) -> Any:
        item = credential(may_request=may_request, subject=[["CN", "new"]])
        item["key"].update(rotate=rotate, **key)
        request = host.trip(item, check=check).credentials[0].request
        assert request is not None
        return request

    fresh = needed(False)
    assert (fresh.public_fingerprint is None) == (fresh.pem is None)
    host.trip(credential(state="absent"))
    host.run(credential())
    in_use = public_key(host)
    kept = needed(False)
    assert kept.public_fingerprint == in_use
    assert (kept.pem is None) == (check or not may_request)
    if kept.pem is None:
        assert needed(True).public_fingerprint is None
        assert needed(False, curve="secp384r1").public_fingerprint is None
    waiting = host.trip(credential(subject=[["CN", "new"]])).credentials[0].request
    assert waiting is not None and waiting.pem is not None
    assert needed(True) == waiting
    key = requests.load(waiting.pem.encode()).public_key()
    assert waiting.public_fingerprint == private_key.public_fingerprint(key)


KEYS: Dict[str, Any] = {
    "encrypted": ({}, {"passphrase": "new"}, "key_passphrase_changed"),
    "another passphrase": ({"passphrase": "old"}, {"passphrase": "new"}, "key_passphrase_changed"),
    "in clear": ({"passphrase": "old"}, {}, "key_passphrase_changed"),
    "traditional": ({}, {"format": "traditional"}, None),
    "from traditional": ({"format": "traditional"}, {"passphrase": "new"}, "key_passphrase_changed"),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("fresh", [True, False])
def test_waiting_key_gets_the_passphrase_of_the_inventory(name: str, fresh: bool, tmp_path: Path) -> None:
    before, after, reason = KEYS[name]
    host = Host(tmp_path / "root")

    def wanted(key: Any, *previous: str) -> Dict[str, Any]:
        item = credential(subject=[["CN", "waiting"]], previous_passphrases=list(previous))
        item["key"].update(key)
        return item

    if not fresh:
        host.run(credential())
    first = host.trip(wanted(before)).credentials[0].request
    path = host.root / "orders" / "next"
    kept = {one: one.read_bytes() for one in path.iterdir() if one.name != "key.pem"}
    since = json.loads(kept.pop(path / "since.json"))["since"]
    listing = host.listing()
    changed = wanted(after, "old")
    predicted = host.trip(changed, check=True)
    assert host.listing() == listing
    done = host.trip(changed)
    assert places(done.credentials[0]) == places(predicted.credentials[0])
    assert (done.changed, done.credentials[0].request) == (predicted.changed, predicted.credentials[0].request)
    found = [(item.reason, item.where) for item in done.credentials[0].differences if item.where == "next/key.pem"]
    assert found == ([(reason, "next/key.pem")] if reason else [])
    # The key in use gets another form, too.
    assert done.changed is (bool(reason) or not fresh)
    assert done.credentials[0].request == first
    # The old passphrase is not needed any more, as is documented.
    again = host.trip(wanted(after))
    assert (again.changed, again.credentials[0].error, again.credentials[0].request) == (False, None, first)
    loaded = private_key.load((path / "key.pem").read_bytes(), after.get("passphrase"))
    assert (loaded.format, loaded.encrypted) == ("pkcs8", "passphrase" in after)
    assert first is not None
    assert private_key.public_fingerprint(loaded.key.public_key()) == first.public_fingerprint
    assert (path / "key.pem").stat().st_mode & 0o7777 == 0o600
    assert {one: one.read_bytes() for one in path.iterdir() if one.name not in ("key.pem", "since.json")} == kept
    assert json.loads((path / "since.json").read_bytes())["since"] == since
    assert host.run(wanted(after)).state == "active"


def test_key_that_a_killed_run_left_beside_the_waiting_one_goes(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    host.trip(credential())
    path = host.root / "orders" / "next"
    (path / ".mtls-0123456789abcdef").write_bytes((path / "key.pem").read_bytes())
    predicted, done = host.trip(credential(), check=True), host.trip(credential())
    assert predicted == done
    assert ("leftover_found", "next/.mtls-0123456789abcdef") in places(done.credentials[0])
    assert sorted(one.name for one in path.iterdir()) == ["key.pem", "request.pem", "since.json"]
    assert not host.trip(credential()).changed


@pytest.mark.parametrize("fresh", [True, False])
def test_no_request_is_made_where_nobody_can_answer_it(fresh: bool, tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    if not fresh:
        host.run(credential())
    before = host.listing()
    reply = host.trip(credential(subject=[["CN", "renewed"]], may_request=False))
    assert (reply.changed, reply.credentials[0].error) == (False, None)
    assert reply.credentials[0].request is not None and reply.credentials[0].request.pem is None
    assert host.listing() == before
    assert host.converges(credential(subject=[["CN", "renewed"]])).state == "active"
