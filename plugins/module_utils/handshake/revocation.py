# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate revocation lists (RFC 5280 section 5) that the user has at hand."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import List, Optional, Tuple

from ..hostile import format_errors
from ..imports import x509
from . import authority_name

_PEM = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


def load(data: bytes, where: str) -> Tuple[x509.CertificateRevocationList, ...]:
    """Return the CRLs of a PEM file, or the one of a DER file; FormatError naming `where`."""
    found: List[x509.CertificateRevocationList] = []
    with format_errors("{0}: not a certificate revocation list in PEM or DER".format(where)):
        for block in _PEM.findall(data):
            found.append(x509.load_pem_x509_crl(block))
        if not found:
            found.append(x509.load_der_x509_crl(data))
        for crl in found:
            # Some releases parse these on first use only; here is the place for them to fail.
            _utc(crl, "last_update")
            authority_name.text(crl.issuer)
    return tuple(found)


def revoked_at(lists: Tuple[x509.CertificateRevocationList, ...], certificate: x509.Certificate) -> Optional[datetime]:
    """Return when the certificate was revoked according to its own issuer's list, or None."""
    for crl in lists:
        if not authority_name.same(crl.issuer, certificate.issuer):
            continue
        entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None:
            return _utc(entry, "revocation_date")
    return None


def stale(
    lists: Tuple[x509.CertificateRevocationList, ...], certificate: x509.Certificate, now: datetime
) -> Optional[datetime]:
    """Return when the issuer's list ended to be valid, if it has."""
    for crl in lists:
        end = _utc(crl, "next_update")
        if end is not None and end < now and authority_name.same(crl.issuer, certificate.issuer):
            return end
    return None


def _utc(thing: object, name: str) -> Optional[datetime]:
    """Return a date as an aware one: cryptography has `..._utc` since release 42, naive ones before."""
    if hasattr(thing, name + "_utc"):
        aware: Optional[datetime] = getattr(thing, name + "_utc")
        return aware
    naive: Optional[datetime] = getattr(thing, name)
    return None if naive is None else naive.replace(tzinfo=timezone.utc)
