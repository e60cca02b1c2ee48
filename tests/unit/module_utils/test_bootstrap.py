# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of the host's half: with every Python, whatever lies around it, and from memory only."""

from __future__ import annotations

import ast
import json
import runpy
import sys
from pathlib import Path
from typing import Dict, Iterator

import pytest

from ansible_collections.mutual.tls.plugins.plugin_utils import launch
from ansible_collections.mutual.tls.tests.conftest import REPOSITORY
from ansible_collections.mutual.tls.tests.environments import pythons
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host
from ansible_collections.mutual.tls.tests.unit.module_utils.sealed import plain
from ansible_collections.mutual.tls.tests.unit.module_utils.started import failure, input_for, reply, run

BOOTSTRAP = REPOSITORY / "plugins/module_utils/bootstrap.py"


@pytest.fixture(scope="module")
def installed() -> Dict[str, Path]:
    """Every supported Python of this machine, most of them without `cryptography`."""
    return pythons()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_text("content")
    yield tmp_path / "root"


def entry(text: str, document: str) -> bytes:
    """Standard input with another entry than ours."""
    arguments = {"document": document, "check": False, "minimum_python": [3, 0]}
    packed: bytes = launch._input_of({**launch._SOURCES, "entry.py": text})
    return packed + json.dumps(arguments).encode() + b"\n"


_SEAL = """
import json, os
from . import seal, witness

def main(document, check):
    root = json.loads(document)["root"]
    if os.path.exists(root + "/" + seal.NAME):
        os.unlink(root + "/" + seal.NAME)
    looks = [(root, "entry"), (root, "own"), (root, "names"), (root, "real"), (root, "directory")]
    looks += [(root + "/file", "entry"), (root + "/file", "content"), ("root", "user"), ("root", "group")]
    seen = {look: witness.look(*look) for look in looks}
    descriptor = os.open(root + "/" + seal.NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(seal.build(document, seen, 0, 1e11, {"from": "the seal"}))
"""


def test_every_python_reads_the_seal_that_it_made_and_no_other(
    installed: Dict[str, Path], root: Path, tmp_path: Path
) -> None:
    """A seal holds for one Python: another one may have another library."""
    document = json.dumps({"root": str(root), "credentials": []})
    assert installed
    for version, python in installed.items():
        assert run(tmp_path, entry(_SEAL, document), python=python).returncode == 0, version
        assert reply(run(tmp_path, launch.standard_input(document, True), python=python)) == {"from": "the seal"}
        other = next((path for path in installed.values() if path != python), None)
        if other is not None:
            assert failure(run(tmp_path, launch.standard_input(document, True), python=other)), (version, other)
        (root / "file").write_text("Content")
        assert failure(run(tmp_path, launch.standard_input(document, True), python=python)), version
        (root / "file").write_text("content")


_IMPORT_ALL = """
import importlib, json, sys

def main(document, check):
    sys.modules["cryptography"] = None
    names = ["mutual_tls." + name[:-3].replace("/", ".") for name in json.loads(document)]
    modules = [importlib.import_module(name[:-9] if name.endswith(".__init__") else name) for name in names]
    strange = [one.__name__ for one in modules if type(one.__spec__.loader).__name__ != "Sources"]
    print(json.dumps({"strange": strange, "count": len(modules)}))
"""


def test_every_python_imports_all_of_it_from_memory(installed: Dict[str, Path], tmp_path: Path) -> None:
    names = sorted(name for name in launch._SOURCES if name != "__init__.py")
    for version, python in installed.items():
        done = run(tmp_path, entry(_IMPORT_ALL, json.dumps(names)), python=python)
        assert json.loads(done.stdout) == {"strange": [], "count": len(names)}, (version, done.stderr)


