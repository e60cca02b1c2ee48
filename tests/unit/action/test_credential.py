# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action between an inventory and a host, in one process: what it sends, asks, writes and returns."""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Optional

import pytest
from ansible import constants
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import become_loader, connection_loader, init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from ansible_collections.mutual.tls.plugins.action import credential as action_module
from ansible_collections.mutual.tls.plugins.action.credential import ActionModule
from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import keystore_format, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils import name as names
from ansible_collections.mutual.tls.plugins.module_utils.converge import host as converge_module
from ansible_collections.mutual.tls.plugins.module_utils.converge.run import converge
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create
from ansible_collections.mutual.tls.plugins.module_utils.ownca.build import AuthoritySpec
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.reply import encode
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers import ownca as ownca_issuer
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.ownca import OwnCa
from ansible_collections.mutual.tls.plugins.plugin_utils.registry import Registry
from ansible_collections.mutual.tls.tests.integration.surveillance import Canaries, forms, key_forms
from ansible_collections.mutual.tls.tests.unit.own_ca import snapshot

NOW = datetime.now(timezone.utc)
CA_PASSPHRASE = "the CA's \\ passphrase"
PASSPHRASE = "the credential's 'own' passphrase ü"


@pytest.fixture(scope="module", autouse=True)
def plugins(repository: Path) -> None:
    """What ansible-playbook does when it starts; lookups and filters are not found before it."""
    # Loaded when it is needed first, which Ansible's importer could not do here any more.
    keystore_format.codec("jks")
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(repository)])
    # pytest has imported the collection before Ansible's own importer could, which notes this on it.
    collection = sys.modules["ansible_collections.mutual.tls"]
    if not hasattr(collection, "_collection_meta"):
        collection._collection_meta = {}  # type: ignore[attr-defined]


def connect(kind: str = "local", become: Optional[str] = None) -> Any:
    """A real connection, which is asked whether it could pipeline and nothing else."""
    context = PlayContext()
    connection = connection_loader.get(kind, context, os.devnull)
    if become is not None:
        connection.set_become_plugin(become_loader.get(become))
    connection._shell.tmpdir = "unused"
    return connection


class Action(ActionModule):  # type: ignore[misc]
    """The action with a host in the same process; `documents` are what was sent to it."""

    documents: List[str]
    crash: Optional[str] = None

    def _command(self, variables: Dict[str, Any]) -> str:
        return "python3 -c ..."

    def _low_level_execute_command(self, cmd: str, sudoable: bool = True, in_data: bytes = b"") -> Dict[str, Any]:
        assert self._is_pipelining_enabled("new"), "the document would lie in a temporary file"
        arguments = json.loads(in_data.splitlines()[-1])
        self.documents.append(arguments["document"])
        if self.crash is not None:
            return {"stdout": "", "stderr": self.crash, "rc": 1}
        reply = converge(parse(arguments["document"]), arguments["check"], lambda path: None)
        return {"stdout": "\n" + json.dumps({"reply": encode(reply)}) + "\n", "stderr": "", "rc": 0}


