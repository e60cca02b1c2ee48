# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking for secrets where they must not be: in files, in /proc, in everything that processes write."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import threading
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from cryptography.hazmat.primitives import serialization

_MINIMUM = 6
"""Bytes: what is shorter is found everywhere by chance."""
_LONG = 64 * 1024
"""Bytes: a line of that length is one that a program has made."""


def forms(text: str) -> Set[bytes]:
    """The ways in which a text may be written: as it is, escaped, quoted, encoded."""
    texts = {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        repr(repr(text))[2:-2],
        json.dumps(json.dumps(text))[3:-3],
        shlex.quote(text),
        urllib.parse.quote(text),
        ascii(text)[1:-1],
        text.encode("unicode_escape").decode("ascii"),
    }
    found = {form.encode() for form in texts}
    found |= {text.encode("utf-16-be"), text.encode("utf-16-le")}
    found |= _encoded(text.encode())
    return {form for form in found if len(form) >= _MINIMUM}


def _encoded(data: bytes) -> Set[bytes]:
    """Hex, and base64 with each of the three alignments that the data can have inside a longer text."""
    found = {data.hex().encode(), data.hex().upper().encode()}
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + data)
        # The first and the last characters depend on what stands beside the data.
        inner = whole[4 if offset else 0 : -4]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def key_forms(pem: bytes, passphrase: Optional[str]) -> Set[bytes]:
    """Everything that would betray a private key: its numbers, its encodings, each line of its file."""
    key: Any = serialization.load_pem_private_key(pem, None if passphrase is None else passphrase.encode())
    plain = {
        encoding: [
            key.private_bytes(encoding, kind, serialization.NoEncryption())
            for kind in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
            if not (kind is serialization.PrivateFormat.TraditionalOpenSSL and "Ed" in type(key).__name__)
        ]
        for encoding in (serialization.Encoding.DER, serialization.Encoding.PEM)
    }
    secrets = list(plain[serialization.Encoding.DER])
    found: Set[bytes] = set()
    for number in _private_numbers(key):
        size = (number.bit_length() + 7) // 8
        secrets.append(number.to_bytes(size, "big"))
        secrets.append(number.to_bytes(size, "little"))
        found.add(str(number).encode())
    for secret in secrets:
        found |= {secret, *_encoded(secret)}
    lines = b"\n".join([pem, *plain[serialization.Encoding.PEM]]).splitlines()
    found |= {line for line in lines if len(line) > 16 and not line.startswith(b"-----")}
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    # A private key's encoding ends in the public one, which everybody may see.
    written = [base64.b64encode(b"\0" * offset + public) for offset in range(3)]
    harmless = b" ".join([public, public.hex().encode(), *written])
    return {form for form in found if form not in harmless}


def _private_numbers(key: Any) -> List[int]:
    if not hasattr(key, "private_numbers"):
        raw = key.private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
        )
        return [int.from_bytes(raw, "big")]
    numbers = key.private_numbers()
    if hasattr(numbers, "private_value"):
        return [numbers.private_value]
    return [numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp]


class Canaries:
    """Named secrets, to be looked for in bytes.

    A very long line is looked through once: the program that Ansible sends to hosts is most of what it writes.
    """

    def __init__(self, secrets: Mapping[str, Iterable[bytes]]) -> None:
        self._long_lines: Set[bytes] = set()
        self._names = {form: name for name, found in secrets.items() for form in found}
        ordered = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(form) for form in ordered))

    def __len__(self) -> int:
        return len(self._names)

    def within(self, data: bytes, where: str) -> List[str]:
        """Which of them stand in some bytes, for a message: the canary's name, the place, what is around."""
        data = self._unless_seen(data)
        return [
            f"{self._names[match.group()]} in {where}: {data[max(0, match.start() - 60) : match.end() + 20]!r}"
            for match in self._pattern.finditer(data)
        ]

    def _unless_seen(self, data: bytes) -> bytes:
        if len(data) < _LONG:
            return data
        lines = data.split(b"\n")
        long = {line for line in lines if len(line) >= _LONG}
        known, self._long_lines = self._long_lines, self._long_lines | long
        return b"\n".join(b"" if line in known else line for line in lines) if long & known else data

    def in_files(self, directory: Path, allowed: Sequence[Path] = ()) -> List[str]:
        """Which of them stand in files below a directory, or in their names; `allowed` files and trees are left out."""
        found = []
        for path in sorted(directory.rglob("*")):
            if any(path == item or item in path.parents for item in allowed):
                continue
            name = os.fsencode(path)
            content = os.fsencode(os.readlink(path)) if path.is_symlink() else _read(path)
            found += self.within(name, "a name") + self.within(content, str(path))
        return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        # It was there a moment ago.
        return b""


