# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reloads: real commands, what they inherit, how they end, and what is told of it."""

from __future__ import annotations

import fcntl
import os
import pwd
import signal
import time
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.converge import reloading
from ansible_collections.mutual.tls.plugins.module_utils.converge.reloading import run
from ansible_collections.mutual.tls.plugins.module_utils.handshake.text import MASK

PATIENCE = 60.0
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)


def shell(script: str, *arguments: object) -> Tuple[str, ...]:
    return ("sh", "-c", script, "sh", *(str(argument) for argument in arguments))


def failing(command: Tuple[str, ...], secrets: Tuple[str, ...] = (), timeout: float = PATIENCE) -> str:
    problem = run((command,), timeout, secrets)
    assert problem is not None
    return problem


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def is_alive(pid: int) -> bool:
    """A zombie is not: nobody may have waited for it yet."""
    try:
        return Path("/proc/{}/stat".format(pid)).read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + PATIENCE
    while is_alive(pid):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def daemons() -> Iterator[List[int]]:
    """Processes of the test's, ended with it."""
    started: List[int] = []
    yield started
    for pid in started:
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def as_in_a_run() -> Iterator[None]:
    """Signals ignored and blocked as in the process that deploys certificates, and worse."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (*IGNORED, signal.SIGUSR1)}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, handler in before.items():
        signal.signal(number, handler)


# How commands end


def test_commands_run_in_order_without_a_shell(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = 'printf "%s\\n" "$2" >> "$1"'
    words = ["first", "$HOME; *", "third with 'quotes'"]
    assert run(tuple(shell(script, log, word) for word in words), PATIENCE) is None
    assert log.read_text().splitlines() == words


def test_nothing_to_run_is_no_failure() -> None:
    assert run((), PATIENCE) is None


def test_the_first_failure_stops_the_rest(tmp_path: Path) -> None:
    commands = (("true",), ("false",), ("touch", str(tmp_path / "touched")))
    assert run(commands, PATIENCE) == "the command false ended with exit status 1"
    assert not (tmp_path / "touched").exists()


ENDS: Dict[str, Tuple[str, str]] = {
    "status": ("exit 7", "ended with exit status 7"),
    "stderr": ("echo out; echo one >&2; echo two >&2; echo '  ' >&2; exit 1", "ended with exit status 1: two"),
    "stdout": ("echo one; echo two; exit 1", "ended with exit status 1: two"),
    "no newline": ("printf last >&2; exit 1", "ended with exit status 1: last"),
    "not printable": (r"printf 'a\033[1m\000\377b\302\205c d' >&2; exit 1", "c d"),
    "signal": ("kill -s SEGV $$", "was killed by signal SIGSEGV"),
    "signal without a name": ("kill -s 40 $$", "was killed by signal 40"),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_it_ended_and_what_it_said(name: str) -> None:
    script, expected = ENDS[name]
    assert failing(shell(script)).endswith(expected)


def test_what_is_told_is_printable_and_short() -> None:
    problem = failing(shell("printf 'a\\033[1m\\377b%0300d\\n' 1 >&2; exit 1", "x" * 300))
    command, _how, said = problem.partition(" ended with exit status 1: ")
    assert problem.isprintable()
    assert said.startswith("a\ufffd[1m\ufffdb000")
    assert len(said) == 200 and said.endswith("…")
    assert len(command) == len("the command ") + 200 and command.endswith("…")


def test_a_command_is_shown_as_a_shell_would_take_it() -> None:
    assert failing(("sh", "-c", "exit 1", "a b", "it's", "")) == (
        "the command sh -c 'exit 1' 'a b' 'it'\"'\"'s' '' ended with exit status 1"
    )


def executable(path: Path, content: str) -> str:
    path.write_text(content)
    path.chmod(0o755)
    return str(path)


def test_what_cannot_be_started_is_told_apart(tmp_path: Path) -> None:
    for command, problem in (
        ("no-such-program-anywhere", "was not found"),
        (str(tmp_path / "missing"), "was not found"),
        (executable(tmp_path / "script", "#!/no/such/interpreter\n"), "names, in its first line, an interpreter"),
        (str(tmp_path), "is not executable"),
        (executable(tmp_path / "garbage", "\x01\x02 no program"), "is not executable (Exec format error)"),
        ("a\0b", "cannot be started"),
        ("\ud800", "cannot be started"),
        ("", "is empty: it names no program"),
    ):
        assert problem in failing((command,))
    (tmp_path / "script").chmod(0o644)
    assert "is not executable (Permission denied)" in failing((str(tmp_path / "script"),))
    assert failing(()) == "the command '' is empty: it names no program"


def test_an_end_that_nobody_is_told_of_is_no_success() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert "how is not known" in failing(("true",))
    finally:
        signal.signal(signal.SIGCHLD, before)


# Time


def test_the_whole_group_is_ended_at_the_limit(tmp_path: Path, daemons: List[int]) -> None:
    script = """
        trap 'echo asked >> "$1/log"; exit 0' TERM
        (trap '' TERM; echo ready > "$1/ready"; while :; do sleep 1; done) &
        echo $$ $! > "$1/pids"
        wait
    """
    os.mkfifo(tmp_path / "ready")
    # Open for both, so that nobody waits for anybody.
    with open(tmp_path / "ready", "r+b", buffering=0):
        problem = failing(shell(script, tmp_path), timeout=3.0)
    assert problem.endswith("took longer than 3 s")
    assert (tmp_path / "log").read_text() == "asked\n"
    daemons += map(int, (tmp_path / "pids").read_text().split())
    for pid in daemons:
        wait_until_gone(pid)


def test_the_limit_is_for_all_commands_together() -> None:
    begin = time.monotonic()
    problem = run((("sleep", "1"), ("sleep", "1"), ("sleep", "300")), 3.0)
    assert problem is not None and ("took longer than 3 s" in problem or "not started: the 3 s" in problem)
    assert time.monotonic() - begin < PATIENCE


def test_without_any_time_nothing_is_started(tmp_path: Path) -> None:
    assert "was not started" in failing(("touch", str(tmp_path / "touched")), timeout=0.0)
    assert not (tmp_path / "touched").exists()


def test_endless_output_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloading, "_LARGEST", 1 << 20)
    assert "wrote more than 1 MiB" in failing(("cat", "/dev/zero"))


def test_a_daemon_that_keeps_the_output_is_not_waited_for(tmp_path: Path, daemons: List[int]) -> None:
    go, done = pipe(tmp_path / "go"), pipe(tmp_path / "done")
    script = """
        (read line < "$1"; head -c 300000 /dev/zero; echo $? > "$2") &
        echo $! > "$3"
        echo something; echo something >&2
    """
    assert run((shell(script, go, done, tmp_path / "pid"),), PATIENCE) is None
    daemon = int((tmp_path / "pid").read_text())
    daemons.append(daemon)
    assert is_alive(daemon)
    output = Path("/proc/{}/fd/1".format(daemon))
    assert "memfd" in os.readlink(output)
    go.write_text("go\n")
    # What nobody will ever read fills no memory.
    assert done.read_text() == "1\n"
    if output.exists():
        assert output.stat().st_size == 0


def test_where_there_are_no_files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert failing(shell("echo said >&2; exit 3")).endswith("ended with exit status 3")
    assert run((("true",),), PATIENCE) is None


# What they inherit


def test_signals_are_as_the_system_has_them(tmp_path: Path, as_in_a_run: None) -> None:
    copied = tmp_path / "status"
    assert run((("cp", "/proc/self/status", str(copied)),), PATIENCE) is None
    lines = dict(line.split(":\t", 1) for line in copied.read_text().splitlines() if line.startswith("Sig"))
    # Without those that the C library keeps to itself: nobody can set them.
    known = sum(1 << number - 1 for number in signal.valid_signals())
    names = ("SigIgn", "SigBlk", "SigCgt")
    assert {name: int(lines[name], 16) & known for name in names} == dict.fromkeys(names, 0)
    assert all(signal.getsignal(number) == signal.SIG_IGN for number in IGNORED)


def test_a_command_ends_by_the_signals_that_we_ignore(as_in_a_run: None) -> None:
    for number in IGNORED:
        assert failing(shell("kill -s {} $$".format(number.name[3:]))).endswith(number.name)


def test_no_descriptor_is_inherited(tmp_path: Path, daemons: List[int]) -> None:
    """A daemon that a reload starts does not hold the lock of the run, not even through an inheritable descriptor."""
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)
    script = """
        ls -l /proc/self/fd > "$1/listed"
        setsid sleep 300 &
        echo $! > "$1/pid"
    """
    try:
        assert run((shell(script, tmp_path),), PATIENCE) is None
    finally:
        os.close(lock)
    daemons.append(int((tmp_path / "pid").read_text()))
    assert is_alive(daemons[0])
    again = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(again)
    lines = [line for line in (tmp_path / "listed").read_text().splitlines() if " -> " in line]
    opened = {line.partition(" -> ")[0].split()[-1]: line.partition(" -> ")[2] for line in lines}
    # The third is what ls reads the list through.
    assert set(opened) == {"0", "1", "2", "3"}
    assert opened["0"] == "/dev/null"


def test_place_session_and_umask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)
    try:
        script = 'cat /proc/$$/stat > "$1/stat"; pwd > "$1/pwd"; umask > "$1/umask"'
        assert run((shell(script, tmp_path),), PATIENCE) is None
    finally:
        os.umask(before)
    fields = (tmp_path / "stat").read_text().split()
    pid, group, session = fields[0], fields[4], fields[5]
    assert pid == group == session
    assert (tmp_path / "pwd").read_text() == "/\n"
    assert (tmp_path / "umask").read_text() == "0022\n"


def environment_of_a_command(tmp_path: Path) -> Dict[str, str]:
    target = tmp_path / "environ"
    cp = next(path for path in ("/bin/cp", "/usr/bin/cp") if os.access(path, os.X_OK))
    assert run(((cp, "/proc/self/environ", str(target)),), PATIENCE) is None
    return dict(item.split("=", 1) for item in target.read_text().split("\0") if item)


def test_the_environment_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD", "a secret")
    monkeypatch.setenv("HOME", "/of/somebody/else")
    home = pwd.getpwuid(os.geteuid()).pw_dir
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert environment_of_a_command(tmp_path) == {"PATH": path, "LANG": "C.UTF-8", "HOME": home}
    given = {"PATH": "/bin:/usr/bin", "LANG": "de_DE.UTF-8", "XDG_RUNTIME_DIR": "/run/user/0"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert environment_of_a_command(tmp_path) == {**given, "HOME": home}


# Secrets

SECRET = "Zq7#Xw9'Kv5 Jy3\\Qg"
OVERLAPPING = ("abcDEFGH", "EFGHijkl")
SAID: Dict[str, Tuple[Tuple[str, ...], str, Optional[str]]] = {
    "as it is": ((SECRET,), "no {0} here", "no {mask} here"),
    "json": (('say "Zq7Xw9"',), 'no {{"x": "say \\"Zq7Xw9\\""}}', 'no {{"x": "{mask}"}}'),
    "url": (("Zq7 Xw9/é",), "GET /?p=Zq7%20Xw9/%C3%A9", "GET /?p={mask}"),
    "inside another": (("Zq7#", SECRET), "no {1} and {0}", "no {mask} and {mask}"),
    "overlapping": (OVERLAPPING, "-abcDEFGHijkl-", "-{mask}-"),
    "one letter": (("e",), "user e: the end", "user {mask}: the end"),
    "one of several lines": (("first line\nsecond line",), "no second line", "no {mask}"),
}


@pytest.mark.parametrize("name", SAID)
def test_what_a_command_says_is_free_of_secrets(name: str, tmp_path: Path) -> None:
    secrets, form, expected = SAID[name]
    (tmp_path / "said").write_text(form.format(*secrets) + "\n", encoding="utf-8")
    problem = failing(shell('cat "$1" >&2; exit 1', tmp_path / "said"), secrets)
    assert problem.partition("exit status 1: ")[2] == str(expected).format(mask=MASK)


def test_a_secret_of_several_lines_is_masked_as_a_whole() -> None:
    problem = failing(shell('printf "%s" "$1" >&2; exit 1', "abcd\nef"), ("abcd\nef",))
    assert problem.partition("exit status 1: ")[2] == MASK
    assert "abcd" not in problem


def parts(secret: str) -> List[str]:
    return [secret[start : start + 4] for start in range(len(secret) - 3)]


@pytest.mark.parametrize("before", range(170, 210, 3))
def test_no_part_of_a_secret_is_left_where_text_is_cut(before: int) -> None:
    problem = failing(shell('printf "%s" "$1" >&2; exit 1', "." * before + SECRET + "." * 300), (SECRET,))
    assert [part for part in parts(SECRET) if part in problem.replace("\\\\", "\\")] == []


@pytest.mark.parametrize("words", [(SECRET,), ("--password=" + SECRET,), ("x" * 150, SECRET * 3)])
def test_a_command_is_shown_without_secrets(words: Tuple[str, ...]) -> None:
    problem = failing(("false", *words), (SECRET,))
    assert MASK in problem
    assert [part for part in ("Zq7", "Xw9", "Kv5", "Jy3", "Qg") if part in problem] == []


@pytest.mark.parametrize("before", [1, 180])
def test_a_secret_of_two_words_is_masked_before_the_command_is_cut(before: int) -> None:
    problem = failing(("false", "x" * before, "alpha-beta-gamma", "delta"), ("alpha-beta-gamma delta",))
    assert MASK in problem and "alpha" not in problem


@pytest.mark.parametrize("cut", [1, 5, len(SECRET) - 1])
@pytest.mark.parametrize("after", ["", "\n"])
def test_no_part_of_a_secret_is_left_where_reading_begins(tmp_path: Path, cut: int, after: str) -> None:
    """Only the end of what was said is read: it may begin in the middle of a secret."""
    said = tmp_path / "said"
    said.write_text("x" * 100 + SECRET + after + " " * (reloading._READ - cut - len(after)))
    problem = failing(shell('cat "$1" >&2; exit 1', said), (SECRET,))
    assert problem.endswith("exit status 1")


def test_the_end_of_much_output_is_found() -> None:
    problem = failing(shell("seq 1 50000 >&2; echo the last >&2; exit 1"))
    assert problem.endswith(": the last")
