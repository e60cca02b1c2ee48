# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewals that are spread, wait for a window or for a quota, and what the audit log tells of all that.

With the playbooks, over local hosts; under every release of ansible-core.
"""

from __future__ import annotations

import re
import socket
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import request
from ansible_collections.mutual.tls.plugins.module_utils.ownca import issue as ownca
from ansible_collections.mutual.tls.plugins.plugin_utils import audit
from ansible_collections.mutual.tls.plugins.plugin_utils.schedule import DAYS, offset
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, Listing, Run, listing, moved

# A dozen playbooks over six hosts, one after the other.
pytestmark = [pytest.mark.compat, pytest.mark.timeout(900)]

PROVISION = Path("mutual.tls.provision")
ROTATE = Path("mutual.tls.rotate")
TASK = "mutual.tls.mtls : Keep this host's client credentials"
SUMMARY = "mutual.tls.mtls : Sum up"
HOSTS = ("web1", "web2", "web3", "web4", "web5", "web8")
LIMIT = "max_issued_per_run"
DAY = timedelta(days=1)
JITTER = 12 * DAY
LEFT = 33 * DAY
"""What is left of old certificates: more than the 30 days of renew_before, less than with most shares of JITTER."""
DUE = {host for host in HOSTS if offset(host, "orders", JITTER) > LEFT - 30 * DAY}

OPENS = (datetime.now(timezone.utc) + 3 * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
CLOSED = {"days": [DAYS[OPENS.weekday()]], "from": "00:00", "to": "01:00"}
OPEN = {"from": "00:00", "to": "24:00"}


class Site:
    """Hosts with one credential each, and a CA."""

    def __init__(self, fleet: Fleet, hosts: Iterable[str] = HOSTS) -> None:
        self.fleet = fleet
        self.hosts = tuple(hosts)
        self.ca = fleet.make_ca("corp", age=365 * DAY)
        for host in self.hosts:
            fleet.tree(host).mkdir()

    def run(
        self, *options: str, playbook: Path = PROVISION, limit: Any = None, wrapper: Tuple[str, ...] = (), **orders: Any
    ) -> Run:
        """A playbook, with a quota for the issuer, and other options of the credential."""
        item = {"name": "orders", "issuer": "corp", "subject": {"CN": "ops"}, "key": {"type": "ECC"}, **orders}
        for host in self.hosts:
            self.fleet.hosts[host] = {
                "ansible_python_interpreter": sys.executable,
                "mtls_root": str(self.fleet.root(host)),
                "mtls_issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE, LIMIT: limit}},
                "mtls_credentials": [item],
                "mtls_rollout": ["100%"],
            }
        return self.fleet.run(*options, playbook=playbook, wrapper=wrapper)

    def orders(self, *options: str, **more: Any) -> Dict[str, Mapping[str, Any]]:
        """What a run comes to, by host."""
        done = self.run(*options, **more).must_succeed()
        return {host: done.event(host, TASK).result["credentials"][0] for host in self.hosts}

    def make_old(self, host: str) -> None:
        """The request that waits on a host was answered long ago."""
        at = datetime.now(timezone.utc) - (90 * DAY - LEFT)
        csr = request.load((self.fleet.root(host) / "orders/next/request.pem").read_bytes())
        spec = request.RequestSpec((("CN", "ops"),), ())
        authority = ownca.open_authority(str(self.ca), CA_PASSPHRASE, datetime.now(timezone.utc))
        ownca.issue(authority, csr, ownca.Order(spec, host, "orders", 90 * DAY), at)

    def state(self) -> Dict[str, Listing]:
        """Everything of each host, and the audit log."""
        return {"log": listing(self.fleet.state), **{host: listing(self.fleet.tree(host)) for host in self.hosts}}

    def changed_since(self, before: Mapping[str, Listing]) -> List[str]:
        return [name for name, after in self.state().items() if moved(before[name], after)]

    def log(self) -> List[audit.Event]:
        return list(audit.read(str(self.fleet.state / audit.NAME)))

    def counted(self) -> Dict[str, int]:
        """How many events of each kind the log has."""
        return dict(Counter(one.event for one in self.log()))


def states(found: Mapping[str, Mapping[str, Any]]) -> Counter[Tuple[str, bool]]:
    return Counter((one["state"], one["changed"]) for one in found.values())


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


@pytest.fixture(name="place")
def make_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose name is short enough for sockets below it: ansible-core 2.21 makes some."""
    return tmp_path_factory.mktemp("r")