class World:
    """A controller with an own CA, and hosts that are directories."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "mtls"
        self.crash: Optional[str] = None
        self.documents: List[str] = []
        self.connection = connect()
        self.variables: Dict[str, Any] = {}
        self.more: Dict[str, Any] = {}
        self.issuers: Dict[str, Any] = {}

    def make_ca(self, name: str = "corp") -> None:
        place = open_state_directory(str(self.state), create=True).ownca(name)
        Path(place).parent.mkdir(mode=0o700, exist_ok=True)
        subject = names.normalize({"CN": name.title()})
        spec = AuthoritySpec(subject, KeyKind("ECC", curve="secp256r1"), timedelta(days=3650))
        create.converge(place, create.OwnCaSpec(spec, None, timedelta(days=30)), CA_PASSPHRASE, None, NOW, write=True)

    def run(self, host: str = "web1", check: bool = False, known_as: str = "", **changes: Any) -> Dict[str, Any]:
        """One task on one host; `known_as` is what the host says that its name is."""
        task = SimpleNamespace(
            args={**self.arguments(host, **changes), **self.more},
            check_mode=check,
            diff=True,
            async_val=0,
            action="mutual.tls.credential",
        )
        loader = DataLoader()
        loader.set_basedir(str(self.directory))
        variables = {"inventory_hostname": host, "inventory_dir": str(self.directory), **self.variables}
        if known_as:
            variables.update(ansible_hostname=known_as, ansible_host=known_as, ansible_fqdn=known_as)
        action = Action(task, self.connection, PlayContext(), loader, Templar(loader=loader, variables=variables), None)
        action.documents, action.crash = [], self.crash
        result: Dict[str, Any] = action.run(None, variables)
        self.documents = action.documents
        return result

    def arguments(self, host: str, **changes: Any) -> Dict[str, Any]:
        (self.directory / "hosts" / host).mkdir(parents=True, exist_ok=True)
        item = {
            "name": "orders",
            "issuer": "corp",
            "subject": {"CN": "orders"},
            "passphrase": PASSPHRASE,
            "key": {"type": "ECC", "encrypt": True},
            "keystores": [{"file": "a.p12", "format": "pkcs12"}],
            **changes,
        }
        return {
            "credentials": [item],
            "issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}, **self.issuers},
            "root": str(self.root(host)),
            "state_directory": str(self.state),
        }

    def root(self, host: str = "web1") -> Path:
        return self.directory / "hosts" / host / "mtls"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    world.make_ca()
    yield world


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """The credentials that the CA was asked to certify."""
    found: List[str] = []
    real = OwnCa.issue

    def issue(self: OwnCa, request: Any) -> Any:
        found.append(request.credential)
        return real(self, request)

    monkeypatch.setattr(OwnCa, "issue", issue)
    return found


def test_rerun_calls_its_host_once_and_nobody_else(world: World, asked: List[str]) -> None:
    first = world.run()
    assert (first["changed"], first["credentials"][0]["state"], len(world.documents), asked) == (
        True,
        "active",
        2,
        ["orders"],
    )
    before = snapshot(world.directory)
    again = world.run()
    assert (again["changed"], again["credentials"][0]["reasons"]) == (False, [])
    assert (len(world.documents), asked) == (1, ["orders"])
    assert snapshot(world.directory) == before


@pytest.mark.parametrize("state", ["a CA", "no state directory"])
def test_check_writes_nothing_and_asks_nobody(tmp_path: Path, asked: List[str], state: str) -> None:
    world = World(tmp_path)
    if state == "a CA":
        world.make_ca()
    (tmp_path / "hosts/web1").mkdir(parents=True)
    before = snapshot(tmp_path)
    predicted = world.run(check=True)
    assert (snapshot(tmp_path), asked) == (before, [])
    assert (predicted["changed"], predicted["credentials"][0]["state"]) == (True, "active")
    if state == "a CA":
        done = world.run()
        for key in ("state", "changed", "reasons", "generation", "subject", "directory"):
            assert done["credentials"][0][key] == predicted["credentials"][0][key]
        assert done["diff"] == predicted["diff"]


def test_no_issuer_secret_and_no_other_hosts_data_travels(world: World) -> None:
    world.run("web2", subject={"CN": "another-hosts-subject"})
    world.run()
    assert len(world.documents) == 2
    sent = "\n".join(world.documents).encode()
    foreign = {"the CA's passphrase": forms(CA_PASSPHRASE), "web2's subject": forms("another-hosts-subject")}
    assert Canaries(foreign).within(sent, "the wire document") == []
    assert Canaries({"its own passphrase": forms(PASSPHRASE)}).within(sent, "the wire document") != []


def test_no_secret_comes_back(world: World) -> None:
    """Neither key nor passphrase in a result or a document, going well and not."""
    results = [world.run(), world.run(passphrase="another", previous_passphrase=None), world.run(subject={"CN": "new"})]
    key = key_forms((world.root() / "orders/current/key.pem").read_bytes(), PASSPHRASE)
    said = json.dumps([results, world.documents[-1:]], ensure_ascii=False).encode()
    assert [result.get("failed", False) for result in results] == [False, True, False]
    assert Canaries({"the private key": key}).within(said, "results and documents") == []
    secrets = {text: forms(text) for text in (PASSPHRASE, CA_PASSPHRASE)}
    assert Canaries(secrets).within(json.dumps(results, ensure_ascii=False).encode(), "results") == []


@pytest.mark.parametrize(
    "words",
    ["ValueError: {0}", "KeyError: {0!r}", "x" * 300 + "{0}", "first line {0}\nlast line"],
    ids=["plain", "quoted", "long", "before"],
)
def test_crash_of_the_module_shows_no_passphrase(world: World, words: str) -> None:
    world.crash = words.format(PASSPHRASE)
    result = world.run()
    assert (result["failed"], result["changed"]) == (True, False)
    assert "gave no result" in result["msg"]
    assert Canaries({"passphrase": forms(PASSPHRASE)}).within(json.dumps(result).encode(), "the result") == []


def test_a_host_is_its_inventory_hostname(world: World) -> None:
    """Whatever it says that its name is: a fact is the host's own word."""
    world.run("web1", known_as="web2")
    leaf = certificates.load_all((world.root() / "orders/current/certificate.pem").read_bytes(), "certificate.pem")[0]
    registry = Registry(open_state_directory(str(world.state), create=False))
    assert registry.holder(certificates.public_fingerprint(leaf)) == "web1"


