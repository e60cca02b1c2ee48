# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what one credential needs: compare what is on disk with what is wanted. Changes nothing.

The plan serves check mode and the real run alike, so that what is predicted is what is done.
"""

from __future__ import annotations

import os.path
from dataclasses import replace
from typing import Any, List, Optional, Sequence, Tuple

from .. import certificate as certificates
from .. import private_key as private_keys
from ..difference import Difference
from ..document import Credential
from ..errors import InputError, PassphraseError
from ..files import Attributes
from . import contents, links, mounts, next_request
from . import journal as journals
from .generation_files import FileChanges, Staged, asked_now, attribute_differences, compare_files, stage
from .material import CERTIFICATE, KEY, Material, Search, find, observed_certificate
from .need import needs
from .observe import (
    CURRENT,
    DIRECTORY_MODE,
    GENERATIONS,
    NEXT,
    NEXT_MODE,
    Observation,
    current_target,
    directory_name,
)
from .owed import owed_by, owed_differences
from .planned import Plan, Surroundings
from .rollback import held, left_by


def plan(wanted: Credential, observation: Observation, around: Surroundings) -> Plan:
    """Plan one credential. Raises Error for what the user must mend first; nothing was changed then."""
    contents.check(wanted, around.authorities, around.unavailable)
    _check_places(wanted, around)
    planned, since = _plan(wanted, observation, around), observation.held_since
    if since is None:
        return replace(planned, release=observation.journal.held is not None)
    if wanted.operation != "release":
        return held(wanted, observation, around, planned.differences, planned.material)
    released = Difference("hold_released", journals.NAME, "held since " + since, "not held")
    # As the rollback would have done, had it not been cut off.
    return replace(planned, differences=(released, *planned.differences), release=True, aside=left_by(observation))


def _plan(wanted: Credential, observation: Observation, around: Surroundings) -> Plan:
    planned = _plan_all(wanted, observation, around)
    if planned.awaits is None:
        return planned
    return replace(planned, certificate_before=observed_certificate(observation))


def _plan_all(wanted: Credential, observation: Observation, around: Surroundings) -> Plan:
    if observation.ahead is not None and observation.number is not None and not observation.linked:
        search = find(observation, wanted)
        if search.material is not None:
            # All else in the next run, when it is certain again what is in use and what waits.
            return _relink(wanted, observation, search)
    elif observation.ahead is not None:
        planned = _plan_ahead(wanted, observation, observation.ahead, around)
        if planned is not None:
            return planned
        dropped = (GENERATIONS, directory_name(observation.ahead.number or 0))
        observation = replace(observation, ahead=None, leftovers=(*observation.leftovers, dropped))
    return _gated(_plan_in_use(wanted, observation, around), around)


def _plan_in_use(wanted: Credential, observation: Observation, around: Surroundings) -> Plan:
    """The plan that begins with the generation in use."""
    search = find(observation, wanted)
    need = _need(wanted, observation, search, around)
    waiting, waiting_differences = _waiting(wanted, observation, search, need)
    if need and wanted.answer is not None:
        outlive = search.material.certificate if search.material is not None and _is_only_due(need) else None
        material = next_request.answered(waiting, wanted.answer, wanted, around.now, outlive)
        return _deploy(wanted, observation, around, material, need)
    if search.material is None:
        contents.check_stores(wanted, observation)
    return _keep(wanted, observation, around, search, need, (waiting, waiting_differences))


def _plan_ahead(
    wanted: Credential, observation: Observation, ahead: Observation, around: Surroundings
) -> Optional[Plan]:
    """The plan that begins with the generation that waits; None where that is not what is wanted any more."""
    search = find(ahead, wanted)
    if search.material is None:
        return None
    need = _need(wanted, ahead, search, around)
    if need and (wanted.answer is not None or not _may_wait_on(wanted, observation, search.material, need, around)):
        return None
    planned = replace(
        _keep(wanted, ahead, around, search, need, _waiting(wanted, ahead, search, need)),
        previous=observation.number,
        superseded=ahead.number,
    )
    if planned.staged is None:
        planned = replace(planned, superseded=None)
    return _gated(planned, around)


def _may_wait_on(
    wanted: Credential, observation: Observation, ahead: Material, need: Sequence[Difference], around: Surroundings
) -> bool:
    """Whether a generation that waits is still better than nothing until the certificate that it needs has come."""
    in_use = observed_certificate(observation)
    if in_use is not None and certificates.fingerprint(in_use) == certificates.fingerprint(ahead.certificate):
        return True
    if not {one.reason for one in need} <= {"certificate_due", "rotation_requested"}:
        return False
    try:
        return bool(_need(wanted, observation, find(observation, wanted), around))
    except PassphraseError:
        # Only what waits need be as the inventory says by now.
        return True


def _relink(wanted: Credential, observation: Observation, search: Search) -> Plan:
    """The plan that only points `current` to what was in use."""
    owed = owed_by(wanted, observation)
    return Plan(
        wanted,
        observation,
        (*_relinked(observation), *owed_differences(owed)),
        material=search.material,
        relink=True,
        owed=owed,
        previous=observation.number,
    )


def _gated(planned: Plan, around: Surroundings) -> Plan:
    """The plan with what `activation` asks of a new generation before it comes into use."""
    wanted, journal = planned.wanted, planned.observation.journal
    what = {"on_proof": journals.PROOF, "on_request": journals.REQUEST}.get(wanted.activation)
    is_new = planned.staged is not None or (planned.relink and planned.observation.awaits)
    if what is None or not is_new or planned.number is None:
        return planned
    if what == journals.REQUEST and wanted.operation == "activate":
        return planned
    noted = journal.awaiting
    same = noted is not None and noted.number == planned.number and planned.observation.awaits
    since = noted.since if same and noted is not None else around.now.strftime(journals.MOMENT)
    closed = what == journals.REQUEST
    # What goes with another generation in use is told when that is sure.
    told = tuple(one for one in planned.differences if one.reason != "generation_surplus")
    return replace(
        planned,
        differences=told,
        prune=() if closed else planned.prune,
        awaits=journals.Awaiting(planned.number, since, what),
        closed=closed,
    )


def _waiting(
    wanted: Credential, observation: Observation, search: Search, need: Sequence[Difference]
) -> Tuple[Optional[next_request.Waiting], List[Difference]]:
    if not need:
        return None, []
    in_use = None
    if search.key is not None and _wants_new_key(wanted, need):
        in_use = private_keys.public_fingerprint(search.key.public_key())
    return next_request.waiting(observation, wanted, in_use)


def _wants_new_key(wanted: Credential, need: Sequence[Difference]) -> bool:
    """Whether the key in use must not be used again: it may be known to others."""
    return wanted.new_key or any(item.reason == "certificate_revoked" for item in need)


def _is_only_due(need: Sequence[Difference]) -> bool:
    """Whether the certificate in use works as it is, and will for a while."""
    return all(item.reason == "certificate_due" for item in need)


def _waits_for_window(wanted: Credential, observation: Observation, search: Search, need: Sequence[Difference]) -> bool:
    """Whether a certificate that nears its end is let be until a maintenance window opens.

    So is one whose request was made in the last window. What somebody has asked for does not wait.
    """
    if wanted.may_renew or wanted.operation == "rotate" or search.material is None or not _is_only_due(need):
        return False
    return not next_request.is_forced(observation, search.material.certificate)


def _keep(
    wanted: Credential,
    observation: Observation,
    around: Surroundings,
    search: Search,
    need: Sequence[Difference],
    pending: Tuple[Optional[next_request.Waiting], List[Difference]],
) -> Plan:
    """The plan without a new certificate: for what is there, and for a request where one is needed."""
    waiting, waiting_differences = pending
    files = compare_files(wanted, observation, search, around.authorities)
    planned_links = _links(wanted, observation, around, files, search.material is None)
    directories, directory_differences = _directories(observation, around, bool(need))
    prune = _prune(wanted, observation, around, files.staged)
    owed = owed_by(wanted, observation)
    requests = bool(need) and not _waits_for_window(wanted, observation, search, need)
    return Plan(
        wanted,
        observation,
        (
            *need,
            *_missing_key(need, search, waiting),
            *_pending(waiting),
            *waiting_differences,
            *_leftovers(observation),
            *directory_differences,
            *_relinked(observation),
            *owed_differences(owed),
            *files.differences,
            *planned_links.differences,
            *_surplus(prune),
            *_stale_next(observation, need),
        ),
        material=search.material,
        directories=tuple(directories),
        leftovers=observation.leftovers,
        relink=observation.number is not None and not observation.linked and files.staged is None,
        mend=tuple(files.mend),
        attributes=tuple(files.attributes),
        staged=files.staged,
        links=planned_links,
        links_wait=search.material is None,
        needs_certificate=requests,
        waiting=waiting,
        make_request=requests and waiting is None and wanted.may_request,
        request_key=_kept_key(wanted, search, need),
        rewrite_key=waiting is not None and waiting.rewrite,
        drop_next=observation.has_next and not need,
        prune=prune,
        owed=owed,
        previous=observation.number,
    )


def _pending(waiting: Optional[next_request.Waiting]) -> List[Difference]:
    if waiting is None:
        return []
    return [Difference("request_pending", NEXT, "since " + (waiting.since or "?"), "certificate")]


def _leftovers(observation: Observation) -> List[Difference]:
    """A generation that never came into use is told from other things that runs left when they were cut off."""
    return [
        Difference(
            "generation_incomplete" if parent == GENERATIONS else "leftover_found",
            "/".join(part for part in (parent, name) if part),
            "present",
            "absent",
        )
        for parent, name in observation.leftovers
    ]


def _check_places(wanted: Credential, around: Surroundings) -> None:
    for link in wanted.links:
        if (os.path.normpath(link.path) + "/").startswith(os.path.normpath(around.root).rstrip("/") + "/"):
            raise InputError(
                "credential {0}, link {1}: it lies below the root directory; name a path elsewhere".format(
                    wanted.name, link.path
                )
            )


def _need(wanted: Credential, observation: Observation, search: Search, around: Surroundings) -> List[Difference]:
    if search.material is None:
        return list(search.lost)
    need = needs(wanted, search.material, observation.manifest, around.now)
    if not need and (wanted.operation == "rotate" or next_request.is_forced(observation, search.material.certificate)):
        serial = "{0:x}".format(search.material.certificate.serial_number)
        need = [Difference("rotation_requested", CERTIFICATE, "serial number " + serial, "another one")]
    return need


def _missing_key(
    need: Sequence[Difference], search: Search, waiting: Optional[next_request.Waiting]
) -> List[Difference]:
    """On a host without a generation the key is missing too, until there is one that waits."""
    fresh = search.material is None and [item.reason for item in need] == ["certificate_missing"]
    return [Difference("key_missing", KEY, "absent", "a new one")] if fresh and waiting is None else []


def _kept_key(wanted: Credential, search: Search, need: Sequence[Difference]) -> Optional[Any]:
    """The key in use, where a renewal shall keep it and it still is what is wanted."""
    if search.key is None or wanted.key.rotate or _wants_new_key(wanted, need):
        return None
    if private_keys.kind_of(search.key) != wanted.key.kind:
        return None
    return search.key


def _deploy(
    wanted: Credential,
    observation: Observation,
    around: Surroundings,
    material: Material,
    need: Sequence[Difference],
) -> Plan:
    """The plan for a request whose certificate has come: a whole new generation."""
    files = contents.wanted_files(wanted, material, around.authorities, observation.manifest)
    staged = stage(asked_now(wanted, material), observation, files, {})
    bytes_of = {name: content for name, content, _attributes in staged.files}
    planned_links = links.plan(wanted, observation, around.places(wanted), bytes_of)
    return Plan(
        wanted,
        observation,
        # What links will come to was reported with the request: here only their targets' content is new.
        tuple(need),
        material=material,
        leftovers=observation.leftovers,
        staged=staged,
        links=planned_links,
        drop_next=True,
        prune=_prune(wanted, observation, around, staged),
        owed=owed_by(wanted, observation),
        previous=observation.number,
    )


def _links(
    wanted: Credential, observation: Observation, around: Surroundings, files: FileChanges, fresh: bool
) -> links.LinkPlan:
    return links.plan(wanted, observation, around.places(wanted), {} if fresh else files.contents)


def _directories(
    observation: Observation, around: Surroundings, keeps_next: bool
) -> Tuple[List[str], List[Difference]]:
    """Directories whose owner or mode would let somebody else in."""
    names, differences = [], []
    for name, found in observation.directories.items():
        if name == NEXT and not keeps_next:
            continue
        mode = NEXT_MODE if name == NEXT else DIRECTORY_MODE
        # The group is left alone: a set-group-id parent decides it, and these modes give a group no writing.
        changed = attribute_differences(name or ".", found, Attributes(around.user, found.group, mode))
        names += [name] if changed else []
        differences += changed
    return names, differences


def _relinked(observation: Observation) -> List[Difference]:
    if observation.number is None or observation.linked:
        return []
    awaiting = observation.journal.awaiting
    if observation.awaits and awaiting is not None:
        target = current_target(observation.number)
        return [Difference("activation_pending", target, "waits since " + awaiting.since, "in use")]
    return [Difference("link_changed", CURRENT, "absent or elsewhere", current_target(observation.number))]


def _prune(
    wanted: Credential, observation: Observation, around: Surroundings, staged: Optional[Staged]
) -> Tuple[str, ...]:
    """Generations beyond those to keep, but for any that something still mounts.

    One that failed is kept until another one has come into use.
    """
    failed = observation.failed if staged is not None else ()
    in_use = staged.number if staged is not None else observation.number
    if in_use is None:
        return ()
    unproven = _unproven(observation) if staged is not None else None
    older = [number for number in observation.generations if number < in_use and number != unproven]
    surplus = older[: max(0, len(older) + 1 - max(1, wanted.keep_generations))]
    surplus += [] if unproven is None else [unproven]
    if not surplus and not failed:
        return ()
    held = mounts.mounted_names(around.directory(wanted))
    return tuple(name for name in (*failed, *map(directory_name, surplus)) if name not in held)


def _unproven(observation: Observation) -> Optional[int]:
    """The generation in use where nobody has confirmed it: the one before it is better to go back to."""
    switch = observation.journal.switch
    if switch is None or switch.previous is None or observation.current != switch.number:
        return None
    return switch.number if switch.previous < switch.number else None


def _surplus(prune: Sequence[str]) -> List[Difference]:
    return [Difference("generation_surplus", name, "present", "absent") for name in prune]


def _stale_next(observation: Observation, need: Sequence[Difference]) -> List[Difference]:
    if not observation.has_next or need:
        return []
    return [Difference("leftover_found", NEXT, "present", "absent")]
