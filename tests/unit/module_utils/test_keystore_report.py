# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about a store."""

from __future__ import annotations

import json

from ansible_collections.mutual.tls.plugins.module_utils import pkcs12
from ansible_collections.mutual.tls.plugins.module_utils.keystore_report import report
from ansible_collections.mutual.tls.plugins.module_utils.store import Store, TrustedEntry
from tests.keystores import DATA, orders, trusted


def test_keys_and_trusted_certificates() -> None:
    key, certificate = report(Store((orders(), trusted()), "modern"))
    assert (key["friendly_name"], key["type"], key["chain_length"], key["visible_to_java"]) == (
        "orders",
        "key",
        3,
        True,
    )
    assert [one["subject"] for one in key["certificates"]] == ["CN=orders", "CN=Test issuing CA", "CN=Test root"]
    assert (certificate["type"], certificate["chain_length"], len(certificate["certificates"])) == ("trusted", 0, 1)
    assert "private" not in json.dumps([key, certificate])


def test_what_java_overlooks_is_told() -> None:
    store = pkcs12.decode((DATA / "openssl-certificate-only.p12").read_bytes(), "changeit")
    (found,) = report(store)
    assert (found["friendly_name"], found["visible_to_java"]) == ("", False)


def test_a_certificate_that_cannot_be_read_has_a_fingerprint() -> None:
    (found,) = report(Store((TrustedEntry("x", b"noise"),), "jks"))
    assert [set(one) for one in found["certificates"]] == [{"fingerprint_sha256"}]
