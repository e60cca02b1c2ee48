# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first process of a host: makes the host around itself, starts sshd, and ends what ends.

It is started in new namespaces, with a socket to the fleet's keeper as standard input. It sends its process id, gets
the host's description once the network link is there, and sends "ready" when sshd listens. From then on it takes
orders: "start" (sshd) and "kill" (every process but this one). When the keeper is gone it exits, and the kernel ends
the host: its processes, mounts and links exist only as long as this process does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from . import accounts, kernel
from .errors import program
from .roots import MACHINE

READY = "ready"
"""What the keeper hears when its order is carried out; anything else says why it is not."""
_SSHD_SECONDS = 30
_SSHD_LOG = "/run/sshd.log"
_NOTIFY = "/run/sshd.notify"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MESSAGE = 1 << 20

# name, minor number; all have the major number 1, but tty
_DEVICES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
# Where /tmp is not on the disk. Debian has had it so since trixie; the machine's own is full of other people's files.
_TMP_IN_MEMORY = ("machine", "trixie")

_SSHD_CONFIG = """\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PidFile /run/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
MaxSessions 100
Subsystem sftp internal-sftp
"""


def main() -> None:
    os.umask(0o022)
    keeper = socket.socket(fileno=os.dup(0))
    # Until the host has a /proc of its own, this is the process id as the keeper sees it.
    keeper.send(os.readlink("/proc/self").encode())
    host = json.loads(keeper.recv(_MESSAGE))
    _configure_network(host)
    _change_root(host)
    _write_files(host)
    if not host["cryptography"]:
        _remove_cryptography()
    sshd = _Sshd()
    keeper.send(sshd.start().encode())
    _serve(keeper, sshd)


