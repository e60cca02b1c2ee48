# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seal on a root directory: the result of the last full check, and all that it rests on.

A run that changed something checks the whole host once more and, if nothing is left to do, writes down what that
check was told, what it looked at, and until when its result holds. While all of it is as it was, the same check would
come to the same result: it is not made again. The seal is looked at first, so this file and `witness.py` are all that
a clean check loads.

The seal holds no secret. The document, which has passphrases in it, is known again by a salted, slow hash: guessing a
passphrase through it takes no less than through the stores beside it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import sys
import time
from typing import Any, Dict, Mapping, Optional

from . import witness

NAME = ".seal"
MODE = 0o600
VERSION = 1

_ITERATIONS = 10_000
_LARGEST = 16 * 1024 * 1024
# Links on the way to the root, or in its place, are among what is looked at again.
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def build(document: str, seen: witness.Seen, since: float, until: float, reply: Dict[str, Any]) -> bytes:
    """A seal's content. `since` and `until` are seconds since 1970; the reply is what the check came to."""
    salt = os.urandom(16)
    seal = {
        "version": VERSION,
        "since": since,
        "until": until,
        "paths": sorted(seen),
        "seen": witness.digest(seen),
        "reply": reply,
    }
    return json.dumps({**seal, "salt": salt.hex(), "bound": _bound(document, seal, salt)}).encode("ascii")


def unbroken(document: str) -> Optional[Dict[str, Any]]:
    """The reply of the last full check of this document, or None where that may not hold any longer.

    Never raises for what is found on the disk: whatever is odd is the full check's to judge. So is a trip with
    answers, which is about the answered credentials only.
    """
    try:
        told = json.loads(document)
        if any(_asks_for_more(one) for one in told["credentials"]):
            return None
        return _unbroken(document, told["root"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _asks_for_more(credential: Mapping[str, Any]) -> bool:
    """Whether a credential is about more than being kept as it is; what is revoked may be what is in use."""
    return credential["answer"] is not None or credential["operation"] != "converge" or credential["revoked"] != []


def _unbroken(document: str, root: str) -> Optional[Dict[str, Any]]:
    if not os.path.isabs(root):
        return None
    directory = os.open(root, _OPEN_DIRECTORY)
    try:
        # In the middle of another run nothing holds; BlockingIOError is an OSError.
        fcntl.flock(directory, fcntl.LOCK_SH | fcntl.LOCK_NB)
        seal = json.loads(_read(directory))
        if seal["version"] != VERSION or not seal["since"] <= time.time() < seal["until"]:
            return None
        if _bound(document, seal, bytes.fromhex(seal["salt"])) != seal["bound"]:
            return None
        # Only now: before, the paths could be anybody's.
        if _looked_at_again(seal["paths"], root.rstrip("/") or "/") != seal["seen"]:
            return None
        reply = seal["reply"]
        return reply if isinstance(reply, dict) else None
    finally:
        os.close(directory)


def _read(directory: int) -> bytes:
    with os.fdopen(os.open(NAME, _OPEN_FILE, dir_fd=directory), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
            raise OSError("not written by us")
        return file.read(_LARGEST)


def _looked_at_again(paths: Any, root: str) -> str:
    seen = {(path, facet): witness.look(path, facet) for path, facet in paths}
    if (root, "names") in seen:
        # It was not there yet when they were taken down.
        seen[root, "names"] = [name for name in seen[root, "names"] if name != NAME]
    return witness.digest(seen)


def _bound(document: str, seal: Mapping[str, Any], salt: bytes) -> str:
    """A hash that binds a seal to what its check was told: the document without answers, by whom, to which Python.

    It covers the seal itself: a damaged one is none.
    """
    raw = json.loads(document)
    for credential in raw["credentials"]:
        # None of them counts where no certificate is needed and nothing is asked for; only such a check is sealed.
        credential.update(answer=None, may_request=True, may_renew=True, operation="converge", candidate=None)
        credential.update(revoked=[], new_key=False)
    who = [os.geteuid(), os.getegid(), sorted(os.getgroups())]
    came_to = [seal[name] for name in ("version", "since", "until", "paths", "seen", "reply")]
    told = json.dumps([raw, who, sys.version, sys.path, came_to], sort_keys=True)
    return hashlib.pbkdf2_hmac("sha256", told.encode(), salt, _ITERATIONS).hex()
