# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A revoked certificate is on the list and nobody's answer, whenever a run dies; the list serves the whole chain."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import re
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate
from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError, InputError, IssuerError, PolicyError
from ansible_collections.mutual.tls.plugins.module_utils.imports import x509
from ansible_collections.mutual.tls.plugins.module_utils.ownca import issue, ledger, revoke
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

FORK = multiprocessing.get_context("fork")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n", re.DOTALL)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    ca.converge(tmp_path / "ca")
    return tmp_path / "ca"


def issued(directory: Path, days: float = 90, key: Optional[Any] = None, **more: Any) -> x509.Certificate:
    order = ca.order(days=days, **more)
    return issue.issue(ca.authority(directory), ca.csr(key or ca.key()), order, ca.NOW)[0]


def revoked(directory: Path, leaf: x509.Certificate, reason: str = "superseded", at: Any = ca.NOW) -> revoke.Revoked:
    return revoke.revoke(ca.authority(directory, at), certificate.serial_number(leaf), reason, at)


def lists(directory: Path) -> List[x509.CertificateRevocationList]:
    content = (directory / "crl.pem").read_bytes()
    blocks = LIST.findall(content)
    assert b"".join(blocks) == content
    return [x509.load_pem_x509_crl(block) for block in blocks]


def number(crl: x509.CertificateRevocationList) -> int:
    found: int = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return found


def listed(directory: Path) -> Dict[str, Optional[str]]:
    """The serial numbers on the issuing CA's list, with their reasons."""
    found = {}
    for entry in lists(directory)[0]:
        reasons = [extension.value.reason.name for extension in entry.extensions]
        found["{0:x}".format(entry.serial_number)] = reasons[0] if reasons else None
    return found


