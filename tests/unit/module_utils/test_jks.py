# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JKS codec: what keytool wrote, round trips, refusals, and that damage gives errors and nothing else."""

from __future__ import annotations

import hashlib
from typing import List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import jks
from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    Error,
    FormatError,
    InputError,
    PassphraseError,
    UnsupportedError,
)
from ansible_collections.mutual.tls.plugins.module_utils.store import Entry, KeyEntry, Store, TrustedEntry
from tests.keystores import ALIASES, ANSWERS, DATA, PASSPHRASES, answer_of, orders, trusted

PASSPHRASE = "changeit"


def signed(body: bytes, passphrase: str = PASSPHRASE) -> bytes:
    """A store with a valid digest, so that damage in the body reaches the parser."""
    return body + hashlib.sha1(passphrase.encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def test_a_store_of_keytool_is_read() -> None:
    answer = ANSWERS["keytool.jks"]
    data = (DATA / "keytool.jks").read_bytes()
    store = jks.decode(data, answer["passphrase"], answer["key_passphrase"])
    assert answer_of(store) == answer["entries"]
    assert store.encryption == "jks"
    assert all(entry.created > 1_700_000_000_000 for entry in store.entries)


def test_wrong_passphrases_are_told_apart() -> None:
    data = (DATA / "keytool.jks").read_bytes()
    with pytest.raises(PassphraseError, match="the passphrase is wrong, or the file was altered"):
        jks.decode(data, "wrong", "another-one")
    with pytest.raises(PassphraseError, match="'client' does not: its key passphrase"):
        jks.decode(data, "changeit", "wrong")
    with pytest.raises(PassphraseError, match="key passphrase"):
        jks.decode(data, "changeit")


@settings(max_examples=60)
@given(st.lists(st.tuples(ALIASES, st.booleans(), st.integers(0, 1 << 62)), max_size=5), PASSPHRASES, PASSPHRASES)
def test_what_is_written_is_read(items: List[Tuple[str, bool, int]], passphrase: str, key_passphrase: str) -> None:
    unique = {alias.lower(): (is_key, created) for alias, is_key, created in items}
    entries: List[Entry] = [
        orders(alias, created) if is_key else trusted(alias, created=created)
        for alias, (is_key, created) in unique.items()
        if alias == alias.lower()
    ]
    store = Store(tuple(entries), "jks")
    assert jks.decode(jks.encode(store, passphrase, key_passphrase), passphrase, key_passphrase) == store


def test_aliases_are_written_in_lower_case() -> None:
    data = jks.encode(Store((orders("Orders"), trusted("CA")), "jks"), PASSPHRASE)
    assert [entry.alias for entry in jks.decode(data, PASSPHRASE).entries] == ["orders", "ca"]


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ((trusted("a"), trusted("A")), "'a' and 'A'"),
        ((trusted(""),), "empty alias"),
        ((TrustedEntry("", b"x", visible_to_java=False),), "empty alias"),
        ((trusted("x" * 65_536),), "too long for JKS"),
        ((trusted("\ud800"),), "surrogate"),
        ((trusted("a", created=-1),), "creation time"),
        ((trusted("a", created=1 << 63),), "creation time"),
    ],
)
def test_what_cannot_be_written(entries: Tuple[Entry, ...], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        jks.encode(Store(entries, "jks"), PASSPHRASE)


@pytest.mark.parametrize(
    ("data", "error", "complaint"),
    [
        ((DATA / "keytool.jceks").read_bytes(), UnsupportedError, "JCEKS"),
        ((DATA / "keytool.p12").read_bytes(), UnsupportedError, "PKCS#12"),
        (b"\0\0\0\2" + bytes(40), UnsupportedError, "BKS or UBER"),
        (b"\0\0\0\1" + bytes(40), UnsupportedError, "BKS or UBER"),
        (b"", FormatError, "not a JKS store"),
        (b"-----BEGIN CERTIFICATE-----", FormatError, "not a JKS store"),
        (b"\xfe\xed\xfe\xed", FormatError, "a JKS store of 4 bytes"),
        (signed(bytes.fromhex("feedfeed0000000300000000")), UnsupportedError, "version 3"),
        (signed(bytes.fromhex("feedfeed00000002ffffffff")), FormatError, "more than it has room for"),
        (signed(bytes.fromhex("feedfeed0000000200000000ff")), FormatError, "data after its last entry"),
        (signed(bytes.fromhex("feedfeed0000000200000001") + bytes.fromhex("00000003000161") + bytes(8)),
         UnsupportedError, "'a' is of the unknown type 3"),
        (signed(bytes.fromhex("feedfeed0000000200000001") + bytes.fromhex("00000002000161") + bytes(8) + b"\0\1Q"),
         UnsupportedError, "certificate of type 'Q'"),
        (signed(bytes.fromhex("feedfeed0000000200000001") + bytes.fromhex("00000002000161")), FormatError,
         "middle of an entry"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(data: bytes, error: type, complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        jks.decode(data, PASSPHRASE)


def test_version_1_names_no_certificate_type() -> None:
    body = bytes.fromhex("feedfeed000000010000000100000002000161") + bytes(8) + bytes.fromhex("00000003") + b"abc"
    assert jks.decode(signed(body), PASSPHRASE) == Store((TrustedEntry("a", b"abc"),), "jks")


SAMPLE = jks.encode(Store((orders(), trusted()), "jks"), PASSPHRASE)[:-20]


@settings(max_examples=300)
@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255), st.integers(0, len(SAMPLE)))
def test_damage_gives_an_error_or_entries(place: int, octet: int, end: int) -> None:
    damaged = bytearray(SAMPLE)
    damaged[place] = octet
    for body in (bytes(damaged), bytes(damaged[:end])):
        try:
            store = jks.decode(signed(body), PASSPHRASE)
        except Error:
            continue
        assert all(isinstance(entry, (KeyEntry, TrustedEntry)) for entry in store.entries)


@given(st.binary(max_size=300))
def test_noise_gives_an_error(data: bytes) -> None:
    for candidate in (data, b"\xfe\xed\xfe\xed" + data, signed(bytes.fromhex("feedfeed00000002") + data)):
        try:
            jks.decode(candidate, PASSPHRASE)
        except Error:
            pass


def test_nothing_secret_shows_in_a_repr() -> None:
    store = Store((orders(),), "jks")
    assert repr(store).count("private_key") == 0
