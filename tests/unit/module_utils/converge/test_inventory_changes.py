# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change one thing in the inventory: check predicts it, a run does exactly that, a rerun changes nothing."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import jks, pkcs12, private_key
from ansible_collections.mutual.tls.plugins.module_utils.converge import host as hosts
from ansible_collections.mutual.tls.plugins.module_utils.store import KeyEntry, Store, TrustedEntry
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    ACCESS,
    EC,
    Authority,
    Host,
    credential,
    keystore,
    link,
    public_key,
    reasons,
    truststore,
)

DAY = 86400


def _host(tmp_path: Path) -> Host:
    (tmp_path / "disk/elsewhere").mkdir(parents=True)
    return Host(tmp_path / "disk" / "root")


def test_fresh_host(tmp_path: Path) -> None:
    host = _host(tmp_path)
    reply = host.converges(credential())
    assert (reasons(reply), reply.generation) == (["certificate_missing", "key_missing"], 1)
    assert (host.root / "orders").stat().st_mode & 0o7777 == 0o755


class Row(NamedTuple):
    """A change of the inventory: fields before and after, the reasons, and whether the key stays."""

    before: Dict[str, Any]
    after: Dict[str, Any]
    reasons: Tuple[str, ...]
    same_key: bool = True
    generation: int = 2


