# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between stores, merging them, and what of them is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Tuple

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.mutual.tls.plugins.module_utils import der
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.module_utils.store import (
    Entry,
    KeyEntry,
    Store,
    TrustedEntry,
    check_aliases,
    describe,
    differences,
    merged,
)
from tests.keystores import key_entry, orders, people, trusted

HIDDEN = replace(trusted(), visible_to_java=False)
ANOTHER = replace(trusted(who="root"), visible_to_java=False)


def store(*entries: Entry, encryption: str = "modern") -> Store:
    return Store(entries, encryption)


def reasons(current: Store, desired: Store, exclusive: bool = False) -> List[str]:
    return [found.reason for found in differences("x.p12", current, desired, exclusive)]


def without_public_point(entry: KeyEntry) -> KeyEntry:
    """The same EC key as Java encodes it: SEC 1 without the optional public key."""
    fields = der.elements(der.read(entry.private_key, "x").content, "x")
    inner = der.elements(der.read(fields[2].content, "x").content, "x")
    short = der.sequence(*(der.encode(part.tag, part.content) for part in inner if part.tag != 0xA1))
    parts = [der.encode(part.tag, part.content) for part in fields[:2]]
    return replace(entry, private_key=der.sequence(*parts, der.octet_string(short)))


@pytest.mark.parametrize(
    ("current", "desired", "exclusive", "expected"),
    [
        (store(), store(), True, []),
        (store(orders(), trusted()), store(trusted(), orders()), True, []),
        (store(orders(created=5)), store(orders(created=9)), True, []),
        (store(orders("ORDERS")), store(orders("Orders")), True, []),
        (store(orders(), trusted()), store(orders()), False, []),
        (store(without_public_point(orders())), store(orders()), True, []),
        (store(orders(), trusted()), store(orders()), True, ["store_content_changed"]),
        (store(), store(orders()), False, ["store_content_changed"]),
        (store(orders()), store(key_entry("orders", people()["orders"])), False, ["store_content_changed"]),
        (store(orders()), store(key_entry("orders", people()["billing"])), False, ["store_content_changed"]),
        (store(orders()), store(trusted("orders")), False, ["store_content_changed"]),
        (store(trusted("orders")), store(orders()), False, ["store_content_changed"]),
        (store(trusted(who="root")), store(trusted()), False, ["store_content_changed"]),
        (store(HIDDEN), store(trusted()), False, ["store_content_changed"]),
        (store(trusted(), HIDDEN), store(trusted()), False, ["store_content_changed"]),
        (store(HIDDEN, HIDDEN, ANOTHER), store(ANOTHER, HIDDEN, HIDDEN), True, []),
        (store(HIDDEN, HIDDEN, ANOTHER), store(ANOTHER, ANOTHER, HIDDEN), True, ["store_content_changed"]),
        (store(orders("old")), store(orders("new")), False, ["store_alias_changed"]),
        (store(orders("old")), store(orders("new")), True, ["store_alias_changed", "store_content_changed"]),
        (store(orders("old")), store(orders("old"), orders("new")), True, ["store_content_changed"]),
        (store(encryption="compatible"), store(), False, ["store_encryption_changed"]),
        (store(orders("ORDERS"), encryption="jks"), store(orders("Orders"), encryption="jks"), False,
         ["store_alias_changed"]),
        (store(orders("orders"), encryption="jks"), store(orders("Orders"), encryption="jks"), False, []),
    ],
)  # fmt: skip
def test_reasons(current: Store, desired: Store, exclusive: bool, expected: List[str]) -> None:
    assert reasons(current, desired, exclusive) == expected


@pytest.mark.parametrize("exclusive", [True, False])
def test_what_is_merged_differs_no_more(exclusive: bool) -> None:
    current = store(orders("Orders", created=5), trusted("kept"), trusted("changed", "root"), encryption="other")
    desired = store(orders("orders", created=9), trusted("changed", created=9), trusted("new", created=9))
    result = merged(current, desired, exclusive)
    assert reasons(result, desired, exclusive) == []
    found = {entry.alias: entry for entry in result.entries}
    assert set(found) == {"orders", "changed", "new"} | (set() if exclusive else {"kept"})
    assert (found["orders"].created, found["changed"].created) == (5, 9)
    assert merged(None, desired, exclusive) == desired


def test_differences_show_aliases_dates_and_fingerprints() -> None:
    (found,) = differences("x.p12", store(orders("a")), store(trusted("a")), False)
    assert found.where == "x.p12"
    assert found.was.startswith("'a': private key with public key ")
    assert found.was.count("until 20") == 3
    assert found.wanted.startswith("'a': trusted certificate ")


def test_nothing_of_a_private_key_is_shown() -> None:
    key = serialization.load_der_private_key(orders().private_key, None)
    secret = "{0:x}".format(key.private_numbers().private_value)  # type: ignore[union-attr]
    shown = describe(orders()) + repr(orders()) + repr(differences("x", store(), store(orders()), True))
    assert secret not in shown and orders().private_key.hex() not in shown


@pytest.mark.parametrize(
    "entry",
    [KeyEntry("k", b"noise", (b"noise",)), KeyEntry("k", b"", ()), TrustedEntry("t", b"noise")],
)
def test_what_cannot_be_read_can_still_be_shown_and_compared(entry: Any) -> None:
    assert "un" in describe(entry)
    assert reasons(store(entry), store(entry), True) == []
    assert reasons(store(entry), store(orders(entry.alias)), True) == ["store_content_changed"]


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ((trusted("a"), orders("A")), "'a' and 'A'"),
        ((trusted("a"), trusted("b"), trusted("a")), "'a' and 'a'"),
        ((orders(""),), "empty alias"),
    ],
)
def test_colliding_aliases(entries: Tuple[Entry, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        check_aliases(entries)


def test_certificates_that_java_does_not_see_may_share_an_alias() -> None:
    check_aliases([HIDDEN, HIDDEN, trusted(), replace(HIDDEN, alias="")])
