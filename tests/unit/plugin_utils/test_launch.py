# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller sends to start the host's half, and what it makes of what comes back."""

from __future__ import annotations

import ast
import base64
import json
import shlex
import zlib
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Set, Tuple

import pytest
from ansible.plugins.loader import shell_loader

from ansible_collections.mutual.tls.plugins.action.credential import ActionModule
from ansible_collections.mutual.tls.plugins.module_utils.document import Document
from ansible_collections.mutual.tls.plugins.module_utils.errors import ReplyError
from ansible_collections.mutual.tls.plugins.module_utils.imports import MINIMUM_PYTHON
from ansible_collections.mutual.tls.plugins.module_utils.reply import MAXIMUM_SIZE
from ansible_collections.mutual.tls.plugins.plugin_utils import launch, who, wire
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import Inventory, read_inventory
from ansible_collections.mutual.tls.tests.conftest import REPOSITORY
from ansible_collections.mutual.tls.tests.integration.surveillance import Canaries, forms

LIBRARY = REPOSITORY / "plugins/module_utils"


def sources_in(whole: bytes) -> Dict[str, str]:
    first, others = parts_of(whole)
    assert not set(first) & set(others)
    return {**first, **others}


def parts_of(whole: bytes) -> List[Dict[str, str]]:
    """The sources that every run unpacks, and the others."""
    length, rest = whole.split(b"\n", 1)
    lines = rest[int(length) :].split(b"\n")[:2]
    return [json.loads(zlib.decompress(base64.b64decode(line))) for line in lines]


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
    # And nothing else.
    assert needed == {name for name in travelling if not name.endswith("__init__.py")}
    for name in needed:
        assert travelling[name] == (LIBRARY / name).read_text(encoding="utf-8")


def test_a_clean_check_unpacks_little() -> None:
    first, _others = parts_of(launch.standard_input("{}", False))
    assert sorted(first) == ["__init__.py", "entry.py", "errors.py", "seal.py", "witness.py"]


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
    assert whole.count(b"\n") == bootstrap.count(b"\n") + 4
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


NESTED = '{"reply": ' * 100_000
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
    '{"reply": {}}\n{"reply": ': None,
    "{": None,
    '{"reply": {}} {"reply": {}}': None,
    '{"reply": {}}\n{': {"reply": {}},
    '{"reply": {}}\n{"warning": "x"}': {"reply": {}},
    '{"failed": 1e999999}': {"failed": float("inf")},
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


class Started(ActionModule):
    """The action up to the command that it has started; `started` is that, and what goes to its standard input."""

    def __init__(self) -> None:
        self._task = SimpleNamespace(check_mode=False)
        self._connection = SimpleNamespace(_shell=shell_loader.get("sh"))
        self.started: List[Tuple[str, bytes]] = []

    def _configure_module(self, **_names: Any) -> Any:
        return "new", "#!/usr/bin/python3", b"", "path"

    def _compute_environment_string(self, *_arguments: Any) -> str:
        return "LANG=C"

    def _low_level_execute_command(self, cmd: str, sudoable: bool, in_data: bytes) -> Dict[str, Any]:
        assert sudoable
        self.started.append((cmd, in_data))
        return {"stdout": "", "stderr": "gone"}


PASSPHRASE = 'the key\'s "passphrase" ü'


def told() -> Tuple[Inventory, Document]:
    """An inventory with a passphrase, and the document that it comes to."""
    key = {"passphrase": PASSPHRASE, "key": {"encrypt": True}}
    item = {"name": "orders", "issuer": "corp", "subject": {"CN": "orders"}, **key}
    inventory = read_inventory({"credentials": [item], "issuers": {"corp": {"type": "ownca"}}})
    credentials = tuple(intent.host for intent in inventory.credentials)
    return inventory, Document("/etc/mtls", 1, ("orders",), {}, credentials)


def test_the_command_holds_nothing_of_the_document() -> None:
    """Everybody on the host can read it, and sudo notes it in the system's log."""
    action, (inventory, document) = Started(), told()
    with pytest.raises(ReplyError):
        action._trip(document, inventory, {})
    ((command, standard_input),) = action.started
    assert shlex.split(command) == ["LANG=C", "/usr/bin/python3", "-c", launch.CODE, who.mark()]
    search = Canaries({"passphrase": forms(PASSPHRASE)})
    assert search.within(command.encode(), "the command") == []
    assert search.within(standard_input, "standard input") != []


def test_the_document_names_the_code_that_judges() -> None:
    """Another release may judge otherwise: what the old one sealed is checked anew."""
    assert json.loads(wire.build(told()[1]))["code"] == launch.DIGEST
