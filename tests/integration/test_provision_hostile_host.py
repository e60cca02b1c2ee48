# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that answers whatever it likes: the controller believes nothing of it, and issues nothing to it.

The host's Python is a script that swallows the module and prints a prepared answer.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import name as names
from ansible_collections.mutual.tls.plugins.module_utils import private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply
from ansible_collections.mutual.tls.plugins.module_utils.request import RequestSpec
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, TASK, Fleet
from ansible_collections.mutual.tls.tests.unit import material

pytestmark = pytest.mark.compat

ISSUERS = {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}}


def csr(common_name: str, kind: KeyKind) -> str:
    spec = RequestSpec(names.normalize({"CN": common_name}), ())
    return request.build(private_key.generate(kind), spec).decode()


def entry(**more: Any) -> Dict[str, Any]:
    plain = CredentialReply("orders", "active", False, (), 1, None, None, None, "/elsewhere")
    return {**asdict(plain), **more}


def answer(*credentials: Any, **more: Any) -> str:
    reply = {"version": 1, "changed": False, "orphaned": [], "credentials": list(credentials), **more}
    return json.dumps({"reply": reply, "changed": False})


def wants(pem: Any) -> Dict[str, Any]:
    return entry(state="request", changed=True, request={"pem": pem, "since": "2026-11-21", "public_fingerprint": None})


