# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotation in batches that the inventory states, over local hosts; under every release of ansible-core."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence

import pytest

from ansible_collections.mutual.tls.tests.integration.fleet import (
    CA_PASSPHRASE,
    Fleet,
    Listing,
    Run,
    listing,
    moved,
)

# Thirteen playbooks over five hosts, one after the other.
pytestmark = [pytest.mark.compat, pytest.mark.timeout(1200)]

ROTATE = Path("mutual.tls.rotate")
PLAN = "mutual.tls.mtls : Plan the batches"
GATE = "mutual.tls.mtls : See whether the batch before has succeeded"
TASK = "mutual.tls.mtls : Keep this host's client credentials"
SUMMARY = "mutual.tls.mtls : Sum up"
FAILURE = "mutual.tls.mtls : Fail for the hosts that have failed"
GROUPS = {"pair_a": ("a1", "a2"), "pair_b": ("b1", "b2"), "alone": ("c",)}
HOSTS = ("a1", "a2", "b1", "b2", "c")


class Site:
    """An inventory directory as people keep it: hosts in one file, variables in group_vars and host_vars."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.hosts = fleet.directory / "hosts"
        fleet.make_ca("corp")
        for host in HOSTS:
            (self.hosts / host).mkdir()
        children = {name: {"hosts": {host: {} for host in hosts}} for name, hosts in GROUPS.items()}
        self.write("hosts.yml", {"all": {"children": children}})
        for name in ("pair_a", "pair_b"):
            # A template, as an inventory would have it: Ansible must look at each host's own variables.
            self.write("group_vars/{0}.yml".format(name), {"pair": name, "mtls_rollout_by": "{{ pair }}"})

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        path = self.fleet.project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")

    def describe(self, common_name: str, rollout: List[Any], **host_vars: Mapping[str, Any]) -> None:
        """Give all hosts a credential with this name in its subject, and some hosts variables of their own."""
        credential = {"name": "orders", "issuer": "corp", "subject": {"CN": common_name}, "key": {"type": "ECC"}}
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "mtls_root": "{0}/{{{{ inventory_hostname }}}}/mtls".format(self.hosts),
            "mtls_issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
            "mtls_credentials": [credential],
            "mtls_rollout": rollout,
        }
        self.write("group_vars/all.yml", variables)
        for host in HOSTS:
            self.write("host_vars/{0}.yml".format(host), host_vars.get(host, {}))

    def rotate(self, *options: str, playbook: Path = ROTATE) -> Run:
        return self.fleet.run(*options, playbook=playbook, inventory=self.fleet.project / "hosts.yml")

    def state(self) -> Dict[str, Listing]:
        """Everything of each host: inode, time, mode, content."""
        return {host: listing(self.hosts / host) for host in HOSTS}


@pytest.fixture(name="site", scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(Fleet(tmp_path_factory.mktemp("rollout") / "site"))


@pytest.fixture(name="unreachable")
def make_unreachable(tool: Callable[[str], str]) -> Iterator[Dict[str, Any]]:
    """A host's variables with which nobody can reach it."""
    tool("ssh")
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        port = nobody_listens.getsockname()[1]
        yield {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": port}


def turns(done: Run) -> List[List[str]]:
    """The hosts whose credentials were looked at, batch by batch."""
    batches: List[List[str]] = []
    for event in done.events:
        if event.task == GATE:
            batches.append([])
        elif event.task == TASK:
            batches[-1].append(event.host)
    return [sorted(batch) for batch in batches if batch]


def summary(done: Run) -> Mapping[str, Any]:
    (event,) = [event for event in done.events if event.task == SUMMARY]
    return event.result


def changed(before: Mapping[str, Listing], after: Mapping[str, Listing]) -> List[str]:
    return [host for host in HOSTS if moved(before[host], after[host])]


def test_batches_are_those_that_the_inventory_states(site: Site) -> None:
    site.describe("first", [1, 2])
    done = site.rotate().must_succeed()
    assert turns(done) == [["a1"], ["a2", "b1"], ["b2", "c"]]
    told = summary(done)
    assert [(host["host"], host["batch"], host["outcome"]) for host in told["hosts"]] == [
        ("a1", 1, "succeeded"),
        ("a2", 2, "succeeded"),
        ("b1", 2, "succeeded"),
        ("b2", 3, "succeeded"),
        ("c", 3, "succeeded"),
    ]
    assert all(host["credentials"][0]["generation"] for host in told["hosts"])
    assert told["lines"][0] in done.output
    assert "changed: " in done.output

    before = site.state()
    site.describe("first", ["100%"])
    again = site.rotate().must_succeed()
    assert turns(again) == [["a1", "b1", "c"], ["a2", "b2"]]
    assert changed(before, site.state()) == []
    assert (summary(again)["failed_hosts"], summary(again)["not_started"]) == ([], [])


WRONG = {"mtls_lock_timeout": "soon"}
STOPS: Dict[str, Any] = {
    "a host that fails alone": ("a1", False, [["a1"]], ["a2", "b1", "b2", "c"]),
    "a host that fails beside another": ("a2", False, [["a1"], ["a2", "b1"]], ["b2", "c"]),
    "an unreachable host alone": ("a1", True, [["a1"]], ["a2", "b1", "b2", "c"]),
    "an unreachable host beside another": ("b1", True, [["a1"], ["a2", "b1"]], ["b2", "c"]),
    "the last host": ("c", False, [["a1"], ["a2", "b1"], ["b2", "c"]], []),
}


@pytest.mark.parametrize(("bad", "is_lost", "begun", "untouched"), STOPS.values(), ids=STOPS.keys())
def test_the_first_failing_batch_stops_the_rest_and_the_summary_tells(
    site: Site, unreachable: Dict[str, Any], bad: str, is_lost: bool, begun: List[List[str]], untouched: List[str]
) -> None:
    # Another name each time: every host that has its turn changes.
    site.describe("stopped at {0} {1}".format(bad, is_lost), [1, 2], **{bad: unreachable if is_lost else WRONG})
    before = site.state()
    done = site.rotate()
    assert done.returncode != 0
    assert turns(done) == begun
    assert changed(before, site.state()) == sorted(host for batch in begun for host in batch if host != bad)

    told = summary(done)
    assert told["failed_hosts"] == [bad]
    assert told["not_started"] == untouched
    assert told["stopped_in"] == len(begun)
    (entry,) = [host for host in told["hosts"] if host["host"] == bad]
    assert entry["outcome"] == ("unreachable" if is_lost else "failed")
    assert ("refused" if is_lost else "lock_timeout") in entry["error"]
    # What people see last: the host's own failure.
    assert done.event(bad, FAILURE).status == "failed"
    assert done.event(bad, FAILURE).result["msg"] == entry["error"]


def test_a_check_looks_at_all_hosts_and_tells_where_a_run_would_stop(site: Site) -> None:
    site.describe("checked", [1, 2], a2=WRONG, c={"mtls_credentials": []})
    before = site.state()
    done = site.rotate("--check")
    assert changed(before, site.state()) == []
    assert done.returncode != 0
    assert turns(done) == [sorted(HOSTS)]
    told = summary(done)
    assert [host["batch"] for host in told["hosts"]] == [1, 2, 2, 3, 3]
    assert (told["failed_hosts"], told["not_started"], told["stopped_in"]) == (["a2"], [], 2)
    assert "a run would stop after batch 2" in done.output
    assert "would change: " in done.output

    site.describe("first", [1, 2])
    site.rotate().must_succeed()
    quiet = summary(site.rotate("--check").must_succeed())
    assert sum(day["count"] for day in quiet["busiest_days"]) == len(HOSTS)
    assert not any(credential["changed"] for host in quiet["hosts"] for credential in host["credentials"])


def test_hosts_that_disagree_are_named_and_nothing_happens(site: Site) -> None:
    site.describe("disagreeing", [1, 2], b2={"mtls_rollout": [1]})
    before = site.state()
    done = site.rotate()
    assert done.returncode != 0
    assert changed(before, site.state()) == []
    assert turns(done) == []
    (event,) = [event for event in done.events if event.task == PLAN]
    assert "mtls_rollout is [1, 2] for a1, but [1] for b2" in event.result["msg"]


def test_a_limit_leaves_out_hosts_and_percentages_are_of_the_rest(site: Site) -> None:
    site.describe("limited", ["50%"])
    before = site.state()
    # The first host of the inventory is not among them.
    done = site.rotate("--limit", "c,b2,b1").must_succeed()
    assert turns(done) == [["b1"], ["b2"], ["c"]]
    assert changed(before, site.state()) == ["b1", "b2", "c"]
    assert [host["host"] for host in summary(done)["hosts"]] == ["b1", "b2", "c"]


@pytest.mark.parametrize("options", [("-e", "mtls_hosts=!all"), ("--limit", "c", "-e", "mtls_hosts=pair_a")])
def test_where_no_host_is_meant_none_is_touched(site: Site, options: Sequence[str]) -> None:
    site.describe("nobody", [1, 2])
    before = site.state()
    done = site.rotate(*options)
    assert done.returncode == 0, done.output
    assert done.events == ()
    assert changed(before, site.state()) == []


def test_a_host_that_is_lost_before_does_not_vanish(site: Site) -> None:
    site.describe("lost", [1, 2])
    playbook = site.fleet.project / "site.yml"
    failure = {"name": "Fail", "ansible.builtin.fail": {}, "when": "inventory_hostname == 'b1'"}
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [failure]}, {"import_playbook": "mutual.tls.rotate"}]
    playbook.write_text(json.dumps(plays), encoding="utf-8")
    before = site.state()
    done = site.rotate(playbook=playbook)
    assert done.returncode != 0
    assert changed(before, site.state()) == []
    (event,) = [event for event in done.events if event.task == PLAN]
    assert "earlier in this run: b1;" in event.result["msg"]
