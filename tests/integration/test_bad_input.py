# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input ends in an error that names the place and the remedy, and leaves the host as it was.

One host is provisioned, and copied for every row, as from a backup; then each row's input goes bad. All rows share the
same two runs.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import venv
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import name as names
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create
from ansible_collections.mutual.tls.plugins.module_utils.ownca.build import AuthoritySpec
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import open_state_directory
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet, Listing, Run, listing, moved
from ansible_collections.mutual.tls.tests.unit import material

KEY = {"type": "ECC", "curve": "secp256r1"}
Options = Dict[str, Any]
Spoil = Callable[[Options, Fleet, str], None]


@dataclass(frozen=True)
class Row:
    """How input goes bad, and what the error must say (regular expressions, all of them).

    `foreseen` is whether check mode says the same. It does not where the play itself may bring what is missing.
    """

    name: str
    spoil: Spoil
    says: List[str]
    foreseen: bool = True


def first(options: Options) -> Options:
    found: Options = options["credentials"][0]
    return found


def setting(**changes: Any) -> Spoil:
    """Change options of the credential."""

    def spoil(options: Options, fleet: Fleet, host: str) -> None:
        first(options).update(deepcopy(changes))

    return spoil


def task(**changes: Any) -> Spoil:
    """Change options of the task."""

    def spoil(options: Options, fleet: Fleet, host: str) -> None:
        options.update(deepcopy(changes))

    return spoil


def again(**changes: Any) -> Spoil:
    """List a second credential, like the first but for the changes."""

    def spoil(options: Options, fleet: Fleet, host: str) -> None:
        options["credentials"].append({**deepcopy(first(options)), **changes})

    return spoil


def bundle(content: Optional[bytes]) -> Spoil:
    """Put these bytes (None: no file) where the partner's CA bundle should be."""

    def spoil(options: Options, fleet: Fleet, host: str) -> None:
        path = fleet.project / f"{host}.pem"
        if content is not None:
            path.write_bytes(content)
        options["authorities"] = {"partner": {"src": path.name}}

    return spoil


def huge_bundle(options: Options, fleet: Fleet, host: str) -> None:
    path = fleet.project / "huge.pem"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    options["authorities"] = {"partner": {"src": path.name}}


def template(content: bytes) -> Spoil:
    def spoil(options: Options, fleet: Fleet, host: str) -> None:
        (fleet.project / f"{host}.j2").write_bytes(content)
        first(options)["configs"] = [{"src": f"{host}.j2", "file": "app.conf"}]

    return spoil


def link_over(make: Callable[[Path], None]) -> Spoil:
    def spoil(options: Options, fleet: Fleet, host: str) -> None:
        path = fleet.tree(host) / "elsewhere"
        make(path)
        first(options)["links"] = [{"path": str(path), "file": "client.p12"}]

    return spoil


def same_link(options: Options, fleet: Fleet, host: str) -> None:
    links = [{"path": str(fleet.tree(host) / "link"), "file": "client.p12"}]
    first(options)["links"] = links
    options["credentials"].append({**deepcopy(first(options)), "name": "other"})


def interpreter(make: Callable[[Path], str]) -> Spoil:
    def spoil(options: Options, fleet: Fleet, host: str) -> None:
        options["ansible_python_interpreter"] = make(fleet.directory / f"python-{host}")

    return spoil


def python_without_library(path: Path) -> str:
    venv.create(path, with_pip=False)
    return str(path / "bin/python")


def python_with_old_library(path: Path) -> str:
    python = python_without_library(path)
    library = next(path.glob("lib/python*/site-packages")) / "cryptography"
    library.mkdir()
    (library / "__init__.py").write_text('__version__ = "2.8"\n')
    return python


def expired_ca(options: Options, fleet: Fleet, host: str) -> None:
    place = open_state_directory(str(fleet.state), create=True).ownca("expired")
    subject = names.normalize({"CN": "Expired CA"})
    spec = AuthoritySpec(subject, KeyKind("ECC", curve="secp256r1"), timedelta(days=30))
    past = datetime.now(timezone.utc) - timedelta(days=60)
    wanted = create.OwnCaSpec(spec, None, timedelta(days=30))
    create.converge(place, wanted, CA_PASSPHRASE, None, past, write=True)
    options["issuers"]["expired"] = {"type": "ownca", "passphrase": CA_PASSPHRASE}
    first(options)["issuer"] = "expired"


def state_without_marker(options: Options, fleet: Fleet, host: str) -> None:
    (fleet.directory / f"unmarked-{host}").mkdir()
    options["state_directory"] = str(fleet.directory / f"unmarked-{host}")


def state_in_collection(options: Options, fleet: Fleet, host: str) -> None:
    path = fleet.directory / "installed/ansible_collections/mutual/tls/mtls"
    path.parent.mkdir(parents=True)
    (path.parent / "MANIFEST.json").write_text("{}")
    options["state_directory"] = str(path)


