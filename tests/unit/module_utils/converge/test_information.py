# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells of its credentials, without passphrases."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils.converge.information import information
from ansible_collections.mutual.tls.plugins.module_utils.errors import DiskError, InputError
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
