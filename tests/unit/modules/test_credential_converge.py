# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half as a process: what it prints, what it tells the system's log, which signals end it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.reply import decode
from ansible_collections.mutual.tls.tests.conftest import REPOSITORY
from ansible_collections.mutual.tls.tests.integration.surveillance import Canaries, forms
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    EC,
    Host,
    credential,
    keystore,
    truststore,
)

PASSPHRASES = ["the key's \\ passphrase", 'a "store\'s" passphrase ü', "a truststore's passphrase"]
HOSTS_PYTHON = REPOSITORY / "tests/integration/hosts_python"

# What Ansible's own wrapper does: the arguments come through standard input.
START = """
import json, sys
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
{before}
from ansible_collections.mutual.tls.plugins.modules import credential_converge
{then}
credential_converge.main()
"""


def wanted(passphrases: List[str], **changes: Any) -> Dict[str, Any]:
    key, store, trust = passphrases
    stores = {"keystores": [keystore(passphrase=store)], "truststores": [truststore(passphrase=trust)]}
    return credential(key={**EC, "passphrase": key}, **stores, **changes)


def run(host: Host, item: Dict[str, Any], before: str = "", then: str = "", **environment: str) -> Any:
    """One trip through the module, in a process group of its own as Ansible starts it."""
    arguments = {"document": json.dumps(host.document(item)), "_ansible_check_mode": False}
    return subprocess.run(
        [sys.executable, "-c", START.format(before=before, then=then)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HOSTS_PYTHON), str(REPOSITORY)]), **environment},
        timeout=120,
    )


def answered(host: Host, item: Dict[str, Any]) -> Dict[str, Any]:
    """The credential with the answer to the request that now waits on the host."""
    request = host.trip(item).credentials[0].request
    assert request is not None and request.pem is not None
    return {**item, "answer": host.authority.sign(request.pem)}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "root")


def test_output_and_log_repeat_no_passphrase(host: Host, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(host, wanted(PASSPHRASES), MTLS_TEST_SYSLOG=str(log))
    assert decode(json.loads(done.stdout)["reply"], ["orders"]).credentials[0].state == "request"
    search = Canaries({text: forms(text) for text in PASSPHRASES})
    assert search.within(done.stdout + done.stderr, "output") == []
    assert search.within(log.read_bytes() if log.exists() else b"", "the system's log") == []


def test_output_of_a_failure_repeats_no_passphrase(host: Host) -> None:
    host.run(wanted(PASSPHRASES))
    done = run(host, wanted(["wrong passphrase", *PASSPHRASES[1:]]))
    assert "previous_passphrase" in json.loads(done.stdout)["reply"]["credentials"][0]["error"]
    search = Canaries({text: forms(text) for text in [*PASSPHRASES, "wrong passphrase"]})
    assert search.within(done.stdout + done.stderr, "output") == []


@pytest.mark.parametrize("letter", ["e", "0", '"', "\\"])
def test_passphrase_of_one_letter_leaves_the_reply_as_it_is(host: Host, letter: str) -> None:
    """Ansible masks the value of every secret option wherever it stands: what is left out tells which it was."""
    done = run(host, wanted([letter] * 3))
    reply = json.loads(done.stdout)["reply"]["credentials"][0]
    assert reply["request"]["pem"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert host.trip(wanted([letter] * 3)).credentials[0].request.pem == reply["request"]["pem"]
    assert reply["directory"] == str(host.root / "orders")


_SIGNAL_BEFORE_A_LINK = """
import os
def symlink(*arguments, _real=os.symlink, **options):
    os.kill(os.getpid(), {0})
    _real(*arguments, **options)
os.symlink = symlink
"""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"])
def test_a_controller_that_goes_away_leaves_the_host_finished(host: Host, name: str) -> None:
    """The signal comes just before `current` is switched to the certificate that has come."""
    item = wanted(PASSPHRASES)
    before = _SIGNAL_BEFORE_A_LINK.format(int(getattr(signal, name)))
    done = run(host, answered(host, item), before=before)
    assert done.returncode == 0, done.stderr
    assert not host.trip(item).credentials[0].changed
    assert host.current().is_symlink()


def test_only_the_second_trip_outlives_its_controller(host: Host) -> None:
    """The first one can be cut off at any place, and a person who presses Ctrl-C expects it to be."""
    then = "import atexit, os, sys; atexit.register(lambda: sys.stderr.write(str(os.getsid(0) == os.getpid())))"
    item = wanted(PASSPHRASES)
    seen: List[Optional[str]] = [run(host, one, then=then).stderr.decode() for one in (item, answered(host, item))]
    assert seen == ["False", "True"]
