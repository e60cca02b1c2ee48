# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revoking through the issuer that issued; one that cannot says what to do instead."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError, IssuerError, PassphraseError
from ansible_collections.mutual.tls.plugins.module_utils.imports import hashes, x509
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import StateDirectory, open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers import selector
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import Issued, Issuer, IssuerRequest
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.ownca import OwnCa
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    state = open_state_directory(str(tmp_path / "mtls"), create=True)
    ca.converge(Path(state.ownca("corp")), at=NOW)
    return state


def configured(state: StateDirectory, passphrase: str = ca.PASSPHRASE) -> Issuer:
    return selector.configure("corp", {"type": "ownca", "passphrase": passphrase}, state)


def issued(issuer: Issuer, host: str = "web1", credential: str = "orders", days: int = 90) -> x509.Certificate:
    key = ca.key()
    fingerprint = private_key.public_fingerprint(key.public_key())
    csr = request.build(key, ca.SPEC)
    answer = issuer.issue(IssuerRequest(host, credential, csr, ca.SPEC, fingerprint, timedelta(days=days)))
    assert isinstance(answer, Issued)
    return answer.chain[0]


def of_another_ca(like: x509.Certificate) -> x509.Certificate:
    """The same serial number, names and dates, signed by somebody else."""
    key = ca.key()
    builder = x509.CertificateBuilder().subject_name(like.subject).issuer_name(like.issuer).public_key(key.public_key())
    builder = builder.serial_number(like.serial_number).not_valid_before(NOW).not_valid_after(NOW + DAY)
    return builder.sign(key, hashes.SHA256())


class TestTheOwnCa:
    @pytest.mark.parametrize("by", ["serial", "certificate"])
    def test_it_revokes_once(self, state: StateDirectory, by: str) -> None:
        issuer = configured(state)
        leaf, other = issued(issuer), issued(issuer)
        meant: Any = leaf if by == "certificate" else certificate.serial_number(leaf).upper()
        assert issuer.revoked(meant) is None
        done = issuer.revoke(meant, "superseded", NOW)
        assert (done.changed, done.since, done.reason, done.waits_for) == (True, NOW, "superseded", None)
        assert (done.serial_number, done.host, done.credential) == (certificate.serial_number(leaf), "web1", "orders")
        assert done.certificate == leaf
        assert done.next_step is not None
        assert state.ownca("corp") + "/crl.pem" in done.next_step
        before = ca.snapshot(Path(state.path))
        again = issuer.revoke(meant, "key_compromise", NOW + DAY)
        assert (again.changed, again.since, again.reason) == (False, NOW, "superseded")
        assert issuer.revoked(meant) == again
        assert ca.snapshot(Path(state.path)) == before
        assert issuer.revoked(other) is None

    def test_what_is_live(self, state: StateDirectory) -> None:
        issuer = configured(state)
        gone, here = issued(issuer), issued(issuer)
        short, elsewhere = issued(issuer, days=2), issued(issuer, host="web2")
        other = issued(issuer, credential="invoices")
        issuer.revoke(gone, "superseded", NOW)

        def found(at: datetime = NOW, **selection: str) -> Any:
            return [holding.certificate for holding in issuer.live(at, **selection)]

        assert found() == [here, short, elsewhere, other]
        assert found(host="web1", credential="orders") == [here, short]
        assert found(NOW + 3 * DAY, host="web1") == [here, other]
        assert found(serial=certificate.serial_number(gone)) == []
        (holding,) = issuer.live(NOW, serial=certificate.serial_number(other))
        assert (holding.host, holding.credential) == ("web1", "invoices")

    def test_a_certificate_of_another_ca(self, state: StateDirectory) -> None:
        issuer = configured(state)
        leaf = issued(issuer)
        for call in (issuer.revoked, lambda one: issuer.revoke(one, "superseded", NOW)):
            with pytest.raises(InputError, match=r"issuer corp: the certificate .* is another CA's; name the issuer"):
                call(of_another_ca(leaf))
        assert issuer.revoked(leaf) is None

    def test_an_unknown_serial_number(self, state: StateDirectory) -> None:
        issuer = configured(state)
        for call in (issuer.revoked, lambda one: issuer.revoke(one, "superseded", NOW)):
            with pytest.raises(InputError, match=r"serial number abc .* CA CN=Corp Client Issuing CA in .*/ownca/corp"):
                call("ab:c")

    def test_only_revoking_needs_the_passphrase(self, state: StateDirectory) -> None:
        leaf = issued(configured(state))
        issuer = configured(state, "wr0ng")
        assert issuer.revoked(leaf) is None
        assert len(issuer.live(NOW)) == 1
        before = ca.snapshot(Path(state.path))
        with pytest.raises(PassphraseError, match=r"does not open .*key\.pem") as caught:
            issuer.revoke(leaf, "superseded", NOW)
        assert "wr0ng" not in str(caught.value)
        assert ca.snapshot(Path(state.path)) == before

    def test_a_ca_that_does_not_exist(self, tmp_path: Path) -> None:
        issuer = configured(StateDirectory(str(tmp_path / "mtls"), exists=False))
        assert issuer.live(NOW) == []
        for call in (issuer.revoked, lambda one: issuer.revoke(one, "superseded", NOW)):
            with pytest.raises(IssuerError, match="there is no own CA in"):
                call("1f")
        assert list(tmp_path.iterdir()) == []


