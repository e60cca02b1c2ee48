# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/bench/report.py and tables.py: what is written, and what of the page is left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Dict, List

import pytest

from ansible_collections.mutual.tls.tests.bench import __main__ as command_line
from ansible_collections.mutual.tls.tests.bench import codecs, report, tables
from ansible_collections.mutual.tls.tests.bench.contestants import OURS, PEERS, PING
from ansible_collections.mutual.tls.tests.bench.errors import BenchError
from ansible_collections.mutual.tls.tests.bench.figures import (
    CPU_SECONDS,
    FRESH,
    LAUNCHES,
    NOTHING_TO_DO,
    PEAK_MIB,
    SECONDS,
    Figure,
    Figures,
)
from ansible_collections.mutual.tls.tests.bench.sections import CODECS, GROWTH, ONE, SECTIONS
from ansible_collections.mutual.tls.tests.conftest import REPOSITORY

MACHINE = {"processor": "two cores", "peers: mitogen": "0.3.54"}
SCENE = "20 hosts × 1"
FIGURES = (
    Figure(SCENE, FRESH, PING, SECONDS, (4.0, 4.2, 3.9)),
    Figure(SCENE, FRESH, OURS, SECONDS, (12.0, 13.0, 12.5)),
    Figure(SCENE, FRESH, OURS, CPU_SECONDS, (9.25,)),
    Figure(SCENE, FRESH, OURS, PEAK_MIB, (251.4,)),
    Figure(SCENE, FRESH, OURS, LAUNCHES, (40,)),
    Figure(SCENE, FRESH, PEERS, SECONDS, (1200.0,)),
)
SECTION = report.Section(ONE, "2026-11-21", "0123456789ab", 3, 0.1, FIGURES)
PAGE = f"# Performance\n\nBefore.\n\n{report.BEGIN}\n\nold\n{report.END}\n\nAfter.\n"


