# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules `keystore` and `keystore_info`, run by ansible-playbook; keytool judges the files.

All cases are tasks of one run, each with a directory of its own.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.mutual.tls.plugins.module_utils import jks, pkcs12
from ansible_collections.mutual.tls.plugins.module_utils.store import Store
from tests.integration.fleet import Event, Fleet, Run
from tests.keystores import DATA, key_entry, orders, people, trusted

Tool = Callable[[str], str]
PASSPHRASE = 'quo"te, back\\slash & ünïcode'
KEY_PASSPHRASE = "e"

pytestmark = pytest.mark.compat


class Files:
    """One case's directory: a key, certificates, and the stores that its tasks make."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        who = people()
        (directory / "key.pem").write_bytes(who["orders"].key_pem)
        (directory / "certificate.pem").write_bytes(who["orders"].pem)
        (directory / "chain.pem").write_bytes(who["root"].pem + who["issuing"].pem)
        (directory / "bundle.pem").write_bytes(who["root"].pem + who["other"].pem)

    def path(self, name: str) -> str:
        return str(self.directory / name)


@dataclass(frozen=True)
class Case:
    """What a case's tasks came to, in their order."""

    files: Files
    events: List[Event]


@dataclass(frozen=True)
class Played:
    """The run of all cases."""

    run: Run
    cases: Mapping[str, Case]


Task = Dict[str, Any]
Tasks = Callable[[Files], Sequence[Task]]
CASES: Dict[str, Tasks] = {}


def case(name: str) -> Callable[[Tasks], Tasks]:
    """Add the tasks that a function makes to the run."""

    def add(tasks: Tasks) -> Tasks:
        CASES[name] = tasks
        return tasks

    return add


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    directory = tmp_path_factory.mktemp("keystores")
    fleet = Fleet(directory)
    fleet.add_host("one")
    (directory / "files").mkdir()
    files = {name: Files(directory / "files" / name.replace(" ", "-")) for name in CASES}
    tasks = {
        f"{name} {number}": {"ignore_errors": True, **task}
        for name, of_case in CASES.items()
        for number, task in enumerate(of_case(files[name]))
    }
    playbook = fleet.write_playbook("keystore.yml", [{"name": name, **task} for name, task in tasks.items()])
    run = fleet.run("-vvvv", playbook=playbook)
    found = {name: run.event("one", name) for name in tasks}
    return Played(
        run,
        {
            case: Case(files[case], [event for name, event in found.items() if name.rpartition(" ")[0] == case])
            for case in CASES
        },
    )


def keystore(**options: Any) -> Task:
    return {"mutual.tls.keystore": {"passphrase": PASSPHRASE, **options}}


def check(task: Task) -> Task:
    return {**task, "check_mode": True, "diff": True}


def info(**options: Any) -> Task:
    return {"mutual.tls.keystore_info": {"passphrase": PASSPHRASE, **options}}


def entries(files: Files) -> List[Dict[str, Any]]:
    return [
        {
            "friendly_name": "Orders",
            "privatekey_path": files.path("key.pem"),
            "certificate_path": files.path("certificate.pem"),
            "other_certificates": [files.path("chain.pem")],
        },
        {"friendly_name": "vibesca", "certificate_content": people()["other"].pem.decode()},
    ]


def outcome(event: Event) -> Any:
    """changed and reasons, or the message of a failure."""
    return (event.result["changed"], event.result["reasons"]) if event.status == "ok" else event.result["msg"]


def _check_and_apply(format: str) -> Tasks:
    def tasks(files: Files) -> Sequence[Task]:
        task = keystore(path=files.path("store"), format=format, entries=entries(files))
        shorter = [{**entries(files)[0], "other_certificates": []}]
        renewed = keystore(path=files.path("store"), format=format, entries=shorter)
        return check(task), task, check(task), task, check(renewed), renewed, renewed

    return tasks


CASES.update({format: _check_and_apply(format) for format in ("jks", "pkcs12")})


@pytest.mark.parametrize("format", ["jks", "pkcs12"])
def test_check_apply_check_apply_change(played: Played, format: str) -> None:
    case = played.cases[format]
    assert [outcome(event) for event in case.events] == [
        (True, ["store_missing"]),
        (True, ["store_missing"]),
        (False, []),
        (False, []),
        (True, ["store_content_changed"]),
        (True, ["store_content_changed"]),
        (False, []),
    ]
    names = [sorted(event.result["friendly_names"]) for event in case.events]
    assert all(found == ["Orders", "vibesca"] or format == "jks" for found in names)
    diff = case.events[4].result["diff"]
    assert diff["before"].count("until") == 4 and diff["after"].count("until") == 2
    codec = jks if format == "jks" else pkcs12
    store = codec.decode((case.files.directory / "store").read_bytes(), PASSPHRASE)
    alias = "orders" if format == "jks" else "Orders"
    assert {entry.alias for entry in store.entries} == {alias, "vibesca"}
    assert key_entry(alias, people()["orders"]).chain in [getattr(entry, "chain", None) for entry in store.entries]


