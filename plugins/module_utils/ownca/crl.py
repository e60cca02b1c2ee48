# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate revocation lists of an own CA (RFC 5280, 5)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Sequence

from .. import signature
from ..difference import Difference
from ..imports import serialization, x509
from ..request import signature_hash
from .build import BACKDATE, issuer_identifier
from .layout import CRL
from .ledger import Revocation


def build(
    issuer: x509.Certificate,
    issuer_key: Any,
    revocations: Sequence[Revocation],
    number: int,
    validity: timedelta,
    at: datetime,
) -> bytes:
    """The revocation list as PEM, good until `validity` after `at`."""
    at = at.replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(at - BACKDATE)
        .next_update(at + validity)
        .add_extension(issuer_identifier(issuer), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for revocation in revocations:
        builder = builder.add_revoked_certificate(_revoked(revocation))
    crl = builder.sign(issuer_key, signature_hash(issuer_key))
    return crl.public_bytes(serialization.Encoding.PEM)


def difference(
    content: Optional[bytes],
    issuer: x509.Certificate,
    revocations: Sequence[Revocation],
    validity: timedelta,
    at: datetime,
) -> Optional[Difference]:
    """Why a revocation list has to be made anew; None while the one on disk serves.

    It is due when half of its time has passed, not when all has: those who check it must never find it expired.
    What has expired since it was made may stay in it until then.
    """
    if content is None:
        return Difference("crl_missing", CRL, "", "present")
    crl = _load(content)
    if crl is None or crl.issuer != issuer.subject or not signature.is_valid(crl, issuer.public_key()):
        return Difference("crl_content_changed", CRL, "not a list of this CA", "a list of this CA")
    for revocation in revocations:
        if crl.get_revoked_certificate_by_serial_number(int(revocation.serial, 16)) is None:
            return Difference("crl_content_changed", CRL, "", "{0} revoked".format(revocation.serial))
    begins = _moment(crl, "last_update") + BACKDATE
    ends = _moment(crl, "next_update")
    if ends - begins != validity or at >= begins + validity / 2:
        return Difference("crl_due", CRL, "valid until {0:%Y-%m-%dT%H:%M:%SZ}".format(ends), "made anew")
    return None


def _load(content: bytes) -> Optional[x509.CertificateRevocationList]:
    try:
        return x509.load_pem_x509_crl(content)
    except ValueError:
        return None


def _revoked(revocation: Revocation) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(int(revocation.serial, 16))
        .revocation_date(revocation.revoked_at)
    )
    if revocation.reason != "unspecified":
        # RFC 5280, 5.3.1: leave the reason out rather than write "unspecified".
        flag = getattr(x509.ReasonFlags, revocation.reason)
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    return builder.build()


def _moment(crl: x509.CertificateRevocationList, which: str) -> datetime:
    aware = getattr(crl, which + "_utc", None)
    if aware is not None:
        return aware  # type: ignore[no-any-return]
    naive: datetime = getattr(crl, which)
    return naive.replace(tzinfo=timezone.utc)
