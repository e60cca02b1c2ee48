# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The partner of the scenarios: makes its CA and its API server's certificate, and stops that server.

    partner.py certify DIRECTORY ADDRESS    writes root.pem and server.pem (key and certificate for that address)
    partner.py stop DIRECTORY               ends the server whose process id is in server.pid, if it is still there

The server itself is the demo's, `inventories/demo/endpoint.py`.
"""

from __future__ import annotations

import ipaddress
import os
import select
import signal
import sys
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.tests.unit import material

PATIENCE = 20


def certify(directory: Path, address: str) -> None:
    """Write the root that clients have to trust, and the server's key and certificate."""
    root = material.authority("Partner Root CA")
    server = material.client(
        address,
        root,
        alternatives=[x509.IPAddress(ipaddress.ip_address(address))],
        purposes=[ExtendedKeyUsageOID.SERVER_AUTH],
    )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = directory / "server.pem"
    key.touch(mode=0o600)
    key.write_bytes(server.key_pem + server.pem)
    (directory / "root.pem").write_bytes(root.pem)


def stop(directory: Path) -> None:
    """End the server and wait until it has gone."""
    recorded = directory / "server.pid"
    try:
        pid = int(recorded.read_text(encoding="ascii"))
        process = os.pidfd_open(pid)
        # After a crash the number may be somebody else's by now.
        ours = os.fsencode(recorded) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return
    if not ours:
        return
    signal.pidfd_send_signal(process, signal.SIGTERM)
    if not select.select([process], [], [], PATIENCE)[0]:
        sys.exit(f"the partner's server, process {pid}, did not end within {PATIENCE} seconds")


def main() -> None:
    verb, directory, *address = sys.argv[1:]
    if verb == "certify":
        certify(Path(directory), *address)
    else:
        stop(Path(directory))


if __name__ == "__main__":
    main()
