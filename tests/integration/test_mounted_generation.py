# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A generation that something has mounted, a container say, is not pruned before it is let go."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Callable, Iterator, List

import pytest

from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host, credential


@contextlib.contextmanager
def mounted(unshare: str, directory: Path, place: Path) -> Iterator[None]:
    """A process with a bind mount of a directory, in a mount namespace of its own."""
    script = 'mount --bind "$1" "$2" && echo ready && exec cat'
    command = [unshare, "-m", "sh", "-c", script, "sh", str(directory), str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("no pipes")
        assert process.stdout.readline() == b"ready\n"
        yield
        process.stdin.close()


def generations(host: Host) -> List[str]:
    return sorted(path.name for path in (host.root / "orders/generations").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_mounted_generation_is_kept(tool: Callable[[str], str], tmp_path: Path) -> None:
    host, other = Host(tmp_path / "mtls"), Host(tmp_path / "other/mtls")
    place = tmp_path / "place"
    place.mkdir()
    for one in (host, other):
        one.run(credential(keep_generations=1))
    with mounted(tool("unshare"), host.root / "orders/generations/0001", place):
        for number in (1, 2):
            for one in (host, other):
                one.run(credential(keep_generations=1, subject=[["CN", f"orders-{number}"]]))
        assert generations(host) == ["0001", "0003"]
        # The same names below another root are nobody's mount.
        assert generations(other) == ["0003"]
        assert not host.run(credential(keep_generations=1, subject=[["CN", "orders-2"]])).changed
    reply = host.run(credential(keep_generations=1, subject=[["CN", "orders-2"]]))
    assert (reply.changed, generations(host)) == (True, ["0003"])
