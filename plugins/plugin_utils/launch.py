# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the host's half without a module: one command there, everything else through its standard input.

Ansible's way to run a module spends most of its time on the host: Python reads a script of several hundred kilobytes
from its standard input byte by byte, writes a zip file, and compiles Ansible's own module library. Here the command is
short, and always the same but for who calls; the sources come compressed on one line, are imported from memory, and
only those that are needed. Nothing is written to the host's disk, and no secret stands in a command line.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, Dict, List, Mapping

from ..module_utils import errors
from ..module_utils.errors import ReplyError
from ..module_utils.imports import MINIMUM_PYTHON
from ..module_utils.reply import MAXIMUM_SIZE
from .who import mark

_TOP = Path(errors.__file__).parent
_BOOTSTRAP = "bootstrap.py"
# What a host needs that has nothing to do: unpacking the rest would cost it more than its check.
_FIRST = ("__init__.py", "entry.py", "errors.py", "seal.py", "witness.py")
# The controller's own, and the library of other modules.
_LEFT_OUT = (
    "arguments.py",
    "converge/information.py",
    "converge/readable.py",
    "database.py",
    "duration.py",
    "handshake/options.py",
    "invocation.py",
    "keystore_arguments.py",
    "keystore_entries.py",
    "keystore_file.py",
    "keystore_report.py",
    "ownca/",
    "passphrase.py",
    "state_directory.py",
)

# How the host's entry.py and bootstrap.py begin the line; whatever else a Python prints is not even read.
_ANSWERS = ('{"reply": ', '{"failed": ')

CODE = (
    "import sys; sys.path[:] = [path for path in sys.path if path]; stream = sys.stdin.buffer; "
    "exec(stream.read(int(stream.readline())))"
)
"""What Python is told to execute. The empty path is the working directory: anybody may have put a json.py there."""


def _sources() -> Dict[str, str]:
    """What may be imported on hosts, by its path below module_utils."""
    paths = {path.relative_to(_TOP).as_posix(): path for path in sorted(_TOP.rglob("*.py"))}
    sources = {
        name: path.read_text(encoding="utf-8")
        for name, path in paths.items()
        if name != _BOOTSTRAP and not name.startswith(_LEFT_OUT)
    }
    return {"__init__.py": "", **sources}


def _input_of(sources: Mapping[str, str]) -> bytes:
    bootstrap = (_TOP / _BOOTSTRAP).read_bytes()
    first = {name: text for name, text in sources.items() if name in _FIRST}
    others = {name: text for name, text in sources.items() if name not in _FIRST}
    return b"%d\n%s%s\n%s\n" % (len(bootstrap), bootstrap, _packed(first), _packed(others))


def _packed(sources: Mapping[str, str]) -> bytes:
    return base64.b64encode(zlib.compress(json.dumps(sources).encode("ascii"), 9))


def _digest_of(sources: Mapping[str, str]) -> str:
    """Of the texts themselves: not every controller's zlib packs them into the same bytes."""
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode("ascii")).hexdigest()


# Once, when Ansible loads the action: before it forks a worker for every host.
_SOURCES = _sources()
_INPUT = _input_of(_SOURCES)
DIGEST = _digest_of(_SOURCES)
"""SHA-256 of the host's code: other code may judge otherwise."""


def arguments() -> List[str]:
    """What Python is started with: the code, and who calls, for those who look at the host's processes."""
    return ["-c", CODE, mark()]


def standard_input(document: str, check: bool) -> bytes:
    """What the started Python reads: sources and arguments, ASCII only, so that every connection can carry it."""
    arguments = {"document": document, "check": check, "minimum_python": MINIMUM_PYTHON}
    return _INPUT + json.dumps(arguments).encode("ascii") + b"\n"


def answer(output: str) -> Mapping[str, Any] | None:
    """The host's answer in what it printed, or None where there is none. Raises ReplyError for one too large."""
    if len(output) > 2 * MAXIMUM_SIZE:
        raise ReplyError("the host's reply is larger than {0} bytes".format(2 * MAXIMUM_SIZE))
    for line in reversed(output.splitlines()):
        if line.startswith(_ANSWERS):
            return _object(line)
    return None


def _object(line: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    except RecursionError:
        raise ReplyError("the host's reply is nested too deeply") from None
    return found if isinstance(found, dict) else None
