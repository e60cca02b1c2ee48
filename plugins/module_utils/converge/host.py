# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of a host's credentials, one by one: what each needs, what was done about it, and how long that holds."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .. import certificate as certificates
from ..difference import Difference
from ..document import Credential, Document
from ..errors import DiskError, Error, InputError
from ..files import ContextOf, Directory, remove_any
from ..reply import Awaiting, Candidate, CredentialReply, PendingRequest, Reply
from ..seal import NAME as SEAL
from . import contents
from . import journal as journals
from .apply import Application
from .journal import joined
from .material import CERTIFICATE, CLIENT, observed_certificate
from .need import needed_from
from .next_request import Waiting
from .observe import Observation, is_credential, is_deployed, journal_of, look_at_generation, observe
from .plan import plan
from .planned import Plan, Surroundings
from .removal import Removal
from .rollback import plan_rollback
from .system_trust import SYSTEM, system_certificates

if TYPE_CHECKING:
    from .proof import Proof
    from .transaction import Failure

_ALWAYS = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Outcome:
    """A host's reply, when it was judged, and until when the same check would come to the same result.

    `holds_until` is None where something is left to do, or to tell.
    """

    reply: Reply
    at: datetime
    holds_until: Optional[datetime]


def converge_all(
    root: Optional[Directory], document: Document, credentials: Sequence[Credential], check: bool, context_of: ContextOf
) -> Outcome:
    """Converge, or check, the given ones of a document's credentials. One's failure is its own: the others go on."""
    around = _surroundings(document, root, context_of)
    begun = [_begin(root, credential, around, check) for credential in credentials]
    results = _completed(root, begun, around)
    replies = tuple(reply for reply, _until in results)
    reply = Reply(any(reply.changed for reply in replies), tuple(_orphaned(root, document.names)), replies)
    known = [until for _reply, until in results if until is not None]
    return Outcome(reply, around.now, min(known) if known and len(known) == len(results) else None)


def _surroundings(document: Document, root: Optional[Directory], context_of: ContextOf) -> Surroundings:
    authorities: Dict[str, Sequence[bytes]] = dict(document.authorities)
    unavailable: Dict[str, str] = {}
    if any(SYSTEM in contents.asked_authorities(credential) for credential in document.credentials):
        try:
            authorities[SYSTEM] = system_certificates()
        except Error as error:
            # Only those that ask for it fail.
            unavailable[SYSTEM] = str(error)
    now = datetime.now(timezone.utc)
    claims = {
        link.path: credential.name
        for credential in document.credentials
        if credential.state == "present"
        for link in credential.links
    }
    names = [name for name in root.names() if is_credential(root, name)] if root is not None else []
    return Surroundings(
        root=document.root,
        authorities=authorities,
        now=now,
        user=os.geteuid(),
        context_of=context_of,
        placed=joined(journal_of(root, name) for name in names if root is not None).links,
        claims=claims,
        deployed=frozenset(name for name in names if root is not None and is_deployed(root, name)),
        unavailable=unavailable,
    )


Result = Tuple[CredentialReply, Optional[datetime]]
"""A credential's reply, and until when it holds."""


