# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an own CA issues: the inventory's words, the request's key, and nothing else; once per request."""

from __future__ import annotations

import dataclasses
import multiprocessing
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any, Callable, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, chain, private_key
from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    IssuerError,
    PassphraseError,
    PolicyError,
)
from ansible_collections.mutual.tls.plugins.module_utils.imports import hashes, oid, serialization, x509
from ansible_collections.mutual.tls.plugins.module_utils.ownca import issue, members, revoke
from ansible_collections.mutual.tls.plugins.module_utils.request import RequestSpec
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

FORK = multiprocessing.get_context("fork")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    ca.converge(tmp_path / "ca")
    return tmp_path / "ca"


def ledger(directory: Path, what: str) -> List[Any]:
    with sqlite3.connect(str(directory / "ledger.sqlite")) as connection:
        return connection.execute(f"SELECT {what} FROM certificate ORDER BY issued_at, serial").fetchall()


def test_what_a_certificate_holds(directory: Path) -> None:
    authority, key = ca.authority(directory), ca.key()
    leaf, *above = issue.issue(authority, ca.csr(key), ca.order(), ca.NOW)
    assert above == list(authority.certificates)
    chain.verify(leaf, above, ca.NOW)
    assert certificate.subject(leaf) == ca.SPEC.subject
    assert certificate.public_fingerprint(leaf) == private_key.public_fingerprint(key.public_key())
    assert certificate.not_before(leaf) == ca.NOW - HOUR
    assert certificate.not_after(leaf) == ca.NOW + 90 * DAY
    shape = {extension.oid._name: (extension.critical, extension.value) for extension in leaf.extensions}
    assert {name: critical for name, (critical, _value) in shape.items()} == {
        "basicConstraints": True,
        "keyUsage": True,
        "extendedKeyUsage": False,
        "subjectKeyIdentifier": False,
        "authorityKeyIdentifier": False,
        "subjectAltName": False,
    }
    assert not shape["basicConstraints"][1].ca
    assert list(shape["extendedKeyUsage"][1]) == [oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    assert shape["keyUsage"][1].digital_signature
    assert not shape["keyUsage"][1].key_cert_sign
    assert shape["subjectAltName"][1].get_values_for_type(x509.DNSName) == ["orders.acme.example"]


def test_nothing_of_the_request_is_copied(directory: Path) -> None:
    """The policy refuses such a request; if it ever did not, the CA still would not sign what it asks for."""
    key = ca.key()
    hostile = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, "root@acme.example")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("admin.acme.example")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.OCSPNoCheck(), critical=False)
        .sign(key, hashes.SHA256())
    )
    leaf = issue.issue(ca.authority(directory), hostile, ca.order(), ca.NOW)[0]
    plain = issue.issue(ca.authority(directory), ca.csr(ca.key()), ca.order(), ca.NOW)[0]
    assert certificate.subject(leaf) == ca.SPEC.subject
    assert [(one.oid, one.critical) for one in leaf.extensions] == [(one.oid, one.critical) for one in plain.extensions]
    for kind in (x509.BasicConstraints, x509.SubjectAlternativeName, x509.ExtendedKeyUsage, x509.KeyUsage):
        assert leaf.extensions.get_extension_for_class(kind) == plain.extensions.get_extension_for_class(kind)


def test_a_request_that_another_key_signed_is_refused(directory: Path) -> None:
    der = bytearray(ca.csr(ca.key(ca.ED25519)).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der))
    with pytest.raises(PolicyError, match="host web1, credential orders is not signed by its own key"):
        issue.issue(ca.authority(directory), forged, ca.order(), ca.NOW)
    assert ledger(directory, "serial") == []


def test_an_empty_subject_makes_the_names_critical(directory: Path) -> None:
    spec = RequestSpec((), ("DNS:a.example", "IP:192.0.2.1"))
    leaf = issue.issue(ca.authority(directory), ca.csr(ca.key(), spec), ca.order(spec), ca.NOW)[0]
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert certificate.summary(leaf)["subject_alt_name"] == ["DNS:a.example", "IP:192.0.2.1"]


