# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people ask for besides keeping credentials as they should be, and of which credentials they ask it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Collection, List, Mapping, Optional, Sequence, Tuple

from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils import certificate
from ..module_utils.document import OPERATIONS, Credential, Document
from ..module_utils.errors import InputError
from ..module_utils.ownca.revoke import check_reason
from ..module_utils.reply import CredentialReply
from . import selection
from .intent import Intent
from .issuing import certificate_in_use
from .selection import Selection
from .suggestion import unknown

CONVERGE = "converge"
ROTATE = "rotate"
ROLLBACK = "rollback"
RELEASE = "release"
ACTIVATE = "activate"

_REVOKING = (ROTATE, ACTIVATE)
_RENEWING = (CONVERGE, ROTATE)
_EMERGENCY = "emergency: renew_window and max_issued_per_run are ignored; the spread of renew_jitter delays nothing"
_OF_REQUESTS = ("request_pending", "request_changed")


@dataclass(frozen=True)
class Operation:
    """One run's operation, what it is about, why old certificates are to be revoked, and whether nothing may wait."""

    name: str = CONVERGE
    selection: Selection = field(default_factory=Selection)
    revoke: Optional[str] = None
    emergency: bool = False

    def concerned(self, intents: Sequence[Intent]) -> Tuple[Intent, ...]:
        """The credentials that the run is about, as far as that can be told without serial numbers.

        What is absent, or held by the inventory, can be kept so and nothing else.
        """
        return tuple(one for one in self._selected(intents) if self.name in _RENEWING or one.host.state == "present")

    def issuers_to_ask(self, intents: Sequence[Intent], known: Collection[str]) -> List[str]:
        """The issuers, of the `known` ones, that are asked about certificates they gave, though they shall give none.

        What a rollback goes back to may be of any.
        """
        if self.name == ROLLBACK:
            return list(known)
        return [one.host.issuer for one in intents if one.host.state != "present" and one.host.issuer in known]

    def having_serial(self, intents: Sequence[Intent], replies: Mapping[str, CredentialReply]) -> Tuple[Intent, ...]:
        """Those of the concerned credentials whose certificate in use has one of the serial numbers asked for.

        Raises FormatError where a host sends something else instead of a certificate.
        """
        return tuple(
            one
            for one in intents
            if self.selection.matches(one.name, one.host.provider, one.host.issuer, _serial(replies[one.name]))
        )

    def told(self, document: Document, names: Collection[str]) -> Document:
        """The document as it is sent: the credentials `names` are told of the operation, the others are not."""
        credentials = [self._tells(one) if one.name in names else one for one in document.credentials]
        return replace(document, credentials=tuple(credentials))

    def warnings(self, intents: Sequence[Intent]) -> List[str]:
        """What people should know before they look at results."""
        is_left_alone = self.name not in _RENEWING
        held = [one.name for one in self._selected(intents) if is_left_alone and one.host.state == "held"]
        # All but a rollback renew what is due.
        found = [_EMERGENCY] if self.emergency and self.name != ROLLBACK else []
        if held:
            found.append(
                "the inventory says state: held of {0}; {1} leaves that alone, set state: present first".format(
                    ", ".join(held), self.name
                )
            )
        return found

    def asks(self, intent: Intent) -> Intent:
        """The intent with what is asked of it."""
        return replace(intent, host=self._tells(intent.host))

    def _tells(self, credential: Credential) -> Credential:
        if credential.state != "present":
            return credential
        return replace(credential, operation=self.name, new_key=self.revoke is not None)

    def _selected(self, intents: Sequence[Intent]) -> List[Intent]:
        known = replace(self.selection, serials=())
        return [one for one in intents if known.matches(one.name, one.host.provider, one.host.issuer, None)]


def read(arguments: Mapping[str, Any]) -> Operation:
    """The operation that the action's arguments (plain values) ask for; empty texts count as not given.

    Raises InputError that names the option and what to do.
    """
    revoke = _text(arguments, "revoke")
    name = _text(arguments, "operation") or (CONVERGE if revoke is None else ROTATE)
    if name not in OPERATIONS:
        raise unknown("operation:", name, OPERATIONS)
    if revoke is not None:
        _check_revoke(revoke, name)
    chosen = selection.read(arguments.get("select"), required=name == ROLLBACK or revoke is not None)
    return Operation(name, chosen, revoke, _emergency(arguments.get("emergency")))


def only(document: Document, names: Collection[str]) -> Document:
    """The document about these credentials alone; the host still knows that the others are listed."""
    return replace(document, credentials=tuple(one for one in document.credentials if one.name in names))


def with_revoked(document: Document, found: Mapping[str, Tuple[str, ...]]) -> Document:
    """The document that also names revoked certificates, `found` by credential: their serial numbers."""
    credentials = [replace(one, revoked=found[one.name]) if one.name in found else one for one in document.credentials]
    return replace(document, credentials=tuple(credentials))


def joined(first: CredentialReply, again: CredentialReply) -> CredentialReply:
    """What two trips about one credential came to together: how things are now, and all that was found and done.

    What the second one found of a request that the first one had made is nobody's concern.
    """
    later = [one for one in again.differences if one not in first.differences and one.reason not in _OF_REQUESTS]
    return replace(again, changed=first.changed or again.changed, differences=(*first.differences, *later))


def _check_revoke(reason: str, name: str) -> None:
    try:
        check_reason(reason)
    except InputError as error:
        raise InputError("revoke: {0}".format(error)) from None
    if name not in _REVOKING:
        raise InputError(
            "revoke: the operation {0} revokes nothing; use rotate, which replaces certificates before it revokes "
            "them, or activate, where the new ones are there already".format(name)
        )


def _text(arguments: Mapping[str, Any], option: str) -> Optional[str]:
    value = arguments.get(option)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InputError("{0} must be text; quote it".format(option))
    return value


def _emergency(value: Any) -> bool:
    if value is None or value == "":
        return False
    try:
        return bool(boolean(value))
    except TypeError:
        raise InputError("emergency must be true or false") from None


def _serial(reply: CredentialReply) -> Optional[str]:
    in_use = certificate_in_use(reply)
    return None if in_use is None else certificate.serial_number(in_use)
