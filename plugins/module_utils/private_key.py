# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private keys: make them, read and write their PEM forms, and tell what kind they are.

Formats: PKCS#8 (RFC 5958; encrypted with PBES2, RFC 8018) and what OpenSSL calls traditional (PKCS#1, RFC 8017;
SEC 1, RFC 5915; encrypted by a DEK-Info header, RFC 1421).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Dict, Optional

from . import der
from .encrypted_key import check_traditional, encryption_of
from .errors import FormatError, InputError, PassphraseError, UnsupportedError
from .hostile import format_errors
from .imports import UnsupportedAlgorithm, ec, ed25519, rsa, serialization, unchecked_key
from .pem import Block, blocks

CURVES = ("secp256r1", "secp384r1", "secp521r1")
RSA_SIZES = range(2048, 8193)

_SIZE_LIMIT = 256 * 1024
_PASSPHRASE_LIMIT = 1023  # bytes; what every release of the library accepts
_KEY_LABELS = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


@dataclass(frozen=True)
class KeyKind:
    """What a key is: `type` is RSA (with `size` in bits), ECC (with `curve`) or Ed25519."""

    type: str
    size: Optional[int] = None
    curve: Optional[str] = None

    def describe(self) -> str:
        """For people: "RSA 2048", "ECC secp256r1", "Ed25519"."""
        detail = self.curve if self.type == "ECC" else self.size
        return self.type if detail is None else "{0} {1}".format(self.type, detail)


@dataclass(frozen=True)
class LoadedKey:
    """A private key and how its file holds it.

    `format` is pkcs8 or traditional, `encryption` none, pbes2-aes256 or other.
    """

    key: Any = field(repr=False)
    format: str
    encrypted: bool
    encryption: str


def generate(kind: KeyKind) -> Any:
    """A new private key of this kind. InputError for a kind that is not offered."""
    if kind.type == "RSA":
        if kind.size is None or kind.size not in RSA_SIZES or kind.size % 8:
            raise InputError("RSA keys are made with 2048 to 8192 bits in whole bytes, not {0}".format(kind.size))
        return rsa.generate_private_key(public_exponent=65537, key_size=kind.size)
    if kind.type == "ECC":
        if kind.curve not in CURVES:
            raise InputError("ECC keys are made on {0}, not on {1}".format(", ".join(CURVES), kind.curve))
        return ec.generate_private_key(getattr(ec, kind.curve.upper())())
    if kind.type == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    raise InputError("keys are of type RSA, ECC or Ed25519, not {0}".format(kind.type))


def load(data: bytes, passphrase: Optional[str], written_here: bool = False) -> LoadedKey:
    """The one private key that a PEM file holds; certificates and text beside it are skipped.

    A passphrase that an unencrypted key does not need is ignored. `written_here`: these are, to the byte, what the
    collection once wrote; the proof that an RSA key's factors are primes would take longer than the rest of a check
    and say nothing new, so it is left out. FormatError: no key, several, or a damaged one.
    PassphraseError: the key is encrypted, and the passphrase is missing or wrong. UnsupportedError: a kind of key
    or encryption that is not handled.
    """
    block = _key_block(data)
    if block.is_encrypted:
        check_traditional(block)
        key = _opened(serialization.load_pem_private_key, block.armoured(), passphrase, written_here)
        encryption = "other"
    elif block.label == "ENCRYPTED PRIVATE KEY":
        sealed = block.der("the private key")
        encryption = encryption_of(sealed)
        key = _opened(serialization.load_der_private_key, sealed, passphrase, written_here)
    else:
        key, encryption = from_pkcs8(block.der("the private key"), written_here), "none"
    kind_of(key)
    return LoadedKey(
        key=key,
        format="pkcs8" if block.label in ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY") else "traditional",
        encrypted=encryption != "none",
        encryption=encryption,
    )


def dump(key: Any, format: str, passphrase: Optional[str]) -> bytes:
    """The key as PEM. `format` is pkcs8 (with a passphrase: PBES2, AES-256-CBC) or traditional (never encrypted)."""
    encryption: Any = serialization.NoEncryption()
    if format == "traditional":
        if passphrase is not None:
            raise InputError(
                "a traditional private key cannot be encrypted safely (its passphrase is stretched by one round of "
                "MD5); use format pkcs8, or no passphrase"
            )
        if kind_of(key).type == "Ed25519":
            raise InputError("there is no traditional format for Ed25519 keys; use format pkcs8")
        layout = serialization.PrivateFormat.TraditionalOpenSSL
    elif format == "pkcs8":
        layout = serialization.PrivateFormat.PKCS8
        if passphrase is not None:
            encryption = serialization.BestAvailableEncryption(_new_passphrase(passphrase))
    else:
        raise InputError("private keys are written as pkcs8 or traditional, not as {0}".format(format))
    pem: bytes = key.private_bytes(serialization.Encoding.PEM, layout, encryption)
    return pem


