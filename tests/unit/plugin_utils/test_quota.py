# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quotas: no more than so many certificates in one run, whoever asks for them."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError, IssuerError
from ansible_collections.mutual.tls.plugins.plugin_utils.quota import OPTION, Quota, limits_of, read_limit

FORK = multiprocessing.get_context("fork")


def quota(directory: Path, limit: int = 2, state_directory: str = "/mtls", check_mode: bool = False) -> Quota:
    return Quota({"corp": limit}, str(directory), state_directory, check_mode)


def test_no_more_than_the_limit(tmp_path: Path) -> None:
    # Each host's task has a quota of its own; the count is the run's.
    assert [quota(tmp_path).take("corp") for _host in range(4)] == [True, True, False, False]
    assert [quota(tmp_path, 3).take("corp") for _host in range(2)] == [True, False]
    assert "at most 2" in quota(tmp_path).explain("corp") and OPTION in quota(tmp_path).explain("corp")


def test_a_place_that_was_not_needed_is_free_again(tmp_path: Path) -> None:
    one = quota(tmp_path, 1)
    assert one.take("corp")
    one.give_back("corp")
    assert (one.take("corp"), one.take("corp")) == (True, False)
    one.give_back("corp")
    one.give_back("corp")
    assert (one.take("corp"), one.take("corp")) == (True, False)


def test_who_has_no_limit_is_not_counted(tmp_path: Path) -> None:
    assert all(quota(tmp_path).take("other") for _time in range(9))
    quota(tmp_path).give_back("other")
    assert list(tmp_path.iterdir()) == []


def test_others_do_not_count(tmp_path: Path) -> None:
    """Not what check mode foresees, not issuers of the same name elsewhere, not another run."""
    (tmp_path / "run").mkdir()
    for one in (
        quota(tmp_path, 1),
        quota(tmp_path, 1, check_mode=True),
        quota(tmp_path, 1, "/other"),
        quota(tmp_path / "run", 1),
    ):
        assert (one.take("corp"), one.take("corp")) == (True, False)


def _asks(directory: Path, start: Any, taken: Any) -> None:
    start.wait()
    for _credential in range(5):
        if quota(directory, 23).take("corp"):
            with taken:
                taken.value += 1


def test_hosts_that_ask_at_once_get_no_more(tmp_path: Path) -> None:
    start, taken = FORK.Barrier(12), FORK.Value("i", 0)
    workers = [FORK.Process(target=_asks, args=(tmp_path, start, taken)) for _host in range(12)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 12
    assert taken.value == 23


def test_a_count_that_cannot_be_kept_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IssuerError, match=r"issuer corp: cannot count.*max_issued_per_run"):
        quota(tmp_path / "gone").take("corp")


def test_limits_are_whole_numbers() -> None:
    assert [read_limit("corp", {OPTION: value}) for value in (1, 250, "7", None)] == [1, 250, 7, None]
    assert limits_of({"corp": {"type": "ownca", OPTION: 3}, "other": {"type": "ownca"}}) == {"corp": 3}


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "", "many", "-3", "1" * 30, "²", [], {}])
def test_anything_else_is_an_error_that_names_the_option(value: Any) -> None:
    with pytest.raises(InputError, match="issuer corp: max_issued_per_run must be a whole number"):
        limits_of({"corp": {OPTION: value}})
