# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Password-based encryption: every scheme that is read, by an independent construction, and what is refused."""

from __future__ import annotations

import hashlib
from typing import Optional

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import der, pbe
from ansible_collections.mutual.tls.plugins.module_utils.derivation import Budget
from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    Error,
    FormatError,
    PassphraseError,
    UnsupportedError,
)

PRFS = [
    ("1.2.840.113549.2.7", "sha1"), ("1.2.840.113549.2.8", "sha224"), ("1.2.840.113549.2.9", "sha256"),
    ("1.2.840.113549.2.10", "sha384"), ("1.2.840.113549.2.11", "sha512"),
]  # fmt: skip
CIPHERS = [("2.16.840.1.101.3.4.1.2", 16), ("2.16.840.1.101.3.4.1.22", 24), ("2.16.840.1.101.3.4.1.42", 32)]
IV = bytes(range(16))
SALT = b"salty"


def pbes2(
    cipher: str,
    prf: Optional[str] = None,
    length: Optional[int] = None,
    iterations: int = 5,
    iv: bytes = IV,
    derivation: str = "1.2.840.113549.1.5.12",
) -> der.Element:
    parts = [der.octet_string(SALT), der.integer(iterations)]
    parts += [der.integer(length)] if length is not None else []
    parts += [der.sequence(der.oid(prf), der.null())] if prf else []
    function = der.sequence(der.oid(derivation), der.sequence(*parts))
    encryption = der.sequence(der.oid(cipher), der.octet_string(iv))
    return der.read(der.sequence(der.oid("1.2.840.113549.1.5.13"), der.sequence(function, encryption)), "x")


def padded(plain: bytes) -> bytes:
    count = 16 - len(plain) % 16
    return plain + bytes([count]) * count


@pytest.mark.parametrize(("prf", "digest"), [(None, "sha1"), *PRFS])
@pytest.mark.parametrize(("cipher", "size"), CIPHERS)
@pytest.mark.parametrize("with_length", [True, False])
def test_pbes2_is_read(cipher: str, size: int, prf: Optional[str], digest: str, with_length: bool) -> None:
    key = hashlib.pbkdf2_hmac(digest, "pä".encode(), SALT, 5, size)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(IV)).encryptor()
    ciphertext = encryptor.update(padded(b"a secret")) + encryptor.finalize()
    scheme = pbe.parse(pbes2(cipher, prf, size if with_length else None))
    assert pbe.decrypt(scheme, ciphertext, "pä", Budget()) == b"a secret"


@pytest.mark.parametrize("profile", ["modern", "compatible"])
@pytest.mark.parametrize("passphrase", ["", "x", "changeit", "pä\U0001f511"])
@pytest.mark.parametrize("size", [0, 1, 7, 8, 15, 16, 17, 1000])
def test_what_is_written_is_read_and_keeps_its_profile(profile: str, passphrase: str, size: int) -> None:
    algorithm, ciphertext = pbe.encrypt(profile, b"p" * size, passphrase)
    scheme = pbe.parse(der.read(algorithm, "x"))
    assert scheme.profile == profile
    assert pbe.decrypt(scheme, ciphertext, passphrase, Budget()) == b"p" * size


@pytest.mark.parametrize("profile", ["modern", "compatible"])
def test_salts_differ_each_time(profile: str) -> None:
    assert pbe.encrypt(profile, b"same", "same") != pbe.encrypt(profile, b"same", "same")


@pytest.mark.parametrize("profile", ["modern", "compatible"])
def test_a_wrong_passphrase_never_gives_the_plaintext(profile: str) -> None:
    algorithm, ciphertext = pbe.encrypt(profile, b"a secret", "right")
    scheme = pbe.parse(der.read(algorithm, "x"))
    refused = 0
    for number in range(20):
        try:
            assert pbe.decrypt(scheme, ciphertext, "wrong{0}".format(number), Budget()) != b"a secret"
        except PassphraseError as error:
            assert "wrong" not in str(error)
            refused += 1
    # Noise looks like padding once in 256 times.
    assert refused >= 17


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"cipher": CIPHERS[2][0], "prf": PRFS[2][0], "iterations": 10_000}, "modern"),
        ({"cipher": CIPHERS[2][0], "prf": PRFS[2][0], "iterations": 2_048}, "modern"),
        ({"cipher": CIPHERS[2][0], "prf": PRFS[2][0], "iterations": 1_000}, "other"),
        ({"cipher": CIPHERS[2][0], "prf": PRFS[4][0], "iterations": 10_000}, "other"),
        ({"cipher": CIPHERS[2][0], "iterations": 10_000}, "other"),
        ({"cipher": CIPHERS[0][0], "prf": PRFS[2][0], "iterations": 10_000}, "other"),
    ],
)
def test_profiles_by_algorithm(arguments: dict, expected: str) -> None:
    assert pbe.parse(pbes2(**arguments)).profile == expected


@pytest.mark.parametrize(
    ("algorithm", "error", "complaint"),
    [
        (pbes2(CIPHERS[0][0], derivation="1.3.6.1.4.1.11591.4.11"), UnsupportedError, "scrypt"),
        (pbes2(CIPHERS[0][0], derivation="1.2.3"), UnsupportedError, r"key derivation 1\.2\.3"),
        (pbes2("2.16.840.1.101.3.4.1.46"), UnsupportedError, r"cipher 2\.16\.840\.1\.101\.3\.4\.1\.46"),
        (pbes2(CIPHERS[0][0], "1.2.3"), UnsupportedError, "pseudo-random function"),
        (pbes2(CIPHERS[0][0], length=17), FormatError, "a key of 17 bytes"),
        (pbes2(CIPHERS[0][0], iv=b"short"), FormatError, "initialisation vector"),
        (der.read(der.sequence(der.oid("1.2.840.113549.1.12.1.1"), der.null()), "x"), UnsupportedError, "encryption"),
        (der.read(der.integer(1), "x"), FormatError, "type 0x02"),
    ],
)
def test_what_is_refused(algorithm: der.Element, error: type, complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        pbe.parse(algorithm)


@pytest.mark.parametrize("size", [0, 1, 15, 17])
def test_data_that_is_not_blocks(size: int) -> None:
    with pytest.raises(FormatError):
        pbe.decrypt(pbe.parse(pbes2(CIPHERS[0][0])), bytes(size), "x", Budget())


def test_rc2_is_for_small_stores_only() -> None:
    parameters = der.sequence(der.octet_string(b"salt"), der.integer(1))
    algorithm = der.read(der.sequence(der.oid("1.2.840.113549.1.12.1.6"), parameters), "x")
    with pytest.raises(UnsupportedError, match="RC2"):
        pbe.decrypt(pbe.parse(algorithm), bytes(1024 * 1024 + 8), "x", Budget())


@given(st.binary(max_size=100), st.integers(0, 200), st.integers(0, 255))
def test_mutated_algorithms_give_an_error_or_a_scheme(data: bytes, place: int, octet: int) -> None:
    encoded = bytearray(pbe.encrypt("modern", b"", "x")[0])
    encoded[place % len(encoded)] = octet
    for candidate in (bytes(encoded), bytes(encoded[:place]), data):
        try:
            pbe.parse(der.read(candidate, "x"))
        except Error:
            pass
