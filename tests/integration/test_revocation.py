# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own CA's list as it is, before nginx, HAProxy and openssl, which check every CA of the chain."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers import selector
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import Issued, IssuerRequest, RevocationResult
from ansible_collections.mutual.tls.tests.integration import servers
from ansible_collections.mutual.tls.tests.integration.handshake_world import World, cause_codes
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

Tool = Callable[[str], str]
LAYOUTS = [pytest.param(ca.ROOT_ONLY, id="root"), pytest.param(ca.TWO_TIERS, id="intermediate")]
PATIENCE = 30.0


def now() -> datetime:
    return datetime.now(timezone.utc)


class Corp:
    """An own CA, its issuer and its clients, below `directory`."""

    def __init__(self, directory: Path, spec: create.OwnCaSpec) -> None:
        state = open_state_directory(str(directory / "mtls"), create=True)
        self.directory = Path(state.ownca("corp"))
        self.crl = self.directory / "crl.pem"
        self._spec = spec
        self._clients = directory
        self.keep(now())
        self.issuer = selector.configure("corp", {"type": "ownca", "passphrase": ca.PASSPHRASE}, state)
        self.pem = {name: self._issue(name) for name in ("ours", "stolen")}

    def keep(self, at: datetime) -> Dict[str, str]:
        """A run of the playbook that keeps the CA; what it found."""
        return ca.reasons(ca.converge(self.directory, self._spec, at=at))

    def _issue(self, name: str) -> Dict[str, Any]:
        key = ca.key()
        csr, fingerprint = request.build(key, ca.SPEC), private_key.public_fingerprint(key.public_key())
        answer = self.issuer.issue(IssuerRequest(name, "orders", csr, ca.SPEC, fingerprint))
        assert isinstance(answer, Issued)
        key_path, certificate_path = self._clients / (name + ".key"), self._clients / (name + ".pem")
        key_path.write_bytes(private_key.dump(key, "pkcs8", None))
        certificate_path.write_bytes(certificate.to_pem(answer.chain[:-1]))
        return {
            "privatekey_path": str(key_path),
            "privatekey_passphrase": None,
            "certificate_path": str(certificate_path),
        }

    def revoke(self, name: str) -> RevocationResult:
        (leaf, *_chain) = certificate.load_all(Path(self.pem[name]["certificate_path"]).read_bytes(), name)
        return self.issuer.revoke(leaf, "key_compromise", now())


class Endpoint:
    """An nginx that asks for certificates of the own CA and has a copy of its list."""

    def __init__(self, world: World, corp: Corp, protocol: str) -> None:
        self.directory = world.directory / "nginx"
        self.directory.mkdir()
        self.crl = self.directory / "crl.pem"
        self._world = world
        self._corp = corp
        shutil.copy(corp.crl, self.crl)
        self.settings = f"""
        ssl_protocols {protocol};
        ssl_certificate {world.path("server.pem")};
        ssl_certificate_key {world.path("server.key")};
        ssl_client_certificate {corp.directory / "ca.pem"};
        ssl_crl {self.crl};
        ssl_verify_client on;
        ssl_verify_depth 3;
        location / {{ return 200 "hello $ssl_client_serial"; }}
        """

    def ask(self, port: int, client: str) -> Dict[str, Any]:
        """What the collection's own handshake says, with the CA's list at hand."""
        return self._world.ask(port, pem=self._corp.pem[client], crl_path=str(self._corp.crl), request={})

    def reload(self) -> None:
        os.kill(int((self.directory / "nginx.pid").read_text()), signal.SIGHUP)

    def wait_for(self, port: int, client: str, status: int) -> Dict[str, Any]:
        """Ask until the answer is this one: a request may be served yet by what a reload is about to replace."""
        end = time.monotonic() + PATIENCE
        result = self.ask(port, client)
        while result["status"] != status and time.monotonic() < end:
            result = self.ask(port, client)
        return result


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("spec", LAYOUTS)
def test_a_revoked_client_is_refused_after_a_reload(
    tool: Tool, tmp_path: Path, spec: create.OwnCaSpec, protocol: str
) -> None:
    corp = Corp(tmp_path, spec)
    endpoint = Endpoint(World(tmp_path), corp, protocol)
    with servers.nginx(tool("nginx"), endpoint.directory, endpoint.settings, reloads=True) as port:
        for client in ("ours", "stolen"):
            assert endpoint.ask(port, client)["diagnosis"]["code"] == "ok"
        done = corp.revoke("stolen")
        assert done.changed
        # nginx knows nothing of it yet, but the client can tell.
        result = endpoint.ask(port, "stolen")
        assert result["status"] == 200
        assert result["body"] == "hello " + done.serial_number.upper().zfill(len(done.serial_number) + 1 & ~1)
        shutil.copy(corp.crl, endpoint.crl)
        endpoint.reload()
        refused = endpoint.wait_for(port, "stolen", 400)
        assert (refused["status"], refused["diagnosis"]["code"]) == (400, "rejected_by_server")
        assert cause_codes(refused)[0] == "certificate_revoked"
        assert endpoint.ask(port, "ours")["diagnosis"]["code"] == "ok"


