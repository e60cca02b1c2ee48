# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the CAs of a directory show to others once a roll-over has begun: roots to trust, chain, revocation lists.

Nothing of the collection reads these files. They follow the roll-over's state, and the next run mends them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Dict, Iterable, List, Optional

from ..difference import Difference
from .layout import CHAIN, CRL, ROOT, Place
from .phases import Known, RollOver

_REASONS = {ROOT: "truststore_content_changed", CHAIN: "chain_changed", CRL: "crl_content_changed"}


def refresh(directory: Place, rollover: RollOver, at: datetime) -> List[Difference]:
    """Write the files that are not as they should be; the caller holds the directory's lock.

    In check mode, and where a list is yet to be made, only tell. Raises IssuerError, DiskError.
    """
    found = []
    for name, content in stale(directory, rollover, at).items():
        found.append(Difference(_REASONS[name], name, "as before", "that of the phase {0}".format(rollover.phase)))
        if content is not None:
            directory.put(name, content)
    return found


def stale(directory: Place, rollover: RollOver, at: datetime) -> Dict[str, Optional[bytes]]:
    """The files that are not as they should be, with what belongs in them; None where that is yet to be made."""
    return {
        name: content
        for name, content in _wanted(directory, rollover, at).items()
        if content is None or not directory.has(name) or directory.read(name) != content
    }


def _wanted(directory: Place, rollover: RollOver, at: datetime) -> Dict[str, Optional[bytes]]:
    return {
        # A server that knows the lists before the roots refuses nobody; the other way round it might.
        CRL: _joined(directory, CRL, (one for one in rollover.cas if one.is_listed(at))),
        ROOT: _joined(directory, ROOT, rollover.trusted),
        CHAIN: _joined(directory, CHAIN, [rollover.issuing]),
    }


def _joined(directory: Place, name: str, cas: Iterable[Known]) -> Optional[bytes]:
    """The same file of several CAs in one; None where one of them does not have it yet."""
    contents = []
    for one in cas:
        place = directory.member(one.number)
        if not place.has(name):
            return None
        contents.append(place.read(name))
    return b"".join(contents)
