# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time pyjks in the environment that has it. Arguments, output and what becomes of the file: as of StoreTimes.java."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import jks  # type: ignore[import-untyped]  # it is in the environment of requirements-bench.txt only


def main() -> None:
    path, passphrase, alias, repetitions = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    data = written = path.read_bytes()
    for _count in range(repetitions):
        begin = time.perf_counter()
        entry = jks.KeyStore.loads(data, passphrase).private_keys[alias]
        read = time.perf_counter()
        chain = [certificate for _type, certificate in entry.cert_chain]
        new = jks.PrivateKeyEntry.new(alias, chain, entry.pkey_pkcs8, "pkcs8")
        written = jks.KeyStore.new("jks", [new]).saves(passphrase)
        end = time.perf_counter()
        print("read", read - begin)
        print("write", end - read)
    path.write_bytes(written)


if __name__ == "__main__":
    main()
