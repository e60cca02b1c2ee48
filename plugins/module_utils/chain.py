# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate chains: put CA certificates in order, and check that they hold (RFC 5280, section 6, where it applies).

A chain is all CA certificates above a leaf: the issuing CA first, the self-signed root last if it is known.
"""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from typing import Any, Dict, Iterable, List, Tuple

from . import certificate, name
from .errors import Error, FormatError, InputError
from .imports import oid
from .name import Pairs
from .signature import is_valid

DEPTH_LIMIT = 16
"""No real chain is as long; a hostile pool could otherwise ask for the square of its size in signature checks."""


def is_signed_by(child: Any, issuer: Any) -> bool:
    """Whether `issuer` is the name that `child` gives for its issuer, and its key made the signature."""
    try:
        return certificate.issuer(child) == certificate.subject(issuer) and is_valid(
            child, certificate.public_key(issuer)
        )
    except Error:
        return False


def is_root(one: Any) -> bool:
    """Whether the certificate is signed by its own key."""
    return is_signed_by(one, one)


def order(leaf: Any, pool: Iterable[Any]) -> List[Any]:
    """The chain of `leaf` as far as `pool` holds it; certificates that do not belong to it are ignored.

    Of several certificates of one CA, the one is taken whose key identifier fits, then CAs before others, roots
    before cross-signed ones, and the one that is valid longest.
    """
    candidates = _by_subject(pool)
    found: List[Any] = []
    used = {certificate.fingerprint(leaf)}
    current = leaf
    while len(found) < DEPTH_LIMIT and not is_root(current):
        signers = [
            (_preference(current, one), one)
            for one in candidates.get(certificate.issuer(current), [])
            if certificate.fingerprint(one) not in used and is_signed_by(current, one)
        ]
        if not signers:
            break
        current = max(signers, key=itemgetter(0))[1]
        used.add(certificate.fingerprint(current))
        found.append(current)
    return found


def verify(leaf: Any, chain: List[Any], at: datetime) -> None:
    """Check the chain of a client's certificate at a moment (aware). InputError names the first thing that is wrong.

    Checked from the leaf upwards: each link's name and signature, that each issuer is a CA which may sign
    certificates, may do so at this depth and for clients, and is valid. The leaf's own dates and usage are not.
    """
    try:
        if not chain:
            raise InputError("the chain is incomplete: no CA certificate came with {0}".format(_describe(leaf)))
        child, below = leaf, 0
        for issuer in chain:
            _check_link(child, issuer)
            _check_authority(issuer, below)
            _check_dates(issuer, at)
            # RFC 5280, section 4.2.1.9: self-issued certificates do not count for the path length.
            below += 0 if certificate.is_self_issued(issuer) else 1
            child = issuer
    except FormatError as error:
        raise InputError("the chain cannot be checked: {0}".format(error)) from error


def _by_subject(pool: Iterable[Any]) -> Dict[Pairs, List[Any]]:
    found: Dict[Pairs, Dict[str, Any]] = {}
    for one in pool:
        try:
            found.setdefault(certificate.subject(one), {})[certificate.fingerprint(one)] = one
        except FormatError:
            # Authorities' bundles hold certificates of many makers; one that cannot be read is not ours.
            continue
    return {subject: list(ones.values()) for subject, ones in found.items()}


def _preference(child: Any, issuer: Any) -> Tuple[bool, bool, bool, datetime, str]:
    return (
        _key_identifier_fits(child, issuer),
        _is_ca(issuer),
        is_root(issuer),
        certificate.not_after(issuer),
        certificate.fingerprint(issuer),
    )


def _key_identifier_fits(child: Any, issuer: Any) -> bool:
    try:
        authority = certificate.extension(child, oid.ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        own = certificate.extension(issuer, oid.ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    except FormatError:
        return False
    return authority is not None and own is not None and authority.key_identifier == own.digest


def _is_ca(one: Any) -> bool:
    try:
        return certificate.is_ca(one)
    except FormatError:
        return False


def _check_link(child: Any, issuer: Any) -> None:
    if certificate.issuer(child) != certificate.subject(issuer):
        raise InputError(
            "the chain is broken: {0} was issued by {1}, but {2} follows".format(
                _describe(child), _text(certificate.issuer(child)), _describe(issuer)
            )
        )
    if not is_signed_by(child, issuer):
        raise InputError(
            "the chain is broken: the signature of {0} was not made by the key of {1}".format(
                _describe(child), _describe(issuer)
            )
        )


def _check_authority(issuer: Any, below: int) -> None:
    constraints = certificate.extension(issuer, oid.ExtensionOID.BASIC_CONSTRAINTS)
    if constraints is None or not constraints.ca:
        raise InputError("{0} is in the chain but is not a CA".format(_describe(issuer)))
    if constraints.path_length is not None and below > constraints.path_length:
        raise InputError(
            "{0} allows {1} CA certificates below it (path length), but there are {2}".format(
                _describe(issuer), constraints.path_length, below
            )
        )
    usage = certificate.extension(issuer, oid.ExtensionOID.KEY_USAGE)
    if usage is not None and not usage.key_cert_sign:
        raise InputError("{0} may not sign certificates: its key usage lacks keyCertSign".format(_describe(issuer)))
    if not certificate.has_client_purpose(issuer):
        raise InputError(
            "{0} may not issue certificates for clients: its extended key usage lacks clientAuth".format(
                _describe(issuer)
            )
        )


def _check_dates(issuer: Any, at: datetime) -> None:
    if at < certificate.not_before(issuer):
        raise InputError(
            "the CA {0} is not valid before {1:%Y-%m-%d %H:%M} UTC".format(
                _describe(issuer), certificate.not_before(issuer)
            )
        )
    if at > certificate.not_after(issuer):
        raise InputError(
            "the CA {0} expired on {1:%Y-%m-%d %H:%M} UTC".format(_describe(issuer), certificate.not_after(issuer))
        )


def _describe(one: Any) -> str:
    return _text(certificate.subject(one))


def _text(pairs: Pairs) -> str:
    return "'{0}'".format(name.render(pairs))
