# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every issuer offers: it turns a request into a certificate, now or later, or says why not."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, Collection, Dict, List, Mapping, Optional, Tuple, Union

from ...module_utils.errors import InputError
from ...module_utils.imports import x509
from ...module_utils.request import RequestSpec
from ...module_utils.state_directory import StateDirectory


@dataclass(frozen=True)
class IssuerRequest:
    """A request that the policy has passed: whose it is, what the inventory says it must hold, and the CSR.

    `in_use` is the certificate that the host has now: an own CA never answers with that very one again. `renewal`
    says that it still is what the inventory wants and only nears its end, so that its successor must not end sooner.
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


class Issuer(ABC):
    """One configured issuer. Objects may cross a fork: they hold no open files.

    `type` is what an entry of `mtls_issuers` calls it; `path_options` are those of its options that are paths:
    whoever calls configure() makes them absolute. Each issuer is one file in this directory, which names its class
    ISSUER; the selector finds it there.
    """

    type: ClassVar[str]
    path_options: ClassVar[Tuple[str, ...]] = ()

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

    def check_ready(self, at: datetime) -> None:  # noqa: B027 - most issuers can only be asked
        """Raise IssuerError where it is plain, without much work, that no request could be answered now."""

    def ends(self, validity: Optional[timedelta], at: datetime) -> Optional[datetime]:
        """When a certificate asked for at `at` would end at the latest; None where only asking tells.

        Times are aware, in UTC. Needs no secret and writes nothing. Raises IssuerError as issue() would.
        """
        return None

    def exists(self) -> bool:
        """False for a CA that has yet to be created, which in check mode may be this very run's work."""
        return True


def take_options(
    name: str, options: Mapping[str, Any], required: Collection[str], optional: Collection[str]
) -> Dict[str, Any]:
    """An issuer's options without `type`, null ones left out; InputError names what is unknown or missing."""
    given = {key: value for key, value in options.items() if key != "type" and value is not None}
    valid = ", ".join(["type", *sorted([*required, *optional])])
    for key in given:
        if key not in required and key not in optional:
            raise InputError("issuer {0}: unknown option {1!r}; valid options are {2}".format(name, key, valid))
    for key in sorted(required):
        if key not in given:
            raise InputError("issuer {0}: option {1} is missing; valid options are {2}".format(name, key, valid))
    return given