def rows(markdown: str) -> List[List[str]]:
    """The cells of all table rows, heads and rules included."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if "|" in line]


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    (tmp_path / report.PAGE).write_text(PAGE, encoding="utf-8")
    for _round in range(2):
        report.save(report.Report(MACHINE, (SECTION,)), tmp_path)
        text = (tmp_path / report.PAGE).read_text(encoding="utf-8")
        assert text.startswith("# Performance\n\nBefore.\n\n")
        assert text.endswith(f"{report.END}\n\nAfter.\n")
        assert "old" not in text
        assert text.count("## Targets") == 1


@pytest.mark.parametrize("page", ["", report.BEGIN, report.END, f"{report.END}\n{report.BEGIN}\n"])
def test_a_page_without_its_marks_is_left_as_it_is(page: str) -> None:
    with pytest.raises(BenchError, match="lacks one of its marks"):
        report.inserted(page, "new")


def test_the_projects_page_has_its_marks() -> None:
    text = (REPOSITORY / "docs" / report.PAGE).read_text(encoding="utf-8")
    assert "new" in report.inserted(text, "new")


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    saved = report.Report(MACHINE, (SECTION,))
    report.save(saved, tmp_path)
    assert report.load(tmp_path) == saved
    assert report.begin(tmp_path, dict(MACHINE)) == saved


def test_figures_of_another_machine_are_not_continued(tmp_path: Path) -> None:
    report.save(report.Report(MACHINE, (SECTION,)), tmp_path)
    other = {**MACHINE, "peers: mitogen": "0.3.55"}
    assert report.begin(tmp_path, other) == report.Report(other, ())
    assert report.begin(tmp_path / "nowhere", other) == report.Report(other, ())


def test_a_section_replaces_its_older_self_and_takes_its_place() -> None:
    growth = replace(SECTION, name=GROWTH)
    newer = replace(SECTION, date="2026-11-22")
    found = report.Report(MACHINE, (growth, SECTION)).replaced(newer, SECTIONS)
    assert found.sections == (newer, growth)


def test_the_data_says_what_is_reached(tmp_path: Path) -> None:
    report.save(report.Report(MACHINE, (SECTION,)), tmp_path)
    content = json.loads((tmp_path / report.DATA).read_text(encoding="utf-8"))
    verdicts: Dict[str, object] = {f"{item['what']} {item['wanted']}": item["reached"] for item in content["targets"]}
    assert verdicts["fresh, 20 hosts × 1 ≤ 3.5 × ping"] is True
    assert verdicts["fresh, 20 hosts × 1 ≥ 8 × faster than peers"] is True
    assert verdicts["nothing to do, 20 hosts × 1 ≤ 1.5 × ping"] is None
    ours = [item for item in content["sections"][0]["figures"] if item["who"] == OURS and item["unit"] == SECONDS]
    assert ours[0]["median"] == 12.5
    assert ours[0]["samples"] == [12.0, 13.0, 12.5]


def test_the_page_says_what_is_reached() -> None:
    verdicts = {tuple(row[:2]): row[2:] for row in rows(report.render(report.Report(MACHINE, (SECTION,))))}
    assert verdicts["fresh, 20 hosts × 1", "≤ 3.5 × ping"] == ["3.12", "reached"]
    assert verdicts["nothing to do, 20 hosts × 1", "≤ 1.5 × ping"] == ["–", "not measured"]
    slow = replace(SECTION, figures=(FIGURES[0], Figure(SCENE, FRESH, OURS, SECONDS, (14.01,))))
    verdicts = {tuple(row[:2]): row[2:] for row in rows(report.render(report.Report(MACHINE, (slow,))))}
    assert verdicts["fresh, 20 hosts × 1", "≤ 3.5 × ping"] == ["3.50", "**not reached**"]


def test_a_comparison_has_a_row_for_everyone_and_each_work() -> None:
    found = {row[0]: row[1:] for row in rows(tables.section(ONE, Figures(FIGURES)))}
    assert SCENE in found
    assert found["ping, fresh"] == ["4.00 (3.90–4.20)", "1.00", "–", "–", "–"]
    assert found["ours, fresh"] == ["12.50 (12.00–13.00)", "3.12", "9.2", "251", "40"]
    assert found["peers, fresh"] == ["1200.00 (1200.00–1200.00)", "300.00", "–", "–", "–"]
    assert "ours, nothing to do" not in found


def test_growth_is_shown_for_each_host() -> None:
    scene = "1,000 simulated hosts"
    figures = Figures(
        [
            Figure(scene, NOTHING_TO_DO, PING, SECONDS, (100.0,)),
            Figure(scene, NOTHING_TO_DO, OURS, SECONDS, (150.0,)),
            Figure(scene, NOTHING_TO_DO, PING, PEAK_MIB, (300.0,)),
            Figure(scene, NOTHING_TO_DO, OURS, PEAK_MIB, (350.0,)),
        ]
    )
    found = {tuple(row[:2]): row[2:] for row in rows(tables.section(GROWTH, figures))}
    assert found["1,000", "ping"] == ["100.00 (100.00–100.00)", "100", "1.00", "–", "300", "0.30", "–"]
    assert found["1,000", "ours, nothing to do"] == [
        *("150.00 (150.00–150.00)", "150", "1.50"),
        *("–", "350", "0.35", "+50"),
    ]


def test_codecs_are_shown_in_milliseconds() -> None:
    figures = Figures([Figure(codecs.SCENE, "pkcs12 read", codecs.OURS, SECONDS, (0.025, 0.026, 0.1))])
    found = {row[0]: row[1:] for row in rows(tables.section(CODECS, figures))}
    assert found["ours"] == ["–", "–", "–", "26.00"]
    assert found["pyjks"] == ["–"] * 4


def test_the_machine_is_shown_apart_from_the_peers() -> None:
    ours, peers = tables.machine(MACHINE).split("Peers:")
    assert ["processor", "two cores"] in rows(ours)
    assert ["mitogen", "0.3.54"] in rows(peers)
    assert "mitogen" not in ours


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match=r"nothing can be written to .*file/docs"):
        command_line._check_output(tmp_path / "file" / "docs")
    command_line._check_output(tmp_path / "new" / "docs")
    assert (tmp_path / "new" / "docs").is_dir()
