# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what one credential needs: compare what is on disk with what is wanted. Changes nothing.

The plan serves check mode and the real run alike, so that what is predicted is what is done.
"""

from __future__ import annotations

import os.path
from dataclasses import dataclass, field
from datetime import datetime
from typing import AbstractSet, Any, List, Mapping, Optional, Sequence, Tuple

from .. import private_key as private_keys
from ..difference import Difference
from ..document import Credential
from ..errors import InputError
from ..files import Attributes, ContextOf
from . import contents, links, mounts, next_request
from .generation_files import FileChanges, Staged, asked_now, attribute_differences, compare_files, stage
from .material import KEY, Material, Search, find
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


@dataclass(frozen=True)
class Plan:
    """All that a run would do for one credential, and why.

    `mend` are files of the generation in use to be written in place (a changed manifest first), `attributes` those
    that only need owner, group or mode. `make_request` asks for a new CSR, `request_key` is the key to keep for it;
    `rewrite_key` asks to protect the key of the request that waits in another way.
    """

    wanted: Credential
    observation: Observation
    differences: Tuple[Difference, ...]
    material: Optional[Material] = None
    directories: Tuple[str, ...] = ()
    leftovers: Tuple[Tuple[str, str], ...] = ()
    relink: bool = False
    mend: Tuple[Tuple[str, bytes, Attributes], ...] = field(default=(), repr=False)
    attributes: Tuple[Tuple[str, Attributes], ...] = ()
    staged: Optional[Staged] = None
    links: links.LinkPlan = field(default_factory=links.LinkPlan)
    links_wait: bool = False
    needs_certificate: bool = False
    waiting: Optional[next_request.Waiting] = None
    make_request: bool = False
    request_key: Optional[Any] = field(default=None, repr=False)
    rewrite_key: bool = False
    drop_next: bool = False
    prune: Tuple[int, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether carrying out the plan changes anything on the host."""
        links_change = not self.links.empty and not self.links_wait
        steps = (self.directories, self.leftovers, self.mend, self.attributes, self.prune)
        flags = (self.relink, self.make_request, self.rewrite_key, self.drop_next, links_change)
        return any(steps) or any(flags) or self.staged is not None

    @property
    def number(self) -> Optional[int]:
        """The generation in use once the plan is carried out."""
        return self.staged.number if self.staged is not None else self.observation.number

    @property
    def request_fingerprint(self) -> Optional[str]:
        """Of the public key that a certificate is needed for; None where it would be that of a new key."""
        if self.waiting is not None:
            return self.waiting.public_fingerprint
        return None if self.request_key is None else private_keys.public_fingerprint(self.request_key.public_key())


@dataclass(frozen=True)
class Surroundings:
    """What every credential's plan needs to know of the host and the run.

    `placed` maps the paths elsewhere that the journals of all credentials below the root name, `claims` those
    that this document wants to the credential that wants them: a link may move from one credential to another.
    `deployed` are the credentials that have a generation in use. `unavailable` says of authorities that the host
    should have itself why it has not.
    """

    root: str
    authorities: Mapping[str, Sequence[bytes]]
    now: datetime
    user: int
    context_of: ContextOf
    placed: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, str] = field(default_factory=dict)
    deployed: AbstractSet[str] = frozenset()
    unavailable: Mapping[str, str] = field(default_factory=dict)

    def directory(self, wanted: Credential) -> str:
        return "{0}/{1}".format(self.root.rstrip("/"), wanted.name)

    def places(self, wanted: Credential) -> links.Places:
        others = {path: name for path, name in self.claims.items() if name != wanted.name}
        return links.Places(
            root=self.root.rstrip("/"),
            directory=self.directory(wanted),
            placed=self.placed,
            claimed=frozenset(others),
            awaited=frozenset(path for path, name in others.items() if name not in self.deployed),
            context_of=self.context_of,
        )


def plan(wanted: Credential, observation: Observation, around: Surroundings) -> Plan:
    """Plan one credential. Raises Error for what the user must mend first; nothing was changed then."""
    contents.check(wanted, around.authorities, around.unavailable)
    _check_places(wanted, around)
    search = find(observation, wanted)
    need = _need(wanted, observation, search, around)
    waiting, waiting_differences = next_request.waiting(observation, wanted) if need else (None, [])
    if need and wanted.answer is not None:
        outlive = search.material.certificate if search.material is not None and _is_only_due(need) else None
        material = next_request.answered(waiting, wanted.answer, wanted, around.now, outlive)
        return _deploy(wanted, observation, around, material, need)
    if search.material is None:
        contents.check_stores(wanted, observation)
    return _keep(wanted, observation, around, search, need, (waiting, waiting_differences))


def _is_only_due(need: Sequence[Difference]) -> bool:
    """Whether the certificate in use works as it is, and will for a while."""
    return all(item.reason == "certificate_due" for item in need)


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
        needs_certificate=bool(need),
        waiting=waiting,
        make_request=bool(need) and waiting is None and wanted.may_request,
        request_key=_kept_key(wanted, search),
        rewrite_key=waiting is not None and waiting.rewrite,
        drop_next=observation.has_next and not need,
        prune=prune,
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
    return needs(wanted, search.material, observation.manifest, around.now)


def _missing_key(
    need: Sequence[Difference], search: Search, waiting: Optional[next_request.Waiting]
) -> List[Difference]:
    """On a host without a generation the key is missing too, until there is one that waits."""
    fresh = search.material is None and [item.reason for item in need] == ["certificate_missing"]
    return [Difference("key_missing", KEY, "absent", "a new one")] if fresh and waiting is None else []


def _kept_key(wanted: Credential, search: Search) -> Optional[Any]:
    """The key in use, where a renewal shall keep it and it still is what is wanted."""
    if search.key is None or wanted.key.rotate or private_keys.kind_of(search.key) != wanted.key.kind:
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
    return [Difference("link_changed", CURRENT, "absent or elsewhere", current_target(observation.number))]


def _prune(
    wanted: Credential, observation: Observation, around: Surroundings, staged: Optional[Staged]
) -> Tuple[int, ...]:
    """Generations beyond those to keep, but for any that something still mounts."""
    in_use = staged.number if staged is not None else observation.number
    if in_use is None:
        return ()
    older = [number for number in observation.generations if number < in_use]
    surplus = older[: max(0, len(older) + 1 - max(1, wanted.keep_generations))]
    if not surplus:
        return ()
    held = mounts.mounted_names(around.directory(wanted))
    return tuple(number for number in surplus if directory_name(number) not in held)


def _surplus(prune: Sequence[int]) -> List[Difference]:
    return [Difference("generation_surplus", directory_name(number), "present", "absent") for number in prune]


def _stale_next(observation: Observation, need: Sequence[Difference]) -> List[Difference]:
    if not observation.has_next or need:
        return []
    return [Difference("leftover_found", NEXT, "present", "absent")]
