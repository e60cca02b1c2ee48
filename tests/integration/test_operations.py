# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations as people ask for them, with the playbooks, over local hosts; under every release of ansible-core."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Set

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate
from ansible_collections.mutual.tls.plugins.module_utils.imports import x509
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, Listing, Run, listing, moved

# A dozen playbooks over three hosts, one after the other.
pytestmark = [pytest.mark.compat, pytest.mark.timeout(600)]

PROVISION = Path("mutual.tls.provision")
ROTATE = Path("mutual.tls.rotate")
ROLLBACK = Path("mutual.tls.rollback")
TASK = "mutual.tls.mtls : Keep this host's client credentials"
SUMMARY = "mutual.tls.mtls : Sum up"
HOSTS = ("web1", "web2", "web3")
ORDERS = {"credential": "orders"}


class Site:
    """Three hosts with two credentials each, kept by the playbooks."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.ca = fleet.make_ca("corp")
        self.describe()

    def describe(self, **orders: Any) -> None:
        """Give all hosts their credentials; `orders` has other options."""
        base = {"issuer": "corp", "subject": {"CN": "ops"}, "key": {"type": "ECC"}}
        for host in HOSTS:
            (self.fleet.directory / "hosts" / host).mkdir(exist_ok=True)
            self.fleet.hosts[host] = {
                "ansible_python_interpreter": sys.executable,
                "mtls_root": str(self.fleet.root(host)),
                "mtls_issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
                "mtls_credentials": [{"name": "orders", **base, **orders}, {"name": "chat", **base}],
                "mtls_rollout": ["100%"],
            }

    def run(self, playbook: Path, *options: str, **asked: Any) -> Run:
        """A playbook, with the variables `asked` given as people give them."""
        given = ["-e", json.dumps({"mtls_" + name: value for name, value in asked.items()})] if asked else []
        return self.fleet.run(*options, *given, playbook=playbook)

    def leaf(self, host: str, name: str) -> Any:
        content = (self.fleet.root(host) / name / "current/certificate.pem").read_bytes()
        return certificate.load_all(content, "certificate.pem")[0]

    def serial(self, host: str, name: str) -> str:
        return certificate.serial_number(self.leaf(host, name))

    def serials(self, name: str) -> Dict[str, str]:
        return {host: self.serial(host, name) for host in HOSTS}

    def on_the_list(self) -> Set[str]:
        """The serial numbers on the CA's revocation list, as servers read it."""
        crl = x509.load_pem_x509_crl((self.ca / "crl.pem").read_bytes())
        return {"{0:x}".format(entry.serial_number) for entry in crl}

    def state(self) -> Dict[str, Listing]:
        return {host: listing(self.fleet.tree(host)) for host in HOSTS}


@pytest.fixture(name="site")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    # A short path: ansible-core has a socket below it.
    site = Site(Fleet(tmp_path_factory.mktemp("operations") / "site"))
    site.run(PROVISION).must_succeed()
    return site


def entries(done: Run, host: str) -> Dict[str, Mapping[str, Any]]:
    return {entry["name"]: entry for entry in done.event(host, TASK).result["credentials"]}


def changed(before: Mapping[str, Listing], after: Mapping[str, Listing]) -> Dict[str, Set[str]]:
    """The credentials that are not as they were, by host."""
    paths = {host: moved(before[host], after[host]) for host in HOSTS}
    return {
        host: {path.split("/")[1] for path in found if path.count("/") > 1} for host, found in paths.items() if found
    }


def summary(done: Run) -> List[str]:
    (event,) = [event for event in done.events if event.task == SUMMARY]
    lines: List[str] = event.result["lines"]
    return lines


def test_a_key_that_has_leaked_is_replaced_and_its_certificate_is_on_the_list(site: Site) -> None:
    before, old = site.state(), site.serials("orders")
    foreseen = site.run(ROTATE, "--check", revoke="key_compromise", select=ORDERS).must_succeed()
    assert site.state() == before
    done = site.run(ROTATE, revoke="key_compromise", select=ORDERS).must_succeed()
    assert changed(before, site.state()) == {host: {"orders"} for host in HOSTS}
    for host in HOSTS:
        for run in (foreseen, done):
            assert entries(run, host)["orders"]["revoked"] == [old[host]]
            assert set(entries(run, host)) == {"orders"}
    assert site.on_the_list() == set(old.values())
    assert any("revoked: 1" in line for line in summary(done))
    assert "crl.pem" in done.output

    serial = site.serial("web2", "orders")
    before = site.state()
    one = site.run(ROTATE, operation="rotate", select={"serial": serial}).must_succeed()
    assert changed(before, site.state()) == {"web2": {"orders"}}
    assert [set(entries(one, host)) for host in HOSTS] == [set(), {"orders"}, set()]
    assert serial not in site.on_the_list()


def test_a_rollback_stays_until_it_is_released(site: Site) -> None:
    first = site.serials("orders")
    site.run(ROTATE, operation="rotate").must_succeed()
    second = site.serials("orders")
    before = site.state()
    foreseen = site.run(ROLLBACK, "--check", "--limit", "web1", select=ORDERS).must_succeed()
    assert site.state() == before
    back = site.run(ROLLBACK, "--limit", "web1", select=ORDERS).must_succeed()
    assert changed(before, site.state()) == {"web1": {"orders"}}
    for run in (foreseen, back):
        entry = entries(run, "web1")["orders"]
        assert (entry["state"], entry["generation"], entry["serial_number"]) == ("held", 1, first["web1"])
    assert site.serials("orders") == {**second, "web1": first["web1"]}

    before = site.state()
    kept = site.run(ROTATE).must_succeed()
    assert site.state() == before
    assert any("web1" in line and "until it is released" in line for line in summary(kept))

    site.run(ROTATE, operation="release").must_succeed()
    assert entries(site.run(PROVISION).must_succeed(), "web1")["orders"]["state"] == "active"


BAD: Dict[str, Dict[str, Any]] = {
    "nothing is selected": {},
    "an empty selection": {"select": {}},
    "a selection that is no map": {"select": "orders"},
    "another operation": {"select": ORDERS, "operation": "rotate"},
}


def test_what_is_not_said_properly_reaches_no_host(site: Site) -> None:
    before = site.state()
    for asked in BAD.values():
        done = site.run(ROLLBACK, **asked)
        assert done.returncode != 0
        assert "mtls_select" in done.output
        assert not [event for event in done.events if event.task == TASK]
    for playbook, asked in (
        (ROLLBACK, {"select": {"credential": "order"}}),
        (ROTATE, {"select": {"serial": "1f"}, "revoke": "superseded"}),
        (PROVISION, {"select": {"credential": "order"}}),
    ):
        done = site.run(playbook, **asked)
        assert done.returncode != 0
        assert "nothing was done" in done.output
    refused = site.run(ROTATE, revoke="superseded")
    assert refused.returncode != 0
    assert "nothing is selected" in refused.output
    assert site.state() == before


def test_what_is_removed_is_revoked(site: Site) -> None:
    old, kept = site.serials("orders"), site.serials("chat")
    site.describe(state="absent")
    done = site.run(PROVISION).must_succeed()
    assert {host: entries(done, host)["orders"]["revoked"] for host in HOSTS} == {host: [old[host]] for host in HOSTS}
    assert site.on_the_list() == set(old.values())
    assert site.serials("chat") == kept
    again = site.run(PROVISION).must_succeed()
    assert not any(event.result.get("changed") for event in again.events)
