# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP's Basic authentication (RFC 7617), which servers and proxies share."""

from __future__ import annotations

import base64


def credentials(user: str, password: str) -> str:
    """What stands after `Basic ` in the header."""
    return base64.b64encode("{0}:{1}".format(user, password).encode("utf-8")).decode("ascii")
