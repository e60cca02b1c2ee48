# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the keystores of this directory with real keytool and openssl, and write beside them what is in them.

    python tests/data/keystores/make.py

The stores that are committed were made by keytool of OpenJDK 17 and OpenSSL 3.0; answers.json comes from what went
into them, never from reading them back with the code under test.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = Path(__file__).resolve().parent
PASSPHRASE = "changeit"
KEY_PASSPHRASE = "another-one"


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def issue(subject: str, key: Any, issuer: str, issuer_key: Any, is_ca: bool) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2026, 1, 1))
        .not_valid_after(datetime(2126, 1, 1))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def write_pem() -> Dict[str, str]:
    """A root, an intermediate, a client's key and certificate, and somebody else's root; fingerprints by name."""
    root, issuing, client, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(4))
    certificates = {
        "root": issue("Test root", root, "Test root", root, True),
        "issuing": issue("Test issuing CA", issuing, "Test root", root, True),
        "client": issue("client", client, "Test issuing CA", issuing, False),
        "other": issue("Other root", other, "Other root", other, True),
    }
    for label, certificate in certificates.items():
        (HERE / f"{label}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = client.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (HERE / "client-key.pem").write_bytes(pem)
    (HERE / "chain.pem").write_bytes(b"".join((HERE / f"{label}.pem").read_bytes() for label in ("issuing", "root")))
    return {
        label: hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
        for label, certificate in certificates.items()
    }


def run(*command: str) -> None:
    subprocess.run(command, cwd=HERE, check=True, capture_output=True)


def openssl(output: str, *options: str) -> None:
    chain = ("-certfile", "chain.pem") if "-nokeys" not in options else ()
    key = ("-inkey", "client-key.pem") if "-nokeys" not in options else ()
    (HERE / output).unlink(missing_ok=True)
    run("openssl", "pkcs12", "-export", "-in", "client.pem", *key, *chain, "-name", "Client",
        "-passout", f"pass:{PASSPHRASE}", "-out", output, *options)  # fmt: skip


def keytool(output: str, kind: str, key_passphrase: str, *options: str) -> None:
    """The client's key and chain as "Client", somebody else's root as "Other CA"."""
    (HERE / output).unlink(missing_ok=True)
    store = ("-storetype", kind, "-storepass", PASSPHRASE, *options)
    run("keytool", "-importkeystore", "-noprompt", "-srckeystore", "openssl-modern.p12", "-srcstorepass", PASSPHRASE,
        "-srcalias", "client", "-destalias", "Client", "-destkeystore", output, "-deststoretype", kind,
        "-deststorepass", PASSPHRASE, "-destkeypass", key_passphrase, *options)  # fmt: skip
    run("keytool", "-importcert", "-noprompt", "-alias", "Other CA", "-file", "other.pem", "-keystore", output, *store)


def main() -> None:
    marks = write_pem()
    answers: Dict[str, Any] = {}
    chain = [marks["client"], marks["issuing"], marks["root"]]

    def answer(file: str, encryption: str, entries: List[Any], key_passphrase: Optional[str] = None) -> None:
        answers[file] = {
            "passphrase": PASSPHRASE,
            "key_passphrase": key_passphrase,
            "encryption": encryption,
            "entries": entries,
        }

    client = {"alias": "Client", "chain": chain}
    # keytool folds the alias of what it imports from a store; that of a single certificate only JKS folds.
    folded = [{"alias": "client", "chain": chain}, {"alias": "other ca", "certificate": marks["other"]}]
    mixed = [{"alias": "client", "chain": chain}, {"alias": "Other CA", "certificate": marks["other"]}]
    profiles = {
        "openssl-modern.p12": ("modern", ()),
        "openssl-legacy.p12": ("other", ("-legacy",)),
        "openssl-3des.p12": (
            "compatible", ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"),
        ),
        "openssl-2des-rc2-128.p12": (
            "other", ("-legacy", "-keypbe", "PBE-SHA1-2DES", "-certpbe", "PBE-SHA1-RC2-128"),
        ),
        "openssl-open-certificates.p12": (
            "other", ("-keypbe", "AES-192-CBC", "-certpbe", "NONE", "-macalg", "sha512"),
        ),
        "openssl-no-mac.p12": ("other", ("-certpbe", "AES-128-CBC", "-nomac")),
        "openssl-open.p12": ("other", ("-keypbe", "NONE", "-certpbe", "NONE", "-nomac")),
    }  # fmt: skip
    for file, (encryption, options) in profiles.items():
        openssl(file, *options)
        answer(file, encryption, [client])
    openssl("openssl-certificate-only.p12", "-nokeys")
    hidden = {"alias": "", "certificate": marks["client"], "visible_to_java": False}
    answer("openssl-certificate-only.p12", "modern", [hidden])
    keytool("keytool.p12", "PKCS12", PASSPHRASE)
    answer("keytool.p12", "modern", mixed)
    keytool("keytool-legacy.p12", "PKCS12", PASSPHRASE, "-J-Dkeystore.pkcs12.legacy")
    answer("keytool-legacy.p12", "other", mixed)
    keytool("keytool.jks", "JKS", KEY_PASSPHRASE)
    answer("keytool.jks", "jks", folded, KEY_PASSPHRASE)
    keytool("keytool.jceks", "JCEKS", PASSPHRASE)
    (HERE / "answers.json").write_text(json.dumps(answers, indent=2) + "\n")


if __name__ == "__main__":
    main()
