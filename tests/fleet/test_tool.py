# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/fleet: its hosts are hosts, can be disturbed, and leave nothing behind, however they end."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, List, Optional, Sequence, Set, Tuple

import pytest

from ansible_collections.mutual.tls.tests.fleet import fleet as fleets
from ansible_collections.mutual.tls.tests.fleet.errors import FleetError
from ansible_collections.mutual.tls.tests.fleet.fleet import Fleet
from ansible_collections.mutual.tls.tests.fleet.host import Host
from ansible_collections.mutual.tls.tests.fleet.keeper_client import take_down
from ansible_collections.mutual.tls.tests.fleet.places import Places
from ansible_collections.mutual.tls.tests.fleet.roots import DEBIAN
from ansible_collections.mutual.tls.tests.fleet.specification import HostSpec

MODULE = "ansible_collections.mutual.tls.tests.fleet"
CRYPTOGRAPHY = {"bullseye": "3.9 3.3.2", "bookworm": "3.11 38.0.4", "trixie": "3.13 43.0.0"}
VERSIONS = "import sys, cryptography as c; print('{0}.{1}'.format(*sys.version_info), c.__version__)"
_MOMENT = 0.5
_SECONDS = 30


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fleet's name that no other test has; what a failed test leaves of the fleet is removed."""
    own = f"test-{os.getpid()}-{abs(hash(request.node.name)) % 10**6}"
    yield own
    take_down(Places(own))


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host to disturb; each test leaves it as it was."""
    with Fleet.up(f"test-{os.getpid()}-disturbed", [HostSpec()]) as fleet:
        yield fleet.hosts[0]


def log_in(host: Host, command: str, user: str = "root") -> subprocess.CompletedProcess[str]:
    """Run a shell command over ssh, without a connection that is kept."""
    *options, _login = host.ssh_command()
    return subprocess.run(
        [*options, "-o", "ConnectTimeout=5", f"{user}@{host.address}", command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def seconds_to_connect(host: Host, patience: float = _MOMENT) -> float:
    """How long it takes until sshd's port has answered; TimeoutError where it does not within so many seconds."""
    begin = time.monotonic()
    socket.create_connection((host.address, 22), timeout=patience).close()
    return time.monotonic() - begin


@dataclass(frozen=True)
class Traces:
    """By what one would notice that something of a fleet is left."""

    places: Places
    link: int
    processes: Set[Tuple[str, str]]

    @classmethod
    def of(cls, fleet: Fleet) -> Traces:
        """What there is of a fleet now."""
        namespaces = {_namespace(str(host.pid)) for host in fleet.hosts}
        assert None not in namespaces and len(namespaces) == len(fleet.hosts)
        inside = {process for process in _processes() if _namespace(process[0]) in namespaces}
        network = fleet.hosts[0].address.split(".")[2]
        return cls(fleet.places, socket.if_nametoindex(f"mtls{network}"), inside)

    def left(self) -> List[str]:
        """What there still is: files, the link, processes that were in a host or name the fleet, mounts."""
        found = [str(path) for path in (self.places.directory,) if path.exists()]
        found += [name for index, name in socket.if_nameindex() if index == self.link]
        for pid, begin in _processes():
            arguments = _read(f"/proc/{pid}/cmdline")
            if (pid, begin) in self.processes or self.places.name in arguments + _read(f"/proc/{pid}/mountinfo"):
                found.append(f"{pid}: {arguments}")
        return found


def _processes() -> Set[Tuple[str, str]]:
    """All processes of this machine that have not ended, each with the time of its begin: ids are used again."""
    fields = {
        pid: _read(f"/proc/{pid}/stat").rpartition(")")[2].split() for pid in filter(str.isdigit, os.listdir("/proc"))
    }
    return {(pid, values[19]) for pid, values in fields.items() if values and values[0] != "Z"}


