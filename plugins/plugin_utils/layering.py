# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options laid over each other: defaults first, what is more particular on top."""

from __future__ import annotations

from typing import Any, Dict, Mapping


def overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> Dict[str, Any]:
    """`above` laid over `below`: maps are merged key by key at every depth, everything else is replaced.

    A key that changes its type takes no size and curve from below: they belong to the other type.
    """
    merged = dict(below)
    for name, item in above.items():
        lower = merged.get(name)
        if isinstance(item, dict) and isinstance(lower, dict):
            merged[name] = overlay(_compatible(name, lower, item), item)
        else:
            merged[name] = item
    return merged


def _compatible(name: str, lower: Mapping[str, Any], upper: Mapping[str, Any]) -> Mapping[str, Any]:
    if name == "key" and "type" in upper and upper["type"] != lower.get("type", "RSA"):
        return {key: value for key, value in lower.items() if key not in ("size", "curve")}
    return lower