def test_a_key_of_one_host_is_not_certified_for_another(world: World, asked: List[str]) -> None:
    """A machine that has another one's key, and says that it is that one."""
    world.run("web1")
    waiting = world.root("web2") / "orders/next"
    waiting.mkdir(parents=True, mode=0o700)
    content = (world.root("web1") / "orders/current/key.pem").read_bytes()
    (waiting / "key.pem").write_bytes(content)
    key = private_key.load(content, PASSPHRASE).key
    spec = request.RequestSpec(names.normalize({"CN": "orders"}), ())
    (waiting / "request.pem").write_bytes(request.build(key, spec))
    result = world.run("web2", known_as="web1")
    assert result["failed"] is True
    assert "key_owner" in result["msg"]
    assert asked == ["orders"]


@pytest.mark.parametrize(("kind", "become"), [("local", None), ("local", "sudo"), ("ssh", None), ("ssh", "sudo")])
def test_the_document_goes_through_the_connection(world: World, kind: str, become: Optional[str]) -> None:
    world.connection = connect(kind, become)
    assert world.run()["credentials"][0]["state"] == "active"


@pytest.mark.parametrize("way", ["su", "keep_remote_files", "connection"])
def test_nothing_is_sent_where_it_would_lie_in_temporary_files(
    world: World, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    texts = {"su": "become_method su", "keep_remote_files": "ANSIBLE_KEEP_REMOTE_FILES", "connection": "such as ssh"}
    if way == "su":
        world.connection = connect(become="su")
    elif way == "connection":
        world.connection.has_pipelining = False
    else:
        monkeypatch.setattr(constants, "DEFAULT_KEEP_REMOTE_FILES", True)
    before = snapshot(world.state)
    result = world.run()
    assert (result["failed"], result["changed"], world.documents) == (True, False, [])
    assert "temporary files" in result["msg"]
    assert texts[way] in result["msg"]
    assert snapshot(world.state) == before


@pytest.mark.parametrize("fact", ["mtls_credentials__evil", "mtls_root", "inventory_hostname", "inventory_dir"])
def test_a_fact_does_not_win_over_the_inventory(world: World, asked: List[str], fact: str) -> None:
    world.variables = {"ansible_facts": {"distribution": "Debian", fact: "evil"}}
    result = world.run()
    assert (result["failed"], world.documents, asked) == (True, [], [])
    assert repr(fact) in result["msg"]
    world.variables = {"ansible_facts": {"distribution": "Debian", "ansible_local": {fact: "no variable"}}}
    assert world.run()["changed"] is True


def test_a_host_without_present_credentials_uses_the_same_state_directory(world: World) -> None:
    """A directory that is not one is said to be none, whatever the credentials' states."""
    (world.directory / "unmarked").mkdir()
    world.more = {"state_directory": str(world.directory / "unmarked")}
    for state in ("present", "held", "absent"):
        result = world.run(state=state)
        assert result["failed"] is True
        assert "marker" in result["msg"]
    world.more = {"state_directory": str(world.directory / "new")}
    for state in ("held", "absent"):
        assert "failed" not in world.run(state=state)
    assert not (world.directory / "new").exists()


def test_no_state_directory_is_made_where_the_own_ca_is_missing(world: World) -> None:
    """The real one may only not be mounted: an empty one with a marker would hide that."""
    world.more = {"state_directory": str(world.directory / "new")}
    result = world.run()
    assert result["failed"] is True and "mutual.tls.ownca" in result["msg"]
    assert not (world.directory / "new").exists()
    predicted = world.run(check=True)
    assert "failed" not in predicted
    assert any("issuer corp" in warning and "mutual.tls.ownca" in warning for warning in predicted["warnings"])


@pytest.mark.parametrize("check", [False, True], ids=["run", "check"])
def test_an_authority_whose_ca_is_missing_empties_nothing(world: World, check: bool) -> None:
    world.more = {"authorities": {"root": {"issuer": "corp"}}}
    world.run(authorities=["root"])
    trust = world.root() / "orders/current/trust.pem"
    before = trust.read_bytes()
    (world.state / "ownca/corp").rename(world.state / "ownca/away")
    result = world.run(check=check, authorities=["root"])
    assert trust.read_bytes() == before
    if check:
        assert result["credentials"][0]["reasons"] == ["truststore_content_changed"]
    else:
        assert result["failed"] is True
        assert result["msg"].startswith("authorities.root.issuer: there is no own CA in ")
        assert "mutual.tls.ownca" in result["msg"]


def test_a_new_host_is_predicted_before_its_ca_is_made(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.more = {"authorities": {"root": {"issuer": "corp"}}}
    options = {
        "authorities": ["root"],
        "truststores": [{"file": "t.jks", "format": "jks"}, {"file": "t.pem", "format": "pem"}],
    }
    predicted = world.run(check=True, **options)
    assert (predicted["changed"], predicted["credentials"][0]["state"]) == (True, "active")
    world.make_ca()
    done = world.run(**options)
    for key in ("state", "changed", "reasons", "generation", "subject"):
        assert done["credentials"][0][key] == predicted["credentials"][0][key]


def test_a_renewal_that_ends_too_soon_is_predicted_to_fail(
    world: World, asked: List[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found before the CA is asked, too."""
    world.run(validity="60d")

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(days=45)

    for module in (action_module, ownca_issuer, converge_module):
        monkeypatch.setattr(module, "datetime", Later)
    predicted, done = world.run(check=True, validity="1d"), world.run(validity="1d")
    for result in (predicted, done):
        assert result["credentials"][0]["state"] == "failed"
        assert "sooner than the one in use" in result["credentials"][0]["error"]
        assert result["credentials"][0]["reasons"] == ["certificate_due"]
    assert predicted["changed"] == done["changed"]
    assert asked == ["orders"]
    assert world.run(validity="61d")["credentials"][0]["state"] == "active"


def test_another_certificate_may_end_sooner(world: World) -> None:
    """What the inventory itself asks for anew does not have to outlast what it replaces."""
    world.run(validity="60d")
    for changes in ({"subject": {"CN": "new"}}, {"key": {"type": "Ed25519", "encrypt": True}}):
        predicted = world.run(check=True, validity="1d", **changes)
        done = world.run(validity="1d", **changes)
        assert [one["credentials"][0]["state"] for one in (predicted, done)] == ["active", "active"]


def test_a_cloned_key_is_predicted_to_fail(world: World, asked: List[str]) -> None:
    kept = {"key": {"type": "ECC", "encrypt": True, "rotate": False}}
    world.run("web1", **kept)
    shutil.copytree(world.root("web1"), world.root("web2"), symlinks=True)
    changes = {**kept, "subject": {"CN": "other"}}
    for check in (True, True, False, True):
        entry = world.run("web2", check=check, **changes)["credentials"][0]
        assert entry["state"] == "failed"
        assert 'policy rule "key_owner"' in entry["error"]
        assert "web1" in entry["error"]
    assert asked == ["orders"]
