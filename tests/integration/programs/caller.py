# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that call an API again and again with the files that are in use, read anew for each call; nothing is retried.

The argument is a JSON object: `kind`, `port`, `authority` (a file), `log` (a file) and `hosts` (a host's `current` by
its name). A client of the kind

- `single` opens one file, `client.pem`, once, and has its library read what was opened;
- `resolved` opens the directory that `current` leads to, once, and in there the key and the certificates.

Each host has one client whose calls are held by the server, and takes turns in short calls. The log gets one line for
each call. The program ends when its standard input does.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import threading
from typing import Any, Dict, List, Optional, TextIO

PAUSE = 0.01
"""Seconds between two short calls: the machine has other things to do, too."""
LONGEST = 200.0


def present(context: ssl.SSLContext, kind: str, current: str) -> None:
    """Have a connection show the certificate that is in use."""
    if kind == "single":
        with open(current + "/client.pem", "rb") as file:
            # By its path the library opens it twice, for the certificates and for the key.
            context.load_cert_chain("/proc/self/fd/{0}".format(file.fileno()))
    else:
        directory = os.open(current, os.O_RDONLY | os.O_DIRECTORY)
        try:
            place = "/proc/self/fd/{0}".format(directory)
            context.load_cert_chain(place + "/fullchain.pem", place + "/key.pem")
        finally:
            os.close(directory)


class Caller:
    """All clients of one kind."""

    def __init__(self, options: Dict[str, Any], log: TextIO) -> None:
        self._kind: str = options["kind"]
        self._port: int = options["port"]
        self._authority: str = options["authority"]
        self._hosts: Dict[str, str] = options["hosts"]
        self._log = log
        self._writing = threading.Lock()
        self._over = threading.Event()

    def run(self) -> None:
        """Call until standard input ends."""
        threads = [threading.Thread(target=self._hold, args=(host,)) for host in self._hosts]
        threads.append(threading.Thread(target=self._take_turns))
        for thread in threads:
            thread.start()
        sys.stdin.read()
        self._over.set()
        for thread in threads:
            thread.join()

    def _hold(self, host: str) -> None:
        while not self._over.is_set():
            if self._call(host, "/held/{0}/{1}".format(host, self._kind)) is not None:
                # Not as fast as it can: each failure is one too many already.
                self._over.wait(PAUSE)

    def _take_turns(self) -> None:
        while not self._over.is_set():
            for host in self._hosts:
                self._call(host, "/ping")
                self._over.wait(PAUSE)

    def _call(self, host: str, path: str) -> Optional[str]:
        problem = None
        try:
            context = ssl.create_default_context(cafile=self._authority)
            present(context, self._kind, self._hosts[host])
            connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=LONGEST, context=context)
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            connection.close()
            if response.status != 200:
                problem = "status {0}".format(response.status)
        except (OSError, http.client.HTTPException) as error:
            problem = repr(error)
        line = json.dumps({"host": host, "kind": self._kind, "path": path, "problem": problem})
        with self._writing:
            self._log.write(line + "\n")
            self._log.flush()
        return problem


def main(arguments: List[str]) -> None:
    """Read the options, and call."""
    options = json.loads(arguments[0])
    with open(options["log"], "w", encoding="utf-8") as log:
        Caller(options, log).run()


if __name__ == "__main__":
    main(sys.argv[1:])
