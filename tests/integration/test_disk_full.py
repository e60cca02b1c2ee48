# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full or read-only: a clear error, the old generation in use, and no trace of the attempt.

A child process has a mount namespace of its own, in which it mounts a small tmpfs; it ends with its child.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a file system")

PRELUDE = """
import errno, os, subprocess, sys
from pathlib import Path
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    ACCESS, Host, credential, keystore, link, public_key, temporary_files,
)

place = Path(sys.argv[1])

def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)

def config(content):
    return [{"file": "app.conf", "content": content, **ACCESS}]

def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC

def fails(host, wanted, message):
    before = host.files() if host.current().exists() else None
    reply = host.trip(wanted).credentials[0]
    assert reply.state == "failed", reply
    assert message in reply.error, reply.error
    assert "Traceback" not in reply.error
    assert (host.files() if before is not None else None) == before
    assert temporary_files(place) == [], temporary_files(place)
"""

FULL = """
mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place))
host = Host(place / "root")
wanted = credential()
host.run(wanted)
key = public_key(host)
fill(place / "ballast")
bigger = {**wanted, "configs": config("x" * 20000)}
fails(host, bigger, "free some space")
(host.current() / "client.p12").unlink()
fill(place / "more")
fails(host, {**wanted, "configs": config("x" * 20000)}, "free some space")
(place / "ballast").unlink()
(place / "more").unlink()
assert host.converges(bigger).state == "active"
assert public_key(host) == key
# A new certificate, its key made before the disk was full.
renewed = {**bigger, "subject": [["CN", "renewed"]], "configs": config("y" * 20000)}
request = host.trip(renewed).credentials[0].request
fill(place / "ballast")
fails(host, {**renewed, "answer": host.authority.sign(request.pem)}, "free some space")
assert public_key(host) == key
(place / "ballast").unlink()
assert host.run(renewed).state == "active"
assert not host.converges(renewed).changed
"""

FRESH = """
mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place))
host = Host(place / "root")
fill(place / "ballast")
fails(host, credential(), "free some space")
(place / "ballast").unlink()
assert host.run(credential(authorities=[], truststores=[])).state == "active"
"""

FULL_ELSEWHERE = """
(place / "elsewhere").mkdir()
mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place / "elsewhere"))
host = Host(place / "root")
wanted = credential(links=[link(place / "elsewhere/copy", "app.conf", copy=True)])
host.run(wanted)
fill(place / "elsewhere/ballast")
reply = host.trip({**wanted, "configs": config("x" * 20000)}).credentials[0]
assert (reply.state, reply.changed) == ("failed", True)
assert "free some space" in reply.error
assert (place / "elsewhere/copy").read_text() == "key = 1\\n"
(place / "elsewhere/ballast").unlink()
assert host.run({**wanted, "configs": config("x" * 20000)}).changed
assert (place / "elsewhere/copy").read_text() == "x" * 20000
assert temporary_files(place) == []
"""

NO_INODES = """
mount("-t", "tmpfs", "-o", "size=4m,nr_inodes=24", "tmpfs", str(place))
host = Host(place / "root")
host.run(credential())
for number in range(100):
    try:
        (place / str(number)).write_text("")
    except OSError:
        break
fails(host, credential(configs=config("x")), "free some space")
"""

READ_ONLY = """
mount("-t", "tmpfs", "tmpfs", str(place))
host = Host(place / "root")
wanted = credential()
host.run(wanted)
mount("-o", "remount,ro", str(place))
assert not host.run(wanted).changed
assert not host.run({**wanted, "state": "held"}).changed
fails(host, {**wanted, "configs": config("2")}, "read-only")
fails(host, credential(name="other"), "read-only")
mount("-o", "remount,rw", str(place))
assert host.converges({**wanted, "configs": config("2")}).changed
"""

OTHER_DISK = """
# `generations` cannot span disks unnoticed, and a copy's directory may be on another one: no rename crosses over.
(place / "elsewhere").mkdir()
mount("-t", "tmpfs", "tmpfs", str(place / "elsewhere"))
host = Host(place / "root")
wanted = credential(links=[
    link(place / "elsewhere/copy", "client.p12", copy=True), link(place / "elsewhere/link", "key.pem"),
])
assert host.converges(wanted).state == "active"
(host.root / "orders/next").mkdir()
mount("-t", "tmpfs", "tmpfs", str(host.root / "orders/next"))
reply = host.trip(wanted).credentials[0]
assert reply.state == "failed" and "remove" in reply.error, reply.error
subprocess.run(["umount", str(host.root / "orders/next")], check=True)
assert host.converges(wanted).changed
"""

PINNED = """
host = Host(place / "root")
wanted = credential(keep_generations=1)
host.run(wanted)
(place / "bound").mkdir()
mount("--bind", str(host.current()), str(place / "bound"))
key = (place / "bound/key.pem").read_bytes()
host.run({**wanted, "configs": config("2")})
host.run({**wanted, "configs": config("3")})
names = lambda: sorted(path.name for path in (host.root / "orders/generations").iterdir())
assert names() == ["0001", "0003"], names()
assert (place / "bound/key.pem").read_bytes() == key
assert not host.converges({**wanted, "configs": config("3")}).changed
subprocess.run(["umount", str(place / "bound")], check=True)
assert host.converges({**wanted, "configs": config("3")}).changed
assert names() == ["0003"]
"""

NOT_ROOT = """
os.chmod(place, 0o777)
home = place / "home"
home.mkdir()
os.chown(home, 54321, 54321)
os.chmod(home, 0o711)
(place / "closed").mkdir(mode=0o755)
os.umask(0o077)
os.chdir("/")
mount("--bind", str(place), "/mnt")
# Codecs and libraries that are loaded on first use may be where only root can read.
Host(place / "warm/root").converges(credential())
os.setgroups([]); os.setgid(54321); os.setuid(54321)
place = Path("/mnt")
host = Host(place / "home/root")
host.root.parent.joinpath("elsewhere").mkdir()
copy = link(place / "home/elsewhere/copy", "key.pem", copy=True)
wanted = credential(links=[copy, link(place / "home/elsewhere/link", "key.pem")])
assert host.converges(wanted).state == "active"
assert (host.root.stat().st_mode & 0o7777, host.current().stat().st_mode & 0o7777) == (0o755, 0o755)
host.refuses({**wanted, "owner": "0"}, "only root can")
reply = host.trip({**wanted, "links": [copy, link(place / "closed/x", "key.pem")]}).credentials[0]
assert reply.state == "failed" and "become" in reply.error, reply
try:
    Host(place / "closed/root").trip(credential())
except Exception as error:
    assert "become" in str(error), error
else:
    raise SystemExit("a root directory in a closed place")
"""

SCRIPTS = {
    "full": FULL,
    "full at first": FRESH,
    "full beside a link": FULL_ELSEWHERE,
    "no inodes": NO_INODES,
    "read-only": READ_ONLY,
    "another disk": OTHER_DISK,
    "pinned by a mount": PINNED,
    "not root": NOT_ROOT,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_disk(name: str, tmp_path: Path, repository: Path) -> None:
    script = PRELUDE + SCRIPTS[name]
    command = ["unshare", "-m", "--propagation", "private", sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
