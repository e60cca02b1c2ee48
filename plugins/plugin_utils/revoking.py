# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the issuer's record says must not be in use, and what has to get into that record after a run.

The record decides, not what a host remembers: a run that was killed half-way is made up for by the next one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..module_utils import certificate
from ..module_utils.document import Answer
from ..module_utils.errors import Error, InputError, IssuerError
from ..module_utils.ownca.ledger import KEY_COMPROMISE
from ..module_utils.reply import CredentialReply, Reply
from .intent import Intent
from .issuers.base import Issuer, RevocationResult, cannot_revoke
from .issuing import Predicted, certificate_in_use
from .operations import ROTATE, Operation
from .results import Outcome, Revocation, state

CESSATION = "cessation_of_operation"
"""Why the certificates of a credential that was removed are revoked, where nothing else is given."""

_NOTHING = "nothing was revoked"


def recorded(
    intents: Sequence[Intent], issuers: Mapping[str, Issuer], host: str, at: datetime
) -> Dict[str, Tuple[str, ...]]:
    """The serial numbers (lower-case hex) of revoked certificates of a host, by credential, where there are any.

    `at` is the present (aware, in UTC). One question for each issuer. Raises IssuerError.
    """
    named = dict.fromkeys(intent.host.issuer for intent in intents if intent.host.state != "absent")
    record = {name: issuers[name].revoked_serials(host, at) for name in named if name in issuers}
    found = {intent.name: record.get(intent.host.issuer, {}).get(intent.name, frozenset()) for intent in intents}
    return {name: tuple(sorted(serials)) for name, serials in found.items() if serials}


def in_use(record: Mapping[str, Tuple[str, ...]], reply: Reply) -> List[str]:
    """The credentials whose certificate in use is among those of the record. What has failed is not tried twice."""
    return [
        one.name
        for one in reply.credentials
        if one.state != "failed" and one.name in record and _serial(one) in record[one.name]
    ]


def _serial(reply: CredentialReply) -> Optional[str]:
    try:
        has = certificate_in_use(reply)
    except Error:
        # A host that sends something else has failed, and its result says so.
        return None
    return None if has is None else certificate.serial_number(has)


def settled(
    outcomes: Sequence[Outcome],
    operation: Operation,
    issuers: Mapping[str, Issuer],
    host: str,
    check: bool,
    record: Callable[[Outcome], None],
) -> List[Outcome]:
    """The outcomes of a host's run, and with each what became of certificates that nobody uses any more.

    Each is given to `record` at once: what is revoked is so, however the run goes on.
    """
    at = datetime.now(timezone.utc)
    found = []
    for one in outcomes:
        found.append(replace(one, revocation=settle(one, operation, issuers, host, at, check)))
        record(found[-1])
    return found


def settle(
    outcome: Outcome, operation: Operation, issuers: Mapping[str, Issuer], host: str, at: datetime, check: bool
) -> Optional[Revocation]:
    """Revoke what one credential's outcome leaves without a use, or with `check` tell what that would be.

    None where that is no question. An error of the issuer's is told in the result: the host's part is done.
    """
    try:
        if outcome.first.state == "absent":
            return _removed(outcome, operation, issuers, host, at, check)
        if operation.revoke is not None:
            return _replaced(outcome, operation, issuers, host, at, check)
    except Error as error:
        return Revocation(problem=str(error))
    return None


def _removed(
    outcome: Outcome, operation: Operation, issuers: Mapping[str, Issuer], host: str, at: datetime, check: bool
) -> Optional[Revocation]:
    intent = outcome.intent
    issuer = issuers.get(intent.host.issuer)
    if issuer is None:
        return Revocation(notes=_unknown_issuer(intent)) if outcome.first.changed else None
    if not issuer.exists():
        return Revocation(notes=_missing_issuer(intent)) if outcome.first.changed else None
    doomed = [holding.certificate for holding in issuer.live(at, host, intent.name)]
    unfinished = [holding.certificate for holding in issuer.unfinished(at, host, intent.name)]
    if not doomed and not unfinished:
        return None
    return _revoke(doomed, unfinished, operation.revoke or CESSATION, issuer, at, check)


def _missing_issuer(intent: Intent) -> Tuple[str, ...]:
    return (
        "credential {0!r}: the CA of issuer {1} is not where it should be, so {2}; once it is there, run again".format(
            intent.name, intent.host.issuer, _NOTHING
        ),
    )


def _unknown_issuer(intent: Intent) -> Tuple[str, ...]:
    named = intent.host.issuer
    why = "its issuer {0!r} is not in issuers".format(named) if named else "it names no issuer"
    return (
        "credential {0!r}: {1}, so {2}; revoke its certificates where they came from".format(
            intent.name, why, _NOTHING
        ),
    )


