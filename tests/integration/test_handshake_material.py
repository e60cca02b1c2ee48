# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and certificates from every kind of file, in good and in bad shape, for a handshake."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.mutual.tls.plugins.module_utils import keystore_format
from ansible_collections.mutual.tls.plugins.module_utils.store import KeyEntry, Store, TrustedEntry
from tests.integration import servers
from tests.integration.handshake_world import PASSPHRASE, World, cause_codes, note_codes
from tests.unit.material import Identity

FORMATS = ("jks", "pkcs12")


def _entry(alias: str, identities: list[Identity]) -> KeyEntry:
    key = identities[0].key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return KeyEntry(alias, key, tuple(one.der for one in identities))


def _write(world: World, name: str, format: str, *entries: Any, key_passphrase: Any = None) -> str:
    store = Store(tuple(entries), "jks" if format == "jks" else "modern")
    return world.write(name, keystore_format.codec(format).encode(store, PASSPHRASE, key_passphrase))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("world"))
    good, chained = world.clients["good"], world.clients["chained"]
    trusted = TrustedEntry("corp", world.root.der)
    for format in FORMATS:
        _write(world, "one." + format, format, _entry("client", [*chained, world.root]))
        _write(world, "two." + format, format, _entry("client", chained), _entry("other", good), trusted)
        _write(world, "trust." + format, format, trusted)
        _write(world, "mismatch." + format, format, KeyEntry("x", _entry("x", good).private_key, (chained[0].der,)))
        world.write("truncated." + format, (world.directory / ("one." + format)).read_bytes()[:-100])
    _write(world, "keypass.jks", "jks", _entry("client", good), key_passphrase="another")
    encrypted = good[0].key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    world.write("encrypted.key", encrypted)
    world.write("backwards.pem", world.issuing.pem + chained[0].pem)
    world.write("everything.pem", b"".join(one.pem for one in [*chained, world.root]) + chained[0].key_pem)
    world.write("garbage", os.urandom(5000))
    world.write("empty", b"")
    world.write("page.html", b"<html>404</html>\n")
    return world


@pytest.fixture(scope="module")
def port(world: World, tool: Callable[[str], str]) -> Iterator[int]:
    directory = world.directory / "s_server"
    directory.mkdir()
    files = ["-cert", world.path("server.pem"), "-key", world.path("server.key"), "-CAfile", world.path("root.pem")]
    with servers.openssl_server(tool("openssl"), directory, *files, "-Verify", "3", "-verify_return_error") as port:
        yield port


def _keystore(world: World, name: str, **more: Any) -> dict[str, Any]:
    given = {"path": world.path(name), "format": name.rsplit(".", 1)[-1], "passphrase": PASSPHRASE}
    return {"key_passphrase": None, "friendly_name": None, **given, **more}


KEYSTORES = [
    ("one", {}, "ok", ""),
    ("one", {"friendly_name": "CLIENT"}, "ok", ""),
    ("two", {"friendly_name": "other"}, "ok", ""),
    ("two", {}, "entry_not_found", "client, other"),
    ("two", {"friendly_name": "corp"}, "entry_not_found", "client, other"),
    ("trust", {}, "entry_not_found", "no private key"),
    ("one", {"passphrase": "wrong"}, "store_passphrase_wrong", ""),
    ("one", {"passphrase": ""}, "store_passphrase_wrong", ""),
    ("mismatch", {}, "key_mismatch", ""),
    ("truncated", {}, "store_unreadable", "truncated"),
    ("absent", {}, "file_unreadable", "No such file"),
    ("one", {"path": "page.html"}, "store_unreadable", "page.html"),
    ("one", {"path": "garbage"}, "store_unreadable", "garbage"),
    ("one", {"path": "empty"}, "file_unreadable", "empty"),
    ("one", {"path": "/dev/zero"}, "file_unreadable", "not a regular file"),
    ("one", {"path": "/"}, "file_unreadable", "not a regular file"),
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("name", "more", "code", "shown"), KEYSTORES, ids=range(len(KEYSTORES)))
def test_keystores(
    world: World, port: int, format: str, name: str, more: dict[str, Any], code: str, shown: str
) -> None:
    given = dict(more)
    if "path" in given and not given["path"].startswith("/"):
        given["path"] = world.path(given["path"])
    result = world.ask(port, keystore=_keystore(world, f"{name}.{format}", **given))
    assert result["diagnosis"]["code"] == code
    assert shown in result["diagnosis"]["message"]
    assert result["diagnosis"]["message"].startswith(("keystore", "127.0.0.1", world.path("")))
    if code == "ok":
        assert result["client_certificate_sent"] is True


def test_jks_in_the_place_of_pkcs12_and_the_other_way(world: World, port: int) -> None:
    for format, path in (("jks", "one.pkcs12"), ("pkcs12", "one.jks")):
        result = world.ask(port, keystore=_keystore(world, path, format=format))
        assert result["diagnosis"]["code"] == "store_unreadable"


@pytest.mark.parametrize(("key_passphrase", "code"), [
    ("another", "ok"), (None, "store_passphrase_wrong"), ("wrong", "store_passphrase_wrong"),
])  # fmt: skip
def test_key_with_a_passphrase_of_its_own(world: World, port: int, key_passphrase: Any, code: str) -> None:
    result = world.ask(port, keystore=_keystore(world, "keypass.jks", key_passphrase=key_passphrase))
    assert result["diagnosis"]["code"] == code
    if code != "ok":
        assert "key passphrase" in result["diagnosis"]["message"]


