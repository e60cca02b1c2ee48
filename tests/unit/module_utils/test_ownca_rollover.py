# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An own CA rolls over phase by phase: none is skipped, and each is resumed where it was killed."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, chain, private_key
from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    DiskError,
    InputError,
    IssuerError,
    PassphraseError,
    PolicyError,
)
from ansible_collections.mutual.tls.plugins.module_utils.imports import x509
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create, issue, members, phases, proof, revoke
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

FORK = multiprocessing.get_context("fork")
DAY = timedelta(days=1)
KEY = ca.key()
LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----\n", re.DOTALL)
PAIRS = [
    pytest.param(old, new, id="{0}-to-{1}".format(*("two" if one.intermediate else "one" for one in (old, new))))
    for old in (ca.ROOT_ONLY, ca.TWO_TIERS)
    for new in (ca.NEXT_ROOT_ONLY, ca.NEXT_TWO_TIERS)
]


def issued(directory: Path, host: str = "web1", key: Optional[Any] = None, at: datetime = ca.NOW) -> List[Any]:
    return issue.issue(ca.authority(directory, at), ca.csr(key or ca.key()), ca.order(host=host), at)


def to(
    directory: Path, phase: str, spec: create.OwnCaSpec = ca.NEXT_TWO_TIERS, at: datetime = ca.NOW
) -> create.Outcome:
    """The next phase, with all that it asks for."""
    found = None if phase == "add" else ca.proved(directory, phase)
    return ca.roll(directory, phase, spec, found, at)


def through(directory: Path, last: str, old: create.OwnCaSpec = ca.TWO_TIERS) -> None:
    """A CA that has come to a phase."""
    ca.converge(directory, old)
    for phase in phases.PHASES[: phases.PHASES.index(last) + 1]:
        to(directory, phase)


def roots(directory: Path) -> List[x509.Certificate]:
    """What others trust."""
    return certificate.load_all((directory / "ca.pem").read_bytes(), "ca.pem")


def lists(directory: Path) -> List[x509.CertificateRevocationList]:
    content = (directory / "crl.pem").read_bytes()
    blocks = LIST.findall(content)
    assert b"".join(blocks) == content
    return [x509.load_pem_x509_crl(block) for block in blocks]


def verifies(leaf: Sequence[x509.Certificate], trusted: Sequence[x509.Certificate]) -> bool:
    """Whether a server that trusts these lets a client in, and has a list of each CA of its chain."""
    above = chain.order(leaf[0], [*leaf[1:], *trusted])
    chain.verify(leaf[0], above, ca.NOW)
    return above[-1] in trusted


def expected(old: create.OwnCaSpec, new: create.OwnCaSpec) -> List[str]:
    names = ["ca.pem", "chain.pem", "crl.pem", "ledger.sqlite", "rollover.json"]
    for number, spec in ((1, old), (2, new)):
        files = ["ca.pem", "chain.pem", "crl.pem", "key.pem"]
        files += ["root-crl.pem", "root-key.pem"] if spec.intermediate else []
        names += [f"{number}-{name}" for name in files]
    return sorted(names)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_phase_by_phase(tmp_path: Path, old: create.OwnCaSpec, new: create.OwnCaSpec) -> None:
    ca.converge(tmp_path, old)
    before = issued(tmp_path)
    old_root = roots(tmp_path)[0]
    trusted: Dict[str, List[Any]] = {}
    leaves: Dict[str, List[Any]] = {}
    for phase in phases.PHASES:
        found = None if phase == "add" else ca.proved(tmp_path, phase)
        was = ca.snapshot(tmp_path)
        predicted = ca.roll(tmp_path, phase, new, found, write=False)
        assert ca.snapshot(tmp_path) == was
        made = ca.roll(tmp_path, phase, new, found)
        assert made.differences == predicted.differences
        assert ca.reasons(made)["rollover.json"] == "ca_phase_changed"
        assert made.rollover is not None and made.rollover.phase == phase
        after = ca.snapshot(tmp_path)
        assert sorted(after) == expected(old, new)
        for again in (phase, None):
            for write in (False, True):
                assert ca.roll(tmp_path, again, new, at=ca.NOW + DAY, write=write).differences == ()
        assert ca.snapshot(tmp_path) == after
        trusted[phase], leaves[phase] = roots(tmp_path), issued(tmp_path, key=ca.key())
        assert tuple(leaves[phase][1:]) == made.certificates
        assert tuple(certificate.load_all((tmp_path / "chain.pem").read_bytes(), "chain")) == made.certificates
        for name in ("1-key.pem", "2-key.pem"):
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
            assert private_key.load((tmp_path / name).read_bytes(), ca.PASSPHRASE).encryption == "pbes2-aes256"
    new_root = trusted["retire"][0]
    assert trusted == {"add": [old_root, new_root], "reissue": [old_root, new_root], "retire": [new_root]}
    assert leaves["add"][-1] == old_root
    assert leaves["reissue"][-1] == leaves["retire"][-1] == new_root
    # Nobody who got a certificate before the old CA was retired was locked out before.
    for phase in ("add", "reissue"):
        assert all(verifies(leaf, trusted[phase]) for leaf in (before, *leaves.values()))
    assert [verifies(leaf, [new_root]) for leaf in (leaves["add"], leaves["reissue"])] == [False, True]


