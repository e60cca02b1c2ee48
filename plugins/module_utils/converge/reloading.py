# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reloading what uses a credential: the inventory's own commands, run without a shell.

A command may start a daemon that outlives it. What it inherits is therefore that of a fresh service and no more: no
descriptor of ours (the lock on the root directory would stay with it), every signal as the system has it by default
(we ignore some), a session of its own, the directory `/`, umask 022, and these variables only, because others may hold
secrets: PATH (the system's usual one where there is none), LANG (C.UTF-8 where there is none), HOME (the user's own,
from the host's user database) and, where there is one, XDG_RUNTIME_DIR, without which `systemctl --user` finds nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import Dict, Iterator, Optional, Sequence, Tuple

from ..handshake.text import one_line, without_secrets
from .children import wait

Command = Tuple[str, ...]
Reload = Tuple[Command, ...]
"""Commands, each a program and its arguments, to be run one after the other."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GRACE = 2.0
"""Seconds between asking a command to end and making it."""
_SHOWN = 200
_READ = 64 * 1024
_LARGEST = 16 * 1024 * 1024
_LOOK = 0.2
"""Seconds between two looks at how much a command has written: it is kept in memory."""


def run(reload: Reload, timeout: float, secrets: Sequence[str] = ()) -> Optional[str]:
    """Run the commands in order, and stop at the first that fails; None when every one ended with status 0.

    `timeout`, in seconds, is for all of them together; what is left of a command's process group then is ended. The
    text otherwise says which command failed, how, and what it said last. It holds none of `secrets`, whatever the
    command made of them by JSON's or a URL's rules; one of fewer than four letters is masked where it stands alone.
    """
    end = time.monotonic() + timeout
    # A command that has several lines in confidence may say one of them.
    hidden = list(dict.fromkeys([*secrets, *(line for secret in secrets for line in secret.splitlines())]))
    for command in reload:
        problem = _run_one(command, end, timeout, hidden)
        if problem is not None:
            # An argument is masked before it is quoted, which takes some of them apart.
            shown = " ".join(shlex.quote(without_secrets(word, hidden)) for word in command)
            return "the command {0} {1}".format(_brief(shown, hidden) or "''", problem)
    return None


def _brief(text: str, hidden: Sequence[str]) -> str:
    """Masked before it is cut, so that no part of a secret is left at the end."""
    return one_line(without_secrets(text, hidden), _SHOWN - 1)


def _run_one(command: Command, end: float, timeout: float, hidden: Sequence[str]) -> Optional[str]:
    """None, or how the command failed and what it said last."""
    if time.monotonic() >= end:
        return "was not started: the {0:g} s that the commands have together were over".format(timeout)
    with ExitStack() as stack:
        outputs = [stack.enter_context(_output()) for _stream in ("stdout", "stderr")]
        try:
            process = _start(command, *outputs)
        except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
            return _not_started(command, error)
        problem = _problem(process, end, timeout, outputs)
        if problem is None:
            return None
        said = _last_line(outputs[1], hidden) or _last_line(outputs[0], hidden)
        return "{0}: {1}".format(problem, said) if said else problem


def _start(command: Command, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # Not as this process's locale would have it.
        [word.encode("utf-8", "surrogateescape") for word in command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        close_fds=True,
        cwd="/",
        env=_environment(),
        umask=0o022,
        start_new_session=True,
        preexec_fn=_as_by_default,
    )


def _as_by_default() -> None:
    """Python itself gives a child back only those signals that it ignores of its own accord."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _environment() -> Dict[str, str]:
    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        home = os.environ.get("HOME", "/")
    found = {
        "PATH": os.environ.get("PATH") or _PATH,
        "LANG": os.environ.get("LANG") or "C.UTF-8",
        "HOME": home,
    }
    if os.environ.get("XDG_RUNTIME_DIR"):
        found["XDG_RUNTIME_DIR"] = os.environ["XDG_RUNTIME_DIR"]
    return found


def _not_started(command: Command, error: Exception) -> str:
    if not command or not command[0]:
        return "is empty: it names no program"
    if isinstance(error, FileNotFoundError):
        # A path with a slash is not searched for; a relative one begins at the command's directory.
        place = os.path.join("/", command[0]) if "/" in command[0] else command[0]
        there = shutil.which(place, path=_environment()["PATH"]) is not None
        return "names, in its first line, an interpreter that was not found" if there else "was not found"
    reason = getattr(error, "strerror", None) or str(error)
    if isinstance(error, PermissionError) or getattr(error, "errno", None) == errno.ENOEXEC:
        return "is not executable ({0})".format(reason)
    return "cannot be started ({0})".format(reason)


def _problem(process: subprocess.Popen[bytes], end: float, timeout: float, outputs: Sequence[int]) -> Optional[str]:
    """Wait for the command, and end it where it takes too long or writes too much; None when it ended well."""
    while True:
        ending = wait(process.pid, min(end, time.monotonic() + _LOOK))
        if ending is not None:
            process.wait()
            return None if ending.is_success else ending.how
        if time.monotonic() >= end:
            return "took longer than {0:g} s{1}".format(timeout, _stopped(process))
        if any(os.fstat(output).st_size > _LARGEST for output in outputs):
            return "wrote more than {0} MiB{1}".format(_LARGEST >> 20, _stopped(process))


def _stopped(process: subprocess.Popen[bytes]) -> str:
    """End the command and all of its process group; say so where that cannot be done."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + _GRACE
        try:
            os.killpg(process.pid, number)
        except PermissionError:
            # It became another user, as sudo does.
            return " and cannot be ended from here: it still runs"
        ending = wait(process.pid, until)
        if number == signal.SIGTERM:
            # The others of its group have as long as it has.
            time.sleep(max(0.0, until - time.monotonic()))
    if ending is None:
        return " and does not end: it hangs in the kernel"
    process.wait()
    return ""


@contextmanager
def _output() -> Iterator[int]:
    """A file in memory for what a command writes; where that cannot be, nothing of it is kept.

    Nobody waits at its end, so that a daemon may keep it open. Afterwards it cannot grow: such a daemon's writes fail
    then, and fill no memory.
    """
    try:
        descriptor = os.memfd_create("output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except (AttributeError, OSError):
        with open(os.devnull, "r+b", buffering=0) as nothing:
            yield nothing.fileno()
        return
    try:
        yield descriptor
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _last_line(output: int, hidden: Sequence[str]) -> str:
    """The last line that is not empty, of the end of what a command wrote."""
    begin = max(0, os.fstat(output).st_size - _READ)
    data = os.pread(output, _READ, begin)
    if begin:
        # The rest of a line may begin in the middle of a secret.
        data = data.partition(b"\n")[2]
    lines = without_secrets(data.decode("utf-8", "replace"), hidden).splitlines()
    shown = (one_line(line.strip(), _SHOWN - 1) for line in reversed(lines))
    return next((line for line in shown if line), "")
