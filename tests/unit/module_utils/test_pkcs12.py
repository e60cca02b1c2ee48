# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PKCS#12 codec: what openssl and keytool wrote, round trips, chains, refusals, and damage."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any, List, Optional, Tuple

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization import pkcs12 as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import der, pkcs12, pkcs12_entries, pkcs12_mac, pkcs12_write
from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    Error,
    FormatError,
    InputError,
    PassphraseError,
    UnsupportedError,
)
from ansible_collections.mutual.tls.plugins.module_utils.store import Entry, KeyEntry, Store, TrustedEntry
from tests.keystores import (
    ALIASES,
    ANSWERS,
    DATA,
    PASSPHRASES,
    answer_of,
    by_alias,
    key_entry,
    orders,
    people,
    pkcs8,
    trusted,
)
from tests.unit.material import authority, client

PASSPHRASE = "changeit"
DATA_OID = "1.2.840.113549.1.7.1"


def content_info(content: bytes, kind: str = DATA_OID) -> bytes:
    return der.sequence(der.oid(kind), der.explicit(0, content))


def pfx(safe: bytes, mac: bool = True) -> bytes:
    """A store around an encoded authenticated safe, with a MAC that fits."""
    mac_data = [pkcs12_mac.create("compatible", safe, PASSPHRASE)] if mac else []
    return der.sequence(der.integer(3), content_info(der.octet_string(safe)), *mac_data)


def bags(*encoded: bytes) -> bytes:
    """An authenticated safe with one unencrypted part that holds these bags."""
    return der.sequence(content_info(der.octet_string(der.sequence(*encoded))))


def bag(kind: str, value: bytes, *attributes: Tuple[str, bytes]) -> bytes:
    encoded = [der.sequence(der.oid(identifier), der.set_of(value)) for identifier, value in attributes]
    return der.sequence(der.oid(kind), der.explicit(0, value), *([der.set_of(*encoded)] if encoded else []))


def certificate_bag(certificate: bytes, *attributes: Tuple[str, bytes]) -> bytes:
    value = der.sequence(der.oid("1.2.840.113549.1.9.22.1"), der.explicit(0, der.octet_string(certificate)))
    return bag("1.2.840.113549.1.12.10.1.3", value, *attributes)


def key_bag(key: bytes, *attributes: Tuple[str, bytes]) -> bytes:
    return bag("1.2.840.113549.1.12.10.1.1", key, *attributes)


def named(text: str) -> Tuple[str, bytes]:
    return "1.2.840.113549.1.9.20", der.bmp_string(text)


def identified(value: bytes) -> Tuple[str, bytes]:
    return "1.2.840.113549.1.9.21", der.octet_string(value)


def chain_of(data: bytes) -> Tuple[bytes, ...]:
    (entry,) = [entry for entry in pkcs12.decode(data, PASSPHRASE).entries if isinstance(entry, KeyEntry)]
    return entry.chain


@pytest.mark.parametrize("file", sorted(name for name in ANSWERS if name.endswith(".p12")))
def test_stores_of_openssl_and_keytool_are_read(file: str) -> None:
    store = pkcs12.decode((DATA / file).read_bytes(), ANSWERS[file]["passphrase"])
    assert answer_of(store) == ANSWERS[file]["entries"]
    assert store.encryption == ANSWERS[file]["encryption"]
    # What was read can be written, and says the same then.
    for profile in pkcs12.PROFILES:
        again = pkcs12.decode(pkcs12.encode(Store(store.entries, profile), "other"), "other")
        assert again == Store(store.entries, profile)


@pytest.mark.parametrize(
    "file", sorted(name for name in ANSWERS if name.endswith(".p12") and name != "openssl-open.p12")
)
def test_a_wrong_passphrase_opens_none_of_them(file: str) -> None:
    for passphrase in ("", "a wrong one", "Changeit"):
        with pytest.raises(PassphraseError) as caught:
            pkcs12.decode((DATA / file).read_bytes(), passphrase)
        assert "a wrong one" not in str(caught.value)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(ALIASES, st.sampled_from(["key", "short", "trusted"])), max_size=5),
    PASSPHRASES,
    st.sampled_from(pkcs12.PROFILES),
)
def test_what_is_written_is_read(items: List[Tuple[str, str]], passphrase: str, profile: str) -> None:
    makers: Any = {
        "key": orders,
        "short": lambda alias: key_entry(alias, people()["billing"]),
        "trusted": trusted,
    }
    unique = {alias.lower(): (alias, kind) for alias, kind in items}
    entries = sorted(
        (makers[kind](alias) for alias, kind in unique.values()), key=lambda entry: isinstance(entry, TrustedEntry)
    )
    store = Store(tuple(entries), profile)
    assert pkcs12.decode(pkcs12.encode(store, passphrase), passphrase) == store


