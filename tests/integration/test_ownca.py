# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The own CA before strict verifiers, and its module, role and playbook under ansible-playbook."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate, private_key
from ansible_collections.mutual.tls.plugins.module_utils.imports import hashes, oid, x509
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create, issue, revoke
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

Tool = Callable[[str], str]
LAYOUTS = [pytest.param(ca.ROOT_ONLY, id="root"), pytest.param(ca.TWO_TIERS, id="intermediate")]


def now() -> datetime:
    return datetime.now(timezone.utc)


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def make(directory: Path, spec: create.OwnCaSpec) -> Tuple[issue.Authority, Path, Path]:
    """A CA, a client's key and its certificate with everything that a client sends."""
    ca.converge(directory / "ca", spec, at=now())
    authority = ca.authority(directory / "ca", now())
    key = ca.key()
    chain = issue.issue(authority, ca.csr(key), ca.order(), now())
    (directory / "client.key").write_bytes(private_key.dump(key, "pkcs8", None))
    (directory / "client.pem").write_bytes(certificate.to_pem(chain[:-1]))
    return authority, directory / "client.key", directory / "client.pem"


@pytest.mark.parametrize("spec", LAYOUTS)
class TestOpenssl:
    def verify(self, tool: Tool, directory: Path, leaf: Path, *more: str) -> subprocess.CompletedProcess[str]:
        ca_directory = directory / "ca"
        return run(
            *(
                tool("openssl"),
                "verify",
                "-x509_strict",
                "-purpose",
                "sslclient",
                "-CAfile",
                str(ca_directory / "ca.pem"),
            ),
            *("-untrusted", str(ca_directory / "chain.pem"), *more, str(leaf)),
        )

    def test_strict_verification(self, tool: Tool, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        leaf = make(tmp_path, spec)[2]
        done = self.verify(tool, tmp_path, leaf)
        assert done.returncode == 0, done.stderr
        done = self.verify(tool, tmp_path, leaf, "-purpose", "sslserver")
        assert "unsuitable certificate purpose" in done.stderr

    def test_revocation(self, tool: Tool, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        authority, _key, leaf = make(tmp_path, spec)
        crl = ("-crl_check", "-CRLfile", str(tmp_path / "ca/crl.pem"))
        done = self.verify(tool, tmp_path, leaf, *crl)
        assert done.returncode == 0, done.stderr
        serial = certificate.serial_number(certificate.load_all(leaf.read_bytes(), "leaf")[0])
        revoke.revoke(authority, serial, "key_compromise", now())
        assert "certificate revoked" in self.verify(tool, tmp_path, leaf, *crl).stderr
        text = run(tool("openssl"), "crl", "-in", str(tmp_path / "ca/crl.pem"), "-noout", "-text").stdout
        assert re.search(r"Serial Number: 0*" + serial.upper(), text)
        assert "Key Compromise" in text
        assert re.search(r"X509v3 CRL Number:\s+2\b", text)

    def test_no_ca_below_the_one_that_issues(self, tool: Tool, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        """The path length holds even where the issuing CA's key is misused."""
        authority = make(tmp_path, spec)[0]
        rogue_key, leaf_key = ca.key(), ca.key()
        rogue = sign("Rogue CA", rogue_key.public_key(), authority.issuing.subject, authority.key, is_ca=True)
        leaf = sign("leaf", leaf_key.public_key(), rogue.subject, rogue_key, is_ca=False)
        (tmp_path / "leaf.pem").write_bytes(certificate.to_pem([leaf]))
        (tmp_path / "rogue.pem").write_bytes(certificate.to_pem([rogue]))
        done = self.verify(tool, tmp_path, tmp_path / "leaf.pem", "-untrusted", str(tmp_path / "rogue.pem"))
        assert "path length constraint exceeded" in done.stderr

    def test_the_key_is_encrypted_with_aes_256(self, tool: Tool, tmp_path: Path, spec: create.OwnCaSpec) -> None:
        make(tmp_path, spec)
        text = run(tool("openssl"), "asn1parse", "-in", str(tmp_path / "ca/key.pem")).stdout
        assert ":PBES2" in text
        assert ":aes-256-cbc" in text
        assert ":hmacWithSHA256" in text
        passphrase = tmp_path / "passphrase"
        passphrase.write_text(ca.PASSPHRASE, encoding="utf-8")
        arguments = ("pkey", "-in", str(tmp_path / "ca/key.pem"), "-passin", f"file:{passphrase}", "-noout")
        assert run(tool("openssl"), *arguments).returncode == 0


def sign(subject: str, public_key: Any, issuer: Any, issuer_key: Any, is_ca: bool) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, subject)]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - timedelta(minutes=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


@pytest.mark.parametrize("spec", LAYOUTS)
@pytest.mark.parametrize("kind", [ca.P384, ca.ED25519, KeyKind("RSA", size=2048)], ids=KeyKind.describe)
def test_a_strict_handshake(tmp_path: Path, spec: create.OwnCaSpec, kind: KeyKind) -> None:
    """Python 3.13's default contexts verify with X509_STRICT; a server so configured lets the client in."""
    root = create.AuthoritySpec(spec.root.subject, kind, spec.root.validity)
    authority, key, chain = make(tmp_path, create.OwnCaSpec(root, spec.intermediate, spec.crl_validity))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The server's own certificate is not what is tested: any will do.
    server.load_cert_chain(str(chain), str(key))
    server.load_verify_locations(str(Path(authority.directory) / "ca.pem"))
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_X509_STRICT
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    client.load_cert_chain(str(chain), str(key))
    subject: List[Any] = []
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as connection:
            subject.append(connection.getpeercert())
            connection.sendall(b"in")

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours) as connection:
        assert connection.recv(2) == b"in"
    thread.join()
    assert ("commonName", "ops@acme.example") in [pair for rdn in subject[0]["subject"] for pair in rdn]


class Controller:
    """An inventory of its own, and ansible-playbook run from the clone."""

    def __init__(self, tool: Tool, repository: Path, directory: Path) -> None:
        self.inventory = directory / "inventory/hosts.json"
        self.inventory.parent.mkdir()
        self.state = self.inventory.parent / "mtls"
        self.temporary = directory / "tmp"
        self._repository = repository
        self._program = tool("ansible-playbook")
        self.variables: Dict[str, Any] = {
            "mtls_issuers": {"corp": {"type": "ownca", "passphrase": ca.PASSPHRASE}},
            "mtls_ownca_authorities": [
                {
                    "name": "corp",
                    "subject": {"CN": "Corp Client CA", "O": "Acme Inc"},
                    "key": {"type": "ECC", "curve": "secp256r1"},
                    "intermediate": {"subject": {"CN": "Corp Client Issuing CA"}},
                }
            ],
        }
        self.host_variables: Dict[str, Dict[str, Any]] = {"web1": {}, "web2": {}}

    @property
    def authority(self) -> Dict[str, Any]:
        found: Dict[str, Any] = self.variables["mtls_ownca_authorities"][0]
        return found

    def state_of(self, name: str) -> str:
        return str(self.state / "ownca" / name)

    def play(self, *arguments: str, playbook: str = "mutual.tls.ownca") -> subprocess.CompletedProcess[str]:
        # No host is ever connected to: the documentation's addresses would not answer.
        hosts = {
            name: {"ansible_host": "192.0.2.{0}".format(number), **variables}
            for number, (name, variables) in enumerate(self.host_variables.items(), 1)
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": self.variables}}), encoding="utf-8")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(self._repository / "ansible.cfg"),
            "ANSIBLE_LOCAL_TEMP": str(self.temporary),
            "ANSIBLE_REMOTE_TEMP": str(self.temporary),
            "ANSIBLE_NOCOLOR": "1",
        }
        command = (self._program, "-i", str(self.inventory), playbook, *arguments)
        return run(*command, cwd=str(self._repository), env=environment)

    def changed(self, *arguments: str) -> int:
        done = self.play(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.search(r"web1 .*changed=(\d+)", done.stdout)
        assert found is not None, done.stdout
        return int(found.group(1))

    def made(self) -> List[str]:
        return sorted(path.name for path in (self.state / "ownca").glob("*") if (path / "ledger.sqlite").exists())

    def failure(self, *arguments: str) -> str:
        done = self.play(*arguments)
        assert done.returncode != 0, done.stdout
        return re.sub(r"\s+", " ", done.stdout + done.stderr)


@pytest.fixture
def controller(tool: Tool, repository: Path, tmp_path: Path) -> Controller:
    return Controller(tool, repository, tmp_path)


def test_check_create_rerun_mistakes_change(controller: Controller) -> None:
    assert controller.changed("--check") == 1
    assert not controller.state.exists()
    assert controller.changed("--diff") == 1
    made = ca.snapshot(controller.state)
    assert "ownca/corp/root-key.pem" in made
    assert controller.changed("--check") == controller.changed() == 0

    subject = controller.authority["subject"]
    controller.authority["subject"] = {"CN": "Another CA"}
    for arguments in ((), ("--check",)):
        message = controller.failure(*arguments)
        assert "has O=Acme Inc, CN=Corp Client CA, but CN=Another CA is stated" in message
        assert "roll over" in message
    controller.authority["subject"] = subject
    controller.variables["mtls_issuers"]["corp"]["passphrase"] = "the-next"
    assert "state the old one as previous_passphrase" in controller.failure()
    assert ca.snapshot(controller.state) == made

    controller.authority.update(previous_passphrase=ca.PASSPHRASE, crl_validity="7d")
    assert controller.changed("--check") == 1
    assert ca.snapshot(controller.state) == made
    assert controller.changed() == 1
    after = ca.snapshot(controller.state)
    changed = {name for name in after if after[name][0] != made[name][0]}
    assert changed == {"ownca/corp/crl.pem", "ownca/corp/key.pem", "ownca/corp/root-key.pem"}
    assert issue.open_authority(controller.state_of("corp"), "the-next", now()).key
    assert controller.changed() == 0

    (controller.state / ".mutual-tls-state").unlink()
    unmarked = ca.snapshot(controller.state)
    assert "its marker file .mutual-tls-state is missing" in controller.failure()
    assert ca.snapshot(controller.state) == unmarked


CANARIES = {
    "one": "C",
    "quotes": "c4n\"ary\\'",
    "umlaut": "cänary'ü",
    "template": "{% raw %}c4nary",
    "inside": 'c4n"ary',
}


def test_passphrases_are_nowhere(controller: Controller, tmp_path: Path) -> None:
    """Not in the output, however talkative, and in no file, not even a temporary one; and they garble nothing."""
    subject = {"CN": "Corp Client CA"}
    controller.variables["mtls_ownca_authorities"] = [
        {"name": name, "subject": subject, "passphrase": {"__ansible_unsafe": passphrase}}
        for name, passphrase in CANARIES.items()
    ]
    done = controller.play("-vvvv", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    controller.authority["validity"] = "1d"
    failed = controller.play("-vvvv", "--diff")
    assert failed.returncode != 0
    output = done.stdout + done.stderr + failed.stdout + failed.stderr
    contents = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    del contents[controller.inventory]
    for name, passphrase in CANARIES.items():
        assert issue.open_authority(controller.state_of(name), passphrase, now()).key
        if len(passphrase) > 1:
            for form in {passphrase, json.dumps(passphrase)[1:-1], passphrase.replace("'", "''")}:
                assert form not in output
                assert not [path for path, content in contents.items() if form.encode() in content]
    assert "subject: CN=Corp Client CA" in done.stdout
    assert "validity: the own CA in" in re.sub(r"\s+", " ", failed.stdout + failed.stderr)
    assert "Pipelining is enabled" in done.stdout
    assert "AnsiballZ_ownca" not in done.stdout


def authority(name: str, **more: Any) -> Dict[str, Any]:
    return {"name": name, "passphrase": "p", "subject": {"CN": name}, **more}


def recap(output: str) -> Dict[str, int]:
    """How many tasks changed something, by host."""
    return {host: int(number) for host, number in re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", output, re.MULTILINE)}


class TestEveryHostsList:
    """One play, hosts with lists of their own: none is dropped, and nothing is done twice."""

    @pytest.fixture
    def fleet(self, controller: Controller) -> Controller:
        del controller.variables["mtls_ownca_authorities"]
        controller.variables["mtls_ownca_authorities__shared"] = [authority("shared")]
        controller.host_variables = {
            "web1": {"mtls_ownca_authorities": [authority("one")]},
            "web2": {"mtls_ownca_authorities__own": [authority("two"), authority("three")]},
            "web3": {},
        }
        return controller

    def test_counts(self, fleet: Controller) -> None:
        done = fleet.play()
        assert done.returncode == 0, done.stdout + done.stderr
        assert fleet.made() == ["one", "shared", "three", "two"]
        assert done.stdout.count("(item=shared)") == 1
        assert recap(done.stdout) == {"web1": 1, "web2": 1, "web3": 0}
        before = ca.snapshot(fleet.state)
        again = fleet.play()
        assert recap(again.stdout) == {"web1": 0, "web2": 0, "web3": 0}
        assert ca.snapshot(fleet.state) == before

    @pytest.mark.parametrize(
        ("limit", "made"),
        [("web3", ["shared"]), ("!web1", ["shared", "three", "two"])],
    )
    def test_counts_as_far_as_the_limit_goes(self, fleet: Controller, limit: str, made: List[str]) -> None:
        done = fleet.play("--limit", limit)
        assert done.returncode == 0, done.stdout + done.stderr
        assert fleet.made() == made

    def test_counts_without_a_first_host_that_is_unreachable(self, fleet: Controller, tmp_path: Path) -> None:
        """A play of one's own that gathers facts first: the host that is lost there takes nobody with it."""
        fleet.variables["ansible_connection"] = "local"
        fleet.variables["ansible_python_interpreter"] = sys.executable
        fleet.host_variables["web1"].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps([{"hosts": "all", "roles": ["mutual.tls.mtls_ownca"]}]), encoding="utf-8")
        done = fleet.play(playbook=str(playbook))
        assert "UNREACHABLE" in done.stdout
        assert fleet.made() == ["shared", "three", "two"], done.stdout + done.stderr

    def test_may_be_the_plays(self, fleet: Controller, tmp_path: Path) -> None:
        playbook = tmp_path / "play.yml"
        role = {"role": "mutual.tls.mtls_ownca", "mtls_ownca_authorities": [authority("of-the-play")]}
        play = {"hosts": "all", "gather_facts": False, "roles": [role]}
        playbook.write_text(json.dumps([play]), encoding="utf-8")
        done = fleet.play(playbook=str(playbook))
        assert done.returncode == 0, done.stdout + done.stderr
        assert fleet.made() == ["of-the-play", "shared", "three", "two"]

    def test_must_not_contradict_another(self, fleet: Controller) -> None:
        fleet.host_variables["web3"] = {
            "mtls_ownca_authorities": [authority("two", validity="1d", passphrase="s3cr3t")]
        }
        message = fleet.failure("-vvv")
        assert "ownca/two is described in different ways (validity) for the hosts web2 and web3" in message
        assert "s3cr3t" not in message
        assert not fleet.state.exists()

    def test_a_bad_list_is_refused(self, fleet: Controller) -> None:
        """Of each host the first task tells what is wrong, and nothing is made for anybody."""
        passphrases = {
            "number": (918273, "passphrase must be text, not a number; quote it"),
            "line": ("918273\n", "passphrase holds a line end"),
        }
        expected = {"twice": "'shared' is defined in mtls_ownca_authorities and in mtls_ownca_authorities__shared"}
        fleet.host_variables = {"twice": {"mtls_ownca_authorities": [authority("shared")]}}
        for what, (passphrase, message) in passphrases.items():
            expected.update({f"authority-{what}": message, f"issuer-{what}": message})
            fleet.host_variables[f"authority-{what}"] = {
                "mtls_ownca_authorities": [authority("corp", passphrase=passphrase)]
            }
            fleet.host_variables[f"issuer-{what}"] = {
                "mtls_issuers": {"corp": {"type": "ownca", "passphrase": passphrase}},
                "mtls_ownca_authorities": [authority("corp", passphrase=None)],
            }
        # In YAML a quoted text has its own quotes twice.
        found = fleet.failure("-vvv").replace("''", "'")
        told = dict(re.findall(r"fatal: \[([^\]]+)\]: (.*?)(?=fatal: |PLAY RECAP)", found))
        assert set(told) == set(expected)
        assert [host for host, message in expected.items() if message not in told[host]] == []
        assert "918273" not in found
        assert not fleet.state.exists()

    def test_is_not_redirected_by_hosts_facts(self, fleet: Controller, tmp_path: Path) -> None:
        """A host answers any module with facts, and facts win over the inventory: it must not choose the directory."""
        evil = tmp_path / "evil"
        facts = ["mtls_ownca_state_directory", "mtls_state_directory", "inventory_dir"]
        fleet.host_variables.update({f"evil{number}": {} for number in range(len(facts))})
        settings = [
            {
                "ansible.builtin.set_fact": {fact: str(evil), "cacheable": True},
                "when": f"inventory_hostname == 'evil{number}'",
            }
            for number, fact in enumerate(facts)
        ]
        plays = [
            {"hosts": "all", "gather_facts": False, "tasks": settings},
            {"hosts": "all", "gather_facts": False, "roles": ["mutual.tls.mtls_ownca"]},
        ]
        playbook = tmp_path / "play.yml"
        playbook.write_text(json.dumps(plays), encoding="utf-8")
        done = fleet.play(playbook=str(playbook))
        assert done.returncode != 0
        told = dict(re.findall(r"fatal: \[([^\]]+)\]: (.*?)(?=fatal: |PLAY RECAP|TASK)", done.stdout, re.DOTALL))
        assert sorted(told) == ["evil0", "evil1", "evil2"]
        assert [fact for number, fact in enumerate(facts) if fact not in told[f"evil{number}"]] == []
        assert not evil.exists()
        assert fleet.made() == ["one", "shared", "three", "two"]