P256 = KeyKind("ECC", curve="secp256r1")
REFUSED = {
    # what the host answers, and what the error says
    "nothing": ("", "gave no result"),
    "noise": ("Traceback: \x1b[2J no module", "gave no result"),
    "no reply": ('{"changed": true}', "gave no result"),
    "reply of another type": ('{"reply": [1]}', "gave no result"),
    "bomb": ('{"reply": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
    "deep map": ('{"reply": ' + '{"a":' * 200 + "1" + "}" * 201, "other keys than agreed on"),
    "huge": (answer(entry(error="x" * 9_000_000)), "larger than"),
    "another version": (answer(entry(), version=2), "another version"),
    "more than agreed": (answer(entry(extra=1)), "other keys than agreed on"),
    "nobody": (answer(), "not about the credentials"),
    "somebody else": (answer(entry(name="billing")), "not about the credentials"),
    "twice": (answer(entry(), entry()), "not about the credentials"),
    "unknown state": (answer(entry(state="fine")), "unknown state"),
    "unknown reason": (
        answer(entry(differences=[{"reason": "because", "where": "", "was": "", "wanted": ""}])),
        "unknown reason",
    ),
    "no certificate": (answer(entry(certificate="hello")), "host's reply"),
    "no request": (answer(entry(state="request")), "contradicts itself"),
    "waits for nobody knows what": (
        answer(entry(state="awaiting", awaiting={"generation": 2, "since": "", "what": "money", "problem": None})),
        "waits for nobody knows what",
    ),
    "request of nothing": (answer(wants("hello")), 'policy rule "readable"'),
    "request for somebody else": (answer(wants(csr("admin", P256))), 'policy rule "subject"'),
    "request with another key": (answer(wants(csr("orders", KeyKind("Ed25519")))), 'policy rule "key_type"'),
}


@pytest.fixture(name="fleet", scope="module")
def make_fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    fleet = Fleet(tmp_path_factory.mktemp("hostile"))
    fleet.make_ca("corp")
    return fleet


def add(fleet: Fleet, host: str, text: str, **options: Any) -> None:
    """A host whose Python prints this text."""
    tree = fleet.directory / "hosts" / host
    credential = {"name": "orders", "issuer": "corp", "subject": {"CN": "orders"}, "key": {"type": "ECC"}, **options}
    fleet.add_host(host, issuers=ISSUERS, credentials=[credential])
    (tree / "answer").write_text(text, encoding="utf-8")
    python = tree / "python3"
    python.write_text("#!/bin/sh\ncat >/dev/null\ncat {0}/answer\n".format(tree), encoding="utf-8")
    python.chmod(0o755)
    fleet.hosts[host]["ansible_python_interpreter"] = str(python)


def issued(ca: Path) -> int:
    with sqlite3.connect("file:{0}/ledger.sqlite?mode=ro".format(ca), uri=True) as ledger:
        tables = [row[0] for row in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        count: int = ledger.execute(
            "SELECT count(*) FROM {0}".format(next(table for table in tables if "certificate" in table))
        ).fetchone()[0]
        return count


def test_what_is_not_agreed_on_is_refused(fleet: Fleet) -> None:
    fleet.hosts.clear()
    for number, (text, _) in enumerate(REFUSED.values()):
        add(fleet, "bad{0}".format(number), text)
    before = issued(fleet.state / "ownca/corp")
    done = fleet.run()
    for number, (kind, (_, text)) in enumerate(REFUSED.items()):
        event = done.event("bad{0}".format(number))
        assert event.status == "failed", kind
        assert text in event.result["msg"], kind
    assert "\x1b[2J" not in done.output
    assert "Traceback (most recent call last)" not in done.output
    assert issued(fleet.state / "ownca/corp") == before


def test_nothing_of_an_answer_passes_unread(fleet: Fleet) -> None:
    fleet.hosts.clear()
    certificate = material.client("orders", signer=material.authority("CA")).pem.decode()
    raw = json.loads(answer(entry(certificate=certificate, directory="/evil"), orphaned=["evil\x1b[1m"]))
    raw.update(
        ansible_facts={"evil": True, "ansible_python_interpreter": "/evil"},
        invocation={"module_args": "evil"},
        warnings=["evil"],
        deprecations=[{"msg": "evil"}],
        exception="evil",
        diff={"before": "evil", "after": "{{ evil }}"},
        ansible_job_id="evil",
        msg="{{ evil }}",
        skipped=True,
    )
    add(fleet, "host", json.dumps(raw))
    task = json.loads(fleet.playbook.read_text(encoding="utf-8"))[0]["tasks"][0]
    facts = {"name": "Facts", "ansible.builtin.debug": {"msg": "{{ evil is defined }} {{ ansible_facts }}"}}
    playbook = fleet.write_playbook("facts.yml", [task, facts])
    done = fleet.run(playbook=playbook).must_succeed()
    result = dict(done.event("host").result)
    assert done.event("host", "Facts").result["msg"] == "False {}"
    assert "evil" not in json.dumps({**result, "orphaned": [], "warnings": []})
    assert result["orphaned"] == ["evil\\x1b[1m"]
    assert result["credentials"][0]["directory"] == str(fleet.root("host") / "orders")
    assert result["credentials"][0]["subject"] == "CN=orders"


def test_a_host_gets_nothing_for_what_it_shall_not_have(fleet: Fleet) -> None:
    """Requests in answer to `absent` and `held`; the one for nobody would be what the inventory states of `absent`."""
    fleet.hosts.clear()
    nobody = request.build(private_key.generate(P256), RequestSpec((), ())).decode()
    for pem, what in ((nobody, "nobody"), (csr("orders", P256), "orders")):
        for state in ("absent", "held"):
            add(fleet, "{0}-{1}".format(state, what), answer(wants(pem)), state=state)
    add(fleet, "absent-kept", answer(entry()), state="absent")
    add(fleet, "present-gone", answer(entry(state="absent")))
    add(fleet, "present-frozen", answer(entry(state="held")))
    before = issued(fleet.state / "ownca/corp")
    done = fleet.run()
    for host in fleet.hosts:
        assert done.event(host).status == "failed", host
        assert "which shall be {0}".format(host.split("-")[0]) in done.event(host).result["msg"]
    assert issued(fleet.state / "ownca/corp") == before
    assert not list(fleet.project.glob("mtls/registry*"))


EVIL = {"name": "evil", "issuer": "corp", "subject": {"CN": "admin"}, "key": {"type": "ECC"}}
FACTS: Dict[str, Any] = {
    "mtls_credentials__evil": [EVIL],
    "mtls_root": "/elsewhere",
    "mtls_credential_defaults": {"subject": {"CN": "admin"}},
    "inventory_hostname": "somebody-else",
}


def test_facts_order_no_certificates(fleet: Fleet) -> None:
    """Whatever module of whatever task returns them: the action, the lookup and the role refuse them."""
    fleet.hosts.clear()
    for number, (fact, value) in enumerate(FACTS.items()):
        add(fleet, "bad{0}".format(number), json.dumps({"ansible_facts": {fact: value, "ansible_fine": 1}}))
    wanted = [{"name": "orders", "issuer": "corp", "subject": {"CN": "orders"}, "key": {"type": "ECC"}}]
    for host, variables in fleet.hosts.items():
        variables.update(mtls_root=str(fleet.root(host)), mtls_credentials=wanted, mtls_issuers=ISSUERS)
    task = json.loads(fleet.playbook.read_text(encoding="utf-8"))[0]["tasks"][0]
    lookup = {"name": "Look", "ansible.builtin.debug": {"msg": "{{ lookup('mutual.tls.merged', 'mtls_credentials') }}"}}
    role = {"name": "Role", "ansible.builtin.include_role": {"name": "mutual.tls.mtls"}}
    tasks = [{"name": "Any", "ansible.builtin.ping": {}}, *({**one, "ignore_errors": True} for one in (task, lookup))]
    done = fleet.run(playbook=fleet.write_playbook("evil.yml", [*tasks, role], gather_facts=True))
    for number, fact in enumerate(FACTS):
        host = "bad{0}".format(number)
        for name in (TASK, "Look", "mutual.tls.mtls : Keep this host's client credentials"):
            event = done.event(host, name)
            assert event.status == "failed", name
            assert "the host has the fact {0!r}".format(fact) in event.result["msg"]
    assert issued(fleet.state / "ownca/corp") == 0


def test_facts_that_a_play_caches_are_refused_and_gathered_ones_are_not(fleet: Fleet) -> None:
    fleet.hosts.clear()
    options = {"credentials": [{**EVIL, "name": "orders"}], "issuers": ISSUERS}
    for host in ("cached", "gathered"):
        fleet.add_host(host, **options)
        fleet.hosts[host].update(
            mtls_root=str(fleet.root(host)), mtls_credentials=options["credentials"], mtls_issuers=ISSUERS
        )
    fact = {
        "name": "Set",
        "ansible.builtin.set_fact": {"mtls_lock_timeout": 5, "cacheable": True},
        "when": "inventory_hostname == 'cached'",
    }
    playbook = fleet.write_playbook("own.yml", [fact], gather_facts=True, roles=[])
    plays = json.loads(playbook.read_text(encoding="utf-8"))
    plays[0]["tasks"].append({"name": "Role", "ansible.builtin.include_role": {"name": "mutual.tls.mtls"}})
    playbook.write_text(json.dumps(plays), encoding="utf-8")
    done = fleet.run(playbook=playbook)
    name = "mutual.tls.mtls : Keep this host's client credentials"
    assert "'mtls_lock_timeout'" in done.event("cached", name).result["msg"]
    assert "clear_facts" in done.event("cached", name).result["msg"]
    assert done.event("gathered", name).result["credentials"][0]["state"] == "active"
