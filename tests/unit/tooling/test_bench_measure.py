# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/bench/measure.py: everything that a command starts is counted and ended, and hosts are told apart."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.mutual.tls.tests.bench.measure import (
    HOST_MARK,
    MeasureError,
    Measurement,
    descendants,
    measure,
)

SPENDS = "import time; begin = time.process_time()\nwhile time.process_time() < begin + 0.4: pass\n"
FILLS = "import os, signal, sys; content = bytearray(96 << 20)"
# Whoever opens a FIFO waits for the other side: that is how a script knows that its processes are ready.
TELLS = "open(sys.argv[1], 'w').close(); signal.pause()"
LONG_ENOUGH_TO_SEE = "sleep 1"


def measured(tmp_path: Path, script: str, memory: bool = False, **more: str) -> Measurement:
    """A shell script's measurement; $PYTHON runs Python in it."""
    return measure(
        ["/bin/sh", "-c", script],
        directory=tmp_path,
        environment={"PATH": os.environ.get("PATH", os.defpath), "PYTHON": sys.executable, **more},
        log=tmp_path / "log",
        memory=memory,
    )


def python(program: str) -> str:
    return f'"$PYTHON" -c {shlex.quote(program)}'


def test_status_output_and_directory_are_the_commands(tmp_path: Path) -> None:
    result = measured(tmp_path, "pwd; echo wrong >&2; exit 7")
    assert result.status == 7
    assert (tmp_path / "log").read_text() == f"{tmp_path}\nwrong\n"
    assert result.peak_mib is None


def test_time_is_the_commands_until_its_end(tmp_path: Path) -> None:
    assert 0.3 <= measured(tmp_path, "sleep 0.3").seconds < 5


@pytest.mark.parametrize("script", ["{0}", "{0} & wait", "({0} & wait) & wait"])
def test_cpu_time_of_all_processes_counts(tmp_path: Path, script: str) -> None:
    assert measured(tmp_path, script.format(python(SPENDS))).cpu_seconds >= 0.4


def test_a_process_left_behind_is_counted_and_ended(tmp_path: Path) -> None:
    """As ssh's connection masters are: in a session of their own, with nobody waiting for them."""
    program = f"import os, signal, sys; os.setsid()\n{SPENDS}print(os.getpid(), file=open('ready', 'w'), flush=True)\n"
    result = measured(tmp_path, f"mkfifo ready; ({python(program + 'signal.pause()')} &); cat ready >pid")
    assert result.cpu_seconds >= 0.4
    assert result.seconds < 30
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_a_process_that_ignores_termination_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.getpid(), file=open('ready', 'w'), flush=True)\n"
        "while True: signal.pause()"
    )
    measured(tmp_path, f"mkfifo ready; ({python(program)} &); cat ready >pid")
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_memory_is_that_of_all_processes_together(tmp_path: Path) -> None:
    fills = python(f"{FILLS}; {TELLS}")
    one = measured(tmp_path, f"mkfifo a; {fills} a & cat a; {LONG_ENOUGH_TO_SEE}", memory=True).peak_mib
    both = f"mkfifo b c; {fills} b & {fills} c & cat b c; {LONG_ENOUGH_TO_SEE}"
    two = measured(tmp_path, both, memory=True).peak_mib
    assert one is not None
    assert two is not None
    assert 96 <= one < 150
    assert 192 <= two < 300


def test_memory_that_processes_share_counts_once(tmp_path: Path) -> None:
    program = f"{FILLS}\nif not os.fork(): signal.pause()\n{TELLS}"
    script = f"mkfifo a; {python(program)} a & cat a; {LONG_ENOUGH_TO_SEE}"
    peak = measured(tmp_path, script, memory=True).peak_mib
    assert peak is not None
    assert 96 <= peak < 150


def test_memory_of_simulated_hosts_does_not_count(tmp_path: Path) -> None:
    script = f"mkfifo a; {HOST_MARK}=1 {python(f'{FILLS}; {TELLS}')} a & cat a; {LONG_ENOUGH_TO_SEE}"
    peak = measured(tmp_path, script, memory=True).peak_mib
    assert peak is not None
    assert peak < 90


def test_descendants_are_found_at_any_depth() -> None:
    with subprocess.Popen(["/bin/sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        grandchild = int(process.stdout.readline())
        assert {process.pid, grandchild} <= descendants(os.getpid())
        assert descendants(process.pid) == {grandchild}
        os.kill(grandchild, 9)


def test_a_command_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="no-such-program"):
        measure(["no-such-program"], directory=tmp_path, environment={}, log=tmp_path / "log")


def test_the_command_ends_with_who_measures_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    program = (
        "from pathlib import Path; from ansible_collections.mutual.tls.tests.bench.measure import measure\n"
        "script = 'echo $$ >ready; sleep 60'\n"
        "measure(['/bin/sh', '-c', script], directory=Path('.'), environment={}, log=Path('log'))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as process:
        handle = os.pidfd_open(int((tmp_path / "ready").read_text()))
        process.kill()
    ended, _writable, _exceptional = select.select([handle], [], [], 30)
    os.close(handle)
    assert ended


@pytest.mark.parametrize("group", [False, True], ids=["the benchmark alone", "everyone, as a terminal does"])
def test_nothing_of_the_command_is_left_after_an_interruption(tmp_path: Path, group: bool) -> None:
    os.mkfifo(tmp_path / "ready")
    program = (
        # Whoever starts the tests in the background has interruptions ignored, and that is inherited.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path; from ansible_collections.mutual.tls.tests.bench.measure import measure\n"
        "script = 'setsid sleep 60 & echo $$ $! >ready; trap : INT; sleep 60 & wait; wait'\n"
        "measure(['/bin/sh', '-c', script], directory=Path('.'), environment={}, log=Path('log'))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        left = [os.pidfd_open(int(pid)) for pid in (tmp_path / "ready").read_text().split()]
        (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    ended, _writable, _exceptional = select.select(left, [], [], 0)
    for handle in left:
        os.close(handle)
    assert sorted(ended) == sorted(left)
    # One traceback is the interrupted program's own.
    assert said.count("Traceback") == said.count("KeyboardInterrupt") == 1
