# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import cryptography
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import der, private_key
from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    Error,
    FormatError,
    InputError,
    PassphraseError,
    UnsupportedError,
)
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.tests.unit import material

DATA = Path(__file__).parent / "data"
PASSPHRASE = "open-sesame"
PASSPHRASES = ["x", PASSPHRASE, "gehéim 密碼 🔑", "quote\" ' \\ $(id) {{ x }} %s\n", "é" * 511]
CHEAP_KINDS = [KeyKind("ECC", curve=curve) for curve in private_key.CURVES] + [KeyKind("Ed25519")]


def pkcs8(key):
    return private_key.to_pkcs8(key)


@pytest.fixture(scope="module")
def ec_key():
    return private_key.generate(KeyKind("ECC", curve="secp256r1"))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (KeyKind("RSA", size=2048), "RSA 2048"),
        (KeyKind("ECC", curve="secp256r1"), "ECC secp256r1"),
        (KeyKind("ECC", curve="secp384r1"), "ECC secp384r1"),
        (KeyKind("ECC", curve="secp521r1"), "ECC secp521r1"),
        (KeyKind("Ed25519"), "Ed25519"),
    ],
)
def test_a_generated_key_is_of_the_kind_asked_for(kind, text):
    key = private_key.generate(kind)
    assert private_key.kind_of(key) == kind
    assert private_key.kind_of(key.public_key()) == kind
    assert private_key.kind_of(key).describe() == text
    if kind.type != "RSA":
        assert pkcs8(private_key.generate(kind)) != pkcs8(key)


@pytest.mark.parametrize(
    "kind",
    [
        KeyKind("RSA"),
        KeyKind("RSA", size=1024),
        KeyKind("RSA", size=2047),
        KeyKind("RSA", size=2049),
        KeyKind("RSA", size=8200),
        KeyKind("RSA", size=1 << 40),
        KeyKind("ECC"),
        KeyKind("ECC", curve="secp256k1"),
        KeyKind("ECC", curve="__class__"),
        KeyKind("DSA", size=2048),
        KeyKind("rsa", size=2048),
    ],
)
def test_a_kind_that_is_not_offered_is_refused(kind):
    with pytest.raises(InputError):
        private_key.generate(kind)


@pytest.mark.parametrize("kind", CHEAP_KINDS, ids=KeyKind.describe)
@pytest.mark.parametrize("passphrase", [None, *PASSPHRASES])
def test_pkcs8_holds_a_key(kind, passphrase):
    key = private_key.generate(kind)
    pem = private_key.dump(key, "pkcs8", passphrase)
    loaded = private_key.load(pem, passphrase)
    assert pkcs8(loaded.key) == pkcs8(key)
    assert (loaded.format, loaded.encrypted) == ("pkcs8", passphrase is not None)
    assert loaded.encryption == ("none" if passphrase is None else "pbes2-aes256")
    assert pem.startswith(b"-----BEGIN " + (b"" if passphrase is None else b"ENCRYPTED ") + b"PRIVATE KEY-----\n")


@pytest.mark.parametrize("kind", [KeyKind("RSA", size=2048), *CHEAP_KINDS[:3]], ids=KeyKind.describe)
def test_a_traditional_file_holds_a_key(kind):
    key = material.rsa_key() if kind.type == "RSA" else private_key.generate(kind)
    pem = private_key.dump(key, "traditional", None)
    assert pem.startswith(b"-----BEGIN " + (b"RSA" if kind.type == "RSA" else b"EC") + b" PRIVATE KEY-----\n")
    loaded = private_key.load(pem, None)
    assert pkcs8(loaded.key) == pkcs8(key)
    assert (loaded.format, loaded.encrypted, loaded.encryption) == ("traditional", False, "none")


def test_what_cannot_be_written_well_is_refused(ec_key):
    for key, layout, passphrase, hint in (
        (ec_key, "traditional", "x", "pkcs8"),
        (material.ed25519_key(), "traditional", None, "pkcs8"),
        (ec_key, "pkcs8", "", "empty"),
        (ec_key, "pkcs8", "x" * 1024, "1023"),
        (ec_key, "pkcs8", "\udc80", "UTF-8"),
        (ec_key, "pkcs12", None, "pkcs12"),
    ):
        with pytest.raises(InputError, match=hint):
            private_key.dump(key, layout, passphrase)


@pytest.mark.parametrize("passphrase", [None, "", "wrong", "open-sesame ", "Open-sesame", "x" * 2000, "\udc80"])
def test_a_passphrase_that_opens_nothing_is_told_apart(ec_key, passphrase):
    pem = private_key.dump(ec_key, "pkcs8", PASSPHRASE)
    with pytest.raises(PassphraseError) as caught:
        private_key.load(pem, passphrase)
    assert not passphrase or passphrase not in str(caught.value)


