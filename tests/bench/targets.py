# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers to reach: ratios, and one difference, within one run, because absolute times differ by machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Optional, Tuple

from .contestants import MITOGEN, OURS, PEERS, PING
from .figures import FRESH, NOTHING_TO_DO, PEAK_MIB, ROTATION, Figures, ratio
from .scene import rotation_name, scene_name, simulated_name

Value = Callable[[Figures], Optional[float]]

_ONE, _FIVE = scene_name(20, 1), scene_name(20, 5)
_HUNDRED, _THOUSAND = simulated_name(100), simulated_name(1000)


@dataclass(frozen=True)
class Target:
    """A limit for one number: what it is about, the limit in words, and how the number comes from the figures."""

    what: str
    limit: float
    at_most: bool
    unit: str
    value: Value

    @property
    def wanted(self) -> str:
        """The limit as people read it."""
        return f"{'≤' if self.at_most else '≥'} {self.limit:g} {self.unit}"

    def reached(self, figures: Figures) -> Optional[bool]:
        """Whether the number keeps the limit, unrounded; None where it was not measured."""
        value = self.value(figures)
        if value is None:
            return None
        return value <= self.limit if self.at_most else value >= self.limit


def _beside(scene: str, work: str, who: str) -> Value:
    """Our time in units of another's."""
    return lambda figures: ratio(figures.median(scene, work, OURS), figures.median(scene, work, who))


def _faster(scene: str, work: str, who: str) -> Value:
    """Another's time in units of ours."""
    return lambda figures: ratio(figures.median(scene, work, who), figures.median(scene, work, OURS))


def _growth(work: str) -> Value:
    """Our time per host with 1,000 hosts in units of that with 100."""

    def value(figures: Figures) -> Optional[float]:
        many, few = figures.median(_THOUSAND, work, OURS), figures.median(_HUNDRED, work, OURS)
        tenfold = ratio(many, few)
        return None if tenfold is None else tenfold / 10

    return value


def _memory(work: str) -> Value:
    """What our controller needs beyond ping's with 1,000 hosts, in MiB."""

    def value(figures: Figures) -> Optional[float]:
        ours = figures.median(_THOUSAND, work, OURS, PEAK_MIB)
        ping = figures.median(_THOUSAND, work, PING, PEAK_MIB)
        return None if ours is None or ping is None else ours - ping

    return value


TARGETS: Tuple[Target, ...] = (
    Target(f"{NOTHING_TO_DO}, {_ONE}", 1.5, True, "× ping", _beside(_ONE, NOTHING_TO_DO, PING)),
    Target(f"{NOTHING_TO_DO}, {_ONE}", 15, False, "× faster than peers", _faster(_ONE, NOTHING_TO_DO, PEERS)),
    Target(
        f"{NOTHING_TO_DO}, {_ONE}", 7, False, "× faster than peers + Mitogen", _faster(_ONE, NOTHING_TO_DO, MITOGEN)
    ),
    Target(f"{NOTHING_TO_DO}, {_FIVE}", 1.8, True, "× ping", _beside(_FIVE, NOTHING_TO_DO, PING)),
    Target(f"{NOTHING_TO_DO}, {_FIVE}", 50, False, "× faster than peers", _faster(_FIVE, NOTHING_TO_DO, PEERS)),
    Target(f"{FRESH}, {_ONE}", 3.5, True, "× ping", _beside(_ONE, FRESH, PING)),
    Target(f"{FRESH}, {_ONE}", 8, False, "× faster than peers", _faster(_ONE, FRESH, PEERS)),
    Target(f"{ROTATION}, {_ONE}", 4.5, True, "× ping", _beside(rotation_name(20), ROTATION, PING)),
    Target(f"time per host, 100 → 1,000 hosts, {NOTHING_TO_DO}", 1.15, True, "×", _growth(NOTHING_TO_DO)),
    Target(f"time per host, 100 → 1,000 hosts, {FRESH}", 1.15, True, "×", _growth(FRESH)),
    Target(f"memory, 1,000 hosts, {NOTHING_TO_DO}", 64, True, "MiB more than ping", _memory(NOTHING_TO_DO)),
    Target(f"memory, 1,000 hosts, {FRESH}", 64, True, "MiB more than ping", _memory(FRESH)),
)
