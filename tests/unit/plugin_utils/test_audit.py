# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit log loses nothing, merges nothing and holds no secret."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import json
import multiprocessing
import os
import pwd
import re
import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import certificate
from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError, InputError
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import StateDirectory, open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils import audit, who
from ansible_collections.mutual.tls.plugins.plugin_utils.audit import AuditLog, Event
from ansible_collections.mutual.tls.tests.unit import material

FORK = multiprocessing.get_context("fork")
AT = datetime(2026, 11, 21, 12, 0, 5, tzinfo=timezone.utc)
FULL: Dict[str, Any] = {
    "event": "renewed",
    "host": "web1",
    "credential": "orders",
    "issuer": "corp",
    "serial_number": "1f",
    "fingerprint_sha256": "a" * 64,
    "public_fingerprint": "b" * 64,
    "not_after": datetime(2027, 2, 19, 12, 0, 0, tzinfo=timezone.utc),
    "reasons": ("certificate_due", "subject_changed"),
    "generation": 7,
    "at": AT,
    "by": "alice",
    "run": "0123456789abcdef",
}
LINE = (
    '{"at":"2026-11-21T12:00:05Z","event":"renewed","host":"web1","credential":"orders","issuer":"corp",'
    '"serial_number":"1f","fingerprint_sha256":"' + "a" * 64 + '","public_fingerprint":"' + "b" * 64 + '",'
    '"not_after":"2027-02-19T12:00:00Z","reasons":["certificate_due","subject_changed"],"generation":7,'
    '"by":"alice","run":"0123456789abcdef"}\n'
)


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    return open_state_directory(str(tmp_path / "mtls"), create=True)


@pytest.fixture
def path(state: StateDirectory) -> Path:
    return Path(state.path) / "audit.jsonl"


def event(**changes: Any) -> Event:
    return Event(**{**FULL, **changes})


def hosts(path: Path) -> List[str]:
    return [one.host for one in audit.read(str(path))]


class TestALine:
    def test_it_holds_these_fields_and_no_others(self, state: StateDirectory, path: Path) -> None:
        AuditLog(state).record(event())
        assert path.read_text(encoding="ascii") == LINE
        assert {one.name for one in dataclasses.fields(Event)} == set(json.loads(LINE))

    def test_what_is_not_known_is_null(self, state: StateDirectory, path: Path) -> None:
        AuditLog(state).record(Event("held", "web1", "orders"))
        line = json.loads(path.read_bytes())
        assert [name for name, value in line.items() if value is None] == [
            *("issuer", "serial_number", "fingerprint_sha256", "public_fingerprint", "not_after", "generation")
        ]
        assert line["reasons"] == []
        (found,) = audit.read(str(path))
        assert found.by == who.login()
        assert found.run == who.run_id()
        assert timedelta(0) <= datetime.now(timezone.utc) - found.at < timedelta(minutes=5)

    def test_what_a_certificate_says(self, state: StateDirectory, path: Path) -> None:
        one = material.client("orders", material.authority("Corp Root")).certificate
        AuditLog(state).record(Event("issued", "web1", "orders", **audit.about(one)))
        (found,) = audit.read(str(path))
        assert found.serial_number == certificate.serial_number(one)
        assert found.fingerprint_sha256 == certificate.fingerprint(one)
        assert found.public_fingerprint == certificate.public_fingerprint(one)
        assert found.not_after == certificate.not_after(one)

    @given(host=st.text(min_size=1, max_size=200), by=st.text(min_size=1, max_size=200))
    def test_any_name_is_one_line_of_printable_ascii(self, host: str, by: str) -> None:
        line = audit._encode(event(host=host, by=by))
        assert line.endswith(b"\n")
        assert all(32 <= byte < 127 for byte in line[:-1])
        assert audit._decode(line) == event(host=host, by=by)

    @pytest.mark.parametrize("name", ["web\n1", "\x1b[2Jweb", "web\r\u2028\u0085\x00", "\udcff", 'a"b\\', "wéb\u202e"])
    def test_odd_names_come_back_as_they_were(self, state: StateDirectory, path: Path, name: str) -> None:
        AuditLog(state).record(event(host=name, by=name))
        assert path.read_bytes().count(b"\n") == 1
        assert list(audit.read(str(path))) == [event(host=name, by=name)]

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("event", "deleted"),
            ("event", None),
            ("host", ""),
            ("host", 1),
            ("host", "x" * 1025),
            ("credential", None),
            ("issuer", b"corp"),
            ("issuer", ""),
            ("serial_number", "1F"),
            ("serial_number", 31),
            ("serial_number", ""),
            ("serial_number", "1f\n"),
            ("fingerprint_sha256", "a" * 63),
            ("fingerprint_sha256", "s3cret"),
            ("public_fingerprint", "AA:BB"),
            ("not_after", "2027-02-19T12:00:00Z"),
            ("not_after", datetime(2027, 2, 19)),
            ("not_after", datetime(2027, 2, 19, tzinfo=timezone(timedelta(hours=1)))),
            ("at", None),
            ("reasons", ["certificate_due"]),
            ("reasons", "certificate_due"),
            ("reasons", ("the passphrase is s3cret",)),
            ("reasons", (1,)),
            ("reasons", ("x",) * 65),
            ("generation", 0),
            ("generation", True),
            ("generation", "7"),
            ("by", None),
            ("run", ""),
        ],
    )
    def test_a_field_of_another_shape_is_refused_unseen(self, field: str, value: Any) -> None:
        with pytest.raises(InputError, match="audit log: ") as caught:
            event(**{field: value})
        assert "s3cret" not in str(caught.value)

    def test_there_is_no_place_for_anything_else(self) -> None:
        with pytest.raises(TypeError):
            Event("held", "web1", "orders", passphrase="s3cret")  # type: ignore[call-arg]

    def test_the_longest_line_is_read(self, state: StateDirectory, path: Path) -> None:
        long = "\x00" * 1024
        longest = event(host=long, credential=long, issuer=long, by=long, run=long, reasons=("x" * 64,) * 64)
        AuditLog(state).record(longest, event())
        assert list(audit.read(str(path))) == [longest, event()]


