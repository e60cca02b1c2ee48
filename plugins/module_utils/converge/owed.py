# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs have left to do, as the journal tells it."""

from __future__ import annotations

from typing import List

from ..difference import Difference
from ..document import Credential
from . import journal as journals
from .observe import CURRENT, Observation, directory_name
from .planned import Owed


def owed_by(wanted: Credential, observation: Observation) -> Owed:
    """What the journal says that earlier runs have left to do.

    A switch that was cut off before `current` moved did not happen: there is only its note to be removed.
    """
    journal = observation.journal
    switch = journal.switch
    happened = switch is not None and observation.current == switch.number
    confirmable = happened and (bool(wanted.reload) or wanted.verify is not None)
    # A journal that cannot be read may have said so.
    reload = bool(wanted.reload) and (journal.reload or not observation.journal_readable)
    dropped = journal.awaiting is not None and observation.ahead is None and not observation.awaits
    return Owed(reload, switch if confirmable else None, journal.reload or switch is not None or dropped)


def owed_differences(owed: Owed) -> List[Difference]:
    """The same as differences."""
    found = []
    if owed.reload:
        found.append(Difference("reload_pending", journals.NAME, "not reloaded since the last change", "reloaded"))
    if owed.switch is not None:
        number = directory_name(owed.switch.number)
        found.append(Difference("switch_unconfirmed", CURRENT, number + ", not confirmed", number))
    if owed.note and not found:
        found.append(Difference("leftover_found", journals.NAME, "a note of a run that was cut off", "none"))
    return found
