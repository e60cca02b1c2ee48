# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS#12 between this collection, openssl and the newest `cryptography`, both ways."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat
from cryptography.hazmat.primitives.serialization import pkcs12 as library

from ansible_collections.mutual.tls.plugins.module_utils import pkcs12
from ansible_collections.mutual.tls.plugins.module_utils.errors import PassphraseError
from ansible_collections.mutual.tls.plugins.module_utils.store import KeyEntry, Store, TrustedEntry, differences
from tests.keystores import key_entry, orders, people, pkcs8, trusted
from tests.unit.material import client, ed25519_key, rsa_key

Tool = Callable[[str], str]
PASSPHRASE = "changeit"
SECRETS = ["", "x", "changeit", "pässwörd 日本 \U0001f511", "a'b\"c\\d$e%f"]


def openssl(tool: Tool, *arguments: str, passphrase: str = PASSPHRASE, check: bool = True) -> str:
    """Run `openssl pkcs12`; the passphrase goes by standard input."""
    which = "-passout" if "-export" in arguments else "-passin"
    done = subprocess.run(
        [tool("openssl"), "pkcs12", *arguments, which, "stdin"],
        input=(passphrase + "\n").encode(),
        capture_output=True,
        timeout=60,
        check=False,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    output = (done.stdout + done.stderr).decode("latin-1")
    assert not check or done.returncode == 0, output
    return output


def write_pem(directory: Path) -> None:
    who = people()
    (directory / "key.pem").write_bytes(who["orders"].key_pem)
    (directory / "leaf.pem").write_bytes(who["orders"].pem)
    # Root first: no consumer may rely on order, so no writer's order may matter to us.
    (directory / "chain.pem").write_bytes(who["root"].pem + who["issuing"].pem)


@pytest.mark.parametrize("passphrase", SECRETS)
@pytest.mark.parametrize("profile", pkcs12.PROFILES)
def test_openssl_opens_what_is_written(tool: Tool, tmp_path: Path, profile: str, passphrase: str) -> None:
    path = tmp_path / "store.p12"
    path.write_bytes(pkcs12.encode(Store((orders("Orders"), trusted()), profile), passphrase))
    output = openssl(tool, "-in", str(path), "-info", "-nodes", passphrase=passphrase)
    details = {
        "modern": "PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256",
        "compatible": "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048",
    }
    assert output.count(details[profile]) == 2
    assert ("MAC: sha256, Iteration 10000" if profile == "modern" else "MAC: sha1, Iteration 2048") in output
    certificates = x509.load_pem_x509_certificates(output.encode("latin-1"))
    assert len(certificates) == 4
    assert people()["orders"].key_pem.decode() in output
    assert "friendlyName: Orders" in output
    (leaf,) = x509.load_pem_x509_certificates(
        openssl(tool, "-in", str(path), "-clcerts", "-nokeys", passphrase=passphrase).encode("latin-1")
    )
    assert leaf == people()["orders"].certificate
    assert "invalid password" in openssl(tool, "-in", str(path), "-nodes", passphrase="wrong", check=False)


@pytest.mark.parametrize("key", [ed25519_key, rsa_key], ids=["Ed25519", "RSA"])
def test_openssl_opens_other_kinds_of_keys(tool: Tool, tmp_path: Path, key: Callable[[], Any]) -> None:
    who = client("other kind", signer=people()["other"], key=key())
    path = tmp_path / "store.p12"
    data = pkcs12.encode(Store((key_entry("k", who, people()["other"]),), "modern"), PASSPHRASE)
    path.write_bytes(data)
    assert who.key_pem.decode() in openssl(tool, "-in", str(path), "-nodes")
    assert pkcs12.decode(data, PASSPHRASE).entries == (key_entry("k", who, people()["other"]),)


WRITTEN: List[Tuple[Tuple[str, ...], str]] = [
    ((), "modern"),
    (("-iter", "10000"), "modern"),
    (("-iter", "1"), "other"),
    (("-nomaciter",), "other"),
    (("-keyex", "-CSP", "Microsoft Enhanced Cryptographic Provider", "-LMK"), "modern"),
    (("-legacy",), "other"),
    (("-legacy", "-descert"), "compatible"),
    (("-legacy", "-keypbe", "PBE-SHA1-RC2-40", "-certpbe", "PBE-SHA1-RC2-128"), "other"),
    (("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"), "compatible"),
    (("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"), "other"),
    (("-keypbe", "AES-128-CBC", "-certpbe", "AES-192-CBC"), "other"),
    (("-keypbe", "DES-EDE3-CBC"), "other"),
    (("-certpbe", "NONE"), "other"),
    (("-nomac",), "other"),
    (("-macalg", "sha384"), "other"),
    (("-macalg", "sha512"), "other"),
    (("-macalg", "sha224"), "other"),
]


@pytest.mark.parametrize(("options", "expected"), WRITTEN, ids=[" ".join(options) or "-" for options, _ in WRITTEN])
def test_what_openssl_writes_is_read(tool: Tool, tmp_path: Path, options: Tuple[str, ...], expected: str) -> None:
    write_pem(tmp_path)
    path = tmp_path / "store.p12"
    openssl(tool, "-export", "-inkey", str(tmp_path / "key.pem"), "-in", str(tmp_path / "leaf.pem"), "-certfile",
            str(tmp_path / "chain.pem"), "-name", "Orders", "-out", str(path), *options)  # fmt: skip
    store = pkcs12.decode(path.read_bytes(), PASSPHRASE)
    # Not the same bytes: with -keyex the key carries an attribute.
    assert differences("x", store, Store((orders("Orders"),), expected), True) == []
    with pytest.raises(PassphraseError):
        pkcs12.decode(path.read_bytes(), "wrong")


@pytest.mark.parametrize("passphrase", SECRETS)
@pytest.mark.parametrize("options", [(), ("-legacy",)], ids=["-", "-legacy"])
def test_passphrases_of_openssl_are_read(tool: Tool, tmp_path: Path, options: Tuple[str, ...], passphrase: str) -> None:
    write_pem(tmp_path)
    path = tmp_path / "store.p12"
    openssl(tool, "-export", "-inkey", str(tmp_path / "key.pem"), "-in", str(tmp_path / "leaf.pem"), "-out", str(path),
            *options, passphrase=passphrase)  # fmt: skip
    (entry,) = pkcs12.decode(path.read_bytes(), passphrase).entries
    assert isinstance(entry, KeyEntry)
    # Without a name, the alias is what Java would count.
    assert (entry.alias, entry.private_key, entry.chain) == ("1", orders().private_key, orders().chain[:1])


def test_a_truststore_without_javas_attribute_is_told_from_one_with(tool: Tool, tmp_path: Path) -> None:
    write_pem(tmp_path)
    path = tmp_path / "store.p12"
    openssl(tool, "-export", "-nokeys", "-in", str(tmp_path / "chain.pem"), "-caname", "Root CA", "-out", str(path))
    found = pkcs12.decode(path.read_bytes(), PASSPHRASE).entries
    assert len(found) == 2
    assert all(isinstance(entry, TrustedEntry) and not entry.visible_to_java for entry in found)


def builder(profile: str, mac: Optional[Any] = None) -> Any:
    algorithms: Dict[str, Any] = {
        "modern": library.PBES.PBESv2SHA256AndAES256CBC,
        "compatible": library.PBES.PBESv1SHA1And3KeyTripleDESCBC,
    }
    chosen = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(3_000).key_cert_algorithm(algorithms[profile])
    return chosen.hmac_hash(mac or (hashes.SHA256() if profile == "modern" else hashes.SHA1()))


@pytest.mark.parametrize("passphrase", SECRETS[1:])
@pytest.mark.parametrize("profile", pkcs12.PROFILES)
def test_what_the_library_writes_is_read(profile: str, passphrase: str) -> None:
    who = people()
    data = library.serialize_key_and_certificates(
        "Ünï".encode(),
        who["orders"].key,
        who["orders"].certificate,
        [who["root"].certificate, who["issuing"].certificate],
        builder(profile).build(passphrase.encode()),
    )
    found = pkcs12.decode(data, passphrase)
    assert found.entries == (orders("Ünï"),)
    # The library counts rounds for the encryption only: its MAC has one, which is reason to write anew.
    assert found.encryption in (profile, "other")


@pytest.mark.parametrize("passphrase", SECRETS)
@pytest.mark.parametrize("profile", pkcs12.PROFILES)
def test_the_library_reads_what_is_written(profile: str, passphrase: str) -> None:
    # The library gives no name at all for one with characters above U+FFFF, which Java and openssl show.
    data = pkcs12.encode(Store((orders("Ünï"),), profile), passphrase)
    found = library.load_pkcs12(data, passphrase.encode())
    assert pkcs8(found.key) == orders().private_key
    assert found.cert is not None and found.cert.certificate == people()["orders"].certificate
    assert found.cert.friendly_name == "Ünï".encode()
    assert {one.certificate for one in found.additional_certs} == {
        people()["issuing"].certificate,
        people()["root"].certificate,
    }


def test_a_java_truststore_of_the_library_is_read() -> None:
    data = library.serialize_java_truststore(
        [library.PKCS12Certificate(people()["other"].certificate, b"Other CA")], builder("modern").build(b"changeit")
    )
    assert pkcs12.decode(data, PASSPHRASE).entries == (trusted("Other CA"),)
