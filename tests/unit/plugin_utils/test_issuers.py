# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Issuers are found by their type, and the own CA answers at once."""

from __future__ import annotations

import importlib.util
import pickle
import shutil
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError, IssuerError, PassphraseError
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import StateDirectory, open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils import issuers
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers import selector
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import Issued, Issuer, IssuerRequest
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.ownca import OwnCa
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

KEY = ca.key()


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    state = open_state_directory(str(tmp_path / "mtls"), create=True)
    ca.converge(Path(state.ownca("corp")), at=datetime.now(timezone.utc))
    return state


def asked(**more: Any) -> IssuerRequest:
    fingerprint = private_key.public_fingerprint(KEY.public_key())
    return IssuerRequest("web1", "orders", request.build(KEY, ca.SPEC), ca.SPEC, fingerprint, **more)


def lifetime(answer: object) -> timedelta:
    assert isinstance(answer, Issued)
    return certificate.not_after(answer.chain[0]) - datetime.now(timezone.utc)


def test_the_own_ca_issues(state: StateDirectory) -> None:
    issuer = selector.configure("corp", {"type": "ownca", "passphrase": ca.PASSPHRASE}, state)
    assert issuer.exists()
    assert issuer.predict("web1", "orders") == "issued"
    answer = issuer.issue(asked())
    assert isinstance(answer, Issued)
    assert list(answer.chain[1:]) == issuer.certificates()
    assert issuer.issue(asked()) == answer
    other = issuer.issue(asked(in_use=answer.chain[0]))
    assert isinstance(other, Issued)
    assert other != answer


@pytest.mark.parametrize(
    ("options", "validity", "days"),
    [({}, None, 90), ({"validity": "30d"}, None, 30), ({"validity": "30d"}, timedelta(days=7), 7)],
)
def test_validity(state: StateDirectory, options: Any, validity: Any, days: int) -> None:
    issuer = selector.configure("corp", {"type": "ownca", "passphrase": ca.PASSPHRASE, **options}, state)
    found = lifetime(issuer.issue(asked(validity=validity)))
    assert timedelta(days=days, minutes=-5) < found <= timedelta(days=days)


@pytest.mark.parametrize("validity", [None, timedelta(days=7), timedelta(days=3000)])
def test_it_tells_when_a_certificate_would_end(state: StateDirectory, validity: Any) -> None:
    """To the second, without the key: a wrong passphrase does not matter here."""
    options = {"type": "ownca", "passphrase": ca.PASSPHRASE, "validity": "30d"}
    at = datetime.now(timezone.utc)
    before = selector.configure("corp", {**options, "passphrase": "wr0ng"}, state).ends(validity, at)
    answer = selector.configure("corp", options, state).issue(asked(validity=validity))
    assert isinstance(answer, Issued)
    ended = certificate.not_after(answer.chain[0])
    assert before is not None
    assert before <= ended <= before + timedelta(seconds=30)
    if validity == timedelta(days=3000):
        assert before == ended == certificate.not_after(answer.chain[1])


def test_only_asking_tells_when_it_would_end_by_default(state: StateDirectory, tmp_path: Path) -> None:
    class Other(OwnCa):
        ends = Issuer.ends

    options = {"type": "ownca", "passphrase": "p"}
    now = datetime.now(timezone.utc)
    assert Other.configure("corp", options, state).ends(None, now) is None
    missing = StateDirectory(str(tmp_path / "none"), exists=False)
    assert selector.configure("corp", options, missing).ends(None, now) is None


def test_another_directory(state: StateDirectory, tmp_path: Path) -> None:
    ca.converge(tmp_path / "pki", ca.ROOT_ONLY, at=datetime.now(timezone.utc))
    options = {"type": "ownca", "passphrase": ca.PASSPHRASE, "directory": str(tmp_path / "pki")}
    answer = selector.configure("corp", options, state).issue(asked())
    assert isinstance(answer, Issued)
    assert len(answer.chain) == 2


