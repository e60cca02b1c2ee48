# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be known of every host before a roll-over takes its next step, and what stands against it.

What hosts say counts, and that all of them were asked: one that could not be reached has an objection like any other.
The CA's own ledger can only add to that: it knows hosts that the inventory has lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

from ..errors import InputError
from ..imports import x509
from .ledger import Ledger, is_of
from .phases import RETIRE, RollOver

_SHOWN = 20


@dataclass(frozen=True)
class Proof:
    """What was found on all hosts of the inventory, for one step of one roll-over.

    `new` is the SHA-256 of the new CA's root, `hosts` what stands against the step on each (nothing: it may come), and
    `gone` are hosts that exist no more, though their certificates have not ended.
    """

    phase: str
    new: str
    hosts: Mapping[str, Tuple[str, ...]]
    gone: FrozenSet[str] = frozenset()


def read(raw: Optional[Mapping[str, Any]], gone: Sequence[str]) -> Optional[Proof]:
    """The proof that the action ca_rollover returns. Raises InputError where it is none."""
    if raw is None:
        return None
    hosts = raw.get("hosts")
    texts = [raw.get("phase"), raw.get("new"), *(hosts if isinstance(hosts, dict) else [None])]
    if not isinstance(hosts, dict) or not all(isinstance(text, str) for text in texts):
        raise InputError("proof: must be what the action mutual.tls.ca_rollover has returned")
    found: Dict[str, Tuple[str, ...]] = {}
    for host, objections in hosts.items():
        if not isinstance(objections, list):
            raise InputError("proof.hosts.{0}: must be a list".format(host))
        found[host] = tuple(str(one) for one in objections)
    return Proof(str(raw["phase"]), str(raw["new"]), found, frozenset(gone))


def check(
    proof: Optional[Proof], rollover: RollOver, phase: str, ledger: Ledger, old: x509.Certificate, at: datetime
) -> None:
    """Raise InputError, naming hosts and reasons, unless `proof` says that all of them are ready for `phase`.

    `old` is the certificate of the old CA that issues.
    """
    if proof is None:
        raise InputError(
            "proof: the phase {0} needs to know what is on every host; run the playbook mutual.tls.ownca, which looks, "
            "with -e mtls_ca_phase={0}".format(phase)
        )
    if (proof.phase, proof.new) != (phase, rollover.new.root):
        raise InputError(
            "proof: it is about another phase or another roll-over; look at the hosts anew for {0}".format(phase)
        )
    known = sorted(proof.gone & set(proof.hosts))
    if known:
        raise InputError("gone: the inventory has {0}; remove it there first".format(", ".join(known)))
    waiting = {host: objections for host, objections in proof.hosts.items() if objections}
    lost = _lost(proof, phase, ledger, old, at)
    if not waiting and not lost:
        return
    told = ["{0}: {1}".format(host, _joined(objections)) for host, objections in sorted(waiting.items())]
    told += [
        "{0}: it is not in the inventory but holds a certificate of this CA; put it back there, or say with "
        "mtls_ca_gone that it exists no more".format(host)
        for host in lost
    ]
    more = len(told) - _SHOWN
    raise InputError(
        "the phase {0} has to wait for {1} of {2} hosts. {3}{4}".format(
            phase,
            len(told),
            len(proof.hosts) + len(lost),
            ". ".join(told[:_SHOWN]),
            ". And {0} more".format(more) if more > 0 else "",
        )
    )


def _joined(objections: Sequence[str]) -> str:
    """The objections of one host, those with the same remedy together."""
    found: Dict[str, List[str]] = {}
    for objection in objections:
        what, run, remedy = objection.partition("; run ")
        found.setdefault(run + remedy, []).append(what)
    return "; ".join((", " if remedy else "; ").join(whats) + remedy for remedy, whats in found.items())


def _lost(proof: Proof, phase: str, ledger: Ledger, old: x509.Certificate, at: datetime) -> List[str]:
    """Hosts that are not in the inventory but that the step would lock out."""
    missing = [host for host in ledger.holders(at) if host not in proof.hosts and host not in proof.gone]
    if phase != RETIRE:
        return missing
    return [host for host in missing if any(is_of(one.certificate, old) for one in ledger.entries(host, live_at=at))]