def root_below_a_file(options: Options, fleet: Fleet, host: str) -> None:
    path = fleet.tree(host) / "file"
    path.write_text("")
    options["root"] = str(path / "mtls")


def root_of_others(options: Options, fleet: Fleet, host: str) -> None:
    path = fleet.tree(host) / "open"
    path.mkdir()
    path.chmod(0o777)
    options["root"] = str(path)


def no_ca(options: Options, fleet: Fleet, host: str) -> None:
    options["issuers"]["absent"] = {"type": "ownca", "passphrase": "x"}
    first(options)["issuer"] = "absent"


def wrong_ca_passphrase(options: Options, fleet: Fleet, host: str) -> None:
    options["issuers"]["corp"]["passphrase"] = "wrong"
    first(options)["subject"] = {"CN": "new", "O": "Acme"}


P12 = {"format": "pkcs12", "file": "client.p12", "friendly_name": "client"}
ROWS = [
    Row("two-of-one-name", again(), [r"orders", r"(?i)twice|two|unique"]),
    Row("two-of-one-link", same_link, [r"link", r"orders", r"other"]),
    Row(
        "two-files-of-one-name",
        setting(keystores=[P12, {**P12, "friendly_name": "b"}]),
        [r"client\.p12", r"already"],
    ),
    Row("name-with-slash", setting(name="a/b"), [r"name", r"a/b"]),
    Row("name-with-dots", setting(name=".."), [r"name"]),
    Row("file-with-dots", setting(keystores=[{**P12, "file": "../x.p12"}]), [r"file", r"\.\./x\.p12"]),
    Row("reserved-file", setting(keystores=[{**P12, "file": "key.pem"}]), [r"file", r"key\.pem"]),
    Row("unknown-issuer", setting(issuer="crop"), [r"issuer", r"crop", r"corp"]),
    Row("unknown-provider", setting(provider="vibez"), [r"provider", r"vibez", r"vibes"]),
    Row("unknown-authority", setting(authorities=["partnr"]), [r"authorit", r"partnr", r"partner"]),
    Row("unknown-template", setting(configs=[{"template": "crul", "file": "c"}]), [r"template", r"crul", r"curl"]),
    Row("unknown-option", setting(keystore=[]), [r"keystore"]),
    Row("later-option", setting(activation="on_proof"), [r"activation"]),
    Row("reload-is-a-shell-line", setting(reload="systemctl reload x"), [r"reload", r"list of words"]),
    Row("subject-lacks-what-profile-demands", setting(provider="vibes", subject={"CN": "x"}), [r"subject", r"\bO\b"]),
    Row(
        "key-too-small-for-profile",
        setting(provider="vibes", key={"type": "RSA", "size": 1024}),
        [r"key", r"1024", r"2048"],
    ),
    Row("wrong-key-passphrase", setting(key={**KEY, "encrypt": True, "passphrase": "n"}), [r"previous_passphrase"]),
    Row("wrong-store-passphrase", setting(keystores=[{**P12, "passphrase": "n"}]), [r"client", r"previous_passphrase"]),
    Row("passphrase-is-a-number", setting(passphrase=1234), [r"passphrase", r"quote"]),
    Row("mode-is-a-number", setting(mode=416), [r"mode", r"quote"]),
    Row("no-bundle", bundle(None), [r"partner", r"\.pem"]),
    Row("empty-bundle", bundle(b""), [r"partner", r"\.pem"]),
    Row("bundle-without-certificate", bundle(b"no certificate in here\n"), [r"partner", r"certificate"]),
    Row("truncated-bundle", bundle(material.authority("Cut").pem[:300]), [r"partner", r"\.pem"]),
    Row("binary-bundle", bundle(bytes(range(256)) * 40), [r"partner", r"\.pem"]),
    Row("huge-bundle", huge_bundle, [r"partner", r"huge\.pem", r"large|bytes"]),
    Row("binary-template", template(bytes(range(128, 256))), [r"configs", r"\.j2"]),
    Row("broken-template", template(b"{{ credential.nam }} {{ oops"), [r"\.j2"]),
    Row("expired-ca", expired_ca, [r"(?i)expired"]),
    Row("no-ca", no_ca, [r"absent", r"mutual\.tls\.ownca|ownca\.yml"], foreseen=False),
    Row("wrong-ca-passphrase", wrong_ca_passphrase, [r"corp", r"passphrase"]),
    Row("link-over-file", link_over(lambda path: path.write_text("mine") and None), [r"elsewhere", r"force"]),
    Row("link-is-directory", link_over(lambda path: path.mkdir()), [r"elsewhere", r"directory"]),
    Row(
        "link-without-parent",
        setting(links=[{"path": "/nonexistent/x", "file": "client.p12"}]),
        [r"/nonexistent", r"create"],
    ),
    Row("unknown-owner", setting(owner="nobody-has-this-name"), [r"owner", r"nobody-has-this-name"]),
    Row("unknown-group", setting(group="nobody-has-this-name"), [r"group", r"nobody-has-this-name"]),
    Row("root-below-a-file", root_below_a_file, [r"/file", r"directory"]),
    Row("root-of-others", root_of_others, [r"root", r"0755"]),
    Row("state-in-collection", state_in_collection, [r"state", r"collection"]),
    Row("state-without-marker", state_without_marker, [r"marker"]),
    Row(
        "host-without-library", interpreter(python_without_library), [r"cryptography", r"3\.3", r"python3-cryptography"]
    ),
    Row("host-with-old-library", interpreter(python_with_old_library), [r"cryptography", r"2\.8|cannot import it"]),
    Row("no-passphrase-for-store", setting(passphrase=None), [r"passphrase"]),
    Row("bad-duration", setting(renew_before="soon"), [r"renew_before", r"soon"]),
    Row("no-subject", setting(subject={}), [r"subject"]),
]