def test_a_ca_that_is_yet_to_be_created(tmp_path: Path) -> None:
    """Check mode on a fresh controller: the task that creates the CA has only predicted it."""
    state = StateDirectory(str(tmp_path / "mtls"), exists=False)
    issuer = selector.configure("corp", {"type": "ownca", "passphrase": "p"}, state)
    assert not issuer.exists()
    assert issuer.predict("web1", "orders") == "issued"
    for call in (issuer.certificates, lambda: issuer.issue(asked())):
        with pytest.raises(IssuerError, match=r"mutual\.tls\.ownca"):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_passphrase(state: StateDirectory) -> None:
    issuer = selector.configure("corp", {"type": "ownca", "passphrase": "wr0ng"}, state)
    for call in (lambda: issuer.predict("web1", "orders"), lambda: issuer.issue(asked())):
        with pytest.raises(PassphraseError, match=r"key\.pem") as caught:
            call()
        assert "wr0ng" not in str(caught.value)
    assert issuer.certificates()


def test_it_may_cross_a_process_and_does_not_show_its_passphrase(state: StateDirectory) -> None:
    issuer = selector.configure("corp", {"type": "ownca", "passphrase": "s3cret"}, state)
    assert "s3cret" not in repr(issuer)
    assert pickle.loads(pickle.dumps(issuer)) == issuer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "issuer corp: type is missing; valid types are .*ownca"),
        ({"type": "easyrsa"}, "issuer corp: unknown type 'easyrsa'; valid types are .*ownca"),
        ({"type": ["ownca"]}, r"unknown type \['ownca'\]"),
        ("ownca", "issuer corp: must be a map"),
        ({"type": "ownca"}, "issuer corp: option passphrase is missing"),
        ({"type": "ownca", "passphrase": None}, "issuer corp: option passphrase is missing"),
        ({"type": "ownca", "passphrase": ""}, "issuer corp: passphrase is empty"),
        ({"type": "ownca", "passphrase": 12345}, "issuer corp: passphrase must be text, not a number; quote it"),
        ({"type": "ownca", "passphrase": "a\n"}, "issuer corp: passphrase holds a line end"),
        ({"type": "ownca", "passphrase": "x" * 1024}, "issuer corp: passphrase is longer than 1023 bytes"),
        ({"type": "ownca", "passphrase": "p", "dir": "/"}, "unknown option 'dir'; valid options are type, .*directory"),
        ({"type": "ownca", "passphrase": "p", "directory": "pki"}, "issuer corp: directory: "),
        ({"type": "ownca", "passphrase": "p", "validity": "1y"}, "issuer corp: validity: '1y'"),
        ({"type": "ownca", "passphrase": "p", "crl_distribution_points": ["ftp://x"]}, "crl_distribution_points: "),
        ({"type": "ownca", "passphrase": "p", "crl_distribution_points": [1]}, "crl_distribution_points: "),
    ],
)
def test_bad_options(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        selector.configure("corp", options, StateDirectory(str(tmp_path), exists=True))


def test_every_type_is_known_to_whoever_resolves_paths() -> None:
    assert set(selector.PATH_OPTIONS) == set(selector.TYPES)
    assert selector.PATH_OPTIONS["ownca"] == ("directory",)


NEW_ISSUER = """
from __future__ import annotations
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.ownca import OwnCa
class Another(OwnCa):
    type = "another"
    path_options = ("directory", "program")
ISSUER = Another
"""


def test_a_new_issuer_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One directory: ansible-core's own loader, which another test may have put in charge, takes no second one.
    directory = tmp_path / "issuers"
    shutil.copytree(Path(selector.__file__).parent, directory, ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "another.py").write_text(NEW_ISSUER, encoding="utf-8")
    monkeypatch.setattr(issuers, "__path__", [str(directory)])
    monkeypatch.delitem(sys.modules, issuers.__name__ + ".another", raising=False)
    # A second copy of the selector: what the tests' process uses stays as it is.
    spec = importlib.util.spec_from_file_location(issuers.__name__ + ".selector", selector.__file__)
    assert spec is not None and spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    assert set(fresh.TYPES) == {*selector.TYPES, "another"}
    assert fresh.PATH_OPTIONS == {**selector.PATH_OPTIONS, "another": ("directory", "program")}
    options = {"type": "another", "passphrase": "p"}
    found = fresh.configure("x", options, StateDirectory(str(tmp_path), exists=True))
    assert type(found).__name__ == "Another"