def _namespace(pid: str) -> Optional[str]:
    """The host that a process is in; None where that cannot be told."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def _read(path: str) -> str:
    """A file below /proc; nothing where the process has ended, or is none that even root may look into."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def keep_a_connection(host: Host) -> None:
    """Leave a process in the host, and a connection of ssh that lives on in the background, as Ansible does."""
    *options, login = host.ssh_command()
    kept = ["-o", "ControlMaster=auto", "-o", "ControlPersist=300", "-o", f"ControlPath={host.places.control}/%C"]
    # The connection's process holds on to what it was given for output.
    subprocess.run(
        [*options, *kept, login, "setsid sleep 300 >/dev/null 2>&1 &"], check=True, stderr=subprocess.DEVNULL
    )
    assert list(host.places.control.iterdir()), "ssh keeps no connection"


def processes_of(fleet: Fleet) -> Tuple[int, List[int]]:
    """The keeper, and the hosts' first processes."""
    hosts = [host.pid for host in fleet.hosts]
    waiting = Path(f"/proc/{hosts[0]}/status").read_text(encoding="utf-8").split("PPid:")[1].split()[0]
    keeper = Path(f"/proc/{waiting}/status").read_text(encoding="utf-8").split("PPid:")[1].split()[0]
    assert fleet.name in Path(f"/proc/{keeper}/cmdline").read_text(encoding="utf-8")
    return int(keeper), hosts


def wait_for_end(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        ended = select.select([process], [], [], _SECONDS)[0]
        os.close(process)
        assert ended, f"process {pid} does not end"


def test_nothing_is_left_after_down(name: str) -> None:
    with Fleet.up(name, [HostSpec(), HostSpec()]) as fleet:
        for host in fleet.hosts:
            keep_a_connection(host)
        fleet.hosts[1].latency(5)
        running = subprocess.Popen(["nsenter", "--target", str(fleet.hosts[0].pid), "--all", "sleep", "300"])
        traces = Traces.of(fleet)
        assert len(traces.processes) >= 2 * 3 and len(traces.left()) >= 2 + 2 * 5, traces.left()
    running.wait(_SECONDS)
    assert traces.left() == []


OWNER = """
import os, sys
from ansible_collections.mutual.tls.tests.fleet.fleet import Fleet
from ansible_collections.mutual.tls.tests.fleet.specification import HostSpec
fleet = Fleet.up(sys.argv[1], [HostSpec()])
print("up", flush=True)
sys.stdin.read()
"""


def start_owner(script: str, name: str, repository: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, name], cwd=repository, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_a_fleet_ends_with_its_owner(name: str, repository: Path) -> None:
    with start_owner(OWNER, name, repository) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "up\n"
        fleet = Fleet.attach(name)
        keep_a_connection(fleet.hosts[0])
        traces = Traces.of(fleet)
        keeper, hosts = processes_of(fleet)
        owner.kill()
    wait_for_end([keeper, *hosts])
    assert traces.left() == []
    with Fleet.up(name, [HostSpec()]) as again:
        assert log_in(again.hosts[0], "hostname").stdout == "machine-1\n"


KILLED_WHILE_COMING_UP = """
import os, signal, sys
from ansible_collections.mutual.tls.tests.fleet import fleet
from ansible_collections.mutual.tls.tests.fleet.specification import HostSpec
def killed(places, request):
    asked(places, request)
    print(fleet.Fleet(places, []).places.directory.exists(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asked, fleet.ask = fleet.ask, killed
fleet.Fleet.up(sys.argv[1], [HostSpec()], owned=False)
"""


def test_a_fleet_that_is_to_stay_ends_when_it_cannot_come_up_completely(name: str, repository: Path) -> None:
    with start_owner(KILLED_WHILE_COMING_UP, name, repository) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == "True\n"
    with Fleet.up(name, [HostSpec()]) as fleet:
        assert log_in(fleet.hosts[0], "hostname").stdout == "machine-1\n"


KILLED_BEFORE_THE_KEEPER_LISTENS = """
import os, signal, subprocess, sys
from ansible_collections.mutual.tls.tests.fleet.fleet import Fleet
from ansible_collections.mutual.tls.tests.fleet.specification import HostSpec
class Killed(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__(command, **options)
        if sys.argv[1] in command:
            print(self.pid, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
subprocess.Popen = Killed
Fleet.up(sys.argv[1], [HostSpec()])
"""


def test_a_keeper_that_begins_without_an_owner_leaves_no_files(name: str, repository: Path) -> None:
    with start_owner(KILLED_BEFORE_THE_KEEPER_LISTENS, name, repository) as owner:
        assert owner.stdout is not None
        keeper = int(owner.stdout.readline())
    wait_for_end([keeper])
    assert not Places(name).directory.exists()


def test_who_connects_and_says_nothing_holds_nobody_up(name: str) -> None:
    with Fleet.up(name, [HostSpec()]) as fleet, socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(fleet.places.socket))
        assert fleet.hosts[0].pid
        begin = time.monotonic()
        fleet.down()
        assert time.monotonic() - begin < _SECONDS
    assert not fleet.places.directory.exists()