@pytest.mark.parametrize("profile", pkcs12.PROFILES)
def test_the_library_opens_what_is_written(profile: str) -> None:
    key, leaf, others = oracle.load_key_and_certificates(
        pkcs12.encode(Store((orders(),), profile), "pä", None), "pä".encode(), None
    )
    assert pkcs8(key) == orders().private_key
    assert leaf == people()["orders"].certificate
    assert list(others) in ([people()["issuing"].certificate, people()["root"].certificate],
                            [people()["root"].certificate, people()["issuing"].certificate])  # fmt: skip


def test_what_the_library_writes_is_read() -> None:
    who = people()
    data = oracle.serialize_key_and_certificates(
        "Bestellung ü".encode(),
        who["orders"].key,
        who["orders"].certificate,
        [who["root"].certificate, who["issuing"].certificate],
        BestAvailableEncryption("pä".encode()),
    )
    assert pkcs12.decode(data, "pä").entries == (orders("Bestellung ü"),)


class TestChains:
    """Several entries in one store: each keeps the chain that it was written with."""

    def test_one_entrys_root_does_not_lengthen_anothers_chain(self) -> None:
        who = people()
        store = Store(
            (
                key_entry("a", who["orders"], who["issuing"]),
                key_entry("b", who["billing"], who["issuing"], who["root"]),
                key_entry("c", who["orders"]),
                trusted("root", "root"),
            ),
            "modern",
        )
        assert pkcs12.decode(pkcs12.encode(store, PASSPHRASE), PASSPHRASE) == store

    @pytest.mark.parametrize("same_key", [True, False])
    def test_a_renewed_ca_of_the_same_name_is_not_mixed_up(self, same_key: bool) -> None:
        old = authority("CA")
        new = authority("CA", key=old.key if same_key else None)
        entries = tuple(
            key_entry("k{0}".format(number), client("c{0}".format(number), signer=ca), ca)
            for number, ca in enumerate([old, new, old, new])
        )
        assert pkcs12.decode(pkcs12.encode(Store(entries, "modern"), PASSPHRASE), PASSPHRASE).entries == entries

    def test_one_key_under_two_aliases_with_two_certificates(self) -> None:
        who = people()
        renewed = client("orders", signer=who["issuing"], key=who["orders"].key)
        entries = (key_entry("a", who["orders"], who["issuing"]), key_entry("b", renewed, who["issuing"]))
        assert pkcs12.decode(pkcs12.encode(Store(entries, "modern"), PASSPHRASE), PASSPHRASE).entries == entries

    def test_others_stores_may_have_any_order(self) -> None:
        who = people()
        expected = orders().chain
        order = ["root", "other", "issuing", "orders"]
        unordered = [certificate_bag(who[name].der) for name in order]
        assert chain_of(pfx(bags(key_bag(orders().private_key), *unordered))) == expected
        unordered[3] = certificate_bag(who["orders"].der, identified(b"1"))
        assert chain_of(pfx(bags(*unordered, key_bag(orders().private_key, identified(b"1"))))) == expected

    def test_the_local_key_id_is_believed_before_the_public_key(self) -> None:
        who = people()
        renewed = client("orders", signer=who["issuing"], key=who["orders"].key)
        certificates = [certificate_bag(who["orders"].der), certificate_bag(renewed.der, identified(b"1"))]
        assert chain_of(pfx(bags(*certificates, key_bag(orders().private_key, identified(b"1"))))) == (renewed.der,)

    def test_of_two_issuers_of_one_name_the_one_that_signed_is_taken(self) -> None:
        right, wrong = authority("CA"), authority("CA")
        leaf = client("x", signer=right)
        for cas in ([right, wrong], [wrong, right]):
            certificates = [certificate_bag(one.der) for one in [leaf, *cas]]
            assert chain_of(pfx(bags(key_bag(pkcs8(leaf.key)), *certificates))) == (leaf.der, right.der)

    def test_a_loop_of_issuers_ends(self) -> None:
        first = authority("First")
        second = authority("Second", signer=first)
        crossed = authority("First", signer=second, key=first.key)
        leaf = client("x", signer=second)
        certificates = [certificate_bag(one.der) for one in (leaf, second, crossed)]
        assert chain_of(pfx(bags(key_bag(pkcs8(leaf.key)), *certificates))) == (leaf.der, second.der, crossed.der)

    def test_a_key_without_certificate_survives(self) -> None:
        store = Store((KeyEntry("bare", orders().private_key, ()), key_entry("b", people()["billing"])), "modern")
        assert pkcs12.decode(pkcs12.encode(store, PASSPHRASE), PASSPHRASE) == store


