# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host can tell of its credentials without any passphrase. Reads only."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from .. import certificate as certificates
from ..errors import FormatError, InputError
from ..files import Directory, open_directory
from .material import CERTIFICATE
from .next_request import NOTE, REQUEST, read_note
from .observe import Observation, observe
from .readable import fingerprints


def information(root: str, names: Optional[Sequence[str]]) -> List[Dict[str, Any]]:
    """Describe the credentials under `root` (a list of plain values, by name), or only those in `names`.

    Raises InputError for a name that is not there.
    """
    with open_directory(root) as directory:
        found = [name for name in directory.names() if _holds_credential(directory, name)]
        missing = [name for name in names or () if name not in found]
        if missing:
            raise InputError(
                "no credential {0!r} under {1}; there are: {2}".format(missing[0], root, ", ".join(found) or "none")
            )
        return [_describe(directory, name) for name in (found if names is None else names)]


def _holds_credential(root: Directory, name: str) -> bool:
    entry = root.entry(name)
    if entry is None or entry.kind != "directory":
        return False
    observation = observe(root, name)
    return observation.number is not None or observation.has_next


def _describe(root: Directory, name: str) -> Dict[str, Any]:
    observation = observe(root, name, frozenset(observe(root, name).files))
    manifest, in_use = observation.manifest, _certificate(observation)
    return {
        "name": name,
        "directory": "{0}/{1}".format(root.path, name),
        "generation": observation.number,
        "generations": list(observation.generations),
        "provider": manifest.provider if manifest is not None else None,
        "issuer": manifest.issuer if manifest is not None else None,
        "certificate": _summary(in_use),
        "authority_key_identifier": _signed_by(in_use),
        "reload_pending": observation.journal.reload,
        "switch_unconfirmed": observation.journal.switch is not None,
        "files": [
            {
                "name": file,
                "owner": item.entry.attributes.owner,
                "group": item.entry.attributes.group,
                "mode": "{0:04o}".format(item.entry.attributes.mode),
                "size": item.entry.size,
                "certificates": fingerprints(item.content, file),
            }
            for file, item in sorted(observation.files.items())
        ],
        "links": sorted(observation.journal.links),
        "pending": None
        if REQUEST not in observation.next_files
        else {"since": read_note(observation.next_files.get(NOTE)).since},
        "awaiting": None if observation.ahead is None else observation.ahead.number,
        "held_since": observation.held_since,
    }


def _certificate(observation: Observation) -> Optional[Any]:
    found = observation.files.get(CERTIFICATE)
    if found is None or not found.content:
        return None
    try:
        return certificates.load_all(found.content, CERTIFICATE)[0]
    except FormatError:
        # The next run mends it; here it only cannot be described.
        return None


def _summary(certificate: Optional[Any]) -> Optional[Dict[str, Any]]:
    try:
        return None if certificate is None else certificates.summary(certificate)
    except FormatError:
        # As above.
        return None


def _signed_by(certificate: Optional[Any]) -> Optional[str]:
    try:
        return None if certificate is None else certificates.authority_key_identifier(certificate)
    except FormatError:
        # As above.
        return None