def test_what_the_modules_files_were_before(tmp_path: Path) -> None:
    """The first CA keeps its key, its chain and its ledger, under other names."""
    ca.converge(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    to(tmp_path, "add")
    for name in ("ca.pem", "chain.pem", "key.pem", "root-key.pem", "crl.pem", "root-crl.pem"):
        assert (tmp_path / f"1-{name}").read_bytes() == before[name]
    assert [name for name in ("key.pem", "root-key.pem", "root-crl.pem") if (tmp_path / name).exists()] == []


def test_another_roll_over_follows(tmp_path: Path) -> None:
    through(tmp_path, "retire")
    leaf = issued(tmp_path)
    third = create.OwnCaSpec(dataclasses.replace(ca.ROOT, subject=(("CN", "Third"),)), None, ca.CRL_VALIDITY)
    for phase in phases.PHASES:
        to(tmp_path, phase, third)
        assert ca.roll(tmp_path, spec=third).differences == ()
    found = members.read_members(str(tmp_path))
    assert [member.retired is None for member in found.all] == [False, False, True]
    assert found.issuer_of(leaf[0]) == found.all[1]
    assert [certificate.subject(root) for root in roots(tmp_path)] == [(("CN", "Third"),)]


class TestOrder:
    @pytest.mark.parametrize(
        ("present", "asked", "message"),
        [
            (None, "reissue", r"is in no roll-over, so reissue cannot come now; the next phase is add"),
            (None, "retire", r"is in no roll-over, so retire cannot come now; the next phase is add"),
            ("add", "retire", r"is in the phase add, so retire cannot come now; the next phase is reissue"),
            ("reissue", "add", r"is in the phase reissue, so add cannot come now; the next phase is retire"),
            ("retire", "reissue", r"is in the phase retire, so reissue cannot come now; the next phase is add"),
        ],
    )
    def test_no_phase_is_skipped(self, tmp_path: Path, present: Optional[str], asked: str, message: str) -> None:
        ca.converge(tmp_path)
        if present is not None:
            for phase in phases.PHASES[: phases.PHASES.index(present) + 1]:
                to(tmp_path, phase)
        before = ca.snapshot(tmp_path)
        for write in (False, True):
            with pytest.raises(InputError, match=message):
                ca.roll(tmp_path, asked, found=ready_for_anything(tmp_path, asked), write=write)
        assert ca.snapshot(tmp_path) == before

    def test_there_must_be_a_ca(self, tmp_path: Path) -> None:
        with pytest.raises(IssuerError, match=r"no own CA in .* to roll over"):
            ca.roll(tmp_path / "new", "add", write=False)
        with pytest.raises(IssuerError, match=r"no own CA in .* to roll over"):
            ca.roll(tmp_path, "add")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            (ca.TWO_TIERS, "^subject: the old CA is called O=Acme Inc, CN=Corp Client CA, too"),
            (dataclasses.replace(ca.NEXT_ROOT_ONLY, intermediate=ca.INTERMEDIATE), "^intermediate.subject: the old CA"),
            (dataclasses.replace(ca.NEXT_ROOT_ONLY, root=ca.INTERMEDIATE), "^subject: the old CA"),
        ],
    )
    def test_the_new_ca_has_a_name_of_its_own(self, tmp_path: Path, spec: create.OwnCaSpec, message: str) -> None:
        ca.converge(tmp_path)
        before = ca.snapshot(tmp_path)
        for write in (False, True):
            with pytest.raises(InputError, match=message):
                ca.roll(tmp_path, "add", spec, write=write)
        assert ca.snapshot(tmp_path) == before

    def test_the_description_is_the_new_ones(self, tmp_path: Path) -> None:
        through(tmp_path, "add")
        before = ca.snapshot(tmp_path)
        with pytest.raises(InputError, match=r"^subject: .*2027, but .*CN=Corp Client CA is stated.*mtls_ca_phase=add"):
            ca.roll(tmp_path, spec=ca.TWO_TIERS)
        assert ca.snapshot(tmp_path) == before

    def test_before_it_without_the_phase(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        with pytest.raises(InputError, match=r"roll over to a new one: .*-e mtls_ca_phase=add"):
            ca.roll(tmp_path)

    @pytest.mark.parametrize("phase", ["reissue", "retire"])
    def test_a_phase_is_completed_before_the_next(self, tmp_path: Path, phase: str) -> None:
        """Servers outside of the inventory have the roots from ca.pem."""
        through(tmp_path, phases.PHASES[phases.PHASES.index(phase) - 1])
        found = ca.proved(tmp_path, phase)
        (tmp_path / "ca.pem").write_bytes((tmp_path / "1-ca.pem").read_bytes())
        before = ca.snapshot(tmp_path)
        for write in (False, True):
            with pytest.raises(
                InputError, match=r"was cut off before .*/ca\.pem was written; run that phase once more"
            ):
                ca.roll(tmp_path, phase, found=found, write=write)
        assert ca.snapshot(tmp_path) == before
        assert ca.roll(tmp_path, phases.PHASES[phases.PHASES.index(phase) - 1]).differences
        assert ca.roll(tmp_path, phase, found=found).differences


def ready_for_anything(directory: Path, phase: str) -> proof.Proof:
    found = members.read_members(str(directory)).rollover
    return proof.Proof(phase, "" if found is None else found.new.root, {"web1": ()})


class TestProof:
    def refused(self, directory: Path, phase: str, found: Optional[proof.Proof], at: datetime = ca.NOW) -> str:
        before = ca.snapshot(directory)
        messages = []
        for write in (False, True):
            with pytest.raises(InputError) as caught:
                ca.roll(directory, phase, found=found, at=at, write=write)
            messages.append(str(caught.value))
        assert ca.snapshot(directory) == before
        assert messages[0] == messages[1]
        return messages[0]

    @pytest.mark.parametrize("phase", ["reissue", "retire"])
    def test_it_is_demanded_and_about_this_very_step(self, tmp_path: Path, phase: str) -> None:
        through(tmp_path, phases.PHASES[phases.PHASES.index(phase) - 1])
        assert "needs to know what is on every host; run the playbook" in self.refused(tmp_path, phase, None)
        other = ca.proved(tmp_path, "reissue" if phase == "retire" else "retire")
        assert "another phase" in self.refused(tmp_path, phase, other)
        foreign = dataclasses.replace(ca.proved(tmp_path, phase), new="0" * 64)
        assert "another roll-over" in self.refused(tmp_path, phase, foreign)
        assert to(tmp_path, phase).rollover is not None

    def test_a_remedy_is_said_once_for_each_host(self, tmp_path: Path) -> None:
        through(tmp_path, "add")
        hosts = {"web1": ("a is old; run mutual.tls.provision", "b waits", "c is old; run mutual.tls.provision")}
        message = self.refused(tmp_path, "reissue", ca.proved(tmp_path, "reissue", hosts))
        assert message.endswith("web1: a is old, c is old; run mutual.tls.provision; b waits")

    @pytest.mark.parametrize("phase", ["reissue", "retire"])
    def test_hosts_that_are_not_ready_are_named(self, tmp_path: Path, phase: str) -> None:
        through(tmp_path, phases.PHASES[phases.PHASES.index(phase) - 1])
        hosts = {"web1": (), "web2": ("it cannot be reached: refused",), "db1": ("orders waits", "invoices waits")}
        message = self.refused(tmp_path, phase, ca.proved(tmp_path, phase, hosts))
        assert message == (
            f"the phase {phase} has to wait for 2 of 3 hosts. db1: orders waits; invoices waits. "
            "web2: it cannot be reached: refused"
        )
        many = {f"web{number:03}": ("no",) for number in range(50)}
        message = self.refused(tmp_path, phase, ca.proved(tmp_path, phase, many))
        assert "50 of 50 hosts" in message and "web019: no. And 30 more" in message and "web020" not in message

    def test_a_host_that_the_inventory_has_lost_is_not_forgotten(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        issued(tmp_path, "web9")
        to(tmp_path, "add")
        for phase in ("reissue", "retire"):
            message = self.refused(tmp_path, phase, ca.proved(tmp_path, phase))
            assert "1 of 2 hosts. web9: it is not in the inventory but holds a certificate of this CA" in message
            assert "mtls_ca_gone" in message
            gone = ca.proved(tmp_path, phase, {"web1": (), "web9": ()}, gone=["web9"])
            assert "gone: the inventory has web9" in self.refused(tmp_path, phase, gone)
            found = ca.proved(tmp_path, phase, gone=["web9"])
            assert ca.roll(tmp_path, phase, found=found, write=False).differences
            ca.roll(tmp_path, phase, found=found)
        assert len(roots(tmp_path)) == 1

    def test_what_has_ended_or_is_of_the_new_ca_binds_nobody(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        issued(tmp_path, "web9")
        revoked = issued(tmp_path, "web8")
        revoke.revoke(ca.authority(tmp_path), certificate.serial_number(revoked[0]), "superseded", ca.NOW)
        to(tmp_path, "add")
        later = ca.NOW + 91 * DAY
        to(tmp_path, "reissue", at=later)
        issued(tmp_path, "web7", at=later)
        to(tmp_path, "retire", at=later)

    @pytest.mark.parametrize(
        "raw",
        [{}, {"hosts": []}, {"phase": "x", "new": 1, "hosts": {}}, {"phase": "x", "new": "y", "hosts": {"a": "b"}}],
    )
    def test_a_malformed_one_is_refused(self, raw: Dict[str, Any]) -> None:
        with pytest.raises(InputError, match=r"^proof"):
            proof.read(raw, [])
        assert proof.read(None, ["x"]) is None


class TestUpkeep:
    @pytest.mark.parametrize("phase", phases.PHASES)
    def test_a_changed_passphrase_is_for_all_keys(self, tmp_path: Path, phase: str) -> None:
        through(tmp_path, phase)
        keys = create.Keys("new", ca.PASSPHRASE)
        wanted = {name: "key_passphrase_changed" for name in os.listdir(tmp_path) if name.endswith("key.pem")}
        assert len(wanted) == 4
        assert ca.reasons(ca.roll(tmp_path, keys=keys, write=False)) == wanted
        assert ca.reasons(ca.roll(tmp_path, keys=keys)) == wanted
        for name in wanted:
            private_key.load((tmp_path / name).read_bytes(), "new")
        assert ca.roll(tmp_path, keys=create.Keys("new", None)).differences == ()
        with pytest.raises(PassphraseError):
            issued(tmp_path)

    @pytest.mark.parametrize("phase", phases.PHASES)
    def test_the_roots_keys_may_be_taken_away(self, tmp_path: Path, phase: str) -> None:
        ca.converge(tmp_path)
        (tmp_path / "root-key.pem").unlink()
        for one in phases.PHASES[: phases.PHASES.index(phase) + 1]:
            to(tmp_path, one)
        (tmp_path / "2-root-key.pem").unlink()
        assert ca.roll(tmp_path).differences == ()

    def test_a_roots_key_that_is_brought_back_under_its_old_name_stays(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        key = (tmp_path / "root-key.pem").read_bytes()
        (tmp_path / "root-key.pem").unlink()
        to(tmp_path, "add")
        (tmp_path / "root-key.pem").write_bytes(key)
        ca.roll(tmp_path)
        assert (tmp_path / "root-key.pem").read_bytes() == key

    @pytest.mark.parametrize("name", ["ca.pem", "chain.pem", "crl.pem"])
    @pytest.mark.parametrize("content", [None, b"something else"])
    def test_what_others_use_is_mended(self, tmp_path: Path, name: str, content: Optional[bytes]) -> None:
        through(tmp_path, "reissue")
        was = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        if content is not None:
            (tmp_path / name).write_bytes(content)
        wanted = {
            "ca.pem": "truststore_content_changed",
            "chain.pem": "chain_changed",
            "crl.pem": "crl_content_changed",
        }
        assert ca.reasons(ca.roll(tmp_path, write=False)) == {name: wanted[name]}
        assert ca.reasons(ca.roll(tmp_path)) == {name: wanted[name]}
        assert (tmp_path / name).read_bytes() == was

    @pytest.mark.parametrize("phase", phases.PHASES)
    @pytest.mark.parametrize(
        "name", ["1-ca.pem", "1-chain.pem", "1-key.pem", "2-chain.pem", "2-key.pem", "ledger.sqlite"]
    )
    def test_a_lost_file_is_never_made_anew(self, tmp_path: Path, phase: str, name: str) -> None:
        through(tmp_path, phase)
        issued(tmp_path)
        (tmp_path / name).unlink()
        before = ca.snapshot(tmp_path)
        # The retired CA's files are needed for as long as its certificates last.
        for write in (False, True):
            with pytest.raises((IssuerError, DiskError)):
                ca.roll(tmp_path, write=write)
        assert ca.snapshot(tmp_path) == before

    @pytest.mark.parametrize(
        "damage",
        [
            b"",
            b"{}",
            b"[]",
            b"\xff",
            b'{"version": 2}',
            lambda raw: {**raw, "phase": "retire"},
            lambda raw: {**raw, "phase": "later"},
            lambda raw: {**raw, "cas": raw["cas"][:1]},
            lambda raw: {**raw, "cas": raw["cas"][::-1]},
            lambda raw: {**raw, "cas": [{**one, "issuing": "0" * 64} for one in raw["cas"]]},
            lambda raw: {**raw, "since": "yesterday"},
        ],
    )
    def test_a_damaged_state_is_an_error(self, tmp_path: Path, damage: Any) -> None:
        through(tmp_path, "add")
        path = tmp_path / "rollover.json"
        raw = json.loads(path.read_text())
        path.write_bytes(json.dumps(damage(raw)).encode() if callable(damage) else damage)
        before = ca.snapshot(tmp_path)
        with pytest.raises(IssuerError, match="restore it from the backup"):
            issued(tmp_path)
        with pytest.raises(IssuerError, match="restore it from the backup"):
            to(tmp_path, "reissue")
        assert ca.snapshot(tmp_path) == before


class TestRevocation:
    @pytest.mark.parametrize("phase", phases.PHASES)
    def test_each_cas_certificates_are_on_its_own_list(self, tmp_path: Path, phase: str) -> None:
        ca.converge(tmp_path)
        leaves = [issued(tmp_path)[0]]
        for one in phases.PHASES[: phases.PHASES.index(phase) + 1]:
            to(tmp_path, one)
            leaves.append(issued(tmp_path, key=ca.key())[0])
        for leaf in leaves:
            authority = issue.open_authority(str(tmp_path), ca.PASSPHRASE, ca.NOW, of=leaf)
            assert revoke.revoke(authority, certificate.serial_number(leaf), "superseded", ca.NOW).changed
        known = members.read_members(str(tmp_path)).all
        found = lists(tmp_path)
        assert len(found) == 4
        for member, crl in zip(known, found[::2]):
            own = {leaf.serial_number for leaf in leaves if member.has_issued(leaf)}
            assert {entry.serial_number for entry in crl} == own
            assert crl.issuer == member.issuing.subject
        assert revoke.unlisted(str(tmp_path), "web1", "orders", ca.NOW) == []
        before = ca.snapshot(tmp_path)
        assert ca.roll(tmp_path).differences == ()
        assert ca.snapshot(tmp_path) == before

    def test_an_authority_opened_before_the_roll_over(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        leaf = issued(tmp_path)[0]
        authority = ca.authority(tmp_path)
        to(tmp_path, "add")
        assert revoke.revoke(authority, certificate.serial_number(leaf), "superseded", ca.NOW).changed
        assert [len(list(crl)) for crl in lists(tmp_path)] == [1, 0, 0, 0]
        assert ca.roll(tmp_path).differences == ()

    def test_a_compromised_key_gets_no_certificate_of_the_new_ca(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        key = ca.key()
        leaf = issued(tmp_path, key=key)[0]
        revoke.revoke(ca.authority(tmp_path), certificate.serial_number(leaf), "key_compromise", ca.NOW)
        to(tmp_path, "add")
        to(tmp_path, "reissue")
        with pytest.raises(PolicyError, match="compromised"):
            issued(tmp_path, key=key)

    def test_the_retired_cas_list_is_kept_until_its_certificates_have_ended(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        issued(tmp_path)
        for phase in phases.PHASES:
            to(tmp_path, phase)
        due = ca.NOW + 16 * DAY
        assert ca.reasons(ca.roll(tmp_path, at=due)) == {
            "1-crl.pem": "crl_due",
            "2-crl.pem": "crl_due",
            "crl.pem": "crl_content_changed",
        }
        last = ca.NOW + 90 * DAY
        ca.roll(tmp_path, at=last)
        assert len(lists(tmp_path)) == 4
        assert ca.reasons(ca.roll(tmp_path, at=last + DAY)) == {"crl.pem": "crl_content_changed"}
        assert len(lists(tmp_path)) == 2
        # From then on nobody needs its key.
        (tmp_path / "1-key.pem").unlink()
        assert ca.roll(tmp_path, at=last + DAY).differences == ()


@pytest.mark.parametrize("phase", phases.PHASES)
def test_the_old_ca_may_expire(tmp_path: Path, phase: str) -> None:
    """What is left of the roll-over can still be done, as far as the old CA need not issue."""
    ca.converge(tmp_path)
    for one in phases.PHASES[: phases.PHASES.index(phase) + 1]:
        to(tmp_path, one, ca.NEXT_ROOT_ONLY)
    later = ca.NOW + timedelta(days=3651)
    for one in phases.PHASES[phases.PHASES.index(phase) + 1 :]:
        to(tmp_path, one, ca.NEXT_ROOT_ONLY, later)
    ca.roll(tmp_path, spec=ca.NEXT_ROOT_ONLY, at=later)
    assert ca.roll(tmp_path, spec=ca.NEXT_ROOT_ONLY, at=later).differences == ()
    if phase == "add":
        assert issued(tmp_path, at=later)[-1] == roots(tmp_path)[-1]


@pytest.mark.parametrize("phase", phases.PHASES)
@pytest.mark.parametrize(
    ("old", "new", "before_call"),
    [
        pytest.param(ca.ROOT_ONLY, ca.NEXT_TWO_TIERS, True, id="one-to-two-before"),
        pytest.param(ca.TWO_TIERS, ca.NEXT_TWO_TIERS, False, id="two-to-two-after"),
    ],
)
def test_killed_anywhere_the_next_run_completes_it(
    tmp_path: Path, old: create.OwnCaSpec, new: create.OwnCaSpec, phase: str, before_call: bool
) -> None:
    """Dies at the first, second, ... call that touches the disk; clients and servers notice nothing meanwhile."""
    start = tmp_path / "start"
    ca.converge(start, old)
    leaf = issued(start)
    for one in phases.PHASES[: phases.PHASES.index(phase)]:
        to(start, one, new)
    for step in range(1, 500):
        directory = tmp_path / str(step)
        shutil.copytree(start, directory)
        if killed_at(step, before_call, directory, phase, new) == 0:
            break
        # Whoever issues now goes on, and its certificates are accepted with the roots that are shown to others.
        between = issued(directory, key=ca.key())
        assert verifies(between, roots(directory))
        if phase != "retire":
            assert verifies(leaf, roots(directory))
        found = None if phase == "add" else ca.proved(directory, phase)
        kept = {path.name: path.read_bytes() for path in directory.glob("[12]-*key.pem")}
        predicted = ca.roll(directory, phase, new, found, write=False)
        healed = ca.roll(directory, phase, new, found)
        assert healed.differences == predicted.differences
        assert healed.rollover is not None and healed.rollover.phase == phase
        assert sorted(os.listdir(directory)) == expected(old, new)
        assert all((directory / name).read_bytes() == content for name, content in kept.items())
        assert ca.roll(directory, spec=new).differences == ()
        assert issued(directory, key=ca.key())[1:] == list(healed.certificates)
        shutil.rmtree(directory)
    print("killed at {0} steps of {1}".format(step - 1, phase))
    assert {"add": 40, "reissue": 8, "retire": 8}[phase] < step < 499


def killed_at(step: int, before_call: bool, directory: Path, phase: str, spec: create.OwnCaSpec) -> int:
    """Run in a child that ends without any clean-up at the given call; its exit code (0: it was done before)."""
    found = None if phase == "add" else ca.proved(directory, phase)

    def child() -> None:
        count: List[int] = []

        def counted(function: Any) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                count.append(0)
                if before_call and len(count) == step:
                    os._exit(1)
                result = function(*arguments, **options)
                if len(count) == step:
                    os._exit(1)
                return result

            return call

        for name in ("open", "mkdir", "rename", "fsync", "fchmod", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        ca.roll(directory, phase, spec, found)
        os._exit(0)

    worker = FORK.Process(target=child)
    worker.start()
    worker.join()
    assert worker.exitcode is not None
    return worker.exitcode


def test_those_who_issue_meanwhile_are_not_disturbed(tmp_path: Path) -> None:
    """Opening the CA never meets a state in between, while another process takes it through all phases."""
    ca.converge(tmp_path / "ca")
    ended = FORK.Event()

    def work(results: Any) -> None:
        count = 0
        while not ended.is_set() or count == 0:
            verified = verifies(issued(tmp_path / "ca", key=KEY), members_roots(tmp_path / "ca"))
            count += 1 if verified else 10**6
        results.put(count)

    results = FORK.SimpleQueue()
    worker = FORK.Process(target=work, args=(results,))
    worker.start()
    try:
        for number in range(12):
            phase = phases.PHASES[number % 3]
            named = dataclasses.replace(ca.ROOT, subject=(("CN", f"CA {number // 3}"),))
            to(tmp_path / "ca", phase, create.OwnCaSpec(named, None, ca.CRL_VALIDITY))
    finally:
        ended.set()
    worker.join()
    assert worker.exitcode == 0
    assert 0 < results.get() < 10**6


def members_roots(directory: Path) -> List[x509.Certificate]:
    """All roots there ever were: one may be retired between issuing and looking."""
    return [member.root for member in members.read_members(str(directory)).all]
