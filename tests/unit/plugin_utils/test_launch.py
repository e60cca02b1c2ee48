# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller sends to start the host's half, and what it makes of what comes back."""

from __future__ import annotations

import ast
import base64
import json
import zlib
from pathlib import PurePosixPath
from typing import Any, Dict, Iterator, Set

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import ReplyError
from ansible_collections.mutual.tls.plugins.module_utils.imports import MINIMUM_PYTHON
from ansible_collections.mutual.tls.plugins.module_utils.reply import MAXIMUM_SIZE
from ansible_collections.mutual.tls.plugins.plugin_utils import launch
from ansible_collections.mutual.tls.tests.conftest import REPOSITORY

LIBRARY = REPOSITORY / "plugins/module_utils"


def sources_in(whole: bytes) -> Dict[str, str]:
    length, rest = whole.split(b"\n", 1)
    packed = rest[int(length) :].split(b"\n", 1)[0]
    found: Dict[str, str] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return found


def arguments_in(whole: bytes) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads(whole.rstrip(b"\n").rsplit(b"\n", 1)[1])
    return found


def imported(name: str, text: str) -> Iterator[str]:
    """The files of the collection that one of them may import, wherever in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = PurePosixPath(name).parents[node.level - 1]
            place = base / (node.module or "").replace(".", "/")
            yield from (str(place / (alias.name + ".py")) for alias in node.names)
            yield str(place) + ".py"


def reached(start: str) -> Set[str]:
    """All files of the library that are imported from one of them."""
    known, pending = set(), [start]
    while pending:
        name = pending.pop()
        if name not in known and (LIBRARY / name).is_file():
            known.add(name)
            pending += imported(name, (LIBRARY / name).read_text(encoding="utf-8"))
    return known


def test_all_that_the_hosts_half_imports_travels() -> None:
    needed = reached("entry.py")
    assert {"converge/run.py", "converge/apply.py", "selinux.py", "pkcs12_read.py", "pbe.py"} <= needed
    travelling = sources_in(launch.standard_input("{}", False))
    assert needed <= set(travelling)
    for name in needed:
        assert travelling[name] == (LIBRARY / name).read_text(encoding="utf-8")


def test_what_no_host_needs_stays_here() -> None:
    travelling = sources_in(launch.standard_input("{}", False))
    assert [name for name in travelling if name.startswith(("handshake/", "ownca/"))] == []
    assert "bootstrap.py" not in travelling
    assert set(travelling) - {"__init__.py"} <= {str(path.relative_to(LIBRARY)) for path in LIBRARY.rglob("*.py")}


def test_the_bootstrap_comes_first_and_whole() -> None:
    whole = launch.standard_input("{}", False)
    bootstrap = (LIBRARY / "bootstrap.py").read_bytes()
    assert whole.startswith(b"%d\n%s" % (len(bootstrap), bootstrap))


def test_the_input_is_ascii_and_each_part_one_line() -> None:
    """Every connection can carry it, and a line is read as a line."""
    document = json.dumps({"passphrase": 'ü 😀 "\\ \u2028\n'}, ensure_ascii=False)
    whole = launch.standard_input(document, True)
    assert whole.isascii()
    bootstrap = (LIBRARY / "bootstrap.py").read_bytes()
    assert whole.count(b"\n") == bootstrap.count(b"\n") + 3
    assert arguments_in(whole) == {"document": document, "check": True, "minimum_python": list(MINIMUM_PYTHON)}
    assert arguments_in(launch.standard_input(document, False))["check"] is False


def test_the_command_is_a_short_constant() -> None:
    assert len(launch.CODE) < 200
    assert launch.CODE.isascii()
    compile(launch.CODE, "command", "exec")
    # A shell gets it within single quotes.
    assert not set("'\n\\!`$") & set(launch.CODE)


def test_the_digest_is_of_all_the_code() -> None:
    """Hosts that were sealed by other code make a full check."""
    sources = dict(launch._SOURCES)
    digests = {launch._digest_of(sources)}
    assert digests == {launch.DIGEST}
    for name in sorted(sources):
        digests.add(launch._digest_of({**sources, name: sources[name] + "#"}))
    assert len(digests) == len(sources) + 1


def test_the_digest_is_the_same_on_every_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its zlib makes of the sources, and its file system of their order."""
    backwards = dict(reversed(list(launch._SOURCES.items())))
    monkeypatch.setattr(zlib, "compress", lambda data, level: data)
    assert launch._digest_of(backwards) == launch.DIGEST


NESTED = '{"reply":' * 100_000
ANSWERS: Dict[str, Any] = {
    '{"reply": {}}': {"reply": {}},
    '\n{"reply": {}}\n': {"reply": {}},
    'noise\n{"reply": {}}\nnoise': {"reply": {}},
    '{"reply": {"first": 1}}\n{"reply": {"second": 1}}': {"reply": {"second": 1}},
    '\r\n{"failed": true, "msg": "x"}\r\n': {"failed": True, "msg": "x"},
    "": None,
    "\n\n": None,
    "noise": None,
    "[1]": None,
    '"text"': None,
    " {}": None,
    "{": None,
    '{"reply": {}} {"reply": {}}': None,
    '{"reply": {}}\n{': None,
    '{"a": 1e999999}': {"a": float("inf")},
    "{'reply': {}}": None,
    '{"reply": "\ud800"}': {"reply": "\ud800"},
    "{\0}": None,
    '{"a": "\x0b"}': None,
}


@pytest.mark.parametrize("output", ANSWERS, ids=ascii)
def test_the_answer_is_the_last_line_that_looks_like_one(output: str) -> None:
    assert launch.answer(output) == ANSWERS[output]


def test_a_number_without_end_is_no_answer() -> None:
    """Python 3.11 and newer refuse to read it, older ones take their time."""
    found = launch.answer('{"a": ' + "9" * 5000 + "}")
    assert found is None or isinstance(found["a"], int)


def test_an_answer_nested_too_deeply_is_refused() -> None:
    with pytest.raises(ReplyError, match="nested too deeply"):
        launch.answer(NESTED)


def test_an_answer_too_large_is_refused_unread() -> None:
    whole = '{"reply": "' + "x" * (2 * MAXIMUM_SIZE - 13) + '"}'
    assert launch.answer(whole) is not None
    with pytest.raises(ReplyError, match="larger than {0} bytes".format(2 * MAXIMUM_SIZE)):
        launch.answer(whole + "\n")
    with pytest.raises(ReplyError, match="larger"):
        launch.answer("\n" * (2 * MAXIMUM_SIZE + 1))
