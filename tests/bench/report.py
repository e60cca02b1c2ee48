# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a benchmark: docs/performance.json, and the tables in docs/performance.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from . import tables
from .errors import BenchError
from .figures import Figure, Figures, from_json, to_json
from .targets import TARGETS

BEGIN = "<!-- measured: begin. `make bench` writes what stands between these marks. -->"
END = "<!-- measured: end -->"
PAGE, DATA = "performance.md", "performance.json"


@dataclass(frozen=True)
class Section:
    """One part of a benchmark: everything in it was measured in one run, taking turns.

    `load` is what else the machine did before; `revision` is git's name for the code.
    """

    name: str
    date: str
    revision: str
    rounds: int
    load: float
    figures: Tuple[Figure, ...]


@dataclass(frozen=True)
class Report:
    """Sections that were measured on one machine with the same software."""

    machine: Mapping[str, str]
    sections: Tuple[Section, ...]

    def figures(self) -> Figures:
        """Those of all sections."""
        return Figures(figure for section in self.sections for figure in section.figures)

    def replaced(self, section: Section, order: Sequence[str]) -> Report:
        """The report with a section instead of, or beside, those that it has; `order` is that of all names."""
        kept = {one.name: one for one in (*self.sections, section)}
        return Report(self.machine, tuple(kept[name] for name in order if name in kept))


def begin(directory: Path, machine: Mapping[str, str]) -> Report:
    """The report kept in a directory, to be continued; an empty one if it is of another machine or software."""
    kept = load(directory)
    return kept if kept is not None and kept.machine == machine else Report(dict(machine), ())


def load(directory: Path) -> Optional[Report]:
    """The report kept in a directory, if there is one."""
    path = directory / DATA
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    sections = [
        Section(**{**section, "figures": tuple(map(from_json, section["figures"]))}) for section in content["sections"]
    ]
    return Report(content["machine"], tuple(sections))


def save(report: Report, directory: Path) -> None:
    """Write both files; of the page, only what stands between its marks."""
    page = directory / PAGE
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    page.write_text(inserted(text, render(report)), encoding="utf-8")
    content = json.dumps(_content(report), indent=1, ensure_ascii=False)
    (directory / DATA).write_text(content + "\n", encoding="utf-8")


def inserted(page: str, block: str) -> str:
    """The page with `block` between its marks; BenchError where it has none."""
    before, begin_mark, rest = page.partition(BEGIN)
    _old, end_mark, after = rest.partition(END)
    if not begin_mark or not end_mark:
        raise BenchError(f"{PAGE} lacks one of its marks: {BEGIN!r} and, after it, {END!r}")
    return f"{before}{BEGIN}\n\n{block}\n{END}{after}"


def render(report: Report) -> str:
    """All tables, in Markdown."""
    figures = report.figures()
    # A quick run is about other numbers of hosts: there is nothing to say about targets.
    measured = any(target.value(figures) is not None for target in TARGETS)
    parts = [tables.targets(TARGETS, figures)] if measured else []
    for section in report.sections:
        parts.append(tables.section(section.name, Figures(section.figures)))
        parts.append(
            f"{section.date}, revision {section.revision}, {_rounds(section.rounds)}; load before: {section.load:.1f}."
        )
    parts.append(tables.machine(report.machine))
    return "\n\n".join(parts) + "\n"


def _rounds(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds"


def _content(report: Report) -> Dict[str, Any]:
    figures = report.figures()
    return {
        "machine": dict(report.machine),
        "targets": [
            {
                "what": target.what,
                "wanted": target.wanted,
                "measured": target.value(figures),
                "reached": target.reached(figures),
            }
            for target in TARGETS
        ],
        "sections": [
            {
                "name": section.name,
                "date": section.date,
                "revision": section.revision,
                "rounds": section.rounds,
                "load": section.load,
                "figures": [to_json(figure) for figure in section.figures],
            }
            for section in report.sections
        ],
    }
