# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option: what check mode predicts is what a run does, and the next run does nothing.

All rows of the table go through the same few runs together; each is judged on its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import arguments
from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, Listing, Run, listing, moved
from ansible_collections.mutual.tls.tests.integration.option_rows import ROWS, SIMPLE, Row
from ansible_collections.mutual.tls.tests.unit import material

# What a host costs is mostly its Python's start, whatever the number of its credentials.
_PER_HOST = 70
_PREDICTED = (
    "name",
    "state",
    "changed",
    "reasons",
    "directory",
    "issuer",
    "labels",
    "pending",
    "generation",
    "subject",
)


def option_paths(spec: arguments.Spec, prefix: str = "") -> Iterator[str]:
    """Every option of an argument spec, at every depth."""
    for name, option in spec.items():
        yield prefix + name
        yield from option_paths(option.get("options") or {}, f"{prefix}{name}.")


def test_every_option_has_a_row() -> None:
    """A new option without a row fails here, and a row for an option that is gone."""
    expected = {
        *option_paths(arguments.credentials()),
        *option_paths(arguments.authority(), "authorities."),
        *option_paths(arguments.provider(), "providers."),
    }
    # Each item's list has rows of its own; that items exist at all is what every row shows.
    # Serial numbers are not known before a run; test_operations.py has them.
    assert {row.option for row in ROWS} == expected - {"credentials", "select.serial"}


def test_row_names_are_unique() -> None:
    names = [(row.option, row.what) for row in ROWS]
    assert len(set(names)) == len(names)


@dataclass
class Case:
    """A row with its place: which host, which credential, which directory for links."""

    row: Row
    host: str
    name: str
    links: Path
    stages: Dict[str, Dict[str, Any]] = field(default_factory=dict)

    def credential(self, stage: str) -> Dict[str, Any]:
        return self.stages[stage]


class Table:
    """The fleet in which every row has its credential, and what each of the runs said."""

    def __init__(self, directory: Path, rows: List[Row]) -> None:
        self.fleet = Fleet(directory)
        self.cases: List[Case] = []
        self._prepare_controller()
        for number, row in enumerate(rows):
            self._add(number, row)

    def _prepare_controller(self) -> None:
        project = self.fleet.project
        for name in ("corp", "other"):
            self.fleet.make_ca(name)
        (project / "files").mkdir()
        (project / "templates").mkdir()
        partner, second = material.authority("Partner Root"), material.authority("Second Root")
        self.partner = partner.pem.decode("ascii")
        (project / "files/partner.pem").write_bytes(b"Partner's root:\n" + partner.pem)
        (project / "files/partner.der").write_bytes(partner.der)
        (project / "files/second.pem").write_bytes(second.pem)
        text = "word {{ provider.word | default('-') }} team {{ labels.team | default('-') }}\n"
        (project / "templates/app.j2").write_text(text, encoding="utf-8")
        (project / "templates/same.j2").write_text(text + "{# only a comment more #}", encoding="utf-8")
        (project / "templates/other.j2").write_text("another " + text, encoding="utf-8")

    def _add(self, number: int, row: Row) -> None:
        neighbours = len([case for case in self.cases if case.row.host == row.host])
        host = f"{row.host}{neighbours // _PER_HOST}"
        case = Case(row, host, f"row-{number:03}", self.fleet.tree(host) / "links" / f"{number:03}")
        self.cases.append(case)
        case.links.mkdir(parents=True)
        # Without an earlier stage, that is what comes before, too.
        layers = {
            "earlier": row.before if row.earlier is None else row.earlier,
            "before": row.before,
            "after": row.after,
        }
        for stage, layer in layers.items():
            case.stages[stage] = self._placed({"name": case.name, **SIMPLE, **layer}, case)

    def _placed(self, value: Any, case: Case) -> Any:
        if isinstance(value, Mapping):
            return {self._placed(key, case): self._placed(item, case) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._placed(item, case) for item in value]
        places = {
            "{own}": case.name,
            "{links}": str(case.links),
            "{tree}": str(self.fleet.tree(case.host)),
            "{partner}": self.partner,
        }
        for mark, text in places.items():
            value = value.replace(mark, text) if isinstance(value, str) else value
        return value

    def enter(self, stage: str) -> None:
        """Write the inventory of one stage: earlier, before or after."""
        own_ca = {"type": "ownca", "passphrase": CA_PASSPHRASE}
        common: Dict[str, Any] = {
            "issuers": {"corp": own_ca, "other": own_ca},
            "authorities": {"partner": {"src": "files/partner.pem"}, "second": {"src": "files/second.pem"}},
            "providers": {"plain": {"data": {"word": "one"}}, "other": {"extends": "generic"}},
        }
        for host in dict.fromkeys(case.host for case in self.cases):
            mine = [case for case in self.cases if case.host == host]
            options = deepcopy(common)
            for case in mine:
                _merge(options, self._placed(case.row.task_after if stage == "after" else case.row.task_before, case))
            self.fleet.add_host(host, credentials=[case.credential(stage) for case in mine], **options)

    def orphans(self, host: str) -> List[str]:
        """The credentials that a host has, but no longer lists."""
        return sorted(name for case in self.cases if case.host == host for name in case.row.orphaned)

    def snapshot(self) -> Tuple[Listing, Listing]:
        """The disks of all hosts, and the controller's state directory."""
        return listing(self.fleet.directory / "hosts"), listing(self.fleet.state)

    def result(self, run: Run, case: Case, stage: str) -> Mapping[str, Any]:
        """What a run said about a row's credential."""
        return run.credentials(case.host)[case.credential(stage)["name"]]

    def key_of(self, case: Case, stage: str, run: Run) -> str:
        """The fingerprint of the public key that a credential's certificate is for, "" without one."""
        path = Path(self.result(run, case, stage)["directory"]) / "current/certificate.pem"
        if not path.exists():
            return ""
        return certificates.public_fingerprint(certificates.load_all(path.read_bytes(), "")[0])


