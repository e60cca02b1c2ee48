# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a generation: what differs from what is wanted, what is mended in place, what asks for a new one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from .. import certificate as certificates
from ..difference import Difference
from ..document import Credential
from ..files import Attributes
from ..request import RequestSpec
from . import contents
from . import manifest as manifests
from .material import Material, Search
from .need import asked_for
from .observe import GENERATIONS, Found, Observation, directory_name


@dataclass(frozen=True)
class Staged:
    """A new generation: its number and its files in order, the manifest last."""

    number: int
    files: Tuple[Tuple[str, bytes, Attributes], ...] = field(repr=False)


@dataclass
class FileChanges:
    """What comparing the files of the generation in use came to."""

    differences: List[Difference] = field(default_factory=list)
    mend: List[Tuple[str, bytes, Attributes]] = field(default_factory=list)
    attributes: List[Tuple[str, Attributes]] = field(default_factory=list)
    staged: Optional[Staged] = None
    contents: Dict[str, bytes] = field(default_factory=dict)


def compare_files(
    wanted: Credential, observation: Observation, search: Search, authorities: Mapping[str, Sequence[bytes]]
) -> FileChanges:
    """Tell files to be mended in place from an inventory that changed and so asks for a new generation.

    A file counts as tampered with when its bytes are not those that the manifest recorded.
    """
    changes = FileChanges()
    if search.material is None:
        return changes
    files = contents.wanted_files(wanted, search.material, authorities, observation.manifest)
    restage = False
    for file in files:
        found = observation.files.get(file.name)
        differences = _content_differences(file, found, search)
        changes.differences += differences
        recorded = observation.manifest.files.get(file.name) if observation.manifest else None
        if differences and _inventory_changed(found, recorded, observation.manifest is not None):
            restage = True
        if found is not None and found.entry.kind == "directory":
            # No rename replaces a directory, and it may hold something of somebody's: it goes with its generation.
            restage = True
        content = found.content if found is not None and not differences else None
        if content is None:
            content = file.encode(found.content if found is not None else None)
            changes.mend.append((file.name, content, file.attributes))
        elif found is not None:
            changed = attribute_differences(file.name, found.entry.attributes, file.attributes)
            changes.differences += changed
            changes.attributes += [(file.name, file.attributes)] if changed else []
        changes.contents[file.name] = content
    obsolete = _obsolete(observation, files)
    changes.differences += obsolete + _unexpected(observation, files)
    asked = _asked_before(wanted, observation, search.material)
    manifest_file = observation.manifest_file
    if manifest_file is not None and manifest_file.entry.kind == "directory":
        restage = True
    if restage or obsolete:
        _note_manifest(observation, changes)
        changes.staged = stage(asked, observation, files, changes.contents)
        changes.mend, changes.attributes = [], []
    else:
        _mend_manifest(asked, observation, files, changes)
    return changes


def _content_differences(file: contents.WantedFile, found: Optional[Found], search: Search) -> List[Difference]:
    if found is None:
        return [Difference(file.missing, file.name, "absent", ", ".join(file.aliases) or "present")]
    if found.content is None:
        return [Difference(file.missing, file.name, "a " + found.entry.kind, "a file")]
    return list(search.explained.get(file.name, ())) or file.compare(found.content)


def _inventory_changed(found: Optional[Found], recorded: Optional[str], has_manifest: bool) -> bool:
    if not has_manifest:
        return found is not None and found.content is not None
    if found is None or found.content is None:
        return recorded is None
    return recorded is None or recorded == manifests.digest(found.content)


def attribute_differences(name: str, found: Attributes, wanted: Attributes) -> List[Difference]:
    differences = []
    if found.owner != wanted.owner:
        differences.append(Difference("owner_changed", name, str(found.owner), str(wanted.owner)))
    if found.group != wanted.group:
        differences.append(Difference("group_changed", name, str(found.group), str(wanted.group)))
    if found.mode != wanted.mode:
        differences.append(
            Difference("mode_changed", name, "{0:04o}".format(found.mode), "{0:04o}".format(wanted.mode))
        )
    return differences


