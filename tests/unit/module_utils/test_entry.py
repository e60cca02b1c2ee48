# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half as a process: what it prints, loads and writes, what it tells others, which signals end it."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.reply import decode
from ansible_collections.mutual.tls.plugins.plugin_utils import launch
from ansible_collections.mutual.tls.tests.conftest import REPOSITORY
from ansible_collections.mutual.tls.tests.integration.surveillance import Canaries, forms
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    EC,
    Host,
    credential,
    keystore,
    truststore,
)
from ansible_collections.mutual.tls.tests.unit.module_utils.started import (
    command,
    environment,
    failure,
    input_for,
    reply,
    run,
)

PASSPHRASES = ["the key's \\ passphrase", 'a "store\'s" passphrase ü', "a truststore's passphrase"]
HOSTS_PYTHON = REPOSITORY / "tests/integration/hosts_python"


def wanted(passphrases: List[str], **changes: Any) -> Dict[str, Any]:
    key, store, trust = passphrases
    stores = {"keystores": [keystore(passphrase=store)], "truststores": [truststore(passphrase=trust)]}
    return credential(key={**EC, "passphrase": key}, **stores, **changes)


def answered(host: Host, item: Dict[str, Any]) -> Dict[str, Any]:
    """The credential with the answer to the request that now waits on the host."""
    request = host.trip(item).credentials[0].request
    assert request is not None and request.pem is not None
    return {**item, "answer": host.authority.sign(request.pem)}


def secrets(*more: str) -> Canaries:
    return Canaries({text: forms(text) for text in [*PASSPHRASES, *more]})


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "disk").mkdir()
    return Host(tmp_path / "disk/root")


@pytest.fixture
def sealed(host: Host, tmp_path: Path) -> Host:
    """A host that was converged and sealed by the same program."""
    run(tmp_path, input_for(host, answered(host, wanted(PASSPHRASES))))
    assert (host.root / ".seal").exists()
    return host


