# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands behind an API that hosts call: it makes sure that calls are under way whenever a host switches.

It is asked over HTTP, for a host each time:

- `/held/<host>/<kind>`: a call that is answered when the host's service has reloaded;
- `/proof/<host>`: the call that `verify` makes. It is answered when a held call of each kind is under way;
- `/reload/<host>/<generation>/<process>`: the host's `reload` says which generation is in use. It is answered when the
  held calls that were under way have been, as a service that reloads gracefully would.

A host switches after the first of its proofs and before its reload: calls that are held at both were under way at the
switch. So a `Switch` is seen, not guessed. A test can hold up proofs and reloads (`pause`), and have them fail.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Sequence, Set, Tuple

_PATIENCE = 100.0
"""Seconds after which whoever waits is told that it was in vain."""

Point = Tuple[str, str]
"""Where a host is: `ahead` (its first proof), `reload` or `after` (its second proof), and the host's name."""


@dataclass(frozen=True)
class Switch:
    """A host's `current` came to point from one generation to another while calls of these kinds were under way."""

    host: str
    old: str
    new: str
    kinds: FrozenSet[str]


class Gate:
    """`switches` are those that were seen since calls were expected; `reloaders` the processes that reloaded hosts."""

    def __init__(self, kinds: Sequence[str] = ()) -> None:
        self._kinds = frozenset(kinds)
        self._changed = threading.Condition()
        self._calls: Dict[str, Dict[int, str]] = {}
        self._before: Dict[str, Dict[int, str]] = {}
        self._released: Set[int] = set()
        self._number = 0
        self._expecting = False
        self._ended = False
        self._reloaded: Set[str] = set()
        self._generation: Dict[str, str] = {}
        self._arrived: Set[Point] = set()
        self._paused: Set[Point] = set()
        self._failures: Counter[Point] = Counter()
        self.switches: List[Switch] = []
        self.reloaders: Dict[str, int] = {}
        self._server = _Server(self)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more."""
        self.end_calls()
        self._server.shutdown()
        self._server.server_close()

    def expect_calls(self) -> None:
        """From now on hosts wait for held calls before they switch."""
        with self._changed:
            self._expecting = True

    def end_calls(self) -> None:
        """Answer all held calls, now and from now on, and hold up nobody."""
        with self._changed:
            self._expecting, self._ended = False, True
            self._paused.clear()
            self._changed.notify_all()

    def begin_run(self) -> None:
        """Another playbook begins: each host's next proof is its first."""
        with self._changed:
            self._reloaded.clear()
            self._arrived.clear()

    def fail(self, point: str, host: str) -> None:
        """Have the next one that comes to this point told that it does not work."""
        with self._changed:
            self._failures[point, host] += 1

    @contextlib.contextmanager
    def paused(self, *points: Point) -> Iterator[None]:
        """Hold up whoever comes to these points, until this ends or they are resumed."""
        with self._changed:
            self._paused.update(points)
        try:
            yield
        finally:
            self.resume(*points)

    def resume(self, *points: Point) -> None:
        """Let go on who is held up at these points, and hold up nobody there any more."""
        with self._changed:
            self._paused.difference_update(points)
            self._changed.notify_all()

    def wait_for(self, *points: Point) -> None:
        """Wait until somebody has come to each of these points in this run."""
        with self._changed:
            self._wait(lambda: self._arrived.issuperset(points), "nobody has come to all of {0}".format(points))

    def hold(self, host: str, kind: str) -> bool:
        """A call: whether it was answered by a reload, or because calls ended."""
        with self._changed:
            self._number += 1
            number = self._number
            calls = self._calls.setdefault(host, {})
            calls[number] = kind
            self._changed.notify_all()
            try:
                self._wait(lambda: self._ended or number in self._released, "no reload has answered a call")
            finally:
                del calls[number]
                self._changed.notify_all()
        return True

    def prove(self, host: str) -> bool:
        """A proof: whether it works. When this returns a call of each kind is under way, if calls are expected."""
        with self._changed:
            point = ("after" if host in self._reloaded else "ahead", host)
            self._pass(point)
            self._wait(
                lambda: not self._expecting or self._kinds <= set(self._calls.get(host, {}).values()),
                "no calls are under way",
            )
            self._before[host] = dict(self._calls.get(host, {}))
            return self._works(point)

    def reload(self, host: str, generation: str, process: int) -> bool:
        """A reload with this generation in use: whether it works. If it does, it has ended the calls under way."""
        with self._changed:
            self.reloaders[host] = process
            self._pass(("reload", host))
            calls = self._calls.setdefault(host, {})
            self._note_switch(host, generation, calls)
            if not self._works(("reload", host)):
                self._before[host] = dict(calls)
                return False
            under_way = set(calls)
            self._released |= under_way
            self._changed.notify_all()
            self._wait(lambda: not under_way & set(calls), "calls do not end")
            self._reloaded.add(host)
            return True

    def _note_switch(self, host: str, generation: str, calls: Dict[int, str]) -> None:
        old = self._generation.get(host)
        self._generation[host] = generation
        if old is not None and old != generation:
            still = [kind for number, kind in self._before.get(host, {}).items() if number in calls]
            self.switches.append(Switch(host, old, generation, frozenset(still)))

    def _pass(self, point: Point) -> None:
        self._arrived.add(point)
        self._changed.notify_all()
        self._wait(lambda: point not in self._paused, "nobody lets go on who is at {0}".format(point))

    def _works(self, point: Point) -> bool:
        if not self._failures[point]:
            return True
        self._failures[point] -= 1
        return False

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        if not self._changed.wait_for(condition, _PATIENCE):
            raise TimeoutError("{0} after {1:g} s".format(what, _PATIENCE))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Answer with 200 where it works, with 500 where not."""
        what, host, *more = self.path.strip("/").split("/")
        gate = self.server.gate
        if what == "held":
            works = gate.hold(host, more[0])
        elif what == "proof":
            works = gate.prove(host)
        else:
            works = gate.reload(host, more[0], int(more[1]))
        self.send_response(200 if works else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the gate keeps what tests want to know."""