def test_the_list_of_the_ca_that_issues_locks_everybody_out_alone(tool: Tool, tmp_path: Path) -> None:
    """Which is why crl.pem holds the root's as well."""
    corp = Corp(tmp_path, ca.TWO_TIERS)
    endpoint = Endpoint(World(tmp_path), corp, "TLSv1.3")
    roots = (corp.directory / "root-crl.pem").read_bytes()
    endpoint.crl.write_bytes(corp.crl.read_bytes()[: -len(roots)])
    with servers.nginx(tool("nginx"), endpoint.directory, endpoint.settings, reloads=True) as port:
        assert endpoint.ask(port, "ours")["status"] == 400
        shutil.copy(corp.crl, endpoint.crl)
        endpoint.reload()
        assert endpoint.wait_for(port, "ours", 200)["status"] == 200


def test_haproxy_takes_the_list_as_it_is(tool: Tool, tmp_path: Path) -> None:
    corp, world = Corp(tmp_path, ca.TWO_TIERS), World(tmp_path)
    corp.revoke("stolen")
    directory = tmp_path / "haproxy"
    directory.mkdir()
    files = (world.path("server.both"), corp.directory / "ca.pem", corp.crl)
    bind = "crt {} ca-file {} crl-file {} verify required".format(*files)
    with servers.haproxy(tool("haproxy"), directory, bind, "http-request return status 200") as port:
        given = {"crl_path": str(corp.crl), "request": {}}
        assert world.ask(port, pem=corp.pem["ours"], **given)["diagnosis"]["code"] == "ok"
        refused = world.ask(port, pem=corp.pem["stolen"], **given)
    assert (refused["ok"], refused["diagnosis"]["code"]) == (False, "rejected_revoked")
    assert cause_codes(refused)[0] == "certificate_revoked"


def verify(tool: Tool, corp: Corp, client: str, *more: str) -> str:
    """What openssl says about a client when it looks for a list of every CA of the chain."""
    command = [tool("openssl"), "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all", *more]
    command += ["-CRLfile", str(corp.crl), "-CAfile", str(corp.directory / "ca.pem")]
    command += ["-untrusted", str(corp.directory / "chain.pem"), corp.pem[client]["certificate_path"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("spec", LAYOUTS)
def test_openssl_checks_the_whole_chain(tool: Tool, tmp_path: Path, spec: create.OwnCaSpec) -> None:
    corp = Corp(tmp_path, spec)
    assert "OK" in verify(tool, corp, "stolen")
    corp.revoke("stolen")
    assert "certificate revoked" in verify(tool, corp, "stolen")
    assert "OK" in verify(tool, corp, "ours")


def test_the_roots_list_lasts_while_its_key_is_offline(tool: Tool, tmp_path: Path) -> None:
    """Years later, a day before the certificate at hand ends: only the list of the CA that issues was made anew."""
    days = 4000
    spec = create.OwnCaSpec(
        create.AuthoritySpec(ca.ROOT.subject, ca.P256, timedelta(days=7000)),
        create.AuthoritySpec(ca.INTERMEDIATE.subject, ca.P256, timedelta(days=6000)),
        ca.CRL_VALIDITY,
    )
    corp = Corp(tmp_path, spec)
    (corp.directory / "root-key.pem").unlink()
    later = now() + timedelta(days=days)
    key = ca.key()
    leaf = ca.issue.issue(ca.authority(corp.directory, later), ca.csr(key), ca.order(days=2), later)[0]
    Path(corp.pem["ours"]["certificate_path"]).write_bytes(certificate.to_pem([leaf]))
    at = ("-attime", str(int(later.timestamp())))
    assert "CRL has expired" in verify(tool, corp, "ours", *at)
    assert corp.keep(later) == {"crl.pem": "crl_due"}
    assert "OK" in verify(tool, corp, "ours", *at)
