# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates that the handshake tests are about, as files, and a way to ask with them."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Any, Dict, List, Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.plugins.module_utils.handshake.options import run
from tests.unit import material
from tests.unit.material import DAY, NOW, Identity

PASSPHRASE = "trust no one \N{SNOWMAN}"


class World:
    """A root, an issuing CA, another root, a server and clients of every kind of trouble, below `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = material.authority("Corp Root")
        self.issuing = material.authority("Corp Issuing", signer=self.root)
        self.other_root = material.authority("Other Root")
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        server = {"alternatives": names, "purposes": [ExtendedKeyUsageOID.SERVER_AUTH]}
        self.server = material.client("localhost", self.root, **server)
        self.expired_server = material.client(
            "localhost", self.root, not_before=NOW - 20 * DAY, not_after=NOW - 10 * DAY, **server
        )
        self.elsewhere = material.client(
            "elsewhere",
            self.root,
            alternatives=[x509.DNSName("elsewhere.example")],
            purposes=[ExtendedKeyUsageOID.SERVER_AUTH],
        )
        self.below_issuing = material.client("localhost", self.issuing, **server)
        self.forged = material.client("localhost", material.authority("Squid Proxy CA"), **server)
        self.clients: Dict[str, List[Identity]] = {
            "good": [material.client("good", self.root)],
            "chained": [material.client("chained", self.issuing), self.issuing],
            "chainless": [material.client("chainless", self.issuing)],
            "expired": [material.client("expired", self.root, not_before=NOW - 9 * DAY, not_after=NOW - DAY)],
            "early": [material.client("early", self.root, not_before=NOW + DAY, not_after=NOW + 9 * DAY)],
            "revoked": [material.client("revoked", self.root)],
            "stranger": [material.client("stranger", self.other_root)],
            "server_only": [material.client("server_only", self.root, purposes=[ExtendedKeyUsageOID.SERVER_AUTH])],
            "ed25519": [material.client("ed25519", self.root, key=material.ed25519_key())],
        }
        servers = ("server", "expired_server", "elsewhere", "below_issuing", "forged")
        for name in ("root", "issuing", "other_root", *servers):
            self._write(name, [getattr(self, name)])
        for name, identities in self.clients.items():
            self._write(name, identities)
        self.write("revoked.crl", self._crl())
        self.write("roots.pem", self.root.pem + self.other_root.pem)
        self.write("root+crl.pem", self.root.pem + self._crl())

    def _write(self, name: str, identities: List[Identity]) -> None:
        self.write(name + ".pem", b"".join(one.pem for one in identities))
        self.write(name + ".key", identities[0].key_pem)
        self.write(name + ".both", identities[0].pem + identities[0].key_pem)

    def _crl(self) -> bytes:
        revoked = (
            x509.RevokedCertificateBuilder()
            .serial_number(self.clients["revoked"][0].certificate.serial_number)
            .revocation_date(NOW - timedelta(hours=1))
            .build()
        )
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.root.certificate.subject)
        builder = builder.last_update(NOW - DAY).next_update(NOW + DAY).add_revoked_certificate(revoked)
        crl = builder.sign(self.root.key, hashes.SHA256())
        return crl.public_bytes(serialization.Encoding.PEM)

    def write(self, name: str, data: bytes) -> str:
        path = self.directory / name
        path.write_bytes(data)
        return str(path)

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def pem(self, client: str) -> Dict[str, Any]:
        """The option `pem` for a client."""
        return {
            "privatekey_path": self.path(client + ".key"),
            "privatekey_passphrase": None,
            "certificate_path": self.path(client + ".pem"),
        }

    def ask(self, port: int, client: Optional[str] = None, **options: Any) -> Dict[str, Any]:
        """Run the handshake against a port of this machine, with all options that are not given at their defaults."""
        request = options.pop("request", None)
        if request is not None:
            request = {
                "method": "GET",
                "path": "/",
                "headers": None,
                "body": None,
                "basic_auth": None,
                "status": [200],
                **request,
            }
        given: Dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "server_name": "localhost",
            "timeout": 10.0,
            "proxy": None,
            "keystore": None,
            "pem": None if client is None else self.pem(client),
            "truststore": {"format": "pem", "path": self.path("root.pem"), "passphrase": None},
            "crl_path": None,
            "request": request,
            **options,
        }
        return run(given)


def cause_codes(result: Dict[str, Any]) -> List[str]:
    return [cause["code"] for cause in result["diagnosis"]["causes"]]


def note_codes(result: Dict[str, Any]) -> List[str]:
    return [note["code"] for note in result["notes"]]