def test_renewals_wait_for_their_turn_and_the_log_tells_all(place: Path) -> None:
    site = Site(Fleet(place / "site"))
    waits_for_the_quota = {("active", True): 1, ("pending", True): len(HOSTS) - 1}
    predicted = site.orders("--check", limit=1)
    assert states(predicted) == waits_for_the_quota
    assert not (site.fleet.state / audit.NAME).exists()
    first = site.orders(limit=1)
    assert states(first) == waits_for_the_quota
    pending = [host for host, one in first.items() if one["state"] == "pending"]
    assert all(LIMIT in first[host]["pending"]["waits_for"] for host in pending)
    assert site.counted() == {"issued": 1, "deployed": 1}

    # What the others get is of some age. By itself it is not due.
    for host in pending:
        site.make_old(host)
    found = site.orders()
    assert states(found) == {("active", True): len(HOSTS) - 1, ("active", False): 1}
    assert all(moment(one["due"]) == moment(one["not_after"]) - 30 * DAY for one in found.values())
    due = DUE.intersection(pending)
    assert len(due) >= 3 and due != set(pending)

    # In a fleet whose renewals are spread, some are; but the window is closed.
    before = site.state()
    spread = {"renew_jitter": "12d", "renew_window": CLOSED}
    for options in (("--check",), ()):
        found = site.orders(*options, **spread)
        assert states(found) == {("active", False): len(HOSTS)}
        assert {host for host, one in found.items() if one["reasons"]} == due
        assert all(found[host]["reasons"] == ["certificate_due"] for host in due)
        assert {moment(found[host]["renewal_waits_until"]) for host in due} == {OPENS}
        for host in HOSTS:
            earlier = moment(found[host]["not_after"]) - 30 * DAY - moment(found[host]["due"])
            assert earlier == offset(host, "orders", JITTER)
    assert site.changed_since(before) == []

    # The plan says so, and does not count with days on which nothing can happen.
    told = site.run("--check", playbook=ROTATE, **spread).must_succeed()
    (summary,) = [event.result for event in told.events if event.task == SUMMARY]
    assert sum("waits until its window opens" in line for line in summary["lines"]) >= len(due)
    assert {moment(day["date"] + "T00:00:00Z").weekday() for day in summary["busiest_days"]} == {OPENS.weekday()}
    busiest = summary["busiest_days"][0]
    assert busiest["date"] == OPENS.date().isoformat() and busiest["count"] >= len(due)
    assert site.changed_since(before) == []

    # In an open window there are as many as the quota allows. The rest has begun, but waits when it closes.
    spread["renew_window"] = OPEN
    expected = {("active", True): 1, ("pending", True): len(due) - 1, ("active", False): len(HOSTS) - len(due)}
    assert states(site.orders("--check", limit=1, **spread)) == expected
    assert states(site.orders(limit=1, **spread)) == expected
    assert site.counted()["renewed"] == 1
    before = site.state()
    spread["renew_window"] = CLOSED
    found = site.orders(limit=1, **spread)
    assert states(found) == {("active", False): len(HOSTS)}
    reasons = Counter(tuple(one["reasons"]) for one in found.values() if one["reasons"])
    assert reasons == {("certificate_due", "request_pending"): len(due) - 1}
    assert site.changed_since(before) == []

    # In an emergency nothing waits.
    done = site.run("-e", "mtls_emergency=true", limit=1, **spread).must_succeed()
    warnings = [event.result["warnings"] for event in done.events if event.task == TASK]
    assert all("renew_window and max_issued_per_run are ignored" in str(one) for one in warnings)
    assert site.counted()["renewed"] == len(due)
    before = site.state()
    assert states(site.orders(limit=1, **spread)) == {("active", False): len(HOSTS)}
    assert site.changed_since(before) == []


def test_the_log_tells_what_failed_and_what_was_removed(place: Path) -> None:
    site = Site(Fleet(place / "site"), HOSTS[:2])
    site.orders()
    # A reload that fails: each host goes back.
    done = site.run(subject={"CN": "other"}, reload=["/bin/false"])
    assert {event.status for event in done.events if event.task == TASK} == {"failed"}
    for host in site.hosts:
        log = [one for one in site.log() if one.host == host]
        assert [(one.event, one.generation) for one in log] == [
            ("issued", None),
            ("deployed", 1),
            ("renewed", None),
            ("deployed", 2),
            ("rolled_back", 1),
        ]
        first, deployed, second, tried, back = log
        assert (first.reasons, tried.reasons) == (("certificate_missing", "key_missing"), ("subject_changed",))
        assert back.reasons == ("reload_pending",)
        assert first.serial_number == deployed.serial_number == back.serial_number
        assert second.fingerprint_sha256 == tried.fingerprint_sha256 != first.fingerprint_sha256
        assert {(one.credential, one.issuer) for one in log} == {("orders", "corp")}
    site.orders(subject={"CN": "other"})
    site.orders(state="absent")
    assert site.counted()["removed"] == 2
    # Its certificates are of no use to anybody now.
    gone = {one.serial_number for one in site.log() if one.event in ("issued", "renewed")}
    assert {one.serial_number for one in site.log() if one.event == "revoked"} == gone
    assert len({one.run for one in site.log()}) == 4
    text = (site.fleet.state / audit.NAME).read_text(encoding="ascii")
    assert CA_PASSPHRASE not in text and "PRIVATE KEY" not in text


# A /dev of its own, with what programs need, and a log.
DEV = """
set -e
for node in null zero full random urandom tty; do touch "$1/$node"; mount --bind /dev/$node "$1/$node"; done
mkdir -p -m 1777 "$1/shm"
ln -sfn /proc/self/fd "$1/fd"
mount --rbind "$1" /dev
shift
exec "$@"
"""


def test_the_hosts_own_log_tells_the_same(place: Path, tool: Callable[[str], str]) -> None:
    site = Site(Fleet(place / "site"), HOSTS[:1])
    dev = place / "dev"
    dev.mkdir()
    wrapper = (tool("unshare"), "-m", "sh", "-c", DEV, "sh", str(dev))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(dev / "log"))
        log.setblocking(False)
        for options in ({}, {"subject": {"CN": "other"}}, {"subject": {"CN": "other"}}, {"state": "absent"}):
            site.run(wrapper=wrapper, **options).must_succeed()
        lines = []
        while True:
            try:
                lines.append(log.recv(4096).decode())
            except BlockingIOError:
                break
    ours = [line for line in lines if " mutual.tls[" in line]
    told = [dict(re.findall(r"([a-z_0-9]+)=(\S+)", line)) for line in ours]
    made = [one for one in site.log() if one.event in ("deployed", "removed")]
    assert [one["event"] for one in told] == ["deployed", "deployed", "removed"]
    assert [(one["event"], one["fingerprint_sha256"]) for one in told] == [
        (one.event, one.fingerprint_sha256) for one in made
    ]
    assert {one["directory"] for one in told} == {str(site.fleet.root(HOSTS[0]) / "orders")}
