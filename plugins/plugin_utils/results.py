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
from ..module_utils.reply import CredentialReply
from .intent import Intent
from .issuers.base import Pending
from .issuing import Failed, Predicted, Settled, certificate_in_use

_CERTIFICATE_FIELDS = ("subject", "issuer_dn", "serial_number", "not_before", "not_after", "fingerprint_sha256")
_TEXT_LIMIT = 2000


@dataclass(frozen=True)
class Outcome:
    """What happened to one credential: the first trip's reply, what its request came to, the second trip's reply."""

    intent: Intent
    first: CredentialReply
    settled: Optional[Settled] = None
    second: Optional[CredentialReply] = None


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
        result["diff"] = [_diff(outcome, root) for outcome in outcomes if outcome.first.differences]
    said = [*warnings, *_orphan_warning(result["orphaned"])]
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
    state, error = _state(outcome)
    entry: Dict[str, Any] = {
        "name": intent.name,
        "state": state,
        "changed": _changed(outcome),
        "reasons": reasons(outcome.first.differences),
        "generation": _generation(outcome, last),
        "issuer": intent.host.issuer or None,
        "directory": "{0}/{1}".format(root, intent.name),
        "labels": dict(intent.labels),
        "pending": _pending(outcome, state),
    }
    try:
        entry.update(_certificate(outcome, last))
    except Error as problem:
        entry.update(dict.fromkeys(_CERTIFICATE_FIELDS))
        state, error = "failed", str(problem)
        entry["state"] = state
    if state == "failed":
        error = error or "the host gave no reason"
    if error is not None:
        entry["error"] = visible(error)
    return entry


def _state(outcome: Outcome) -> Tuple[str, Optional[str]]:
    """The state to report, and why where it is `failed`."""
    if outcome.first.state != "request":
        return outcome.first.state, outcome.first.error
    if isinstance(outcome.settled, Failed):
        return "failed", outcome.settled.reason
    if isinstance(outcome.settled, Predicted):
        return "active", None
    if isinstance(outcome.settled, Pending):
        return "pending", None
    if outcome.second is None:
        return "failed", "the certificate was issued, but the host did not take it; run again"
    if outcome.second.state == "request":
        return "failed", "the certificate was issued, but the host made another request meanwhile; run again"
    return outcome.second.state, outcome.second.error


def _changed(outcome: Outcome) -> bool:
    second = outcome.second is not None and outcome.second.changed
    return outcome.first.changed or second or isinstance(outcome.settled, Predicted)


def _generation(outcome: Outcome, last: CredentialReply) -> Optional[int]:
    """The generation in use after this run: a predicted certificate would bring the next one."""
    return (last.generation or 0) + 1 if isinstance(outcome.settled, Predicted) else last.generation


def _pending(outcome: Outcome, state: str) -> Optional[Dict[str, Any]]:
    if state != "pending" or not isinstance(outcome.settled, Pending):
        return None
    return {
        "issuer": outcome.intent.host.issuer,
        "since": visible(outcome.settled.since) or None,
        "waits_for": visible(outcome.settled.waits_for),
    }


def _certificate(outcome: Outcome, last: CredentialReply) -> Dict[str, Any]:
    """The certificate in use after this run; of a predicted one only the subject is known."""
    fields: Dict[str, Any] = dict.fromkeys(_CERTIFICATE_FIELDS)
    if isinstance(outcome.settled, Predicted):
        fields["subject"] = name.render(outcome.intent.host.spec.subject)
        return fields
    in_use = certificate_in_use(last)
    if in_use is not None:
        summary: Mapping[str, Any] = certificate.summary(in_use)
        fields.update({field: summary[field] for field in _CERTIFICATE_FIELDS})
    return fields


def _diff(outcome: Outcome, root: str) -> Dict[str, str]:
    """One credential's differences as the two sides of a diff; a difference never holds a secret."""
    header = "{0}/{1}".format(root, outcome.intent.name)
    return {
        "before_header": header,
        "after_header": header,
        "before": _side(outcome.first.differences, "was"),
        "after": _side(outcome.first.differences, "wanted"),
    }


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
