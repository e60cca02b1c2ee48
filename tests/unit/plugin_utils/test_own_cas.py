# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host lists of own CAs loses its secrets, and each CA gets one host that takes care of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import pytest
import yaml

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.module_utils.ownca.options import argument_spec, rollover_spec
from ansible_collections.mutual.tls.plugins.plugin_utils.own_cas import descriptions, keepers

CORP = {"name": "corp", "passphrase": "p4ss", "previous_passphrase": "0ld", "subject": {"CN": "A"}}


def described(*items: Any, issuers: Any = None) -> List[Dict[str, Any]]:
    return descriptions(list(items), issuers or {}, "mtls", "/inventory")


def test_what_is_said_of_a_ca_without_its_secrets() -> None:
    wanted = {"name": "corp", "subject": {"CN": "A"}, "directory": "/inventory/mtls/ownca/corp", "validity": "9d"}
    assert described({**CORP, "validity": "9d", "key": None}) == [wanted]


@pytest.mark.parametrize(
    ("own", "issuer", "directory"),
    [
        (None, None, "/inventory/mtls/ownca/corp"),
        (None, "pki/../x", "/inventory/x"),
        ("own", "pki", "/inventory/own"),
        ("/srv/ca/", None, "/srv/ca"),
    ],
)
def test_its_directory(own: Any, issuer: Any, directory: str) -> None:
    issuers = {"corp": {"type": "ownca", "passphrase": "p", "directory": issuer}}
    (found,) = described({"name": "corp", "subject": {"CN": "A"}, "directory": own}, issuers=issuers)
    assert found["directory"] == directory


@pytest.mark.parametrize(
    ("item", "issuers", "message"),
    [
        ("corp", {}, r"^mtls_ownca_authorities\[0\] must be a map"),
        ({"subject": {"CN": "A"}, "passphrase": "p"}, {}, r"\[0\].name: missing"),
        ({**CORP, "passphrse": "p"}, {}, r"\[0\].passphrse' is not known; did you mean 'passphrase'"),
        ({**CORP, "passphrase": 123}, {}, r"\[0\].passphrase must be text, not a number"),
        ({**CORP, "previous_passphrase": "\n"}, {}, r"\[0\].previous_passphrase holds a line end"),
        ({**CORP, "passphrase": None}, {}, r"\[0\].passphrase: missing"),
        ({**CORP, "passphrase": None}, {"corp": {"passphrase": 123}}, r"mtls_issuers.corp.passphrase must be text"),
        ({**CORP, "passphrase": None}, {"corp": "p4ss"}, r"mtls_issuers.corp must be a map"),
    ],
)
def test_bad_input_is_named_and_not_shown(item: Any, issuers: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        described(item, issuers=issuers)
    assert "p4ss" not in str(caught.value)


def test_the_first_host_that_lists_a_ca_keeps_it() -> None:
    corp, other, third = described(CORP, {**CORP, "name": "other"}, {**CORP, "name": "third"})
    assert keepers({"a": [], "b": [corp, other], "c": [third, corp]}) == {"b": [corp, other], "c": [third]}
    assert keepers({}) == {}


def test_one_name_in_two_directories_is_two_cas() -> None:
    here, there = described({**CORP, "directory": "/here"}, {**CORP, "directory": "/there"})
    assert keepers({"a": [here], "b": [there]}) == {"a": [here], "b": [there]}


@pytest.mark.parametrize("change", [{"subject": {"CN": "B"}}, {"validity": "9d"}, {"name": "x"}])
def test_hosts_that_contradict_each_other_are_named(change: Any) -> None:
    one, other = described({**CORP, "directory": "/ca"}, {**CORP, "directory": "/ca", **change})
    (option,) = change
    message = rf"own CA in /ca is described in different ways \({option}\) for the hosts a and c"
    with pytest.raises(InputError, match=message):
        keepers({"a": [one], "b": [one], "c": [other]})


def test_the_role_documents_the_modules_options(repository: Path) -> None:
    text = (repository / "roles/mtls_ownca/meta/argument_specs.yml").read_text(encoding="utf-8")
    role = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    documented = role["mtls_ownca_authorities"]["options"]
    assert set(documented) == {"name", *argument_spec()} - {"state_directory"}
    assert all(documented[key]["no_log"] for key in documented if "passphrase" in key)
    tasks = yaml.safe_load((repository / "roles/mtls_ownca/tasks/main.yml").read_text(encoding="utf-8"))
    assert set(tasks[-1]["mutual.tls.ownca"]) == {*argument_spec(), *rollover_spec()}
