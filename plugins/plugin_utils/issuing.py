# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host's request to the answer that travels back: policy, registry, issuer, fit, in this order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional, Union

from ..module_utils import certificate
from ..module_utils.document import Answer
from ..module_utils.errors import Error, PolicyError, ReplyError
from ..module_utils.private_key import public_fingerprint
from ..module_utils.reply import CredentialReply
from .fit import check_answer
from .intent import Intent
from .issuers.base import Issued, Issuer, IssuerRequest, Pending, Refused
from .policy import check_request
from .registry import Registry


@dataclass(frozen=True)
class Predicted:
    """Check mode: the certificate would be here after a real run."""


@dataclass(frozen=True)
class Failed:
    """There is no certificate for this credential, and why."""

    reason: str


Settled = Union[Answer, Predicted, Pending, Failed]


def settle(
    intent: Intent, reply: CredentialReply, host: str, issuer: Issuer, registry: Registry, at: datetime
) -> Settled:
    """What becomes of the request in a host's reply.

    Errors end in Failed instead of an exception: the host's other credentials go on.
    """
    try:
        return _settle(intent, reply, host, issuer, registry, at)
    except Error as error:
        return Failed(str(error))


def _settle(
    intent: Intent, reply: CredentialReply, host: str, issuer: Issuer, registry: Registry, at: datetime
) -> Settled:
    if reply.request is None or reply.request.pem is None:
        raise ReplyError("the host wants a certificate but sent no request")
    csr_pem = reply.request.pem.encode("utf-8", "replace")
    spec = intent.host.spec
    csr = check_request(csr_pem, spec, intent.host.key.kind, host, intent.name, registry)
    request = IssuerRequest(
        host=host,
        credential=intent.name,
        csr_pem=csr_pem,
        spec=spec,
        public_fingerprint=public_fingerprint(csr.public_key()),
        validity=intent.validity,
        in_use=certificate_in_use(reply),
        labels=intent.labels,
    )
    answer = issuer.issue(request)
    if isinstance(answer, Pending):
        return answer
    if isinstance(answer, Refused):
        raise PolicyError("issuer {0!r} refuses: {1}".format(issuer.name, answer.reason))
    return _answer(request, answer, issuer, at)


def _answer(request: IssuerRequest, issued: Issued, issuer: Issuer, at: datetime) -> Answer:
    chain = check_answer(request, issued.chain, at, trusted=issuer.certificates())
    return Answer(request.public_fingerprint, tuple(certificate.to_der(one) for one in chain))


def check_ready(issuer: Issuer, check_mode: bool, at: datetime) -> None:
    """Raise IssuerError where the issuer could not answer a request now: better said before a host makes one.

    In check mode an own CA that is not there yet is taken for one that the same play would have made.
    """
    if issuer.exists() or not check_mode:
        issuer.check_ready(at)


def predict(intent: Intent, reply: CredentialReply, host: str, issuer: Issuer) -> Settled:
    """Check mode: what `settle` would come to."""
    try:
        if issuer.predict(host, intent.name) == "issued":
            return Predicted()
    except Error as error:
        return Failed(str(error))
    since = reply.request.since if reply.request is not None and reply.request.since is not None else ""
    return Pending("", since, "the answer of issuer {0}".format(issuer.name))


def certificate_in_use(reply: CredentialReply) -> Optional[Any]:
    """The certificate that the host says it has now. Raises FormatError where it is none."""
    if reply.certificate is None:
        return None
    where = "the certificate in the host's reply"
    return certificate.load_all(reply.certificate.encode("utf-8", "replace"), where)[0]
