# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong: input is refused before anything happens; later failures stay with their credential.

No passphrase is in the output at any verbosity, in failures neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest

from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, listing, moved

pytestmark = pytest.mark.compat

CANARY = "caNary \\ 'q' \"d\" ü"
CANARIES = ("caNary", "aNary \\", CA_PASSPHRASE)
ISSUERS = {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}}


def credential(name: str = "good", **options: Any) -> Dict[str, Any]:
    base = {"name": name, "issuer": "corp", "subject": {"CN": name}, "key": {"type": "ECC"}, "passphrase": CANARY}
    return {**base, **options}


def with_template(text: str) -> Any:
    """A credential whose config is rendered from this template."""

    def options(fleet: Fleet) -> Dict[str, Any]:
        source = "{0}.j2".format(len(list(fleet.project.glob("*.j2"))))
        (fleet.project / source).write_text(text, encoding="utf-8")
        return {"credentials": [credential(), credential("b", configs=[{"file": "x", "src": source}])]}

    return options


def with_marker_missing(fleet: Fleet) -> Dict[str, Any]:
    (fleet.directory / "unmarked").mkdir(exist_ok=True)
    return {"credentials": [credential()], "state_directory": str(fleet.directory / "unmarked")}


def with_garbage(fleet: Fleet) -> Dict[str, Any]:
    (fleet.project / "garbage.pem").write_bytes(bytes(range(256)))
    bad = {"partner": {"src": "garbage.pem"}}
    return {"credentials": [credential(authorities=["partner"])], "authorities": bad}


BAD = {
    "unknown option": ({"credentials": [credential(rollout="1")]}, "'rollout' is not known"),
    "duplicate": ({"credentials": [credential(), credential()]}, "credentials[1].name"),
    "unknown issuer": ({"credentials": [credential(), credential("b", issuer="crop")]}, "did you mean 'corp'?"),
    "unquoted passphrase": ({"credentials": [credential(passphrase=12345678)]}, "passphrase must be text"),
    "issuer option": ({"issuers": {"corp": {"type": "ownca", "passwort": CANARY}}}, "passwort"),
    "issuer type": ({"issuers": {"corp": {"type": "owncaa", "passphrase": CANARY}}}, "valid types"),
    "undefined variable": (with_template("{{ no_such_thing }}"), "no_such_thing"),
    "template with a secret": (with_template("{{ undef(hint=credential.passphrase) }}"), "not shown"),
    "no marker": (with_marker_missing, "marker"),
    "garbage": (with_garbage, "garbage.pem"),
    "template that divides": (with_template("{{ 1 / 0 }}"), "cannot be rendered"),
    "template with a secret as a key": (with_template("{{ {}.pop(credential.passphrase) }}"), "not shown"),
    "margin": ({"credentials": [credential(renew_before="1654w")]}, "renew_before: 1654w is too long"),
    "missing CA": (
        {
            "credentials": [credential(issuer="corp", authorities=["new_root"])],
            "issuers": {**ISSUERS, "new": {"type": "ownca", "passphrase": CANARY}},
            "authorities": {"new_root": {"issuer": "new"}},
        },
        "authorities.new_root.issuer: there is no own CA",
    ),
    "unknown template": ({"credentials": [credential(configs=[{"file": "x", "template": "curls"}])]}, "'curl'"),
}


@pytest.fixture(name="fleet", scope="module")
def make_fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    fleet = Fleet(tmp_path_factory.mktemp("failures"))
    fleet.make_ca("corp")
    return fleet


def test_bad_input_fails_alone_and_leaves_the_host_untouched(fleet: Fleet) -> None:
    """One host for each kind, all in one run."""
    fleet.hosts.clear()
    for number, (options, _) in enumerate(BAD.values()):
        given = options(fleet) if callable(options) else options
        fleet.add_host("bad{0}".format(number), **{"credentials": [credential()], "issuers": ISSUERS, **given})
    fleet.add_host("good", credentials=[credential()], issuers=ISSUERS)
    before = {host: listing(fleet.tree(host)) for host in fleet.hosts}
    done = fleet.run("-vvvv")
    for number, (kind, (_, text)) in enumerate(BAD.items()):
        event = done.event("bad{0}".format(number))
        assert event.status == "failed", kind
        assert text in event.result["msg"], kind
        assert event.result["changed"] is False
        assert moved(before[event.host], listing(fleet.tree(event.host))) == [], kind
    assert done.event("good").result["changed"] is True
    for canary in (*CANARIES, "12345678"):
        assert canary not in done.output


