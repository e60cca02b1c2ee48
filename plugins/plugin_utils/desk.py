# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where certificates are asked for: within each issuer's quota, and for the record."""

from __future__ import annotations

from typing import Any, Optional

from ..module_utils import certificate
from .issuers.base import Answer, Issued, Issuer, IssuerRequest, Pending
from .quota import Quota
from .trail import Trail


class Desk:
    """Asks issuers, for one host's task."""

    def __init__(self, quota: Quota, trail: Trail) -> None:
        self._quota = quota
        self._trail = trail

    def ask(self, issuer: Issuer, asked: IssuerRequest, since: str) -> Answer:
        """The issuer's answer; Pending, `since` when the request waits, where it has no certificate left in this run.

        Raises what the issuer raises, and DiskError where a certificate could not be recorded.
        """
        if not self._quota.take(issuer.name):
            return self._wait(issuer, since)
        answer: Optional[Answer] = None
        try:
            answer = issuer.issue(asked)
        finally:
            if not isinstance(answer, Issued):
                self._quota.give_back(issuer.name)
        if isinstance(answer, Issued) and answer.chain:
            self._trail.issued(asked, _leaf(answer, asked), issuer.name)
        return answer

    def foresee(self, issuer: Issuer, host: str, credential: str, since: str) -> Optional[Pending]:
        """Check mode: what the request would wait for; None where the certificate would be here."""
        if issuer.predict(host, credential) != "issued":
            return Pending("", since, "the answer of issuer {0}".format(issuer.name))
        return None if self._quota.take(issuer.name) else self._wait(issuer, since)

    def _wait(self, issuer: Issuer, since: str) -> Pending:
        return Pending("", since, self._quota.explain(issuer.name))


def _leaf(issued: Issued, asked: IssuerRequest) -> Any:
    """The certificate that was asked for: some issuers begin with another one."""
    ours = (one for one in issued.chain if certificate.public_fingerprint(one) == asked.public_fingerprint)
    return next(ours, issued.chain[0])
