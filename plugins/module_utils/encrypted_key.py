# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an encrypted private key says about its encryption, so that damage is not taken for a wrong passphrase.

PKCS#8's EncryptedPrivateKeyInfo: RFC 5958, section 3; PBES2: RFC 8018, appendix A.4. The headers of OpenSSL's
traditional form: RFC 1421, section 4.6.
"""

from __future__ import annotations

import re
from typing import List

from . import der
from .errors import FormatError, UnsupportedError
from .pem import Block

ITERATION_LIMIT = 10_000_000

_WHERE = "the encrypted private key"
_PBES2 = "1.2.840.113549.1.5.13"
_PBKDF2 = "1.2.840.113549.1.5.12"
_SCRYPT = "1.3.6.1.4.1.11591.4.11"
_AES_256_CBC = "2.16.840.1.101.3.4.1.42"
_DEK_INFO = re.compile(rb"^DEK-Info: ?([A-Za-z0-9-]{1,40}),([0-9A-Fa-f]{1,64})[ \t\r]*$", re.MULTILINE)
_BLOCK_SIZES = {"AES-128-CBC": 16, "AES-192-CBC": 16, "AES-256-CBC": 16, "DES-EDE3-CBC": 8, "DES-CBC": 8}


def encryption_of(data: bytes) -> str:
    """The encryption of a DER EncryptedPrivateKeyInfo: pbes2-aes256 (PBES2, PBKDF2, AES-256-CBC) or other.

    FormatError when `data` is none; UnsupportedError when stretching the passphrase would keep the host busy for
    minutes.
    """
    info = der.Fields(der.read(data, _WHERE), _WHERE)
    algorithm = der.Fields(info.take(der.SEQUENCE), _WHERE)
    if not info.take(der.OCTET_STRING).content:
        raise FormatError("{0}: holds nothing".format(_WHERE))
    info.end()
    scheme = der.to_oid(algorithm.take(der.OBJECT_IDENTIFIER), _WHERE)
    parameters = algorithm.take(der.SEQUENCE)
    algorithm.end()
    if scheme == _PBES2:
        return _pbes2(parameters)
    # The schemes before PBES2 (PKCS#12, PKCS#5 1.5): salt, iterations.
    _check_cost(der.elements(parameters.content, _WHERE)[1:2])
    return "other"


def check_traditional(block: Block) -> None:
    """FormatError unless the block has a DEK-Info header and whole cipher blocks, UnsupportedError for its cipher."""
    stated = _DEK_INFO.search(block.headers)
    if stated is None:
        raise FormatError("{0}: has no DEK-Info header; the file is damaged".format(_WHERE))
    cipher, vector = stated.group(1).decode("ascii"), stated.group(2)
    if cipher not in _BLOCK_SIZES:
        raise UnsupportedError("{0}: the cipher {1} is not handled; convert it to PKCS#8".format(_WHERE, cipher))
    size = _BLOCK_SIZES[cipher]
    content = block.der(_WHERE)
    if len(vector) != 2 * size or not content or len(content) % size:
        raise FormatError("{0}: is damaged or cut short".format(_WHERE))


def _pbes2(parameters: der.Element) -> str:
    fields = der.Fields(parameters, _WHERE)
    derivation, cipher = (der.Fields(fields.take(der.SEQUENCE), _WHERE) for _part in range(2))
    fields.end()
    function = der.to_oid(derivation.take(der.OBJECT_IDENTIFIER), _WHERE)
    # Behind the salt: PBKDF2's iterations, or scrypt's N, r and p; then perhaps the length of the derived key.
    costs = der.elements(derivation.take(der.SEQUENCE).content, _WHERE)
    _check_cost(costs[1 : 4 if function == _SCRYPT else 2])
    is_aes = der.to_oid(cipher.take(der.OBJECT_IDENTIFIER), _WHERE) == _AES_256_CBC
    return "pbes2-aes256" if function == _PBKDF2 and is_aes else "other"


def _check_cost(factors: List[der.Element]) -> None:
    cost = 1
    for factor in factors:
        cost *= max(der.to_integer(factor, _WHERE), 1)
    if cost > ITERATION_LIMIT:
        raise UnsupportedError(
            "the private key's passphrase takes more than {0} rounds of stretching; encrypt the key anew".format(
                ITERATION_LIMIT
            )
        )