def test_entries_without_a_name_are_counted_as_java_does() -> None:
    who = people()
    encoded = [key_bag(pkcs8(who[name].key)) for name in ("orders", "billing", "foreign")]
    encoded.append(certificate_bag(who["root"].der, named("2")))
    found = pkcs12.decode(pfx(bags(*encoded)), PASSPHRASE).entries
    assert [entry.alias for entry in found] == ["1", "3", "4", "2"]
    assert not found[-1].visible_to_java  # type: ignore[union-attr]


def test_certificates_that_java_overlooks_are_kept_as_they_are() -> None:
    hidden = tuple(
        TrustedEntry(alias, people()["root"].der, visible_to_java=False) for alias in ("", "", "same", "same")
    )
    store = Store((*hidden, trusted()), "modern")
    assert pkcs12.decode(pkcs12.encode(store, PASSPHRASE), PASSPHRASE) == store


def test_nested_bags_are_read_to_a_depth() -> None:
    encoded = certificate_bag(people()["root"].der, named("deep"))
    for depth in range(7):
        data = pfx(bags(encoded))
        if depth <= 4:
            assert [entry.alias for entry in pkcs12.decode(data, PASSPHRASE).entries] == ["deep"]
        else:
            with pytest.raises(FormatError, match="nested too deeply"):
                pkcs12.decode(data, PASSPHRASE)
        encoded = bag("1.2.840.113549.1.12.10.1.6", der.sequence(encoded))


def indefinite(data: bytes) -> bytes:
    """Re-encode DER as BER: every constructed value of indefinite length, every OCTET STRING in segments."""
    encoded = b""
    for element in der.elements(data, "x"):
        if element.tag == der.OCTET_STRING or element.tag == 0x80:
            half = len(element.content) // 2
            segments = der.octet_string(element.content[:half]) + der.octet_string(element.content[half:])
            encoded += bytes([element.tag | 0x20, 0x80]) + segments + b"\0\0"
        elif element.tag & 0x20:
            encoded += bytes([element.tag, 0x80]) + indefinite(element.content) + b"\0\0"
        else:
            encoded += der.encode(element.tag, element.content)
    return encoded


@pytest.mark.parametrize("file", ["openssl-modern.p12", "openssl-legacy.p12", "keytool.p12"])
def test_ber_as_bouncy_castle_writes_it(file: str) -> None:
    data = (DATA / file).read_bytes()
    assert indefinite(data) != data
    assert pkcs12.decode(indefinite(data), PASSPHRASE) == pkcs12.decode(data, PASSPHRASE)


def pbmac1(safe: bytes, digest: str, prf: str, length: Optional[int], iterations: int = 2048) -> bytes:
    """A store with RFC 9579's integrity check, made without the code under test."""
    identifiers = {"sha256": "1.2.840.113549.2.9", "sha512": "1.2.840.113549.2.11"}
    salt = b"salty"
    key = hashlib.pbkdf2_hmac(prf, PASSPHRASE.encode(), salt, iterations, length or 32)
    parameters = [der.octet_string(salt), der.integer(iterations), *([der.integer(length)] if length else [])]
    function = der.sequence(
        der.oid("1.2.840.113549.1.5.12"),
        der.sequence(*parameters, der.sequence(der.oid(identifiers[prf]), der.null())),
    )
    algorithm = der.sequence(
        der.oid("1.2.840.113549.1.5.14"),
        der.sequence(function, der.sequence(der.oid(identifiers[digest]), der.null())),
    )
    info = der.sequence(algorithm, der.octet_string(hmac.new(key, safe, digest).digest()))
    mac_data = der.sequence(info, der.octet_string(b"NOT USED"), der.integer(1))
    return der.sequence(der.integer(3), content_info(der.octet_string(safe)), mac_data)


@pytest.mark.parametrize(("digest", "prf", "length"), [("sha256", "sha256", 32), ("sha512", "sha256", 64)])
def test_pbmac1_is_read(digest: str, prf: str, length: int) -> None:
    data = pbmac1(bags(certificate_bag(people()["root"].der, named("x"))), digest, prf, length)
    assert [entry.alias for entry in pkcs12.decode(data, PASSPHRASE).entries] == ["x"]
    with pytest.raises(PassphraseError):
        pkcs12.decode(data, "wrong")


