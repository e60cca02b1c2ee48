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
"""

from __future__ import annotations

import os
from typing import List, Optional

from ..errors import IssuerError
from ..files import Attributes, Directory, is_temporary

ROOT = "ca.pem"
CHAIN = "chain.pem"
KEY = "key.pem"
ROOT_KEY = "root-key.pem"
LEDGER = "ledger.sqlite"
CRL = "crl.pem"
ROOT_CRL = "root-crl.pem"

MODES = {ROOT: 0o644, CHAIN: 0o644, KEY: 0o600, ROOT_KEY: 0o600, LEDGER: 0o600, CRL: 0o644, ROOT_CRL: 0o644}
DIRECTORY_MODE = 0o700
LOCK_TIMEOUT = 60.0

_LIMIT = 1 << 20
# A list of a hundred thousand revocations has about 4 MB.
_CRL_LIMIT = 64 << 20


class Place:
    """An own CA's directory, opened; without `directory` one that does not exist yet, as check mode sees it."""

    def __init__(self, path: str, directory: Optional[Directory], write: bool) -> None:
        self.path = path
        self._directory = directory
        self._write = write

    def path_of(self, name: str) -> str:
        """The path of one of the CA's files."""
        return os.path.join(self.path, name)

    def mode(self, name: str) -> Optional[int]:
        """The permission bits of a file; None where it does not exist."""
        entry = self._directory.entry(name) if self._directory is not None else None
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
        if self._directory is None:
            raise IssuerError("{0} is missing".format(self.path_of(name)))
        return self._directory.read(name, _CRL_LIMIT if name == CRL else _LIMIT)

    def put(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all; nothing in check mode."""
        if self._write and self._directory is not None:
            self._directory.write(name, content, self._attributes(name))

    def set_mode(self, name: str) -> None:
        """Give a file the mode it should have; nothing in check mode."""
        if self._write and self._directory is not None:
            self._directory.set_attributes(name, self._attributes(name))

    def names(self) -> List[str]:
        """Every name in the directory but those of unfinished files."""
        names = self._directory.names() if self._directory is not None else []
        return [name for name in names if not is_temporary(name)]

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
