# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host's request to the answer that travels back: policy, registry, issuer, fit, in this order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Tuple, Union

from ..module_utils import certificate
from ..module_utils.difference import reasons
from ..module_utils.document import Answer, Credential, Document
from ..module_utils.errors import Error, PolicyError, ReplyError
from ..module_utils.private_key import public_fingerprint
from ..module_utils.reply import CredentialReply, Reply
from .fit import check_answer, check_end
from .intent import Intent
from .issuers.base import Issued, Issuer, IssuerRequest, Pending, Refused
from .policy import check_content, check_holder, check_request
from .registry import Registry

if TYPE_CHECKING:
    from .desk import Desk


@dataclass(frozen=True)
class Predicted:
    """Check mode: the certificate would be here after a real run."""


@dataclass(frozen=True)
class Failed:
    """There is no certificate for this credential, and why."""

    reason: str


@dataclass(frozen=True)
class Agreed:
    """The host may go back to the generation with this certificate (SHA-256, lower-case hex)."""

    certificate: str


_STATES = {
    "present": ("active", "request", "awaiting", "failed"),
    "absent": ("absent", "failed"),
    "held": ("held", "failed"),
}
_ANOTHER = frozenset(
    (
        "key_type_changed",
        "subject_changed",
        "subject_alt_name_changed",
        "issuer_changed",
        "issuing_ca_changed",
        "provider_changed",
        "certificate_usage",
        "chain_incomplete",
        "certificate_revoked",
    )
)
"""Reasons for a new certificate by which the one in use is not what the inventory wants."""

Settled = Union[Answer, Agreed, Predicted, Pending, Failed]


def check_states(document: Document, reply: Reply) -> None:
    """Raise ReplyError where a host did something else to a credential than it was told."""
    wanted = {credential.name: credential.state for credential in document.credentials}
    for one in reply.credentials:
        by_rollback = one.state == "held" and one.held_since is not None and wanted[one.name] == "present"
        if one.state not in _STATES[wanted[one.name]] and not by_rollback:
            raise ReplyError(
                "the host's reply says {0!r} of the credential {1!r}, which shall be {2}".format(
                    one.state, one.name, wanted[one.name]
                )
            )


def with_issuing_cas(
    credentials: Sequence[Credential], issuers: Mapping[str, Issuer], unready: Mapping[str, str]
) -> Tuple[Credential, ...]:
    """The credentials, told which CAs may have issued what they use.

    Any may where the issuer cannot answer now: what is in use is all there is then.
    """
    asked = {one.issuer for one in credentials if one.state == "present" and one.issuer in issuers}
    known = {name: issuers[name].issuing_cas() for name in asked if name not in unready}
    return tuple(
        replace(one, issuing_cas=known.get(one.issuer, ())) if one.state == "present" else one for one in credentials
    )


def settle(
    intent: Intent, reply: CredentialReply, host: str, issuer: Issuer, registry: Registry, desk: Desk, at: datetime
) -> Settled:
    """What becomes of the request in a host's reply.

    Errors end in Failed instead of an exception: the host's other credentials go on.
    """
    try:
        return _settle(intent, reply, host, issuer, registry, desk, at)
    except Error as error:
        return Failed(str(error))


def _settle(
    intent: Intent, reply: CredentialReply, host: str, issuer: Issuer, registry: Registry, desk: Desk, at: datetime
) -> Settled:
    if intent.host.state != "present":
        raise ReplyError("the host asks for a certificate that nobody wanted")
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
        renewal=_is_renewal(reply),
        labels=intent.labels,
        reasons=tuple(reasons(reply.differences)),
    )
    if intent.host.new_key:
        _check_new_key(request)
    _check_end(intent, reply, host, issuer, at)
    answer = desk.ask(issuer, request, reply.request.since or "")
    if isinstance(answer, Pending):
        return answer
    if isinstance(answer, Refused):
        raise PolicyError("issuer {0!r} refuses: {1}".format(issuer.name, answer.reason))
    return _answer(request, answer, issuer, at)


def _check_new_key(request: IssuerRequest) -> None:
    """Raise PolicyError where a host was told to make a new key, and asks for its old one to be certified again."""
    if request.in_use is not None and certificate.public_fingerprint(request.in_use) == request.public_fingerprint:
        raise PolicyError(
            'policy rule "new_key": host {0}, credential {1}: the request has the key that is in use, which others may '
            "have; remove next/ of the credential on the host, and run again".format(request.host, request.credential)
        )


def _answer(request: IssuerRequest, issued: Issued, issuer: Issuer, at: datetime) -> Answer:
    chain = check_answer(request, issued.chain, at, trusted=issuer.certificates())
    return Answer(request.public_fingerprint, tuple(certificate.to_der(one) for one in chain))


def check_ready(issuer: Issuer, check_mode: bool, at: datetime) -> None:
    """Raise IssuerError where the issuer could not answer a request now: better said before a host makes one.

    In check mode an own CA that is not there yet is taken for one that the same play would have made.
    """
    if issuer.exists() or not check_mode:
        issuer.check_ready(at)


def decided(document: Document, settled: Mapping[str, Settled]) -> Document:
    """The document of the second trip: it tells the host what was settled, where that is anything to it."""
    credentials = []
    for one in document.credentials:
        found = settled.get(one.name)
        answer = found if isinstance(found, Answer) else None
        credentials.append(
            replace(one, answer=answer, candidate=found.certificate if isinstance(found, Agreed) else None)
        )
    return replace(document, credentials=tuple(credentials))


def predict(
    intent: Intent, reply: CredentialReply, host: str, issuer: Issuer, registry: Registry, desk: Desk, at: datetime
) -> Settled:
    """Check mode: what `settle` would come to. Writes nothing and asks nobody."""
    since = "" if reply.request is None else reply.request.since or ""
    try:
        _check_request_ahead(intent, reply, host, registry)
        _check_end(intent, reply, host, issuer, at)
        return desk.foresee(issuer, host, intent.name, since) or Predicted()
    except Error as error:
        return Failed(str(error))


def _check_request_ahead(intent: Intent, reply: CredentialReply, host: str, registry: Registry) -> None:
    """The policy, as far as there is a request or at least its key already."""
    if reply.request is None:
        return
    fingerprint = reply.request.public_fingerprint
    if reply.request.pem is not None:
        csr_pem = reply.request.pem.encode("utf-8", "replace")
        csr = check_content(csr_pem, intent.host.spec, intent.host.key.kind, host, intent.name)
        fingerprint = public_fingerprint(csr.public_key())
    if fingerprint is not None:
        check_holder(fingerprint, host, intent.name, registry)


def _check_end(intent: Intent, reply: CredentialReply, host: str, issuer: Issuer, at: datetime) -> None:
    """Before the issuer is asked: a renewal that would end sooner than what it renews is refused later anyway."""
    end = issuer.ends(intent.validity, at)
    if end is not None and _is_renewal(reply):
        check_end(host, intent.name, end, certificate_in_use(reply))


def _is_renewal(reply: CredentialReply) -> bool:
    """Whether the certificate in use is what the inventory wants and only nears its end.

    Where the inventory wants another one, the one in use has no claim to last.
    """
    found = reasons(reply.differences)
    return "certificate_due" in found and not _ANOTHER.intersection(found)


def certificate_in_use(reply: CredentialReply) -> Optional[Any]:
    """The certificate that the host says it has now. Raises FormatError where it is none."""
    if reply.certificate is None:
        return None
    where = "the certificate in the host's reply"
    return certificate.load_all(reply.certificate.encode("utf-8", "replace"), where)[0]