def test_no_wrong_passphrase_is_taken_for_damage(ec_key):
    # One wrong key in 256 decrypts to valid padding: then the parser meets noise.
    pem = private_key.dump(ec_key, "pkcs8", PASSPHRASE)
    for number in range(600):
        with pytest.raises(PassphraseError):
            private_key.load(pem, "wrong{0}".format(number))


def test_an_unencrypted_key_needs_no_passphrase(ec_key):
    for passphrase in (None, "", "unneeded"):
        assert not private_key.load(private_key.dump(ec_key, "pkcs8", None), passphrase).encrypted


@pytest.mark.parametrize(
    ("file", "layout", "encryption"),
    [
        ("key_rsa_dek_aes256.pem", "traditional", "other"),
        ("key_rsa_dek_des3.pem", "traditional", "other"),
        ("key_ec_dek_aes128.pem", "traditional", "other"),
        ("key_ec_parameters.pem", "traditional", "none"),
        ("key_pbes2_aes256.pem", "pkcs8", "pbes2-aes256"),
        ("key_pbes2_aes128.pem", "pkcs8", "other"),
        ("key_pbes2_des3.pem", "pkcs8", "other"),
        ("key_scrypt.pem", "pkcs8", "other"),
        ("key_pbe_sha1_3des.pem", "pkcs8", "other"),
        ("key_rsa1024.pem", "pkcs8", "none"),
    ],
)
def test_keys_made_by_openssl_are_read(file, layout, encryption):
    data = (DATA / file).read_bytes()
    loaded = private_key.load(data, PASSPHRASE)
    assert (loaded.format, loaded.encrypted, loaded.encryption) == (layout, encryption != "none", encryption)
    if "rsa" not in file and "dek" not in file:
        reference = private_key.load((DATA / "key_ec_parameters.pem").read_bytes(), None)
        assert pkcs8(loaded.key) == pkcs8(reference.key)
    if encryption != "none":
        for wrong in (None, "", "wrong"):
            with pytest.raises(PassphraseError):
                private_key.load(data, wrong)


@pytest.mark.parametrize(
    "file",
    [
        "key_dsa_traditional.pem",
        "key_dsa_pkcs8.pem",
        "key_brainpool.pem",
        "key_ed448.pem",
        "key_x25519.pem",
        "key_openssh.pem",
        "key_pbes2_slow.pem",
    ],
)
def test_other_kinds_of_keys_are_named_unsupported(file):
    with pytest.raises(UnsupportedError):
        private_key.load((DATA / file).read_bytes(), PASSPHRASE)


def test_an_encrypted_key_of_another_kind_is_named_unsupported():
    other = ec.generate_private_key(ec.SECP256K1())
    sealed = private_key.dump(other, "pkcs8", PASSPHRASE)
    with pytest.raises(UnsupportedError, match="secp256k1"):
        private_key.load(sealed, PASSPHRASE)
    with pytest.raises(PassphraseError):
        private_key.load(sealed, "wrong")


@pytest.mark.parametrize("costs", [(1 << 40, 8, 1), (1 << 14, 1 << 20, 1), (1 << 14, 8, 1 << 20)])
def test_a_passphrase_that_takes_minutes_to_stretch_is_refused(costs):
    function = der.sequence(
        der.oid("1.3.6.1.4.1.11591.4.11"), der.sequence(der.octet_string(b"salt"), *(der.integer(n) for n in costs))
    )
    cipher = der.sequence(der.oid("2.16.840.1.101.3.4.1.42"), der.octet_string(b"v" * 16))
    scheme = der.sequence(der.oid("1.2.840.113549.1.5.13"), der.sequence(function, cipher))
    sealed = base64.encodebytes(der.sequence(scheme, der.octet_string(b"x" * 64)))
    pem = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + sealed + b"-----END ENCRYPTED PRIVATE KEY-----\n"
    with pytest.raises(UnsupportedError, match="rounds"):
        private_key.load(pem, PASSPHRASE)


def test_a_traditional_key_under_a_cipher_nobody_knows_is_named_unsupported():
    data = (DATA / "key_ec_dek_aes128.pem").read_bytes().replace(b"AES-128-CBC", b"ROT-13")
    with pytest.raises(UnsupportedError, match="ROT-13"):
        private_key.load(data, PASSPHRASE)


def test_text_and_certificates_beside_the_key_are_skipped(ec_key):
    root = material.authority("Root")
    pem = private_key.dump(ec_key, "pkcs8", PASSPHRASE)
    crlf = pem.replace(b"\n", b"\r\n")
    for data in (
        root.pem + pem,
        pem + root.pem,
        b"Bag Attributes\r\n  friendlyName: x\r\n" + crlf,
        b"\xef\xbb\xbf" + pem,
    ):
        assert pkcs8(private_key.load(data, PASSPHRASE).key) == pkcs8(ec_key)
    dek = (DATA / "key_ec_dek_aes128.pem").read_bytes().replace(b"\n", b"\r\n")
    assert private_key.load(dek, PASSPHRASE).format == "traditional"


