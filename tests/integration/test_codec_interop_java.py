# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keystores between this collection and Java, both ways: a JVM and keytool are the judges."""

from __future__ import annotations

import base64
import functools
import subprocess
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import jks, keystore_format, pkcs12
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError, PassphraseError, UnsupportedError
from ansible_collections.mutual.tls.plugins.module_utils.store import (
    KeyEntry,
    Store,
    TrustedEntry,
    differences,
    same_content,
)
from tests.integration import jvm
from tests.keystores import DATA, key_entry, orders, people, trusted
from tests.unit.material import Identity, authority, client, rsa_key

Tool = Callable[[str], str]
PASSPHRASE = "changeit"
KEY_PASSPHRASE = "another"
UTF8 = ("-J-Dfile.encoding=UTF-8", "-J-Dsun.jnu.encoding=UTF-8")
CREATED = 1_700_000_000_000

PROFILES = ("jks", "modern", "compatible")


def encode(store: Store, passphrase: str = PASSPHRASE, key_passphrase: Optional[str] = None) -> bytes:
    if store.encryption == "jks":
        return jks.encode(store, passphrase, key_passphrase)
    return pkcs12.encode(store, passphrase)


def kind(profile: str) -> str:
    return "JKS" if profile == "jks" else "PKCS12"


def run(*command: str, check: bool = True) -> str:
    environment = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, env=environment)
    output = (done.stdout + done.stderr).decode("utf-8", "replace")
    assert not check or done.returncode == 0, output
    return output


Answers = Dict[str, Tuple[str, Optional[bytes], List[bytes]]]


def seen_by_java(tool: Tool, directory: Path, stores: List[Tuple[str, Path, str, str]]) -> List[Answers]:
    """For each (type, path, passphrase, key passphrase): alias -> (key or trusted, key, certificates) or "error"."""
    table = directory / "stores.tsv"
    lines = ["\t".join((kind, str(path), *secrets)) for kind, path, *secrets in stores]
    table.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    output = run(tool("java"), *jvm.STARTS_FAST, "-Dfile.encoding=UTF-8", str(DATA / "ListStores.java"), str(table))
    answers: List[Answers] = [{} for _ in stores]
    for line in output.splitlines():
        number, alias, what, *encoded = line.split("\t")
        if alias == "error":
            answers[int(number)]["error"] = (what, None, [])
        else:
            key, *certificates = (base64.b64decode(one) for one in encoded)
            answers[int(number)][alias] = (what, key or None, certificates)
    return answers


def expected_by_java(store: Store) -> Dict[str, Tuple[str, List[bytes]]]:
    return {
        entry.alias.lower(): ("key", list(entry.chain))
        if isinstance(entry, KeyEntry)
        else ("trusted", [entry.certificate])
        for entry in store.entries
    }


def keytool(tool: Tool, path: Path, *arguments: str, check: bool = True) -> str:
    options = ("-keystore", str(path), "-storepass", PASSPHRASE, *UTF8, *jvm.KEYTOOL_STARTS_FAST)
    return run(tool("keytool"), *arguments, *options, check=check)


@functools.cache
def rsa_client() -> Identity:
    return client("rsa", signer=people()["other"], key=rsa_key())


def rich_store(profile: str) -> Store:
    """Several keys, RSA among them, several trusted certificates, aliases in capitals and beyond ASCII."""
    who = people()
    return Store(
        (
            orders("Orders", CREATED),
            key_entry("billing", who["billing"], who["issuing"], who["root"], created=CREATED),
            key_entry("Schlüssel \U0001f511", rsa_client(), who["other"], created=CREATED),
            trusted("ROOT", "root", CREATED),
            trusted("other ca", "other", CREATED),
        ),
        profile,
    )


def test_java_finds_what_is_written(tool: Tool, tmp_path: Path) -> None:
    stores = []
    for profile in PROFILES:
        path = tmp_path / profile
        secret = KEY_PASSPHRASE if profile == "jks" else PASSPHRASE
        path.write_bytes(encode(rich_store(profile), PASSPHRASE, secret))
        stores.append((kind(profile), path, PASSPHRASE, secret))
    for profile, found in zip(PROFILES, seen_by_java(tool, tmp_path, stores), strict=True):
        wanted = rich_store(profile)
        assert {alias: (what, chain) for alias, (what, _key, chain) in found.items()} == expected_by_java(wanted)
        for entry in wanted.entries:
            if isinstance(entry, KeyEntry):
                _what, key, chain = found[entry.alias.lower()]
                assert same_content(KeyEntry("", key or b"", tuple(chain)), entry)


