# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, and how it is found again."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Iterable, List, Mapping, Optional, Tuple

FRESH, NOTHING_TO_DO, ROTATION = "fresh", "nothing to do", "rotation"
SECONDS, CPU_SECONDS, PEAK_MIB, LAUNCHES = "seconds", "cpu_seconds", "peak_mib", "python_launches"


@dataclass(frozen=True)
class Figure:
    """One quantity: in which scene, of which work, done by whom, in which unit; every sample in the order taken."""

    scene: str
    work: str
    who: str
    unit: str
    samples: Tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


class Figures:
    """All figures of a report."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._figures = tuple(figures)

    def __iter__(self) -> Any:
        return iter(self._figures)

    def find(self, scene: str, work: str, who: str, unit: str = SECONDS) -> Optional[Figure]:
        """The figure, or None where this was not measured."""
        for figure in self._figures:
            if (figure.scene, figure.work, figure.who, figure.unit) == (scene, work, who, unit):
                return figure
        return None

    def median(self, scene: str, work: str, who: str, unit: str = SECONDS) -> Optional[float]:
        """Its median, or None."""
        figure = self.find(scene, work, who, unit)
        return None if figure is None else figure.median

    def scenes(self) -> List[str]:
        """The scenes' names, each once, in the order measured."""
        return list(dict.fromkeys(figure.scene for figure in self._figures))

    def contestants(self, scene: str) -> List[str]:
        """Who took part in a scene, in the order measured."""
        return list(dict.fromkeys(figure.who for figure in self._figures if figure.scene == scene))


def ratio(over: Optional[float], under: Optional[float]) -> Optional[float]:
    """One median divided by another; None where either is missing."""
    return None if over is None or under is None else over / under


def to_json(figure: Figure) -> Mapping[str, Any]:
    """A figure for the JSON file, median included for its readers."""
    return {
        "scene": figure.scene,
        "work": figure.work,
        "who": figure.who,
        "unit": figure.unit,
        "median": figure.median,
        "samples": list(figure.samples),
    }


def from_json(item: Mapping[str, Any]) -> Figure:
    """The figure that to_json() wrote."""
    return Figure(item["scene"], item["work"], item["who"], item["unit"], tuple(item["samples"]))