def to_pkcs8(key: Any) -> bytes:
    """The key as an unencrypted PKCS#8 PrivateKeyInfo in DER."""
    encoded: bytes = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return encoded


def from_pkcs8(data: bytes, written_here: bool = False) -> Any:
    """The key in an unencrypted DER PrivateKeyInfo. FormatError when damaged, UnsupportedError for other kinds.

    `written_here` as for `load`.
    """
    # Releases of the library before 45 skip what follows the key.
    der.read(data, "the private key")
    with format_errors("the private key is damaged, or is not a private key"):
        try:
            key = serialization.load_der_private_key(data, None, **_care(written_here))
        except UnsupportedAlgorithm as error:
            raise UnsupportedError(_unsupported()) from error
    kind_of(key)
    return key


def kind_of(key: Any) -> KeyKind:
    """The kind of a private or public key. UnsupportedError for any other than RSA, ECC and Ed25519."""
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return KeyKind("RSA", size=key.key_size)
    if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        if key.curve.name not in CURVES:
            raise UnsupportedError(
                "the key is on the curve {0}; use one of {1}".format(key.curve.name, ", ".join(CURVES))
            )
        return KeyKind("ECC", curve=key.curve.name)
    if isinstance(key, (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey)):
        return KeyKind("Ed25519")
    raise UnsupportedError(_unsupported())


def public_fingerprint(public_key: Any) -> str:
    """SHA-256 of the DER SubjectPublicKeyInfo, in lower-case hexadecimal."""
    with format_errors("the public key cannot be encoded"):
        encoded = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()


def _key_block(data: bytes) -> Block:
    if len(data) > _SIZE_LIMIT:
        raise FormatError("the private key file is larger than {0} bytes".format(_SIZE_LIMIT))
    keys = [block for block in blocks(data, "the private key file") if block.label.endswith("PRIVATE KEY")]
    if not keys:
        raise FormatError(
            "there is no PEM private key (-----BEGIN ... PRIVATE KEY-----); convert other forms with 'openssl pkey'"
        )
    if len(keys) > 1:
        raise FormatError("there are {0} private keys in one file; keep one".format(len(keys)))
    if keys[0].label not in _KEY_LABELS:
        raise UnsupportedError(
            "a {0} is not handled; convert it to PKCS#8, for OpenSSH keys with 'ssh-keygen -p -m PKCS8'".format(
                keys[0].label
            )
        )
    return keys[0]


def _care(written_here: bool) -> Dict[str, bool]:
    return unchecked_key() if written_here else {}


def _opened(loader: Any, data: bytes, passphrase: Optional[str], written_here: bool) -> Any:
    if not passphrase:
        raise PassphraseError("the private key is encrypted, and no passphrase was given for it")
    try:
        with format_errors("wrong passphrase"):
            try:
                return loader(data, _encoded(passphrase), **_care(written_here))
            except UnsupportedAlgorithm as error:
                raise UnsupportedError(
                    "the private key's encryption is not handled by the 'cryptography' library here; convert it with "
                    "'openssl pkcs8 -topk8 -v2 aes-256-cbc'"
                ) from error
    except FormatError as error:
        # A wrong passphrase decrypts to noise, which fails in as many ways as there are parsers.
        raise PassphraseError("the passphrase does not open the private key") from error


def _encoded(passphrase: str) -> bytes:
    try:
        encoded = passphrase.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PassphraseError("the passphrase holds characters that UTF-8 cannot encode") from error
    if len(encoded) > _PASSPHRASE_LIMIT:
        raise PassphraseError("the passphrase is longer than {0} bytes".format(_PASSPHRASE_LIMIT))
    return encoded


def _new_passphrase(passphrase: str) -> bytes:
    if not passphrase:
        raise InputError("the private key's passphrase is empty; leave it out for a key that is not encrypted")
    try:
        return _encoded(passphrase)
    except PassphraseError as error:
        raise InputError(str(error)) from error


def _unsupported() -> str:
    return "the key is of a kind that is not handled; use RSA, ECC ({0}) or Ed25519".format(", ".join(CURVES))