def _begin(
    root: Optional[Directory], wanted: Credential, around: Surroundings, check: bool
) -> Union[Result, Application]:
    """The result of what concerns nobody else; else the application whose switch others have to be told of."""
    held = wanted.state == "held"
    try:
        if wanted.state == "absent":
            absent = _absent(root, wanted, around, check)
            return absent, None if absent.differences or absent.error else _ALWAYS
        observation = observe(root, wanted.name, frozenset(contents.wanted_names(wanted)))
        held = held or (observation.held_since is not None and wanted.operation != "release")
        planned = _planned(root, wanted, observation, around)
    except Error as error:
        return _failed(wanted, around, str(error), held=held), None
    if wanted.state == "held" or check or (planned.target is not None and wanted.candidate is None):
        is_proposed = planned.target is not None and wanted.candidate is None
        changed = planned.changes and wanted.state != "held" and not is_proposed
        foreseen = replace(planned, closed=planned.awaits is not None)
        return _reply(foreseen, around, changed, planned.waiting), _settled_until(planned)
    if root is None:
        raise DiskError("the root directory {0} does not exist".format(around.root))
    application = Application(root, planned, around.directory(wanted), around.authorities, around.context_of)
    try:
        if planned.changes or planned.tries:
            # First: it must not outlive what it vouches for, however this run ends.
            remove_any(root, SEAL)
            if not planned.is_plain:
                return application
            application.prepare()
            application.switch()
            application.finish(around.now)
    except Error as error:
        return _told(_failed(wanted, around, str(error), changed=bool(application.done)), application), None
    return _applied(application, around)


def _planned(root: Optional[Directory], wanted: Credential, observation: Observation, around: Surroundings) -> Plan:
    if wanted.operation != "rollback" or wanted.state == "held":
        return plan(wanted, observation, around)
    return plan_rollback(
        wanted, observation, around, lambda number: look_at_generation(root, wanted.name, observation, number)
    )


def _applied(application: Application, around: Surroundings) -> Result:
    planned = application.plan
    reply = _reply(planned, around, bool(application.done), application.waiting, application.problem)
    return _told(reply, application), _settled_until(planned)


def _told(reply: CredentialReply, done: Union[Application, Removal]) -> CredentialReply:
    """The reply with what was done."""
    return replace(reply, events=tuple(done.events))


def _completed(
    root: Optional[Directory], begun: Sequence[Union[Result, Application]], around: Surroundings
) -> List[Result]:
    """The results of all, once those whose users have to be told or asked have gone through that together."""
    together = [one for one in begun if isinstance(one, Application)]
    failures = _transact(together, around) if together else {}
    results: List[Result] = []
    for one in begun:
        if not isinstance(one, Application):
            results.append(one)
            continue
        wanted = one.plan.wanted
        failure = failures.get(wanted.name)
        if failure is None:
            results.append(_applied(one, around))
        else:
            why = () if failure.difference is None else (failure.difference,)
            failed = _failed(wanted, around, failure.message, bool(one.done), why)
            results.append((_told(_with_what_is_in_use(failed, root), one), None))
    return results


def _with_what_is_in_use(reply: CredentialReply, root: Optional[Directory]) -> CredentialReply:
    """The same with the generation that a transaction which failed has left in use, and its certificate."""
    try:
        found = observe(root, reply.name, frozenset([CERTIFICATE]))
    except Error:
        # Why it failed says more.
        return reply
    certificate = None if found.current is None else observed_certificate(found)
    return replace(reply, generation=found.current, certificate=None if certificate is None else _pem(certificate))


def _transact(applications: Sequence[Application], around: Surroundings) -> Mapping[str, Failure]:
    # Here, because few runs need it; and the handshake is as much code as all the rest.
    from . import reloading
    from .transaction import Transaction

    of = {one.plan.wanted.name: one for one in applications}

    def prove(wanted: Credential, below: str) -> Proof:
        """Make the handshake that `verify` describes with the files in a directory of the credential's."""
        from . import proof

        if wanted.verify is None:
            raise InputError("credential {0} has no verify".format(wanted.name))
        trusted = [der for name in wanted.verify.authorities for der in around.authorities[name]]
        path = "{0}/{1}/{2}".format(around.directory(wanted), below, CLIENT)
        return proof.prove(wanted.verify, path, of[wanted.name].key_passphrase(below), trusted)

    transaction = Transaction(applications, reloading.run, prove, around.now)
    transaction.run()
    return transaction.failures


