# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any API that takes client certificates of a commercial or private CA: no more rules than X.509 itself has."""

from __future__ import annotations

from .base import Profile

PROFILE = Profile(name="generic", description="any API that accepts client certificates")