def _merge(options: Dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add options to others, map by map; two values for one option would hide one of them."""
    for name, value in more.items():
        if isinstance(value, Mapping):
            _merge(options.setdefault(name, {}), value)
        elif options.setdefault(name, value) != value:
            raise AssertionError(f"two rows of one host set {name}")


def predicted(result: Mapping[str, Any]) -> Dict[str, Any]:
    """The part of a result that check mode has to get exactly right."""
    return {name: result[name] for name in _PREDICTED}


def shown(diffs: List[Mapping[str, Any]]) -> List[str]:
    """Diffs as text, without digests: an encrypted key has new salt each time that it is written."""
    return [re.sub("[0-9a-f]{64}", "DIGEST", json.dumps(diff)) for diff in diffs]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    rows = [row for row in ROWS if os.geteuid() == 0 or not row.needs_root]
    table = Table(tmp_path / "fleet", rows)
    yield table
    shutil.rmtree(tmp_path / "fleet")


@pytest.mark.timeout(900)
def test_change_of_every_option(table: Table, subtests: pytest.Subtests) -> None:
    """Provision, run again, change: predicted, done exactly so, and clean afterwards."""
    fleet = table.fleet

    table.enter("earlier")
    untouched = table.snapshot()
    fresh_check = fleet.run("--check", "--diff").must_succeed()
    with subtests.test("check mode on fresh hosts touches nothing"):
        assert _moved(untouched, table.snapshot()) == []
    first = fleet.run().must_succeed()
    for case in table.cases:
        with subtests.test(_title(case), phase="a fresh host is predicted"):
            wanted, done = (table.result(run, case, "earlier") for run in (fresh_check, first))
            assert predicted(wanted) == predicted(done)

    table.enter("before")
    older = {case.host for case in table.cases if case.row.earlier is not None}
    fleet.run("--limit", ",".join(sorted(older))).must_succeed()
    for case in table.cases:
        if case.row.tamper is not None:
            case.row.tamper(Path(table.result(first, case, "before")["directory"]), case.links)
    provisioned = table.snapshot()
    again = fleet.run("--diff").must_succeed()
    _expect_clean(table, again, "before", provisioned, subtests, "the second run")
    exported = _export(fleet)
    export_check = fleet.run("--check", "--diff", inventory=exported).must_succeed()
    _expect_clean(table, export_check, "before", provisioned, subtests, "the exported inventory")
    keys = [table.key_of(case, "before", again) for case in table.cases]

    table.enter("after")
    check = fleet.run("--check", "--diff").must_succeed()
    with subtests.test("check mode touches nothing"):
        assert _moved(provisioned, table.snapshot()) == []
    run = fleet.run("--diff").must_succeed()
    for case, key in zip(table.cases, keys):
        with subtests.test(_title(case), phase="the change"):
            _judge(table, case, check, run, key)
    with subtests.test("hosts and diffs"):
        for host in fleet.hosts:
            wanted, done = check.event(host).result, run.event(host).result
            assert (host, wanted["changed"]) == (host, done["changed"])
            assert (host, sorted(wanted["orphaned"])) == (host, table.orphans(host))
            assert (host, wanted["orphaned"]) == (host, done["orphaned"])
            assert (host, shown(wanted["diff"])) == (host, shown(done["diff"]))

    converged = table.snapshot()
    rerun = fleet.run("--diff").must_succeed()
    _expect_clean(table, rerun, "after", converged, subtests, "the run after the change")


def _judge(table: Table, case: Case, check: Run, run: Run, key: str) -> None:
    row = case.row
    wanted, done = table.result(check, case, "after"), table.result(run, case, "after")
    assert sorted(wanted["reasons"]) == sorted(row.reasons)
    assert (wanted["state"], wanted["changed"]) == (row.state, row.will_change)
    assert predicted(wanted) == predicted(done)
    diffs = check.event(case.host).result["diff"]
    mine = json.dumps([diff for diff in diffs if diff["before_header"].endswith("/" + wanted["name"])])
    assert all(f": {reason}: " in mine for reason in row.reasons)
    if row.state == "absent":
        assert not Path(done["directory"]).exists()
        assert list(case.links.iterdir()) == []
    elif row.state == "active" and row.key_kept:
        assert key and table.key_of(case, "after", run) == key
    elif row.state == "active":
        assert table.key_of(case, "after", run) != key


def _expect_clean(
    table: Table, run: Run, stage: str, before: Tuple[Listing, Listing], subtests: pytest.Subtests, phase: str
) -> None:
    with subtests.test(phase + " touches nothing"):
        assert _moved(before, table.snapshot()) == []
    for case in table.cases:
        with subtests.test(_title(case), phase=phase):
            result = table.result(run, case, stage)
            assert (result["changed"], run.event(case.host).result["changed"]) == (False, False)
            stated = case.credential(stage).get("state", "present")
            assert result["state"] == ("active" if stated == "present" else stated)
            if result["state"] != "held":
                assert result["reasons"] == []


def _title(case: Case) -> str:
    return f"{case.row.option}: {case.row.what} ({case.host}/{case.name})"


def _moved(before: Tuple[Listing, Listing], after: Tuple[Listing, Listing]) -> List[str]:
    return [path for one, other in zip(before, after) for path in moved(one, other)]


def _export(fleet: Fleet) -> Path:
    """The inventory as ansible-inventory exports it: tools that import it from there sort every map."""
    program = shutil.which("ansible-inventory", path=fleet.environment()["PATH"])
    assert program is not None
    done = subprocess.run(
        [program, "-i", str(fleet.write_inventory()), "--list", "--export"],
        cwd=fleet.project,
        env=fleet.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    exported = json.loads(done.stdout)
    hosts = exported["_meta"]["hostvars"]
    path = fleet.project / "exported.json"
    path.write_text(json.dumps({"all": {"hosts": hosts}}, sort_keys=True), encoding="utf-8")
    return path
