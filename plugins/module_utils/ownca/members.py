# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CAs in an own CA's directory, read: one, or with a roll-over several, of which one issues."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Callable, Optional, Tuple, TypeVar

from .. import certificate, chain
from ..certificate import load_all
from ..errors import DiskError, FormatError, IssuerError
from ..files import open_directory
from ..imports import x509
from . import phases
from .layout import CHAIN, LEDGER, Place
from .ledger import Ledger
from .phases import RollOver

T = TypeVar("T")


@dataclass(frozen=True)
class Member:
    """One CA: its number (None: there never was another one), and its certificates, the one that issues first."""

    number: Optional[int]
    certificates: Tuple[x509.Certificate, ...]
    retired: Optional[datetime] = None

    @property
    def issuing(self) -> x509.Certificate:
        """The certificate whose key signs."""
        return self.certificates[0]

    @property
    def root(self) -> x509.Certificate:
        """The certificate that others have to trust."""
        return self.certificates[-1]

    def place(self, directory: Place) -> Place:
        """Where its files are."""
        return directory if self.number is None else directory.member(self.number)

    def has_issued(self, leaf: x509.Certificate) -> bool:
        """Whether a certificate is one of its clients'."""
        return chain.is_signed_by(leaf, self.issuing)


@dataclass(frozen=True)
class Members:
    """All CAs of a directory, the oldest first, which of them issues, and the roll-over that made them several."""

    all: Tuple[Member, ...]
    issuing: Member
    rollover: Optional[RollOver] = None

    @property
    def trusted(self) -> Tuple[Member, ...]:
        """Those that are not retired."""
        return tuple(member for member in self.all if member.retired is None)

    def issuer_of(self, leaf: x509.Certificate) -> Optional[Member]:
        """The CA that issued a client's certificate; None where it was none of these."""
        return next((member for member in self.all if member.has_issued(leaf)), None)


def exists(directory: str) -> bool:
    """Whether an own CA was created, completely, in a directory."""
    return os.path.isdir(directory) and Ledger(os.path.join(directory, LEDGER)).exists()


def read_members(directory: str) -> Members:
    """The CAs in a directory. Needs no passphrase. Raises IssuerError."""
    return reading(directory, members_of)


def reading(directory: str, read: Callable[[Place], T]) -> T:
    """What `read` makes of an own CA's directory; once more where a roll-over began meanwhile and renamed its files.

    Raises IssuerError where there is no own CA, or its files cannot be read.
    """
    if not exists(directory):
        raise IssuerError(
            "there is no own CA in {0}; create it with the playbook mutual.tls.ownca or the module "
            "mutual.tls.ownca, or correct the issuer's directory".format(directory)
        )
    try:
        with open_directory(os.path.realpath(directory)) as opened:
            place = Place(directory, opened, write=False)
            before = phases.read(place)
            try:
                return read(place)
            except DiskError:
                if phases.read(place) == before:
                    raise
                return read(place)
    except DiskError as error:
        raise IssuerError(
            "cannot use the own CA in {0}: {1}; restore it from the backup".format(directory, error)
        ) from error


def members_of(place: Place) -> Members:
    """The CAs in an open directory. Raises IssuerError, DiskError."""
    rollover = phases.read(place)
    if rollover is None:
        only = Member(None, read_chain(place))
        return Members((only,), only)
    found = []
    for known in rollover.cas:
        member = Member(known.number, read_chain(place.member(known.number)), known.retired)
        if [certificate.fingerprint(member.issuing), certificate.fingerprint(member.root)] != [
            known.issuing,
            known.root,
        ]:
            raise IssuerError(
                "{0} is not the chain of the CA that the roll-over made; restore it from the backup".format(
                    place.member(known.number).path_of(CHAIN)
                )
            )
        found.append(member)
    issuing = found[rollover.cas.index(rollover.issuing)]
    return Members(tuple(found), issuing, rollover)


def read_chain(place: Place) -> Tuple[x509.Certificate, ...]:
    """A CA's certificates, the one that issues first. Raises IssuerError, DiskError."""
    path = place.path_of(CHAIN)
    try:
        return tuple(load_all(place.read(CHAIN), path))
    except FormatError as error:
        raise IssuerError("cannot use the own CA: {0}; restore {1} from the backup".format(error, path)) from error
