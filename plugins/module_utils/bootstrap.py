# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first thing that runs on a host: takes the rest from standard input and starts it.

Executed as it is, without a package around it and perhaps by an old Python, so it is written for any. Nothing is
written to the host's disk, neither code nor arguments: what is imported comes from memory. The input's lines, after
this file itself, are the sources that every run needs, all others, which are unpacked when one of them is met (see
plugin_utils/launch.py), and the arguments.
"""

import base64
import importlib
import importlib.machinery
import json
import sys
import types
import typing
import zlib


class Sources:
    """Imports the package `mutual_tls` from packed maps of file names to source text (PEP 451)."""

    package = "mutual_tls"

    def __init__(self, first: bytes, others: bytes) -> None:
        self._sources = unpacked(first)
        self._others = others

    def _file(self, name: str) -> str:
        path = name[len(self.package) + 1 :].replace(".", "/")
        package = (path + "/" if path else "") + "__init__.py"
        return package if package in self._sources else path + ".py"

    def _unpack_others(self) -> None:
        if self._others:
            self._sources.update(unpacked(self._others))
            self._others = b""

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> "importlib.machinery.ModuleSpec | None":
        if name != self.package and not name.startswith(self.package + "."):
            return None
        if self._file(name) not in self._sources:
            self._unpack_others()
        file = self._file(name)
        if file not in self._sources:
            return None
        # Any: it is a loader by what it can do, not by its class, whose module costs time to import.
        loader: typing.Any = self
        return importlib.machinery.ModuleSpec(name, loader, is_package=file.endswith("__init__.py"))

    def create_module(self, spec: "importlib.machinery.ModuleSpec") -> None:
        """The import system makes the module."""

    def exec_module(self, module: "types.ModuleType") -> None:
        file = self._file(module.__name__)
        exec(compile(self._sources[file], "mutual.tls/" + file, "exec", dont_inherit=True), module.__dict__)


def unpacked(line: bytes) -> "dict[str, str]":
    """The sources on one line of the input."""
    return dict(json.loads(zlib.decompress(base64.b64decode(line)).decode("utf-8")))


def report_crash(kind: "type[BaseException]", error: BaseException, trace: "types.TracebackType | None") -> None:
    """Say where and how the code came to an end that nobody foresaw. An error's text may hold a secret: it stays out.

    Some connections show a program's errors as they are, from -vvv on.
    """
    place = "?"
    while trace is not None:
        place = "{0}, line {1}".format(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        sys.stderr.write("  {0}, in {1}\n".format(place, trace.tb_frame.f_code.co_name))
        trace = trace.tb_next
    sys.stderr.write("{0} in {1}\n".format(kind.__name__, place))


def start(stream: "typing.BinaryIO") -> None:
    """Read the sources and the arguments, and run."""
    sys.excepthook = report_crash
    first, others = stream.readline(), stream.readline()
    arguments = json.loads(stream.readline().decode("utf-8"))
    minimum = arguments.pop("minimum_python")
    if list(sys.version_info[:2]) < minimum:
        needed, found = (".".join(str(part) for part in version) for version in (minimum, sys.version_info[:2]))
        message = (
            "Python {0} or newer is needed on this host, but {1} is {2}; point ansible_python_interpreter to a newer "
            "one".format(needed, sys.executable, found)
        )
        # On a line of its own, as in entry.py.
        sys.stdout.write("\n" + json.dumps({"failed": True, "msg": message}) + "\n")
        return
    sys.meta_path.insert(0, Sources(first, others))
    importlib.import_module("mutual_tls.entry").main(**arguments)


# Who only imports it, as tools do with every file, has nothing on standard input.
if __name__ == "__main__":
    start(sys.stdin.buffer)
