# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What on a host stands against the next phase of an own CA's roll-over, and what does not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError, ReplyError
from ansible_collections.mutual.tls.plugins.module_utils.ownca import members
from ansible_collections.mutual.tls.plugins.plugin_utils import ca_proof
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

OLD, NEW, OTHER, LEAF = "a" * 64, "b" * 64, "c" * 64, "d" * 64
OLD_KEY, NEW_KEY = "01" * 20, "02" * 20
REISSUE = ca_proof.Step("reissue", OLD, NEW, OLD_KEY)
RETIRE = ca_proof.Step("retire", OLD, NEW, OLD_KEY)


def described(**changes: Any) -> Dict[str, Any]:
    """A credential as credential_info tells of it, with a certificate of the new CA and a trust.pem."""
    files: Dict[str, Any] = {
        "certificate.pem": [LEAF],
        "chain.pem": [OTHER, OLD],
        "client.pem": [LEAF, OTHER],
        "key.pem": [],
        "client.jks": None,
        "trust.pem": [OLD, NEW],
    }
    files.update(changes.pop("files", {}))
    return {
        "name": "orders",
        "generation": 2,
        "certificate": {"fingerprint_sha256": LEAF, "not_after": "2027-02-19T12:00:00Z"},
        "authority_key_identifier": NEW_KEY,
        "reload_pending": False,
        "switch_unconfirmed": False,
        "files": [{"name": name, "certificates": held} for name, held in files.items() if held is not ...],
        **changes,
    }


def checked(state: str = "active", reasons: Any = (), name: str = "orders") -> Dict[str, Any]:
    return {"credentials": [{"name": name, "state": state, "reasons": list(reasons)}]}


def against(about: ca_proof.Step, found: List[Dict[str, Any]], result: Any = None) -> List[str]:
    return ca_proof.objections(about, checked() if result is None else result, ca_proof.read_held(found))


@pytest.mark.parametrize("about", [REISSUE, RETIRE], ids=["reissue", "retire"])
class TestBoth:
    def test_a_host_that_is_ready(self, about: ca_proof.Step) -> None:
        assert against(about, [described()]) == []
        assert against(about, [], checked()) == []
        assert against(about, [], {"credentials": []}) == []

    @pytest.mark.parametrize("reason", ["certificate_due", "mode_changed", "unexpected_file", "generation_surplus"])
    def test_what_does_not_matter(self, about: ca_proof.Step, reason: str) -> None:
        assert against(about, [described()], checked(reasons=[reason])) == []

    @pytest.mark.parametrize("state", ["active", "pending"])
    @pytest.mark.parametrize(
        "reason", ["truststore_content_changed", "store_alias_changed", "reload_pending", "link_changed"]
    )
    def test_what_a_run_would_mend(self, about: ca_proof.Step, reason: str, state: str) -> None:
        (text,) = against(about, [described()], checked(state, [reason, "certificate_due"]))
        assert text == f"orders is not as it should be ({reason}); run mutual.tls.provision"

    @pytest.mark.parametrize("journal", ["reload_pending", "switch_unconfirmed"])
    def test_what_nobody_was_told_of(self, about: ca_proof.Step, journal: str) -> None:
        (text,) = against(about, [described(**{journal: True})])
        assert "those who use it were not told yet" in text

    def test_a_truststore_without_the_new_root(self, about: ca_proof.Step) -> None:
        (text,) = against(about, [described(files={"trust.pem": [OTHER, OLD]})])
        assert text == "orders has a trust.pem without the new root; run mutual.tls.provision"

    @pytest.mark.parametrize("held", [[], [OTHER], [NEW], [OTHER, NEW]])
    def test_a_truststore_that_never_had_the_old_root(self, about: ca_proof.Step, held: List[str]) -> None:
        assert against(about, [described(files={"trust.pem": held})]) == []

    def test_a_store_with_its_own_chain(self, about: ca_proof.Step) -> None:
        """The old root stands there as the end of the chain, until the certificate is another one."""
        assert against(about, [described(files={"own.pem": [OTHER, LEAF, OLD]})]) == []

    @pytest.mark.parametrize(("state", "why"), [("held", "is held"), ("gone", "is not in the inventory")])
    def test_a_closed_store_that_no_check_looks_into(self, about: ca_proof.Step, state: str, why: str) -> None:
        result = {"credentials": []} if state == "gone" else checked(state)
        (text,) = against(about, [described()], result)
        assert why in text and "its client.jks cannot be looked into" in text
        assert against(about, [described(files={"client.jks": ...})], result) == []

    def test_an_unreadable_certificate(self, about: ca_proof.Step) -> None:
        (text,) = against(about, [described(certificate=None, authority_key_identifier=None)])
        assert "has no certificate that can be read" in text

    def test_a_certificate_of_an_issuer_that_names_no_key(self, about: ca_proof.Step) -> None:
        assert against(about, [described(authority_key_identifier=None)]) == []

    def test_what_is_not_in_use_yet(self, about: ca_proof.Step) -> None:
        waiting = described(
            generation=None, certificate=None, authority_key_identifier=None, files={"trust.pem": [OLD]}
        )
        assert against(about, [waiting], checked("pending")) == []

    def test_a_name_that_is_none(self, about: ca_proof.Step) -> None:
        (text,) = against(about, [described(name="\x1b[31m", reload_pending=True, files={"client.jks": ...})])
        assert "\x1b" not in text


