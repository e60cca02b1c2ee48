# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each public key belongs to one host."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import IssuerError, PolicyError
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import StateDirectory, open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils.registry import Registry

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return open_state_directory(str(tmp_path / "mtls"), create=True)


def test_a_key_stays_with_its_host(state: StateDirectory) -> None:
    assert Registry(state).holder("aa") is None
    Registry(state).claim("aa", "web1", "orders")
    Registry(state).claim("aa", "web1", "orders")
    Registry(state).claim("aa", "web1", "billing")
    Registry(state).claim("bb", "web2", "orders")
    assert Registry(state).holder("aa") == "web1"
    with pytest.raises(
        PolicyError, match=r'policy rule "key_owner": host web2, .* registered for host web1 \(credential'
    ):
        Registry(state).claim("aa", "web2", "orders")
    assert Registry(state).holder("aa") == "web1"


def test_looking_creates_nothing(state: StateDirectory, tmp_path: Path) -> None:
    assert Registry(state).holder("aa") is None
    assert not Path(state.registry).exists()
    absent = StateDirectory(str(tmp_path / "absent"), exists=False)
    assert Registry(absent).holder("aa") is None


def test_it_is_closed_to_others(state: StateDirectory) -> None:
    Registry(state).claim("aa", "web1", "orders")
    assert Path(state.registry).stat().st_mode & 0o777 == 0o600


def test_an_empty_file_is_a_registry_that_was_begun(state: StateDirectory) -> None:
    Path(state.registry).touch()
    assert Registry(state).holder("aa") is None
    Registry(state).claim("aa", "web1", "orders")
    assert Registry(state).holder("aa") == "web1"


@pytest.mark.parametrize("damage", ["garbage", "directory", "link"])
def test_a_damaged_registry_is_an_error(state: StateDirectory, damage: str) -> None:
    path = Path(state.registry)
    if damage == "garbage":
        path.write_bytes(b"no database at all" * 100)
    elif damage == "directory":
        path.mkdir()
    else:
        path.symlink_to("elsewhere")
    with pytest.raises(IssuerError, match="the key registry"):
        Registry(state).claim("aa", "web1", "orders")


def test_of_many_hosts_at_once_one_gets_the_key(state: StateDirectory) -> None:
    def work(number: int, results: Any) -> None:
        try:
            Registry(state).claim("aa", f"web{number}", "orders")
            Registry(state).claim(f"key {number}", f"web{number}", "orders")
            results.put("claimed")
        except PolicyError:
            results.put("refused")

    results = FORK.SimpleQueue()
    workers = [FORK.Process(target=work, args=(number, results)) for number in range(30)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(results.get() for _ in workers) == ["claimed"] + ["refused"] * 29
