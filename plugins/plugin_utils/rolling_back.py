# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May a host go back to the generation before? It says which that is; issuers know what its certificate is worth."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from ..module_utils import certificate
from ..module_utils.errors import Error, InputError, IssuerError
from ..module_utils.reply import Candidate, CredentialReply
from .intent import Intent
from .issuers.base import Issuer
from .issuing import Agreed, Failed

Said = Union[Agreed, Failed]


def settle(
    intents: Sequence[Intent], replies: Mapping[str, CredentialReply], issuers: Mapping[str, Issuer], at: datetime
) -> Dict[str, Said]:
    """What the controller says to the generations that a host could go back to; nothing where it did so before.

    Refused is one whose certificate is not valid at `at` (aware, in UTC), was revoked, has a key that others have, is
    of a retired CA, or is of none of the inventory's `issuers`: nobody knows then whether it was revoked.
    """
    found = {one.name: _settle(replies[one.name], _in_turn(one, issuers), at) for one in intents}
    return {name: said for name, said in found.items() if said is not None}


def _in_turn(intent: Intent, issuers: Mapping[str, Issuer]) -> List[Issuer]:
    """The credential's own issuer, then those that might have been it before and would know.

    One that keeps no record objects to nothing, so it comes last.
    """
    own = issuers[intent.host.issuer]
    others = [one for one in issuers.values() if one is not own and one.revokes]
    return [own, *others] if own.revokes else [*others, own]


def _settle(reply: CredentialReply, issuers: Sequence[Issuer], at: datetime) -> Optional[Said]:
    if reply.state in ("failed", "held"):
        return None
    candidate = reply.candidate
    if candidate is None:
        return Failed("there is no generation before the one in use to go back to")
    try:
        return Agreed(certificate.fingerprint(_acceptable(candidate, issuers, at)))
    except Error as error:
        return Failed("nothing was changed, generation {0} is refused: {1}".format(candidate.generation, error))


def _acceptable(candidate: Candidate, issuers: Sequence[Issuer], at: datetime) -> Any:
    """The candidate's certificate. Raises Error, saying why, where it must not come into use again."""
    pem = candidate.certificate.encode("utf-8", "replace")
    found = certificate.load_all(pem, "the certificate of the generation before")[0]
    start, end = certificate.not_before(found), certificate.not_after(found)
    if at >= end:
        raise InputError("its certificate ended on {0}".format(_day(end)))
    if at < start:
        raise InputError("its certificate is not valid before {0}".format(_day(start)))
    _check_with(issuers, found)
    return found


def _check_with(issuers: Sequence[Issuer], found: Any) -> None:
    """Ask the first issuer that knows the certificate. Raises Error where it objects, or where none knows it."""
    unknown: Optional[Error] = None
    for issuer in issuers:
        try:
            revocation = issuer.revoked(found)
        except (InputError, IssuerError) as error:
            unknown = unknown or error
            continue
        if revocation is not None:
            raise InputError(
                "its certificate was revoked on {0} ({1})".format(_day(revocation.since), revocation.reason)
            )
        compromised = issuer.compromised(found)
        if compromised is not None:
            raise InputError("others have its key, as a revocation on {0} says".format(_day(compromised)))
        if issuer.is_retired(found):
            raise InputError("its certificate is of a CA that issuer {0} has retired".format(issuer.name))
        return
    if unknown is not None:
        raise unknown


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