def test_up_that_is_interrupted_says_so_and_leaves_nothing(name: str, repository: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        # Whoever starts the tests in the background has interruptions ignored, and that is inherited.
        hearing = (
            "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
        )
        tool = [sys.executable, "-m", MODULE, "up", "--name", name, "--host", "machine=12"]
        command = [sys.executable, "-c", hearing, *tool]
        with subprocess.Popen(command, cwd=repository, text=True, stderr=subprocess.PIPE) as up:
            wait_for_file(Places(name).known_hosts, up)
            up.send_signal(number)
            assert up.stderr is not None and up.stderr.read() == "Interrupted.\n"
        assert up.returncode == 130
        assert not Places(name).directory.exists()


def wait_for_file(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.001)


def test_up_removes_what_a_killed_fleet_has_left(name: str) -> None:
    fleet = Fleet.up(name, [HostSpec()])
    keep_a_connection(fleet.hosts[0])
    traces = Traces.of(fleet)
    keeper, hosts = processes_of(fleet)
    # So that ssh does not learn that the host is gone, and waits.
    fleet.hosts[0].cut()
    os.kill(keeper, signal.SIGKILL)
    wait_for_end([keeper, *hosts])
    assert fleet.places.directory.exists() and any("ssh" in line for line in traces.left())
    with pytest.raises(FleetError, match="no running fleet"):
        Fleet.attach(name)
    with Fleet.up(name, [HostSpec(name="other")]) as again:
        assert log_in(again.hosts[0], "hostname").stdout == "other\n"
        assert [host.name for host in Fleet.attach(name).hosts] == ["other"]
    assert traces.left() == []
    fleet.down()


def test_a_host_that_does_not_start_is_named_and_nothing_is_left(name: str, tmp_path: Path) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(FleetError, match=r"The host machine-1 has ended\. .*\n(.*\n)*.*No such file or directory"),
    ):
        patch.setattr(fleets, "build_roots", lambda _releases: {"machine": tmp_path})
        Fleet.up(name, [HostSpec()])
    assert not Places(name).directory.exists()
    assert list(tmp_path.iterdir()) == []


def test_two_fleets_at_once(name: str) -> None:
    with Fleet.up(name, [HostSpec(name="one")]) as first, Fleet.up(f"{name}-b", [HostSpec(name="two")]) as second:
        assert first.hosts[0].address != second.hosts[0].address
        for fleet, expected in ((first, "one"), (second, "two")):
            assert log_in(fleet.hosts[0], "hostname").stdout == expected + "\n"
        with pytest.raises(FleetError, match="is up already"):
            Fleet.up(name, [HostSpec()])
        second.down()
        assert log_in(first.hosts[0], "hostname").stdout == "one\n"


def test_twenty_hosts_are_up_in_ten_seconds(name: str) -> None:
    begin = time.monotonic()
    with Fleet.up(name, [HostSpec()] * 20) as fleet:
        assert time.monotonic() - begin < 10
        assert len({host.address for host in fleet.hosts}) == 20
        for host in fleet.hosts:
            seconds_to_connect(host)


def run_cli(*arguments: str, repository: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", MODULE, *arguments], cwd=repository, capture_output=True, text=True, check=False
    )


