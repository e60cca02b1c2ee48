# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, CAs and certificates for tests, made in memory with any release of the library from 3.3 on.

    root = authority("Corp Root")
    issuing = authority("Corp Issuing", signer=root)
    leaf = client("ops@acme.example", signer=issuing)
    leaf.certificate, leaf.key, leaf.pem, leaf.key_pem

Nothing here uses the collection's own code: what it makes can serve as an oracle.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Iterable, List, Optional, Sequence, Tuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)

_SIGNING = ec.SECP256R1


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        pem: bytes = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return pem


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key: cheap."""
    return ec.generate_private_key(_SIGNING())


def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@functools.lru_cache(maxsize=8)
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """The test run's RSA 2048 key of this number: made once, because it is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def with_broken_factor(key: rsa.RSAPrivateKey) -> bytes:
    """PKCS#8 in PEM with the same public half and another first factor: no key at all."""
    first = key.private_numbers().p
    encoded = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    was, now = (number.to_bytes(key.key_size // 16, "big") for number in (first, first ^ (1 << 99)))
    body = base64.encodebytes(encoded.replace(was, now))
    return b"-----BEGIN PRIVATE KEY-----\n" + body + b"-----END PRIVATE KEY-----\n"


def distinguished_name(*attributes: Tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(identifier, value) for identifier, value in attributes])


def common_name(text: str) -> x509.Name:
    return distinguished_name((NameOID.COMMON_NAME, text))


def key_usage(*allowed: str) -> x509.KeyUsage:
    """KeyUsage with these usages, by the library's names."""
    usages = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign "
        "crl_sign encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{usage: usage in allowed for usage in usages})


def authority(
    name: str,
    signer: Optional[Identity] = None,
    key: Any = None,
    *,
    path_length: Optional[int] = None,
    not_before: datetime = NOW - DAY,
    not_after: datetime = NOW + 3650 * DAY,
    usages: Optional[Sequence[str]] = ("key_cert_sign", "crl_sign"),
    is_ca: Optional[bool] = True,
    key_identifiers: bool = True,
    extensions: Iterable[Tuple[x509.ExtensionType, bool]] = (),
) -> Identity:
    """A CA: a root, or below `signer`. None leaves out KeyUsage (`usages`) or BasicConstraints (`is_ca`)."""
    wanted: List[Tuple[x509.ExtensionType, bool]] = list(extensions)
    if is_ca is not None:
        wanted.append((x509.BasicConstraints(ca=is_ca, path_length=path_length if is_ca else None), True))
    if usages is not None:
        wanted.append((key_usage(*usages), True))
    return _identity(common_name(name), signer, key, not_before, not_after, wanted, key_identifiers)


def client(
    name: str,
    signer: Optional[Identity] = None,
    key: Any = None,
    *,
    subject: Optional[x509.Name] = None,
    alternatives: Sequence[x509.GeneralName] = (),
    not_before: datetime = NOW - DAY,
    not_after: datetime = NOW + 90 * DAY,
    usages: Optional[Sequence[str]] = ("digital_signature",),
    purposes: Optional[Sequence[x509.ObjectIdentifier]] = (ExtendedKeyUsageOID.CLIENT_AUTH,),
    key_identifiers: bool = True,
    extensions: Iterable[Tuple[x509.ExtensionType, bool]] = (),
) -> Identity:
    """A client's certificate by `signer` (else self-signed). `subject` replaces the plain CN; None leaves an
    extension out."""
    wanted: List[Tuple[x509.ExtensionType, bool]] = list(extensions)
    if usages is not None:
        wanted.append((key_usage(*usages), True))
    if purposes is not None:
        wanted.append((x509.ExtendedKeyUsage(list(purposes)), False))
    if alternatives:
        wanted.append((x509.SubjectAlternativeName(list(alternatives)), False))
    named = common_name(name) if subject is None else subject
    return _identity(named, signer, key, not_before, not_after, wanted, key_identifiers)


def signing_hash(key: Any) -> Optional[hashes.SHA256]:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _identity(
    name: x509.Name,
    signer: Optional[Identity],
    key: Any,
    not_before: datetime,
    not_after: datetime,
    extensions: List[Tuple[x509.ExtensionType, bool]],
    key_identifiers: bool,
) -> Identity:
    key = ec_key() if key is None else key
    signing = key if signer is None else signer.key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if signer is None else signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if key_identifiers:
        # Python's default context has been strict since 3.13: it wants both.
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
        extensions = [*extensions, (own, False), (above, False)]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return Identity(builder.sign(signing, signing_hash(signing)), key)