# Which passphrases open what: Java takes characters outside printable ASCII for PKCS#12 only in recent releases,
# and then only for the modern profile.
PASSPHRASES = ["", "x", "a b?", "pässwörd", "日本", "\U0001f511 key"]


def test_which_passphrases_java_opens(tool: Tool, tmp_path: Path) -> None:
    stores = []
    for number, passphrase in enumerate(PASSPHRASES):
        for profile in PROFILES:
            path = tmp_path / f"{profile}-{number}"
            path.write_bytes(encode(Store((orders(), trusted()), profile), passphrase))
            stores.append((kind(profile), path, passphrase, passphrase))
    answers = seen_by_java(tool, tmp_path, stores)
    for (store_kind, _path, passphrase, _key), found in zip(stores, answers, strict=True):
        if store_kind == "JKS" or pkcs12.opens_in_every_java(passphrase):
            assert set(found) == {"orders", "ca"}, (store_kind, passphrase)
        else:
            assert set(found) in ({"error"}, {"orders", "ca"})


@pytest.mark.parametrize("profile", PROFILES)
def test_keytool_lists_what_is_written(tool: Tool, tmp_path: Path, profile: str) -> None:
    path = tmp_path / "store"
    path.write_bytes(encode(Store((orders("Orders", CREATED), trusted("CA", created=CREATED)), profile)))
    listed = keytool(tool, path, "-list", "-v")
    key, certificate = sorted(listed.split("Alias name: ")[1:], reverse=True)
    assert key.startswith("orders\n") and "Entry type: PrivateKeyEntry" in key and "chain length: 3" in key
    assert certificate.startswith("ca\n") and "Entry type: trustedCertEntry" in certificate
    assert "{0:x}".format(people()["orders"].certificate.serial_number) in key
    if profile == "jks":
        assert listed.count("Creation date: Nov 14, 2023") == 2
    assert "password was incorrect" in run(
        tool("keytool"), "-list", "-keystore", str(path), "-storepass", "wrong!", *jvm.KEYTOOL_STARTS_FAST, check=False
    )


@pytest.mark.parametrize("source", PROFILES)
@pytest.mark.parametrize("target", ["JKS", "PKCS12"])
def test_keytool_converts_what_is_written(tool: Tool, tmp_path: Path, source: str, target: str) -> None:
    path, converted = tmp_path / "source", tmp_path / "target"
    secret = KEY_PASSPHRASE if source == "jks" else PASSPHRASE
    store = Store((orders(), trusted()), source)
    path.write_bytes(encode(store, PASSPHRASE, secret))
    run(tool("keytool"), "-importkeystore", "-noprompt", "-srckeystore", str(path), "-srcstorepass", PASSPHRASE,
        "-srcalias", "orders", "-srckeypass", secret, "-destkeystore", str(converted), "-deststoretype", target,
        "-deststorepass", PASSPHRASE, "-destkeypass", PASSPHRASE, *jvm.KEYTOOL_STARTS_FAST)  # fmt: skip
    data = converted.read_bytes()
    found = keystore_format.codec(keystore_format.detect(data)).decode(data, PASSPHRASE)
    assert [
        difference.reason for difference in differences("x", found, Store((orders(),), found.encryption), True)
    ] == []


