# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate revocation lists of an own CA (RFC 5280, 5).

A server that checks a whole chain, as nginx always does, wants a list of every CA in it: with an intermediate that
of the root, too. The root's key may be kept offline, so its list is signed once, when the CA is made, and lasts as
long as the root: one that ended sooner would lock every client out on that day. It stays empty, because an
intermediate is replaced by a roll-over and not revoked.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any, List, Optional, Sequence

from .. import certificate, signature
from ..difference import Difference
from ..errors import FormatError
from ..imports import serialization, x509
from ..pem import blocks
from ..request import signature_hash
from .build import BACKDATE, issuer_identifier
from .layout import CRL, ROOT_CRL
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


def build_roots(root: x509.Certificate, root_key: Any, number: int, at: datetime) -> bytes:
    """The list of a root with an intermediate below it, as PEM: empty, and good as long as the root."""
    at = at.replace(microsecond=0)
    return build(root, root_key, (), number, certificate.not_after(root) - at, at)


def roots_difference(content: Optional[bytes], root: x509.Certificate) -> Optional[Difference]:
    """Why the root's list has to be made anew; None while the one on disk serves."""
    if content is None:
        return Difference("crl_missing", ROOT_CRL, "", "present")
    crl = _own(content, root)
    if crl is None or _moment(crl, "next_update") != certificate.not_after(root):
        return Difference("crl_content_changed", ROOT_CRL, "not a list of this CA", "a list of this CA")
    return None


def difference(
    content: Optional[bytes],
    issuer: x509.Certificate,
    revocations: Sequence[Revocation],
    validity: timedelta,
    at: datetime,
    above: Optional[bytes] = b"",
) -> Optional[Difference]:
    """Why a revocation list has to be made anew; None while the one on disk serves.

    `above` is what has to follow it in its file, None where that is yet to be made.

    A list is due when half of its time has passed, not when all has: those who check it must never find it expired.
    What has expired since it was made may stay in it until then.
    """
    if content is None:
        return Difference("crl_missing", CRL, "", "present")
    if above is None or not content.endswith(above):
        return Difference("crl_content_changed", CRL, "without the root's list", "with the root's list")
    crl = _own(content[: len(content) - len(above)], issuer)
    if crl is None:
        return Difference("crl_content_changed", CRL, "not a list of this CA", "a list of this CA")
    for revocation in revocations:
        if crl.get_revoked_certificate_by_serial_number(int(revocation.serial, 16)) is None:
            return Difference("crl_content_changed", CRL, "", "{0} revoked".format(revocation.serial))
    ends = _moment(crl, "next_update")
    if _length(crl) != validity or at >= ends - validity / 2:
        return Difference("crl_due", CRL, "valid until {0:%Y-%m-%dT%H:%M:%SZ}".format(ends), "made anew")
    return None


def validity_of(content: Optional[bytes], issuer: x509.Certificate) -> Optional[timedelta]:
    """For how long a revocation list was made; None where it is none of this CA's."""
    crl = None if content is None else _own(content, issuer)
    return None if crl is None else _length(crl)


def lists_of(content: Optional[bytes], where: str) -> List[x509.CertificateRevocationList]:
    """Every list in a file; none where there is no file or it is damaged."""
    try:
        return [x509.load_der_x509_crl(block.der(where)) for block in blocks(content or b"", where)]
    except (FormatError, ValueError):
        return []


def is_on(lists: Sequence[x509.CertificateRevocationList], leaf: x509.Certificate) -> bool:
    """Whether one of the lists, of the CA that a certificate names as its issuer, holds the certificate."""
    return any(
        one.issuer == leaf.issuer and one.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
        for one in lists
    )


def _own(content: bytes, issuer: x509.Certificate) -> Optional[x509.CertificateRevocationList]:
    """The first list of a file, if this CA signed it."""
    try:
        crl = x509.load_pem_x509_crl(content)
    except ValueError:
        return None
    is_own = crl.issuer == issuer.subject and signature.is_valid(crl, issuer.public_key())
    return crl if is_own else None


def _length(crl: x509.CertificateRevocationList) -> timedelta:
    return _moment(crl, "next_update") - _moment(crl, "last_update") - BACKDATE


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
