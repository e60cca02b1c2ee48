# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/bench: medians, ratios, targets, and what a playbook's recap has to say."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

import pytest

from ansible_collections.mutual.tls.tests.bench import recap
from ansible_collections.mutual.tls.tests.bench.contestants import MITOGEN, OURS, PEERS, PING
from ansible_collections.mutual.tls.tests.bench.errors import BenchError
from ansible_collections.mutual.tls.tests.bench.figures import (
    FRESH,
    NOTHING_TO_DO,
    PEAK_MIB,
    ROTATION,
    SECONDS,
    Figure,
    Figures,
    ratio,
)
from ansible_collections.mutual.tls.tests.bench.targets import TARGETS, Target

ONE, FIVE, ROTATED = "20 hosts × 1", "20 hosts × 5", "20 hosts × 1, rotated"
HUNDRED, THOUSAND = "100 simulated hosts", "1,000 simulated hosts"

# Every target at its limit exactly. Ours comes from the limits: 6 s of ping's 4 s are 1.5 times, and so on.
AT_LIMIT: Dict[Tuple[str, str, str, str], float] = {
    (ONE, NOTHING_TO_DO, PING, SECONDS): 4,
    (ONE, NOTHING_TO_DO, OURS, SECONDS): 6,
    (ONE, NOTHING_TO_DO, PEERS, SECONDS): 90,
    (ONE, NOTHING_TO_DO, MITOGEN, SECONDS): 42,
    (FIVE, NOTHING_TO_DO, PING, SECONDS): 5,
    (FIVE, NOTHING_TO_DO, OURS, SECONDS): 9,
    (FIVE, NOTHING_TO_DO, PEERS, SECONDS): 450,
    (ONE, FRESH, PING, SECONDS): 4,
    (ONE, FRESH, OURS, SECONDS): 14,
    (ONE, FRESH, PEERS, SECONDS): 112,
    (ROTATED, ROTATION, PING, SECONDS): 4,
    (ROTATED, ROTATION, OURS, SECONDS): 18,
    (HUNDRED, NOTHING_TO_DO, OURS, SECONDS): 20,
    (THOUSAND, NOTHING_TO_DO, OURS, SECONDS): 230,
    (HUNDRED, FRESH, OURS, SECONDS): 40,
    (THOUSAND, FRESH, OURS, SECONDS): 460,
    (THOUSAND, NOTHING_TO_DO, PING, PEAK_MIB): 300,
    (THOUSAND, NOTHING_TO_DO, OURS, PEAK_MIB): 364,
    (THOUSAND, FRESH, PING, PEAK_MIB): 300,
    (THOUSAND, FRESH, OURS, PEAK_MIB): 364,
}


def figures(values: Dict[Tuple[str, str, str, str], float]) -> Figures:
    return Figures(Figure(*key, samples=(value,)) for key, value in values.items())


def worse(factor: float) -> Figures:
    """Ours multiplied by a factor, all else at the limits; growth only where there are more hosts."""
    changed = {
        key: value * factor if key[2] == OURS and key[0] != HUNDRED else value for key, value in AT_LIMIT.items()
    }
    return figures(changed)


def test_the_median_is_that_of_all_samples() -> None:
    assert Figure("a", FRESH, OURS, SECONDS, (9.0, 1.0, 2.0)).median == 2.0
    assert Figure("a", FRESH, OURS, SECONDS, (1.0, 2.0)).median == 1.5


@pytest.mark.parametrize(("over", "under", "wanted"), [(6.0, 4.0, 1.5), (None, 4.0, None), (6.0, None, None)])
def test_a_ratio_needs_both_numbers(over: Optional[float], under: Optional[float], wanted: Optional[float]) -> None:
    assert ratio(over, under) == wanted


def test_figures_are_found_by_all_that_names_them() -> None:
    all_figures = figures(AT_LIMIT)
    assert all_figures.median(ONE, FRESH, PEERS) == 112
    assert all_figures.median(ONE, FRESH, PEERS, PEAK_MIB) is None
    assert all_figures.median(THOUSAND, FRESH, PING, PEAK_MIB) == 300
    assert all_figures.scenes() == [ONE, FIVE, ROTATED, HUNDRED, THOUSAND]
    assert all_figures.contestants(FIVE) == [PING, OURS, PEERS]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.what}: {target.wanted}")
def test_a_limit_itself_is_reached_and_what_is_worse_is_not(target: Target) -> None:
    assert target.value(figures(AT_LIMIT)) == pytest.approx(target.limit)
    assert target.reached(worse(0.999)) is True
    assert target.reached(worse(1.001)) is False


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.what}: {target.wanted}")
def test_what_was_not_measured_is_not_reached_either(target: Target) -> None:
    for key in AT_LIMIT:
        without = figures({other: value for other, value in AT_LIMIT.items() if other != key})
        assert target.reached(without) in (None, target.reached(figures(AT_LIMIT)))
    assert target.value(figures({})) is None
    assert target.reached(figures({})) is None


def test_the_targets_are_those_of_the_project() -> None:
    wanted: List[Tuple[str, str]] = [(target.what, target.wanted) for target in TARGETS]
    assert wanted == [
        ("nothing to do, 20 hosts × 1", "≤ 1.5 × ping"),
        ("nothing to do, 20 hosts × 1", "≥ 15 × faster than peers"),
        ("nothing to do, 20 hosts × 1", "≥ 7 × faster than peers + Mitogen"),
        ("nothing to do, 20 hosts × 5", "≤ 1.8 × ping"),
        ("nothing to do, 20 hosts × 5", "≥ 50 × faster than peers"),
        ("fresh, 20 hosts × 1", "≤ 3.5 × ping"),
        ("fresh, 20 hosts × 1", "≥ 8 × faster than peers"),
        ("rotation, 20 hosts × 1", "≤ 4.5 × ping"),
        ("time per host, 100 → 1,000 hosts, nothing to do", "≤ 1.15 ×"),
        ("time per host, 100 → 1,000 hosts, fresh", "≤ 1.15 ×"),
        ("memory, 1,000 hosts, nothing to do", "≤ 64 MiB more than ping"),
        ("memory, 1,000 hosts, fresh", "≤ 64 MiB more than ping"),
    ]


RECAP = """
TASK [Ping] ****
ok: [host-1]

PLAY RECAP *********************************************************************
host-1                     : ok=1    changed=0    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
host-2.example             : ok=2    changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0
host-3                     : ok=0    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0
host-4                     : ok=1    changed=0    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0

"""


def test_a_recap_is_read() -> None:
    found = recap.counts(RECAP)
    assert list(found) == ["host-1", "host-2.example", "host-3", "host-4"]
    assert found["host-2.example"]["changed"] == 1
    assert found["host-3"]["unreachable"] == 1


@pytest.mark.parametrize(("host", "changes"), [("host-1", False), ("host-1", None), ("host-2.example", True)])
def test_a_run_that_did_what_it_should_counts(host: str, changes: Optional[bool]) -> None:
    recap.check(RECAP, [host], changes)


@pytest.mark.parametrize(
    ("host", "changes", "complaint"),
    [
        ("host-1", True, "should have changed something"),
        ("host-2.example", False, "should have changed nothing"),
        ("host-3", None, "did not succeed"),
        ("host-4", None, "did not succeed"),
        ("host-5", None, "not in the playbook's recap"),
    ],
)
def test_a_run_that_did_something_else_does_not(host: str, changes: Optional[bool], complaint: str) -> None:
    with pytest.raises(BenchError, match=complaint):
        recap.check(RECAP, [host], changes)
