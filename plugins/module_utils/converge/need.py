# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a credential needs a new certificate, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, List, Optional, Tuple

from .. import certificate as certificates
from .. import chain as chains
from .. import name as names
from .. import private_key as private_keys
from ..difference import Difference
from ..document import Credential
from ..errors import InputError
from .manifest import Manifest
from .material import CERTIFICATE, CHAIN, KEY, Material


def needs(wanted: Credential, material: Material, manifest: Optional[Manifest], now: datetime) -> List[Difference]:
    """The reasons for a new certificate; none where the one in use will do. `now` is an aware UTC time."""
    return [
        *_key(wanted, material),
        *_dates(wanted, material.certificate, now),
        *_usage(material.certificate),
        *_identity(wanted, material.certificate, manifest),
        *_origin(wanted, manifest),
        *_chain(material, now),
        *_withdrawn(wanted, material, manifest),
    ]


def renewal_margin(certificate: Any, wanted: Credential) -> timedelta:
    """How long before its end a certificate is due: `renew_before`, at most a third of its lifetime, and its offset.

    Without the limit a certificate that lives shorter than the margin would be renewed on every run. For the same
    reason the spread, and with it each offset, shrinks where half of the lifetime would be left otherwise.
    """
    lifetime = certificates.not_after(certificate) - certificates.not_before(certificate)
    margin = min(timedelta(seconds=wanted.renew_before), lifetime / 3)
    if not wanted.renew_jitter:
        return margin
    spread = min(timedelta(seconds=wanted.renew_jitter), lifetime / 2 - margin)
    return margin + spread * (wanted.renew_offset / wanted.renew_jitter)


def due(certificate: Any, wanted: Credential) -> datetime:
    """From when on (an aware UTC time) a certificate is to be renewed."""
    return certificates.not_after(certificate) - renewal_margin(certificate, wanted)


def needed_from(wanted: Credential, material: Material) -> datetime:
    """The first moment at which `needs` may judge otherwise than before, though nothing but the time has changed.

    Only of what needs nothing now: a certificate whose time has not come yet is no concern here.
    """
    ends = (certificates.not_after(one) for one in (material.certificate, *material.chain))
    return min(due(material.certificate, wanted), *ends)


def _key(wanted: Credential, material: Material) -> List[Difference]:
    kind = private_keys.kind_of(material.key)
    if kind == wanted.key.kind:
        return []
    return [Difference("key_type_changed", KEY, kind.describe(), wanted.key.kind.describe())]


def _dates(wanted: Credential, certificate: Any, now: datetime) -> List[Difference]:
    start, end = certificates.not_before(certificate), certificates.not_after(certificate)
    if now >= end:
        return [Difference("certificate_expired", CERTIFICATE, "ended " + _date(end), "a valid one")]
    if now < start:
        return [Difference("certificate_not_yet_valid", CERTIFICATE, "begins " + _date(start), "a valid one")]
    renewal = due(certificate, wanted)
    if now >= renewal:
        return [Difference("certificate_due", CERTIFICATE, "ends " + _date(end), "renewal from " + _date(renewal))]
    return []


def _usage(certificate: Any) -> List[Difference]:
    if certificates.allows_client_authentication(certificate):
        return []
    return [Difference("certificate_usage", CERTIFICATE, "not for TLS clients", "clientAuth")]


def _identity(wanted: Credential, certificate: Any, manifest: Optional[Manifest]) -> List[Difference]:
    """Compare with what was asked for: an issuer may be allowed to alter the subject."""
    found = []
    subject, alternative = asked_for(certificate, manifest)
    if subject != wanted.spec.subject:
        was, asked = names.render(subject), names.render(wanted.spec.subject)
        found.append(Difference("subject_changed", CERTIFICATE, was, asked))
    if sorted(alternative) != sorted(wanted.spec.subject_alt_name):
        was, asked = ", ".join(sorted(alternative)), ", ".join(sorted(wanted.spec.subject_alt_name))
        found.append(Difference("subject_alt_name_changed", CERTIFICATE, was, asked))
    return found


def asked_for(certificate: Any, manifest: Optional[Manifest]) -> Tuple[names.Pairs, Tuple[str, ...]]:
    """The subject and the alternative names that a certificate's request had, as far as is known."""
    if manifest is not None and manifest.fingerprint_sha256 == certificates.fingerprint(certificate):
        return manifest.spec.subject, manifest.spec.subject_alt_name
    return certificates.subject(certificate), certificates.subject_alt_name(certificate)


def _origin(wanted: Credential, manifest: Optional[Manifest]) -> List[Difference]:
    found = []
    if manifest is not None and manifest.issuer != wanted.issuer:
        found.append(Difference("issuer_changed", CERTIFICATE, manifest.issuer, wanted.issuer))
    if manifest is not None and manifest.provider != wanted.provider:
        found.append(Difference("provider_changed", CERTIFICATE, manifest.provider, wanted.provider))
    return found


def _chain(material: Material, now: datetime) -> List[Difference]:
    try:
        chains.verify(material.certificate, list(material.chain), now)
    except InputError as error:
        if now >= certificates.not_after(material.certificate):
            # Its own end is reported already and says more.
            return []
        return [Difference("chain_incomplete", CHAIN, str(error), "a chain that verifies")]
    return []


def _withdrawn(wanted: Credential, material: Material, manifest: Optional[Manifest]) -> List[Difference]:
    """What only the issuer knows: that it has revoked the certificate, or issues under another CA now."""
    found = []
    serial = "{0:x}".format(material.certificate.serial_number)
    if serial in wanted.revoked:
        found.append(Difference("certificate_revoked", CERTIFICATE, "serial number " + serial, "another one"))
    if manifest is not None and manifest.issuer != wanted.issuer:
        # Another issuer has other CAs; that it is another one is told already.
        return found
    issuing = certificates.fingerprint(material.chain[0] if material.chain else material.certificate)
    if wanted.issuing_cas and issuing not in wanted.issuing_cas:
        found.append(Difference("issuing_ca_changed", CHAIN, issuing, " or ".join(wanted.issuing_cas)))
    return found


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
