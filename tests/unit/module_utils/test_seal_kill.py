# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at any step leaves no seal that answers wrongly, and the next run seals again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import temporary_files
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.test_kill import killed_at
from ansible_collections.mutual.tls.tests.unit.module_utils.sealed import (
    SealedHost,
    absent,
    everything,
    plain,
    sealed_host,
)


def _renewed(host: SealedHost) -> Any:
    host.wanted[0]["subject"] = [["CN", "renewed"]]
    request = host.host.trip(*host.wanted).credentials[0].request
    assert request is not None and request.pem is not None
    answer = host.host.authority.sign(request.pem)
    return lambda: host.host.trip({**host.wanted[0], "answer": answer}, *host.wanted[1:])


def _mended(host: SealedHost) -> Any:
    (host.host.current() / "chain.pem").chmod(0o640)
    (host.host.current() / "client.pem").write_text("damaged")
    (host.disk / "elsewhere/copy").unlink()
    return lambda: host.host.trip(*host.wanted)


def _linked(host: SealedHost) -> Any:
    host.wanted[0]["links"] = []
    return lambda: host.host.trip(*host.wanted)


def _removed(host: SealedHost) -> Any:
    host.wanted[0] = absent("orders")
    return lambda: host.host.trip(*host.wanted)


SCENARIOS = {"renewed": _renewed, "mended": _mended, "linked": _linked, "removed": _removed}


def _two(disk: Path) -> List[Dict[str, Any]]:
    orders = everything(disk)[0]
    return [{**plain(), "links": orders["links"][1:]}, plain(name="billing")]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_kill_leaves_a_seal_that_answers_wrongly(tmp_path: Path, name: str) -> None:
    """Neither to what was wanted before nor to what is wanted now; and the next run seals again."""
    with sealed_host(tmp_path / "disk", _two) as host:
        work = _work(host, name)
        texts = [json.dumps(host.host.document(*_two(host.disk))), host.text]
        step, sealed = 0, []
        while killed_at(step, work):
            for text in texts:
                answer = host.quick(text)
                assert answer is None or answer == host.full(text), "after step {0}".format(step)
            sealed.append(host.seal.exists())
            host.converge()
            assert temporary_files(host.disk) == [], "after step {0}".format(step)
            assert host.full()["changed"] is False
            step += 1
            host.restore()
        # Killed before it was removed; while it was gone; and half-way through the new one.
        assert step > 10
        assert sealed.index(False) <= 3
        assert sealed[-1]
        assert host.quick() == host.full()
        assert host.quick() is not None


def _work(host: SealedHost, name: str) -> Any:
    """The work as it will be done again and again from here on."""
    work = SCENARIOS[name](host)
    host.save()
    return work