KS = "keystores"
JKS: Dict[str, Any] = {"file": "client.jks", "format": "jks"}
LONG = 60 * DAY
ROWS: Dict[str, Row] = {
    "provider": Row({}, {"provider": "vibes"}, ("provider_changed",), False),
    "issuer": Row({}, {"issuer": "other"}, ("issuer_changed",), False),
    "subject": Row({}, {"subject": [["CN", "other"]]}, ("subject_changed",), False),
    "subject order": Row({}, {"subject": [["CN", "orders"], ["O", "Acme"]]}, ("subject_changed",), False),
    "subject_alt_name": Row({}, {"subject_alt_name": ["DNS:a.example"]}, ("subject_alt_name_changed",), False),
    "no subject_alt_name": Row({}, {"subject_alt_name": []}, ("subject_alt_name_changed",), False),
    "key.type": Row({}, {"key": {**EC, "type": "Ed25519", "curve": None}}, ("key_type_changed",), False),
    "key.curve": Row({}, {"key": {**EC, "curve": "secp384r1"}}, ("key_type_changed",), False),
    "key.curve without rotation": Row(
        {}, {"key": {**EC, "curve": "secp384r1", "rotate": False}}, ("key_type_changed",), False
    ),
    "key.rotate": Row(
        {"key": {**EC, "rotate": False}},
        {"key": {**EC, "rotate": False}, "subject": [["CN", "x"]]},
        ("subject_changed",),
    ),
    "key.format": Row({}, {"key": {**EC, "format": "traditional"}}, ("key_format_changed", "file_changed")),
    "key.format back": Row(
        {"key": {**EC, "format": "traditional"}}, {"key": EC}, ("key_format_changed", "file_changed")
    ),
    "key.passphrase set": Row({}, {"key": {**EC, "passphrase": "s"}}, ("key_passphrase_changed", "file_changed")),
    "key.passphrase changed": Row(
        {"key": {**EC, "passphrase": "s"}},
        {"key": {**EC, "passphrase": "\u00e9\"'\\ "}, "previous_passphrases": ["x", "s"]},
        ("key_passphrase_changed", "file_changed"),
    ),
    "key.passphrase removed": Row(
        {"key": {**EC, "passphrase": "s"}},
        {"key": EC, "previous_passphrases": ["s"]},
        ("key_passphrase_changed", "file_changed"),
    ),
    "renew_before": Row({"renew_before": 20 * DAY}, {"renew_before": LONG}, (), True, 1),
    "keep_generations": Row({"keep_generations": 1}, {"keep_generations": 5}, (), True, 1),
    "mode": Row({}, {"mode": "0640"}, ("mode_changed",), True, 1),
    "authorities": Row({}, {"authorities": []}, ("file_no_longer_wanted",)),
    "authorities added": Row({"authorities": []}, {"authorities": ["partner"]}, ("store_missing",)),
    "authorities other": Row({}, {"authorities": ["second"]}, ("truststore_content_changed",)),
    "authorities more": Row({}, {"authorities": ["partner", "second"]}, ("truststore_content_changed",)),
    "config.content": Row(
        {}, {"configs": [{"file": "app.conf", "content": "key = 2\n", **ACCESS}]}, ("config_changed",)
    ),
    "config.file": Row(
        {},
        {"configs": [{"file": "new.conf", "content": "key = 1\n", **ACCESS}]},
        ("file_missing", "file_no_longer_wanted"),
    ),
    "config.mode": Row(
        {},
        {"configs": [{"file": "app.conf", "content": "key = 1\n", **ACCESS, "mode": "0400"}]},
        ("mode_changed",),
        True,
        1,
    ),
    "no configs": Row({}, {"configs": []}, ("file_no_longer_wanted",)),
    "keystore.file": Row({}, {KS: [keystore(file="x.p12")]}, ("store_missing", "file_no_longer_wanted")),
    "keystore.format": Row({}, {KS: [keystore(format="jks")]}, ("store_encryption_changed",)),
    "keystore.format back": Row({KS: [keystore(format="jks")]}, {KS: [keystore()]}, ("store_encryption_changed",)),
    "keystore.friendly_name": Row({}, {KS: [keystore(friendly_name="other")]}, ("store_alias_changed",)),
    "keystore.friendly_name case": Row({}, {KS: [keystore(friendly_name="OTHER")]}, ("store_alias_changed",)),
    "jks friendly_name": Row(
        {KS: [keystore(**JKS)]}, {KS: [keystore(**JKS, friendly_name="New")]}, ("store_alias_changed",)
    ),
    "keystore.passphrase": Row(
        {},
        {KS: [keystore(passphrase="new")], "previous_passphrases": ["a", "store-secret"]},
        ("store_passphrase_changed",),
    ),
    "jks passphrase": Row(
        {KS: [keystore(**JKS)]},
        {KS: [keystore(**JKS, passphrase="new")], "previous_passphrases": ["store-secret"]},
        ("store_passphrase_changed",),
    ),
    "jks key_passphrase set": Row(
        {KS: [keystore(**JKS)]}, {KS: [keystore(**JKS, key_passphrase="k")]}, ("store_passphrase_changed",)
    ),
    "jks key_passphrase changed": Row(
        {KS: [keystore(**JKS, key_passphrase="k")]},
        {KS: [keystore(**JKS, key_passphrase="l")], "previous_passphrases": ["k"]},
        ("store_passphrase_changed",),
    ),
    "jks key_passphrase removed": Row(
        {KS: [keystore(**JKS, key_passphrase="k")]},
        {KS: [keystore(**JKS)], "previous_passphrases": ["k"]},
        ("store_passphrase_changed",),
    ),
    "jks both passphrases": Row(
        {KS: [keystore(**JKS, passphrase="a", key_passphrase="b")]},
        {KS: [keystore(**JKS, passphrase="b", key_passphrase="a")], "previous_passphrases": ["a", "b"]},
        ("store_passphrase_changed",),
    ),
    "keystore.encryption": Row({}, {KS: [keystore(encryption="compatible")]}, ("store_encryption_changed",)),
    "keystore.exclusive": Row({}, {KS: [keystore(exclusive=True)]}, (), True, 1),
    "keystore.trusted": Row(
        {}, {KS: [keystore(trusted=[{"friendly_name": "ca", "authority": "partner"}])]}, ("store_content_changed",)
    ),
    "keystore.trusted several": Row(
        {}, {KS: [keystore(trusted=[{"friendly_name": "ca", "authority": "both"}])]}, ("store_content_changed",)
    ),
    "keystore.trusted name": Row(
        {KS: [keystore(trusted=[{"friendly_name": "ca", "authority": "partner"}])]},
        {KS: [keystore(trusted=[{"friendly_name": "new", "authority": "partner"}])]},
        ("store_alias_changed",),
    ),
    "keystore.trusted authority": Row(
        {KS: [keystore(trusted=[{"friendly_name": "ca", "authority": "partner"}])]},
        {KS: [keystore(trusted=[{"friendly_name": "ca", "authority": "second"}])]},
        ("store_content_changed",),
    ),
    "keystore.trusted gone": Row(
        {KS: [keystore(trusted=[{"friendly_name": "ca", "authority": "partner"}])]},
        {KS: [keystore()]},
        ("store_content_changed",),
    ),
    "keystore.mode": Row({}, {KS: [keystore(mode="0440")]}, ("mode_changed",), True, 1),
    "keystore added": Row({}, {KS: [keystore(), keystore(**JKS)]}, ("store_missing",)),
    "keystore gone": Row({}, {KS: []}, ("file_no_longer_wanted",)),
    "truststore.authorities": Row(
        {}, {"truststores": [truststore(authorities=["partner", "second"])]}, ("truststore_content_changed",)
    ),
    "truststore.own_chain": Row({}, {"truststores": [truststore(own_chain=True)]}, ("truststore_content_changed",)),
    "truststore.passphrase": Row(
        {},
        {"truststores": [truststore(passphrase="new")], "previous_passphrases": ["trust-secret"]},
        ("store_passphrase_changed",),
    ),
    "truststore.format": Row({}, {"truststores": [truststore(format="pkcs12")]}, ("store_encryption_changed",)),
    "truststore.format pem": Row(
        {}, {"truststores": [truststore(format="pem", passphrase=None)]}, ("truststore_content_changed",)
    ),
    "truststore.format from pem": Row(
        {"truststores": [truststore(format="pem", passphrase=None)]},
        {"truststores": [truststore()]},
        ("store_unreadable",),
    ),
    "truststore.encryption": Row(
        {"truststores": [truststore(format="pkcs12")]},
        {"truststores": [truststore(format="pkcs12", encryption="compatible")]},
        ("store_encryption_changed",),
    ),
    "truststore.mode": Row({}, {"truststores": [truststore(mode="0444")]}, ("mode_changed",), True, 1),
    "several at once": Row(
        {},
        {"mode": "0640", KS: [keystore(friendly_name="x")], "authorities": [], "configs": []},
        ("mode_changed", "store_alias_changed", "file_no_longer_wanted"),
    ),
    "renewal and config": Row(
        {},
        {"subject": [["CN", "x"]], "configs": [{"file": "app.conf", "content": "2", **ACCESS}]},
        ("subject_changed", "config_changed"),
        False,
        3,
    ),
}


