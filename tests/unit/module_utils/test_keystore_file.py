# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One store file on a disk: run, run again, change one thing, run; and what must never be touched."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, List, Optional, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import jks, pkcs12
from ansible_collections.mutual.tls.plugins.module_utils.difference import reasons
from ansible_collections.mutual.tls.plugins.module_utils.errors import (
    DiskError,
    Error,
    FormatError,
    InputError,
    LockedError,
    PassphraseError,
    UnsupportedError,
)
from ansible_collections.mutual.tls.plugins.module_utils.files import open_directory
from ansible_collections.mutual.tls.plugins.module_utils.keystore_entries import Changes
from ansible_collections.mutual.tls.plugins.module_utils.keystore_file import Outcome, StoreFile, keep
from ansible_collections.mutual.tls.plugins.module_utils.store import Entry, Store
from tests.keystores import DATA, key_entry, orders, people, trusted

SECRET = "a pass phrase"


def wanted(*entries: Entry, absent: Tuple[str, ...] = ()) -> Changes:
    return Changes(entries, frozenset(absent), frozenset(absent))


def no_context(_path: str) -> Optional[str]:
    return None


def run(file: StoreFile, changes: Changes, write: bool = True) -> Outcome:
    return keep(file, changes, write, no_context)


def mark(path: Path) -> Tuple[Any, ...]:
    """What changes when a file is written or touched."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_mode, path.read_bytes()


def decode(file: StoreFile) -> Store:
    codec = jks if file.format == "jks" else pkcs12
    return codec.decode(Path(file.path).read_bytes(), file.passphrase, file.key_passphrase)


@pytest.fixture(params=["jks", "pkcs12"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> StoreFile:
    return StoreFile(str(tmp_path / "store"), request.param, SECRET)


def test_run_again_changes_nothing_and_one_change_changes_that(file: StoreFile) -> None:
    path = Path(file.path)
    first = wanted(orders(created=1), trusted(created=1))
    assert reasons(run(file, first, write=False).differences) == ["store_missing"]
    assert not path.exists()
    assert reasons(run(file, first).differences) == ["store_missing"]
    assert path.stat().st_mode & 0o7777 == 0o600
    before = mark(path)
    for write in (True, False):
        assert run(file, wanted(orders(created=2), trusted(created=2)), write).differences == ()
    assert mark(path) == before

    renewed = wanted(orders(created=2), trusted(who="root", created=2))
    assert reasons(run(file, renewed, write=False).differences) == ["store_content_changed"]
    assert mark(path) == before
    assert reasons(run(file, renewed).differences) == ["store_content_changed"]
    assert run(file, renewed).differences == ()
    found = decode(file)
    assert {entry.alias: getattr(entry, "certificate", None) for entry in found.entries}["ca"] == people()["root"].der
    if file.format == "jks":
        assert {entry.alias: entry.created for entry in found.entries} == {"orders": 1, "ca": 2}
    assert [one.name for one in path.parent.iterdir()] == ["store"]


CHANGES: List[Tuple[Any, Any, List[str]]] = [
    ({}, wanted(orders("renamed"), trusted(), absent=("orders",)), ["store_alias_changed", "store_content_changed"]),
    ({}, wanted(absent=("ca",)), ["store_content_changed"]),
    ({}, wanted(absent=("nobody",)), []),
    ({}, wanted(key_entry("orders", people()["orders"])), ["store_content_changed"]),
    ({}, wanted(trusted("new")), ["store_content_changed"]),
    ({"exclusive": True}, wanted(orders()), ["store_content_changed"]),
    ({"exclusive": True}, wanted(orders(), trusted()), []),
    ({"mode": "0640"}, wanted(orders()), ["mode_changed"]),
    ({"mode": "0600"}, wanted(orders()), []),
    ({"passphrase": "new", "previous_passphrase": SECRET}, wanted(orders()), ["store_passphrase_changed"]),
    ({"previous_passphrase": "older"}, wanted(orders()), []),
]


@pytest.mark.parametrize(("options", "changes", "expected"), CHANGES)
def test_each_change_alone(file: StoreFile, options: Any, changes: Changes, expected: List[str]) -> None:
    run(file, wanted(orders(), trusted()))
    changed = replace(file, **options)
    before = mark(Path(file.path))
    assert reasons(run(changed, changes, write=False).differences) == expected
    assert mark(Path(file.path)) == before
    assert reasons(run(changed, changes).differences) == expected
    assert (mark(Path(file.path)) == before) is (not expected)
    after = mark(Path(file.path))
    again = run(replace(changed, previous_passphrase=None), changes)
    assert again.differences == () and mark(Path(file.path)) == after


def test_encryption_is_part_of_the_state(tmp_path: Path) -> None:
    file = StoreFile(str(tmp_path / "s.p12"), "pkcs12", SECRET)
    run(file, wanted(orders()))
    compatible = replace(file, encryption="compatible")
    assert reasons(run(compatible, wanted(orders())).differences) == ["store_encryption_changed"]
    assert run(compatible, wanted(orders())).differences == ()
    assert decode(compatible).encryption == "compatible"
    with pytest.raises(InputError, match="JKS"):
        run(replace(compatible, format="jks"), wanted(orders()))


def test_a_key_passphrase_of_its_own_changes_like_any(tmp_path: Path) -> None:
    file = StoreFile(str(tmp_path / "s.jks"), "jks", SECRET, key_passphrase="first")
    run(file, wanted(orders()))
    second = replace(file, key_passphrase="second")
    with pytest.raises(PassphraseError, match=r"'orders'.*another one; the file was not touched"):
        run(second, wanted(orders()))
    second = replace(second, previous_passphrase="first")
    assert reasons(run(second, wanted(orders())).differences) == ["store_passphrase_changed"]
    assert decode(second).entries[0].alias == "orders"
    same = replace(second, key_passphrase=None, previous_passphrase="second")
    assert reasons(run(same, wanted(orders())).differences) == ["store_passphrase_changed"]
    assert run(same, wanted(orders())).differences == ()


def content_of(kind: str) -> bytes:
    return {
        "other passphrase": jks.encode(Store((orders(),), "jks"), "another"),
        "PKCS#12 instead": pkcs12.encode(Store((orders(),), "modern"), SECRET),
        "JCEKS": (DATA / "keytool.jceks").read_bytes(),
        "garbage": b"-----BEGIN CERTIFICATE-----",
        "empty": b"",
    }[kind]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("other passphrase", PassphraseError),
        ("PKCS#12 instead", UnsupportedError),
        ("JCEKS", UnsupportedError),
        ("garbage", FormatError),
        ("empty", FormatError),
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_what_does_not_open_is_an_error_and_stays(tmp_path: Path, kind: str, error: type, write: bool) -> None:
    path = tmp_path / "store.jks"
    path.write_bytes(content_of(kind))
    before = mark(path)
    with pytest.raises(error, match="the file was not touched") as caught:
        run(StoreFile(str(path), "jks", SECRET, exclusive=True), wanted(orders()), write)
    assert mark(path) == before
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("write", [True, False])
def test_what_cannot_be_written_fails_in_check_mode_too(tmp_path: Path, write: bool) -> None:
    file = StoreFile(str(tmp_path / "s.p12"), "pkcs12", SECRET, key_passphrase="another")
    with pytest.raises(InputError, match="one passphrase"):
        run(file, wanted(orders()), write)
    assert os.listdir(tmp_path) == []


def test_links_directories_and_missing_places_are_errors(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(jks.encode(Store((), "jks"), SECRET))
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "directory").mkdir()
    cases = [("link", InputError), ("directory", Error), ("missing/store", DiskError)]
    for name, error in cases:
        with pytest.raises(error):
            run(StoreFile(str(tmp_path / name), "jks", SECRET), wanted(orders()))
    assert (tmp_path / "link").is_symlink()
    with pytest.raises(InputError, match="absolute"):
        run(StoreFile("relative/store", "jks", SECRET), wanted(orders()))


def test_nothing_wanted_makes_no_file(file: StoreFile) -> None:
    assert run(file, wanted(absent=("orders",))).differences == ()
    assert not Path(file.path).exists()


def test_a_run_waits_for_another_in_the_same_directory(file: StoreFile) -> None:
    with open_directory(str(Path(file.path).parent)) as directory, directory.locked(0):
        with pytest.raises(LockedError):
            run(replace(file, lock_timeout=0), wanted(orders()))
        # Also to look: what the other is about to write would seem to be left over.
        with pytest.raises(LockedError):
            run(replace(file, lock_timeout=0), wanted(orders()), write=False)


def killed_before_the_rename(file: StoreFile, changes: Changes) -> None:
    """A run whose process ends when the new file is whole, but not yet in its place."""
    process = os.fork()
    if process == 0:
        os.rename = lambda *_arguments, **_options: os._exit(9)  # type: ignore[assignment]
        run(file, changes)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


@pytest.mark.parametrize("before", ["no store", "the same store", "another store"])
def test_what_a_killed_run_left_goes(file: StoreFile, before: str) -> None:
    """It holds the keys. What other runs are about to write beside it stays."""
    path = Path(file.path)
    if before == "another store":
        run(file, wanted(trusted()))
    killed_before_the_rename(file, wanted(orders()))
    if before == "the same store":
        path.write_bytes(next(path.parent.glob(".mtls-*")).read_bytes())
        path.chmod(0o600)
    left = [one.name for one in path.parent.glob(".mtls-*")]
    assert len(left) == 1
    others = [path.parent / (".mtls-" + "0" * 12 + "-x"), path.parent / ".mtls-x"]
    for other in others:
        other.write_text("not ours")
    missing = {"no store": ["store_missing"], "the same store": [], "another store": ["store_content_changed"]}[before]
    predicted = run(file, wanted(orders()), write=False)
    assert [one.name for one in path.parent.glob(".mtls-*") if one not in others] == left
    done = run(file, wanted(orders()))
    assert done.differences == predicted.differences
    found = done.differences[0]
    assert (found.reason, found.where, found.was) == ("leftover_found", str(path.parent), "1 unfinished")
    assert reasons(done.differences) == ["leftover_found", *missing]
    assert sorted(path.parent.iterdir()) == sorted([path, *others])
    assert run(file, wanted(orders())).differences == ()


def test_a_leftover_goes_where_no_store_is_wanted(file: StoreFile) -> None:
    killed_before_the_rename(file, wanted(orders()))
    assert reasons(run(file, wanted(absent=("orders",))).differences) == ["leftover_found"]
    assert list(Path(file.path).parent.iterdir()) == []


def test_a_leftover_is_known_by_whatever_name_its_directory_has(file: StoreFile) -> None:
    killed_before_the_rename(file, wanted(orders()))
    path = Path(file.path)
    alias = path.parent.with_name(path.parent.name + "-alias")
    alias.symlink_to(path.parent)
    renamed = replace(file, path=str(alias / path.name))
    assert reasons(run(renamed, wanted(orders())).differences) == ["leftover_found", "store_missing"]


def test_certificates_that_java_does_not_see_survive_and_do_not_loop(tmp_path: Path) -> None:
    hidden = replace(trusted(""), visible_to_java=False)
    file = StoreFile(str(tmp_path / "s.p12"), "pkcs12", SECRET)
    Path(file.path).write_bytes(
        pkcs12.encode(Store((hidden, replace(hidden, certificate=people()["root"].der)), "modern"), SECRET)
    )
    assert reasons(run(file, wanted(orders())).differences) == ["store_content_changed"]
    assert run(file, wanted(orders())).differences == ()
    assert len(decode(file).entries) == 2  # the root is part of the chain now


def test_states_are_shown_without_secrets(file: StoreFile) -> None:
    outcome = run(file, wanted(orders(), trusted()))
    assert outcome.before is None and outcome.after is not None
    lines = outcome.after.lines()
    assert "mode: 0600" in lines and lines[-1].startswith("orders: private key with public key ")
    assert SECRET not in repr(outcome) + repr(file) + "".join(lines)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_owners_are_kept_or_changed(file: StoreFile) -> None:
    path = Path(file.path)
    run(file, wanted(orders()))
    os.chown(path, 1234, 1235)
    os.chmod(path, 0o640)
    assert reasons(run(file, wanted(trusted())).differences) == ["store_content_changed"]
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (1234, 1235, 0o640)
    given = replace(file, owner="0", group="1236")
    assert reasons(run(given, wanted(trusted())).differences) == ["owner_changed", "group_changed"]
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (0, 1236, 0o640)
