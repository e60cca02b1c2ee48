# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task's result, built from scratch out of what the hosts and issuers answered.

Nothing of a host's reply is passed through: texts lose their control characters, certificates are read and
summarised, paths are those of the inventory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..module_utils import certificate, name
from ..module_utils.difference import Difference, describe, reasons
from ..module_utils.errors import Error
from ..module_utils.reply import Awaiting, CredentialReply
from . import renewal
from .intent import Intent
from .issuers.base import Pending, RevocationResult
from .issuing import Agreed, Failed, Predicted, Settled, certificate_in_use

_CERTIFICATE_FIELDS = ("subject", "issuer_dn", "serial_number", "not_before", "not_after", "fingerprint_sha256")
_FIELDS = (*_CERTIFICATE_FIELDS, *renewal.FIELDS)
_TEXT_LIMIT = 2000
_PROOF = "a handshake with the new certificate to succeed"
_REQUEST = "the operation activate"


@dataclass(frozen=True)
class Revocation:
    """The serial numbers (lower-case hex) of a credential's certificates that were revoked, or would be.

    `problem` says why others were not, which is a failure; `notes` tell people what is left to do. `answers` are what
    the issuer said.
    """

    serials: Tuple[str, ...] = ()
    problem: Optional[str] = None
    notes: Tuple[str, ...] = ()
    answers: Tuple[RevocationResult, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What happened to one credential: the first trip's reply, what its request came to, the second trip's reply, and
    what became of certificates without a use."""

    intent: Intent
    first: CredentialReply
    settled: Optional[Settled] = None
    second: Optional[CredentialReply] = None
    revocation: Optional[Revocation] = None


def build(
    outcomes: Sequence[Outcome], root: str, orphaned: Sequence[str], warnings: Sequence[str], with_diff: bool
) -> Dict[str, Any]:
    """The result of a task about all credentials of one host."""
    credentials = [_credential(outcome, root) for outcome in outcomes]
    result: Dict[str, Any] = {
        "changed": any(entry["changed"] for entry in credentials),
        "credentials": credentials,
        "orphaned": [visible(entry) for entry in orphaned],
    }
    failed = [entry for entry in credentials if entry["state"] == "failed"]
    if failed:
        result["failed"] = True
        result["msg"] = _message(failed, len(credentials))
    if with_diff:
        result["diff"] = [_diff(outcome, root) for outcome in outcomes if _shown(outcome) or _revoked(outcome)]
    notes = [note for outcome in outcomes if outcome.revocation is not None for note in outcome.revocation.notes]
    said = [*warnings, *dict.fromkeys(notes), *_orphan_warning(result["orphaned"])]
    if said:
        result["warnings"] = said
    return result


def foresee_package(package: str, warnings: Sequence[str]) -> Dict[str, Any]:
    """The result of a check that finds a package to install: nothing of the credentials can be read without it."""
    foreseen = "a run would install {0} first; what it would do then can only be told when that is there"
    return {
        "changed": True,
        "credentials": [],
        "orphaned": [],
        "warnings": [*warnings, foreseen.format(package)],
    }


def with_package(result: Mapping[str, Any], package: str, with_diff: bool) -> Dict[str, Any]:
    """A result, and that a package was installed, or would be."""
    said: Dict[str, Any] = {**result, "changed": True, "installed": [package]}
    if with_diff:
        header = "packages"
        one = {"before_header": header, "after_header": header, "before": "", "after": package + "\n"}
        said["diff"] = [one, *result.get("diff", [])]
    return said


def visible(text: str) -> str:
    """A text of a host's as people may see it: without control characters, which terminals obey, and not too long."""
    return "".join(character if character.isprintable() else " " for character in text[:_TEXT_LIMIT])


def _credential(outcome: Outcome, root: str) -> Dict[str, Any]:
    intent = outcome.intent
    last = outcome.second or outcome.first
    came_to, error = state(outcome)
    entry: Dict[str, Any] = {
        "name": intent.name,
        "state": came_to,
        "changed": _changed(outcome),
        "reasons": _reasons(outcome),
        "generation": _generation(outcome, last),
        "issuer": intent.host.issuer or None,
        "directory": "{0}/{1}".format(root, intent.name),
        "labels": dict(intent.labels),
        "pending": _pending(outcome, last) if came_to == "pending" else None,
        "held_since": None if last.held_since is None else visible(last.held_since),
        "revoked": list(_revoked(outcome)),
    }
    try:
        entry.update(_certificate(outcome, last))
    except Error as problem:
        entry.update(dict.fromkeys(_FIELDS))
        came_to, error = "failed", str(problem)
    if came_to == "failed":
        error = error or "the host gave no reason"
    if outcome.revocation is not None and outcome.revocation.problem is not None:
        came_to = "failed"
        error = "; ".join(part for part in (error, outcome.revocation.problem) if part)
    entry["state"] = came_to
    if error is not None:
        entry["error"] = visible(error)
    return entry


def _found_later(outcome: Outcome) -> Sequence[Difference]:
    """Why the second trip failed, where that has a code, or what a rollback came to; else all was known before."""
    second = outcome.second
    is_news = second is not None and (second.state == "failed" or isinstance(outcome.settled, Agreed))
    return second.differences if second is not None and is_news else ()


def state(outcome: Outcome) -> Tuple[str, Optional[str]]:
    """What one credential has come to, and why where it is `failed`."""
    if isinstance(outcome.settled, Failed):
        return "failed", outcome.settled.reason
    if isinstance(outcome.settled, Predicted):
        return ("pending" if _would_wait(outcome) else "active"), None
    if isinstance(outcome.settled, Pending):
        return "pending", None
    last = outcome.second or outcome.first
    if isinstance(outcome.settled, Agreed) and outcome.second is None:
        return "failed", "it was agreed that the host goes back, but it did not; run again"
    if outcome.first.state == "request" and outcome.second is None:
        return "failed", "the certificate was issued, but the host did not take it; run again"
    if last.state == "request":
        return "failed", "the certificate was issued, but the host made another request meanwhile; run again"
    return ("pending" if last.state == "awaiting" else last.state), last.error


def _would_wait(outcome: Outcome) -> bool:
    """Whether a certificate that is foreseen would wait for its activation."""
    host = outcome.intent.host
    return host.activation == "on_proof" or (host.activation == "on_request" and host.operation != "activate")


def _would_be_used(outcome: Outcome) -> bool:
    return isinstance(outcome.settled, Predicted) and not _would_wait(outcome)


def _changed(outcome: Outcome) -> bool:
    second = outcome.second is not None and outcome.second.changed
    return outcome.first.changed or second or isinstance(outcome.settled, Predicted) or bool(_revoked(outcome))


def _revoked(outcome: Outcome) -> Tuple[str, ...]:
    return () if outcome.revocation is None else outcome.revocation.serials


def _reasons(outcome: Outcome) -> List[str]:
    """Why something was to do. Of what is gone from the host there may be certificates left to be revoked."""
    found = reasons((*outcome.first.differences, *_found_later(outcome)))
    return found or (["state_absent"] if outcome.first.state == "absent" and _revoked(outcome) else [])


def _generation(outcome: Outcome, last: CredentialReply) -> Optional[int]:
    """The generation in use after this run: a predicted certificate would bring the next one."""
    if _would_be_used(outcome):
        return (last.generation or 0) + 1
    if last.state != "failed" or last.generation is not None:
        return last.generation
    told = [event.generation for event in last.events if event.generation is not None]
    return told[-1] if told else outcome.first.generation


def _pending(outcome: Outcome, last: CredentialReply) -> Dict[str, Any]:
    """What a credential waits for: its issuer's answer, or the activation of a generation that is there."""
    since: Optional[str] = None
    waits_for = _REQUEST
    if isinstance(outcome.settled, Pending):
        since, waits_for = outcome.settled.since, outcome.settled.waits_for
    elif last.awaiting is not None:
        since, waits_for = last.awaiting.since, _awaited(last.awaiting)
    elif outcome.intent.host.activation == "on_proof":
        waits_for = _PROOF
    return {
        "issuer": outcome.intent.host.issuer,
        "since": visible(since or "") or None,
        "waits_for": visible(waits_for),
    }


def _awaited(awaiting: Awaiting) -> str:
    text = _PROOF if awaiting.what == "proof" else _REQUEST
    return text if awaiting.problem is None else "{0}; the last one failed: {1}".format(text, awaiting.problem)


def _certificate(outcome: Outcome, last: CredentialReply) -> Dict[str, Any]:
    """The certificate in use after this run; of a predicted one only the subject is known."""
    fields: Dict[str, Any] = dict.fromkeys(_FIELDS)
    if _would_be_used(outcome):
        fields["subject"] = name.render(outcome.intent.host.spec.subject)
        return fields
    in_use = certificate_in_use(last)
    if in_use is not None:
        summary: Mapping[str, Any] = certificate.summary(in_use)
        fields.update({field: summary[field] for field in _CERTIFICATE_FIELDS})
        is_kept = outcome.settled is None and last.state == "active"
        is_due = "certificate_due" in reasons(last.differences)
        fields.update(renewal.outlook(outcome.intent, in_use, is_kept, is_due))
    return fields


def _diff(outcome: Outcome, root: str) -> Dict[str, str]:
    """One credential's differences as the two sides of a diff; a difference never holds a secret."""
    header = "{0}/{1}".format(root, outcome.intent.name)
    differences = _shown(outcome)
    return {
        "before_header": header,
        "after_header": header,
        "before": _side(differences, "was") + _listed(_revoked(outcome), "valid"),
        "after": _side(differences, "wanted") + _listed(_revoked(outcome), "revoked"),
    }


def _shown(outcome: Outcome) -> Sequence[Difference]:
    """The differences of a diff: what has failed is told by its error."""
    later = _found_later(outcome) if isinstance(outcome.settled, Agreed) else ()
    return tuple(dict.fromkeys((*outcome.first.differences, *later)))


def _listed(serials: Sequence[str], is_now: str) -> str:
    return "".join("certificate {0}: {1}\n".format(serial, is_now) for serial in serials)


def _side(differences: Sequence[Difference], side: str) -> str:
    lines = [describe(one, getattr(_told(one), side)) for one in differences]
    return "".join(visible(line) + "\n" for line in lines)


def _told(difference: Difference) -> Difference:
    """A difference that has a word for both sides, where its reason alone says all."""
    if difference.was or difference.wanted:
        return difference
    missing = difference.reason.endswith("_missing")
    return replace(
        difference, was="absent" if missing else "differs", wanted="present" if missing else "as the inventory wants it"
    )


def _message(failed: Sequence[Mapping[str, Any]], total: int) -> str:
    what = "the credential" if total == 1 else "{0} of {1} credentials".format(len(failed), total)
    causes = ["{0}: {1}".format(entry["name"], entry["error"]) for entry in failed]
    return "{0} failed: {1}".format(what, "; ".join(causes))


def _orphan_warning(orphaned: Sequence[str]) -> List[str]:
    if not orphaned:
        return []
    return [
        "credentials on this host that the inventory does not list any more: {0}; list them with state: absent to "
        "remove them".format(", ".join(orphaned))
    ]