def damaged_files():
    pem = private_key.dump(material.ec_key(), "pkcs8", None)
    sealed = private_key.dump(material.ec_key(), "pkcs8", PASSPHRASE)
    dek = (DATA / "key_ec_dek_aes128.pem").read_bytes()
    lines = sealed.splitlines(True)
    body = base64.b64decode(b"".join(sealed.splitlines()[1:-1]))
    return {
        "empty": b"",
        "text": b"no key here\n",
        "der": pkcs8(material.ec_key()),
        "two keys": pem + sealed,
        "certificate": material.authority("Root").pem,
        "no end": pem[:-10],
        "no end, sealed": sealed[:-10],
        "cut base64": b"".join(pem.splitlines(True)[:2] + pem.splitlines(True)[-1:]),
        "cut base64, sealed": b"".join(lines[:2] + lines[-1:]),
        "no base64": pem.replace(b"M", b"*", 1),
        "base64 of noise": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "base64 of noise, sealed": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAA=\n"
        b"-----END ENCRYPTED PRIVATE KEY-----\n",
        "nothing": b"-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n",
        "trailing data, sealed": b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        + base64.b64encode(body + b"\0")
        + b"\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "sealed content under a plain label": sealed.replace(b"ENCRYPTED ", b""),
        "plain content under a sealed label": pem.replace(b" PRIVATE", b" ENCRYPTED PRIVATE"),
        "no DEK-Info": dek.replace(b"DEK-Info", b"DEK-Xnfo"),
        "no iv": dek.replace(b"DEK-Info: AES-128-CBC,", b"DEK-Info: AES-128-CBC\nX: "),
        "iv of another size": dek.replace(b"DEK-Info: AES-128-CBC,", b"DEK-Info: AES-128-CBC,00"),
        "DEK-Info, no base64": dek.replace(b"\n\n", b"\n\n!!!!\n", 1),
        "large": b" " * 300_000 + pem,
    }


@pytest.mark.parametrize("name", sorted(damaged_files()))
def test_a_damaged_file_is_not_taken_for_a_wrong_passphrase(name):
    data = damaged_files()[name]
    for passphrase in (None, PASSPHRASE):
        with pytest.raises(FormatError):
            private_key.load(data, passphrase)


@given(st.data())
def test_no_mutation_of_a_key_file_escapes_our_errors(data):
    originals = [
        (DATA / name).read_bytes()
        for name in ("key_pbes2_aes128.pem", "key_ec_dek_aes128.pem", "key_ec_parameters.pem")
    ]
    mutated = bytearray(data.draw(st.sampled_from(originals)))
    for _change in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    del mutated[data.draw(st.integers(0, len(mutated))) :]
    try:
        assert private_key.load(bytes(mutated), PASSPHRASE).key is not None
    except Error:
        pass


@given(st.data())
def test_no_mutation_of_pkcs8_escapes_our_errors(data):
    mutated = bytearray(pkcs8(data.draw(st.sampled_from([material.rsa_key(), FIXED_EC]))))
    for _change in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, min(60, len(mutated) - 1)))] = data.draw(st.integers(0, 255))
    try:
        assert private_key.from_pkcs8(bytes(mutated)) is not None
    except Error:
        pass


FIXED_EC = ec.derive_private_key(7, ec.SECP256R1())


def test_pkcs8_der_goes_both_ways():
    for key in (material.rsa_key(), FIXED_EC, material.ed25519_key()):
        assert pkcs8(private_key.from_pkcs8(pkcs8(key))) == pkcs8(key)
    for garbage in (b"", b"\x30", b"\x30\x00", pkcs8(FIXED_EC)[:-1], pkcs8(FIXED_EC) + b"\0"):
        with pytest.raises(FormatError):
            private_key.from_pkcs8(garbage)


def test_the_public_fingerprint_is_the_hash_of_the_public_key():
    for key in (material.rsa_key(), FIXED_EC, material.ed25519_key()):
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert private_key.public_fingerprint(key.public_key()) == hashlib.sha256(public).hexdigest()


def test_no_representation_shows_the_key():
    loaded = private_key.load(private_key.dump(FIXED_EC, "pkcs8", None), None)
    assert repr(loaded) == "LoadedKey(format='pkcs8', encrypted=False, encryption='none')"


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_proof_that_an_rsa_key_is_one_is_left_out_only_for_what_was_written_here(passphrase):
    broken = material.with_broken_factor(material.rsa_key())
    with pytest.raises(FormatError, match="damaged"):
        private_key.load(broken, None)
    whole = private_key.dump(material.rsa_key(), "pkcs8", passphrase)
    loaded = private_key.load(whole, passphrase, written_here=True)
    assert pkcs8(loaded.key) == pkcs8(material.rsa_key())
    if int(cryptography.__version__.split(".")[0]) >= 39:
        unproven = private_key.load(broken, None, written_here=True)
        assert private_key.public_fingerprint(unproven.key.public_key()) == private_key.public_fingerprint(
            material.rsa_key().public_key()
        )