@pytest.mark.parametrize("length", [None, 1, 19])
def test_pbmac1_with_a_key_that_can_be_guessed_is_refused(length: Optional[int]) -> None:
    with pytest.raises(FormatError, match="PBMAC1"):
        pkcs12.decode(pbmac1(bags(), "sha256", "sha256", length), PASSPHRASE)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512"])
def test_macs_of_all_digests(digest: str) -> None:
    identifiers = {
        "sha1": "1.3.14.3.2.26",
        "sha224": "2.16.840.1.101.3.4.2.4",
        "sha256": "2.16.840.1.101.3.4.2.1",
        "sha384": "2.16.840.1.101.3.4.2.2",
        "sha512": "2.16.840.1.101.3.4.2.3",
    }
    safe = bags()
    key = _one_iteration(digest, PASSPHRASE.encode("utf-16-be") + b"\0\0", b"saltsalt")
    info = der.sequence(
        der.sequence(der.oid(identifiers[digest]), der.null()), der.octet_string(hmac.new(key, safe, digest).digest())
    )
    # Without a count, RFC 7292 says one iteration.
    data = der.sequence(
        der.integer(3), content_info(der.octet_string(safe)), der.sequence(info, der.octet_string(b"saltsalt"))
    )
    assert pkcs12.decode(data, PASSPHRASE) == Store((), "other")


