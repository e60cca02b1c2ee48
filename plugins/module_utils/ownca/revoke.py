# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Revoking an own CA's certificates: first in the ledger, from when on it is never an answer again, then on the list.

A run that dies between the two leaves a list that lacks the certificate. Whoever comes next completes it: another
revocation, that of the same certificate, too, or the run that keeps the CA. `unlisted` finds what is left to be done.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from datetime import datetime
from typing import List

from .. import certificate
from ..errors import InputError, IssuerError
from ..files import open_directory
from ..name import render
from . import crl, phases, views
from .issue import Authority, read_certificates
from .layout import CRL, LEDGER, LOCK_TIMEOUT, Place
from .ledger import REVOCATION_REASONS, Entry, Ledger, Revocation, normal_serial
from .members import members_of, reading
from .publish import complete, present_list, roots_list


@dataclass(frozen=True)
class Revoked:
    """A revoked certificate. Where it had been revoked before, `changed` is False and `revocation` the earlier one."""

    entry: Entry
    revocation: Revocation
    changed: bool


def check_reason(reason: str) -> None:
    """Raise InputError, naming the valid ones, for a reason that is not one of RFC 5280, 5.3.1, for clients."""
    if reason not in REVOCATION_REASONS:
        raise InputError(
            "{0!r} is not a reason to revoke; use one of {1}".format(reason, ", ".join(REVOCATION_REASONS))
        )


def find(directory: str, serial: str) -> Entry:
    """What the own CA in a directory knows of a certificate, by its serial number (hex). Needs no passphrase.

    Raises InputError, naming CA and serial number, where it never issued one; IssuerError where there is no CA.
    """
    issuing = read_certificates(directory)[0]
    entries = Ledger(os.path.join(directory, LEDGER)).entries(serial=serial)
    if not entries:
        raise InputError(
            "no certificate with the serial number {0} was issued by the own CA {1} in {2}; compare it with the "
            "certificate's, and the issuer with the credential's".format(
                normal_serial(serial), render(certificate.subject(issuing)), directory
            )
        )
    return entries[0]


def unlisted(directory: str, host: str, credential: str, at: datetime) -> List[Entry]:
    """What the ledger calls revoked of a host's credential, and has not expired at `at`, but is not on the list.

    Needs no passphrase and writes nothing. Raises IssuerError.
    """
    entries = Ledger(os.path.join(directory, LEDGER)).entries(host, credential)
    revoked = [one for one in entries if one.revocation is not None and one.not_after >= at]
    if not revoked:
        return []
    lists = crl.lists_of(reading(directory, present_list), CRL)
    return [one for one in revoked if not crl.is_on(lists, certificate.from_der(one.certificate))]


def revoke(authority: Authority, serial: str, reason: str, at: datetime) -> Revoked:
    """Revoke a certificate by its serial number (hex), and publish a new revocation list if it has not expired.

    Ledger and list are on disk when this returns. One that was revoked before stays so, since then and for that
    reason. Raises InputError for a bad reason or an unknown serial number; IssuerError where no list could be made,
    before anything is changed; DiskError, LockedError.
    """
    check_reason(reason)
    entry = find(authority.directory, serial)
    with open_directory(os.path.realpath(authority.directory)) as opened, opened.locked(LOCK_TIMEOUT):
        directory = Place(authority.directory, opened, write=True)
        authority = _as_now(authority, directory)
        place = directory if authority.number is None else directory.member(authority.number)
        roots_list(place, authority.certificates)
        with authority.ledger.writing() as ledger:
            earlier = ledger.revoke(entry.serial, reason, at)
        complete(authority, place, at)
        rollover = phases.read(directory)
        if rollover is not None:
            views.refresh(directory, rollover, at)
    return Revoked(entry, earlier or Revocation(entry.serial, at.replace(microsecond=0), reason), earlier is None)


def _as_now(authority: Authority, directory: Place) -> Authority:
    """The same CA by the number that it has: a roll-over may have begun since it was opened."""
    for member in members_of(directory).all:
        if member.issuing == authority.issuing:
            return dataclasses.replace(authority, number=member.number)
    raise IssuerError("the own CA in {0} was replaced meanwhile; run again".format(authority.directory))
