# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RC2 in CBC mode, reading only (RFC 2268).

Keystores that OpenSSL 1.x and Java 8 wrote protect their certificates with RC2-40 by default, and a current
OpenSSL, so `cryptography` too, no longer offers the cipher. Nothing here writes it.
"""

from __future__ import annotations

import struct
from typing import List

from .errors import FormatError

BLOCK_SIZE = 8

# RFC 2268 section 2: derived from the digits of pi.
_PI_TABLE = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)


def expand_key(key: bytes, effective_bits: int) -> List[int]:
    """The 64 words of the key schedule (RFC 2268 section 2)."""
    if not 1 <= len(key) <= 128 or not 1 <= effective_bits <= 1024:
        raise FormatError("RC2: a key of {0} bytes and {1} effective bits".format(len(key), effective_bits))
    table = bytearray(key)
    for index in range(len(key), 128):
        table.append(_PI_TABLE[(table[index - 1] + table[index - len(key)]) & 0xFF])
    octets = (effective_bits + 7) // 8
    mask = 0xFF >> (8 * octets - effective_bits)
    table[128 - octets] = _PI_TABLE[table[128 - octets] & mask]
    for index in range(127 - octets, -1, -1):
        table[index] = _PI_TABLE[table[index + 1] ^ table[index + octets]]
    return list(struct.unpack("<64H", table))


def decrypt_cbc(key: bytes, effective_bits: int, initial: bytes, data: bytes) -> bytes:
    """Decrypt whole blocks of 8 bytes; padding is left in place."""
    if len(initial) != BLOCK_SIZE or len(data) % BLOCK_SIZE:
        raise FormatError("RC2: data that is not made of whole blocks")
    words = expand_key(key, effective_bits)
    plain = bytearray()
    previous = int.from_bytes(initial, "big")
    for offset in range(0, len(data), BLOCK_SIZE):
        block = data[offset : offset + BLOCK_SIZE]
        clear = int.from_bytes(_decrypt_block(words, block), "big") ^ previous
        plain += clear.to_bytes(BLOCK_SIZE, "big")
        previous = int.from_bytes(block, "big")
    return bytes(plain)


def _decrypt_block(words: List[int], block: bytes) -> bytes:
    """One block (RFC 2268 section 4): 5 mixing, 1 mashing, 6 mixing, 1 mashing, 5 mixing rounds, backwards."""
    a, b, c, d = struct.unpack("<4H", block)
    for index in range(15, -1, -1):
        d = (d >> 5 | d << 11) & 0xFFFF
        d = (d - words[4 * index + 3] - (c & b) - (~c & a)) & 0xFFFF
        c = (c >> 3 | c << 13) & 0xFFFF
        c = (c - words[4 * index + 2] - (b & a) - (~b & d)) & 0xFFFF
        b = (b >> 2 | b << 14) & 0xFFFF
        b = (b - words[4 * index + 1] - (a & d) - (~a & c)) & 0xFFFF
        a = (a >> 1 | a << 15) & 0xFFFF
        a = (a - words[4 * index] - (d & c) - (~d & b)) & 0xFFFF
        if index in (5, 11):
            d = (d - words[c & 63]) & 0xFFFF
            c = (c - words[b & 63]) & 0xFFFF
            b = (b - words[a & 63]) & 0xFFFF
            a = (a - words[d & 63]) & 0xFFFF
    return struct.pack("<4H", a, b, c, d)