def _configure_network(host: Dict[str, Any]) -> None:
    lines = ["link set lo up", f"address add {host['address']}/24 dev eth0", "link set eth0 up"]
    subprocess.run([program("ip"), "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _change_root(host: Dict[str, Any]) -> None:
    """Lay a disk over the root that must not change, and make both together this process's root."""
    kernel.keep_mounts_private()
    disk = str(host["mount_point"])
    kernel.mount("tmpfs", disk, f"size={host['disk_mebibytes']}m,mode=755")
    layers = {name: f"{disk}/{name}" for name in ("upper", "work", "root")}
    for path in layers.values():
        os.mkdir(path)
    # xino: inode numbers stay what they are, as on a real disk.
    options = f"lowerdir={host['root']},upperdir={layers['upper']},workdir={layers['work']},xino=on"
    root = layers["root"]
    kernel.mount("overlay", root, options)
    kernel.mount("proc", f"{root}/proc", flags=kernel.NOSUID | kernel.NODEV | kernel.NOEXEC)
    kernel.mount("sysfs", f"{root}/sys", flags=kernel.NOSUID | kernel.NODEV | kernel.NOEXEC | kernel.READ_ONLY)
    kernel.mount("tmpfs", f"{root}/run", "size=16m,mode=755", kernel.NOSUID | kernel.NODEV)
    if host["release"] in _TMP_IN_MEMORY:
        kernel.mount("tmpfs", f"{root}/tmp", "size=128m,mode=1777", kernel.NOSUID | kernel.NODEV)
    if host["release"] == MACHINE:
        _show_interpreter(root)
    _make_devices(f"{root}/dev")
    socket.sethostname(host["name"])
    kernel.change_root(root)


def _show_interpreter(root: str) -> None:
    """This Python may lie where the host has a file system of its own, such as below /tmp."""
    for tree in (sys.prefix, sys.base_prefix):
        if not os.path.isdir(root + tree):
            os.makedirs(root + tree)
            kernel.show_read_only(tree, root + tree)


def _make_devices(directory: str) -> None:
    os.umask(0)
    kernel.mount("tmpfs", directory, "size=64k,mode=755", kernel.NOSUID)
    for name, major, minor in _DEVICES:
        os.mknod(f"{directory}/{name}", 0o666 | stat.S_IFCHR, os.makedev(major, minor))
    for name in ("pts", "shm"):
        os.mkdir(f"{directory}/{name}")
    kernel.mount("devpts", f"{directory}/pts", "newinstance,ptmxmode=0666,mode=620,gid=5", kernel.NOSUID)
    kernel.mount("tmpfs", f"{directory}/shm", "size=16m,mode=1777", kernel.NOSUID | kernel.NODEV)
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        os.symlink(target, f"{directory}/{name}")
    os.umask(0o022)


def _write_files(host: Dict[str, Any]) -> None:
    names = "".join(f"{address} {name}\n" for name, address in host["addresses"].items())
    _write("/etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{names}")
    _write("/etc/hostname", host["name"] + "\n")
    _write("/etc/ssh/sshd_config", _SSHD_CONFIG)
    _write("/etc/ssh/ssh_host_ed25519_key", host["host_key"], 0o600)
    _write("/etc/ssh/ssh_host_ed25519_key.pub", host["host_public_key"])
    _write("/etc/ssh/authorized_keys", host["client_public_key"])
    for directory in ("/run/sshd", "/run/lock"):
        os.makedirs(directory, exist_ok=True)
    accounts.add_users()


def _write(path: str, text: str, mode: int = 0o644) -> None:
    # A link there may lead to what the host does not have, such as a file in /run.
    Path(path).unlink(missing_ok=True)
    Path(path).write_text(text, encoding="utf-8")
    os.chmod(path, mode)


def _remove_cryptography() -> None:
    command = ["apt-get", "--quiet", "--yes", "purge", "--auto-remove", "python3-cryptography"]
    subprocess.run(command, check=True, env={"PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive"})


class _Sshd:
    """The ssh server, a child of this process."""

    def __init__(self) -> None:
        self._process: Optional[subprocess.Popen[bytes]] = None

    def start(self) -> str:
        """Start it unless it runs; "ready" once it listens, which it tells its service manager, or why it does not."""
        if self._process is not None and self._process.poll() is None:
            return READY
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
            notifications.bind(_NOTIFY)
            process = subprocess.Popen(
                # Its log is not on the disk: an open file there would keep the disk from becoming read-only.
                ["/usr/sbin/sshd", "-D", "-E", _SSHD_LOG],
                stdin=subprocess.DEVNULL,
                env={"PATH": _PATH, "NOTIFY_SOCKET": _NOTIFY},
                start_new_session=True,
            )
            listens = _await_notification(notifications, process.pid)
        os.unlink(_NOTIFY)
        self._process = process
        if listens:
            return READY
        return f"sshd does not listen; its log says:\n{Path(_SSHD_LOG).read_text(encoding='utf-8')[-2000:]}"


def _await_notification(notifications: socket.socket, sender: int) -> bool:
    ended = os.pidfd_open(sender)
    watched: List[Any] = [notifications, ended]
    try:
        while True:
            readable = select.select(watched, [], [], _SSHD_SECONDS)[0]
            if notifications not in readable:
                return False
            if b"READY=1" in notifications.recv(_MESSAGE):
                return True
    finally:
        os.close(ended)


def _serve(keeper: socket.socket, sshd: _Sshd) -> None:
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    _reap(os.WNOHANG)
    watched: List[Any] = [keeper, woken]
    while True:
        readable = select.select(watched, [], [])[0]
        if woken in readable:
            os.read(woken, 4096)
            _reap(os.WNOHANG)
        if keeper in readable:
            order = keeper.recv(_MESSAGE)
            if not order:
                return
            if order == b"kill":
                _kill_all()
                answer = READY
            else:
                answer = sshd.start()
            keeper.send(answer.encode())


def _kill_all() -> None:
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        # There is no process but this one: all have been killed before.
        return
    _reap(0)


def _reap(options: int) -> None:
    """Take note of the end of processes: of all there are (0), or of those that have ended (WNOHANG)."""
    while True:
        try:
            if os.waitpid(-1, options)[0] == 0:
                return
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
