# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An own CA is made once, completed after any interruption, and never replaced."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, List, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, private_key
from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    Error,
    FormatError,
    InputError,
    IssuerError,
    PassphraseError,
)
from ansible_collections.mutual.tls.plugins.module_utils.imports import x509
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create, issue
from ansible_collections.mutual.tls.plugins.module_utils.ownca.build import AuthoritySpec
from ansible_collections.mutual.tls.plugins.module_utils.ownca.options import argument_spec, own_ca
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

FORK = multiprocessing.get_context("fork")
FILES = {"ca.pem", "chain.pem", "key.pem", "ledger.sqlite", "crl.pem"}
LAYOUTS = [pytest.param(ca.ROOT_ONLY, id="root"), pytest.param(ca.TWO_TIERS, id="intermediate")]


def names(spec: create.OwnCaSpec) -> List[str]:
    return sorted(FILES | ({"root-key.pem", "root-crl.pem"} if spec.intermediate else set()))


def replace(spec: create.OwnCaSpec, part: str, **changes: Any) -> create.OwnCaSpec:
    authority: Optional[AuthoritySpec] = getattr(spec, part)
    assert authority is not None
    return dataclasses.replace(spec, **{part: dataclasses.replace(authority, **changes)})


@pytest.mark.parametrize("spec", LAYOUTS)
class TestEveryLayout:
    def test_check_create_rerun(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        directory = tmp_path / "ownca/corp"
        predicted = ca.converge(directory, spec, write=False)
        assert list(tmp_path.iterdir()) == []
        made = ca.converge(directory, spec)
        assert predicted.differences == made.differences
        assert sorted(ca.reasons(made)) == names(spec) == sorted(os.listdir(directory))
        before = ca.snapshot(directory)
        for write in (False, True):
            again = ca.converge(directory, spec, at=ca.NOW + timedelta(days=1), write=write)
            assert again.differences == ()
            assert again.certificates == made.certificates
        assert ca.snapshot(directory) == before

    def test_keys_are_encrypted_and_closed_to_others(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        ca.converge(tmp_path / "ca", spec)
        assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o700
        for name in names(spec):
            secret = "key" in name or name == "ledger.sqlite"
            assert (tmp_path / "ca" / name).stat().st_mode & 0o777 == (0o600 if secret else 0o644), name
            if name.endswith("key.pem"):
                content = (tmp_path / "ca" / name).read_bytes()
                assert private_key.load(content, ca.PASSPHRASE).encryption == "pbes2-aes256"
                with pytest.raises(PassphraseError):
                    private_key.load(content, None)

    def test_wrong_passphrase(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        ca.converge(tmp_path, spec)
        before = ca.snapshot(tmp_path)
        with pytest.raises(PassphraseError, match=r"passphrase does not open .*key.pem; .*previous_passphrase"):
            ca.converge(tmp_path, spec, passphrase="other")
        with pytest.raises(PassphraseError, match="neither passphrase nor previous_passphrase"):
            ca.converge(tmp_path, spec, passphrase="other", previous="another")
        assert ca.snapshot(tmp_path) == before

    def test_changed_passphrase(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        ca.converge(tmp_path, spec)
        before = ca.snapshot(tmp_path)
        predicted = ca.converge(tmp_path, spec, "new", ca.PASSPHRASE, write=False)
        assert ca.snapshot(tmp_path) == before
        changed = ca.converge(tmp_path, spec, "new", ca.PASSPHRASE)
        keys = {name for name in names(spec) if "key" in name}
        assert ca.reasons(changed) == ca.reasons(predicted) == dict.fromkeys(keys, "key_passphrase_changed")
        after = ca.snapshot(tmp_path)
        assert {name for name in after if after[name] != before[name]} == keys
        for name in keys:
            was, now = (
                private_key.load(content, passphrase)
                for content, passphrase in ((before[name][3], ca.PASSPHRASE), (after[name][3], "new"))
            )
            assert private_key.to_pkcs8(was.key) == private_key.to_pkcs8(now.key)
        assert ca.converge(tmp_path, spec, "new", ca.PASSPHRASE).differences == ()
        assert ca.converge(tmp_path, spec, "new").differences == ()

    def test_an_unencrypted_key_is_encrypted(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        ca.converge(tmp_path, spec)
        loaded = private_key.load((tmp_path / "key.pem").read_bytes(), ca.PASSPHRASE)
        (tmp_path / "key.pem").write_bytes(private_key.dump(loaded.key, "pkcs8", None))
        assert ca.reasons(ca.converge(tmp_path, spec)) == {"key.pem": "key_passphrase_changed"}
        assert private_key.load((tmp_path / "key.pem").read_bytes(), ca.PASSPHRASE).encryption == "pbes2-aes256"

    def test_modes_are_kept(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        ca.converge(tmp_path, spec)
        (tmp_path / "key.pem").chmod(0o644)
        (tmp_path / "ledger.sqlite").chmod(0o666)
        wanted = {"key.pem": "mode_changed", "ledger.sqlite": "mode_changed"}
        assert ca.reasons(ca.converge(tmp_path, spec, write=False)) == wanted
        assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o644
        assert ca.reasons(ca.converge(tmp_path, spec)) == wanted
        assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
        assert ca.converge(tmp_path, spec).differences == ()

    @pytest.mark.parametrize("name", ["ca.pem", "chain.pem", "key.pem", "ledger.sqlite"])
    def test_a_lost_file_is_never_made_anew(self, tmp_path: Path, spec: create.OwnCaSpec, name: str) -> None:
        ca.converge(tmp_path, spec)
        (tmp_path / name).unlink()
        before = ca.snapshot(tmp_path)
        for write in (False, True):
            with pytest.raises(IssuerError, match=name + "; restore it from the backup"):
                ca.converge(tmp_path, spec, write=write)
        assert ca.snapshot(tmp_path) == before

    @pytest.mark.parametrize("name", ["ca.pem", "chain.pem", "key.pem", "ledger.sqlite"])
    @pytest.mark.parametrize("content", [b"", b"\0" * 100, b"-----BEGIN CERTIFICATE-----\nAAAA\n", b"x" * (5 << 20)])
    def test_a_damaged_file_is_an_error(
        self, tmp_path: Path, spec: create.OwnCaSpec, name: str, content: bytes
    ) -> None:
        ca.converge(tmp_path, spec)
        (tmp_path / name).write_bytes(content)
        before = ca.snapshot(tmp_path)
        with pytest.raises(Error):
            ca.converge(tmp_path, spec)
        with pytest.raises((IssuerError, PassphraseError)):
            if name == "ca.pem":
                raise IssuerError("not needed for issuing")
            issue.issue(ca.authority(tmp_path), ca.csr(ca.key()), ca.order(), ca.NOW)
        assert ca.snapshot(tmp_path) == before

    def test_the_key_of_another_ca_is_an_error(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        ca.converge(tmp_path / "a", spec)
        ca.converge(tmp_path / "b", spec)
        (tmp_path / "a/key.pem").write_bytes((tmp_path / "b/key.pem").read_bytes())
        with pytest.raises(IssuerError, match="is not the key of"):
            ca.converge(tmp_path / "a", spec)
        with pytest.raises(IssuerError, match="is not the key of"):
            ca.authority(tmp_path / "a")

    def test_expired(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        made = ca.converge(tmp_path, spec)
        end = certificate.not_after(made.certificates[0])
        before = ca.snapshot(tmp_path)
        with pytest.raises(IssuerError, match=r"has expired: .* ended on .*Create a new CA"):
            ca.converge(tmp_path, spec, at=end)
        with pytest.raises(IssuerError, match="has expired"):
            ca.authority(tmp_path, end)
        with pytest.raises(IssuerError, match=r"not valid yet.*clock"):
            ca.authority(tmp_path, ca.NOW - timedelta(hours=2))
        assert ca.snapshot(tmp_path) == before

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"subject": (("CN", "Other"),)}, "subject: .*has O=Acme Inc, CN=Corp Client CA, but CN=Other is stated"),
            ({"key": KeyKind("ECC", curve="secp521r1")}, "key: .*has ECC secp384r1, but ECC secp521r1"),
            ({"validity": timedelta(days=3651)}, "validity: .*has 3650d, but 3651d"),
        ],
    )
    def test_another_description_needs_a_roll_over(
        self, tmp_path: Path, spec: create.OwnCaSpec, changes: Any, message: str
    ) -> None:
        ca.converge(tmp_path, spec)
        before = ca.snapshot(tmp_path)
        for write in (False, True):
            with pytest.raises(InputError, match=message) as caught:
                ca.converge(tmp_path, replace(spec, "root", **changes), "new", ca.PASSPHRASE, write=write)
            assert "roll over" in str(caught.value)
        assert ca.snapshot(tmp_path) == before

    @pytest.mark.parametrize("before_call", [True, False])
    def test_killed_anywhere_the_next_run_completes_it(
        self, tmp_path: Path, spec: create.OwnCaSpec, before_call: bool
    ) -> None:
        """Dies at the first, second, ... call that touches the disk, until a run needs no more of them."""
        for step in range(1, 500):
            directory = tmp_path / str(step)
            if killed_at(step, before_call, directory, spec) == 0:
                break
            predicted = ca.converge(directory, spec, write=False)
            kept = {
                path.name: path.read_bytes() for path in directory.glob("*key.pem") if not path.name.startswith(".")
            }
            healed = ca.converge(directory, spec, at=ca.NOW + timedelta(days=2))
            assert ca.reasons(healed) == ca.reasons(predicted)
            assert sorted(os.listdir(directory)) == names(spec)
            assert all((directory / name).read_bytes() == content for name, content in kept.items())
            later = ca.NOW + timedelta(days=2)
            issued = issue.issue(ca.authority(directory, later), ca.csr(ca.key()), ca.order(), later)
            assert tuple(issued[1:]) == healed.certificates
            assert ca.converge(directory, spec, at=later).differences == ()
        assert 30 < step < 499

    def test_parallel_creation_makes_one(self, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        directory = tmp_path / "a/b"

        def work(results: Any) -> None:
            outcome = ca.converge(directory, spec)
            found = [certificate.fingerprint(one) for one in outcome.certificates]
            results.put((bool(outcome.differences), found))

        results = FORK.SimpleQueue()
        workers = [FORK.Process(target=work, args=(results,)) for _ in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        found = [results.get() for _ in workers]
        assert sorted(changed for changed, _fingerprints in found) == [False] * 5 + [True]
        assert len({tuple(fingerprints) for _changed, fingerprints in found}) == 1


def killed_at(step: int, before_call: bool, directory: Path, spec: create.OwnCaSpec) -> int:
    """Run in a child that ends without any clean-up at the given call; its exit code (0: it was done before)."""

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
        ca.converge(directory, spec)
        os._exit(0)

    worker = FORK.Process(target=child)
    worker.start()
    worker.join()
    assert worker.exitcode is not None
    return worker.exitcode


class TestIntermediate:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"subject": (("CN", "Other"),)}, "intermediate.subject: .*roll over"),
            ({"key": ca.P384}, "intermediate.key: .*has ECC secp256r1, but ECC secp384r1 .*roll over"),
            ({"validity": timedelta(days=1)}, "intermediate.validity: .*has 1825d, but 1d .*roll over"),
        ],
    )
    def test_another_description_needs_a_roll_over(self, tmp_path: Path, changes: Any, message: str) -> None:
        ca.converge(tmp_path)
        with pytest.raises(InputError, match=message):
            ca.converge(tmp_path, replace(ca.TWO_TIERS, "intermediate", **changes))

    def test_it_cannot_be_added_or_dropped(self, tmp_path: Path) -> None:
        ca.converge(tmp_path / "two")
        with pytest.raises(InputError, match=r"intermediate: .*created with one.*roll over"):
            ca.converge(tmp_path / "two", ca.ROOT_ONLY)
        ca.converge(tmp_path / "one", ca.ROOT_ONLY)
        same_key = replace(ca.TWO_TIERS, "intermediate", key=ca.P384)
        before = ca.snapshot(tmp_path)
        with pytest.raises(InputError, match=r"intermediate: .*created without one.*roll over"):
            ca.converge(tmp_path / "one", same_key)
        assert ca.snapshot(tmp_path) == before

    def test_the_roots_key_may_be_taken_away(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        (tmp_path / "root-key.pem").unlink()
        assert ca.converge(tmp_path).differences == ()
        assert ca.reasons(ca.converge(tmp_path, passphrase="new", previous=ca.PASSPHRASE)) == {
            "key.pem": "key_passphrase_changed"
        }
        assert not (tmp_path / "root-key.pem").exists()

    def test_it_never_outlives_the_root(self, tmp_path: Path) -> None:
        spec = replace(ca.TWO_TIERS, "intermediate", validity=timedelta(days=9000))
        issuing, root = ca.converge(tmp_path, spec).certificates
        assert certificate.not_after(issuing) == certificate.not_after(root) == ca.NOW + timedelta(days=3650)
        assert ca.converge(tmp_path, spec).differences == ()

    def test_what_the_certificates_hold(self, tmp_path: Path) -> None:
        issuing, root = ca.converge(tmp_path).certificates
        for one, path_length in ((root, 1), (issuing, 0)):
            extensions = {extension.oid._name: extension for extension in one.extensions}
            assert set(extensions) == {
                "basicConstraints",
                "keyUsage",
                "subjectKeyIdentifier",
                "authorityKeyIdentifier",
            }
            constraints = extensions["basicConstraints"]
            assert constraints.critical
            assert (constraints.value.ca, constraints.value.path_length) == (True, path_length)
            usage = extensions["keyUsage"]
            assert usage.critical
            assert [flag for flag in FLAGS if getattr(usage.value, flag)] == ["key_cert_sign", "crl_sign"]
            above = extensions["authorityKeyIdentifier"].value.key_identifier
            root_identifier = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
            assert above == root_identifier
            assert 2**120 < one.serial_number < 2**159
        assert root.subject == root.issuer == issuing.issuer

    def test_the_root_alone_lets_no_ca_follow(self, tmp_path: Path) -> None:
        (root,) = ca.converge(tmp_path, ca.ROOT_ONLY).certificates
        assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


FLAGS = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


@pytest.mark.parametrize("kind", [ca.ED25519, KeyKind("RSA", size=2048), KeyKind("ECC", curve="secp521r1")])
def test_every_kind_of_key_signs(tmp_path: Path, kind: KeyKind) -> None:
    ca.converge(tmp_path, replace(ca.ROOT_ONLY, "root", key=kind))
    leaf, root = issue.issue(ca.authority(tmp_path), ca.csr(ca.key()), ca.order(), ca.NOW)
    assert private_key.kind_of(root.public_key()) == kind
    assert certificate.issuer(leaf) == certificate.subject(root)
    assert ca.converge(tmp_path, replace(ca.ROOT_ONLY, "root", key=kind)).differences == ()


@pytest.mark.parametrize(
    ("spec", "passphrase", "message"),
    [
        (ca.ROOT_ONLY, "", "passphrase: must not be empty"),
        (replace(ca.ROOT_ONLY, "root", subject=()), "p", "^subject: must name"),
        (replace(ca.TWO_TIERS, "intermediate", subject=()), "p", "^intermediate.subject: must name"),
        (replace(ca.TWO_TIERS, "intermediate", subject=ca.ROOT.subject), "p", "must differ from the root's"),
    ],
)
def test_bad_input(tmp_path: Path, spec: create.OwnCaSpec, passphrase: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ca.converge(tmp_path / "ca", spec, passphrase)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    for write in (False, True):
        with pytest.raises(InputError, match=r"directory: .* other things .*notes.txt"):
            ca.converge(tmp_path, write=write)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_an_unfinished_ca_of_the_other_layout_is_refused(tmp_path: Path) -> None:
    key = ca.key(ca.P384)
    (tmp_path / "root-key.pem").write_bytes(private_key.dump(key, "pkcs8", ca.PASSPHRASE))
    with pytest.raises(InputError, match="unfinished own CA with an intermediate"):
        ca.converge(tmp_path, ca.ROOT_ONLY)


def test_a_link_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    ca.converge(tmp_path / "a")
    real = tmp_path / "elsewhere"
    (tmp_path / "a/ca.pem").rename(real)
    (tmp_path / "a/ca.pem").symlink_to(real)
    with pytest.raises(IssuerError, match="not a regular file"):
        ca.converge(tmp_path / "a")


def test_a_linked_directory_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    ca.converge(tmp_path / "link")
    assert (tmp_path / "real/ca.pem").exists()
    assert ca.authority(tmp_path / "link").issuing
    assert ca.converge(tmp_path / "link").differences == ()


class TestRevocationList:
    def test_it_is_made_anew_when_half_its_time_is_over(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        soon, due = ca.NOW + timedelta(days=14), ca.NOW + timedelta(days=15)
        assert ca.converge(tmp_path, at=soon).differences == ()
        assert ca.reasons(ca.converge(tmp_path, at=due, write=False)) == {"crl.pem": "crl_due"}
        assert ca.reasons(ca.converge(tmp_path, at=due)) == {"crl.pem": "crl_due"}
        assert ca.converge(tmp_path, at=due).differences == ()

    def test_it_is_made_anew_when_its_validity_is_another(self, tmp_path: Path) -> None:
        ca.converge(tmp_path)
        spec = dataclasses.replace(ca.TWO_TIERS, crl_validity=timedelta(days=7))
        assert ca.reasons(ca.converge(tmp_path, spec, write=False)) == {"crl.pem": "crl_due"}
        assert ca.reasons(ca.converge(tmp_path, spec)) == {"crl.pem": "crl_due"}
        assert ca.converge(tmp_path, spec).differences == ()

    @pytest.mark.parametrize("damage", ["missing", "garbage", "another CA's"])
    def test_it_is_made_anew_when_it_is_not_ours(self, tmp_path: Path, damage: str) -> None:
        ca.converge(tmp_path / "a")
        path = tmp_path / "a/crl.pem"
        if damage == "missing":
            path.unlink()
        elif damage == "garbage":
            path.write_bytes(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
        else:
            ca.converge(tmp_path / "b")
            path.write_bytes((tmp_path / "b/crl.pem").read_bytes())
        reason = "crl_missing" if damage == "missing" else "crl_content_changed"
        assert ca.reasons(ca.converge(tmp_path / "a")) == {"crl.pem": reason}
        assert ca.converge(tmp_path / "a").differences == ()


class TestOptions:
    def options(self, **changes: Any) -> Any:
        defaults = {name: option.get("default") for name, option in argument_spec().items()}
        return {**defaults, "directory": "/ca", "passphrase": "p", "subject": {"CN": "A"}, **changes}

    def test_defaults(self) -> None:
        spec = own_ca(self.options(intermediate={"subject": {"CN": "B"}, "validity": "1825d"}))
        assert spec.root == AuthoritySpec((("CN", "A"),), ca.P384, timedelta(days=3650))
        assert spec.intermediate == AuthoritySpec((("CN", "B"),), ca.P384, timedelta(days=1825))
        assert spec.crl_validity == timedelta(days=30)

    def test_the_intermediates_key_is_of_the_roots_kind_unless_stated(self) -> None:
        below = {"subject": {"CN": "B"}, "validity": "1825d"}
        key = {"type": "RSA", "size": 3072, "curve": None}
        spec = own_ca(self.options(key=key, intermediate=below))
        assert spec.intermediate is not None
        assert spec.intermediate.key == spec.root.key == KeyKind("RSA", size=3072)
        spec = own_ca(self.options(key=key, intermediate={**below, "key": {"type": "Ed25519"}}))
        assert spec.intermediate is not None
        assert spec.intermediate.key == KeyKind("Ed25519")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"passphrase": 12345}, "^passphrase must be text, not a number; quote it"),
            ({"passphrase": True}, "^passphrase must be text, not true or false"),
            ({"passphrase": ["p"]}, "^passphrase must be text, not a list"),
            ({"passphrase": ""}, "^passphrase is empty"),
            ({"passphrase": "two\nlines"}, "^passphrase holds a line end"),
            ({"passphrase": "bell\a"}, "^passphrase holds a line end or another control character"),
            ({"passphrase": "half\ud800"}, "^passphrase holds half of a surrogate pair"),
            ({"passphrase": "\u00e9" * 512}, "^passphrase is longer than 1023 bytes"),
            ({"previous_passphrase": 7}, "^previous_passphrase must be text, not a number"),
            ({"previous_passphrase": ""}, "^previous_passphrase is empty"),
            ({"validity": "10"}, "^validity: "),
            ({"crl_validity": "never"}, "^crl_validity: "),
            ({"subject": {"CN": ""}}, "^subject: "),
            ({"subject": "CN=x"}, "^subject: "),
            ({"key": {"type": "RSA", "size": 1024}}, "^key.size: RSA keys have 2048 to 8192 bits"),
            ({"key": {"type": "RSA", "curve": "secp256r1"}}, "^key.curve: only ECC"),
            ({"key": {"type": "ECC", "size": 256}}, "^key.size: only RSA"),
            ({"key": {"type": "ECC", "curve": "secp192r1"}}, "^key.curve: must be one of"),
            ({"intermediate": {"subject": {"XX": "y"}, "validity": "1d"}}, "^intermediate.subject: "),
            ({"intermediate": {"subject": {"CN": "y"}, "validity": "x"}}, "^intermediate.validity: "),
            (
                {"intermediate": {"subject": {"CN": "y"}, "validity": "1d", "key": {"type": "RSA", "size": 1}}},
                "^intermediate.key.size: ",
            ),
        ],
    )
    def test_a_bad_option_is_named(self, changes: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            own_ca(self.options(**changes))


def test_an_enormous_file_is_not_read(tmp_path: Path) -> None:
    ca.converge(tmp_path)
    with (tmp_path / "ca.pem").open("r+b") as file:
        file.truncate(1 << 40)
    with pytest.raises(FormatError, match="larger than"):
        ca.converge(tmp_path)
