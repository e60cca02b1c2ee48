# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Tuple

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Amount:
    """How much of everything: hosts over SSH, rounds, numbers of simulated hosts, repetitions of a codec in a round."""

    hosts: int
    rounds: int
    sizes: Tuple[int, ...]
    repetitions: int


FULL = Amount(hosts=20, rounds=3, sizes=(10, 100, 1000), repetitions=50)
QUICK = Amount(hosts=3, rounds=1, sizes=(3, 10), repetitions=5)


@dataclass(frozen=True)
class Plan:
    """Where to work, with which Pythons, and how much."""

    work: Path
    python: Path
    peers_python: Path
    progress: Progress
    amount: Amount
