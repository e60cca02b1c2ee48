# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every issuer offers: it turns a request into a certificate, now or later, or says why not; it may revoke."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Collection, Dict, FrozenSet, List, Mapping, Optional, Tuple, Union

from ...module_utils import certificate
from ...module_utils.errors import InputError, IssuerError
from ...module_utils.imports import x509
from ...module_utils.request import RequestSpec
from ...module_utils.state_directory import StateDirectory
from ..quota import OPTION as QUOTA
from ..quota import read_limit

_TYPE = "type"
_COMMON = frozenset((_TYPE, QUOTA))


@dataclass(frozen=True)
class IssuerRequest:
    """A request that the policy has passed: whose it is, what the inventory says it must hold, and the CSR.

    `in_use` is the certificate that the host has now: an own CA never answers with that very one again. `renewal`
    says that it still is what the inventory wants and only nears its end, so that its successor must not end sooner.
    `reasons` are the codes of what differed on the host.
    """

    host: str
    credential: str
    csr_pem: bytes = field(repr=False)
    spec: RequestSpec
    public_fingerprint: str
    validity: Optional[timedelta] = None
    in_use: Optional[x509.Certificate] = None
    renewal: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    reasons: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Issued:
    """The certificate is here: leaf first, then the CA that issued it, ... the root."""

    chain: Tuple[x509.Certificate, ...]


@dataclass(frozen=True)
class Pending:
    """The certificate will come: what to quote, since when (ISO date), and what it waits for."""

    reference: str
    since: str
    waits_for: str


@dataclass(frozen=True)
class Refused:
    """The issuer will not issue, and says why."""

    reason: str


Answer = Union[Issued, Pending, Refused]

CertificateOrSerial = Union["x509.Certificate", str]
"""Which certificate is meant; a serial number is hexadecimal, whatever its case, with or without colons."""


@dataclass(frozen=True)
class RevocationResult:
    """A certificate is revoked, or that was asked for: `waits_for` says what has to happen before it is.

    `since` (aware, in UTC) is when it was revoked or asked for; where that was before, `changed` is False, and `since`
    and `reason` are the earlier ones. `host`, `credential` and `certificate` are what the issuer knows, None where it
    keeps no record. `next_step` tells people what has to be done so that others refuse the certificate.
    """

    serial_number: str
    changed: bool
    since: datetime
    reason: str
    host: Optional[str] = None
    credential: Optional[str] = None
    certificate: Optional[x509.Certificate] = None
    waits_for: Optional[str] = None
    next_step: Optional[str] = None


@dataclass(frozen=True)
class Holding:
    """A certificate that an issuer gave to a host for a credential."""

    host: str
    credential: str
    certificate: x509.Certificate


