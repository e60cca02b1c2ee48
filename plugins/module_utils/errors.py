# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error that this collection raises on purpose.

Libraries raise these; only the edge of a module or of the action plugin turns them into a failed result.
A message says what is wrong, where, and what to do about it, and never holds a secret.
"""

from __future__ import annotations


class Error(Exception):
    """Base class: something the user can act on. `package`: what installing on the host would mend it, if anything."""

    package: str | None = None


class InputError(Error):
    """An option, or a file that an option names, cannot be used as given."""


class FormatError(Error):
    """Bytes are not what their format says they should be."""


class PassphraseError(Error):
    """A passphrase is missing, or opens nothing."""


class UnsupportedError(Error):
    """The input is well-formed, but of a kind that is deliberately not handled."""


class DiskError(Error):
    """A file-system operation failed or was refused."""


class LockedError(Error):
    """Another run holds the lock."""


class DependencyError(Error):
    """A library that is needed is missing or too old."""

    def __init__(self, message: str, package: str | None = None) -> None:
        super().__init__(message)
        self.package = package


class PolicyError(Error):
    """A request asks for something that the inventory does not state."""


class IssuerError(Error):
    """An issuer cannot issue: it is missing, expired, locked or misconfigured."""


class ReplyError(Error):
    """A host's reply is not of the shape that was agreed on."""


class HandshakeError(Error):
    """A step on the way to a server failed; `code` is the diagnosis code that names it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