@case("two passphrases")
def _two_passphrases(files: Files) -> Sequence[Task]:
    many = {"friendly_name": "many", "certificate_path": files.path("bundle.pem")}
    secrets = {"passphrase": "changeit", "key_passphrase": KEY_PASSPHRASE}
    path = files.path("client.jks")
    return [keystore(path=path, format="jks", **secrets, entries=[*entries(files), many], mode="0640")]


def test_keytool_sees_both_passphrases_and_all_entries(played: Played, tool: Tool) -> None:
    case = played.cases["two passphrases"]
    (event,) = case.events
    assert outcome(event) == (True, ["store_missing"])
    path = case.files.path("client.jks")
    listed = subprocess.run(
        [tool("keytool"), "-list", "-v", "-keystore", path, "-storepass", "changeit"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert "Keystore type: JKS" in listed and "contains 4 entries" in listed
    for alias in ("orders", "vibesca", "many-1", "many-2"):
        assert f"Alias name: {alias}\n" in listed
    assert "Certificate chain length: 3" in listed
    assert os.stat(path).st_mode & 0o7777 == 0o640


@case("others' entries")
def _others_entries(files: Files) -> Sequence[Task]:
    path = files.directory / "store.p12"
    path.write_bytes((DATA / "keytool.p12").read_bytes())
    options = {"path": str(path), "format": "pkcs12", "passphrase": "changeit"}
    add = keystore(**options, entries=entries(files)[1:])
    remove = keystore(**options, entries=[{"friendly_name": "CLIENT", "state": "absent"}])
    only = keystore(**options, entries=entries(files)[1:], exclusive=True)
    return add, add, remove, remove, only, only


def test_others_entries_survive_unless_exclusive(played: Played) -> None:
    found = played.cases["others' entries"].events
    assert [sorted(event.result["friendly_names"]) for event in found] == [
        ["Other CA", "client", "vibesca"],
        ["Other CA", "client", "vibesca"],
        ["Other CA", "vibesca"],
        ["Other CA", "vibesca"],
        ["vibesca"],
        ["vibesca"],
    ]
    assert [event.result["changed"] for event in found] == [True, False] * 3


STATES: Dict[Path, Any] = {}


def _state(path: Path) -> Any:
    return path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()


def _failures(files: Files) -> List[Tuple[Dict[str, Any], str]]:
    """Options, and what the message has to say."""
    good, wrong = files.path("good.jks"), files.path("wrong.jks")
    material = entries(files)
    return [
        ({"path": good, "passphrase": "not this", "entries": material}, "passphrase is wrong"),
        ({"path": wrong, "entries": material}, "JCEKS"),
        ({"path": good, "format": "pkcs12", "entries": material}, "it is of format jks"),
        ({"path": good, "encryption": "modern", "entries": material}, "a JKS store has only one"),
        ({"path": good, "entries": [{**material[0], "certificate_path": files.path("bundle.pem")}]},
         "entry 'Orders': the certificate is not the private key's"),
        ({"path": good, "entries": [material[1], {**material[1], "friendly_name": "VIBESCA"}]}, "listed twice"),
        ({"path": good, "entries": [{"friendly_name": "nothing"}]}, "certificate_content is missing"),
        ({"path": good, "entries": [{**material[1], "certificate_path": "/x"}]}, "exclude each other"),
        ({"path": files.path("missing/store"), "entries": material}, "missing"),
        ({"path": good, "entries": material, "owner": "nobody-of-that-name"}, "does not exist on this host"),
        ({"path": good, "entries": material, "mode": 0o640}, 'mode must be quoted, such as "0640"'),
    ]  # fmt: skip


@case("failures")
def _failing(files: Files) -> Sequence[Task]:
    good, wrong = files.directory / "good.jks", files.directory / "wrong.jks"
    good.write_bytes(jks.encode(Store((orders(), trusted()), "jks"), PASSPHRASE))
    wrong.write_bytes((DATA / "keytool.jceks").read_bytes())
    STATES.update({path: _state(path) for path in (good, wrong)})
    return [keystore(**{"format": "jks", **options}) for options, _complaint in _failures(files)]


def test_failures_touch_nothing_and_say_what_to_do(played: Played) -> None:
    case = played.cases["failures"]
    for event, (_options, complaint) in zip(case.events, _failures(case.files), strict=True):
        assert event.status == "failed" and complaint in event.result["msg"], event.result["msg"]
        assert "Traceback" not in str(event.result)
    assert {path: _state(path) for path in STATES} == STATES


KEY_TEXTS: Dict[str, str] = {}


def _with_secrets(name: str, passphrase: str, key_passphrase: str) -> Tasks:
    """Make a store with an encrypted key that is given as text, read it, and fail to."""

    def tasks(files: Files) -> Sequence[Task]:
        key = people()["orders"].key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(key_passphrase.encode()),
        )
        KEY_TEXTS[name] = key.decode()
        path = files.path("s.jks")
        entry = {
            **entries(files)[0],
            "privatekey_path": None,
            "privatekey_content": key.decode(),
            "privatekey_passphrase": key_passphrase,
        }
        secrets = {"passphrase": passphrase, "key_passphrase": key_passphrase}
        make = keystore(path=path, format="jks", **secrets, previous_passphrase=key_passphrase, entries=[entry])
        return [{**make, "diff": True}, info(path=path, **secrets), info(path=path, passphrase=key_passphrase)]

    return tasks


SECRETS = {"letter": "e", "backslash": "\\", "word": "store"}
CASES.update({name: _with_secrets(name, secret + "1", secret) for name, secret in SECRETS.items()})
# Their parts that no escaping changes are looked for.
CASES["canaries"] = _with_secrets("canaries", 'Zq7"xw\\Kp3', "Zq7'Wv9 Jt5é")


@pytest.mark.parametrize("name", [*SECRETS, "canaries"])
def test_results_are_whole_whatever_the_passphrase(played: Played, name: str) -> None:
    """Ansible masks by value, which would turn "store_missing" into asterisks; we mask by position."""
    made, listed, failed = played.cases[name].events
    assert outcome(made) == (True, ["store_missing"])
    assert made.result["diff"]["after"].count("private key with public key") == 1
    (entry,) = listed.result["entries"]
    assert (entry["friendly_name"], entry["type"], entry["chain_length"]) == ("orders", "key", 3)
    assert entry["certificates"][0]["subject"] == "CN=orders"
    assert failed.result["msg"].endswith("the passphrase is wrong, or the file was altered")
    for event in (made, listed, failed):
        assert event.result["invocation"]["module_args"]["passphrase"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        assert "*****" not in str(event.result)


def test_no_secret_shows_at_any_verbosity(played: Played) -> None:
    assert [event.status for event in played.cases["canaries"].events] == ["ok", "ok", "failed"]
    body = [line for text in KEY_TEXTS.values() for line in text.splitlines()[1:-1]]
    for part in ["Zq7", "Kp3", "Wv9", "Jt5", *body]:
        assert part not in played.run.output
        assert part not in str(played.run.events)


ANSWERS = {
    "keytool.jks": ("jks", "jks", 3),
    "openssl-legacy.p12": ("pkcs12", "other", 3),
    "keytool.p12": ("pkcs12", "modern", 3),
    "openssl-certificate-only.p12": ("pkcs12", "modern", 0),
}


@case("reading")
def _reading(_files: Files) -> Sequence[Task]:
    options = {"passphrase": "changeit"}
    return [
        *(
            info(path=str(DATA / file), **options, key_passphrase="another-one" if file.endswith("jks") else None)
            for file in ANSWERS
        ),
        info(path=str(DATA / "keytool.jceks"), **options),
    ]


def test_info_tells_formats_apart_and_never_a_key(played: Played) -> None:
    *found, refused = played.cases["reading"].events
    for event, (file, (format, encryption, length)) in zip(found, ANSWERS.items(), strict=True):
        assert event.status == "ok", event.result
        result = event.result
        assert (result["changed"], result["format"], result["encryption"]) == (False, format, encryption)
        assert result["entries"][0]["chain_length"] == length
        assert [entry["visible_to_java"] for entry in result["entries"]] == (
            [False] if "certificate-only" in file else [True] * len(result["entries"])
        )
        assert "PRIVATE" not in str(result)
    assert refused.status == "failed" and "JCEKS" in refused.result["msg"]


@case("warnings")
def _warnings(files: Files) -> Sequence[Task]:
    options = {"format": "pkcs12", "entries": entries(files)}
    passphrases = {"s.p12": "ünïcode", "t.p12": "ascii"}
    return [keystore(path=files.path(name), passphrase=text, **options) for name, text in passphrases.items()]


def test_a_warning_where_java_cannot_open_it(played: Played) -> None:
    with_warning, without = played.cases["warnings"].events
    assert any("not every Java" in warning for warning in with_warning.result["warnings"])
    assert not without.result.get("warnings")
