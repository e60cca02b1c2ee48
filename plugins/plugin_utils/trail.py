# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one host's task adds to the audit log: certificates given and revoked, and what the host says that it did."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ..module_utils import certificate
from ..module_utils.difference import Difference, reasons
from ..module_utils.errors import DiskError, Error
from ..module_utils.reply import CredentialReply
from ..module_utils.reply import Event as HostEvent
from ..module_utils.state_directory import StateDirectory
from .audit import AuditLog, Event, about
from .intent import Intent
from .issuers.base import IssuerRequest, RevocationResult
from .issuing import certificate_in_use
from .results import Outcome

_SWITCHES = ("deployed", "activated")
"""Events that come of what differed before; others have reasons of their own."""


class Trail:
    """The part of the audit log that is about `host`.

    In check mode there is none. Without a state directory nothing was ever issued from here: none is made only to hold
    a log, and the task's result says so.
    """

    def __init__(self, state_directory: StateDirectory, host: str, check_mode: bool) -> None:
        self._host = host
        self._directory = state_directory
        self._is_silent = check_mode
        self._log = AuditLog(state_directory, check_mode)
        self._certificates: Dict[str, Any] = {}
        self._differences: Dict[str, Tuple[Difference, ...]] = {}
        self._problems: List[str] = []
        self._is_missing_some = False

    def issued(self, asked: IssuerRequest, leaf: Any, issuer: str) -> None:
        """Record a certificate that an issuer gave. Raises DiskError: what is not recorded must not be deployed."""
        self._certificates[certificate.fingerprint(leaf)] = leaf
        event = Event(
            "issued" if asked.in_use is None else "renewed",
            self._host,
            asked.credential,
            issuer=issuer,
            reasons=asked.reasons,
            **about(leaf),
        )
        try:
            self._record([event])
        except DiskError as error:
            raise DiskError("the certificate was issued, but not deployed: {0}".format(error)) from error

    def revoked(self, outcome: Outcome) -> None:
        """Record the certificates of a credential that were revoked, or for which that was asked, in this run."""
        answers = () if outcome.revocation is None else outcome.revocation.answers
        self._note(lambda: [self._revocation(outcome.intent, one) for one in answers if one.changed])

    def _revocation(self, intent: Intent, done: RevocationResult) -> Event:
        known = {"serial_number": done.serial_number} if done.certificate is None else about(done.certificate)
        return Event(
            "revoked" if done.waits_for is None else "revocation_requested",
            self._host,
            intent.name,
            issuer=intent.host.issuer,
            reasons=(done.reason,),
            **known,
        )

    def happened(self, intents: Sequence[Intent], replies: Sequence[CredentialReply]) -> None:
        """Record what the host did in one trip about the credentials behind `intents`."""
        wanted = {intent.name: intent for intent in intents}
        self._note(lambda: [event for reply in replies for event in self._events(wanted[reply.name], reply)])

    def complete(self, result: Mapping[str, Any]) -> Dict[str, Any]:
        """The task's result, which has failed where something could not be recorded; the work itself is done."""
        said = dict(result)
        if self._problems:
            causes = [*filter(None, [result.get("msg")]), *dict.fromkeys(self._problems)]
            said.update(failed=True, msg="; ".join(causes))
        if self._is_missing_some:
            text = "what was done is in no audit log on the controller, as there is no state directory {0}".format(
                self._directory.path
            )
            said["warnings"] = [*result.get("warnings", []), text]
        return said

    def _events(self, intent: Intent, reply: CredentialReply) -> List[Event]:
        try:
            leaf = certificate_in_use(reply)
        except Error:
            # The result says so.
            leaf = None
        if leaf is not None:
            self._certificates[certificate.fingerprint(leaf)] = leaf
        # A host that has failed says why that was, and nothing else.
        before = self._differences.get(reply.name, ())
        found = before if reply.state == "failed" else (*before, *reply.differences)
        self._differences[reply.name] = found
        return [
            self._event(intent, one, found if one.event in _SWITCHES else reply.differences) for one in reply.events
        ]

    def _event(self, intent: Intent, one: HostEvent, why: Sequence[Difference]) -> Event:
        leaf = self._certificates.get(one.fingerprint_sha256 or "")
        known = {"fingerprint_sha256": one.fingerprint_sha256} if leaf is None else about(leaf)
        return Event(
            one.event,
            self._host,
            intent.name,
            issuer=intent.host.issuer or None,
            reasons=tuple(reasons(why)),
            generation=one.generation,
            **known,
        )

    def _note(self, events: Callable[[], List[Event]]) -> None:
        """Record what is done already: what goes wrong with that is told at the end."""
        try:
            self._record(events())
        except Error as error:
            self._problems.append("what was done is not in the audit log: {0}".format(error))

    def _record(self, events: Sequence[Event]) -> None:
        if self._directory.exists:
            self._log.record(*events)
        elif events and not self._is_silent:
            self._is_missing_some = True