def _one_iteration(digest: str, secret: bytes, salt: bytes) -> bytes:
    block = hashlib.new(digest).block_size
    filled = b"".join((value * block)[: -(-len(value) // block) * block] for value in (salt, secret))
    return hashlib.new(digest, b"\3" * block + filled).digest()


@pytest.mark.parametrize(("profile", "expected"), [("modern", "modern"), ("compatible", "compatible")])
def test_an_empty_store_keeps_its_profile(profile: str, expected: str) -> None:
    assert pkcs12.decode(pkcs12.encode(Store((), profile), ""), "") == Store((), expected)


def test_mixed_protection_is_neither_profile() -> None:
    modern = der.elements(der.read(pkcs12.encode(Store((orders(),), "modern"), PASSPHRASE), "x").content, "x")
    safe = der.to_octets(der.read(der.elements(modern[1].content, "x")[1].content, "x"), "x")
    assert pkcs12.decode(pfx(safe), PASSPHRASE).encryption == "other"


@pytest.mark.parametrize(
    ("store", "key_passphrase", "complaint"),
    [
        (Store((orders(),), "modern"), "another", "one passphrase for everything"),
        (Store((orders(),), "other"), None, "modern or compatible"),
        (Store((orders(),), "jks"), None, "modern or compatible"),
        (Store((orders("x"), trusted("X")), "modern"), None, "'x' and 'X'"),
        (Store((trusted(""),), "modern"), None, "empty alias"),
        (Store((trusted("\udc00"),), "modern"), None, "surrogate"),
    ],
)
def test_what_cannot_be_written(store: Store, key_passphrase: Optional[str], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        pkcs12.encode(store, PASSPHRASE, key_passphrase)


def test_the_same_key_passphrase_is_no_other() -> None:
    data = pkcs12.encode(Store((orders(),), "modern"), PASSPHRASE, PASSPHRASE)
    assert pkcs12.decode(data, PASSPHRASE, PASSPHRASE).entries == (orders(),)


@pytest.mark.parametrize(
    ("data", "error", "complaint"),
    [
        (b"", FormatError, "not a PKCS#12"),
        ((DATA / "keytool.jks").read_bytes(), UnsupportedError, "say format jks"),
        ((DATA / "client.pem").read_bytes(), FormatError, "not a PKCS#12"),
        (der.sequence(der.integer(1)), UnsupportedError, "version 1"),
        (der.sequence(der.integer(3)), FormatError, "field 2"),
        (der.sequence(der.integer(3), content_info(b"", "1.2.840.113549.1.7.2")), UnsupportedError, "a signature"),
        (der.sequence(der.integer(3), content_info(b"", "1.2.3")), FormatError, "unknown type"),
        (pfx(b"\x30"), FormatError, "middle"),
        (pfx(der.sequence(content_info(b"", "1.2.840.113549.1.7.3"))), FormatError, "middle"),
        (pfx(der.sequence(content_info(der.null(), "1.2.840.113549.1.7.3"))), UnsupportedError, "public key"),
        (pfx(bags(bag("1.2.840.113549.1.12.10.1.5", der.null(), named("s")))), UnsupportedError, "secret.*'s'"),
        (pfx(bags(bag("1.2.840.113549.1.12.10.1.4", der.null()))), UnsupportedError, "revocation list"),
        (pfx(bags(bag("1.2.3", der.null()))), UnsupportedError, r"unknown type 1\.2\.3"),
        (pfx(bags(bag("1.2.840.113549.1.12.10.1.3", der.sequence(der.oid("1.2.840.113549.1.9.22.2"))))),
         UnsupportedError, "not X.509"),
        (pfx(bags(certificate_bag(b"noise"))), FormatError, "certificate"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(data: bytes, error: type, complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        pkcs12.decode(data, PASSPHRASE)


def test_a_store_that_wants_endless_work_is_refused_at_once() -> None:
    mac_data = der.sequence(
        der.sequence(der.sequence(der.oid("1.3.14.3.2.26"), der.null()), der.octet_string(bytes(20))),
        der.octet_string(bytes(8)),
        der.integer(2**31 - 1),
    )
    data = der.sequence(der.integer(3), content_info(der.octet_string(bags())), mac_data)
    started = time.monotonic()
    with pytest.raises(UnsupportedError, match="iterations"):
        pkcs12.decode(data, PASSPHRASE)
    assert time.monotonic() - started < 1


def test_a_store_with_endless_keys_is_refused() -> None:
    one = key_bag(orders().private_key, identified(b"1"))
    assert len(pkcs12.decode(pfx(bags(*[one] * 1000)), PASSPHRASE).entries) == 1000
    with pytest.raises(FormatError, match="more than 1000 private keys"):
        pkcs12.decode(pfx(bags(*[one] * 1001)), PASSPHRASE)


def test_many_certificates_of_one_name_do_not_stall() -> None:
    """Only the nearest behind the leaf are tried; writers put the right one there."""
    cas = [certificate_bag(authority("CA").der) for _ in range(200)]
    right = authority("CA")
    leaf = client("x", signer=right)
    own = [key_bag(pkcs8(leaf.key)), certificate_bag(leaf.der), *cas[:8], certificate_bag(right.der)]
    started = time.process_time()
    found = chain_of(pfx(bags(*cas[8:16], *own, *cas[16:])))
    assert time.process_time() - started < 1
    assert found == (leaf.der, right.der)


SAFE = bags(
    key_bag(orders().private_key, named("k"), identified(b"1")),
    certificate_bag(people()["orders"].der, named("k"), identified(b"1")),
    certificate_bag(people()["issuing"].der),
    certificate_bag(people()["other"].der, named("t"), ("2.16.840.1.113894.746875.1.1", der.oid("2.5.29.37.0"))),
)


@settings(max_examples=400)
@given(st.integers(0, len(SAFE) - 1), st.integers(0, 255), st.integers(0, len(SAFE)))
def test_damage_gives_an_error_or_entries(place: int, octet: int, end: int) -> None:
    damaged = bytearray(SAFE)
    damaged[place] = octet
    for safe in (bytes(damaged), bytes(damaged[:end]), bytes(damaged[:place] + damaged[end:])):
        try:
            store = pkcs12.decode(pfx(safe, mac=False), PASSPHRASE)
        except Error:
            continue
        assert all(isinstance(entry, (KeyEntry, TrustedEntry)) for entry in store.entries)


OUTER = (DATA / "openssl-3des.p12").read_bytes()


@settings(max_examples=150)
@given(st.integers(0, len(OUTER) - 1), st.integers(0, 255), st.integers(0, len(OUTER)))
def test_outer_damage_gives_an_error_or_the_same(place: int, octet: int, end: int) -> None:
    damaged = bytearray(OUTER)
    damaged[place] = octet
    for data in (bytes(damaged), bytes(damaged[:end])):
        try:
            store = pkcs12.decode(data, PASSPHRASE)
        except Error:
            continue
        assert store.entries == pkcs12.decode(OUTER, PASSPHRASE).entries


def test_java_attribute_decides_what_is_trusted() -> None:
    found = by_alias(pkcs12.decode(pfx(SAFE), PASSPHRASE).entries)
    assert isinstance(found["k"], KeyEntry) and found["k"].chain == orders().chain[:2]
    assert found["t"] == TrustedEntry("t", people()["other"].der)


def test_the_chain_identifier_tells_chains_apart() -> None:
    one, two = b"first", b"second"
    marks = {pkcs12_entries.chain_identifier(chain) for chain in ([one], [one, two], [two, one], [one + two])}
    assert len(marks) == 4
    assert pkcs12_write.write(Store((), "modern"), "")


def test_entries_are_never_shown_with_their_keys() -> None:
    entries: Tuple[Entry, ...] = pkcs12.decode(OUTER, PASSPHRASE).entries
    assert "private_key" not in repr(entries) and "chain" not in repr(entries)
