# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Providers' profiles: the built-in ones, one file each, and the user's extensions of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.plugin_utils.intent import Intent
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.providers import selector

# Whatever one provider demands, in one subject.
SUBJECT = {"CN": "ops@acme.example", "O": "Acme"}


def read(provider: str, custom: Any = None, **options: Any) -> Intent:
    item: Dict[str, Any] = {
        "name": "x",
        "issuer": "i",
        "provider": provider,
        "subject": SUBJECT,
        "passphrase": "p",
        **options,
    }
    return read_inventory({"credentials": [item], "issuers": {"i": {}}, "providers": custom or {}}).credentials[0]


def test_each_file_is_a_profile() -> None:
    directory = Path(str(selector.__file__)).parent
    files = {path.stem for path in directory.glob("*.py")} - {"__init__", "base", "selector"}
    assert set(selector.built_in()) == files == {"generic", "vibes", "symphony", "caf", "one_network"}


@pytest.mark.parametrize("name", sorted(selector.built_in()))
def test_each_profile_accepts_what_it_presets(name: str) -> None:
    intent = read(name)
    assert intent.host.provider == name
    assert intent.profile.description
    assert intent.host.key.kind.size == (4096 if name == "symphony" else 2048)


def test_symphony_stores_are_pkcs12() -> None:
    store = read("symphony", keystores=[{"file": "bot.p12"}]).host.keystores[0]
    assert (store.format, store.encryption) == ("pkcs12", "modern")


def test_one_network_stores_are_jks_and_hold_the_own_chain() -> None:
    host = read(
        "one_network", keystores=[{"file": "a.jks", "key_passphrase": "p"}], truststores=[{"file": "t.jks"}]
    ).host
    assert host.keystores[0].format == "jks"
    assert (host.truststores[0].format, host.truststores[0].own_chain) == ("jks", True)


def test_an_item_overrides_its_preset() -> None:
    host = read("one_network", truststores=[{"file": "t.jks", "own_chain": False, "authorities": ["system"]}]).host
    assert host.truststores[0].own_chain is False


def test_symphony_accepts_2048_bits_where_asked_for() -> None:
    assert read("symphony", key={"size": 2048}).host.key.kind == KeyKind("RSA", 2048)


def test_an_extension_has_more_data_and_presets_and_keeps_the_rules() -> None:
    custom = {
        "uat": {
            "extends": "symphony",
            "data": {"base_url": "https://uat.api.example", "port": 443},
            "defaults": {"key": {"size": 3072}, "labels": {"stage": "uat"}},
        }
    }
    intent = read("uat", custom)
    assert intent.host.provider == "uat"
    assert intent.host.key.kind == KeyKind("RSA", 3072)
    assert intent.labels == {"stage": "uat"}
    assert intent.profile.data["port"] == 443
    assert intent.profile.data["session_path"] == "/sessionauth/v1/authenticate"
    with pytest.raises(InputError, match="provider 'uat' accepts RSA"):
        read("uat", custom, key={"type": "Ed25519"})
    assert selector.built_in()["symphony"].data["port"] == 8444


def test_without_extends_the_name_decides() -> None:
    custom = {"vibes": {"data": {"base_url": "https://a.example"}}, "mine": {"data": {"x": 1}}}
    assert read("vibes", custom).profile.required_subject == ("CN", "O")
    assert read("vibes", custom).profile.data == {"base_url": "https://a.example"}
    assert read("mine", custom).profile.required_subject == ()


def test_vibes_wants_an_address_with_two_sides() -> None:
    for name in ("ops", "@", "ops@", "@acme"):
        with pytest.raises(InputError, match="e-mail"):
            read("vibes", subject={"CN": name, "O": "Acme"})
