# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a killed run leaves behind is known for what it is, also when the inventory changes before the next run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Host,
    credential,
    keystore,
    link,
)
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.test_kill import assert_matching_set, killed_at


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "disk/elsewhere").mkdir(parents=True)
    return Host(tmp_path / "disk/root")


def killed(host: Host, work: Callable[[], Any]) -> Iterator[int]:
    """The host as each step at which the work can be killed leaves it."""
    saved = host.root.parent.parent / "saved"
    shutil.copytree(host.root.parent, saved, symlinks=True)
    step = 0
    while killed_at(step, work):
        yield step
        shutil.rmtree(host.root.parent)
        shutil.copytree(saved, host.root.parent, symlinks=True)
        step += 1
    assert step > 5


def test_mending_cut_off_does_not_hide_a_change_of_the_inventory(host: Host) -> None:
    """A change is deployed as a generation. A file whose digest was not noted would look like a damaged one instead,
    and the change would come into use piece by piece."""
    store = keystore(file="client.jks", format="jks")
    wanted = credential(keystores=[store], truststores=[])
    changed = {**wanted, "previous_passphrases": ["store-secret"], "keystores": [{**store, "passphrase": "new-secret"}]}
    host.run(wanted)
    (host.current() / "client.jks").unlink()
    for step in killed(host, lambda: host.trip(wanted)):
        if not host.run(wanted).changed:
            assert not host.run(wanted).differences, "after step {0}".format(step)
        assert host.run(changed).generation == 2, "after step {0}".format(step)


@pytest.mark.parametrize("state", ["present", "absent"])
def test_links_of_a_run_cut_off_go_when_nobody_wants_them(host: Host, state: str) -> None:
    elsewhere = host.root.parent / "elsewhere"
    links = [link(elsewhere / "link", "key.pem"), link(elsewhere / "copy", "key.pem", copy=True)]
    wanted = credential(links=links, keystores=[], truststores=[])
    other: Dict[str, Any] = {**wanted, "links": [], "state": state}
    host.run({**wanted, "links": []})
    for step in killed(host, lambda: host.trip(wanted)):
        assert host.run(other).error is None
        assert os.listdir(elsewhere) == [], "after step {0}".format(step)


def renewal(host: Host, fresh: bool) -> Dict[str, Any]:
    """A credential whose request waits, with its answer; unless `fresh`, an earlier certificate is in use."""
    wanted = credential(truststores=[], keystores=[], subject=[["CN", "new"]])
    if not fresh:
        host.run({**wanted, "subject": [["CN", "old"]]})
    request = host.trip(wanted).credentials[0].request
    assert request is not None and request.pem is not None
    return {**wanted, "answer": host.authority.sign(request.pem)}


@pytest.mark.parametrize("fresh", [True, False])
def test_certificate_that_has_come_is_not_lost(host: Host, fresh: bool) -> None:
    """Its key is there until it is in use: the same answer, delivered again, is taken. People may have signed it."""
    wanted = renewal(host, fresh)
    for step in killed(host, lambda: host.trip(wanted)):
        # A run's first trip has no answer yet.
        host.trip({**wanted, "answer": None})
        reply = host.trip(wanted).credentials[0]
        assert (reply.state, reply.error) == ("active", None), "after step {0}".format(step)
        leaf = certificates.load_all((host.current() / "certificate.pem").read_bytes(), "certificate.pem")[0]
        assert certificates.public_fingerprint(leaf) == wanted["answer"]["public_fingerprint"]
        assert not host.trip({**wanted, "answer": None}).credentials[0].differences


def test_generation_has_its_number_only_when_it_is_whole(host: Host) -> None:
    """Where `current` is lost as well, the newest generation comes into use: it must not be half a one."""
    wanted = renewal(host, fresh=False)
    for step in killed(host, lambda: host.trip(wanted)):
        host.current().unlink()
        assert host.trip({**wanted, "answer": None}).credentials[0].error is None, "after step {0}".format(step)
        assert_matching_set(host, wanted)