@dataclass
class Watcher(threading.Thread):
    """Looks at the processes of a run and at its temporary directories, again and again while it lasts.

    `mark` is an entry of the environment by which the run's processes are known.
    """

    mark: bytes
    directories: Sequence[Path]
    canaries: Canaries
    found: Set[str] = field(default_factory=set)
    processes: Set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        self._strangers: Set[int] = {os.getpid()}
        self._known: Dict[str, Tuple[Any, ...]] = {}

    def __hash__(self) -> int:
        return id(self)

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.01):
            self._look_at_processes()
            for directory in self.directories:
                self._look_at_files(directory)

    def _look_at_processes(self) -> None:
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) in self._strangers:
                continue
            try:
                environ = Path("/proc", entry, "environ").read_bytes()
                command = Path("/proc", entry, "cmdline").read_bytes()
            except OSError:
                # It has ended, or belongs to somebody else.
                continue
            if environ and self.mark not in environ.split(b"\0"):
                # Those that are started by the run have the mark from the beginning.
                self._strangers.add(int(entry))
            elif self._known.get(entry) != (environ, command):
                self._known[entry] = (environ, command)
                self.processes.add(int(entry))
                self.found.update(self.canaries.within(environ, "an environment"))
                self.found.update(self.canaries.within(command, "a command line"))

    def _look_at_files(self, directory: Path) -> None:
        for path, _directories, names in os.walk(directory):
            for name in names:
                file = Path(path, name)
                try:
                    status = file.lstat()
                    version = (status.st_ino, status.st_mtime_ns, status.st_size)
                    content = b"" if self._known.get(str(file)) == version else file.read_bytes()
                except OSError:
                    continue
                if self._known.get(str(file)) != version:
                    self._known[str(file)] = version
                    self.found.update(self.canaries.within(os.fsencode(file), "a name"))
                    self.found.update(self.canaries.within(content, str(file)))


STRACE = (
    "--follow-forks",
    "--seccomp-bpf",
    "--decode-fds=all",
    "--strings-in-hex=all",
    "--string-limit=4000000",
    "--no-abbrev",
    "--signal=none",
    "--trace=execve,write,pwrite64,writev,sendto,sendmsg,openat,rename,renameat,renameat2,symlinkat,mkdir,mkdirat",
)
"""Options under which `traced` can read what strace writes."""

_CALL = re.compile(rb"^(\d+)\s+(\w+)\((.*)$", re.DOTALL)
_DESCRIPTOR = re.compile(rb"^(\d+)<([^>]*)>")
_HEX = re.compile(rb"(?:\\x[0-9a-f]{2})+")
_STRING = re.compile(rb'"((?:\\x[0-9a-f]{2})*)"')
_WRITES = frozenset((b"write", b"pwrite64", b"writev", b"sendto", b"sendmsg"))


@dataclass(frozen=True)
class Traced:
    """What processes did: bytes written, by process and target (a path, `pipe:[…]`, a socket), and everything else."""

    written: Mapping[Tuple[int, str], bytes]
    executed: Tuple[bytes, ...]
    paths: FrozenSet[bytes]


def traced(output: Path) -> Traced:
    """Read what strace wrote. A secret that was written in pieces is found, because the pieces are joined."""
    written: Dict[Tuple[int, str], List[bytes]] = {}
    executed, paths = [], []
    for process, call, arguments in _calls(output):
        descriptor = _DESCRIPTOR.match(arguments) if call in _WRITES else None
        if descriptor is not None:
            target = os.fsdecode(_plain(descriptor.group(2)))
            written.setdefault((process, target), []).append(_strings(arguments[descriptor.end() :], b""))
        elif call == b"execve":
            executed.append(_strings(arguments, b"\0"))
        else:
            paths.append(_strings(arguments, b"\0"))
    return Traced({key: b"".join(parts) for key, parts in written.items()}, tuple(executed), frozenset(paths))


def _calls(output: Path) -> Iterator[Tuple[int, bytes, bytes]]:
    with open(output, "rb") as file:
        for line in file:
            match = _CALL.match(line)
            if match is not None:
                yield int(match.group(1)), match.group(2), match.group(3)


def _strings(arguments: bytes, between: bytes) -> bytes:
    return between.join(_plain(text) for text in _STRING.findall(arguments))


def _plain(text: bytes) -> bytes:
    return _HEX.sub(lambda match: bytes.fromhex(match.group().replace(b"\\x", b"").decode("ascii")), text)