PEMS = [
    ("good.key", None, "good.pem", "ok", ""),
    ("encrypted.key", "x", "good.pem", "ok", ""),
    ("everything.pem", None, "everything.pem", "ok", ""),
    ("chained.key", None, "backwards.pem", "ok", ""),
    ("encrypted.key", "y", "good.pem", "key_passphrase_wrong", "privatekey_path"),
    ("encrypted.key", None, "good.pem", "key_passphrase_wrong", "privatekey_path"),
    ("chained.key", None, "good.pem", "key_mismatch", "good.pem"),
    ("good.pem", None, "good.pem", "pem_unreadable", "privatekey_path"),
    ("good.key", None, "good.key", "pem_unreadable", "certificate_path"),
    ("good.key", None, "one.jks", "pem_unreadable", "certificate_path"),
    ("garbage", None, "good.pem", "pem_unreadable", "privatekey_path"),
    ("good.key", None, "garbage", "pem_unreadable", "certificate_path"),
    ("good.key", None, "page.html", "pem_unreadable", "certificate_path"),
    ("absent", None, "good.pem", "file_unreadable", "privatekey_path"),
    ("good.key", None, "absent", "file_unreadable", "certificate_path"),
]


@pytest.mark.parametrize(("key", "passphrase", "certificate", "code", "shown"), PEMS, ids=range(len(PEMS)))
def test_pem(world: World, port: int, key: str, passphrase: Any, certificate: str, code: str, shown: str) -> None:
    given = {
        "privatekey_path": world.path(key),
        "privatekey_passphrase": passphrase,
        "certificate_path": world.path(certificate),
    }
    result = world.ask(port, pem=given)
    assert result["diagnosis"]["code"] == code
    assert shown in result["diagnosis"]["message"]
    assert ("certificate_not_first" in note_codes(result)) == (certificate == "backwards.pem")


TRUSTSTORES = [
    ({"format": "pem", "path": "root.pem"}, "ok"),
    ({"format": "pem", "path": "roots.pem"}, "ok"),
    ({"format": "jks", "path": "trust.jks", "passphrase": PASSPHRASE}, "ok"),
    ({"format": "pkcs12", "path": "trust.pkcs12", "passphrase": PASSPHRASE}, "ok"),
    ({"format": "jks", "path": "two.jks", "passphrase": PASSPHRASE}, "ok"),
    ({"format": "jks", "path": "trust.jks"}, "store_passphrase_wrong"),
    ({"format": "jks", "path": "trust.jks", "passphrase": "wrong"}, "store_passphrase_wrong"),
    ({"format": "pkcs12", "path": "trust.pkcs12", "passphrase": "wrong"}, "store_passphrase_wrong"),
    ({"format": "jks", "path": "one.jks", "passphrase": PASSPHRASE}, "truststore_empty"),
    ({"format": "pem", "path": "page.html"}, "store_unreadable"),
    ({"format": "pem", "path": "absent"}, "file_unreadable"),
    ({"format": "pem"}, "entry_not_found"),
    ({"format": "system"}, "server_certificate_untrusted"),
]


@pytest.mark.parametrize(("given", "code"), TRUSTSTORES, ids=range(len(TRUSTSTORES)))
def test_truststores(world: World, port: int, given: dict[str, Any], code: str) -> None:
    truststore = {"path": None, "passphrase": None, **given}
    if truststore["path"] is not None:
        truststore["path"] = world.path(truststore["path"])
    if code == "server_certificate_untrusted" and not Path("/etc/ssl/certs/ca-certificates.crt").exists():
        code = "truststore_empty"
    assert world.ask(port, "good", truststore=truststore)["diagnosis"]["code"] == code


@pytest.mark.parametrize(("name", "code"), [
    ("revoked.crl", "ok"), ("good.pem", "crl_unreadable"), ("garbage", "crl_unreadable"), ("absent", "file_unreadable"),
])  # fmt: skip
def test_crl(world: World, port: int, name: str, code: str) -> None:
    assert world.ask(port, "good", crl_path=world.path(name))["diagnosis"]["code"] == code


def test_ca_that_strict_clients_refuse(world: World, tool: Callable[[str], str]) -> None:
    """Accepted here as by Java, but with a note, whatever Python runs this."""
    import ipaddress

    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    from tests.unit import material

    root = material.authority("Lax Root", key_identifiers=False, usages=None)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = material.client(
        "lax", root, alternatives=names, purposes=[ExtendedKeyUsageOID.SERVER_AUTH], key_identifiers=False
    )
    both, trusted = world.write("lax.both", server.pem + server.key_pem), world.write("lax.pem", root.pem)
    directory = world.directory / "lax"
    directory.mkdir()
    with servers.openssl_server(tool("openssl"), directory, "-cert", both, "-key", both) as port:
        result = world.ask(port, truststore={"format": "pem", "path": trusted, "passphrase": None})
    assert result["diagnosis"]["code"] == "ok"
    assert set(note_codes(result)) == {"strict_clients_refuse"}
    assert cause_codes(result) == []