class TestRevoking:
    def test_it_is_in_the_ledger_and_on_a_new_list(self, directory: Path) -> None:
        leaf, other = issued(directory), issued(directory)
        serial = certificate.serial_number(leaf)
        before = ca.snapshot(directory)
        done = revoked(directory, leaf, "key_compromise")
        assert (done.changed, done.revocation) == (True, ledger.Revocation(serial, ca.NOW, "key_compromise"))
        assert (done.entry.host, done.entry.credential) == ("web1", "orders")
        assert listed(directory) == {serial: "key_compromise"}
        assert number(lists(directory)[0]) == 2
        after = ca.snapshot(directory)
        assert {name for name in after if after[name] != before[name]} == {"crl.pem", "ledger.sqlite"}
        assert after["crl.pem"][0] != before["crl.pem"][0]
        assert ca.converge(directory).differences == ()
        revoked(directory, other, "unspecified")
        assert listed(directory) == {serial: "key_compromise", certificate.serial_number(other): None}
        assert number(lists(directory)[0]) == 3

    def test_a_second_time_changes_nothing(self, directory: Path) -> None:
        leaf = issued(directory)
        first = revoked(directory, leaf)
        before = ca.snapshot(directory)
        # The list is due then, which is none of this one's business.
        again = revoked(directory, leaf, "key_compromise", ca.NOW + 20 * DAY)
        assert not again.changed
        assert again.revocation == first.revocation
        assert ca.snapshot(directory) == before

    @pytest.mark.parametrize("change", [str.upper, lambda serial: "00" + serial, lambda serial: ":".join(serial)])
    def test_ways_to_write_a_serial_number(self, directory: Path, change: Any) -> None:
        leaf = issued(directory)
        serial = certificate.serial_number(leaf)
        assert revoke.revoke(ca.authority(directory), change(serial), "superseded", ca.NOW).changed
        assert set(listed(directory)) == {serial}

    @pytest.mark.parametrize(
        ("serial", "reason", "message"),
        [
            ("1", "stolen", "'stolen' is not a reason to revoke; use one of unspecified, key_compromise"),
            ("AB:C", "superseded", "serial number abc was issued by the own CA CN=Corp Client Issuing CA in .*/ca;"),
            ("0", "superseded", "'0' is not a serial number; write it in hexadecimal"),
            ("orders", "superseded", "'orders' is not a serial number"),
            ("12\n", "superseded", "is not a serial number"),
            ("", "superseded", "'' is not a serial number"),
        ],
    )
    def test_bad_input_changes_nothing(self, directory: Path, serial: str, reason: str, message: str) -> None:
        before = ca.snapshot(directory)
        with pytest.raises(InputError, match=message):
            revoke.revoke(ca.authority(directory), serial, reason, ca.NOW)
        assert ca.snapshot(directory) == before

    def test_the_list_is_made_for_as_long_as_before(self, directory: Path) -> None:
        ca.converge(directory, dataclasses.replace(ca.TWO_TIERS, crl_validity=7 * DAY))
        at = ca.NOW + DAY
        revoked(directory, issued(directory), at=at)
        spec = dataclasses.replace(ca.TWO_TIERS, crl_validity=7 * DAY)
        assert ca.converge(directory, spec, at=at + 3 * DAY).differences == ()
        assert ca.reasons(ca.converge(directory, spec, at=at + 4 * DAY)) == {"crl.pem": "crl_due"}

    @pytest.mark.parametrize("damage", [None, b"", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"])
    def test_a_list_that_is_gone_or_damaged(self, directory: Path, damage: Optional[bytes]) -> None:
        leaf = issued(directory)
        (directory / "crl.pem").unlink()
        if damage is not None:
            (directory / "crl.pem").write_bytes(damage)
        revoked(directory, leaf)
        assert set(listed(directory)) == {certificate.serial_number(leaf)}
        assert ca.converge(directory).differences == ()

    def test_an_expired_one_needs_no_list(self, directory: Path) -> None:
        leaf = issued(directory, days=10)
        before = ca.snapshot(directory)["crl.pem"]
        assert revoked(directory, leaf, at=ca.NOW + 11 * DAY).changed
        assert ca.snapshot(directory)["crl.pem"] == before

    def test_expired_ones_leave_the_list_when_it_is_due(self, directory: Path) -> None:
        leaf = issued(directory, days=10)
        revoked(directory, leaf)
        assert ca.converge(directory, at=ca.NOW + 11 * DAY).differences == ()
        assert ca.reasons(ca.converge(directory, at=ca.NOW + 16 * DAY)) == {"crl.pem": "crl_due"}
        assert listed(directory) == {}

    def test_many_at_once(self, directory: Path) -> None:
        leaves = [issued(directory) for _round in range(12)]
        start = FORK.Event()

        def work(leaf: x509.Certificate) -> None:
            start.wait()
            revoked(directory, leaf)

        workers = [FORK.Process(target=work, args=(leaf,)) for leaf in [*leaves, *leaves]]
        for worker in workers:
            worker.start()
        start.set()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 24
        assert set(listed(directory)) == {certificate.serial_number(leaf) for leaf in leaves}
        assert number(lists(directory)[0]) == 13


def dies_at(step: int, before_call: bool, directory: Path, leaf: x509.Certificate) -> bool:
    """Revoke in a process that ends, without any clean-up, at the given call that changes the disk; whether it did."""

    def child() -> None:
        count: List[int] = []

        def counted(function: Any, counts: Any) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                if counts(*arguments):
                    count.append(0)
                    if before_call and len(count) == step:
                        os._exit(1)
                result = function(*arguments, **options)
                if len(count) == step:
                    os._exit(1)
                return result

            return call

        authority = ca.authority(directory)
        os.open = counted(os.open, lambda path, flags, *more: flags & os.O_CREAT)
        for name in ("rename", "fsync", "fchmod", "unlink"):
            setattr(os, name, counted(getattr(os, name), lambda *more: True))
        writer: Any = ledger.Writer
        writer.revoke = counted(writer.revoke, lambda *more: True)
        revoke.revoke(authority, certificate.serial_number(leaf), "superseded", ca.NOW)
        os._exit(0)

    worker = FORK.Process(target=child)
    worker.start()
    worker.join()
    assert worker.exitcode in (0, 1)
    return worker.exitcode == 1


@pytest.mark.parametrize("before_call", [True, False])
def test_killed_anywhere_whoever_comes_next_completes_it(tmp_path: Path, before_call: bool) -> None:
    ca.converge(tmp_path / "ca")
    leaf, bystander = issued(tmp_path / "ca"), issued(tmp_path / "ca")
    serial = certificate.serial_number(leaf)
    healed = set()
    for step in range(1, 50):
        directory = tmp_path / str(step)
        shutil.copytree(tmp_path / "ca", directory)
        if not dies_at(step, before_call, directory, leaf):
            break
        (entry,) = ledger.Ledger(str(directory / "ledger.sqlite")).entries(serial=serial)
        is_listed = serial in listed(directory)
        assert entry.revocation is not None or not is_listed
        healed.add((entry.revocation is not None, is_listed))
        left = revoke.unlisted(str(directory), "web1", "orders", ca.NOW)
        assert [one.serial for one in left] == ([serial] if entry.revocation is not None and not is_listed else [])
        for name, heal in (
            ("keep", lambda directory: ca.converge(directory)),
            ("again", lambda directory: revoked(directory, leaf)),
            ("other", lambda directory: revoked(directory, bystander)),
        ):
            other = tmp_path / "{0}-{1}".format(step, name)
            shutil.copytree(directory, other)
            heal(other)
            assert (serial in listed(other)) == (entry.revocation is not None or name == "again")
            assert len(lists(other)) == 2
            assert ca.converge(other).differences == ()
    assert 5 < step < 49
    assert healed == {(False, False), (True, False), (True, True)}


class TestTheRootsList:
    def test_crl_pem_has_a_list_of_every_ca_of_the_chain(self, directory: Path) -> None:
        issuing, root = ca.converge(directory).certificates
        own, above = lists(directory)
        assert (own.issuer, above.issuer) == (issuing.subject, root.subject)
        assert [list(own), list(above)] == [[], []]
        assert (number(own), number(above)) == (1, 1)
        assert above.is_signature_valid(root.public_key())
        assert (directory / "crl.pem").read_bytes().endswith((directory / "root-crl.pem").read_bytes())
        # Until the root itself ends.
        assert ca.converge(directory, at=certificate.not_after(issuing) - 20 * DAY).differences[0].where == "crl.pem"
        assert lists(directory)[1] == above

    def test_without_an_intermediate_there_is_one(self, tmp_path: Path) -> None:
        (root,) = ca.converge(tmp_path, ca.ROOT_ONLY).certificates
        (own,) = lists(tmp_path)
        assert own.issuer == root.subject
        assert not (tmp_path / "root-crl.pem").exists()
        revoked(tmp_path, issued(tmp_path))
        assert ca.converge(tmp_path, ca.ROOT_ONLY).differences == ()

    def test_it_stays_when_the_roots_key_is_offline(self, directory: Path) -> None:
        (directory / "root-key.pem").unlink()
        before = ca.snapshot(directory)["root-crl.pem"]
        leaf = issued(directory)
        revoked(directory, leaf)
        (directory / "crl.pem").unlink()
        assert ca.reasons(ca.converge(directory)) == {"crl.pem": "crl_missing"}
        assert set(listed(directory)) == {certificate.serial_number(leaf)}
        assert len(lists(directory)) == 2
        assert ca.snapshot(directory)["root-crl.pem"] == before

    @pytest.mark.parametrize("damage", ["missing", "garbage", "another CA's"])
    def test_it_is_made_anew_with_the_roots_key_only(self, directory: Path, tmp_path: Path, damage: str) -> None:
        leaf = issued(directory)
        path = directory / "root-crl.pem"
        if damage == "missing":
            path.unlink()
        elif damage == "garbage":
            path.write_bytes(b"garbage")
        else:
            ca.converge(tmp_path / "other")
            path.write_bytes((tmp_path / "other/root-crl.pem").read_bytes())
        (directory / "root-key.pem").rename(tmp_path / "safe")
        before = ca.snapshot(directory)
        for call in (lambda: ca.converge(directory), lambda: ca.converge(directory, write=False)):
            with pytest.raises(IssuerError, match=r"root-crl\.pem is .* run the playbook mutual\.tls\.ownca with"):
                call()
        # Half a list would lock everybody out.
        with pytest.raises(IssuerError, match=r"root-crl\.pem is "):
            revoked(directory, leaf)
        assert ca.snapshot(directory) == before
        (tmp_path / "safe").rename(directory / "root-key.pem")
        reason = "crl_missing" if damage == "missing" else "crl_content_changed"
        wanted = {"root-crl.pem": reason, "crl.pem": "crl_content_changed"}
        assert ca.reasons(ca.converge(directory, write=False)) == wanted
        assert ca.reasons(ca.converge(directory)) == wanted
        assert [number(one) for one in lists(directory)] == [2, 2]
        assert ca.converge(directory).differences == ()

    def test_a_ca_that_was_made_without_one_gets_it(self, directory: Path) -> None:
        """As an earlier version has left it: no list of the root, fewer counters and indexes."""
        (directory / "root-crl.pem").unlink()
        (directory / "crl.pem").write_bytes(LIST.findall((directory / "crl.pem").read_bytes())[0])
        with sqlite3.connect(str(directory / "ledger.sqlite")) as connection:
            connection.execute("DROP INDEX certificate_by_holder")
            connection.execute("DROP INDEX certificate_by_key")
            connection.execute("DELETE FROM counter WHERE name = 'root_crl_number'")
        assert ca.reasons(ca.converge(directory)) == {"root-crl.pem": "crl_missing", "crl.pem": "crl_content_changed"}
        assert [number(one) for one in lists(directory)] == [2, 1]
        assert revoked(directory, issued(directory)).changed

    def test_it_does_not_outlive_its_ledger(self, directory: Path) -> None:
        for name in ("ledger.sqlite", "crl.pem"):
            (directory / name).unlink()
        with pytest.raises(IssuerError, match=r"ledger\.sqlite; restore it from the backup"):
            ca.converge(directory)


class TestARevokedCertificate:
    def test_is_never_the_answer_again(self, directory: Path) -> None:
        key = ca.key()
        first = issued(directory, key=key)
        assert issued(directory, key=key) == first
        revoked(directory, first)
        second = issued(directory, key=key)
        assert second != first
        assert issued(directory, key=key) == second
        revoked(directory, second)
        third = issued(directory, key=key)
        assert third not in (first, second)

    def test_an_earlier_one_that_was_not_revoked_may_be(self, directory: Path) -> None:
        key = ca.key()
        first = issued(directory, key=key)
        second = issued(directory, key=key, in_use=first)
        revoked(directory, second)
        assert issued(directory, key=key) == first

    def test_its_key_gets_no_other_once_somebody_else_has_it(self, directory: Path) -> None:
        key, other = ca.key(), ca.key()
        leaf = issued(directory, key=key)
        revoked(directory, leaf, "key_compromise")
        for more in ({}, {"host": "web2"}, {"days": 30}, {"in_use": leaf}):
            with pytest.raises(PolicyError, match=r"the key was compromised, as .* on 2026-11-21T12:00:00Z"):
                issued(directory, key=key, **more)
        assert issued(directory, key=other)


class TestEntries:
    def test_what_a_host_or_credential_has(self, directory: Path) -> None:
        made = {
            "a": issued(directory),
            "b": issued(directory, days=10),
            "c": issued(directory, host="web2"),
            "d": issued(directory),
        }
        revoked(directory, made["d"])
        book = ledger.Ledger(str(directory / "ledger.sqlite"))
        names = {certificate.serial_number(leaf): name for name, leaf in made.items()}

        def found(**selection: Any) -> str:
            return "".join(names[entry.serial] for entry in book.entries(**selection))

        assert found() == "abcd"
        assert found(host="web1") == "abd"
        assert found(host="web1", credential="orders", live_at=ca.NOW) == "ab"
        assert found(credential="orders", live_at=ca.NOW + 20 * DAY) == "ac"
        assert found(credential="order") == found(host="WEB1") == ""
        for name, leaf in made.items():
            serial = certificate.serial_number(leaf)
            assert found(serial=serial.upper()) == name
            assert found(serial=serial, host="web2") == ("c" if name == "c" else "")
            (entry,) = book.entries(serial=serial)
            assert entry.certificate == certificate.to_der(leaf)
            assert entry.not_after == certificate.not_after(leaf)
            assert (entry.revocation is not None) == (name == "d")

    def test_live_to_the_last_second(self, directory: Path) -> None:
        end = certificate.not_after(issued(directory))
        book = ledger.Ledger(str(directory / "ledger.sqlite"))
        assert len(book.entries(live_at=end)) == 1
        assert book.entries(live_at=end + timedelta(seconds=1)) == []

    def test_looking_writes_nothing(self, directory: Path) -> None:
        leaf = issued(directory)
        before = ca.snapshot(directory)
        ledger.Ledger(str(directory / "ledger.sqlite")).entries(host="web1", live_at=ca.NOW)
        assert revoke.find(str(directory), certificate.serial_number(leaf)).host == "web1"
        with pytest.raises(InputError):
            revoke.find(str(directory), "abc")
        assert ca.snapshot(directory) == before

    @pytest.mark.parametrize("attack", ["' OR 1=1 --", "%", "web1\0"])
    def test_names_are_names(self, directory: Path, attack: str) -> None:
        issued(directory)
        book = ledger.Ledger(str(directory / "ledger.sqlite"))
        assert book.entries(host=attack) == book.entries(credential=attack) == []


def test_an_enormous_list_is_not_read(directory: Path) -> None:
    leaf = issued(directory)
    with (directory / "crl.pem").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(FormatError, match="larger than"):
        revoked(directory, leaf)