def test_crl_urls_only_where_they_are_stated(directory: Path) -> None:
    order = ca.order(crl_urls=("http://pki.acme.example/crl.pem",))
    leaf = issue.issue(ca.authority(directory), ca.csr(ca.key()), order, ca.NOW)[0]
    (point,) = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for name in point.full_name] == ["http://pki.acme.example/crl.pem"]


class TestDates:
    def test_never_beyond_the_ca(self, directory: Path) -> None:
        authority = ca.authority(directory)
        end = certificate.not_after(authority.issuing)
        leaf = issue.issue(authority, ca.csr(ca.key()), ca.order(days=36000), ca.NOW)[0]
        assert certificate.not_after(leaf) == end
        assert certificate.not_before(leaf) >= certificate.not_before(authority.issuing)

    def test_never_before_the_ca(self, directory: Path) -> None:
        early = ca.NOW - timedelta(minutes=30)
        leaf = issue.issue(ca.authority(directory, early), ca.csr(ca.key()), ca.order(), early)[0]
        assert certificate.not_before(leaf) == ca.NOW - HOUR

    @pytest.mark.parametrize("minutes", [1, 10, 60, 600])
    def test_short_ones_are_not_due_at_once(self, directory: Path, minutes: int) -> None:
        order = ca.order(days=minutes / 1440)
        leaf = issue.issue(ca.authority(directory), ca.csr(ca.key()), order, ca.NOW)[0]
        lifetime = certificate.not_after(leaf) - certificate.not_before(leaf)
        assert certificate.not_before(leaf) < ca.NOW
        assert certificate.not_after(leaf) - ca.NOW == timedelta(minutes=minutes) > 2 * lifetime / 3


CHANGES = [
    pytest.param(lambda order: dataclasses.replace(order, host="web2"), id="host"),
    pytest.param(lambda order: dataclasses.replace(order, credential="other"), id="credential"),
    pytest.param(lambda order: dataclasses.replace(order, validity=91 * DAY), id="validity"),
    pytest.param(lambda order: dataclasses.replace(order, crl_urls=("http://x/",)), id="crl_urls"),
    pytest.param(lambda order: dataclasses.replace(order, spec=RequestSpec((("CN", "x"),), ())), id="spec"),
]


