# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real clients call a real nginx that demands client certificates, with the files that a provision wrote.

Each uses the client configuration of its own kind where there is a template for it, so that both are proven.
"""

from __future__ import annotations

import http.client
import importlib.util
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.tests.integration import jvm, servers
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet
from ansible_collections.mutual.tls.tests.unit import material

Tool = Callable[[str], str]

AWKWARD = 'it\'s "quoted" \\ and $HOME #1'
"""What a careless template would break on; still ASCII, because Java opens PKCS#12 with nothing else."""
UNICODE = 'grün «ключ» \\ "q"'

KEYS: Dict[str, Dict[str, Any]] = {
    "rsa": {"type": "RSA", "size": 2048},
    "p256": {"type": "ECC", "curve": "secp256r1"},
    "p384": {"type": "ECC", "curve": "secp384r1"},
    "p521": {"type": "ECC", "curve": "secp521r1"},
    "ed25519": {"type": "Ed25519"},
}
CONFIGS = [{"template": name, "file": name} for name in ("curl", "node", "env")]


@dataclass(frozen=True)
class World:
    """The provisioned fleet, and the server that it calls."""

    fleet: Fleet
    url: str
    port: int

    def current(self, credential: str) -> Path:
        return self.fleet.root("host") / credential / "current"

    def subject(self, credential: str) -> str:
        """What the server answers: whom it has seen."""
        return f"CN={credential},O=Acme Inc"


def credentials(url: str) -> List[Dict[str, Any]]:
    """One credential for each key type in PEM, and one for each store format and profile."""
    base = {"issuer": "corp", "provider": "api", "authorities": ["partner"]}
    found = []

    def add(name: str, **options: Any) -> None:
        found.append({"name": name, "subject": {"CN": name, "O": "Acme Inc"}, **base, **options})

    for name, key in KEYS.items():
        add(name, key=key, configs=[*CONFIGS, {"template": "python", "file": "client.py"}])
    for name, passphrase in (("awkward", AWKWARD), ("unicode", UNICODE)):
        add(
            name,
            key={"type": "ECC", "curve": "secp256r1", "encrypt": True},
            passphrase=passphrase,
            configs=[*CONFIGS, {"template": "python", "file": "client.py"}],
        )
    add("traditional", key={"type": "RSA", "size": 2048, "format": "traditional"}, configs=CONFIGS)
    add("proxy", key=KEYS["p256"], configs=[{"template": "nginx", "file": "proxy.conf"}])
    for format_, encryption, key, passphrase in (
        ("pkcs12", "modern", "rsa", AWKWARD),
        ("pkcs12", "compatible", "p256", AWKWARD),
        ("jks", "modern", "rsa", UNICODE),
        ("jks", "modern", "p384", AWKWARD),
    ):
        name = f"{format_}-{encryption}-{key}"
        store = {"format": format_, "encryption": encryption} if format_ == "pkcs12" else {"format": format_}
        add(
            name,
            key=KEYS[key],
            passphrase=passphrase,
            keystores=[{**store, "file": "client.store", "friendly_name": "The-Client"}],
            truststores=[{**store, "file": "trust.store"}],
            configs=[{"template": "java", "file": "client.properties"}],
        )
    add(
        "jks-key-passphrase",
        key=KEYS["p256"],
        passphrase="of the store",
        keystores=[{"format": "jks", "file": "client.store", "friendly_name": "c", "key_passphrase": "of the key"}],
        truststores=[{"format": "pkcs12", "file": "trust.store"}],
        configs=[{"template": "java", "file": "client.properties"}],
    )
    return found


