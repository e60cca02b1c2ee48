# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many certificates an issuer gives in one run, counted over all of its hosts.

Each host's task is a process of its own. What they share is the temporary directory that Ansible makes for one
ansible-playbook and removes at its end: there, each issuer has a file with a byte for each certificate.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Mapping, Optional

from ..module_utils.errors import InputError, IssuerError

OPTION = "max_issued_per_run"
"""The option of every issuer that limits it."""

_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


def read_limit(name: str, options: Mapping[str, Any]) -> Optional[int]:
    """The limit in an issuer's options; None where there is none. Raises InputError."""
    value = options.get(OPTION)
    if value is None:
        return None
    # What was made by a template is text before ansible-core 2.19.
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(
            "issuer {0}: {1} must be a whole number of certificates, 1 or more; leave it out for no limit".format(
                name, OPTION
            )
        )
    return value


class Quota:
    """The limits of issuers, by name, and what is left of them. May cross a fork: it holds no open file.

    `directory` belongs to the run. What check mode foresees (`check_mode`) is counted apart from what is issued, and
    so are the issuers of another `state_directory`: they are others, whatever their names.
    """

    def __init__(self, limits: Mapping[str, int], directory: str, state_directory: str, check_mode: bool) -> None:
        self._limits = dict(limits)
        self._directory = directory
        self._owner = "{0}\0{1}".format(state_directory, "check" if check_mode else "run")

    def take(self, issuer: str) -> bool:
        """Take the place of one certificate; False where none is left. Raises IssuerError."""
        if issuer not in self._limits:
            return True
        with self._counter(issuer) as descriptor:
            if os.fstat(descriptor).st_size >= self._limits[issuer]:
                return False
            os.write(descriptor, b".")
        return True

    def give_back(self, issuer: str) -> None:
        """The certificate that a place was taken for was not issued after all."""
        if issuer in self._limits:
            with self._counter(issuer) as descriptor:
                os.ftruncate(descriptor, max(0, os.fstat(descriptor).st_size - 1))

    def explain(self, issuer: str) -> str:
        """What a credential waits for that found no place."""
        return "the next run: issuer {0} gives at most {1} in one ({2})".format(issuer, self._limits[issuer], OPTION)

    @contextmanager
    def _counter(self, issuer: str) -> Iterator[int]:
        digest = hashlib.sha256("{0}\0{1}".format(self._owner, issuer).encode()).hexdigest()
        path = os.path.join(self._directory, "mtls-issued-{0}".format(digest[:32]))
        try:
            descriptor = os.open(path, _OPEN, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise IssuerError(
                "issuer {0}: cannot count what it has issued in this run, for {1}: {2}: {3}".format(
                    issuer, OPTION, path, error.strerror or error
                )
            ) from error


def limits_of(issuers: Mapping[str, Mapping[str, Any]]) -> Dict[str, int]:
    """The limits that issuers' options state, by the issuers' names. Raises InputError."""
    stated = {name: read_limit(name, options) for name, options in issuers.items()}
    return {name: limit for name, limit in stated.items() if limit is not None}
