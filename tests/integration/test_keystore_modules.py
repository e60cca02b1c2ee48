# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules `keystore` and `keystore_info`, run by ansible-playbook; keytool and openssl judge the files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

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


class Keystores:
    """A project on one local host; each `run` is one playbook with one task for each set of options."""

    def __init__(self, directory: Path) -> None:
        self._fleet = Fleet(directory)
        self._fleet.add_host("one")
        self.files = directory / "files"
        self.files.mkdir()
        who = people()
        (self.files / "key.pem").write_bytes(who["orders"].key_pem)
        (self.files / "certificate.pem").write_bytes(who["orders"].pem)
        (self.files / "chain.pem").write_bytes(who["root"].pem + who["issuing"].pem)
        (self.files / "bundle.pem").write_bytes(who["root"].pem + who["other"].pem)

    def path(self, name: str) -> str:
        return str(self.files / name)

    def playbook(self, tasks: Sequence[Dict[str, Any]], *arguments: str) -> Run:
        """Run tasks, each given by its own keywords; they may fail."""
        numbered = [{"name": str(number), "ignore_errors": True, **task} for number, task in enumerate(tasks)]
        return self._fleet.run(*arguments, playbook=self._fleet.write_playbook("keystore.yml", numbered))

    def events(self, *tasks: Dict[str, Any], arguments: Sequence[str] = ()) -> List[Event]:
        """The results of tasks in their order."""
        run = self.playbook(tasks, *arguments)
        return [run.event("one", str(number)) for number in range(len(tasks))]


@pytest.fixture
def keystores(tmp_path: Path) -> Keystores:
    return Keystores(tmp_path)


def keystore(**options: Any) -> Dict[str, Any]:
    return {"mutual.tls.keystore": {"passphrase": PASSPHRASE, **options}}


def check(task: Dict[str, Any]) -> Dict[str, Any]:
    return {**task, "check_mode": True, "diff": True}


def info(**options: Any) -> Dict[str, Any]:
    return {"mutual.tls.keystore_info": {"passphrase": PASSPHRASE, **options}}


def entries(keystores: Keystores) -> List[Dict[str, Any]]:
    return [
        {
            "friendly_name": "Orders",
            "privatekey_path": keystores.path("key.pem"),
            "certificate_path": keystores.path("certificate.pem"),
            "other_certificates": [keystores.path("chain.pem")],
        },
        {"friendly_name": "vibesca", "certificate_content": people()["other"].pem.decode()},
    ]


def outcome(event: Event) -> Any:
    """changed and reasons, or the message of a failure."""
    return (event.result["changed"], event.result["reasons"]) if event.status == "ok" else event.result["msg"]


@pytest.mark.parametrize("format", ["jks", "pkcs12"])
def test_check_apply_check_apply_change(keystores: Keystores, format: str) -> None:
    task = keystore(path=keystores.path("store"), format=format, entries=entries(keystores))
    renewed = keystore(
        path=keystores.path("store"), format=format, entries=[{**entries(keystores)[0], "other_certificates": []}]
    )
    found = keystores.events(check(task), task, check(task), task, check(renewed), renewed, renewed)
    assert [outcome(event) for event in found] == [
        (True, ["store_missing"]),
        (True, ["store_missing"]),
        (False, []),
        (False, []),
        (True, ["store_content_changed"]),
        (True, ["store_content_changed"]),
        (False, []),
    ]
    assert all(sorted(event.result["friendly_names"]) == ["Orders", "vibesca"] or format == "jks" for event in found)
    diff = found[4].result["diff"]
    assert diff["before"].count("until") == 4 and diff["after"].count("until") == 2
    codec = jks if format == "jks" else pkcs12
    store = codec.decode((keystores.files / "store").read_bytes(), PASSPHRASE)
    alias = "orders" if format == "jks" else "Orders"
    assert {entry.alias for entry in store.entries} == {alias, "vibesca"}
    assert key_entry(alias, people()["orders"]).chain in [getattr(entry, "chain", None) for entry in store.entries]


