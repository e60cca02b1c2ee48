# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests start Java's programs, which end a moment later."""

from __future__ import annotations

STARTS_FAST = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Options of a JVM that does not optimise what runs only once: half of the CPU time."""
KEYTOOL_STARTS_FAST = tuple("-J" + option for option in STARTS_FAST)