PARTNER = material.authority("Partner Root").pem.decode()


def good() -> Options:
    return {
        "credentials": [
            {
                "name": "orders",
                "issuer": "corp",
                "subject": {"CN": "orders", "O": "Acme Inc"},
                "key": {**KEY, "encrypt": True},
                "passphrase": "the right one",
                "authorities": ["partner"],
                "keystores": [P12],
            }
        ],
        "issuers": {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
        "authorities": {"partner": {"content": PARTNER}},
    }


CONTROL = "control"
LOCKED = "locked-by-another-run"


@dataclass(frozen=True)
class Spoiled:
    """The runs with bad input, in check mode and for real, and every host's files before and after both."""

    fleet: Fleet
    checked: Run
    run: Run
    before: Dict[str, Listing]
    after: Dict[str, Listing]


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Spoiled:
    fleet = Fleet(tmp_path_factory.mktemp("bad-input"))
    fleet.make_ca("corp")
    fleet.add_host(CONTROL, **good())
    fleet.run().must_succeed()
    fleet.add_host(LOCKED, **good(), lock_timeout=1)
    _copy_control(fleet, LOCKED)
    for row in ROWS:
        options = good()
        fleet.add_host(row.name, **options)
        _copy_control(fleet, row.name)
        row.spoil(options, fleet, row.name)
        python = options.pop("ansible_python_interpreter", sys.executable)
        fleet.add_host(row.name, **options)
        fleet.hosts[row.name]["ansible_python_interpreter"] = python
    before = {host: listing(fleet.tree(host)) for host in fleet.hosts}
    descriptor = os.open(fleet.root(LOCKED), os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        checked = fleet.run("--check")
        run = fleet.run()
    finally:
        os.close(descriptor)
    return Spoiled(fleet, checked, run, before, {host: listing(fleet.tree(host)) for host in fleet.hosts})


def _copy_control(fleet: Fleet, host: str) -> None:
    shutil.copytree(fleet.root(CONTROL), fleet.root(host), symlinks=True)


def message(run: Run, host: str) -> str:
    """Everything that the failure says, of the task and of each credential."""
    event = run.event(host)
    assert event.status == "failed", event
    return str(event.result.get("msg"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_bad_input(spoiled: Spoiled, row: Row) -> None:
    found = message(spoiled.run, row.name)
    for pattern in row.says:
        assert re.search(pattern, found), found
    assert "Traceback" not in found
    assert moved(spoiled.before[row.name], spoiled.after[row.name]) == []
    if row.foreseen:
        assert message(spoiled.checked, row.name) == found


def test_no_traceback_on_the_screen(spoiled: Spoiled) -> None:
    assert "Traceback" not in spoiled.run.output
    assert "Traceback" not in spoiled.checked.output


def test_good_input_has_nothing_to_do(spoiled: Spoiled) -> None:
    """It is the input that fails the others."""
    for run in (spoiled.checked, spoiled.run):
        event = run.event(CONTROL)
        assert (event.status, event.result["changed"]) == ("ok", False)
    assert moved(spoiled.before[CONTROL], spoiled.after[CONTROL]) == []


def test_lock_held_by_another_run(spoiled: Spoiled) -> None:
    fleet = spoiled.fleet
    found = message(spoiled.run, LOCKED)
    assert str(fleet.root(LOCKED)) in found and f"process {os.getpid()}" in found and "lock_timeout" in found
    assert moved(spoiled.before[LOCKED], spoiled.after[LOCKED]) == []
    # A copy of a host that was provisioned is one.
    assert fleet.run("--limit", LOCKED).must_succeed().event(LOCKED).result["changed"] is False
