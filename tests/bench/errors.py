# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark cannot go on, or what it measured would not count; the message says why."""
