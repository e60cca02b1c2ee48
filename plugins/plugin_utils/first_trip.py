# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first trip to a host. It takes a look before where credentials are selected by what is in use there, and goes
once more where what is in use turns out to be revoked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Callable, Dict, Mapping, Sequence, Tuple

from ..module_utils.document import Document
from ..module_utils.errors import Error
from ..module_utils.reply import CredentialReply, Reply
from . import operations, revoking
from .intent import Intent
from .issuers.base import Issuer
from .issuing import Failed
from .operations import Operation

Trip = Callable[[Document, bool], Reply]
"""Runs the host's half; the flag tells it to look only, whatever kind of run this is."""


@dataclass(frozen=True)
class First:
    """What the first trip came to; `document` is what the host was told last, about all of its credentials."""

    document: Document
    reply: Reply
    failed: Mapping[str, Failed]
    warnings: Tuple[str, ...] = ()

    @property
    def replies(self) -> Dict[str, CredentialReply]:
        """By credential."""
        return {reply.name: reply for reply in self.reply.credentials}


def meant(intents: Sequence[Intent], document: Document, operation: Operation, trip: Trip) -> Tuple[Intent, ...]:
    """The credentials that the operation is about. Only the host knows the serial numbers of what is in use."""
    concerned = tuple(operation.asks(one) for one in operation.concerned(intents))
    if not concerned or not operation.selection.needs_serial:
        return concerned
    reply = trip(operations.only(document, [intent.name for intent in concerned]), True)
    return operation.having_serial(concerned, {one.name: one for one in reply.credentials})


def make(
    document: Document,
    operation: Operation,
    intents: Sequence[Intent],
    issuers: Mapping[str, Issuer],
    host: str,
    at: datetime,
    trip: Trip,
) -> First:
    """Tell the host what is asked of the credentials behind `intents`, and what of theirs is revoked.

    All of the `issuers` can be asked about that, also those that could not issue now: it takes no secret. What was
    revoked is of no interest until it turns out to be in use, so a clean host is told the same thing every time; only
    where generations wait to come into use, theirs may be revoked, too. Raises Error where the host gives no usable
    reply at all.
    """
    names = [intent.name for intent in intents]
    document = operation.told(document, names)
    # What is in use is about to be left, and what comes instead is judged for itself.
    asked = {} if operation.name == operations.ROLLBACK else issuers
    warnings: Tuple[str, ...] = ()
    record: Dict[str, Tuple[str, ...]] = {}
    try:
        record = revoking.recorded(intents, asked, host, at)
    except Error as error:
        warnings = ("nobody knows whether the certificates in use are revoked: {0}".format(error),)
    waiting = [intent.name for intent in intents if intent.host.activation != "automatic"]
    document = operations.with_revoked(document, {name: record[name] for name in waiting if name in record})
    reply = trip(operations.only(document, names), False)
    left = {name: serials for name, serials in record.items() if name not in waiting}
    found = revoking.in_use(left, reply)
    if not found:
        return First(document, reply, {}, warnings)
    document = operations.with_revoked(document, {name: record[name] for name in found})
    try:
        again = trip(operations.only(document, found), False)
    except Error as error:
        return First(document, reply, {name: Failed(str(error)) for name in found}, warnings)
    return First(document, _joined(reply, again), {}, warnings)


def _joined(first: Reply, again: Reply) -> Reply:
    later = {reply.name: reply for reply in again.credentials}
    together = tuple(
        operations.joined(reply, later[reply.name]) if reply.name in later else reply for reply in first.credentials
    )
    return replace(first, changed=first.changed or again.changed, credentials=together)
