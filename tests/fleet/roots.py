# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts have below `/`: this machine's own files, or a Debian release, built once and cached.

A root is never written to: each host lays a disk of its own over it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterable, Iterator, List

from .errors import FleetError, program
from .places import REPOSITORY

CACHE = REPOSITORY / ".cache" / "fleet" / "roots"
HOOK = Path(__file__).resolve().parent / "local_repository.sh"

MACHINE = "machine"
DEBIAN = ("bullseye", "bookworm", "trixie")
RELEASES = (MACHINE, *DEBIAN)

# cryptography comes later, from the root's own little repository: see the hook.
_PACKAGES = "ca-certificates iproute2 openssh-server procps python3 sudo".split()
_RECIPE = "--mode=root --format=directory --variant=minbase --skip=cleanup/apt/lists --include=" + ",".join(_PACKAGES)
# A release moves to the archive when it is no longer supported.
_MIRRORS = ("http://deb.debian.org/debian", "http://archive.debian.org/debian")
_ISOLATION = "--mount --propagation=private --pid --fork --kill-child --mount-proc"
_NEEDED = ("gpg", "mmdebstrap", "setpriv", "unshare")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# How this machine reaches the network, from its own configuration of apt.
_APT_SETTINGS = re.compile(
    r"Acquire::((https?|ftp)::(.+::)?(Proxy|Proxy-Auto-Detect|Timeout|CAInfo|Verify-Peer)|"
    r"Retries|ForceIPv[46]|Check-Valid-Until|Check-Date) "
)
# Built two at a time: the network and the processor take turns.
_PARALLEL = 2


def root_of(release: str) -> Path:
    """Where a release's root is, or will be once it is built."""
    if release == MACHINE:
        return Path("/")
    if release not in DEBIAN:
        raise FleetError(f"There is no release '{release}'; there are: {', '.join(RELEASES)}.")
    recipe = hashlib.sha256(_RECIPE.encode() + HOOK.read_bytes())
    return CACHE / f"{release}-{recipe.hexdigest()[:12]}"


def build_roots(releases: Iterable[str]) -> Dict[str, Path]:
    """Build what is not built yet (about a minute each), several at once; release → root."""
    wanted = sorted(set(releases))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return dict(zip(wanted, pool.map(_build_once, wanted)))


def _build_once(release: str) -> Path:
    root = root_of(release)
    if root.exists():
        return root
    CACHE.mkdir(parents=True, exist_ok=True)
    unfinished = root.with_name(root.name + ".unfinished")
    with _only_one(root.with_name(root.name + ".lock")) as lock:
        if not root.exists():
            _remove(unfinished)
            _build(release, unfinished, lock)
            unfinished.rename(root)
    return root


@contextmanager
def _only_one(path: Path) -> Iterator[int]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _build(release: str, target: Path, lock: int) -> None:
    for needed in _NEEDED:
        program(needed)
    if not _KEYRING.exists():
        raise FleetError(f"Debian's keys are missing at {_KEYRING}: apt-get install debian-archive-keyring")
    refusals: List[str] = []
    # A proxy's password may be among them: they do not go into arguments.
    settings = target.with_suffix(".apt")
    settings.touch(mode=0o600)
    settings.write_text("".join(f"{line}\n" for line in _apt_settings()), encoding="utf-8")
    for mirror in _MIRRORS:
        outcome = subprocess.run(
            _command(release, target, mirror, settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
            # Should this process be killed, the lock holds until mmdebstrap has ended, too.
            pass_fds=[lock],
            check=False,
        )
        if outcome.returncode == 0:
            settings.unlink()
            return
        _remove(target)
        refusals.append(f"{mirror}:\n{outcome.stdout.decode(errors='replace')[-3000:]}")
    raise FleetError(f"The root of {release} could not be built from any mirror.\n" + "\n".join(refusals))


def _remove(unfinished: Path) -> None:
    if unfinished.exists():
        shutil.rmtree(unfinished)


def _command(release: str, target: Path, mirror: str, settings: Path) -> List[str]:
    # It ends with this process, and all that it has mounted and started below the target ends with it.
    isolated = [program("setpriv"), "--pdeathsig=KILL", program("unshare"), *_ISOLATION.split()]
    options = ["--quiet", *_RECIPE.split(), f"--aptopt={settings}", f"--customize-hook={HOOK}"]
    return [*isolated, program("mmdebstrap"), *options, release, str(target), mirror]


def _apt_settings() -> List[str]:
    if shutil.which("apt-config") is None:
        return []
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    return [line for line in dump.splitlines() if _APT_SETTINGS.match(line) and not line.endswith(' "";')]
