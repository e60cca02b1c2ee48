# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The issuer `ownca`: a CA of one's own, on the controller, that answers at once.

Options: `passphrase` opens the CA's key; `directory` (default: ownca/<name> in the state directory); `validity`
of certificates whose credential states none (default 90d); `crl_distribution_points`, URLs to put into them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Tuple

from ...module_utils import certificate, duration, passphrase
from ...module_utils.errors import InputError
from ...module_utils.imports import x509
from ...module_utils.ownca import build
from ...module_utils.ownca import issue as ownca
from ...module_utils.ownca.layout import CRL, LEDGER
from ...module_utils.ownca.ledger import Entry, Ledger, Revocation
from ...module_utils.ownca.members import Members, exists, read_members
from ...module_utils.ownca.revoke import find, revoke, unlisted
from ...module_utils.request import load
from ...module_utils.state_directory import StateDirectory
from .base import (
    Answer,
    CertificateOrSerial,
    Holding,
    Issued,
    Issuer,
    IssuerRequest,
    RevocationResult,
    serial_text,
    take_options,
)

_DEFAULT_VALIDITY = "90d"
_URL_SCHEMES = ("http://", "https://", "ldap://")


@dataclass(frozen=True)
class OwnCa(Issuer):
    """One own CA as an issuer."""

    type = "ownca"
    path_options = ("directory",)
    revokes = True

    name: str
    directory: str
    passphrase: str = field(repr=False)
    validity: timedelta
    crl_urls: Tuple[str, ...]

    @classmethod
    def configure(cls, name: str, options: Mapping[str, Any], state_directory: StateDirectory) -> OwnCa:
        given = take_options(name, options, ("passphrase",), ("directory", "validity", "crl_distribution_points"))
        directory = given.get("directory", state_directory.ownca(name))
        if not isinstance(directory, str) or not directory.startswith("/"):
            raise InputError("issuer {0}: directory: must be the path of a directory".format(name))
        passphrase.check(given["passphrase"], "issuer {0}: passphrase".format(name))
        return cls(
            name,
            directory,
            given["passphrase"],
            duration.parse(given.get("validity", _DEFAULT_VALIDITY), "issuer {0}: validity".format(name)),
            _urls(name, given.get("crl_distribution_points", [])),
        )

    def issue(self, request: IssuerRequest) -> Answer:
        now = datetime.now(timezone.utc)
        return Issued(tuple(ownca.issue(self._open(now), load(request.csr_pem), self._order(request), now)))

    def predict(self, host: str, credential: str) -> str:
        if self.exists():
            self._open(datetime.now(timezone.utc))
        return "issued"

    def certificates(self) -> List[x509.Certificate]:
        members = self._members()
        others = [member for member in members.trusted if member is not members.issuing]
        return [one for member in (members.issuing, *others) for one in member.certificates]

    def roots(self) -> List[x509.Certificate]:
        # In an order that stays when another one issues: bundles of certificates would change for nothing.
        return [member.root for member in self._members().trusted]

    def issuing_cas(self) -> Tuple[str, ...]:
        return (certificate.fingerprint(self._members().issuing.issuing),) if self.exists() else ()

    def is_retired(self, leaf: x509.Certificate) -> bool:
        issued_by = self._members().issuer_of(leaf) if self.exists() else None
        return issued_by is not None and issued_by.retired is not None

    def check_ready(self, at: datetime) -> None:
        ownca.check_ready(self.directory, self.passphrase, at)

    def ends(self, validity: Optional[timedelta], at: datetime) -> Optional[datetime]:
        if not self.exists():
            return None
        return build.end(self.certificates()[0], validity or self.validity, at)

    def revoke(self, certificate_or_serial: CertificateOrSerial, reason: str, at: datetime) -> RevocationResult:
        entry = self._entry(certificate_or_serial)
        authority = ownca.open_authority(
            self.directory, self.passphrase, at, of=certificate.from_der(entry.certificate)
        )
        done = revoke(authority, entry.serial, reason, at)
        return self._result(entry, done.revocation, done.changed)

    def revoked(self, certificate_or_serial: CertificateOrSerial) -> Optional[RevocationResult]:
        entry = self._entry(certificate_or_serial)
        return None if entry.revocation is None else self._result(entry, entry.revocation, changed=False)

    def compromised(self, leaf: x509.Certificate) -> Optional[datetime]:
        ledger = Ledger(os.path.join(self.directory, LEDGER))
        found = ledger.compromised(certificate.public_fingerprint(leaf)) if self.exists() else None
        return None if found is None else found.revoked_at

    def revoked_serials(self, host: str, at: datetime) -> Dict[str, FrozenSet[str]]:
        path = os.path.join(self.directory, LEDGER)
        return Ledger(path).revoked_of(host, at) if os.path.lexists(path) else {}

    def live(
        self,
        at: datetime,
        host: Optional[str] = None,
        credential: Optional[str] = None,
        serial: Optional[str] = None,
    ) -> List[Holding]:
        if not self.exists():
            return []
        entries = Ledger(os.path.join(self.directory, LEDGER)).entries(host, credential, serial, live_at=at)
        return [Holding(one.host, one.credential, certificate.from_der(one.certificate)) for one in entries]

    def unfinished(self, at: datetime, host: str, credential: str) -> List[Holding]:
        entries = unlisted(self.directory, host, credential, at) if self.exists() else []
        return [Holding(one.host, one.credential, certificate.from_der(one.certificate)) for one in entries]

    def exists(self) -> bool:
        return exists(self.directory)

    def _members(self) -> Members:
        return read_members(self.directory)

    def _entry(self, certificate_or_serial: CertificateOrSerial) -> Entry:
        """What the ledger has on a certificate. One of another CA may have the same serial number by chance."""
        serial = serial_text(certificate_or_serial)
        entry = find(self.directory, serial)
        is_other = not isinstance(certificate_or_serial, str) and (
            certificate.to_der(certificate_or_serial) != entry.certificate
        )
        if is_other:
            raise InputError(
                "issuer {0}: the certificate with the serial number {1} is another CA's; name the issuer that it came "
                "from".format(self.name, serial)
            )
        return entry

    def _result(self, entry: Entry, revocation: Revocation, changed: bool) -> RevocationResult:
        return RevocationResult(
            serial_number=entry.serial,
            changed=changed,
            since=revocation.revoked_at,
            reason=revocation.reason,
            host=entry.host,
            credential=entry.credential,
            certificate=certificate.from_der(entry.certificate),
            next_step="servers refuse what was revoked once they have been given the new {0} and were reloaded".format(
                os.path.join(self.directory, CRL)
            ),
        )

    def _open(self, at: datetime) -> ownca.Authority:
        return ownca.open_authority(self.directory, self.passphrase, at)

    def _order(self, asked: IssuerRequest) -> ownca.Order:
        return ownca.Order(
            asked.spec, asked.host, asked.credential, asked.validity or self.validity, self.crl_urls, asked.in_use
        )


def _urls(name: str, given: object) -> Tuple[str, ...]:
    urls = given if isinstance(given, list) else [given]
    for url in urls:
        if not isinstance(url, str) or not url.startswith(_URL_SCHEMES) or not url.isascii():
            raise InputError(
                "issuer {0}: crl_distribution_points: {1!r} is not a URL that begins with {2}".format(
                    name, url, " or ".join(_URL_SCHEMES)
                )
            )
    return tuple(urls)


ISSUER = OwnCa
