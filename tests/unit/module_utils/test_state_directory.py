# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's state directory: created once, never mistaken for another."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path
from typing import Any, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import IssuerError
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import MARKER, open_state_directory

FORK = multiprocessing.get_context("fork")


def test_it_is_created_once_with_its_marker(tmp_path: Path) -> None:
    path = tmp_path / "mtls"
    state = open_state_directory(str(path), create=True)
    assert state.exists
    assert state.path == str(path)
    assert state.ownca("corp") == str(path / "ownca/corp")
    assert state.registry == str(path / "registry.sqlite")
    assert path.stat().st_mode & 0o777 == 0o700
    assert os.listdir(tmp_path) == ["mtls"]
    before = (path / MARKER).stat()
    assert open_state_directory(str(path), create=True) == state
    assert (path / MARKER).stat() == before


def test_check_mode_creates_nothing(tmp_path: Path) -> None:
    state = open_state_directory(str(tmp_path / "mtls"), create=False)
    assert not state.exists
    assert list(tmp_path.iterdir()) == []


def test_an_existing_directory_without_marker_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mtls"
    path.mkdir()
    for create in (True, False):
        with pytest.raises(IssuerError, match=r"marker file .* is missing.*mount it"):
            open_state_directory(str(path), create)
    assert list(path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"mutual.tls state directory, version 2\n", b"\0" * 5000])
def test_a_marker_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mtls"
    open_state_directory(str(path), create=True)
    (path / MARKER).write_bytes(content)
    with pytest.raises(IssuerError, match=r"backup|larger"):
        open_state_directory(str(path), create=True)


def test_a_marker_that_is_a_link_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    open_state_directory(str(real), create=True)
    path = tmp_path / "mtls"
    path.mkdir()
    (path / MARKER).symlink_to(real / MARKER)
    with pytest.raises(IssuerError):
        open_state_directory(str(path), create=True)


def test_what_else_is_no_state_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IssuerError, match="not a directory"):
        open_state_directory(str(tmp_path / "file"), create=True)
    with pytest.raises(IssuerError, match="does not exist; create it, mount it"):
        open_state_directory(str(tmp_path / "missing/mtls"), create=True)
    open_state_directory(str(tmp_path / "mtls"), create=True)
    (tmp_path / "mtls").chmod(0o777)
    with pytest.raises(IssuerError, match="writable for everyone"):
        open_state_directory(str(tmp_path / "mtls"), create=True)


class TestInstalledCollection:
    def test_it_is_refused_below_one(self, tmp_path: Path) -> None:
        collection = tmp_path / "ansible_collections/mutual/tls"
        (collection / "inventories").mkdir(parents=True)
        for path in (collection / "mtls", collection / "inventories/mtls"):
            with pytest.raises(IssuerError, match="next upgrade deletes it"):
                open_state_directory(str(path), create=True)
        link = tmp_path / "link"
        link.symlink_to(collection / "inventories")
        with pytest.raises(IssuerError, match="next upgrade deletes it"):
            open_state_directory(str(link / "mtls"), create=False)

    def test_a_checkout_is_not_one(self, tmp_path: Path) -> None:
        clone = tmp_path / "clone"
        (clone / "ansible_collections/mutual").mkdir(parents=True)
        (clone / "ansible_collections/mutual/tls").symlink_to("../..")
        through_link = clone / "ansible_collections/mutual/tls/mtls"
        assert open_state_directory(str(through_link), create=True).path == str(clone / "mtls")
        checkout = tmp_path / "ansible_collections/acme/infra"
        (checkout / ".git").mkdir(parents=True)
        assert open_state_directory(str(checkout / "mtls"), create=True).exists

    def test_a_directory_beside_collections_is_fine(self, tmp_path: Path) -> None:
        (tmp_path / "ansible_collections").mkdir()
        assert open_state_directory(str(tmp_path / "ansible_collections/state"), create=True).exists


def test_parallel_creation(tmp_path: Path) -> None:
    path = str(tmp_path / "mtls")

    def work(results: Any) -> None:
        try:
            results.put(open_state_directory(path, create=True).path)
        except IssuerError as error:
            results.put(str(error))

    results = FORK.SimpleQueue()
    workers = [FORK.Process(target=work, args=(results,)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert {results.get() for _ in workers} == {path}
    assert os.listdir(tmp_path) == ["mtls"]


@pytest.mark.parametrize("step", range(1, 30))
def test_killed_anywhere_it_is_made_by_the_next_run(tmp_path: Path, step: int) -> None:
    path = tmp_path / "mtls"

    def die_at(step: int) -> None:
        count: List[int] = []

        def counted(function: Any) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                count.append(0)
                if len(count) == step:
                    os._exit(1)
                return function(*arguments, **options)

            return call

        for name in ("open", "mkdir", "rename", "fsync", "fchmod"):
            setattr(os, name, counted(getattr(os, name)))
        open_state_directory(str(path), create=True)
        os._exit(0)

    worker = FORK.Process(target=die_at, args=(step,))
    worker.start()
    worker.join()
    assert not path.exists() or (path / MARKER).read_bytes().startswith(b"mutual.tls")
    assert open_state_directory(str(path), create=True).exists
    assert os.listdir(tmp_path) == ["mtls"]
