# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key derivation against published vectors, and the limit on the work that a store may ask for."""

from __future__ import annotations

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import derivation
from ansible_collections.mutual.tls.plugins.module_utils.derivation import (
    PURPOSE_IV,
    PURPOSE_KEY,
    PURPOSE_MAC,
    Budget,
    bmp_passphrases,
    pbkdf2,
    pkcs12_key,
)
from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError, InputError, UnsupportedError

# The PKCS#12 vectors that OpenSSL and Bouncy Castle test with.
VECTORS = [
    ("smeg", "0a58cf64530d823f", PURPOSE_KEY, 1, "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"),
    ("smeg", "0a58cf64530d823f", PURPOSE_IV, 1, "79993dfe048d3b76"),
    ("smeg", "3d83c0e4546ac140", PURPOSE_MAC, 1, "8d967d88f6caa9d714800ab3d48051d63f73a312"),
    ("queeg", "05dec959acff72f7", PURPOSE_KEY, 1000, "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4"),
    ("queeg", "05dec959acff72f7", PURPOSE_IV, 1000, "11dedad7758d4860"),
    ("queeg", "263216fcc2fab31c", PURPOSE_MAC, 1000, "5ec4c7a80df652294c3925b6489a7ab857c83476"),
]


@pytest.mark.parametrize(("passphrase", "salt", "purpose", "iterations", "expected"), VECTORS)
def test_pkcs12_vectors(passphrase: str, salt: str, purpose: int, iterations: int, expected: str) -> None:
    secret = bmp_passphrases(passphrase)[0]
    length = len(expected) // 2
    derived = pkcs12_key("sha1", secret, bytes.fromhex(salt), purpose, iterations, length, Budget())
    assert derived.hex() == expected


def test_pbkdf2_vector() -> None:
    # RFC 6070
    derived = pbkdf2("sha1", b"password", b"salt", 4096, 20, Budget())
    assert derived.hex() == "4b007901b765489abead49d926f721d065a429c1"


def test_an_empty_passphrase_has_two_forms() -> None:
    assert bmp_passphrases("") == [b"\0\0", b""]
    assert bmp_passphrases("é\U0001f511") == [b"\0\xe9\xd8\x3d\xdd\x11\0\0"]


def test_half_a_surrogate_pair_is_an_input_error_that_does_not_quote_it() -> None:
    with pytest.raises(InputError) as caught:
        bmp_passphrases("secret\ud800")
    assert "secret" not in str(caught.value)


def test_work_is_bounded_over_all_derivations() -> None:
    budget = Budget(30)
    pbkdf2("sha1", b"", b"", 10, 20, budget)
    pkcs12_key("sha1", b"", b"", PURPOSE_KEY, 10, 21, budget)
    with pytest.raises(UnsupportedError, match="more than 10000000 iterations"):
        pbkdf2("sha1", b"", b"", 1, 20, budget)
    with pytest.raises(UnsupportedError):
        pkcs12_key("sha1", b"", b"", PURPOSE_KEY, derivation.MAX_ITERATIONS + 1, 20, Budget())


@pytest.mark.parametrize("iterations", [0, -1])
def test_iterations_that_cannot_be(iterations: int) -> None:
    with pytest.raises(FormatError):
        pbkdf2("sha1", b"", b"", iterations, 20, Budget())


def test_a_huge_salt_is_a_format_error() -> None:
    with pytest.raises(FormatError, match="a salt of 1025 bytes"):
        pkcs12_key("sha1", b"", bytes(1025), PURPOSE_KEY, 1, 20, Budget())
