# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's `reload` that tells the gate which generation is in use, and whose process runs it.

Arguments: the gate's port, the host, and its `current`.
"""

from __future__ import annotations

import http.client
import os
import sys


def main(port: str, host: str, current: str) -> int:
    """0 where the gate says that it works."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=200)
    generation = os.path.basename(os.readlink(current))
    connection.request("GET", "/reload/{0}/{1}/{2}".format(host, generation, os.getppid()))
    status = connection.getresponse().status
    print("the gate answers {0}".format(status), file=sys.stderr)
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
