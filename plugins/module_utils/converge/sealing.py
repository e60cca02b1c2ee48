# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seal a root directory after a run that changed it, so that the next check of it need not be a full one."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Optional

from .. import seal as seals
from ..document import Document
from ..errors import Error
from ..files import Attributes, ContextOf, Directory, is_directory, look_at_content, open_directory, witnessed
from ..imports import library_file, library_places
from ..reply import encode
from .host import converge_all


def seal(root: Directory, document: Document, context_of: ContextOf) -> None:
    """Check the whole document against the locked root, and seal what is found if nothing is left to do or to tell.

    The run's own work is done: what goes wrong here is no failure of it, and the next check is a full one.
    """
    try:
        content = _content(document, context_of)
        if content is not None:
            root.create(seals.NAME, content, Attributes(os.geteuid(), os.getegid(), seals.MODE))
    except Error:
        return


def _content(document: Document, context_of: ContextOf) -> Optional[bytes]:
    if all(credential.state != "present" for credential in document.credentials):
        # Nothing to vouch for; and where nothing is left, the seal should not be either.
        return None
    # As the next check will be told, which nobody has asked for anything in particular.
    unanswered = [
        replace(one, answer=None, candidate=None, operation="converge", new_key=False) for one in document.credentials
    ]
    with witnessed() as witness:
        # Opened once more: the way there is looked at, too.
        with open_directory(document.root, context_of=context_of) as root:
            found = converge_all(root, document, unanswered, True, context_of)
        _look_at_library()
    if found.holds_until is None or not witness.reliable:
        return None
    return seals.build(
        document.text, witness.seen, found.at.timestamp(), found.holds_until.timestamp(), encode(found.reply)
    )


def _look_at_library() -> None:
    """Another release of it may judge otherwise, be it in place of this one or where Python looks before."""
    for path in library_places():
        if is_directory(path):
            break
    look_at_content(library_file())
