# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often a client that opens files through `current` more than once gets halves of two generations.

    python -m ansible_collections.mutual.tls.tests.integration.two_opens [switches]

A child process switches as fast as it can, by the very rename that hosts switch by; the client reads as fast as it can.
For each way to read, what is printed says how many of so many switches hit it, and what follows from that for others:
the window, in seconds. A switch hits a client that reads r times a second with a probability of r times the window.
"""

from __future__ import annotations

import os
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Callable, Dict, List

from ansible_collections.mutual.tls.plugins.module_utils.files import open_directory
from ansible_collections.mutual.tls.tests.unit import material

SWITCHES = 5000
_PATIENCE = 120.0

Read = Callable[[str], bool]
"""Reads key and certificates of the generation that a `current` leads to, and says whether they fit."""


@dataclass(frozen=True)
class Figures:
    """What came of one way to read, in so many seconds."""

    reads: int
    switches: int
    mismatches: int
    seconds: float

    @property
    def window(self) -> float:
        """For how long, in seconds, each read can be hit by a switch."""
        return self.mismatches / self.switches / (self.reads / self.seconds)


def _first_line(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.readline()


def plain(current: str) -> bool:
    """Open and read the certificates, then the key, each through `current`."""
    return _first_line(current + "/fullchain.pem") == _first_line(current + "/key.pem")


def _loads(certificates: str, key: str) -> bool:
    """Whether OpenSSL takes them. It looks at the certificates before it opens the key."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificates, key)
    except ssl.SSLError:
        return False
    return True


def library(current: str) -> bool:
    """Have OpenSSL open two files through `current`."""
    return _loads(current + "/fullchain.pem", current + "/key.pem")


def same(current: str) -> bool:
    """Have OpenSSL open one file that holds both. It does so twice."""
    return _loads(current + "/client.pem", current + "/client.pem")


def single(current: str) -> bool:
    """Open that file once, and have OpenSSL read what was opened."""
    with open(current + "/client.pem", "rb") as file:
        opened = "/proc/self/fd/{0}".format(file.fileno())
        return _loads(opened, opened)


def resolved(current: str) -> bool:
    """Open the directory once, and have OpenSSL open both files in it."""
    directory = os.open(current, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return library("/proc/self/fd/{0}".format(directory))
    finally:
        os.close(directory)


WAYS: Dict[str, Read] = {"plain": plain, "library": library, "same": same, "single": single, "resolved": resolved}


def prepare(place: Path) -> None:
    """Two generations with certificates that differ, the first of them in use."""
    authority = material.authority("Root")
    for number in ("0001", "0002"):
        generation = place / "generations" / number
        generation.mkdir(parents=True)
        one = material.client("orders", authority)
        # The first line says which generation it is; PEM is looked for behind it.
        first = number.encode() + b"\n"
        (generation / "key.pem").write_bytes(first + one.key_pem)
        (generation / "fullchain.pem").write_bytes(first + one.pem)
        (generation / "client.pem").write_bytes(first + one.key_pem + one.pem)
    (place / "current").symlink_to("generations/0001")


def _switch(place: str, count: Synchronized[int], over: Event) -> None:
    with open_directory(place) as directory:
        while not over.is_set():
            directory.make_link("current", "generations/{0:04d}".format(1 + (count.value + 1) % 2))
            count.value += 1


def measure(place: Path, read: Read, switches: int) -> Figures:
    """Read while another process switches between the generations 1 and 2, until it has done so that many times."""
    context = get_context("fork")
    count, over = context.Value("q", 0), context.Event()
    child = context.Process(target=_switch, args=(str(place), count, over), daemon=True)
    current = str(place / "current")
    reads = mismatches = 0
    child.start()
    begin = time.monotonic()
    try:
        while count.value < switches:
            if time.monotonic() > begin + _PATIENCE:
                raise TimeoutError("only {0} switches in {1:g} s".format(count.value, _PATIENCE))
            reads += 1
            mismatches += not read(current)
        done, seconds = count.value, time.monotonic() - begin
    finally:
        over.set()
        child.join()
    return Figures(reads, done, mismatches, seconds)


def main(arguments: List[str]) -> None:
    """Print what each way comes to."""
    switches = int(arguments[0]) if arguments else SWITCHES
    with tempfile.TemporaryDirectory() as directory:
        prepare(Path(directory))
        for name, read in WAYS.items():
            found = measure(Path(directory), read, switches)
            print(
                "{0:9}{1.reads:8} reads in {1.seconds:5.2f} s, {1.mismatches:5} mismatches in {1.switches} switches: a "
                "window of {2:4.0f} µs".format(name, found, found.window * 1e6)
            )


if __name__ == "__main__":
    main(sys.argv[1:])