def _obsolete(observation: Observation, files: Sequence[contents.WantedFile]) -> List[Difference]:
    names = {file.name for file in files}
    recorded = observation.manifest.files if observation.manifest is not None else {}
    return [
        Difference("file_no_longer_wanted", name, "present", "absent")
        for name in sorted(observation.files)
        if name in recorded and name not in names
    ]


def _unexpected(observation: Observation, files: Sequence[contents.WantedFile]) -> List[Difference]:
    """Files that somebody put beside ours: reported, never touched."""
    names = {file.name for file in files}
    recorded = observation.manifest.files if observation.manifest is not None else {}
    return [
        Difference("unexpected_file", name, "present", "")
        for name in sorted(observation.files)
        if name not in recorded and name not in names
    ]


def asked_now(wanted: Credential, material: Material) -> manifests.Manifest:
    """The manifest, still without files, of a certificate that was just issued for what the inventory says."""
    fingerprint = certificates.fingerprint(material.certificate)
    return manifests.Manifest(wanted.provider, wanted.issuer, wanted.spec, fingerprint, {}, {})


def _asked_before(wanted: Credential, observation: Observation, material: Material) -> manifests.Manifest:
    """The same of the certificate in use: what it was asked for, not what a new one will be asked for.

    Else a new certificate that the inventory needs would be forgotten once a file was mended.
    """
    known = observation.manifest
    subject, alternative = asked_for(material.certificate, known)
    return manifests.Manifest(
        known.provider if known is not None else wanted.provider,
        known.issuer if known is not None else wanted.issuer,
        RequestSpec(subject, alternative),
        certificates.fingerprint(material.certificate),
        {},
        {},
    )


def _manifest(asked: manifests.Manifest, files: Sequence[contents.WantedFile], digests: Mapping[str, str]) -> bytes:
    aliases = {file.name: file.aliases for file in files if file.aliases}
    return manifests.encode(replace(asked, files=digests, aliases=aliases))


def stage(
    asked: manifests.Manifest,
    observation: Observation,
    files: Sequence[contents.WantedFile],
    known: Mapping[str, bytes],
) -> Staged:
    written = []
    for file in files:
        found = observation.files.get(file.name)
        content = known.get(file.name)
        if content is None:
            content = file.encode(found.content if found is not None else None)
        written.append((file.name, content, file.attributes))
    digests = {name: manifests.digest(content) for name, content, _attributes in written}
    manifest = _manifest(asked, files, digests)
    written.append((manifests.NAME, manifest, contents.private_attributes()))
    return Staged(_next_number(observation), tuple(written))


def _next_number(observation: Observation) -> int:
    """One that is beyond the generation in use, and beyond any newer one that is not about to be removed."""
    kept = [one for one in observation.generations if (GENERATIONS, directory_name(one)) not in observation.leftovers]
    return max([observation.number or 0, *kept]) + 1


def _note_manifest(observation: Observation, changes: FileChanges) -> bool:
    """Report what is wrong with the manifest; whether it is only its attributes."""
    found, private = observation.manifest_file, contents.private_attributes()
    if found is None or observation.manifest is None:
        was = "absent" if found is None else "unreadable"
        changes.differences.append(Difference("manifest_unreadable", manifests.NAME, was, "manifest"))
        return False
    changes.differences += attribute_differences(manifests.NAME, found.entry.attributes, private)
    return found.entry.attributes != private


def _mend_manifest(
    asked: manifests.Manifest,
    observation: Observation,
    files: Sequence[contents.WantedFile],
    changes: FileChanges,
) -> None:
    """Record what is about to be written before it is: cut off in between, the file still counts as tampered with.

    A manifest that is whole stays as it is when no file is written, even where a store's owner added an entry.
    """
    found = observation.manifest_file
    private = contents.private_attributes()
    if _note_manifest(observation, changes):
        changes.attributes.append((manifests.NAME, private))
    if observation.manifest is not None and not changes.mend:
        return
    digests = {name: manifests.digest(content) for name, content in changes.contents.items()}
    content = _manifest(asked, files, digests)
    if found is None or content != found.content:
        changes.attributes = [item for item in changes.attributes if item[0] != manifests.NAME]
        changes.mend.insert(0, (manifests.NAME, content, private))
