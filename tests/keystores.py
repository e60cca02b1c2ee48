# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keystore values for tests, and the stores that real tools made (tests/data/keystores)."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import Any, Dict, Iterable, List

from cryptography.hazmat.primitives import serialization
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.store import Entry, KeyEntry, Store, TrustedEntry
from tests.unit.material import Identity, authority, client

DATA = Path(__file__).resolve().parent / "data" / "keystores"
ANSWERS: Dict[str, Dict[str, Any]] = json.loads((DATA / "answers.json").read_text())

ALIASES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
PASSPHRASES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def pkcs8(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@functools.cache
def people() -> Dict[str, Identity]:
    """Two CAs, one of them with an issuing CA below it, and three clients."""
    root, other = authority("Test root"), authority("Other root")
    issuing = authority("Test issuing CA", signer=root)
    return {
        "root": root,
        "other": other,
        "issuing": issuing,
        "orders": client("orders", signer=issuing),
        "billing": client("billing", signer=issuing),
        "foreign": client("foreign", signer=other),
    }


def key_entry(alias: str, leaf: Identity, *above: Identity, created: int = 0) -> KeyEntry:
    return KeyEntry(alias, pkcs8(leaf.key), tuple(one.der for one in (leaf, *above)), created)


def orders(alias: str = "orders", created: int = 0) -> KeyEntry:
    who = people()
    return key_entry(alias, who["orders"], who["issuing"], who["root"], created=created)


def trusted(alias: str = "ca", who: str = "other", created: int = 0) -> TrustedEntry:
    return TrustedEntry(alias, people()[who].der, created)


def answer_of(store: Store) -> List[Dict[str, Any]]:
    """A decoded store in the form of answers.json."""
    return [_answer(entry) for entry in store.entries]


def by_alias(entries: Iterable[Entry]) -> Dict[str, Entry]:
    return {entry.alias: entry for entry in entries}


def _answer(entry: Entry) -> Dict[str, Any]:
    if isinstance(entry, KeyEntry):
        return {"alias": entry.alias, "chain": [hashlib.sha256(one).hexdigest() for one in entry.chain]}
    found: Dict[str, Any] = {"alias": entry.alias, "certificate": hashlib.sha256(entry.certificate).hexdigest()}
    if not entry.visible_to_java:
        found["visible_to_java"] = False
    return found
