# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire document: what the controller writes is what the host reads, and no more travels than the host needs."""

from __future__ import annotations

import json
from dataclasses import replace

from ansible_collections.mutual.tls.plugins.module_utils.document import Answer, Config, Document, parse
from ansible_collections.mutual.tls.plugins.plugin_utils import wire
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory

ISSUER_SECRET = "the CA's own passphrase"

ARGUMENTS = {
    "credentials": [
        {
            "name": "orders",
            "issuer": "corp",
            "subject": {"CN": "ops@acme.example", "OU": ["B", "A"]},
            "subject_alt_name": ["DNS:Orders.Acme.example", "IP:10.0.0.1"],
            "passphrase": 'q"uo\\te ü 😀',
            "previous_passphrase": "old",
            "key": {"encrypt": True, "rotate": False, "type": "ECC", "curve": "secp384r1"},
            "renew_before": "12h",
            "renew_jitter": "6h",
            "owner": "orders",
            "group": 17,
            "mode": "0640",
            "keep_generations": 3,
            "labels": {"team": "secret-team"},
            "authorities": ["partner", "system"],
            "keystores": [
                {"file": "a.p12", "format": "pkcs12", "encryption": "compatible", "exclusive": True},
                {
                    "file": "a.jks",
                    "format": "jks",
                    "key_passphrase": "inner",
                    "friendly_name": "Client",
                    "trusted": [{"friendly_name": "ca", "authority": "other"}],
                },
            ],
            "truststores": [{"file": "t.pem", "format": "pem", "own_chain": True, "mode": "0444"}],
            "links": [
                {"path": "/opt/a", "file": "a.jks", "force": True},
                {"path": "/opt/b", "file": "a.jks", "copy": True, "owner": "root"},
            ],
        },
        {"name": "gone", "state": "absent"},
        {"name": "held", "state": "held", "subject": {"CN": "x"}, "issuer": "corp"},
    ],
    "issuers": {"corp": {"type": "ownca", "passphrase": ISSUER_SECRET}},
    "authorities": {"partner": {}, "other": {}, "unused": {}},
}


def document() -> Document:
    intents = read_inventory(ARGUMENTS).credentials
    first = replace(
        intents[0].host,
        configs=(Config("curl.conf", 'pass = "ü\\"\n', intents[0].host.access),),
        answer=Answer("ab" * 32, (b"\x30\x00leaf", b"\x30\x00root")),
    )
    return Document(
        root="/etc/mtls",
        lock_timeout=5.0,
        names=tuple(intent.name for intent in intents),
        authorities={"partner": (b"\x30\x01",), "other": (b"\x30\x02", b"\x30\x03")},
        credentials=(first, *(intent.host for intent in intents[1:])),
    )


def test_the_host_reads_what_was_written() -> None:
    assert parse(wire.build(document())) == document()


def test_it_is_ascii_json_with_every_key_in_every_credential() -> None:
    text = wire.build(document())
    assert text.isascii()
    keys = {tuple(sorted(credential)) for credential in json.loads(text)["credentials"]}
    assert len(keys) == 1


def test_nothing_of_the_controller_travels() -> None:
    text = wire.build(document())
    assert ISSUER_SECRET not in text
    assert "secret-team" not in text
    assert "unused" not in text


def test_authorities_of_credentials_that_stay_behind_stay_behind() -> None:
    whole = document()
    part = replace(whole, credentials=whole.credentials[2:])
    assert json.loads(wire.build(part))["authorities"] == {}
    assert json.loads(wire.build(part))["names"] == ["orders", "gone", "held"]