class Portal(OwnCa):
    """An issuer that only issues."""

    type = "portal"
    revoke, revoked, live = Issuer.revoke, Issuer.revoked, Issuer.live


@pytest.mark.parametrize("by", ["serial", "certificate"])
def test_one_that_cannot_revoke_says_what_to_do(state: StateDirectory, by: str) -> None:
    leaf = issued(configured(state))
    serial = certificate.serial_number(leaf)
    issuer = Portal.configure("vibes", {"type": "portal", "passphrase": "p"}, state)
    with pytest.raises(IssuerError, match=rf"issuer vibes: .* portal, which cannot revoke; .* its CA .* {serial}"):
        issuer.revoke(leaf if by == "certificate" else serial, "superseded", NOW)
    assert issuer.revoked(leaf) is None
    assert issuer.live(NOW) == []


class TestARollOver:
    """What the own CA's issuer says of the CAs in its directory."""

    @pytest.fixture
    def directory(self, state: StateDirectory) -> Path:
        return Path(state.ownca("corp"))

    def to(self, directory: Path, phase: str) -> None:
        found = None if phase == "add" else ca.proved(directory, phase)
        ca.roll(directory, phase, found=found, at=NOW)

    def test_who_issues_who_is_trusted_and_who_is_retired(self, state: StateDirectory, directory: Path) -> None:
        issuer = configured(state)
        old = issuer.certificates()
        leaves = [issued(issuer)]
        assert issuer.roots() == old[1:]
        assert issuer.issuing_cas() == (certificate.fingerprint(old[0]),)
        seen = []
        for phase in ("add", "reissue", "retire"):
            self.to(directory, phase)
            leaves.append(issued(issuer, credential=phase))
            retired = [issuer.is_retired(leaf) for leaf in leaves]
            seen.append(
                (len(issuer.roots()), issuer.roots()[0] == old[-1], issuer.certificates()[0] == old[0], retired)
            )
            assert issuer.issuing_cas() == (certificate.fingerprint(issuer.certificates()[0]),)
        assert seen == [
            (2, True, True, [False, False]),
            (2, True, False, [False, False, False]),
            (1, False, False, [True, True, False, False]),
        ]
        assert not issuer.is_retired(of_another_ca(leaves[0]))

    @pytest.mark.parametrize("phase", ["add", "reissue", "retire"])
    def test_it_revokes_what_either_has_issued(self, state: StateDirectory, directory: Path, phase: str) -> None:
        issuer = configured(state)
        leaves = [issued(issuer)]
        for one in ("add", "reissue", "retire")[: ("add", "reissue", "retire").index(phase) + 1]:
            self.to(directory, one)
        leaves.append(issued(issuer, host="web2"))
        assert [holding.certificate for holding in issuer.live(NOW)] == leaves
        for leaf in leaves:
            assert issuer.revoke(leaf, "superseded", NOW).changed
            assert issuer.revoked(leaf) is not None
        assert issuer.live(NOW) == []
        assert ca.roll(directory, at=NOW).differences == ()

    def test_one_that_does_not_exist(self, tmp_path: Path) -> None:
        issuer = configured(StateDirectory(str(tmp_path / "mtls"), exists=False))
        assert issuer.issuing_cas() == ()
        with pytest.raises(IssuerError, match="no own CA"):
            issuer.roots()