def test_keytool_sees_both_passphrases_and_all_entries(keystores: Keystores, tool: Tool) -> None:
    path = keystores.path("client.jks")
    task = keystore(
        path=path,
        format="jks",
        passphrase="changeit",
        key_passphrase=KEY_PASSPHRASE,
        entries=[*entries(keystores), {"friendly_name": "many", "certificate_path": keystores.path("bundle.pem")}],
        mode="0640",
    )
    (event,) = keystores.events(task)
    assert outcome(event) == (True, ["store_missing"])
    listed = subprocess.run(
        [tool("keytool"), "-list", "-v", "-keystore", path, "-storepass", "changeit"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert "Keystore type: JKS" in listed and "contains 4 entries" in listed
    for alias in ("orders", "vibesca", "many-1", "many-2"):
        assert f"Alias name: {alias}\n" in listed
    assert "Certificate chain length: 3" in listed
    assert os.stat(path).st_mode & 0o7777 == 0o640


def test_others_entries_survive_unless_exclusive(keystores: Keystores) -> None:
    path = keystores.files / "store.p12"
    path.write_bytes((DATA / "keytool.p12").read_bytes())
    options = {"path": str(path), "format": "pkcs12", "passphrase": "changeit"}
    add = keystore(**options, entries=entries(keystores)[1:])
    remove = keystore(**options, entries=[{"friendly_name": "CLIENT", "state": "absent"}])
    only = keystore(**options, entries=entries(keystores)[1:], exclusive=True)
    found = keystores.events(add, add, remove, remove, only, only)
    assert [sorted(event.result["friendly_names"]) for event in found] == [
        ["Other CA", "client", "vibesca"],
        ["Other CA", "client", "vibesca"],
        ["Other CA", "vibesca"],
        ["Other CA", "vibesca"],
        ["vibesca"],
        ["vibesca"],
    ]
    assert [event.result["changed"] for event in found] == [True, False] * 3


def test_failures_touch_nothing_and_say_what_to_do(keystores: Keystores) -> None:
    good, wrong = keystores.files / "good.jks", keystores.files / "wrong.jks"
    good.write_bytes(jks.encode(Store((orders(), trusted()), "jks"), PASSPHRASE))
    wrong.write_bytes((DATA / "keytool.jceks").read_bytes())
    before = [(one.stat().st_ino, one.stat().st_mtime_ns, one.read_bytes()) for one in (good, wrong)]
    material = entries(keystores)
    cases: List[Any] = [
        ({"path": str(good), "passphrase": "not this", "entries": material}, "passphrase is wrong"),
        ({"path": str(wrong), "entries": material}, "JCEKS"),
        ({"path": str(good), "format": "pkcs12", "entries": material}, "it is of format jks"),
        ({"path": str(good), "encryption": "modern", "entries": material}, "a JKS store has only one"),
        ({"path": str(good), "entries": [{**material[0], "certificate_path": keystores.path("bundle.pem")}]},
         "entry 'Orders': the certificate is not the private key's"),
        ({"path": str(good), "entries": [material[1], {**material[1], "friendly_name": "VIBESCA"}]}, "listed twice"),
        ({"path": str(good), "entries": [{"friendly_name": "nothing"}]}, "certificate_content is missing"),
        ({"path": str(good), "entries": [{**material[1], "certificate_path": "/x"}]}, "exclude each other"),
        ({"path": keystores.path("missing/store"), "entries": material}, "missing"),
        ({"path": str(good), "entries": material, "owner": "nobody-of-that-name"}, "does not exist on this host"),
        ({"path": str(good), "entries": material, "mode": 0o640}, 'mode must be quoted, such as "0640"'),
    ]  # fmt: skip
    tasks = [keystore(**{"format": "jks", **options}) for options, _complaint in cases]
    for event, (_options, complaint) in zip(keystores.events(*tasks), cases, strict=True):
        assert event.status == "failed" and complaint in event.result["msg"], event.result["msg"]
        assert "Traceback" not in str(event.result)
    assert [(one.stat().st_ino, one.stat().st_mtime_ns, one.read_bytes()) for one in (good, wrong)] == before


def with_secrets(keystores: Keystores, passphrase: str, key_passphrase: str) -> List[Dict[str, Any]]:
    """Make a store with an encrypted key that is given as text, read it, and fail to."""
    key = people()["orders"].key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(key_passphrase.encode()),
    )
    path = keystores.path("s.jks")
    entry = {
        **entries(keystores)[0],
        "privatekey_path": None,
        "privatekey_content": key.decode(),
        "privatekey_passphrase": key_passphrase,
    }
    secrets = {"passphrase": passphrase, "key_passphrase": key_passphrase}
    make = keystore(path=path, format="jks", **secrets, previous_passphrase=key_passphrase, entries=[entry])
    return [{**make, "diff": True}, info(path=path, **secrets), info(path=path, passphrase=key_passphrase)]


@pytest.mark.parametrize("secret", ["e", "\\", "store"])
def test_results_are_whole_whatever_the_passphrase(keystores: Keystores, secret: str) -> None:
    """Ansible masks by value, which would turn "store_missing" into asterisks; we mask by position."""
    made, listed, failed = keystores.events(*with_secrets(keystores, secret + "1", secret))
    assert outcome(made) == (True, ["store_missing"])
    assert made.result["diff"]["after"].count("private key with public key") == 1
    (entry,) = listed.result["entries"]
    assert (entry["friendly_name"], entry["type"], entry["chain_length"]) == ("orders", "key", 3)
    assert entry["certificates"][0]["subject"] == "CN=orders"
    assert failed.result["msg"].endswith("the passphrase is wrong, or the file was altered")
    for event in (made, listed, failed):
        assert event.result["invocation"]["module_args"]["passphrase"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        assert "*****" not in str(event.result)


def test_no_secret_shows_at_any_verbosity(keystores: Keystores) -> None:
    # The parts that no escaping changes.
    secrets = with_secrets(keystores, 'Zq7"xw\\Kp3', "Zq7'Wv9 Jt5é")
    run = keystores.playbook(secrets, "-vvvv")
    assert [event.status for event in run.events] == ["ok", "ok", "failed"]
    body = secrets[0]["mutual.tls.keystore"]["entries"][0]["privatekey_content"].splitlines()[1:-1]
    for part in ["Zq7", "Kp3", "Wv9", "Jt5", *body]:
        assert part not in run.output
        assert part not in str(run.events)


def test_info_tells_formats_apart_and_never_a_key(keystores: Keystores) -> None:
    answers = {
        "keytool.jks": ("jks", "jks", 3),
        "openssl-legacy.p12": ("pkcs12", "other", 3),
        "keytool.p12": ("pkcs12", "modern", 3),
        "openssl-certificate-only.p12": ("pkcs12", "modern", 0),
    }
    tasks = [
        info(
            path=str(DATA / file), passphrase="changeit", key_passphrase="another-one" if file.endswith("jks") else None
        )
        for file in answers
    ]
    for event, (file, (format, encryption, length)) in zip(keystores.events(*tasks), answers.items(), strict=True):
        assert event.status == "ok", event.result
        result = event.result
        assert (result["changed"], result["format"], result["encryption"]) == (False, format, encryption)
        assert result["entries"][0]["chain_length"] == length
        assert [entry["visible_to_java"] for entry in result["entries"]] == (
            [False] if "certificate-only" in file else [True] * len(result["entries"])
        )
        assert "PRIVATE" not in str(result)
    (refused,) = keystores.events(info(path=str(DATA / "keytool.jceks"), passphrase="changeit"))
    assert refused.status == "failed" and "JCEKS" in refused.result["msg"]


def test_a_warning_where_java_cannot_open_it(keystores: Keystores) -> None:
    options = {"path": keystores.path("s.p12"), "format": "pkcs12", "entries": entries(keystores)}
    ascii_only = {**options, "path": keystores.path("t.p12"), "passphrase": "ascii"}
    with_warning, without = keystores.events(keystore(**options, passphrase="ünïcode"), keystore(**ascii_only))
    assert any("not every Java" in warning for warning in with_warning.result["warnings"])
    assert not without.result.get("warnings")