def test_output_and_log_repeat_no_passphrase(host: Host, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with_log = {"MTLS_TEST_SYSLOG": str(log), "PYTHONPATH": str(HOSTS_PYTHON)}
    done = run(tmp_path, input_for(host, wanted(PASSPHRASES)), **with_log)
    assert decode(reply(done), ["orders"]).credentials[0].state == "request"
    assert secrets().within(done.stdout + done.stderr, "output") == []
    # It tells the system's log nothing at all; Ansible itself notes that a module was started.
    assert not log.exists()


def test_output_of_a_failure_repeats_no_passphrase(host: Host, tmp_path: Path) -> None:
    host.run(wanted(PASSPHRASES))
    done = run(tmp_path, input_for(host, wanted(["wrong passphrase", *PASSPHRASES[1:]])))
    assert "previous_passphrase" in reply(done)["credentials"][0]["error"]
    assert secrets("wrong passphrase").within(done.stdout + done.stderr, "output") == []


def test_output_of_a_sealed_check_repeats_no_passphrase(sealed: Host, tmp_path: Path) -> None:
    done = run(tmp_path, input_for(sealed, wanted(PASSPHRASES)))
    assert reply(done)["credentials"][0]["state"] == "active"
    assert secrets().within(done.stdout + done.stderr, "output") == []


_CRASH = """
import os
def rename(*arguments, **options):
    raise ZeroDivisionError({0!r}) from ValueError({0!r})
os.rename = rename
"""


def test_output_of_a_crash_repeats_no_passphrase(host: Host, tmp_path: Path) -> None:
    """Nobody knows what its text holds: with -vvv Ansible shows what a program says as it goes on."""
    done = run(tmp_path, input_for(host, wanted(PASSPHRASES)), before=_CRASH.format(" ".join(PASSPHRASES)))
    assert done.returncode != 0
    assert launch.answer(done.stdout.decode()) is None
    assert b"ZeroDivisionError" in done.stderr
    assert secrets().within(done.stdout + done.stderr, "output") == []


def test_output_of_an_input_that_was_cut_off_repeats_no_passphrase(host: Host, tmp_path: Path) -> None:
    whole = input_for(host, wanted(PASSPHRASES))
    begin = whole.index(b'{"document"')
    for length in (0, 1, 100, begin // 2, begin, begin + 20, len(whole) - 200, len(whole) - 10):
        done = run(tmp_path, whole[:length])
        assert launch.answer(done.stdout.decode()) is None, length
        assert secrets().within(done.stdout + done.stderr, "output") == []
    assert not host.root.exists()


@pytest.mark.parametrize("letter", ["e", "0", '"', "\\"])
def test_passphrase_of_one_letter_leaves_the_reply_as_it_is(host: Host, tmp_path: Path, letter: str) -> None:
    """Masking it wherever it stands would garble the request, and tell which it was."""
    done = run(tmp_path, input_for(host, wanted([letter] * 3)))
    found = reply(done)["credentials"][0]
    assert found["request"]["pem"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    again = host.trip(wanted([letter] * 3)).credentials[0].request
    assert again is not None and again.pem == found["request"]["pem"]
    assert found["directory"] == str(host.root / "orders")


def test_the_command_line_and_the_environment_hold_nothing(host: Host, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(), env=environment(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    whole = input_for(host, wanted(PASSPHRASES))
    assert process.stdin is not None and process.stdout is not None
    try:
        # It has all but the last byte: it must have started, and cannot have ended.
        process.stdin.write(whole[:-1])
        process.stdin.flush()
        seen = {name: Path("/proc", str(process.pid), name).read_bytes() for name in ("cmdline", "environ")}
    finally:
        output, errors = process.communicate(whole[-1:])
    assert json.loads(output)["reply"]["credentials"][0]["state"] == "request", errors
    assert seen["cmdline"].split(b"\0")[1:] == [b"-c", launch.CODE.encode(), b""]
    assert [hit for name, data in seen.items() for hit in secrets().within(data, name)] == []
    assert b"CERTIFICATE" not in seen["cmdline"] + seen["environ"]


_SIGNAL_BEFORE_A_LINK = """
import os
def symlink(*arguments, _real=os.symlink, **options):
    os.kill(os.getpid(), {0})
    _real(*arguments, **options)
os.symlink = symlink
"""


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"])
def test_a_controller_that_goes_away_leaves_the_host_finished(host: Host, tmp_path: Path, name: str) -> None:
    """The signal comes just before `current` is switched to the certificate that has come."""
    item = wanted(PASSPHRASES)
    before = _SIGNAL_BEFORE_A_LINK.format(int(getattr(signal, name)))
    done = run(tmp_path, input_for(host, answered(host, item)), before=before)
    assert done.returncode == 0, done.stderr
    assert not host.trip(item).credentials[0].changed
    assert host.current().is_symlink()


def test_only_the_second_trip_outlives_its_controller(host: Host, tmp_path: Path) -> None:
    """The first one can be cut off at any place, and a person who presses Ctrl-C expects it to be."""
    then = "import os, sys; sys.stderr.write(str(os.getsid(0) == os.getpid()))"
    item = wanted(PASSPHRASES)
    seen = [run(tmp_path, input_for(host, one), then=then).stderr for one in (item, answered(host, item))]
    assert seen == [b"False", b"True"]


_LOADED = "import sys; print(*sorted(sys.modules), file=sys.stderr)"
SEALED_LOADS = ["mutual_tls", "mutual_tls.entry", "mutual_tls.errors", "mutual_tls.seal", "mutual_tls.witness"]


def test_a_sealed_check_loads_next_to_nothing(sealed: Host, tmp_path: Path) -> None:
    """What it costs is what it imports: the library takes longer to load than the check."""
    for check in (True, False):
        done = run(tmp_path, input_for(sealed, wanted(PASSPHRASES), check=check), then=_LOADED)
        assert reply(done)["credentials"][0]["state"] == "active"
        loaded = done.stderr.decode().split()
        assert [name for name in loaded if name.startswith("mutual_tls")] == SEALED_LOADS
        assert not {"cryptography", "ansible", "ctypes", "ssl", "dataclasses", "tempfile"} & set(loaded)
    (sealed.current() / "key.pem").chmod(0o644)
    done = run(tmp_path, input_for(sealed, wanted(PASSPHRASES)), then=_LOADED)
    assert reply(done)["changed"] is True
    assert {"cryptography", "mutual_tls.converge.run"} <= set(done.stderr.decode().split())


def test_a_sealed_check_answers_as_a_full_one(sealed: Host, tmp_path: Path) -> None:
    whole = input_for(sealed, wanted(PASSPHRASES), check=True)
    answers = [reply(run(tmp_path, whole))]
    (sealed.root / ".seal").unlink()
    answers.append(reply(run(tmp_path, whole)))
    assert answers[0] == answers[1]


_WRITES = """
import os, sys
CHANGES = "mkdir rename remove rmdir symlink link truncate chmod chown utime setxattr".split()
written = []
def hook(event, arguments):
    opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if (opened or event in ["os." + name for name in CHANGES]) and not isinstance(arguments[0], int):
        written.append("{0} {1}".format(event, os.fsdecode(arguments[0])))
sys.addaudithook(hook)
sys.written = written
"""
_WRITTEN = "import json, sys; json.dump(sys.written, sys.stderr)"


def test_neither_code_nor_arguments_touch_the_disk(sealed: Host, tmp_path: Path) -> None:
    """A sealed check writes nothing; a full run nothing but what is below the root, by directory descriptors."""
    empty = tmp_path / "empty"
    empty.mkdir()
    places = {name: str(empty) for name in ("HOME", "TMPDIR", "TMP", "TEMP", "ANSIBLE_REMOTE_TMP")}
    before = sealed.listing()
    found = []
    for _round in range(2):
        done = run(tmp_path, input_for(sealed, wanted(PASSPHRASES)), _WRITES, _WRITTEN, cwd=empty, **places)
        assert reply(done)["credentials"][0]["state"] == "active"
        found.append(json.loads(done.stderr))
        assert list(empty.iterdir()) == []
        if len(found) == 1:
            assert sealed.listing() == before
            (sealed.current() / "key.pem").write_text("damaged")
    assert found[0] == []
    assert "os.remove .seal" in found[1]
    assert any(name.startswith("open .mtls-") for name in found[1])
    assert [name for name in found[1] if "/" in name] == []


def test_a_missing_library_is_told(host: Host, tmp_path: Path) -> None:
    before = "import sys; sys.modules['cryptography'] = None"
    message = failure(run(tmp_path, input_for(host, wanted(PASSPHRASES)), before=before))
    assert "python3-cryptography" in message
    assert not host.root.exists()


def test_a_document_that_is_none_is_told(tmp_path: Path) -> None:
    assert failure(run(tmp_path, launch.standard_input("{", False))) == "the document is not JSON"


def test_check_mode_is_check_mode(host: Host, tmp_path: Path) -> None:
    assert reply(run(tmp_path, input_for(host, wanted(PASSPHRASES), check=True)))["changed"] is True
    assert not host.root.exists()
    assert reply(run(tmp_path, input_for(host, wanted(PASSPHRASES))))["changed"] is True
    assert (host.root / "orders/next/key.pem").exists()