def test_a_failing_credential_does_not_stop_the_others(fleet: Fleet) -> None:
    fleet.hosts.clear()
    in_the_way = fleet.directory / "hosts" / "one" / "taken"
    fleet.add_host(
        "one",
        issuers={**ISSUERS, "locked": {"type": "ownca", "passphrase": "wrong"}},
        credentials=[
            credential("a", links=[{"path": str(in_the_way), "file": "client.pem"}]),
            credential("b", issuer="locked"),
            credential("c", owner="no-such-user"),
            credential("d"),
        ],
    )
    in_the_way.write_text("mine", encoding="utf-8")
    fleet.make_ca("locked")
    done = fleet.run("-vvvv")
    result = done.event("one").result
    assert done.event("one").status == "failed"
    assert [(entry["name"], entry["state"]) for entry in result["credentials"]] == [
        ("a", "failed"),
        ("b", "failed"),
        ("c", "failed"),
        ("d", "active"),
    ]
    assert result["changed"] is True
    assert result["msg"].startswith("3 of 4 credentials failed: a: ")
    assert "passphrase" in result["credentials"][1]["error"]
    assert "no-such-user" in result["credentials"][2]["error"]
    assert in_the_way.read_text(encoding="utf-8") == "mine"
    assert (fleet.root("one") / "d/current/client.pem").exists()
    for canary in CANARIES:
        assert canary not in done.output
    predicted = fleet.run("--check").credentials("one")
    assert {name: entry["state"] for name, entry in predicted.items()} == {
        "a": "failed",
        "b": "failed",
        "c": "failed",
        "d": "active",
    }


def test_a_host_without_a_python_that_works_is_told_so(fleet: Fleet, tmp_path: Path) -> None:
    fleet.hosts.clear()
    fleet.add_host("one", credentials=[credential()], issuers=ISSUERS)
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\ncat >/dev/null\necho 'Segmentation fault' >&2\nexit 139\n", encoding="utf-8")
    broken.chmod(0o755)
    fleet.hosts["one"]["ansible_python_interpreter"] = str(broken)
    done = fleet.run("-vvvv")
    message = done.event("one").result["msg"]
    assert "ansible_python_interpreter" in message
    assert "Segmentation fault" in message
    for canary in CANARIES:
        assert canary not in done.output


def test_no_file_on_the_controller_or_host_holds_the_document(fleet: Fleet) -> None:
    """The document goes through the connection: a file with it would need a remote temporary directory."""
    fleet.hosts.clear()
    fleet.add_host("quiet", credentials=[credential()], issuers=ISSUERS)
    done = fleet.run("-vvvv", environment={"ANSIBLE_PIPELINING": "0"}).must_succeed()
    assert "ansible-tmp-" not in done.output


def test_what_cannot_be_pipelined_is_refused(fleet: Fleet) -> None:
    """Where Ansible writes the module to files all the same, nothing is sent."""
    fleet.hosts.clear()
    fleet.add_host("su", credentials=[credential()], issuers=ISSUERS)
    fleet.add_host("sudo", credentials=[credential(state="absent")])
    fleet.hosts["su"].update(ansible_become=True, ansible_become_method="su")
    done = fleet.run("-vvvv")
    assert done.event("su").status == "failed"
    assert "become_method su" in done.event("su").result["msg"]
    fleet.hosts["su"].update(ansible_become=False)
    done = fleet.run("-vvvv", environment={"ANSIBLE_KEEP_REMOTE_FILES": "1"})
    for host in fleet.hosts:
        assert "unset ANSIBLE_KEEP_REMOTE_FILES" in done.event(host).result["msg"]
    assert not list(fleet.tree("su").iterdir())
    for canary in CANARIES:
        assert canary not in done.output
    assert not [path for path in fleet.work.rglob("*") if "AnsiballZ" in path.name]
