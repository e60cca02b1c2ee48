# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a benchmark, in the order in which they are measured and shown."""

from __future__ import annotations

from typing import Dict

ONE, FIVE, ROTATING, GROWTH, CODECS = "hosts-1", "hosts-5", "rotation", "growth", "codecs"

_TITLES: Dict[str, str] = {
    ONE: "Hosts over SSH, one credential each",
    FIVE: "Hosts over SSH, five credentials each",
    ROTATING: "Rotation over SSH, one credential each",
    GROWTH: "Growth: simulated hosts, one credential each",
    CODECS: "Store codecs alone",
}
SECTIONS = tuple(_TITLES)


def title(name: str) -> str:
    """A section's heading."""
    return _TITLES[name]