class TwoAuthorities(Host):
    """A host whose documents know more authorities."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.second = Authority("Second CA")

    def document(self, *wanted: Dict[str, Any], names: Optional[List[str]] = None) -> Dict[str, Any]:
        document = super().document(*wanted, names=names)
        document["authorities"].update(second=[self.second.der], both=[self.partner.der, self.second.der])
        return document


def _key_passphrase(wanted: Dict[str, Any]) -> Optional[str]:
    passphrase: Optional[str] = wanted["key"]["passphrase"]
    return passphrase


@pytest.mark.parametrize("name", ROWS)
def test_change_of_one_thing(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    host = TwoAuthorities(tmp_path / "root")
    before = credential(**row.before)
    assert host.run(before).state == "active"
    key, files = public_key(host, passphrase=_key_passphrase(before)), host.files()
    after = credential(**row.after)
    reply = host.converges(after)
    assert (reply.state, reply.changed) == ("active", bool(row.reasons))
    assert set(reasons(reply)) == set(row.reasons)
    assert reply.generation == row.generation
    assert (public_key(host, passphrase=_key_passphrase(after)) == key) == row.same_key
    if row.generation == 1:
        assert host.files() == files
    opens_everything(host, after)


def opens_everything(host: Host, wanted: Dict[str, Any]) -> None:
    """Every store of the generation opens with the inventory's passphrases and holds the key in use."""
    fingerprint = public_key(host, passphrase=_key_passphrase(wanted))
    for store in wanted["keystores"]:
        codec: Any = jks if store["format"] == "jks" else pkcs12
        content = (host.current() / store["file"]).read_bytes()
        decoded = codec.decode(content, store["passphrase"], store["key_passphrase"])
        keys = [entry for entry in decoded.entries if isinstance(entry, KeyEntry)]
        assert [entry.alias.lower() for entry in keys] == [store["friendly_name"].lower()]
        found = private_key.from_pkcs8(keys[0].private_key).public_key()
        assert private_key.public_fingerprint(found) == fingerprint
        trusted = [entry.alias for entry in decoded.entries if isinstance(entry, TrustedEntry)]
        assert len([alias for alias in trusted if alias]) >= len(store["trusted"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"key": {**EC, "passphrase": "a"}}, {"key": {**EC, "passphrase": "b"}}),
        ({"key": {**EC, "passphrase": "a"}}, {"key": {**EC, "passphrase": "b"}, "previous_passphrases": ["c"]}),
        ({"key": {**EC, "passphrase": "a"}}, {"key": EC}),
        ({}, {KS: [keystore(passphrase="b")]}),
        ({KS: [keystore(**JKS)]}, {KS: [keystore(**JKS, passphrase="b")]}),
        ({KS: [keystore(**JKS, key_passphrase="k")]}, {KS: [keystore(**JKS)]}),
        ({}, {"truststores": [truststore(passphrase="b")]}),
    ],
)
def test_passphrase_that_nothing_opens_is_an_error(
    before: Dict[str, Any], after: Dict[str, Any], tmp_path: Path
) -> None:
    host = Host(tmp_path / "root")
    host.run(credential(**before))
    error = host.refuses(credential(**after), "previous_passphrase")
    assert "secret" not in error


