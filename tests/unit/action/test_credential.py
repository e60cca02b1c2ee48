# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action between an inventory and a host, in one process: what it sends, asks, writes and returns."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Optional

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from ansible_collections.mutual.tls.plugins.action.credential import ActionModule
from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import name as names
from ansible_collections.mutual.tls.plugins.module_utils import private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.converge.run import converge
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create
from ansible_collections.mutual.tls.plugins.module_utils.ownca.build import AuthoritySpec
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.reply import encode
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import open_state_directory
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
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(repository)])
    # pytest has imported the collection before Ansible's own importer could, which notes this on it.
    collection = sys.modules["ansible_collections.mutual.tls"]
    if not hasattr(collection, "_collection_meta"):
        collection._collection_meta = {}  # type: ignore[attr-defined]


class Connection:
    """A connection that is asked for nothing but pipelining."""

    has_pipelining = True
    _shell = SimpleNamespace(tmpdir="unused")

    def __init__(self) -> None:
        self.options: Dict[str, Any] = {}

    def set_option(self, name: str, value: Any) -> None:
        self.options[name] = value


class Action(ActionModule):  # type: ignore[misc]
    """The action with a host in the same process; `documents` are what was sent to it."""

    documents: List[str]
    crash: Optional[str] = None

    def _execute_module(self, module_name: str = "", module_args: Any = None, **_options: Any) -> Dict[str, Any]:
        assert self._connection.options == {"pipelining": True}, "the document would lie in a temporary file"
        assert isinstance(module_args["document"], str), "of a map, Ansible would mask each value wherever it stands"
        self.documents.append(module_args["document"])
        if self.crash is not None:
            return {"failed": True, "msg": "MODULE FAILURE", "module_stderr": self.crash, "rc": 1}
        reply = converge(parse(module_args["document"]), bool(self._task.check_mode), lambda path: None)
        return {"changed": reply.changed, "reply": json.loads(json.dumps(encode(reply)))}


class World:
    """A controller with an own CA, and hosts that are directories."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "mtls"
        self.crash: Optional[str] = None
        self.documents: List[str] = []

    def make_ca(self) -> None:
        place = open_state_directory(str(self.state), create=True).ownca("corp")
        Path(place).parent.mkdir(mode=0o700)
        subject = names.normalize({"CN": "Corp"})
        spec = AuthoritySpec(subject, KeyKind("ECC", curve="secp256r1"), timedelta(days=3650))
        create.converge(place, create.OwnCaSpec(spec, None, timedelta(days=30)), CA_PASSPHRASE, None, NOW, write=True)

    def run(self, host: str = "web1", check: bool = False, known_as: str = "", **changes: Any) -> Dict[str, Any]:
        """One task on one host; `known_as` is what the host says that its name is."""
        task = SimpleNamespace(
            args=self.arguments(host, **changes),
            check_mode=check,
            diff=True,
            async_val=0,
            action="mutual.tls.credential",
        )
        loader = DataLoader()
        loader.set_basedir(str(self.directory))
        variables = {"inventory_hostname": host, "inventory_dir": str(self.directory)}
        if known_as:
            variables.update(ansible_hostname=known_as, ansible_host=known_as, ansible_fqdn=known_as)
        action = Action(task, Connection(), None, loader, Templar(loader=loader, variables=variables), None)
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
            "issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
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
