# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of a host's credentials, one by one: what each needs, what was done about it, and how long that holds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Dict, List, Optional, Sequence, Tuple

from .. import certificate as certificates
from ..document import Credential, Document
from ..errors import DiskError, Error
from ..files import ContextOf, Directory, remove_any
from ..reply import CredentialReply, PendingRequest, Reply
from ..seal import NAME as SEAL
from . import contents
from .apply import Application
from .journal import joined
from .need import needed_from
from .next_request import Waiting
from .observe import is_credential, is_deployed, journal_of, observe
from .plan import Plan, Surroundings, plan
from .removal import Removal
from .system_trust import SYSTEM, system_certificates

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
    results = [_one(root, credential, around, check) for credential in credentials]
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


def _one(
    root: Optional[Directory], wanted: Credential, around: Surroundings, check: bool
) -> Tuple[CredentialReply, Optional[datetime]]:
    try:
        if wanted.state == "absent":
            absent = _absent(root, wanted, around, check)
            return absent, None if absent.differences or absent.error else _ALWAYS
        files = frozenset(contents.wanted_names(wanted))
        planned = plan(wanted, observe(root, wanted.name, files), around)
    except Error as error:
        return _failed(wanted, around, str(error)), None
    if wanted.state == "held" or check:
        changed = planned.changes and wanted.state != "held"
        return _reply(planned, around, changed, planned.waiting), _settled_until(planned)
    if root is None:
        raise DiskError("the root directory {0} does not exist".format(around.root))
    application = Application(root, planned, around.directory(wanted), around.context_of)
    try:
        if planned.changes:
            # First: it must not outlive what it vouches for, however this run ends.
            remove_any(root, SEAL)
        application.run(around.now)
    except Error as error:
        return _failed(wanted, around, str(error), changed=bool(application.done)), None
    return _reply(planned, around, bool(application.done), application.waiting), _settled_until(planned)


def _settled_until(planned: Plan) -> Optional[datetime]:
    """Until when the plan, which found nothing to do or to tell, would be the same; None where it found something."""
    if planned.changes or planned.differences or planned.material is None or planned.wanted.state != "present":
        return None
    return needed_from(planned.wanted, planned.material)


def _reply(planned: Plan, around: Surroundings, changed: bool, waiting: Optional[Waiting]) -> CredentialReply:
    wanted = planned.wanted
    needed = planned.needs_certificate
    request = None
    if needed and waiting is not None:
        request = PendingRequest(waiting.request_pem.decode("ascii"), waiting.since, waiting.public_fingerprint)
    elif needed:
        request = PendingRequest(None, None, planned.request_fingerprint)
    certificate = planned.material.certificate if planned.material is not None else None
    state = "held" if wanted.state == "held" else "request" if needed else "active"
    return CredentialReply(
        name=wanted.name,
        state=state,
        changed=changed,
        differences=planned.differences,
        generation=planned.number,
        certificate=certificates.to_pem([certificate]).decode("ascii") if certificate is not None else None,
        request=request if state == "request" else None,
        error=None,
        directory=around.directory(wanted),
    )


def _failed(wanted: Credential, around: Surroundings, message: str, changed: bool = False) -> CredentialReply:
    """The reply for what went wrong. What is held is left alone: that it cannot be judged is told, and no failure."""
    state = "held" if wanted.state == "held" else "failed"
    return CredentialReply(wanted.name, state, changed, (), None, None, None, message, around.directory(wanted))


def _absent(root: Optional[Directory], wanted: Credential, around: Surroundings, check: bool) -> CredentialReply:
    removal = Removal(root, wanted, around)
    differences = removal.differences
    if root is not None and differences and not check:
        try:
            remove_any(root, SEAL)
            removal.run()
        except Error as error:
            return _failed(wanted, around, str(error), changed=bool(removal.done))
    directory = around.directory(wanted)
    return CredentialReply(wanted.name, "absent", bool(differences), differences, None, None, None, None, directory)


def _orphaned(root: Optional[Directory], names: Sequence[str]) -> List[str]:
    """Credentials on the disk that the inventory does not list."""
    if root is None:
        return []
    return [name for name in root.names() if name not in names and is_credential(root, name)]