def test_the_command_line(name: str, repository: Path, tool: Callable[[str], str]) -> None:
    tool("sudo")
    up = run_cli("up", "--name", name, "--host", "machine=2", "--user", "deploy", repository=repository)
    assert up.returncode == 0, up.stderr
    inventory, trial = (line.split(":", 1)[1].strip() for line in up.stdout.splitlines())
    tried = subprocess.run(trial, shell=True, capture_output=True, text=True, check=True)
    assert tried.stdout == Path("/etc/os-release").read_text(encoding="utf-8")
    ping = subprocess.run(
        [tool("ansible"), "-i", inventory, "machine", "--become", "-m", "ping"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ping.stdout.count("SUCCESS") == 2, ping.stdout + ping.stderr
    listed = run_cli("list", repository=repository).stdout
    assert f"{name}: {inventory}\n  machine-1 10.99." in listed
    traces = Traces.of(Fleet.attach(name))
    assert run_cli("down", "--name", name, repository=repository).returncode == 0
    assert traces.left() == []
    again = run_cli("down", "--name", name, repository=repository)
    assert (again.returncode, again.stderr) == (1, f"There is no fleet '{name}'.\n")


def test_disturbing_hosts_from_the_command_line(host: Host, repository: Path) -> None:
    def change(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_cli(*arguments, "--name", host.places.name, repository=repository)

    def changed(*arguments: str) -> None:
        outcome = change(*arguments, host.name)
        assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")

    for stop, go_on in (("cut", "join"), ("kill", "start")):
        changed(stop)
        with pytest.raises((TimeoutError, ConnectionRefusedError)):
            seconds_to_connect(host)
        changed(go_on)
        seconds_to_connect(host, _SECONDS)
    changed("latency", "150")
    assert seconds_to_connect(host, _SECONDS) >= 0.15
    changed("latency", "0")
    for spoil, mend in (("fill-disk", "free-disk"), ("read-only", "writable")):
        changed(spoil)
        assert log_in(host, "echo text > /root/file").returncode != 0
        changed(mend)
        assert log_in(host, "echo text > /root/file").returncode == 0
    changed("reset")
    assert log_in(host, "ls /root/file").returncode != 0
    assert "has no host 'nobody'" in change("cut", host.name, "nobody").stderr
    seconds_to_connect(host, _SECONDS)


def test_cut_and_join(host: Host) -> None:
    host.cut()
    with pytest.raises(TimeoutError):
        seconds_to_connect(host)
    assert host.run(["cat", "/sys/class/net/eth0/carrier"]).stdout == "0\n"
    host.join()
    # The kernel looks at links once a second.
    seconds_to_connect(host, _SECONDS)


def test_latency(host: Host) -> None:
    host.latency(150)
    assert 0.15 <= min(seconds_to_connect(host) for _round in range(3)) < 0.3
    # More than a packet, in both directions: what the kernel has not split yet arrives whole.
    sent = "x" * 3_000_000
    *command, login = host.ssh_command()
    echoed = subprocess.run([*command, login, "cat"], input=sent, capture_output=True, text=True, check=True)
    assert echoed.stdout == sent
    host.latency(0)
    assert min(seconds_to_connect(host) for _round in range(3)) < 0.1


def test_latency_and_cut_together(host: Host) -> None:
    host.latency(20)
    host.cut()
    with pytest.raises(TimeoutError):
        seconds_to_connect(host)
    host.join()
    assert seconds_to_connect(host, _SECONDS) >= 0.02
    host.latency(0)


def test_full_disk(host: Host) -> None:
    host.fill_disk()
    refused = log_in(host, "echo text > /root/file")
    assert refused.returncode != 0 and "No space left on device" in refused.stderr
    host.free_disk()
    assert log_in(host, "echo text > /root/file && cat /root/file").stdout == "text\n"


def test_read_only_root(host: Host) -> None:
    host.read_only(True)
    refused = log_in(host, "echo text > /root/file")
    assert refused.returncode != 0 and "Read-only file system" in refused.stderr
    host.read_only(False)
    assert log_in(host, "echo text > /root/file && cat /root/file").stdout == "text\n"


def test_kill_and_start(host: Host) -> None:
    assert log_in(host, "setsid sleep 300 >/dev/null 2>&1 &").returncode == 0
    assert "sleep 300" in host.run(["ps", "ax"]).stdout
    first = host.pid
    host.kill()
    running = host.run(["ps", "-e", "-o", "pid=,comm="]).stdout.split()
    assert running[0] == "1" and running[3:] == ["ps"], running
    with pytest.raises(ConnectionRefusedError):
        seconds_to_connect(host)
    for _round in ("start", "is started already"):
        host.start()
        assert log_in(host, "true").returncode == 0
    assert host.pid == first


def test_kill_where_nothing_runs(host: Host) -> None:
    for _round in ("sshd", "nothing"):
        host.kill()
    host.start()
    assert log_in(host, "true").returncode == 0


def test_sshd_starts_without_a_free_byte_and_on_a_read_only_root(host: Host) -> None:
    host.fill_disk()
    host.read_only(True)
    host.kill()
    host.start()
    assert log_in(host, "true").returncode == 0
    with pytest.raises(FleetError, match="machine-1 cannot be freed: Read-only"):
        host.free_disk()
    host.read_only(False)
    for _round in ("full", "free already"):
        host.free_disk()


def test_reset(host: Host) -> None:
    host.path("/etc/new").write_text("of before", encoding="utf-8")
    assert log_in(host, "cat /etc/new; rm /etc/passwd").stdout == "of before"
    host.cut()
    host.reset()
    assert log_in(host, "ls /etc/new /etc/passwd").stdout == "/etc/passwd\n"


def test_a_host_that_died_says_so_until_it_is_reset(host: Host) -> None:
    pid = host.pid
    os.kill(pid, signal.SIGKILL)
    wait_for_end([pid])
    with pytest.raises(FleetError, match="machine-1 does not run; a reset starts it"):
        host.kill()
    host.reset()
    assert log_in(host, "hostname").stdout == "machine-1\n"


def test_a_host_knows_nothing_of_the_machine(host: Host) -> None:
    mounts = host.run(["cat", "/proc/self/mountinfo"]).stdout.splitlines()
    points = {line.split()[4] for line in mounts}
    # The interpreter is shown to it where it would lie below a file system of the host's own.
    shown = points & {sys.prefix, sys.base_prefix}
    assert points - shown == {"/", "/proc", "/sys", "/run", "/tmp", "/dev", "/dev/pts", "/dev/shm"}
    names = log_in(host, "ls /tmp /run | grep -v -e sshd -e lock").stdout.split()
    assert set(names) <= {"/run:", "/tmp:", *(Path(tree).parts[2] for tree in shown)}
    environment = host.path("/proc/1/environ").read_bytes().split(b"\0")
    assert {entry.split(b"=")[0] for entry in environment if entry} <= {
        b"PATH",
        b"PYTHONPATH",
        b"LD_LIBRARY_PATH",
        b"LC_CTYPE",
    }
    assert host.run(["ip", "route", "get", "192.0.2.1"]).returncode != 0
    assert host.run(["id", "-un"], user="plain").stdout == "plain\n"


@pytest.mark.timeout(1200)
def test_debian_hosts_are_what_debian_ships(name: str, tool: Callable[[str], str]) -> None:
    """With roots that have to be built first, this takes a few minutes."""
    tool("mmdebstrap")
    specs = [HostSpec(release=release, cryptography=has) for release in DEBIAN for has in (True, False)]
    with Fleet.up(name, specs) as fleet:
        for host in fleet.hosts:
            if not host.spec.cryptography:
                assert "No module named 'cryptography'" in log_in(host, f'python3 -c "{VERSIONS}"').stderr
                assert log_in(host, "apt-get -qq -y install python3-cryptography", "root").returncode == 0
            assert log_in(host, f'python3 -c "{VERSIONS}"').stdout.strip() == CRYPTOGRAPHY[host.release]
            assert log_in(host, "sudo -n id -un", "deploy").stdout == "root\n"
            assert log_in(host, "sudo -n id -un", "plain").returncode != 0
            assert log_in(host, "hostname; sed -n s/^VERSION_CODENAME=//p /etc/os-release").stdout.split() == [
                host.name,
                host.release,
            ]
