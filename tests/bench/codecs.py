# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store codecs alone: one RSA 2048 key with a chain of three certificates, read and written by everyone.

All read what keytool wrote, and write the same entry in the same form: PKCS#12 with AES-256, PBKDF2-HMAC-SHA256 and
HMAC-SHA256 at 10,000 rounds. What they wrote must be the same store, before times count.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs12 as library

from ...plugins.module_utils import jks, pkcs12
from ...plugins.module_utils.keystore_format import codec, detect
from ...plugins.module_utils.store import KeyEntry, Store, differences
from ..unit.material import Identity, authority, client, rsa_key
from .errors import BenchError
from .figures import SECONDS, Figure
from .plan import Plan

SCENE = "codecs"
ALIAS = "client"
PASSPHRASE = "changeit"
HERE = Path(__file__).resolve().parent
ROUNDS = 10_000

OURS, KEYTOOL, JVM, PYJKS, LIBRARY = "ours", "keytool", "java", "pyjks", "cryptography"
DESCRIPTIONS: Mapping[str, str] = {
    OURS: "ours",
    KEYTOOL: "keytool, which starts a JVM each time",
    JVM: "the same in a JVM that runs already",
    PYJKS: "pyjks",
    LIBRARY: "cryptography's own PKCS#12",
}

Times = Dict[str, List[float]]
"""Seconds of "read" and "write"."""


def measure_codecs(plan: Plan) -> List[Figure]:
    """Every codec's times, several in each round, the codecs taking turns.

    A start of keytool takes a second, so it has one repetition a round.
    """
    work, repetitions = plan.work, plan.amount.repetitions
    stores = _originals(work)
    contestants: Dict[str, Callable[[str], Times]] = {
        OURS: lambda kind: _ours(stores[kind], repetitions),
        KEYTOOL: lambda kind: _keytool(stores, kind, work),
        JVM: lambda kind: _java(stores[kind], kind, work, repetitions),
        PYJKS: lambda kind: _pyjks(stores[kind], work, plan.peers_python, repetitions),
        LIBRARY: lambda kind: _library(stores[kind], repetitions),
    }
    pairs = [
        (kind, name)
        for kind in ("jks", "pkcs12")
        for name in contestants
        if (kind, name) not in (("jks", LIBRARY), ("pkcs12", PYJKS))
    ]
    found: Dict[Any, List[float]] = {}
    for number in range(1, plan.amount.rounds + 1):
        for kind, name in pairs:
            plan.progress(f"codecs: round {number} of {plan.amount.rounds}: {name}, {kind}")
            for action, seconds in contestants[name](kind).items():
                found.setdefault((name, f"{kind} {action}"), []).extend(seconds)
    return [Figure(SCENE, work_done, name, SECONDS, tuple(times)) for (name, work_done), times in found.items()]


def _originals(work: Path) -> Dict[str, Path]:
    """The stores that all read, as keytool writes them."""
    root = authority("Benchmark root CA", key=rsa_key(1))
    issuing = authority("Benchmark issuing CA", signer=root, key=rsa_key(2))
    leaf = client("orders", signer=issuing, key=rsa_key(0))
    source = work / "source.p12"
    source.write_bytes(pkcs12.encode(Store((_entry(leaf, issuing, root),), "modern"), PASSPHRASE))
    found = {kind: work / f"original.{kind}" for kind in ("jks", "pkcs12")}
    for kind, path in found.items():
        _import(source, "pkcs12", path, kind)
        _check(path.read_bytes(), source.read_bytes(), KEYTOOL)
    return found


def _entry(leaf: Identity, *above: Identity) -> KeyEntry:
    key = leaf.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyEntry(ALIAS, key, tuple(one.der for one in (leaf, *above)))


def _check(written: bytes, original: bytes, name: str) -> None:
    """BenchError unless both stores hold the same, in whatever format."""
    found, wanted = (codec(detect(data)).decode(data, PASSPHRASE) for data in (written, original))
    wrong = differences("store", Store(found.entries, ""), Store(wanted.entries, ""), exclusive=True)
    if wrong:
        raise BenchError(f"what {name} wrote is not the same store: {wrong}")


def _timed(action: Callable[[], Any], repetitions: int) -> List[float]:
    times = []
    for _count in range(repetitions):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return times


def _ours(original: Path, repetitions: int) -> Times:
    data = original.read_bytes()
    module = {"jks": jks, "pkcs12": pkcs12}[detect(data)]
    store = module.decode(data, PASSPHRASE)
    store = Store(store.entries, "jks" if module is jks else "modern")
    _check(module.encode(store, PASSPHRASE), data, OURS)
    return {
        "read": _timed(lambda: module.decode(data, PASSPHRASE), repetitions),
        "write": _timed(lambda: module.encode(store, PASSPHRASE), repetitions),
    }


def _library(original: Path, repetitions: int) -> Times:
    data, secret = original.read_bytes(), PASSPHRASE.encode()
    key, leaf, above = library.load_key_and_certificates(data, secret)
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ROUNDS)
        .key_cert_algorithm(library.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(secret)
    )

    def write() -> bytes:
        return library.serialize_key_and_certificates(ALIAS.encode(), key, leaf, above, encryption)  # type: ignore[arg-type]

    _check(write(), data, LIBRARY)
    return {
        "read": _timed(lambda: library.load_key_and_certificates(data, secret), repetitions),
        "write": _timed(write, repetitions),
    }


def _keytool(stores: Dict[str, Path], kind: str, work: Path) -> Times:
    """A process each, as a user runs it. It writes an entry only by reading it from another store."""
    other = "pkcs12" if kind == "jks" else "jks"
    target = work / f"keytool.{kind}"
    target.unlink(missing_ok=True)
    write = _timed(lambda: _import(stores[other], other, target, kind), 1)
    _check(target.read_bytes(), stores[kind].read_bytes(), KEYTOOL)
    command = ["keytool", "-list", "-rfc", "-keystore", str(target), "-storetype", kind, "-storepass", PASSPHRASE]
    return {"read": _timed(lambda: _run(command), 1), "write": write}


def _import(source: Path, source_kind: str, target: Path, kind: str) -> None:
    """Write a store with keytool; a key in a new JKS store gets the store's passphrase."""
    command = ["keytool", "-importkeystore", "-noprompt", "-alias", ALIAS]
    command += ["-srckeystore", str(source), "-srcstoretype", source_kind, "-srcstorepass", PASSPHRASE]
    _run([*command, "-destkeystore", str(target), "-deststoretype", kind, "-deststorepass", PASSPHRASE])


def _java(original: Path, kind: str, work: Path, repetitions: int) -> Times:
    path = Path(shutil.copy(original, work / f"java.{kind}"))
    program = ["java", str(HERE / "StoreTimes.java"), kind]
    return _reported(program, path, original, JVM, repetitions)


def _pyjks(original: Path, work: Path, python: Path, repetitions: int) -> Times:
    path = Path(shutil.copy(original, work / "pyjks.jks"))
    return _reported([str(python), str(HERE / "pyjks_times.py")], path, original, PYJKS, repetitions)


def _reported(program: Sequence[str], path: Path, original: Path, name: str, repetitions: int) -> Times:
    """The times that a program prints, after it has written the store at `path` anew."""
    output = _run([*program, str(path), PASSPHRASE, ALIAS, str(repetitions)])
    _check(path.read_bytes(), original.read_bytes(), name)
    times: Times = {"read": [], "write": []}
    for line in output.splitlines():
        action, seconds = line.split()
        times[action].append(float(seconds))
    return times


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"{Path(command[0]).name} ended with status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout
