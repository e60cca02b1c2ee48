# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a directory that a measured run has left holds the work of tests/bench/peers/README.md.

    verify(Path("/proc/4711/root/etc/mtls/orders-1"), expectation)

Nothing here uses the collection's own codecs: keytool, a JVM, OpenSSL (Python's ssl) and `cryptography` judge.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import socket
import ssl
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.tests.environments import REPOSITORY
from ansible_collections.mutual.tls.tests.integration import servers
from ansible_collections.mutual.tls.tests.unit import material

FILES = ("key.pem", "certificate.pem", "fullchain.pem", "client.p12", "client.jks", "trust.jks", "client.properties")
LIFETIME = timedelta(days=90)
AUTHORITY = "partner"
"""The name of the truststore's authority; an alias is the name, or begins with it."""

_BACKDATE = timedelta(hours=1)
_MODE = 0o600
_PATIENCE = 180
_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9A-Fa-f]{4})|(?P<character>.))")


class DifferentWorkError(Exception):
    """The directory does not hold what was to be made; says what differs."""


@dataclass(frozen=True)
class Api:
    """The partner's side, in PEM: the root that clients trust, and its server's certificate and key for localhost."""

    root: bytes
    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Expectation:
    """What one credential has to be.

    `directory` is its directory as the host's own files name it; `subject` is in the form of RFC 4514 (the last
    attribute first); `chain` is the own CA in PEM, the issuing one first, the root last.
    """

    directory: str
    subject: str
    alias: str
    passphrase: str
    chain: bytes
    api: Api


@dataclass(frozen=True)
class StoreEntry:
    """What keytool says of an entry: its type in keytool's words, its certificates' SHA-256 fingerprints."""

    alias: str
    type: str
    fingerprints: Tuple[str, ...]


def make_api() -> Api:
    """A partner of one's own, for the truststores of a run and for the handshakes that verify it."""
    root = material.authority("Partner API root")
    server = material.client(
        "localhost",
        root,
        alternatives=[x509.DNSName("localhost")],
        purposes=[ExtendedKeyUsageOID.SERVER_AUTH],
    )
    return Api(root.pem, server.pem, server.key_pem)


def verify(directory: Path, expectation: Expectation) -> None:
    """Raise DifferentWorkError unless the credential's directory on a host holds exactly the work that was asked for.

    `directory` is the host's, as seen from here. Everything is read from a copy. Needs keytool and java (11 or later).
    """
    with tempfile.TemporaryDirectory(prefix="same-work-") as name:
        copy = Path(name)
        _copy(directory, copy)
        try:
            _check_key(copy / "key.pem")
            chain = _check_certificates(copy, expectation)
            _check_stores(copy, expectation, chain)
            _check_config(copy, expectation)
            _check_handshakes(copy, expectation)
        except DifferentWorkError as error:
            raise DifferentWorkError(f"{directory}: {error}") from error


def _copy(directory: Path, to: Path) -> None:
    for name in FILES:
        try:
            mode = stat.S_IMODE((directory / name).stat().st_mode)
            (to / name).write_bytes((directory / name).read_bytes())
        except FileNotFoundError:
            raise DifferentWorkError(f"{directory}: there is no {name}") from None
        if mode != _MODE:
            raise DifferentWorkError(f"{directory}: {name} has mode {mode:04o} instead of {_MODE:04o}")


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise DifferentWorkError(f"{what} is {found!r} instead of {wanted!r}")


def _check_key(path: Path) -> None:
    _expect("key.pem's first line", path.read_bytes().splitlines()[:1], [b"-----BEGIN PRIVATE KEY-----"])
    key = _key(path)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise DifferentWorkError(f"key.pem holds no RSA key but {type(key).__name__}")
    _expect("key.pem's size in bits", key.key_size, 2048)


def _key(path: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), None)
    except (TypeError, ValueError) as error:
        raise DifferentWorkError(f"{path.name} cannot be read without a passphrase: {error}") from error


def _certificates(path: Path) -> List[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise DifferentWorkError(f"{path.name} holds no readable certificates: {error}") from error


def _check_certificates(copy: Path, expectation: Expectation) -> List[x509.Certificate]:
    """The leaf and the whole chain above it, after checking certificate.pem and fullchain.pem."""
    above = x509.load_pem_x509_certificates(expectation.chain)
    found = _certificates(copy / "certificate.pem")
    _expect("the number of certificates in certificate.pem", len(found), 1)
    leaf = found[0]
    # The root is for those who verify, not for those who are verified.
    full = _certificates(copy / "fullchain.pem")
    _expect("fullchain.pem", [_name(one) for one in full], [_name(one) for one in (leaf, *above[:-1])])
    _expect("fullchain.pem's fingerprints", _fingerprints(full), _fingerprints([leaf, *above[:-1]]))
    if _key(copy / "key.pem").public_key() != leaf.public_key():
        raise DifferentWorkError("certificate.pem is not for key.pem")
    _expect("the certificate's subject", _name(leaf), expectation.subject)
    _check_usage(leaf)
    lifetime = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    if not LIFETIME <= lifetime <= LIFETIME + _BACKDATE:
        raise DifferentWorkError(f"the certificate lasts {lifetime} instead of {LIFETIME}")
    chain = [leaf, *above]
    for one, issuer in zip(chain, chain[1:]):
        try:
            one.verify_directly_issued_by(issuer)
        except (InvalidSignature, TypeError, ValueError) as error:
            raise DifferentWorkError(f"{_name(one)} is not issued by {_name(issuer)}: {error}") from None
    return chain


def _check_usage(leaf: x509.Certificate) -> None:
    wanted: Dict[x509.ObjectIdentifier, Tuple[bool, x509.ExtensionType]] = {
        x509.BasicConstraints.oid: (True, x509.BasicConstraints(ca=False, path_length=None)),
        x509.KeyUsage.oid: (True, material.key_usage("digital_signature")),
        x509.ExtendedKeyUsage.oid: (False, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])),
    }
    identifiers = (x509.SubjectKeyIdentifier.oid, x509.AuthorityKeyIdentifier.oid)
    found = {one.oid: (one.critical, one.value) for one in leaf.extensions if one.oid not in identifiers}
    _expect("the certificate's extensions (critical, value)", found, wanted)


def _check_stores(copy: Path, expectation: Expectation, chain: Sequence[x509.Certificate]) -> None:
    for name, store_type in (("client.p12", "PKCS12"), ("client.jks", "JKS")):
        entry = _only_entry(copy / name, store_type, expectation)
        _expect(f"{name}'s alias", entry.alias, expectation.alias)
        _check_entry(name, entry, "PrivateKeyEntry", chain)
    entry = _only_entry(copy / "trust.jks", "JKS", expectation)
    _expect("trust.jks's alias, up to the first hyphen", entry.alias.partition("-")[0], AUTHORITY)
    _check_entry("trust.jks", entry, "trustedCertEntry", x509.load_pem_x509_certificates(expectation.api.root))


def _only_entry(path: Path, store_type: str, expectation: Expectation) -> StoreEntry:
    found, entries = _listed(path, expectation)
    _expect(f"{path.name}'s type", found, store_type)
    _expect(f"the number of entries in {path.name}", len(entries), 1)
    return entries[0]


def _check_entry(name: str, entry: StoreEntry, entry_type: str, certificates: Sequence[x509.Certificate]) -> None:
    _expect(f"the type of {name}'s entry", entry.type, entry_type)
    _expect(f"the number of certificates in {name}'s entry", len(entry.fingerprints), len(certificates))
    _expect(f"the SHA-256 of what {name}'s entry holds", entry.fingerprints, _fingerprints(certificates))


def _listed(path: Path, expectation: Expectation) -> Tuple[str, List[StoreEntry]]:
    """A store's type and entries in the words of `keytool -list -v`."""
    # Without these, words and dates follow the caller's language.
    english = ["-J-Duser.language=en", "-J-Duser.country=US"]
    listing = _output_of([_program("keytool"), *english, "-list", "-v", "-keystore", path.name], path, expectation)
    head, *parts = re.split(r"^Alias name: ", listing, flags=re.MULTILINE)
    entries = []
    for part in parts:
        kind = _one(r"^Entry type: (\S+)", part, path)
        fingerprints = re.findall(r"^\s*SHA256: ([0-9A-F:]+)$", part, flags=re.MULTILINE)
        if kind == "PrivateKeyEntry":
            _expect(
                f"{path.name}: chain length",
                _one(r"^Certificate chain length: (\d+)", part, path),
                str(len(fingerprints)),
            )
        entries.append(
            StoreEntry(part.splitlines()[0], kind, tuple(one.replace(":", "").lower() for one in fingerprints))
        )
    return _one(r"^Keystore type: (\S+)", head, path), entries


def _one(pattern: str, text: str, path: Path) -> str:
    found = re.search(pattern, text, flags=re.MULTILINE)
    if found is None:
        raise DifferentWorkError(f"keytool's listing of {path.name} has nothing like {pattern!r}")
    return found.group(1)


def _config(directory: str, store: str, store_type: str, expectation: Expectation) -> Dict[str, str]:
    return {
        "javax.net.ssl.keyStore": f"{directory}/{store}",
        "javax.net.ssl.keyStoreType": store_type,
        "javax.net.ssl.keyStorePassword": expectation.passphrase,
        "mtls.keyAlias": expectation.alias,
        "javax.net.ssl.trustStore": f"{directory}/trust.jks",
        "javax.net.ssl.trustStoreType": "JKS",
        "javax.net.ssl.trustStorePassword": expectation.passphrase,
    }


def _check_config(copy: Path, expectation: Expectation) -> None:
    found = _properties((copy / "client.properties").read_text(encoding="utf-8"))
    _expect("client.properties", found, _config(expectation.directory, "client.jks", "JKS", expectation))


def _properties(text: str) -> Dict[str, str]:
    """The part of java.util.Properties.load that is used here: name=value, comments, and escapes in values."""
    pairs = (line.partition("=") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: _ESCAPE.sub(_unescaped, value) for name, _equals, value in pairs}


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found["code"], 16)) if found["code"] else found["character"]


def _check_handshakes(copy: Path, expectation: Expectation) -> None:
    """A server that trusts nothing but the own CA's root accepts each of the three forms of the credential."""
    with _server(copy, expectation) as port:
        _expect(
            "whom the server sees with the PEM files", _seen_from_python(copy, port, expectation), expectation.subject
        )
        for store, store_type in (("client.jks", "JKS"), ("client.p12", "PKCS12")):
            properties = copy / f"{store}.properties"
            settings = _config(str(copy), store, store_type, expectation)
            properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
            program = str(REPOSITORY / "tests/data/consumers/MutualCall.java")
            command = [_program("java"), program, properties.name, f"https://localhost:{port}/"]
            seen = _output_of(command, copy / store, expectation)
            _expect(f"what the server answers Java with {store}", seen, f"200 {expectation.subject}")


@contextlib.contextmanager
def _server(copy: Path, expectation: Expectation) -> Iterator[int]:
    certificate, key = copy / "server.pem", copy / "server-key.pem"
    certificate.write_bytes(expectation.api.certificate + expectation.api.root)
    key.write_bytes(expectation.api.key)
    root = x509.load_pem_x509_certificates(expectation.chain)[-1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=root.public_bytes(serialization.Encoding.DER))
    context.verify_mode = ssl.CERT_REQUIRED

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            received = b""
            while b"\r\n\r\n" not in received:
                part = secured.recv(4096)
                if not part:
                    return
                received += part
            body = _name(x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            secured.sendall(head.encode() + body)

    with servers.socket_server(answer) as port:
        yield port


def _seen_from_python(copy: Path, port: int, expectation: Expectation) -> str:
    context = ssl.create_default_context(cadata=expectation.api.root.decode())
    context.load_cert_chain(copy / "fullchain.pem", copy / "key.pem")
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=_PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise DifferentWorkError(f"the handshake with the PEM files fails: {error}") from error
    finally:
        connection.close()


def _output_of(command: Sequence[str], path: Path, expectation: Expectation) -> str:
    """What a program prints, run beside the file it is about; the store's passphrase is its input."""
    done = subprocess.run(
        command,
        cwd=path.parent,
        input=expectation.passphrase + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    if done.returncode != 0:
        raise DifferentWorkError(
            f"{Path(command[0]).name} fails with {path.name}: {(done.stdout + done.stderr).strip()}"
        )
    return done.stdout


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise DifferentWorkError(f"{name} is not installed, so nothing can be verified; it is part of a JDK")
    return found


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


def _fingerprints(certificates: Sequence[x509.Certificate]) -> Tuple[str, ...]:
    return tuple(one.fingerprint(hashes.SHA256()).hex() for one in certificates)
