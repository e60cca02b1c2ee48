# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys from passphrases: the PKCS#12 derivation (RFC 7292 appendix B) and PBKDF2 (RFC 8018), with a limit on work.

A store says itself how many iterations it wants, and may come from anybody: a `Budget` bounds what one store can
make this host compute.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Callable, List

from .errors import FormatError, InputError, UnsupportedError

MAX_ITERATIONS = 10_000_000
"""For one whole store; a second or a few of work. Java and OpenSSL write between 1 and 100 thousand per item."""

PURPOSE_KEY = 1
PURPOSE_IV = 2
PURPOSE_MAC = 3

_MAX_SALT = 1_024


class Budget:
    """How many iterations decoding one store may still take."""

    def __init__(self, iterations: int = MAX_ITERATIONS) -> None:
        self._left = iterations

    def spend(self, iterations: int) -> None:
        """Take iterations from the budget; UnsupportedError when they are not there."""
        if iterations < 1:
            raise FormatError("the store asks for {0} iterations".format(iterations))
        self._left -= iterations
        if self._left < 0:
            raise UnsupportedError(
                "the store asks for more than {0} iterations of key derivation in all, which would stall this host; "
                "write it anew with fewer".format(MAX_ITERATIONS)
            )


def bmp_passphrases(passphrase: str) -> List[bytes]:
    """The forms that the PKCS#12 derivation may have been given, the usual one first (RFC 7292 appendix B.1).

    The rule is big-endian UTF-16 and two zero bytes. For an empty passphrase some writers give nothing at all.
    """
    usual = encode_passphrase(passphrase, "utf-16-be") + b"\0\0"
    return [usual] if passphrase else [usual, b""]


def encode_passphrase(passphrase: str, encoding: str) -> bytes:
    """The passphrase in an encoding; InputError for half a surrogate pair, which no encoding has."""
    try:
        return passphrase.encode(encoding)
    except UnicodeEncodeError:
        raise InputError("a keystore passphrase holds half of a surrogate pair, which is not a character") from None


def pbkdf2(digest: str, passphrase: bytes, salt: bytes, iterations: int, length: int, budget: Budget) -> bytes:
    """PBKDF2 with HMAC over a digest of hashlib's (RFC 8018 section 5.2)."""
    size = hashlib.new(digest).digest_size
    _check_salt(salt)
    budget.spend(iterations * _blocks(length, size))
    return _pbkdf2(digest, passphrase, salt, iterations, length)


def pkcs12_key(
    digest: str, passphrase: bytes, salt: bytes, purpose: int, iterations: int, length: int, budget: Budget
) -> bytes:
    """`length` bytes for a purpose (RFC 7292 appendix B.2); `passphrase` as `bmp_passphrases` gives it."""
    _check_salt(salt)
    budget.spend(iterations * _blocks(length, hashlib.new(digest).digest_size))
    return _pkcs12_key(digest, passphrase, salt, purpose, iterations, length)


# A run reads again what it has just written: the same derivation, and the dearest part of reading a store.
_once = functools.lru_cache(maxsize=64)


@_once
def _pbkdf2(digest: str, passphrase: bytes, salt: bytes, iterations: int, length: int) -> bytes:
    return hashlib.pbkdf2_hmac(digest, passphrase, salt, iterations, length)


@_once
def _pkcs12_key(digest: str, passphrase: bytes, salt: bytes, purpose: int, iterations: int, length: int) -> bytes:
    function: Callable[..., hashlib._Hash] = getattr(hashlib, digest)
    block = function().block_size
    diversifier = bytes((purpose,)) * block
    state = _fill(salt, block) + _fill(passphrase, block)
    derived = b""
    while True:
        value = function(diversifier + state).digest()
        for _round in range(iterations - 1):
            value = function(value).digest()
        derived += value
        if len(derived) >= length:
            return derived[:length]
        state = _advance(state, value, block)


def _advance(state: bytes, value: bytes, block: int) -> bytes:
    """Add the repeated digest, plus one, to every block of the state (steps 6B and 6C)."""
    addend = int.from_bytes(_fill(value, block), "big") + 1
    modulus = 1 << 8 * block
    return b"".join(
        ((int.from_bytes(state[offset : offset + block], "big") + addend) % modulus).to_bytes(block, "big")
        for offset in range(0, len(state), block)
    )


def _fill(value: bytes, block: int) -> bytes:
    """Repeat a value to the next multiple of the block size; nothing stays nothing."""
    if not value:
        return b""
    length = _blocks(len(value), block) * block
    return (value * (length // len(value) + 1))[:length]


def _blocks(length: int, size: int) -> int:
    return -(-length // size)


def _check_salt(salt: bytes) -> None:
    if len(salt) > _MAX_SALT:
        raise FormatError("the store has a salt of {0} bytes".format(len(salt)))