def test_the_documentation_names_what_there_is(repository: Path) -> None:
    rows = re.findall(r"^\| (`[^|]*) \|", (repository / "docs/audit.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert named == [*audit.EVENTS, *json.loads(LINE)]


class TestAppending:
    def test_in_order_and_readable_for_its_owner_only(self, state: StateDirectory, path: Path) -> None:
        before = os.umask(0)
        try:
            AuditLog(state).record(event(host="a"))
        finally:
            os.umask(before)
        AuditLog(state).record(event(host="b"), event(host="c"))
        assert hosts(path) == ["a", "b", "c"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_narrow_umask_does_not_matter(self, state: StateDirectory, path: Path) -> None:
        before = os.umask(0o777)
        try:
            AuditLog(state).record(event())
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    @pytest.mark.parametrize("user", [0, 1000])
    def test_roots_log_belongs_to_whom_the_state_directory_does(
        self, state: StateDirectory, monkeypatch: pytest.MonkeyPatch, user: int
    ) -> None:
        given: List[Any] = []
        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.setattr(os, "fchown", lambda descriptor, *owner: given.append(owner))
        AuditLog(state).record(event())
        found = Path(state.path).stat()
        assert given == ([(found.st_uid, found.st_gid)] if user == 0 else [])

    def test_check_mode_writes_nothing(self, state: StateDirectory, tmp_path: Path) -> None:
        before = sorted(tmp_path.rglob("*"))
        AuditLog(state, check_mode=True).record(event())
        AuditLog(StateDirectory(str(tmp_path / "none"), exists=False), check_mode=True).record(event())
        AuditLog(state).record()
        assert sorted(tmp_path.rglob("*")) == before

    @pytest.mark.parametrize("rest", [b"{", LINE.encode()[:-1], LINE.encode()[:40], b"\0\0\0"])
    def test_a_line_that_was_cut_off_is_ended_first(self, state: StateDirectory, path: Path, rest: bytes) -> None:
        path.write_bytes(LINE.encode() + rest)
        AuditLog(state).record(event(host="next"), event(host="last"))
        lines = path.read_bytes().split(b"\n")
        assert lines[1] == rest
        whole = ["web1"] if rest == LINE.encode()[:-1] else []
        assert hosts(path) == ["web1", *whole, "next", "last"]

    def test_one_write_for_each_event(self, state: StateDirectory, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: List[bytes] = []
        real = os.write

        def write(descriptor: int, content: bytes) -> int:
            assert fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_APPEND
            with pytest.raises(BlockingIOError), path.open("rb") as other:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            calls.append(content)
            return real(descriptor, content)

        path.write_bytes(b"cut off")
        monkeypatch.setattr(os, "write", write)
        AuditLog(state).record(event(), event())
        assert calls == [b"\n" + LINE.encode(), LINE.encode()]

    def test_it_is_on_disk_at_the_end(self, state: StateDirectory, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        synced: List[Any] = []
        real = os.fsync

        def fsync(descriptor: int) -> None:
            found = os.fstat(descriptor)
            synced.append((found.st_ino, found.st_size if stat.S_ISREG(found.st_mode) else None))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        AuditLog(state).record(event())
        assert synced == [(Path(state.path).stat().st_ino, None), (path.stat().st_ino, len(LINE))]

    def test_moved_away_it_begins_anew(self, state: StateDirectory, path: Path) -> None:
        log = AuditLog(state)
        log.record(event(host="a"))
        path.rename(path.with_name("audit.jsonl.1"))
        log.record(event(host="b"))
        assert hosts(path.with_name("audit.jsonl.1")) == ["a"]
        assert hosts(path) == ["b"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def in_processes(count: int, work: Callable[[int], None]) -> None:
    """Run `work` in as many processes at once."""
    start = FORK.Event()

    def child(number: int) -> None:
        start.wait()
        work(number)

    workers = [FORK.Process(target=child, args=(number,)) for number in range(count)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * count


class TestManyWriters:
    def test_fifty_lose_nothing(self, state: StateDirectory, path: Path) -> None:
        def work(number: int) -> None:
            for i in range(4):
                AuditLog(state).record(event(host=f"{number}/{i}"))

        in_processes(50, work)
        assert sorted(hosts(path)) == sorted(f"{number}/{i}" for number in range(50) for i in range(4))
        assert path.read_bytes().count(b"\n") == 200
        assert [name for name in hosts(path) if name.startswith("7/")] == ["7/0", "7/1", "7/2", "7/3"]

    def test_nothing_is_lost_while_the_log_is_moved_away(self, state: StateDirectory, path: Path) -> None:
        def work(number: int) -> None:
            for i in range(20):
                if number:
                    AuditLog(state).record(event(host=f"{number}/{i}"))
                elif path.exists():
                    path.rename(path.with_name(f"moved.{i}"))

        in_processes(8, work)
        found = [host for file in path.parent.iterdir() if file.name != ".mutual-tls-state" for host in hosts(file)]
        assert sorted(found) == sorted(f"{number}/{i}" for number in range(1, 8) for i in range(20))

    def test_who_waited_for_a_log_that_was_moved_writes_to_the_new_one(
        self, state: StateDirectory, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The old one may be compressed by now."""
        AuditLog(state).record(event(host="a"))
        with path.open("rb") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)

            def sleep(seconds: float) -> None:
                path.rename(path.with_name("audit.jsonl.1"))
                fcntl.flock(holder, fcntl.LOCK_UN)

            monkeypatch.setattr(audit.time, "sleep", sleep)
            AuditLog(state).record(event(host="b"))
        assert hosts(path) == ["b"]
        assert hosts(path.with_name("audit.jsonl.1")) == ["a"]

    def test_a_lock_that_is_never_released(
        self, state: StateDirectory, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit, "_LOCK_TIMEOUT", 0.0)
        AuditLog(state).record(event())
        with path.open("rb") as holder:
            fcntl.flock(holder, fcntl.LOCK_EX)
            with pytest.raises(DiskError, match=r"audit\.jsonl: another process has held its lock .* end it"):
                AuditLog(state).record(event())
        assert hosts(path) == ["web1"]


class TestTroubleWithTheDisk:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda path: path.mkdir(), "Is a directory"),
            (lambda path: os.mkfifo(path), "is not a regular file; move away"),
            (lambda path: path.symlink_to("elsewhere"), "symbolic link"),
        ],
        ids=["directory", "fifo", "link"],
    )
    def test_something_else_in_its_place(
        self, state: StateDirectory, path: Path, make: Callable[[Path], None], message: str
    ) -> None:
        make(path)
        with pytest.raises(DiskError, match=rf"audit log .*audit\.jsonl.*{message}"):
            AuditLog(state).record(event())
        assert not (path.parent / "elsewhere").exists()

    def test_no_room(self, state: StateDirectory, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def write(descriptor: int, content: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "write", write)
        with pytest.raises(DiskError, match=r"audit\.jsonl: No space left on device; .*free space"):
            AuditLog(state).record(event())

    def test_room_for_a_part(self, state: StateDirectory, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:30]))
            with pytest.raises(DiskError, match=r"a part of the line only; free some space"):
                AuditLog(state).record(event(), event())
        AuditLog(state).record(event(host="next"))
        assert hosts(path) == ["next"]

    def test_the_state_directory_is_gone(self, state: StateDirectory) -> None:
        Path(state.path).rename(state.path + ".old")
        with pytest.raises(DiskError, match=r"state directory .*mtls is gone; mount it"):
            AuditLog(state).record(event())

    def test_an_empty_directory_in_the_state_directorys_place(self, state: StateDirectory, path: Path) -> None:
        """Where a file system was unmounted, nothing is begun below it."""
        Path(state.path).rename(state.path + ".old")
        path.parent.mkdir()
        with pytest.raises(DiskError, match=r"its marker file .* is missing"):
            AuditLog(state).record(event())
        assert list(path.parent.iterdir()) == []

    def test_no_descriptor_is_left(self, state: StateDirectory, path: Path) -> None:
        before = os.listdir("/proc/self/fd")
        AuditLog(state).record(event())
        list(audit.read(str(path)))
        path.unlink()
        os.mkfifo(path)
        for call in (lambda: AuditLog(state).record(event()), lambda: list(audit.read(str(path)))):
            with pytest.raises(DiskError):
                call()
        assert os.listdir("/proc/self/fd") == before


class TestReading:
    def test_no_log(self, tmp_path: Path) -> None:
        assert list(audit.read(str(tmp_path / "audit.jsonl"))) == []

    def test_not_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(DiskError, match="cannot read the audit log"):
            list(audit.read(str(tmp_path)))

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"null",
            b"[]",
            b"{}",
            b"\xff\xfe",
            b"[" * 20000,
            b"x" * 200000,
            b" " * 70000 + LINE.encode()[:-1],
            LINE.replace("renewed", "of_the_future").encode()[:-1],
            LINE.replace("2026", "10000").encode()[:-1],
            LINE.replace('"web1"', "1").encode()[:-1],
            LINE.replace('["certificate_due","subject_changed"]', "7").encode()[:-1],
            LINE.replace('"generation":7,', "").encode()[:-1],
        ],
        ids=len,
    )
    def test_what_is_no_event_is_passed_over(self, tmp_path: Path, line: bytes) -> None:
        path = tmp_path / "audit.jsonl"
        path.write_bytes(LINE.encode() + line + b"\n" + LINE.encode())
        assert list(audit.read(str(path))) == [event(), event()]

    def test_a_field_of_the_future_is_passed_over(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        path.write_text(LINE.replace("{", '{"more":1,'))
        assert list(audit.read(str(path))) == [event()]

    def test_the_last_line_is_not_read_before_it_is_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "audit.jsonl"
        path.write_text(LINE + LINE[:-1])
        assert list(audit.read(str(path))) == [event()]


class TestWho:
    def test_whoever_called_sudo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SUDO_USER", "alice")
        assert who.login() == "alice"

    @pytest.mark.parametrize("caller", ["", "x" * 257])
    def test_else_the_owner_of_the_process(self, monkeypatch: pytest.MonkeyPatch, caller: str) -> None:
        monkeypatch.setenv("SUDO_USER", caller)
        assert who.login() == pwd.getpwuid(os.getuid()).pw_name

    def test_a_user_without_a_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SUDO_USER", raising=False)
        monkeypatch.setattr(os, "getuid", lambda: 4294967290)
        assert who.login() == "uid 4294967290"


RUN = """
import multiprocessing, os
from ansible_collections.mutual.tls.plugins.plugin_utils import who

def work(queue):
    # As ansible-core's workers do.
    os.setsid()
    queue.put(who.run_id())

fork = multiprocessing.get_context("fork")
queue = fork.SimpleQueue()
workers = [fork.Process(target=work, args=(queue,)) for _ in range(3)]
for worker in workers:
    worker.start()
    worker.join()
print(len({queue.get() for _ in workers} | {who.run_id()}), who.run_id())
"""


def test_every_worker_of_a_run_has_its_id_and_no_other_run_does(repository: Path) -> None:
    def run() -> List[str]:
        return subprocess.run(
            [sys.executable, "-c", RUN], capture_output=True, text=True, check=True, cwd=repository
        ).stdout.split()

    (count, one), (_count, other) = run(), run()
    assert count == "1"
    assert one != other
    assert len(one) == 16
    assert set(one + other) <= set("0123456789abcdef")


def test_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller may be a Mac."""
    monkeypatch.setattr(who, "_content", lambda path: "")
    monkeypatch.setattr(who, "_link", lambda path: "")
    who.run_id.cache_clear()
    try:
        assert len(who.run_id()) == 16
    finally:
        who.run_id.cache_clear()
