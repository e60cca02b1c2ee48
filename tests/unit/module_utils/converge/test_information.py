# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells of its credentials, without passphrases."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils.converge.information import information
from ansible_collections.mutual.tls.plugins.module_utils.converge.journal import Journal, Switch, encode
from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError, InputError
from ansible_collections.mutual.tls.plugins.module_utils.ownca import issue
from ansible_collections.mutual.tls.tests.unit import own_ca
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host, credential, link


@pytest.fixture()
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "mtls")


def test_a_credential_in_use(host: Host, tmp_path: Path) -> None:
    host.run(credential(links=[link(tmp_path / "app.conf", "app.conf")]))
    before = host.listing()
    (found,) = information(str(host.root), None)
    leaf = certificates.load_all((host.current() / "certificate.pem").read_bytes(), "test")[0]
    assert found["certificate"] == certificates.summary(leaf)
    assert found["certificate"]["not_after"].endswith("Z")
    assert (found["name"], found["generation"], found["generations"]) == ("orders", 1, [1])
    assert (found["provider"], found["issuer"], found["pending"]) == ("generic", "corp", None)
    assert found["links"] == [str(tmp_path / "app.conf")]
    modes = {file["name"]: file["mode"] for file in found["files"]}
    assert modes["key.pem"] == "0600" and "client.p12" in modes and "trust.jks" in modes
    assert host.listing() == before


def test_which_certificates_files_hold(host: Host) -> None:
    host.run(credential())
    (found,) = information(str(host.root), None)
    held = {file["name"]: file["certificates"] for file in found["files"]}
    for name in ("certificate.pem", "chain.pem", "fullchain.pem", "client.pem", "trust.pem"):
        written = certificates.load_all((host.current() / name).read_bytes(), name)
        assert held[name] == [certificates.fingerprint(one) for one in written]
    assert held["key.pem"] == held["app.conf"] == []
    assert held["client.p12"] is None and held["trust.jks"] is None


def test_which_ca_key_has_signed(host: Host, tmp_path: Path) -> None:
    host.run(credential())
    assert information(str(host.root), None)[0]["authority_key_identifier"] is None
    made = own_ca.converge(tmp_path / "ca")
    leaf = issue.issue(own_ca.authority(tmp_path / "ca"), own_ca.csr(own_ca.key()), own_ca.order(), own_ca.NOW)[0]
    (host.current() / "certificate.pem").write_bytes(certificates.to_pem([leaf]))
    told = information(str(host.root), None)[0]["authority_key_identifier"]
    assert told == certificates.subject_key_identifier(made.certificates[0]) is not None


def test_what_a_killed_run_still_owes(host: Host) -> None:
    host.run(credential())
    (found,) = information(str(host.root), None)
    assert (found["reload_pending"], found["switch_unconfirmed"]) == (False, False)
    path = host.root / "orders/state.json"
    owed = Journal(reload=True, switch=Switch(1, None))
    path.write_bytes(encode(owed))
    path.chmod(0o600)
    (found,) = information(str(host.root), None)
    assert (found["reload_pending"], found["switch_unconfirmed"]) == (True, True)


@pytest.mark.parametrize("name", ["certificate.pem", "trust.pem"])
@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n", b"\xff" * 9])
def test_a_damaged_file_holds_no_certificate(host: Host, name: str, content: bytes) -> None:
    host.run(credential())
    (host.current() / name).write_bytes(content)
    (found,) = information(str(host.root), None)
    assert {file["name"]: file["certificates"] for file in found["files"]}[name] == []
    assert (found["certificate"] is None) == (name == "certificate.pem")


def test_a_request_that_waits(host: Host) -> None:
    host.trip(credential())
    (found,) = information(str(host.root), ["orders"])
    assert found["certificate"] is None and found["generation"] is None
    assert found["pending"]["since"].endswith("Z")


def test_a_damaged_certificate_is_no_error(host: Host) -> None:
    host.run(credential())
    (host.current() / "certificate.pem").write_text("garbage")
    assert information(str(host.root), None)[0]["certificate"] is None


def test_an_unknown_name_is_an_error_that_lists_the_others(host: Host) -> None:
    host.run(credential())
    with pytest.raises(InputError, match=r"'order'.*there are: orders"):
        information(str(host.root), ["order"])


def test_no_root_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="nothing-here"):
        information(str(tmp_path / "nothing-here"), None)
