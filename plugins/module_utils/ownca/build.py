# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the certificates of an own CA: its own ones, and those it issues to clients (RFC 5280).

Nothing of a request is copied into a certificate but its public key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Callable, Collection, Sequence

from .. import certificate, name
from ..general_name import parse as parse_general_name
from ..imports import oid, x509
from ..name import Pairs
from ..private_key import KeyKind
from ..request import RequestSpec, signature_hash

BACKDATE = timedelta(hours=1)
"""How far a certificate begins in the past, so that a client or server whose clock is slow accepts it."""


@dataclass(frozen=True)
class AuthoritySpec:
    """What a CA certificate should be: its subject, its kind of key, how long it lasts."""

    subject: Pairs
    key: KeyKind
    validity: timedelta


def root(spec: AuthoritySpec, key: Any, path_length: int, at: datetime) -> x509.Certificate:
    """A self-signed root certificate for `key`; `path_length` is the number of CAs that may follow."""
    start = _whole_seconds(at) - BACKDATE
    builder = _builder(spec.subject, spec.subject, key.public_key(), start, start + BACKDATE + spec.validity)
    builder = _with_authority_extensions(builder, path_length)
    builder = builder.add_extension(_key_identifier(key.public_key()), critical=False)
    identifier = x509.AuthorityKeyIdentifier(_key_identifier(key.public_key()).digest, None, None)
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key, signature_hash(key))


def intermediate(
    spec: AuthoritySpec, public_key: Any, issuer: x509.Certificate, issuer_key: Any, at: datetime
) -> x509.Certificate:
    """A CA certificate that may issue to clients only, never lasting longer than its issuer's."""
    start = max(_whole_seconds(at) - BACKDATE, certificate.not_before(issuer))
    last = min(start + BACKDATE + spec.validity, certificate.not_after(issuer))
    builder = _builder(spec.subject, certificate.subject(issuer), public_key, start, last)
    builder = _with_authority_extensions(builder, 0)
    builder = builder.add_extension(_key_identifier(public_key), critical=False)
    builder = builder.add_extension(issuer_identifier(issuer), critical=False)
    return builder.sign(issuer_key, signature_hash(issuer_key))


def end(issuer: x509.Certificate, validity: timedelta, at: datetime) -> datetime:
    """When a client certificate made at `at` ends: `validity` later or with its issuer, whichever is first."""
    return min(_whole_seconds(at) + validity, certificate.not_after(issuer))


def client(
    spec: RequestSpec,
    public_key: Any,
    issuer: x509.Certificate,
    issuer_key: Any,
    validity: timedelta,
    at: datetime,
    crl_urls: Sequence[str],
    is_taken: Callable[[str], bool],
) -> x509.Certificate:
    """A client certificate: subject and names of `spec`, the given public key, and nothing else.

    It ends as end() says. It begins an hour before `at`, a tenth of its length where that is less, never before the
    issuer. `is_taken` tells whether a serial number (lower-case hex) is in use.
    """
    last = end(issuer, validity, at)
    # A full hour before a certificate of minutes would make two thirds of its lifetime lie in the past at
    # once, which is when clients renew.
    backdate = min(BACKDATE, (last - at) / 10)
    start = max(_whole_seconds(at - backdate), certificate.not_before(issuer))
    builder = _builder(spec.subject, certificate.subject(issuer), public_key, start, last, is_taken)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    builder = builder.add_extension(_key_identifier(public_key), critical=False)
    builder = builder.add_extension(issuer_identifier(issuer), critical=False)
    if spec.subject_alt_name:
        names = x509.SubjectAlternativeName([parse_general_name(text) for text in spec.subject_alt_name])
        # RFC 5280, 4.2.1.6: critical where it is all the identity there is.
        builder = builder.add_extension(names, critical=not spec.subject)
    if crl_urls:
        builder = builder.add_extension(_distribution_points(crl_urls), critical=False)
    return builder.sign(issuer_key, signature_hash(issuer_key))


def issuer_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The extension that names the issuer's key, equal to its own key identifier (RFC 5280, 4.2.1.1)."""
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier(identifier.digest, None, None)


def _builder(
    subject: Pairs,
    issuer: Pairs,
    public_key: Any,
    start: datetime,
    last: datetime,
    is_taken: Callable[[str], bool] = lambda serial: False,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name.to_x509(subject))
        .issuer_name(name.to_x509(issuer))
        .public_key(public_key)
        .serial_number(_serial_number(is_taken))
        .not_valid_before(start)
        .not_valid_after(last)
    )


def _serial_number(is_taken: Callable[[str], bool]) -> int:
    """159 random bits: as long as RFC 5280 (20 octets, positive) allows."""
    while True:
        serial = x509.random_serial_number()
        if serial and not is_taken("{0:x}".format(serial)):
            return serial


def _with_authority_extensions(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _key_identifier(public_key: Any) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(public_key)


def _key_usage(digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _distribution_points(urls: Collection[str]) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    )


def _whole_seconds(at: datetime) -> datetime:
    return at.replace(microsecond=0)