class Issuer(ABC):
    """One configured issuer. Objects may cross a fork: they hold no open files.

    `type` is what an entry of `mtls_issuers` calls it; `path_options` are those of its options that are paths:
    whoever calls configure() makes them absolute. `revokes` says that revoke() does so, or asks for it. Each issuer is
    one file in this directory, which names its class ISSUER; the selector finds it there.
    """

    type: ClassVar[str]
    path_options: ClassVar[Tuple[str, ...]] = ()
    revokes: ClassVar[bool] = False

    name: str

    @classmethod
    @abstractmethod
    def configure(cls, name: str, options: Mapping[str, Any], state_directory: StateDirectory) -> Issuer:
        """An issuer from its entry in `mtls_issuers`. Touches no disk. Raises InputError."""

    @abstractmethod
    def issue(self, request: IssuerRequest) -> Answer:
        """Answer a request. Raises IssuerError or PassphraseError where the issuer itself does not work."""

    @abstractmethod
    def predict(self, host: str, credential: str) -> str:
        """What issue() would give: "issued" or "pending"; raises what it would raise. Changes nothing."""

    @abstractmethod
    def certificates(self) -> List[x509.Certificate]:
        """The CA's own certificates, the one that issues first. Raises IssuerError where there are none."""

    def roots(self) -> List[x509.Certificate]:
        """What those have to trust who trust this issuer: its roots, in an order that does not change for nothing.

        Raises IssuerError where there are none.
        """
        found = self.certificates()
        return [one for one in found if certificate.is_self_issued(one)] or found[-1:]

    def issuing_cas(self) -> Tuple[str, ...]:
        """SHA-256 (lower-case hex) of the CA certificates that may have issued what is in use; empty where any may.

        Needs no secret and writes nothing. Raises IssuerError where that cannot be told.
        """
        return ()

    def is_retired(self, leaf: x509.Certificate) -> bool:
        """Whether a client certificate comes from a CA that this issuer has retired: nobody trusts it any more.

        Needs no secret and writes nothing. Raises IssuerError where that cannot be told.
        """
        return False

    def check_ready(self, at: datetime) -> None:  # noqa: B027 - most issuers can only be asked
        """Raise IssuerError where it is plain, without much work, that no request could be answered now."""

    def ends(self, validity: Optional[timedelta], at: datetime) -> Optional[datetime]:
        """When a certificate asked for at `at` would end at the latest; None where only asking tells.

        Times are aware, in UTC. Needs no secret and writes nothing. Raises IssuerError as issue() would.
        """
        return None

    def revoke(self, certificate_or_serial: CertificateOrSerial, reason: str, at: datetime) -> RevocationResult:
        """Revoke a certificate for one of the reasons in ledger.REVOCATION_REASONS; `at` is aware, in UTC.

        Doing so again changes nothing. Raises InputError for a bad reason or a certificate that is not this issuer's,
        IssuerError where the issuer cannot revoke, saying what to do instead.
        """
        raise cannot_revoke(self, certificate_or_serial)

    def revoked(self, certificate_or_serial: CertificateOrSerial) -> Optional[RevocationResult]:
        """What revoke() would find done already; None where the certificate is not revoked as far as the issuer knows.

        Needs no secret and writes nothing. Raises InputError for a certificate that is not this issuer's.
        """
        return None

    def compromised(self, leaf: x509.Certificate) -> Optional[datetime]:
        """Since when (aware, in UTC) a certificate's key is known to others, as the revocation of one for it says.

        Needs no secret and writes nothing. None where the issuer keeps no record. Raises IssuerError.
        """
        return None

    def revoked_serials(self, host: str, at: datetime) -> Dict[str, FrozenSet[str]]:
        """The serial numbers (lower-case hex) of a host's certificates that are revoked and not expired, by credential.

        Needs no secret and writes nothing. Empty where the issuer keeps no record. Raises IssuerError.
        """
        return {}

    def live(
        self,
        at: datetime,
        host: Optional[str] = None,
        credential: Optional[str] = None,
        serial: Optional[str] = None,
    ) -> List[Holding]:
        """The certificates, neither revoked nor expired at `at`, of a host, of a credential, with a serial number.

        What is None does not matter. Needs no secret and writes nothing. Empty where the issuer keeps no record.
        """
        return []

    def unfinished(self, at: datetime, host: str, credential: str) -> List[Holding]:
        """The certificates of a host's credential that are revoked, but nobody is told so: revoke() would mend it.

        Needs no secret and writes nothing. Raises IssuerError.
        """
        return []

    def exists(self) -> bool:
        """False for a CA that has yet to be created, which in check mode may be this very run's work."""
        return True


def cannot_revoke(issuer: Issuer, certificate_or_serial: CertificateOrSerial) -> IssuerError:
    """The error of an issuer that cannot revoke: what to do instead."""
    return IssuerError(
        "issuer {0}: it is of type {1}, which cannot revoke; have whoever runs its CA revoke the certificate with "
        "the serial number {2}, and remove or replace the credential meanwhile".format(
            issuer.name, issuer.type, serial_text(certificate_or_serial)
        )
    )


def serial_text(certificate_or_serial: CertificateOrSerial) -> str:
    """The serial number of the certificate that is meant, as it was given or in lower-case hex."""
    if isinstance(certificate_or_serial, str):
        return certificate_or_serial
    return certificate.serial_number(certificate_or_serial)


def take_options(
    name: str, options: Mapping[str, Any], required: Collection[str], optional: Collection[str]
) -> Dict[str, Any]:
    """An issuer's options without those that every issuer has, null ones left out.

    Raises InputError that names what is unknown, missing or, of the common ones, wrong.
    """
    read_limit(name, options)
    given = {key: value for key, value in options.items() if key not in _COMMON and value is not None}
    valid = ", ".join([_TYPE, *sorted([*required, *optional, QUOTA])])
    for key in given:
        if key not in required and key not in optional:
            raise InputError("issuer {0}: unknown option {1!r}; valid options are {2}".format(name, key, valid))
    for key in sorted(required):
        if key not in given:
            raise InputError("issuer {0}: option {1} is missing; valid options are {2}".format(name, key, valid))
    return given
