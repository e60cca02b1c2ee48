# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures as Markdown tables."""

from __future__ import annotations

from typing import List, Mapping, Optional, Sequence

from . import codecs
from .contestants import OURS, PING
from .figures import CPU_SECONDS, FRESH, LAUNCHES, NOTHING_TO_DO, PEAK_MIB, ROTATION, Figure, Figures, ratio
from .sections import CODECS, GROWTH, title
from .targets import Target

_NONE = "–"
_WORKS = (FRESH, NOTHING_TO_DO, ROTATION)
_VERDICT = {True: "reached", False: "**not reached**", None: "not measured"}
_CODEC_COLUMNS = ("jks write", "jks read", "pkcs12 write", "pkcs12 read")


def targets(wanted: Sequence[Target], figures: Figures) -> str:
    """What was to be reached beside what was measured."""
    rows = [
        (target.what, target.wanted, _number(target.value(figures), 2), _VERDICT[target.reached(figures)])
        for target in wanted
    ]
    return "## Targets\n\n" + table(("what", "wanted", "measured", ""), rows)


def section(name: str, figures: Figures) -> str:
    """One section's heading and table."""
    body = {GROWTH: _growth, CODECS: _codecs}.get(name, _comparison)(figures)
    return f"## {title(name)}\n\n{body}"


def machine(properties: Mapping[str, str]) -> str:
    """What it was measured on."""
    ours = {name: value for name, value in properties.items() if not name.startswith("peers: ")}
    peers = {name.partition(": ")[2]: value for name, value in properties.items() if name.startswith("peers: ")}
    return f"## Machine\n\n{table(('', ''), list(ours.items()))}\n\nPeers:\n\n{table(('', ''), list(peers.items()))}"


def _comparison(figures: Figures) -> str:
    """Everyone on hosts over SSH."""
    rows = []
    for scene in figures.scenes():
        for work in _WORKS:
            for who in figures.contestants(scene):
                seconds = figures.find(scene, work, who)
                if seconds is None:
                    continue
                beside = ratio(figures.median(scene, work, who), figures.median(scene, work, PING))
                rows.append(
                    (
                        f"{who}, {work}",
                        _with_range(seconds),
                        _number(beside, 2),
                        _number(figures.median(scene, work, who, CPU_SECONDS), 1),
                        _number(figures.median(scene, work, who, PEAK_MIB), 0),
                        _number(figures.median(scene, work, who, LAUNCHES), 0),
                    )
                )
    head = (
        ", ".join(figures.scenes()),
        "wall time, s",
        "× ping",
        "controller: CPU, s",
        "controller: memory, MiB",
        "hosts: Pythons started",
    )
    return table(head, rows)


def _growth(figures: Figures) -> str:
    """Ours beside ping with more and more simulated hosts."""
    rows = []
    for scene in figures.scenes():
        hosts = int(scene.split()[0].replace(",", ""))
        for who, work in ((PING, NOTHING_TO_DO), (OURS, NOTHING_TO_DO), (OURS, FRESH)):
            seconds = figures.median(scene, work, who)
            memory = figures.median(scene, work, who, PEAK_MIB)
            ping = figures.median(scene, work, PING, PEAK_MIB)
            rows.append(
                (
                    f"{hosts:,}",
                    who if who == PING else f"{who}, {work}",
                    _with_range(figures.find(scene, work, who)),
                    _number(ratio(seconds, hosts / 1000), 0),
                    _number(ratio(seconds, figures.median(scene, work, PING)), 2),
                    _number(figures.median(scene, work, who, CPU_SECONDS), 1),
                    _number(memory, 0),
                    _number(ratio(memory, hosts), 2),
                    _NONE if memory is None or ping is None or who == PING else f"{memory - ping:+.0f}",
                )
            )
    head = (
        "hosts",
        "",
        "wall time, s",
        "ms per host",
        "× ping",
        "CPU, s",
        "memory, MiB",
        "MiB per host",
        "beside ping",
    )
    return table(head, rows)


def _codecs(figures: Figures) -> str:
    """Milliseconds for each codec and each thing it does."""
    scene = codecs.SCENE
    rows = []
    for who, description in codecs.DESCRIPTIONS.items():
        times = [ratio(figures.median(scene, work, who), 1 / 1000) for work in _CODEC_COLUMNS]
        rows.append((description, *(_number(time, 2) for time in times)))
    head = ("milliseconds", "JKS, write", "JKS, read", "PKCS#12, write", "PKCS#12, read")
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines: List[Sequence[str]] = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _with_range(figure: Optional[Figure]) -> str:
    """The median with the least and the most."""
    if figure is None:
        return _NONE
    return f"{figure.median:.2f} ({min(figure.samples):.2f}–{max(figure.samples):.2f})"


def _number(value: Optional[float], digits: int) -> str:
    return _NONE if value is None else f"{value:,.{digits}f}"
