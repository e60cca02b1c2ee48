# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an own CA, and how they are read and written.

ca.pem          the root: what others have to trust
chain.pem       the CA that issues, then what stands above it, the root last
key.pem         the key of the CA that issues, encrypted
root-key.pem    only with an intermediate: the root's key, encrypted; may be kept offline once the CA exists
ledger.sqlite   what was issued to whom, and what was revoked
crl.pem         the revocation list of the CA that issues; with an intermediate the root's list follows
root-crl.pem    only with an intermediate: the root's revocation list

Once a roll-over has begun there are several CAs in the directory. Each has a number, and all of these files but the
ledger under names that begin with it, as in `2-key.pem`. rollover.json says which of them issues. Under their own
names are then, for others to use, ca.pem (every root to trust, the oldest first), chain.pem (a copy of that of the
CA that issues) and crl.pem (the lists of all).
"""

from __future__ import annotations

import os
from typing import Dict, List, Optional

from ..errors import IssuerError
from ..files import Attributes, Directory, is_temporary

ROOT = "ca.pem"
CHAIN = "chain.pem"
KEY = "key.pem"
ROOT_KEY = "root-key.pem"
LEDGER = "ledger.sqlite"
CRL = "crl.pem"
ROOT_CRL = "root-crl.pem"
STATE = "rollover.json"

MODES = {
    ROOT: 0o644,
    CHAIN: 0o644,
    KEY: 0o600,
    ROOT_KEY: 0o600,
    LEDGER: 0o600,
    CRL: 0o644,
    ROOT_CRL: 0o644,
    STATE: 0o644,
}
SHARED = (LEDGER, STATE)
"""Files that all CAs of a directory share."""
DIRECTORY_MODE = 0o700
LOCK_TIMEOUT = 60.0

_LIMIT = 1 << 20
# A list of a hundred thousand revocations has about 4 MB.
_CRL_LIMIT = 64 << 20


class Place:
    """An own CA's directory, opened; without `directory` one that does not exist yet, as check mode sees it.

    With a `number` it is about one CA of several. Without `write` nothing reaches the disk, but what was to be written
    is read back, so that a prediction goes the way of a run.
    """

    def __init__(self, path: str, directory: Optional[Directory], write: bool, number: Optional[int] = None) -> None:
        self.path = path
        self._directory = directory
        self._write = write
        self.number = number
        self._predicted: Dict[str, bytes] = {}

    def member(self, number: int) -> Place:
        """The same directory, as the place of the CA with this number."""
        place = Place(self.path, self._directory, self._write, number)
        place._predicted = self._predicted
        return place

    def name_of(self, name: str) -> str:
        """What one of the CA's files is called here."""
        return name if name in SHARED or self.number is None else "{0}-{1}".format(self.number, name)

    def path_of(self, name: str) -> str:
        """The path of one of the CA's files."""
        return os.path.join(self.path, self.name_of(name))

    def mode(self, name: str) -> Optional[int]:
        """The permission bits of a file; None where it does not exist."""
        if self.name_of(name) in self._predicted:
            return MODES[name]
        entry = self._directory.entry(self.name_of(name)) if self._directory is not None else None
        if entry is None:
            return None
        if entry.kind != "file":
            raise IssuerError("{0} is not a regular file; restore it from the backup".format(self.path_of(name)))
        return entry.attributes.mode

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return self.mode(name) is not None

    def read(self, name: str) -> bytes:
        """The content of a file that is there. Raises DiskError, FormatError where it is too large."""
        if self.name_of(name) in self._predicted:
            return self._predicted[self.name_of(name)]
        if self._directory is None:
            raise IssuerError("{0} is missing".format(self.path_of(name)))
        return self._directory.read(self.name_of(name), _CRL_LIMIT if name == CRL else _LIMIT)

    def put(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; in check mode only remember it."""
        if not self._write:
            self._predicted[self.name_of(name)] = content
        elif self._directory is not None:
            self._directory.write(self.name_of(name), content, self._attributes(name))

    def remove(self, name: str) -> None:
        """Remove a file; nothing in check mode."""
        if self._write and self._directory is not None:
            self._directory.remove(self.name_of(name))

    def set_mode(self, name: str) -> None:
        """Give a file the mode it should have; nothing in check mode."""
        if self._write and self._directory is not None:
            self._directory.set_attributes(self.name_of(name), self._attributes(name))

    def foreign_names(self) -> List[str]:
        """Every name in the directory that no own CA without a roll-over has, without unfinished files."""
        names = self._directory.names() if self._directory is not None else []
        return [name for name in names if not is_temporary(name) and not name.startswith(LEDGER) and name not in MODES]

    def remove_unfinished(self) -> None:
        """Remove what a killed run left; nothing in check mode. The caller holds the directory's lock."""
        if self._write and self._directory is not None:
            for name in filter(is_temporary, self._directory.names()):
                self._directory.remove(name)

    def _attributes(self, name: str) -> Attributes:
        # A run as root must not take the CA away from the user it belongs to.
        if self._directory is not None and os.geteuid() == 0:
            owner = self._directory.attributes()
            return Attributes(owner.owner, owner.group, MODES[name])
        return Attributes(os.geteuid(), os.getegid(), MODES[name])
