# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge one host: the only function that the controller calls there, once or twice in a run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import datetime, timezone
from typing import Dict, List, Optional, Sequence

from .. import certificate as certificates
from ..document import Credential, Document
from ..errors import DiskError, Error, InputError
from ..files import ContextOf, Directory, check_creatable, open_directory
from ..reply import CredentialReply, PendingRequest, Reply
from . import contents
from .apply import Application
from .journal import joined
from .next_request import Waiting
from .observe import is_credential, is_deployed, journal_of, observe
from .plan import Plan, Surroundings, plan
from .removal import Removal
from .system_trust import SYSTEM, system_certificates


def converge(document: Document, check: bool, context_of: ContextOf) -> Reply:
    """Make true what the document says, or with `check` tell what that would do.

    One credential's failure is its own: the others go on. Raises Error where nothing at all can be done.
    """
    with ExitStack() as stack:
        root = _root(document, stack, create=False, context_of=context_of)
        if root is None and _would_change(document, context_of):
            check_creatable(document.root)
            root = None if check else _root(document, stack, create=True, context_of=context_of)
        if root is not None:
            # Also to look: in the middle of another run there would be differences that are none.
            stack.enter_context(root.locked(document.lock_timeout))
        around = _surroundings(document, root, context_of)
        replies = [_one(root, credential, around, check or root is None) for credential in document.credentials]
        orphaned = _orphaned(root, document.names)
    return Reply(any(reply.changed for reply in replies), tuple(orphaned), tuple(replies))


def _root(document: Document, stack: ExitStack, create: bool, context_of: ContextOf) -> Optional[Directory]:
    if not create and not os.path.lexists(document.root):
        return None
    root = stack.enter_context(open_directory(document.root, create=create, context_of=context_of))
    found = root.attributes()
    if found.mode & 0o022 or found.owner not in (0, os.geteuid()):
        raise InputError(
            "root {0} belongs to or can be written by somebody else; give it to this run's user with mode 0755, or "
            "choose another directory".format(document.root)
        )
    return root


def _would_change(document: Document, context_of: ContextOf) -> bool:
    """Whether a host without a root directory needs one: bad input alone must not leave an empty one behind."""
    around = _surroundings(document, None, context_of)
    return any(_one(None, credential, around, True).changed for credential in document.credentials)


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


def _one(root: Optional[Directory], wanted: Credential, around: Surroundings, check: bool) -> CredentialReply:
    try:
        if wanted.state == "absent":
            return _absent(root, wanted, around, check)
        files = frozenset(contents.wanted_names(wanted))
        planned = plan(wanted, observe(root, wanted.name, files), around)
    except Error as error:
        return _failed(wanted, around, str(error))
    if wanted.state == "held" or check:
        return _reply(planned, around, planned.changes and wanted.state != "held", planned.waiting)
    if root is None:
        raise DiskError("the root directory {0} does not exist".format(around.root))
    application = Application(root, planned, around.directory(wanted), around.context_of)
    try:
        application.run(around.now)
    except Error as error:
        return _failed(wanted, around, str(error), changed=bool(application.done))
    return _reply(planned, around, bool(application.done), application.waiting)


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
    if not check:
        try:
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
