# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands on a host against the next phase of an own CA's roll-over.

Two things are asked of each host: what credential_info reads there, which needs no passphrase, and what a check of
its credentials comes to, which looks into the stores that need one. What the host says is hostile: it can keep the
roll-over from going on, but nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..module_utils import certificate
from ..module_utils.errors import Error, InputError, ReplyError
from ..module_utils.ownca.members import Members
from ..module_utils.ownca.phases import REISSUE, RETIRE
from .authorities import read_authorities
from .results import visible

PHASES = (REISSUE, RETIRE)
"""The phases that depend on what is on the hosts."""

_OWN_FILES = frozenset(("certificate.pem", "chain.pem", "fullchain.pem", "client.pem"))
_UNSETTLED = frozenset(
    """
    store_missing store_unreadable store_content_changed store_alias_changed truststore_content_changed file_missing
    file_changed link_changed generation_incomplete manifest_unreadable journal_unreadable reload_pending
    switch_unconfirmed activation_pending
    """.split()
)
"""Reasons by which something in use on the host may not be what the inventory wants it to be."""
_PROVISION = "run mutual.tls.provision"
_LISTED = ("active", "pending")


@dataclass(frozen=True)
class Step:
    """What is to come, and what it is about: SHA-256 of both roots, and the key that the old CA issues with."""

    phase: str
    old_root: str
    new_root: str
    old_key: str


@dataclass(frozen=True)
class Held:
    """What a host says of one credential on its disk.

    `signed_by` is the signing key's identifier: an own CA's certificates have one. `files` holds fingerprints, None for
    a store that is closed.
    """

    name: str
    in_use: bool
    fingerprint: Optional[str]
    not_after: str
    signed_by: Optional[str]
    unsettled: bool
    files: Mapping[str, Optional[Tuple[str, ...]]]


def step(members: Members, phase: str) -> Step:
    """What the phase is about. Raises InputError where no roll-over has begun."""
    if members.rollover is None:
        raise InputError("phase: the own CA is in no roll-over; the phase add comes first")
    old, new = members.all[-2], members.all[-1]
    key = certificate.subject_key_identifier(old.issuing)
    if key is None:
        raise InputError("the old CA's certificate lacks its key identifier, by which its clients' could be known")
    return Step(phase, certificate.fingerprint(old.root), certificate.fingerprint(new.root), key)


def read_held(raw: Any) -> List[Held]:
    """What credential_info has returned. Raises ReplyError where it is of another shape."""
    try:
        return [_held(item) for item in _of(list, raw)]
    except (KeyError, TypeError) as error:
        raise ReplyError("the host describes its credentials in a way that credential_info does not") from error


def objections(about: Step, result: Mapping[str, Any], held: Sequence[Held]) -> List[str]:
    """What stands against the step; empty where the host is ready. `result` is that of a check of its credentials."""
    found = []
    listed = {}
    for entry in result.get("credentials", ()):
        listed[entry["name"]] = entry["state"]
        unsettled = sorted(_UNSETTLED.intersection(entry["reasons"]))
        if entry["state"] in _LISTED and unsettled:
            found.append(
                "{0} is not as it should be ({1}); {2}".format(entry["name"], ", ".join(unsettled), _PROVISION)
            )
    for one in held:
        found += ["{0} {1}".format(visible(one.name), text) for text in _of_one(about, one, listed.get(one.name))]
    return list(dict.fromkeys(found))


def stale_authorities(about: Step, stated: Mapping[str, Mapping[str, Any]], directory: str, at: datetime) -> List[str]:
    """Authorities of the inventory that are copies of the old root: no run would ever add the new one to them.

    `directory` is where their relative paths begin. Those that cannot be read fail elsewhere, if anything needs them.
    """
    found = []
    for name, options in stated.items():
        if not isinstance(options, dict) or options.get("issuer") is not None:
            continue
        try:
            held = read_authorities({name: options}, [name], directory, {}, at).certificates.get(name, ())
        except Error:
            continue
        fingerprints = [hashlib.sha256(der).hexdigest() for der in held]
        if _lacks(about, fingerprints):
            found.append(
                "authorities.{0} holds the old root but not the new one; name the issuer there instead, or add the "
                "new root".format(name)
            )
    return found


def _of_one(about: Step, one: Held, state: Optional[str]) -> List[str]:
    """What stands against the step in one credential, which the inventory lists with a state, or not at all."""
    if not one.in_use:
        return []
    found = []
    if one.unsettled:
        found.append("was changed, and those who use it were not told yet; {0}".format(_PROVISION))
    for file, fingerprints in one.files.items():
        if fingerprints is None:
            if state not in _LISTED:
                found.append(
                    "is {0}, and its {1} cannot be looked into; have the inventory keep it, or remove it".format(
                        state or "not in the inventory", visible(file)
                    )
                )
        # With its own chain a store holds the old root for as long as its certificate comes from there.
        elif file not in _OWN_FILES and one.fingerprint not in fingerprints and _lacks(about, fingerprints):
            found.append("has a {0} without the new root; {1}".format(visible(file), _PROVISION))
    if one.fingerprint is None:
        found.append("has no certificate that can be read; {0}".format(_PROVISION))
    elif about.phase == RETIRE and one.signed_by == about.old_key:
        found.append(
            "has a certificate of the old CA, which ends {0}; run mutual.tls.rotate".format(visible(one.not_after))
        )
    return found


def _lacks(about: Step, fingerprints: Sequence[str]) -> bool:
    return about.old_root in fingerprints and about.new_root not in fingerprints


def _held(raw: Any) -> Held:
    item: Dict[str, Any] = _of(dict, raw)
    described = item["certificate"]
    in_use = item["generation"] is not None
    files = {
        _of(str, file["name"]): None
        if file["certificates"] is None
        else tuple(_of(str, fingerprint) for fingerprint in _of(list, file["certificates"]))
        for file in _of(list, item["files"])
    }
    return Held(
        name=_of(str, item["name"]),
        in_use=in_use,
        fingerprint=None if described is None else _of(str, described["fingerprint_sha256"]),
        not_after="" if described is None else _of(str, described["not_after"]),
        signed_by=None if item["authority_key_identifier"] is None else _of(str, item["authority_key_identifier"]),
        unsettled=_of(bool, item["reload_pending"]) or _of(bool, item["switch_unconfirmed"]),
        files=files,
    )


def _of(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError("expected {0}".format(kind.__name__))
    return value
