# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for a lock in vain is told who has it: of directories, and of the controller's databases."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, database, lock_holder
from ansible_collections.mutual.tls.plugins.module_utils.errors import IssuerError, LockedError
from ansible_collections.mutual.tls.plugins.module_utils.files import open_directory
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create, issue, revoke
from ansible_collections.mutual.tls.tests.unit import own_ca

RUN = "0123456789abcdef"
SCHEMA = database.Schema("the ledger", 1, ("CREATE TABLE entry (name TEXT)",))

# Each says when it has the lock, and keeps it until its standard input ends.
OF_A_DIRECTORY = """
import fcntl, os, sys
fcntl.flock(os.open({0!r}, os.O_RDONLY), fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""
OF_A_DATABASE = """
import sqlite3, sys
connection = sqlite3.connect({0!r}, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
NAMED = "open('/proc/self/comm', 'w').write({0!r})\n"


@contextlib.contextmanager
def held(code: str, *arguments: str) -> Iterator[int]:
    """The id of a process that holds a lock meanwhile."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            assert process.stdout.readline() == "locked\n"
            yield process.pid
        finally:
            process.stdin.close()


def told(directory: Path, timeout: float = 0, option: Optional[str] = None) -> str:
    """What another run is told that wants to have the directory's lock."""
    opened = open_directory(str(directory))
    with opened, pytest.raises(LockedError) as error, opened.locked(timeout, option):
        pass
    return str(error.value)


def me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def test_a_run_is_named_by_who_called_it(tmp_path: Path) -> None:
    mark = lock_holder.mark("alice@controller", RUN)
    with held(OF_A_DIRECTORY.format(str(tmp_path)), mark) as number:
        found = told(tmp_path, option="lock_timeout")
    expected = "another run holds the lock on {0} (process {1} of {2}, started N s ago, for alice@controller, run {3});"
    assert re.sub(r"started \d+ s", "started N s", found).startswith(
        expected.format(tmp_path, number, me(), RUN) + " wait for it to end, or raise lock_timeout"
    )


def test_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    with held(OF_A_DIRECTORY.format(str(tmp_path))) as number:
        assert "process {0} ".format(number) in told(tmp_path, 0.01)
        os.kill(number, 9)
        with open_directory(str(tmp_path)) as opened, opened.locked(60):
            assert lock_holder.holder(tmp_path.stat()).startswith(" (process {0} ".format(os.getpid()))
        assert lock_holder.holder(tmp_path.stat()) == ""


@pytest.mark.parametrize(
    "argument",
    [
        "passphrase=canary",
        "mutual.tls for canary\033[2J, run " + RUN,
        "mutual.tls for canary, run {0} and more".format(RUN),
        "mutual.tls for {0}, run {1}".format("canary" * 100, RUN),
    ],
)
def test_what_else_a_process_was_started_with_is_not_told(tmp_path: Path, argument: str) -> None:
    with held(NAMED.format("a \033b") + OF_A_DIRECTORY.format(str(tmp_path)), argument) as number:
        found = told(tmp_path)
    assert "(process {0} of {1}, ".format(number, me()) in found
    assert "ago: a??b)" in found
    assert "canary" not in found


def test_whoever_has_no_name_is_told_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_number: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with held(OF_A_DIRECTORY.format(str(tmp_path))) as number:
        assert "process {0} of uid {1},".format(number, os.geteuid()) in told(tmp_path)


@pytest.mark.parametrize("table", ["", "nonsense\n1: FLOCK  ADVISORY  WRITE -1 00:00:{0} 0 EOF\n"])
def test_where_nobody_knows_nobody_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    monkeypatch.setattr(lock_holder, "_content", lambda path: table.format(tmp_path.stat().st_ino))
    with held(OF_A_DIRECTORY.format(str(tmp_path))):
        assert "the lock on {0}; wait".format(tmp_path) in told(tmp_path)


def test_a_process_that_ended_meanwhile_is_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held("print('locked', flush=True)") as number:
        pass
    table = "1: -> FLOCK  ADVISORY  WRITE 1 00:00:{0} 0 EOF\n2: FLOCK  ADVISORY  WRITE {1} 00:00:{0} 0 EOF\n"
    content = table.format(tmp_path.stat().st_ino, number)
    monkeypatch.setattr(lock_holder, "_content", lambda path: content if path == "/proc/locks" else "")
    assert lock_holder.holder(tmp_path.stat()) == " (process {0})".format(number)


@pytest.mark.parametrize("caller", ["al ice@contröller", "x" * 1000])
def test_a_mark_is_one_that_is_understood(caller: str) -> None:
    found = lock_holder._MARKED.fullmatch(lock_holder.mark(caller, RUN))
    assert found is not None
    assert found[1] == caller.replace(" ", "?").replace("ö", "?")[:128]


def test_a_database_that_stays_locked_names_its_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "ledger.sqlite")
    with database.transaction(path, SCHEMA):
        pass
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.1)
    with held(OF_A_DATABASE.format(path)) as number:
        found = told_of(path)
    assert "cannot use the ledger {0}: another process (process {1} of {2}, ".format(path, number, me()) in found
    assert "has kept it locked for 0.1 seconds; wait for it to end" in found
    with database.transaction(path, SCHEMA) as connection:
        connection.execute("INSERT INTO entry VALUES ('it goes on')")


def told_of(path: str) -> str:
    """What is told whoever wants to write to a database."""
    with pytest.raises(IssuerError) as error, database.transaction(path, SCHEMA):
        pass
    return str(error.value)


def test_where_no_option_sets_the_time_none_is_named(tmp_path: Path) -> None:
    with held(OF_A_DIRECTORY.format(str(tmp_path))):
        found = told(tmp_path)
    assert found.endswith("wait for it to end (0 seconds were not enough)")


@pytest.mark.parametrize("act", ["change", "revoke"])
def test_an_own_ca_that_somebody_changes_names_who_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    own_ca.converge(tmp_path / "corp")
    authority = own_ca.authority(tmp_path / "corp")
    leaf = issue.issue(authority, own_ca.csr(own_ca.key()), own_ca.order(), own_ca.NOW)[0]
    for module in (create, revoke):
        monkeypatch.setattr(module, "LOCK_TIMEOUT", 0)
    before = own_ca.snapshot(tmp_path)
    with held(OF_A_DIRECTORY.format(str(tmp_path / "corp"))) as number, pytest.raises(LockedError) as error:
        if act == "change":
            own_ca.converge(tmp_path / "corp")
        else:
            revoke.revoke(authority, certificate.serial_number(leaf), "superseded", own_ca.NOW)
    assert "the lock on {0} (process {1} of ".format(tmp_path / "corp", number) in str(error.value)
    assert "lock_timeout" not in str(error.value)
    assert own_ca.snapshot(tmp_path) == before
