# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store holds, as plain values that JSON can carry: certificates and names, never a key."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List

from .certificate import from_der, summary
from .errors import Error
from .store import Entry, KeyEntry, Store


def report(store: Store) -> List[Dict[str, Any]]:
    """One item for each entry, in the order of the store."""
    return [_entry(entry) for entry in store.entries]


def _entry(entry: Entry) -> Dict[str, Any]:
    is_key = isinstance(entry, KeyEntry)
    certificates = entry.chain if isinstance(entry, KeyEntry) else (entry.certificate,)
    return {
        "friendly_name": entry.alias,
        "type": "key" if is_key else "trusted",
        "chain_length": len(certificates) if is_key else 0,
        "certificates": [_certificate(one) for one in certificates],
        "visible_to_java": isinstance(entry, KeyEntry) or entry.visible_to_java,
    }


def _certificate(der: bytes) -> Dict[str, Any]:
    """Bundles hold certificates that some release of the library cannot read; those keep their fingerprint."""
    try:
        return summary(from_der(der))
    except Error:
        return {"fingerprint_sha256": hashlib.sha256(der).hexdigest()}
