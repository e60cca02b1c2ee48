# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The revocation lists in an own CA's directory. `crl.pem` holds what a server needs that checks the whole chain."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Optional, Sequence

from ..difference import Difference
from ..errors import IssuerError
from ..imports import x509
from . import crl
from .issue import Authority
from .layout import CRL, ROOT_CRL, ROOT_KEY, Place

_DEFAULT_VALIDITY = timedelta(days=30)


def publish(authority: Authority, place: Place, crl_validity: timedelta, at: datetime) -> None:
    """Write the revocation list; the caller holds the directory's lock. Raises IssuerError as roots_list() does."""
    above = roots_list(place, authority.certificates)
    with authority.ledger.writing() as ledger:
        number = ledger.next_crl_number()
    revocations = authority.revocations(at)
    place.put(CRL, crl.build(authority.issuing, authority.key, revocations, number, crl_validity, at) + above)


def publish_roots(authority: Authority, place: Place, root_key: Any, at: datetime) -> None:
    """Write the root's own list; the caller holds the directory's lock."""
    with authority.ledger.writing() as ledger:
        number = ledger.next_crl_number(of_root=True)
    place.put(ROOT_CRL, crl.build_roots(authority.certificates[-1], root_key, number, at))


def complete(authority: Authority, place: Place, at: datetime) -> bool:
    """Publish anew where a revoked certificate is not on the list, or there is none; whether that was needed.

    The list is as long good as the one before. The caller holds the directory's lock.
    """
    content = present_list(place)
    validity = crl.validity_of(content, authority.issuing) or _DEFAULT_VALIDITY
    above = roots_list(place, authority.certificates)
    revocations = authority.revocations(at)
    found = crl.difference(content, authority.issuing, revocations, validity, at, above)
    # A list that is merely due is for the run that keeps the CA.
    if found is None or found.reason == "crl_due":
        return False
    publish(authority, place, validity, at)
    return True


def present_list(place: Place) -> Optional[bytes]:
    """What crl.pem holds, or None."""
    return place.read(CRL) if place.has(CRL) else None


def roots_difference(place: Place, root: x509.Certificate) -> Optional[Difference]:
    """Why the root's list has to be made, if it has to."""
    return crl.roots_difference(place.read(ROOT_CRL) if place.has(ROOT_CRL) else None, root)


def roots_list(place: Place, certificates: Sequence[x509.Certificate]) -> bytes:
    """What follows the list of the CA that issues: with an intermediate the root's list. Raises IssuerError."""
    if len(certificates) == 1:
        return b""
    found = roots_difference(place, certificates[-1])
    if found is not None:
        raise IssuerError(lacking(place, found))
    return place.read(ROOT_CRL)


def lacking(place: Place, found: Difference) -> str:
    """What to do about a root's list that cannot be made without the root's key."""
    return (
        "the root's revocation list {0} is {1}: servers that check the whole chain would refuse everybody. Restore it "
        "from the backup, or run the playbook mutual.tls.ownca with {2} in its place for once".format(
            place.path_of(ROOT_CRL),
            "missing" if found.reason == "crl_missing" else found.was,
            place.name_of(ROOT_KEY),
        )
    )