class TestTheSameRequest:
    def test_gets_the_same_certificate(self, directory: Path) -> None:
        key = ca.key()
        first = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), ca.NOW)
        again = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), ca.NOW + 30 * DAY)
        assert first == again
        assert len(ledger(directory, "serial")) == 1

    @pytest.mark.parametrize("change", CHANGES)
    def test_is_another_one_when_anything_differs(
        self, directory: Path, change: Callable[[issue.Order], issue.Order]
    ) -> None:
        key, order = ca.key(), ca.order()
        first = issue.issue(ca.authority(directory), ca.csr(key), order, ca.NOW)
        other = issue.issue(ca.authority(directory), ca.csr(key), change(order), ca.NOW)
        assert first[0].serial_number != other[0].serial_number
        assert issue.issue(ca.authority(directory), ca.csr(key), order, ca.NOW) == first

    def test_gets_the_next_one_when_it_is_due(self, directory: Path) -> None:
        key = ca.key()
        first = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), ca.NOW)[0]
        due = certificate.not_after(first) - (certificate.not_after(first) - certificate.not_before(first)) / 3
        before = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), due - HOUR)[0]
        after = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), due)[0]
        assert before == first
        assert certificate.not_after(after) == due + 90 * DAY
        assert issue.issue(ca.authority(directory), ca.csr(key), ca.order(), due)[0] == after

    def test_gets_the_next_one_when_it_holds_the_first(self, directory: Path) -> None:
        key = ca.key()
        first = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), ca.NOW)[0]
        order = ca.order(in_use=first)
        second = issue.issue(ca.authority(directory), ca.csr(key), order, ca.NOW + DAY)[0]
        assert second != first
        assert issue.issue(ca.authority(directory), ca.csr(key), order, ca.NOW + DAY)[0] == second

    @pytest.mark.parametrize("change", CHANGES)
    def test_is_not_answered_with_what_ends_sooner_than_the_one_in_use(
        self, directory: Path, change: Callable[[issue.Order], issue.Order]
    ) -> None:
        """X, then Y, then X again, with one key: the client would refuse the first certificate."""
        key, there, back = ca.key(), ca.NOW + 2 * DAY, ca.NOW + 4 * DAY
        first = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), ca.NOW)[0]
        changed = dataclasses.replace(change(ca.order()), in_use=first)
        other = issue.issue(ca.authority(directory), ca.csr(key), changed, there)[0]
        third = issue.issue(ca.authority(directory), ca.csr(key), ca.order(in_use=other), back)[0]
        assert third.serial_number not in (first.serial_number, other.serial_number)
        assert certificate.not_after(third) == back + 90 * DAY
        # A run that was cut off before the client had it: the same answer again.
        assert issue.issue(ca.authority(directory), ca.csr(key), ca.order(in_use=other), back + HOUR)[0] == third
        assert len(ledger(directory, "serial")) == 3

    def test_gets_the_earlier_one_where_that_ends_with_the_one_in_use(self, directory: Path) -> None:
        """Both end with the CA."""
        key, order = ca.key(), ca.order(days=36000)
        first = issue.issue(ca.authority(directory), ca.csr(key), order, ca.NOW)[0]
        other = issue.issue(
            ca.authority(directory), ca.csr(key), dataclasses.replace(order, credential="other"), ca.NOW + DAY
        )[0]
        back = dataclasses.replace(order, in_use=other)
        assert issue.issue(ca.authority(directory), ca.csr(key), back, ca.NOW + 2 * DAY)[0] == first

    def test_gets_one_that_ends_sooner_only_once(self, directory: Path) -> None:
        """Back to a shorter validity: a run that was cut off must not sign one more, nor give what is older."""
        authority, key, there, back = ca.authority(directory), ca.key(), ca.NOW + 2 * DAY, ca.NOW + 4 * DAY
        first = issue.issue(authority, ca.csr(key), ca.order(days=90), ca.NOW)[0]
        longer = issue.issue(authority, ca.csr(key), ca.order(days=180, in_use=first), there)[0]
        order = ca.order(days=90, in_use=longer)
        shorter = issue.issue(authority, ca.csr(key), order, back)[0]
        assert certificate.not_after(shorter) == back + 90 * DAY
        assert issue.issue(authority, ca.csr(key), order, back + HOUR)[0] == shorter
        # A new one lasts longer than the one in use by then, which the client may demand.
        late = there + 91 * DAY
        order = ca.order(days=90, in_use=longer)
        assert certificate.not_after(issue.issue(authority, ca.csr(key), order, late)[0]) == late + 90 * DAY

    def test_gets_another_one_when_it_was_revoked(self, directory: Path) -> None:
        authority, key = ca.authority(directory), ca.key()
        first = issue.issue(authority, ca.csr(key), ca.order(), ca.NOW)[0]
        revoke.revoke(authority, certificate.serial_number(first), "superseded", ca.NOW)
        second = issue.issue(authority, ca.csr(key), ca.order(), ca.NOW)[0]
        assert second != first
        assert [status for (status,) in ledger(directory, "status")].count("revoked") == 1