@pytest.fixture(scope="module")
def world(tool: Tool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("consumers")
    fleet = Fleet(directory)
    ca = fleet.make_ca("corp")
    partner = material.authority("Partner Root")
    server = material.client(
        "localhost",
        partner,
        alternatives=[x509.DNSName("localhost")],
        purposes=[ExtendedKeyUsageOID.SERVER_AUTH],
    )
    (directory / "server.pem").write_bytes(server.pem + partner.pem)
    (directory / "server.key").write_bytes(server.key_pem)
    settings = f"""
    ssl_certificate {directory}/server.pem;
    ssl_certificate_key {directory}/server.key;
    ssl_client_certificate {ca}/ca.pem;
    ssl_verify_client on;
    ssl_verify_depth 5;
    location / {{ return 200 "$ssl_client_s_dn"; }}
    """
    nginx_directory = directory / "nginx"
    nginx_directory.mkdir()
    with servers.nginx(tool("nginx"), nginx_directory, settings) as port:
        url = f"https://localhost:{port}/"
        fleet.add_host(
            "host",
            credentials=credentials(url),
            issuers={"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}},
            authorities={"partner": {"content": partner.pem.decode()}},
            providers={"api": {"extends": "generic", "data": {"base_url": url}}},
        )
        fleet.run().must_succeed()
        yield World(fleet, url, port)


def output_of(command: List[str], **options: Any) -> str:
    """A program's standard output; its whole output is shown where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


PEM = [*KEYS, "awkward", "unicode", "traditional"]


@pytest.mark.parametrize("name", PEM)
def test_curl_with_its_config(world: World, tool: Tool, name: str) -> None:
    assert output_of([tool("curl"), "-sS", "--config", str(world.current(name) / "curl"), world.url]) == world.subject(
        name
    )


@pytest.mark.parametrize("name", PEM)
def test_node_with_its_module(world: World, tool: Tool, name: str) -> None:
    program = """
    const client = require(process.argv[1]);
    require('https').get(client.baseUrl, client.tlsOptions(), (answer) => answer.pipe(process.stdout));
    """
    # A module without an ending is JavaScript to require().
    module = str(world.current(name) / "node")
    assert output_of([tool("node"), "-e", program, module]) == world.subject(name)


@pytest.mark.parametrize("name", [*KEYS, "awkward", "unicode"])
def test_python_with_its_module(world: World, name: str) -> None:
    spec = importlib.util.spec_from_file_location("client", world.current(name) / "client.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert world.url == module.BASE_URL
    assert called(module.ssl_context(), world) == world.subject(name)


@pytest.mark.parametrize("name", [*KEYS, "awkward", "unicode"])
def test_shell_with_its_environment(world: World, tool: Tool, name: str) -> None:
    script = """
    set -eu; . "$1"
    exec "$2" -sS --cacert "$MTLS_CA_FILE" --cert "$MTLS_CERTIFICATE_FILE" --key "$MTLS_KEY_FILE" \\
      ${MTLS_KEY_PASSPHRASE+--pass "$MTLS_KEY_PASSPHRASE"} "$MTLS_BASE_URL"
    """
    command = [tool("sh"), "-c", script, "sh", str(world.current(name) / "env"), tool("curl")]
    assert output_of(command) == world.subject(name)


@pytest.mark.parametrize("name", [*KEYS, "traditional"])
def test_openssl_with_pem_files(world: World, tool: Tool, name: str) -> None:
    current = world.current(name)
    files = ["-cert", str(current / "client.pem"), "-key", str(current / "key.pem")]
    trust = ["-CAfile", str(current / "trust.pem"), "-verify_return_error", "-verify_hostname", "localhost"]
    command = [tool("openssl"), "s_client", "-connect", f"127.0.0.1:{world.port}", "-servername", "localhost"]
    request = "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"
    found = output_of([*command, "-quiet", *files, *trust], input=request)
    assert found.endswith(world.subject(name))


def test_openssl_accepts_the_chain_strictly(world: World, tool: Tool) -> None:
    current = world.current("p256")
    ca = world.fleet.state / "ownca/corp/ca.pem"
    command = [tool("openssl"), "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", str(ca)]
    output_of([*command, "-untrusted", str(current / "chain.pem"), str(current / "certificate.pem")])


def test_python_with_one_file(world: World) -> None:
    current = world.current("p256")
    context = ssl.create_default_context(cafile=str(current / "trust.pem"))
    context.load_cert_chain(str(current / "client.pem"))
    assert called(context, world) == world.subject("p256")


def called(context: ssl.SSLContext, world: World) -> str:
    parts = urlsplit(world.url)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=30)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


STORES = ["pkcs12-modern-rsa", "pkcs12-compatible-p256", "jks-modern-rsa", "jks-modern-p384", "jks-key-passphrase"]


@pytest.mark.parametrize("name", STORES)
def test_jvm_with_its_properties(world: World, tool: Tool, repository: Path, name: str) -> None:
    program = repository / "tests/data/consumers/MutualCall.java"
    command = [tool("java"), *jvm.STARTS_FAST, str(program), str(world.current(name) / "client.properties"), world.url]
    assert output_of(command) == "200 " + world.subject(name)


@pytest.mark.parametrize("name", [store for store in STORES if store.startswith("pkcs12")])
def test_curl_with_pkcs12(world: World, tool: Tool, name: str) -> None:
    current = world.current(name)
    config = world.fleet.directory / f"{name}.curl"
    escaped = AWKWARD.replace("\\", "\\\\").replace('"', '\\"')
    lines = [f'cert = "{current}/client.store"', 'cert-type = "P12"', f'pass = "{escaped}"']
    config.write_text("\n".join([*lines, f'cacert = "{current}/trust.pem"']) + "\n")
    assert output_of([tool("curl"), "-sS", "--config", str(config), world.url]) == world.subject(name)


def test_nginx_as_a_client(world: World, tool: Tool) -> None:
    """nginx itself calls the API, with the upstream configuration of the template."""
    directory = world.fleet.directory / "proxy"
    directory.mkdir()
    include = world.current("proxy") / "proxy.conf"
    certificate, key = (world.fleet.directory / name for name in ("server.pem", "server.key"))
    settings = f"ssl_certificate {certificate}; ssl_certificate_key {key}; location / {{ include {include}; }}"
    with servers.nginx(tool("nginx"), directory, settings) as port:
        trust = str(world.current("proxy") / "trust.pem")
        found = output_of([tool("curl"), "-sS", "--cacert", trust, f"https://localhost:{port}/"])
    assert found == world.subject("proxy")


def test_without_a_certificate_the_server_refuses(world: World, tool: Tool) -> None:
    trust = str(world.current("p256") / "trust.pem")
    found = output_of([tool("curl"), "-sS", "--cacert", trust, world.url])
    assert "No required SSL certificate was sent" in found
