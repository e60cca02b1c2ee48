# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries from a task's options: files and texts, chains, bundles, and what goes with a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    DiskError,
    FormatError,
    InputError,
    PassphraseError,
)
from ansible_collections.mutual.tls.plugins.module_utils.keystore_arguments import entry as entry_spec
from ansible_collections.mutual.tls.plugins.module_utils.keystore_entries import changes
from ansible_collections.mutual.tls.plugins.module_utils.store import KeyEntry, Store, TrustedEntry
from tests.keystores import key_entry, orders, people, trusted


def option(friendly_name: str, **given: Any) -> Dict[str, Any]:
    """An item of `entries` as Ansible hands it over: every option is there."""
    return {
        **{name: spec.get("default") for name, spec in entry_spec().items()},
        "friendly_name": friendly_name,
        **given,
    }


def pem(*names: str) -> str:
    return "".join(people()[name].pem.decode() for name in names)


def key_option(friendly_name: str = "orders", **given: Any) -> Dict[str, Any]:
    material = {"privatekey_content": people()["orders"].key_pem.decode(), "certificate_content": pem("orders")}
    return option(friendly_name, **{**material, **given})


@pytest.mark.parametrize(
    "given",
    [
        {"certificate_content": pem("orders"), "other_certificates_content": pem("root", "issuing")},
        {"certificate_content": pem("orders", "issuing", "root")},
        {"certificate_content": pem("root", "issuing", "orders")},
        {"certificate_content": pem("orders", "root"), "other_certificates_content": pem("other", "issuing", "root")},
    ],
)
def test_a_chain_is_put_in_order_and_strangers_are_left_out(given: Dict[str, Any]) -> None:
    assert changes([key_option(**given)], 7).present == (orders(created=7),)


def test_material_comes_from_files_too(tmp_path: Path) -> None:
    who = people()
    encrypted = who["orders"].key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    contents = {
        "key.pem": encrypted,
        "certificate.der": who["orders"].der,
        "issuing.pem": who["issuing"].pem,
        "root.der": who["root"].der,
    }
    paths = {name: str(tmp_path / name) for name in contents}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    given = option(
        "orders",
        privatekey_path=paths["key.pem"],
        privatekey_passphrase="x",
        certificate_path=paths["certificate.der"],
        other_certificates=[paths["root.der"], paths["issuing.pem"]],
    )
    assert changes([given], 0).present == (orders(),)
    with pytest.raises(PassphraseError, match=r"entry 'orders': privatekey: .*passphrase") as caught:
        changes([{**given, "privatekey_passphrase": "wrong one"}], 0)
    assert "wrong one" not in str(caught.value)


def test_a_bundle_is_numbered_and_a_single_certificate_is_not() -> None:
    found = changes([option("ca", certificate_content=pem("root", "other", "root"))], 5).present
    assert found == (trusted("ca-1", "root", 5), trusted("ca-2", "other", 5))
    assert changes([option("ca", certificate_content=pem("other", "other"))], 5).present == (trusted("ca", created=5),)


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ([key_option(certificate_content=pem("billing"))], InputError, "entry 'orders': .*public keys differ"),
        ([option("ca", certificate_content=pem("root"), other_certificates_content=pem("other"))], InputError,
         "entry 'ca': .*there is no key"),
        ([option("ca", certificate_content="nothing")], FormatError, "entry 'ca': certificate_content: .*no cert"),
        ([key_option(privatekey_content="nothing")], FormatError, "entry 'orders': privatekey: there is no PEM"),
        ([option("ca", certificate_path="/does/not/exist")], DiskError, "entry 'ca': certificate_path: .*/does/not"),
        ([key_option(other_certificates=["/does/not/exist"])], DiskError, r"other_certificates\[0\]: "),
        ([option("ca")], InputError, "entry 'ca': certificate_path or certificate_content is missing"),
        ([key_option(privatekey_path="/x")], InputError, "privatekey_path and privatekey_content exclude each other"),
        ([option("a", state="absent"), key_option("A")], InputError, "'A' is listed twice"),
        ([option("ca", certificate_content=pem("root", "other")), option("CA-1", certificate_content=pem("root"))],
         InputError, "'ca-1' and 'CA-1'"),
        ([option("", certificate_content=pem("root"))], InputError, "empty alias"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(options: List[Dict[str, Any]], error: type, complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        changes(options, 0)


def aliases(store: Store) -> List[str]:
    return sorted(entry.alias for entry in store.entries)


CURRENT = Store(
    (
        orders("Client"),
        key_entry("ca-3", people()["billing"]),
        trusted("ca"),
        trusted("CA-1"),
        trusted("ca-2"),
        trusted("ca-x"),
        trusted("caa-1"),
        trusted("other"),
    ),
    "other",
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["CA-1", "Client", "ca", "ca-2", "ca-3", "ca-x", "caa-1", "other"]),
        ([option("CLIENT", state="absent")], ["CA-1", "ca", "ca-2", "ca-3", "ca-x", "caa-1", "other"]),
        ([option("ca", state="absent")], ["Client", "ca-3", "ca-x", "caa-1", "other"]),
        ([option("ca-3", state="absent")], ["CA-1", "Client", "ca", "ca-2", "ca-x", "caa-1", "other"]),
        ([option("ca", certificate_content=pem("root"))], ["Client", "ca", "ca-3", "ca-x", "caa-1", "other"]),
        ([option("ca", certificate_content=pem("root", "other"))],
         ["Client", "ca-1", "ca-2", "ca-3", "ca-x", "caa-1", "other"]),
        ([option("ca", certificate_content=pem("root")), option("ca-2", certificate_content=pem("root"))],
         ["Client", "ca", "ca-2", "ca-3", "ca-x", "caa-1", "other"]),
        ([key_option("ca")], ["CA-1", "Client", "ca", "ca-2", "ca-3", "ca-x", "caa-1", "other"]),
        ([key_option("client")], ["CA-1", "ca", "ca-2", "ca-3", "ca-x", "caa-1", "client", "other"]),
    ],
)  # fmt: skip
def test_what_goes_and_what_stays(options: List[Dict[str, Any]], expected: List[str]) -> None:
    result = changes(options, 0).applied(CURRENT, "modern", exclusive=False)
    assert aliases(result) == expected
    assert result.encryption == "modern"
    # Once more changes nothing.
    assert aliases(changes(options, 0).applied(result, "modern", exclusive=False)) == expected


def test_exclusive_keeps_only_what_is_listed() -> None:
    result = changes([key_option("client")], 0).applied(CURRENT, "modern", exclusive=True)
    assert aliases(result) == ["client"]


def test_a_new_store_holds_what_is_listed() -> None:
    result = changes([key_option(), option("x", state="absent")], 0).applied(None, "jks", exclusive=False)
    assert [type(entry) for entry in result.entries] == [KeyEntry]
    assert not any(isinstance(entry, TrustedEntry) for entry in result.entries)
