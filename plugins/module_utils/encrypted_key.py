# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an EncryptedPrivateKeyInfo says about its encryption (RFC 5958, section 3; PBES2: RFC 8018, appendix A.4)."""

from __future__ import annotations

from .der_peek import INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, children, only
from .errors import FormatError, UnsupportedError

ITERATION_LIMIT = 10_000_000

_PBES2 = bytes.fromhex("2a864886f70d01050d")
_PBKDF2 = bytes.fromhex("2a864886f70d01050c")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC = bytes.fromhex("60864801650304012a")
_DAMAGED = "the encrypted private key is damaged: it is no EncryptedPrivateKeyInfo"


def encryption_of(der: bytes) -> str:
    """"pbes2-aes256" (PBES2 with PBKDF2 and AES-256-CBC) or "other".

    FormatError when `der` is no EncryptedPrivateKeyInfo, so that a damaged file is not taken for a wrong
    passphrase; UnsupportedError when stretching the passphrase would keep the host busy for minutes.
    """
    try:
        outer = children(only(der, SEQUENCE))
        if [tag for tag, _content, _element in outer] != [SEQUENCE, OCTET_STRING] or not outer[1][1]:
            raise FormatError(_DAMAGED)
        algorithm = children(outer[0][1])
        if not algorithm or algorithm[0][0] != OBJECT_IDENTIFIER:
            raise FormatError(_DAMAGED)
        if algorithm[0][1] != _PBES2:
            if len(algorithm) > 1 and algorithm[1][0] == SEQUENCE:
                _check_cost(children(algorithm[1][1])[1:2])
            return "other"
        return _pbes2(algorithm[1:])
    except FormatError as error:
        raise FormatError(_DAMAGED) from error


def _pbes2(parameters: list[tuple[int, bytes, bytes]]) -> str:
    if len(parameters) != 1 or parameters[0][0] != SEQUENCE:
        raise FormatError(_DAMAGED)
    parts = children(parameters[0][1])
    if [tag for tag, _content, _element in parts] != [SEQUENCE, SEQUENCE]:
        raise FormatError(_DAMAGED)
    derivation, cipher = children(parts[0][1]), children(parts[1][1])
    if len(derivation) != 2 or not cipher:
        raise FormatError(_DAMAGED)
    # Behind the salt: PBKDF2's iterations, or scrypt's N, r and p; then perhaps the length of the derived key.
    _check_cost(children(derivation[1][1])[1 : 4 if derivation[0][1] == _SCRYPT else 2])
    if derivation[0][1] == _PBKDF2 and cipher[0][1] == _AES_256_CBC:
        return "pbes2-aes256"
    return "other"


def _check_cost(factors: list[tuple[int, bytes, bytes]]) -> None:
    cost = 1
    for tag, content, _element in factors:
        if tag == INTEGER:
            cost *= max(int.from_bytes(content[:16], "big"), 1)
    if cost > ITERATION_LIMIT:
        raise UnsupportedError(
            "the encrypted private key asks for more than {0} rounds of passphrase stretching; encrypt it anew".format(
                ITERATION_LIMIT
            )
        )
