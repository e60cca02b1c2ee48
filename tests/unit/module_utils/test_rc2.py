# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RC2 against the vectors of RFC 2268, and CBC over more than one block."""

from __future__ import annotations

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import rc2
from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError

# RFC 2268 section 5: key, effective bits, plaintext, ciphertext
VECTORS = [
    ("0000000000000000", 63, "0000000000000000", "ebb773f993278eff"),
    ("ffffffffffffffff", 64, "ffffffffffffffff", "278b27e42e2f0d49"),
    ("3000000000000000", 64, "1000000000000001", "30649edf9be7d2c2"),
    ("88", 64, "0000000000000000", "61a8a244adacccf0"),
    ("88bca90e90875a", 64, "0000000000000000", "6ccf4308974c267f"),
    ("88bca90e90875a7f0f79c384627bafb2", 64, "0000000000000000", "1a807d272bbe5db1"),
    ("88bca90e90875a7f0f79c384627bafb2", 128, "0000000000000000", "2269552ab0f85ca6"),
    ("88bca90e90875a7f0f79c384627bafb216f80a6f85920584c42fceb0be255daf1e", 129, "0000000000000000", "5b78d3a43dfff1f1"),
]


@pytest.mark.parametrize(("key", "bits", "plain", "cipher"), VECTORS)
def test_vectors_of_the_rfc(key: str, bits: int, plain: str, cipher: str) -> None:
    assert rc2.decrypt_cbc(bytes.fromhex(key), bits, bytes(8), bytes.fromhex(cipher)).hex() == plain


def test_blocks_are_chained() -> None:
    key, bits, _plain, cipher = VECTORS[6]
    block = bytes.fromhex(cipher)
    initial = bytes.fromhex("0102030405060708")
    assert rc2.decrypt_cbc(bytes.fromhex(key), bits, initial, block + block) == initial + block


@pytest.mark.parametrize(
    ("key", "bits", "initial", "data"),
    [(b"", 64, bytes(8), bytes(8)), (b"k" * 129, 64, bytes(8), bytes(8)), (b"k", 0, bytes(8), bytes(8)),
     (b"k", 1025, bytes(8), bytes(8)), (b"k", 64, bytes(7), bytes(8)), (b"k", 64, bytes(8), bytes(9))],
)  # fmt: skip
def test_impossible_sizes_are_format_errors(key: bytes, bits: int, initial: bytes, data: bytes) -> None:
    with pytest.raises(FormatError):
        rc2.decrypt_cbc(key, bits, initial, data)