def test_a_certificate_of_the_old_ca_binds_only_what_would_end_it() -> None:
    found = [described(authority_key_identifier=OLD_KEY)]
    assert against(REISSUE, found) == []
    (text,) = against(RETIRE, found)
    assert text == "orders has a certificate of the old CA, which ends 2027-02-19T12:00:00Z; run mutual.tls.rotate"
    (text,) = against(RETIRE, [described(authority_key_identifier=OLD_KEY, files={"client.jks": ...})], checked("held"))
    assert "has a certificate of the old CA" in text


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ((), None),
        ((), {}),
        ((0,), "orders"),
        ((0, "name"), None),
        ((0, "certificate"), "x"),
        ((0, "certificate", "fingerprint_sha256"), 7),
        ((0, "authority_key_identifier"), 1),
        ((0, "reload_pending"), "no"),
        ((0, "files"), None),
        ((0, "files", 0), 1),
        ((0, "files", 0, "name"), 1),
        ((0, "files", 0, "certificates"), "a"),
        ((0, "files", 0, "certificates", 0), 1),
    ],
)
def test_a_malformed_answer_is_refused(where: Any, value: Any) -> None:
    raw: Any = [copy.deepcopy(described())]
    assert ca_proof.read_held(raw)
    if not where:
        raw = value
    else:
        target = raw
        for key in where[:-1]:
            target = target[key]
        target[where[-1]] = value
    with pytest.raises(ReplyError, match="in a way that credential_info does not"):
        ca_proof.read_held(raw)


@pytest.mark.parametrize("missing", list(described()))
def test_an_incomplete_answer_is_refused(missing: str) -> None:
    raw = described()
    del raw[missing]
    with pytest.raises(ReplyError):
        ca_proof.read_held([raw])


def test_what_a_step_is_about(tmp_path: Path) -> None:
    ca.converge(tmp_path)
    with pytest.raises(InputError, match="the phase add comes first"):
        ca_proof.step(members.read_members(str(tmp_path)), "reissue")
    ca.roll(tmp_path, "add")
    old, new = members.read_members(str(tmp_path)).all
    assert ca_proof.step(members.read_members(str(tmp_path)), "reissue") == ca_proof.Step(
        "reissue",
        certificate.fingerprint(old.root),
        certificate.fingerprint(new.root),
        str(certificate.subject_key_identifier(old.issuing)),
    )


def test_copies_of_the_old_root_in_the_inventory(tmp_path: Path) -> None:
    ca.converge(tmp_path / "ca")
    ca.roll(tmp_path / "ca", "add")
    old, new = members.read_members(str(tmp_path / "ca")).all
    about = ca_proof.step(members.read_members(str(tmp_path / "ca")), "reissue")
    (tmp_path / "old.pem").write_bytes(certificate.to_pem([old.root]))
    stated: Any = {
        "copied": {"src": "old.pem"},
        "pasted": {"content": certificate.to_pem([old.root]).decode()},
        "both": {"content": certificate.to_pem([old.root, new.root]).decode()},
        "new": {"content": certificate.to_pem([new.root]).decode()},
        "named": {"issuer": "corp", "src": None},
        "lost": {"src": "nowhere.pem"},
        "no_map": "old.pem",
    }
    found = ca_proof.stale_authorities(about, stated, str(tmp_path), ca.NOW)
    assert [text.split(" ")[0] for text in found] == ["authorities.copied", "authorities.pasted"]
