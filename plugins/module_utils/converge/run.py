# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge one host: the only function that the controller calls there, once or twice in a run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Optional

from ..document import Document
from ..errors import InputError
from ..files import ContextOf, Directory, check_creatable, exists, open_directory
from ..reply import Reply
from .host import converge_all
from .sealing import seal


def converge(document: Document, check: bool, context_of: ContextOf) -> Reply:
    """Make true what the document says, or with `check` tell what that would do.

    One credential's failure is its own: the others go on. Raises Error where nothing at all can be done.
    """
    with ExitStack() as stack:
        root = _root(document, stack, create=False, context_of=context_of)
        if root is None and _would_change(document, context_of):
            check_creatable(document.root)
            root = None if check else _root(document, stack, create=True, context_of=context_of)
        if root is not None:
            # Also to look: in the middle of another run there would be differences that are none.
            stack.enter_context(root.locked(document.lock_timeout, "lock_timeout"))
        reply = converge_all(root, document, document.in_turn(), check or root is None, context_of).reply
        if root is not None and reply.changed and not check and _is_finished(reply):
            seal(root, document, context_of)
    return reply


def _is_finished(reply: Reply) -> bool:
    """Whether nothing of what this trip was about is left to do; what is, would be found again."""
    return all(one.state in ("active", "absent") for one in reply.credentials)


def _root(document: Document, stack: ExitStack, create: bool, context_of: ContextOf) -> Optional[Directory]:
    if not create and not exists(document.root):
        return None
    root = stack.enter_context(open_directory(document.root, create=create, context_of=context_of))
    found = root.attributes()
    if found.mode & 0o022 or found.owner not in (0, os.geteuid()):
        raise InputError(
            "root {0} belongs to or can be written by somebody else; give it to this run's user with mode 0755, or "
            "choose another directory".format(document.root)
        )
    return root


def _would_change(document: Document, context_of: ContextOf) -> bool:
    """Whether a host without a root directory needs one: bad input alone must not leave an empty one behind."""
    return converge_all(None, document, document.in_turn(), True, context_of).reply.changed