def _replaced(
    outcome: Outcome, operation: Operation, issuers: Mapping[str, Issuer], host: str, at: datetime, check: bool
) -> Revocation:
    """Revoke all but what is in use now: after a rotation that is the new certificate, or nothing may be revoked."""
    came_to, _why = state(outcome)
    if came_to == "failed" or (operation.name == ROTATE and came_to == "active" and outcome.settled is None):
        return Revocation(problem=_NOTHING)
    if came_to == "held":
        raise InputError(
            "{0}, as it is held; end that with the operation release, or with state: present in the inventory, and run "
            "this again".format(_NOTHING)
        )
    if came_to != "active":
        return Revocation(
            notes=(
                "credential {0!r}: {1}, as it is {2}; once it is active, run the operation activate with the same "
                "selection and revoke".format(outcome.intent.name, _NOTHING, came_to),
            )
        )
    issuer = issuers[outcome.intent.host.issuer]
    if not issuer.exists() and not isinstance(outcome.settled, Predicted):
        raise IssuerError("issuer {0}: its CA is not where it should be; {1}".format(issuer.name, _NOTHING))
    live = [holding.certificate for holding in issuer.live(at, host, outcome.intent.name)]
    before = certificate_in_use(outcome.first)
    has = None if isinstance(outcome.settled, Predicted) else certificate_in_use(outcome.second or outcome.first)
    if isinstance(outcome.settled, Answer) and (
        has is None or certificate.to_der(has) != outcome.settled.certificates[0]
    ):
        return Revocation(problem="the host does not say that the new certificate is in use; {0}".format(_NOTHING))
    if isinstance(outcome.settled, Predicted):
        has = _promised(outcome.first, live, before)
    doomed = [one for one in live if one != has]
    if before is not None and before not in (has, *live) and _is_unrecorded(before, issuer, at):
        doomed.append(before)
    if operation.revoke == KEY_COMPROMISE and has is not None:
        _check_key(has, doomed)
    unfinished = [holding.certificate for holding in issuer.unfinished(at, host, outcome.intent.name)]
    return _revoke(doomed, unfinished, operation.revoke or CESSATION, issuer, at, check)


def _promised(first: CredentialReply, live: Sequence[Any], before: Optional[Any]) -> Optional[Any]:
    """Check mode: the certificate that was issued for the request that waits, in a run that was cut off then."""
    key = None if first.request is None else first.request.public_fingerprint
    found = [one for one in live if one != before and certificate.public_fingerprint(one) == key]
    return found[-1] if found else None


def _check_key(has: Any, doomed: Sequence[Any]) -> None:
    """Raise InputError where what is in use has the key that others have, too: to revoke the rest would hide that."""
    key = certificate.public_fingerprint(has)
    for one in doomed:
        if certificate.public_fingerprint(one) == key:
            raise InputError(
                "the certificate in use has the same key as {0}, which is to be revoked for {1}; {2}. Run the "
                "operation rotate with the same selection and revoke: it takes a new key".format(
                    certificate.serial_number(one), KEY_COMPROMISE, _NOTHING
                )
            )


def _is_unrecorded(before: Any, issuer: Issuer, at: datetime) -> bool:
    """Whether a certificate that is not live for this host may be live all the same: not every issuer keeps a record.

    Raises InputError for one of another issuer, or of somebody else: what is in use is the host's own word.
    """
    if certificate.not_after(before) <= at or issuer.revoked(before) is not None:
        return False
    for holding in issuer.live(at, serial=certificate.serial_number(before)):
        raise InputError(
            "the certificate that the host says it had in use was issued to {0} for {1}; it was not revoked".format(
                holding.host, holding.credential
            )
        )
    return True


def _revoke(
    doomed: Sequence[Any], unfinished: Sequence[Any], reason: str, issuer: Issuer, at: datetime, check: bool
) -> Revocation:
    """Revoke what is doomed, and make up for what an earlier run has not finished: it counts as revoked in this one."""
    serials: List[str] = []
    problems: List[str] = []
    notes: List[str] = []
    answers: List[RevocationResult] = []
    for one in (*unfinished, *doomed):
        try:
            done = _asked(one, reason, issuer, at, check)
        except Error as error:
            problems.append(str(error))
            continue
        if done is not None and one in unfinished:
            done = replace(done, changed=True)
        if done is None or (done.changed and done.waits_for is None):
            serials.append(certificate.serial_number(one))
        if done is not None:
            answers.append(done)
            notes += _told(done, issuer)
    problem = "its certificates were not all revoked: {0}".format(problems[0]) if problems else None
    return Revocation(tuple(serials), problem, tuple(dict.fromkeys(notes)), tuple(answers))


def _asked(one: Any, reason: str, issuer: Issuer, at: datetime, check: bool) -> Optional[RevocationResult]:
    """What the issuer says; None in check mode, where it is not asked."""
    if not check:
        return issuer.revoke(one, reason, at)
    if not issuer.revokes:
        raise cannot_revoke(issuer, one)
    return None


def _told(done: RevocationResult, issuer: Issuer) -> List[str]:
    """What is left for people to do."""
    if done.waits_for is not None:
        serial = done.serial_number
        return ["issuer {0}: the revocation of {1} waits for {2}".format(issuer.name, serial, done.waits_for)]
    return ["issuer {0}: {1}".format(issuer.name, done.next_step)] if done.changed and done.next_step else []