def test_passphrase_of_a_store_is_asked_for_before_a_certificate_is(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    host.run(credential())
    for name in ("key.pem", "client.pem"):
        (host.current() / name).unlink()
    host.refuses(credential(keystores=[keystore(passphrase="b")]), "previous_passphrase")


def test_encrypted_request_waits_for_its_passphrase(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    first = credential(key={**EC, "passphrase": "a"})
    assert host.trip(first).credentials[0].state == "request"
    host.refuses(credential(key={**EC, "passphrase": "b"}), "previous_passphrase")
    second = credential(key={**EC, "passphrase": "b"}, previous_passphrases=["a"])
    assert reasons(host.run(second)) == ["certificate_missing", "request_pending", "key_passphrase_changed"]
    assert public_key(host, passphrase="b")
    assert not host.converges(second).changed


REFUSALS: Dict[str, Tuple[Dict[str, Any], str]] = {
    "owner": ({"owner": "nobody-of-that-name"}, "does not exist on this host"),
    "owner negative": ({"owner": "-1"}, "does not exist on this host"),
    "owner that chown ignores": ({"owner": "4294967295"}, "does not exist on this host"),
    "owner superscript": ({"owner": "\u00b2"}, "does not exist on this host"),
    "group": ({"group": "no such group"}, "does not exist on this host"),
    "mode": ({"mode": "rw"}, "octal"),
    "mode with set-user-id": ({"mode": "4755"}, "octal"),
    "mode negative": ({"mode": "-644"}, "octal"),
    "mode other digits": ({"mode": "\u0666\u0664\u0660"}, "octal"),
    "authority": ({"authorities": ["nobody"]}, "not known"),
    "trusted authority": ({KS: [keystore(trusted=[{"friendly_name": "a", "authority": "nobody"}])]}, "not known"),
    "truststore authority": ({"truststores": [truststore(authorities=["nobody"])]}, "not known"),
    "file twice": ({KS: [keystore(), keystore()]}, "twice"),
    "file of ours": ({"configs": [{"file": "key.pem", "content": "", **ACCESS}]}, "twice"),
    "manifest": ({"configs": [{"file": "manifest.json", "content": "", **ACCESS}]}, "twice"),
    "alias twice": ({KS: [keystore(trusted=[{"friendly_name": "Orders", "authority": "partner"}])]}, "two entries"),
    "key_passphrase in PKCS#12": ({KS: [keystore(key_passphrase="other")]}, "one passphrase"),
    "traditional with passphrase": ({"key": {**EC, "format": "traditional", "passphrase": "a"}}, "pkcs8"),
    "traditional Ed25519": ({"key": {**EC, "type": "Ed25519", "curve": None, "format": "traditional"}}, "pkcs8"),
    "empty key passphrase": ({"key": {**EC, "passphrase": ""}}, "empty"),
    "link to no file": ({"links": [link(Path("/tmp/x"), "nothing.pem")]}, "no file"),
    "link without directory": ({"links": [link(Path("/nonexistent/x"), "key.pem")]}, "create it first"),
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("fresh", [True, False])
def test_what_cannot_be_is_refused_before_anything_is_done(name: str, fresh: bool, tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    # A root that another credential has made: what is refused makes none.
    host.run(credential(name="other" if fresh else "orders"))
    changes, message = REFUSALS[name]
    host.refuses(credential(**changes), message)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_and_group_by_number(tmp_path: Path) -> None:
    host = _host(tmp_path)
    copy = link(tmp_path / "disk/elsewhere/copy", "app.conf", copy=True)
    host.run(credential(links=[copy]))
    files = host.files()
    copy.update(owner="54321", group="54322")
    stores = [keystore(group="54322")]
    reply = host.converges(credential(owner="54321", group="54321", keystores=stores, links=[copy]))
    assert reasons(reply) == ["owner_changed", "group_changed", "link_changed"]
    assert host.files() == files
    assert ((host.current() / "key.pem").stat().st_uid, (host.current() / "key.pem").stat().st_gid) == (54321, 54321)
    assert ((host.current() / "client.p12").stat().st_uid, (host.current() / "client.p12").stat().st_gid) == (0, 54322)
    found = (tmp_path / "disk/elsewhere/copy").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (54321, 54322, 0o600)


@pytest.mark.parametrize(
    ("days", "renew_before", "due"),
    [
        ((-1, 90), 30 * DAY, False),
        ((-61, 29), 30 * DAY, True),
        ((-61, 31), 30 * DAY, False),
        # A third of the lifetime at most: one of a day is not due at once.
        ((-0.01, 1), 30 * DAY, False),
        ((-0.65, 0.35), 30 * DAY, False),
        ((-0.7, 0.3), 30 * DAY, True),
        ((-1, 90), 0, False),
    ],
)
def test_renewal_in_time(days: Tuple[float, float], renew_before: int, due: bool, tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential(renew_before=renew_before)
    host.days = days
    assert host.run(wanted).state == "active"
    host.days = (-1, 90)
    reply = host.converges(wanted)
    assert (reasons(reply), reply.changed) == ((["certificate_due"], True) if due else ([], False))
    assert reply.generation == (2 if due else 1)


@pytest.mark.parametrize(
    ("ends", "jitter", "offset", "due"),
    [
        # Of a lifetime of 90 days: due when 20 are left, and up to 10 earlier.
        (31, 10 * DAY, 9 * DAY, False),
        (28, 10 * DAY, 9 * DAY, True),
        (28, 10 * DAY, 7 * DAY, False),
        (21, 10 * DAY, 0, False),
        (19, 10 * DAY, 0, True),
        # Half of the lifetime is used at least: of 400 days, the 25 to spread over are left, and all have their share.
        (46, 400 * DAY, 400 * DAY - 1, False),
        (44, 400 * DAY, 400 * DAY - 1, True),
        (33, 400 * DAY, 200 * DAY, False),
        (32, 400 * DAY, 200 * DAY, True),
        (21, 400 * DAY, 0, False),
    ],
)
def test_renewals_of_a_fleet_are_spread(ends: int, jitter: int, offset: int, due: bool, tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential(renew_before=20 * DAY, renew_jitter=jitter, renew_offset=offset)
    host.days = (ends - 90, ends)
    assert host.run(wanted).state == "active"
    host.days = (0, 90)
    reply = host.converges(wanted)
    assert (reasons(reply), reply.changed) == ((["certificate_due"], True) if due else ([], False))


class TestWindow:
    """A maintenance window is closed: `may_renew` is false."""

    def host(self, tmp_path: Path, left: float = 20) -> Host:
        host = Host(tmp_path / "root")
        host.days = (left - 90, left)
        assert host.run(credential()).state == "active"
        host.days = (-1, 90)
        return host

    def test_what_is_due_is_told_of_and_waits(self, tmp_path: Path) -> None:
        host = self.host(tmp_path)
        reply = host.converges(credential(may_renew=False))
        assert (reply.state, reply.changed, reasons(reply)) == ("active", False, ["certificate_due"])
        assert (host.root / "orders/next").exists() is False
        assert host.converges(credential()).generation == 2

    def test_so_does_a_request_that_was_made_before(self, tmp_path: Path) -> None:
        host = self.host(tmp_path)
        asked = host.trip(credential()).credentials[0].request
        assert asked is not None
        before = host.listing()
        reply = host.trip(credential(may_renew=False)).credentials[0]
        assert (reply.state, reply.changed) == ("active", False)
        assert reasons(reply) == ["certificate_due", "request_pending"]
        assert host.listing() == before
        again = host.trip(credential()).credentials[0].request
        assert again == asked

    def test_files_are_mended_meanwhile(self, tmp_path: Path) -> None:
        host = self.host(tmp_path)
        (host.current() / "app.conf").write_text("tampered")
        reply = host.converges(credential(may_renew=False))
        assert (reply.state, reply.changed, reply.generation) == ("active", True, 1)
        assert set(reasons(reply)) == {"certificate_due", "config_changed"}

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"subject": [["CN", "new"]]}, "subject_changed"),
            ({"operation": "rotate"}, "certificate_due"),
        ],
    )
    def test_what_somebody_wants_does_not_wait(self, changes: Dict[str, Any], reason: str, tmp_path: Path) -> None:
        host = self.host(tmp_path)
        reply = host.run(credential(may_renew=False, **changes))
        assert (reply.state, reply.generation) == ("active", 2)
        assert reason in reasons(reply)

    def test_another_ca_does_not_wait(self, tmp_path: Path) -> None:
        host = self.host(tmp_path)
        host.authority = Authority("Next CA")
        issuing = [certificates.fingerprint(host.authority.certificate)]
        reply = host.run(credential(may_renew=False, issuing_cas=issuing))
        assert (reply.state, reply.generation) == ("active", 2)
        assert "issuing_ca_changed" in reasons(reply)

    def test_what_is_missing_or_has_expired_does_not_wait(self, tmp_path: Path) -> None:
        host = Host(tmp_path / "root")
        assert host.run(credential(may_renew=False)).generation == 1
        for name in ("key.pem", "client.pem", "client.p12"):
            (host.current() / name).unlink()
        assert host.run(credential(may_renew=False)).generation == 2

    def test_what_somebody_has_asked_for_goes_on_when_the_window_is_closed(self, tmp_path: Path) -> None:
        host = self.host(tmp_path)
        asked = host.trip(credential(may_renew=False, operation="rotate")).credentials[0].request
        assert asked is not None
        assert host.trip(credential(may_renew=False)).credentials[0].request == asked

    def test_what_has_expired_does_not_wait(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        host = self.host(tmp_path)

        class Later(datetime.datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.datetime.now(tz) + datetime.timedelta(days=21)

        monkeypatch.setattr(hosts, "datetime", Later)
        host.days = (-1, 90)
        reply = host.run(credential(may_renew=False))
        assert (reply.state, reply.generation, reasons(reply)) == ("active", 2, ["certificate_expired"])

    def test_an_answer_that_has_come_is_taken(self, tmp_path: Path) -> None:
        """The window was open when the run began."""
        host = self.host(tmp_path)
        asked = host.trip(credential()).credentials[0].request
        assert asked is not None and asked.pem is not None
        answer = host.authority.sign(asked.pem, host.days)
        assert host.trip(credential(may_renew=False, answer=answer)).credentials[0].generation == 2


def test_expired_certificate_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(tmp_path / "root")
    host.days = (-90, 0.00002)
    assert host.run(credential()).state == "active"
    import time

    time.sleep(2)
    host.days = (-1, 90)
    assert reasons(host.converges(credential())) == ["certificate_expired"]


def test_generations_beyond_those_to_keep_are_pruned(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential(keep_generations=3)
    host.run(wanted)
    for number in range(4):
        config = {"file": "app.conf", "content": str(number), **ACCESS}
        assert host.run({**wanted, "configs": [config]}).state == "active"
    names = lambda: sorted(path.name for path in (host.root / "orders/generations").iterdir())  # noqa: E731
    wanted["configs"] = [config]
    assert names() == ["0003", "0004", "0005"]
    reply = host.converges({**wanted, "keep_generations": 2})
    assert (reasons(reply), names()) == (["generation_surplus"], ["0004", "0005"])
    reply = host.converges({**wanted, "keep_generations": 0})
    assert (reasons(reply), names()) == (["generation_surplus"], ["0005"])


def _with_alien(host: Host, wanted: Dict[str, Any], aliens: Tuple[Any, ...]) -> None:
    store = wanted["keystores"][0]
    codec: Any = jks if store["format"] == "jks" else pkcs12
    path = host.current() / store["file"]
    decoded = codec.decode(path.read_bytes(), store["passphrase"])
    path.write_bytes(codec.encode(Store((*decoded.entries, *aliens), decoded.encryption), store["passphrase"]))


@pytest.mark.parametrize("format", ["jks", "pkcs12"])
def test_entries_of_others_survive_everything_but_exclusive(format: str, tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = credential(keystores=[keystore(file="s", format=format)])
    host.run(wanted)
    other = private_key.to_pkcs8(private_key.generate(private_key.KeyKind("ECC", curve="secp256r1")))
    der = certificates.to_der(host.partner.certificate)
    _with_alien(host, wanted, (KeyEntry("alien", other, (der,)), TrustedEntry("alienca", der)))

    def aliases(passphrase: str = "store-secret") -> List[str]:
        codec: Any = jks if format == "jks" else pkcs12
        decoded = codec.decode((host.current() / "s").read_bytes(), passphrase)
        return sorted(entry.alias for entry in decoded.entries)

    reply = host.converges(wanted)
    assert (reasons(reply), reply.changed, aliases()) == ([], False, ["alien", "alienca", "orders"])
    wanted["keystores"] = [keystore(file="s", format=format, friendly_name="renamed")]
    assert reasons(host.converges(wanted)) == ["store_alias_changed"]
    assert aliases() == ["alien", "alienca", "renamed"]
    wanted["subject"] = [["CN", "renewed"]]
    host.converges(wanted)
    assert aliases() == ["alien", "alienca", "renamed"]
    store = keystore(file="s", format=format, friendly_name="renamed", passphrase="new")
    wanted.update(keystores=[store], previous_passphrases=["store-secret"])
    host.converges(wanted)
    assert aliases("new") == ["alien", "alienca", "renamed"]
    wanted["keystores"] = [{**store, "exclusive": True}]
    assert reasons(host.converges(wanted)) == ["store_content_changed", "generation_surplus"]
    assert aliases("new") == ["renamed"]


def test_foreign_entry_in_a_truststore_goes(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    host.run(credential())
    path = host.current() / "trust.jks"
    entry = TrustedEntry("evil", certificates.to_der(host.authority.certificate))
    store = jks.decode(path.read_bytes(), "trust-secret")
    path.write_bytes(jks.encode(Store((*store.entries, entry), "jks"), "trust-secret"))
    assert reasons(host.converges(credential())) == ["truststore_content_changed"]
    assert "evil" not in [entry.alias for entry in jks.decode(path.read_bytes(), "trust-secret").entries]


def test_absent_takes_links_and_copies_and_leaves_others(tmp_path: Path) -> None:
    host = _host(tmp_path)
    elsewhere = tmp_path / "disk/elsewhere"
    mine, copied, precious = elsewhere / "link", elsewhere / "copy", elsewhere / "precious"
    precious.write_text("precious")
    wanted = credential(links=[link(mine, "key.pem"), link(copied, "app.conf", copy=True)])
    other = credential(name="orders2", links=[link(elsewhere / "other", "key.pem")])
    host.run(wanted)
    host.run(other)
    reply = host.converges({**wanted, "state": "absent"})
    assert (reply.state, reasons(reply)) == ("absent", ["state_absent", "link_changed"])
    assert sorted(path.name for path in elsewhere.iterdir()) == ["other", "precious"]
    assert [path.name for path in host.root.iterdir()] == ["orders2"]
    assert (elsewhere / "other").exists()
    assert not host.run(other).changed
    assert not host.converges({**wanted, "state": "absent"}).changed


def test_absent_on_a_fresh_host_makes_no_root(tmp_path: Path) -> None:
    host = _host(tmp_path)
    assert not host.converges(credential(state="absent")).changed
    assert not host.root.exists()


def test_absent_leaves_what_somebody_put_in_a_links_place(tmp_path: Path) -> None:
    host = _host(tmp_path)
    mine = tmp_path / "disk/elsewhere/link"
    wanted = credential(links=[link(mine, "key.pem")])
    host.run(wanted)
    mine.unlink()
    mine.symlink_to("/etc/hostname")
    host.converges({**wanted, "state": "absent"})
    assert os.readlink(mine) == "/etc/hostname"


@pytest.mark.parametrize("fresh", [True, False])
def test_held_reports_and_changes_nothing(fresh: bool, tmp_path: Path) -> None:
    host = _host(tmp_path)
    if not fresh:
        host.run(credential())
        (host.current() / "client.p12").unlink()
    before = host.listing()
    reply = host.run(credential(state="held", subject=[["CN", "x"]]))
    assert (reply.state, reply.changed, reply.request, reply.error) == ("held", False, None, None)
    assert reasons(reply) == (["certificate_missing", "key_missing"] if fresh else ["subject_changed", "store_missing"])
    assert host.listing() == before


def test_names_that_begin_alike_do_not_meet(tmp_path: Path) -> None:
    host = _host(tmp_path)
    elsewhere = tmp_path / "disk/elsewhere"
    names = ("a", "a.b", "ab", "a-")
    wanted = [credential(name=name, links=[link(elsewhere / (name + "x"), "key.pem")]) for name in names]
    for item in wanted:
        host.converges(item)
    keys = {name: public_key(host, name) for name in names}
    assert len(set(keys.values())) == 4
    host.converges({**wanted[0], "state": "absent"})
    reply = host.trip(*wanted[1:], names=list(names[1:]))
    assert (reply.changed, reply.orphaned) == (False, ())
    assert [path.name for path in sorted(elsewhere.iterdir())] == ["a-x", "a.bx", "abx"]


def test_unlisted_credentials_are_reported_and_other_directories_are_not(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    host.run(credential(name="old"))
    host.run(credential())
    (host.root / "lost+found").mkdir(mode=0o000)
    (host.root / "file").write_text("x")
    (host.root / "link").symlink_to("old")
    (host.root / "next").mkdir()
    assert host.trip(credential()).orphaned == ("old",)
    assert host.trip(credential(), names=["orders", "old"]).orphaned == ()


def test_a_failing_credential_does_not_stop_the_others(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wrong = credential(name="wrong", owner="nobody-of-that-name")
    (host.root).mkdir()
    (host.root / "file").write_text("in the way")
    reply = host.trip(wrong, credential(), credential(name="file"))
    assert [item.state for item in reply.credentials] == ["failed", "request", "failed"]
    assert reply.changed


def test_five_credentials_take_one_trip(tmp_path: Path) -> None:
    host = Host(tmp_path / "root")
    wanted = [credential(name="c{0}".format(number)) for number in range(5)]
    first = host.trip(*wanted)
    answered = []
    for item, reply in zip(wanted, first.credentials):
        assert reply.request is not None and reply.request.pem is not None
        answered.append({**item, "answer": host.authority.sign(reply.request.pem)})
    assert [reply.state for reply in host.trip(*answered).credentials] == ["active"] * 5
    before = host.listing()
    assert not host.trip(*wanted).changed
    assert host.listing() == before


LASTING: Dict[str, Dict[str, Any]] = {
    "subject": {"subject": [["CN", "x"]]},
    "issuer": {"issuer": "other"},
    "provider": {"provider": "other"},
}


@pytest.mark.parametrize(
    ("name", "damage"),
    # Without the manifest nobody knows who issued a certificate, only what is in it.
    [
        ("subject", "manifest.json"),
        *((name, damage) for name in LASTING for damage in ("app.conf", "current", "config")),
    ],
)
def test_need_for_a_certificate_outlives_mending(name: str, damage: str, tmp_path: Path) -> None:
    """An issuer may take days: until then the need is there in every run, whatever else was mended meanwhile."""
    host = Host(tmp_path / "root")
    host.run(credential())
    wanted = credential(**LASTING[name])
    if damage == "config":
        wanted["configs"] = [{"file": "app.conf", "content": "new", **ACCESS}]
    else:
        (host.current() / damage if damage != "current" else host.current()).unlink()
    for _ in range(3):
        reply = host.trip(wanted).credentials[0]
        assert (reply.state, name + "_changed" in reasons(reply)) == ("request", True)
    assert host.run(wanted).state == "active"
    assert not host.converges(wanted).changed