@pytest.mark.parametrize("profile", PROFILES)
def test_keytool_may_change_what_was_written(tool: Tool, tmp_path: Path, profile: str) -> None:
    """Somebody adds and renames with keytool: our entries stay what they were, short chain and all."""
    who = people()
    short = key_entry("short", who["billing"], who["issuing"])
    path = tmp_path / "store"
    path.write_bytes(encode(Store((orders(), short, trusted("root", "root")), profile)))
    (tmp_path / "other.pem").write_bytes(who["other"].pem)
    keytool(tool, path, "-importcert", "-noprompt", "-alias", "added", "-file", str(tmp_path / "other.pem"))
    keytool(tool, path, "-changealias", "-alias", "orders", "-destalias", "renamed")
    found = keystore_format.codec("jks" if profile == "jks" else "pkcs12").decode(path.read_bytes(), PASSPHRASE)
    expected = (orders("renamed"), short, trusted("root", "root"), trusted("added"))
    assert differences("x", found, Store(expected, found.encryption), True) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), "modern"),
        (("keystore.pkcs12.legacy=",), "other"),
        (("keystore.pkcs12.certProtectionAlgorithm=NONE",), "other"),
        (("keystore.pkcs12.macAlgorithm=NONE",), "other"),
        (("keystore.pkcs12.macAlgorithm=HmacPBESHA512", "keystore.pkcs12.macIterationCount=3000"), "other"),
        (("keystore.pkcs12.keyProtectionAlgorithm=PBEWithHmacSHA512AndAES_128",), "other"),
        (("keystore.pkcs12.certProtectionAlgorithm=PBEWithHmacSHA1AndAES_256",), "other"),
        (("keystore.pkcs12.keyProtectionAlgorithm=PBEWithSHA1AndRC2_128",), "other"),
        (("keystore.pkcs12.keyProtectionAlgorithm=PBEWithSHA1AndDESede",
          "keystore.pkcs12.certProtectionAlgorithm=PBEWithSHA1AndDESede",
          "keystore.pkcs12.macAlgorithm=HmacPBESHA1"), "compatible"),
    ],
)  # fmt: skip
def test_what_keytool_writes_is_read(tool: Tool, tmp_path: Path, settings: Tuple[str, ...], expected: str) -> None:
    options = tuple("-J-D" + setting for setting in settings)
    path = tmp_path / "store.p12"
    keytool(tool, path, "-genkeypair", "-alias", "Made by keytool", "-keyalg", "EC", "-groupname", "secp256r1",
            "-dname", "CN=keytool", *options)  # fmt: skip
    found = pkcs12.decode(path.read_bytes(), PASSPHRASE)
    assert found.encryption == expected
    (entry,) = found.entries
    assert isinstance(entry, KeyEntry) and entry.alias.lower() == "made by keytool" and len(entry.chain) == 1


def test_jks_keys_of_keytool_have_their_own_passphrase(tool: Tool, tmp_path: Path) -> None:
    path = tmp_path / "store.jks"
    keytool(tool, path, "-genkeypair", "-alias", "Ünï", "-keyalg", "RSA", "-keysize", "2048", "-storetype", "JKS",
            "-dname", "CN=keytool", "-keypass", KEY_PASSPHRASE)  # fmt: skip
    (entry,) = jks.decode(path.read_bytes(), PASSPHRASE, KEY_PASSPHRASE).entries
    assert isinstance(entry, KeyEntry) and entry.alias == "ünï"
    with pytest.raises(PassphraseError, match="key passphrase"):
        jks.decode(path.read_bytes(), PASSPHRASE)


def test_secret_keys_are_refused_because_they_would_be_lost(tool: Tool, tmp_path: Path) -> None:
    for store_kind in ("PKCS12", "JCEKS"):
        path = tmp_path / store_kind
        keytool(
            tool, path, "-genseckey", "-alias", "hmac", "-keyalg", "AES", "-keysize", "128", "-storetype", store_kind
        )
        data = path.read_bytes()
        with pytest.raises(UnsupportedError, match="secret.*'hmac'" if store_kind == "PKCS12" else "JCEKS"):
            keystore_format.codec(keystore_format.detect(data)).decode(data, PASSPHRASE)


def test_java_ignores_case_as_check_aliases_says(tool: Tool, tmp_path: Path) -> None:
    """Our rule for what is one alias must be Java's: each text is found under its lower-case form, and only once."""
    texts = ["ORDERS", "İstanbul", "ΣΑΣ", "Straße", "ǅ", "\u212a"]
    stores = []
    for profile in PROFILES:
        path = tmp_path / profile
        path.write_bytes(encode(Store(tuple(trusted(text) for text in texts), profile)))
        stores.append((kind(profile), path, PASSPHRASE, PASSPHRASE))
    for found in seen_by_java(tool, tmp_path, stores):
        assert set(found) == {text.lower() for text in texts}
    with pytest.raises(InputError):
        jks.encode(Store((trusted("k"), trusted("\u212a")), "jks"), PASSPHRASE)


def test_a_large_truststore(tool: Tool, tmp_path: Path) -> None:
    certificates = [authority("CA {0}".format(number)).der for number in range(150)]
    entries = tuple(TrustedEntry("ca-{0}".format(number), one) for number, one in enumerate(certificates))
    stores = []
    for profile in PROFILES:
        path = tmp_path / profile
        path.write_bytes(encode(Store(entries, profile)))
        stores.append((kind(profile), path, PASSPHRASE, PASSPHRASE))
    for found in seen_by_java(tool, tmp_path, stores):
        assert {alias: chain for alias, (_what, _key, chain) in found.items()} == {
            entry.alias: [entry.certificate] for entry in entries
        }