def test_every_python_tells_that_the_library_is_missing(installed: Dict[str, Path], tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    for version, python in installed.items():
        done = run(tmp_path, input_for(host, plain()), "import sys; sys.modules['cryptography'] = None", python=python)
        assert "python3-cryptography" in failure(done), version


@pytest.mark.parametrize("found", [(3, 8, 20), (3, 6, 8), (2, 7, 18)])
def test_an_old_python_is_told(found: tuple[int, ...], tmp_path: Path) -> None:
    """It need not understand anything but this: what follows may not even compile there."""
    host = Host(tmp_path / "root")
    message = failure(run(tmp_path, input_for(host, plain()), "import sys; sys.version_info = {0}".format(found)))
    assert "Python 3.9 or newer is needed" in message
    assert "is {0}.{1};".format(*found) in message
    assert sys.executable in message
    assert not host.root.exists()


def test_the_bootstrap_is_read_by_old_pythons() -> None:
    """By those that tell who they are; Python 2 and 3.5 end with a syntax error, which the action tells."""
    ast.parse(BOOTSTRAP.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_who_only_imports_the_bootstrap_starts_nothing() -> None:
    """As ansible-test does with every file of a collection."""
    assert "start" in runpy.run_path(str(BOOTSTRAP), run_name="anything")


_TRAPS = "json base64 zlib importlib struct os grp pwd hashlib fcntl cryptography mutual_tls sitecustomize".split()


@pytest.mark.parametrize("sealed", [True, False])
def test_what_lies_in_the_working_directory_is_not_imported(sealed: bool, tmp_path: Path) -> None:
    host, place = Host(tmp_path / "root"), tmp_path / "place"
    place.mkdir()
    trap = "open({0!r}, 'a').write(__name__)\n".format(str(tmp_path / "sprung"))
    for name in _TRAPS:
        (place / (name + ".py")).write_text(trap)
    (place / "entry").mkdir()
    (place / "mutual_tls").mkdir()
    for name in ("__init__", "entry", "seal"):
        (place / "mutual_tls" / (name + ".py")).write_text(trap)
    if sealed:
        first = reply(run(tmp_path, input_for(host, plain()), cwd=place))
        answer = host.authority.sign(first["credentials"][0]["request"]["pem"])
        run(tmp_path, input_for(host, plain(answer=answer)), cwd=place)
        assert (host.root / ".seal").exists()
    done = run(tmp_path, input_for(host, plain()), cwd=place, PYTHONDONTWRITEBYTECODE="")
    assert reply(done)["credentials"][0]["state"] == ("active" if sealed else "request")
    assert not (tmp_path / "sprung").exists()
    assert sorted(path.name for path in place.rglob("__pycache__")) == []


NOISE = {
    "a line before": ("print('noise')", "pass"),
    "half a line before": ("print('noise', end='')", "pass"),
    "a line after": ("pass", "print('noise')"),
    "JSON before": ("print('{\"failed\": true}')", "pass"),
    "an open brace within a line": ("print('noise {')", "print(' {')"),
    "control characters": ("print('\\x1b[31m\\x00\\x0c')", "print('\\x07\\x0b')"),
    "what is no text": ("import sys; sys.stdout.buffer.write(b'\\n')", "sys.stdout.write('\\xff')"),
}


@pytest.mark.parametrize("name", NOISE)
def test_what_else_python_says_does_not_matter(name: str, tmp_path: Path) -> None:
    before, then = NOISE[name]
    host = Host(tmp_path / "root")
    done = run(tmp_path, input_for(host, plain()), before, then if name != "what is no text" else "import sys; " + then)
    assert reply(done)["credentials"][0]["state"] == "request"
    old = run(tmp_path, input_for(host, plain()), before + "\nimport sys; sys.version_info = (3, 8)", "pass")
    assert "Python 3.9" in failure(old)


PLAIN_C = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8", "nowhere"])
@pytest.mark.parametrize(("name", "settings"), [("rööt", {}), ("root", PLAIN_C)], ids=["as it comes", "ASCII"])
def test_no_locale_changes_a_thing(locale: str, name: str, settings: Dict[str, str], tmp_path: Path) -> None:
    host, settings = Host(tmp_path / name), {**settings, "LC_ALL": locale}
    item = plain(configs=[{"file": "app.conf", "content": "ü 😀", "owner": None, "group": None, "mode": "0600"}])
    first = reply(run(tmp_path, input_for(host, item), **settings))["credentials"][0]
    assert first["directory"] == str(host.root / "orders")
    answer = host.authority.sign(first["request"]["pem"])
    done = reply(run(tmp_path, input_for(host, {**item, "answer": answer}), **settings))
    assert done["credentials"][0]["state"] == "active"
    assert (host.current() / "app.conf").read_text(encoding="utf-8") == "ü 😀"
    assert (host.root / ".seal").exists()
    assert reply(run(tmp_path, input_for(host, item), **settings))["changed"] is False
