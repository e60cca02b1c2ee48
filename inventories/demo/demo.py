# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: provision three hosts on this machine, then call an mTLS API as each of them.

Run by `make demo`. The hosts are directories below `hosts`; `run` holds the partner's side (its CA, its server's
certificate, its port and log), `mtls` the demo's own CA. `make clean` removes all three.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Dict, Iterator, List

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
RUN = HERE / "run"
HOSTS = HERE / "hosts"
PARTNER_ROOT = RUN / "partner-root.pem"
SERVER = RUN / "server.pem"
PORT = RUN / "port"
LISTENING = RUN / "listening"
LOG = RUN / "endpoint.log"
CLIENT_CA = HERE / "mtls/ownca/demo/ca.pem"
INVENTORY = "inventories/demo/hosts.yml"


class DemoError(Exception):
    """Something that the demo needs did not work; the message says what to do."""


def main() -> int:
    started = time.monotonic()
    try:
        prepare_partner()
        before = listing()
        print_title("1. The own CA, then keys, requests, certificates, stores and configs on three hosts")
        play("playbooks/ownca.yml")
        play("playbooks/provision.yml")
        changed = before != listing()
        print_title("2. Each host calls the API with its own certificate")
        with endpoint():
            play("inventories/demo/verify.yml")
        print_result(changed, time.monotonic() - started)
    except DemoError as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
        return 1
    return 0


def prepare_partner() -> None:
    """Make the partner's CA, its server's certificate and a port, unless an earlier demo did."""
    RUN.mkdir(mode=0o700, exist_ok=True)
    if not (PARTNER_ROOT.exists() and SERVER.exists()):
        write_partner_certificates()
    if not PORT.exists() or not is_free(int(PORT.read_text())):
        PORT.write_text(str(free_port()))
    LOG.write_text("")


def write_partner_certificates() -> None:
    now = datetime.now(timezone.utc)
    root_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Demo Partner Root CA")])
    server_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    usage = dict.fromkeys(
        "content_commitment key_encipherment data_encipherment key_agreement encipher_only decipher_only".split(), False
    )

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, ca: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=3650 if ca else 825))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        )

    root = builder(root_name, root_key, True).sign(root_key, hashes.SHA256())
    server = (
        builder(server_name, server_key, False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    key_pem = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    SERVER.touch(mode=0o600)
    SERVER.write_bytes(key_pem + server.public_bytes(serialization.Encoding.PEM))
    # Last: its presence says that both are there. The root's key is not kept.
    PARTNER_ROOT.write_bytes(root.public_bytes(serialization.Encoding.PEM))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def play(playbook: str) -> None:
    """Run a playbook on the demo's inventory, its output on the screen."""
    print(f"$ ansible-playbook -i {INVENTORY} {playbook}", flush=True)
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", INVENTORY, playbook]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(TOP / "ansible.cfg")}
    if subprocess.run(command, cwd=TOP, env=environment, check=False).returncode != 0:
        raise DemoError(f"{playbook} failed; its output above says why. 'make clean' lets you start anew.")


@contextlib.contextmanager
def endpoint() -> Iterator[None]:
    """Run the API: an HTTPS server that demands client certificates of the demo's own CA."""
    LISTENING.unlink(missing_ok=True)
    command = [sys.executable, str(HERE / "endpoint.py"), "--port", PORT.read_text(), "--certificate", str(SERVER)]
    process = subprocess.Popen([*command, "--trust", str(CLIENT_CA), "--log", str(LOG), "--port-file", str(LISTENING)])
    try:
        wait_for_server(process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


def wait_for_server(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        if LISTENING.exists():
            return
        time.sleep(0.02)
    raise DemoError(f"the demo's API did not start on port {PORT.read_text()}")


def listing() -> List[Any]:
    """Every path below the hosts with inode, time and content: what 'nothing changed' is held against."""
    rows = []
    for path in sorted(HOSTS.rglob("*")):
        found = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        rows.append((path, found.st_ino, found.st_mtime_ns, content))
    return rows


def print_title(text: str) -> None:
    print(f"\n=== {text}\n", flush=True)


def print_result(changed: bool, seconds: float) -> None:
    print_title("3. What was made, and where")
    for host in sorted(HOSTS.iterdir()):
        for current in sorted((host / "etc/mtls").glob("*/current")):
            print_credential(host.name, current)
    print_title("4. Who the API says has called it (its own log)")
    for call in sorted(map(json.loads, LOG.read_text().splitlines()), key=lambda call: str(call["client"])):
        print(f"  {call['client']}")
        print(f"    {call['protocol']}, {call['method']} {call['path']} -> {call['status']}")
        print(f"    with certificate {call['serial_number']}")
    print_title("5. What next")
    print("  Changed on the hosts in this run: " + ("yes" if changed else "nothing") + f". It took {seconds:.0f} s.\n")
    print("  make demo                       again: it reports no change and changes nothing")
    print("  rm inventories/demo/hosts/erp-1/etc/mtls/neo/current/client.jks")
    print("  . .venv/bin/activate")
    print("  ansible-playbook -i inventories/demo/hosts.yml playbooks/provision.yml --check --diff")
    print("                                  tells what is missing; without --check it is mended, on erp-1 alone")
    print("  less inventories/demo/host_vars/orders-1.yml")
    print("                                  what a credential looks like; then README.md for your own hosts")


def print_credential(host: str, current: Path) -> None:
    certificate = x509.load_pem_x509_certificate((current / "certificate.pem").read_bytes())
    end = certificate.not_valid_after_utc.strftime("%Y-%m-%d")
    print(f"  {host}: {current.relative_to(TOP)} -> {current.readlink()}")
    print(f"    {certificate.subject.rfc4514_string()}, until {end}, signed by {issuer(certificate)}")
    print(f"    {', '.join(sorted(path.name for path in current.iterdir()))}\n")


def issuer(certificate: x509.Certificate) -> str:
    names: Dict[x509.ObjectIdentifier, str] = {item.oid: str(item.value) for item in certificate.issuer}
    return names.get(x509.NameOID.COMMON_NAME, certificate.issuer.rfc4514_string())


if __name__ == "__main__":
    sys.exit(main())
