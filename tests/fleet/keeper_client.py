# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to the keeper of a fleet, and clearing up after one that is gone."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import socket
import struct
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Mapping, Optional

from .errors import FleetError
from .masters import end_masters
from .places import BASE, Places

_ANSWER_SECONDS = 300
_END_SECONDS = 60


def ask(places: Places, request: Mapping[str, Any]) -> Dict[str, int]:
    """Have the keeper do something; host → id of its first process. FleetError says what went wrong."""
    connection = _connect(places)
    if connection is None:
        raise FleetError(f"There is no running fleet '{places.name}'.")
    with connection:
        answer = _exchange(connection, request)
    if answer is None:
        if not places.directory.exists():
            raise FleetError(f"The fleet '{places.name}' has been taken down meanwhile.")
        raise FleetError(f"The keeper of the fleet '{places.name}' has ended. {places.keeper_words()}")
    if "error" in answer:
        raise FleetError(answer["error"])
    pids: Dict[str, int] = answer["pids"]
    return pids


def is_up(places: Places) -> bool:
    """Whether a fleet runs. If its keeper is about to end, it has ended when this returns."""
    connection = _connect(places)
    if connection is None:
        return False
    with connection:
        if _exchange(connection, {"command": "look"}) is not None:
            return True
        _wait_for_end(connection)
    return False


def take_down(places: Places) -> None:
    """End a fleet; when this returns nothing is left of it. Where none runs, remove what a killed one has left."""
    _end_keeper(places)
    with one_at_a_time():
        # One that was about to listen, and has done so since.
        _end_keeper(places)
        remove_remains(places)


def _end_keeper(places: Places) -> None:
    connection = _connect(places)
    if connection is not None:
        with connection:
            _send(connection, {"command": "end"})
            _wait_for_end(connection)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Names and networks are taken, and names given back, by one process of the machine at a time."""
    BASE.mkdir(mode=0o755, exist_ok=True)
    directory = os.open(BASE, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def remove_remains(places: Places) -> None:
    """Remove what a fleet has left whose keeper is gone: files, and ssh connections. The kernel did the rest."""
    end_masters(places.control)
    if places.directory.exists():
        places.remove()


def _connect(places: Places) -> Optional[socket.socket]:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_SECONDS)
    try:
        connection.connect(str(places.socket))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _send(connection: socket.socket, request: Mapping[str, Any]) -> None:
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
    except ConnectionError:
        # The keeper is ending: who reads the answer learns that.
        return


def _exchange(connection: socket.socket, request: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """The keeper's answer; None where it ends instead."""
    _send(connection, request)
    try:
        line = connection.makefile("rb").readline()
    except ConnectionError:
        return None
    answer: Optional[Dict[str, Any]] = json.loads(line) if line else None
    return answer


def _wait_for_end(connection: socket.socket) -> None:
    """Wait until the process at the other end is gone; one that hangs is killed."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid: int = struct.unpack("3i", credentials)[0]
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([process], [], [], _END_SECONDS)[0]:
            signal.pidfd_send_signal(process, signal.SIGKILL)
            select.select([process], [], [])
    finally:
        os.close(process)
