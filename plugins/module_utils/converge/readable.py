# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates a file holds, as far as that can be seen without a passphrase."""

from __future__ import annotations

from typing import List, Optional

from .. import certificate as certificates
from ..errors import FormatError

_BINARY = (b"\xfe\xed\xfe\xed", b"\x30")
"""How Java keystores and PKCS#12 stores begin."""
_MARK = b"-----BEGIN "


def fingerprints(content: Optional[bytes], where: str) -> Optional[List[str]]:
    """SHA-256 (lower-case hex) of the certificates in a file, in its order; None where only a passphrase would tell.

    `content` is None for what could not be read.
    """
    if content is None or content.startswith(_BINARY):
        return None
    if _MARK not in content:
        return []
    try:
        return [certificates.fingerprint(one) for one in certificates.load_all(content, where)]
    except FormatError:
        # A key, or a text that quotes the beginning of one. A damaged bundle is found by the run that wrote it.
        return []