def _settled_until(planned: Plan) -> Optional[datetime]:
    """Until when the plan, which found nothing to do or to tell, would be the same; None where it found something."""
    is_held = planned.is_held or planned.wanted.state != "present"
    if planned.changes or planned.differences or planned.material is None or is_held:
        return None
    return needed_from(planned.wanted, planned.material)


def _reply(
    planned: Plan, around: Surroundings, changed: bool, waiting: Optional[Waiting], problem: Optional[str] = None
) -> CredentialReply:
    wanted, state = planned.wanted, _state(planned)
    certificate = _certificate_in_use(planned, state)
    candidate = planned.candidate if wanted.candidate is None else None
    awaits = _awaited(planned) if state == "awaiting" else None
    held_since = planned.observation.journal.held if planned.is_held else planned.hold if state == "held" else None
    return CredentialReply(
        name=wanted.name,
        state=state,
        changed=changed,
        differences=planned.differences,
        generation=planned.in_use if planned.target is None or state == "held" else planned.previous,
        certificate=_pem(certificate) if certificate is not None else None,
        request=_request(planned, waiting) if state == "request" else None,
        error=None,
        directory=around.directory(wanted),
        candidate=None if candidate is None else Candidate(planned.number or 0, _pem(candidate)),
        awaiting=None if awaits is None else Awaiting(awaits.number, awaits.since, awaits.what, problem),
        held_since=held_since,
    )


def _state(planned: Plan) -> str:
    """The state that carrying out the plan leads to; a rollback does so once the controller has agreed to it."""
    wanted = planned.wanted
    if wanted.state == "held" or planned.is_held or (planned.target is not None and wanted.candidate is not None):
        return "held"
    if planned.needs_certificate:
        return "request"
    return "active" if _awaited(planned) is None else "awaiting"


def _awaited(planned: Plan) -> Optional[journals.Awaiting]:
    """What waits once the plan is carried out."""
    if planned.relink and planned.observation.ahead is not None:
        # First the lost link was made again.
        return planned.observation.journal.awaiting
    return planned.awaits if planned.closed else None


def _request(planned: Plan, waiting: Optional[Waiting]) -> PendingRequest:
    if waiting is None:
        return PendingRequest(None, None, planned.request_fingerprint)
    return PendingRequest(waiting.request_pem.decode("ascii"), waiting.since, waiting.public_fingerprint)


def _certificate_in_use(planned: Plan, state: str) -> Optional[Any]:
    """The leaf that is in use after the run."""
    if planned.target is not None and state == "held":
        return planned.candidate
    if planned.closed or planned.is_held:
        return planned.certificate_before
    return planned.material.certificate if planned.material is not None else None


def _pem(certificate: Any) -> str:
    return certificates.to_pem([certificate]).decode("ascii")


def _failed(
    wanted: Credential,
    around: Surroundings,
    message: str,
    changed: bool = False,
    why: Tuple[Difference, ...] = (),
    held: bool = False,
) -> CredentialReply:
    """The reply for what went wrong. What is held is left alone: that it cannot be judged is told, and no failure."""
    state = "held" if held else "failed"
    return CredentialReply(wanted.name, state, changed, why, None, None, None, message, around.directory(wanted))


def _absent(root: Optional[Directory], wanted: Credential, around: Surroundings, check: bool) -> CredentialReply:
    removal = Removal(root, wanted, around)
    differences = removal.differences
    if root is not None and differences and not check:
        try:
            remove_any(root, SEAL)
            removal.run()
        except Error as error:
            return _told(_failed(wanted, around, str(error), changed=bool(removal.done)), removal)
    directory = around.directory(wanted)
    reply = CredentialReply(wanted.name, "absent", bool(differences), differences, None, None, None, None, directory)
    return _told(reply, removal)


def _orphaned(root: Optional[Directory], names: Sequence[str]) -> List[str]:
    """Credentials on the disk that the inventory does not list."""
    if root is None:
        return []
    return [name for name in root.names() if name not in names and is_credential(root, name)]