class TestOpening:
    def test_no_ca(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "missing"):
            assert not members.exists(str(path))
            with pytest.raises(IssuerError, match=r"no own CA in .*; create it with the playbook mutual.tls.ownca"):
                issue.open_authority(str(path), "p", ca.NOW)

    def test_wrong_passphrase(self, directory: Path) -> None:
        with pytest.raises(PassphraseError, match=r"does not open .*key.pem; correct it in the inventory") as caught:
            issue.open_authority(str(directory), "wr0ng", ca.NOW)
        assert "wr0ng" not in str(caught.value)

    def test_it_does_not_show_its_secrets(self, directory: Path) -> None:
        assert "PrivateKey" not in repr(ca.authority(directory))

    def test_a_key_that_is_missing(self, directory: Path) -> None:
        (directory / "key.pem").unlink()
        with pytest.raises(IssuerError, match=r"key.pem.*restore it from the backup"):
            ca.authority(directory)

    def test_a_chain_of_two_cas(self, directory: Path, tmp_path: Path) -> None:
        ca.converge(tmp_path / "other")
        pems = (directory / "chain.pem").read_bytes(), (tmp_path / "other/ca.pem").read_bytes()
        issuing = certificate.to_pem(certificate.load_all(pems[0], "chain")[:1])
        (directory / "chain.pem").write_bytes(issuing + pems[1])
        with pytest.raises(IssuerError, match=r"chain of the own CA in .* is broken"):
            ca.authority(directory)


class TestLedger:
    def test_what_it_records(self, directory: Path) -> None:
        key = ca.key()
        leaf = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), ca.NOW)[0]
        columns = "serial, host, credential, public_fingerprint, issued_at, not_before, not_after, certificate, status"
        assert ledger(directory, columns) == [
            (
                f"{leaf.serial_number:x}",
                "web1",
                "orders",
                private_key.public_fingerprint(key.public_key()),
                "2026-11-21T12:00:00Z",
                "2026-11-21T11:00:00Z",
                "2027-02-19T12:00:00Z",
                certificate.to_der(leaf),
                "issued",
            )
        ]

    def test_newer_version(self, directory: Path) -> None:
        with sqlite3.connect(str(directory / "ledger.sqlite")) as connection:
            connection.execute("PRAGMA user_version = 2")
        with pytest.raises(IssuerError, match="made by a newer version"):
            ca.authority(directory)

    def test_a_damaged_ledger_issues_nothing(self, directory: Path) -> None:
        authority = ca.authority(directory)
        with sqlite3.connect(str(directory / "ledger.sqlite")) as connection:
            connection.execute("DROP TABLE certificate")
        with pytest.raises(IssuerError, match=r"cannot use the ledger .*backup"):
            issue.issue(authority, ca.csr(ca.key()), ca.order(), ca.NOW)

    @pytest.mark.parametrize("same", [False, True])
    def test_fifty_processes_at_once(self, directory: Path, same: bool) -> None:
        shared = ca.key()
        start = FORK.Event()

        def work(number: int, results: Any) -> None:
            key = shared if same else ca.key()
            order = ca.order(host="web1" if same else f"web{number}")
            start.wait()
            leaf = issue.issue(ca.authority(directory), ca.csr(key), order, ca.NOW)[0]
            results.put(leaf.serial_number)

        results = FORK.SimpleQueue()
        workers = [FORK.Process(target=work, args=(number, results)) for number in range(50)]
        for worker in workers:
            worker.start()
        start.set()
        for worker in workers:
            worker.join()
        assert [worker.exitcode for worker in workers] == [0] * 50
        serials = {results.get() for _ in workers}
        assert len(serials) == (1 if same else 50)
        assert {int(serial, 16) for (serial,) in ledger(directory, "serial")} == serials
        assert all(0 < serial < 2**159 for serial in serials)

    def test_an_interrupted_transaction_changes_nothing(self, directory: Path) -> None:
        key = ca.key()
        first = issue.issue(ca.authority(directory), ca.csr(key), ca.order(), ca.NOW)
        with pytest.raises(KeyboardInterrupt), ca.authority(directory).ledger.writing() as writer:
            writer.revoke(certificate.serial_number(first[0]), "superseded", ca.NOW)
            raise KeyboardInterrupt
        assert issue.issue(ca.authority(directory), ca.csr(key), ca.order(), ca.NOW) == first
