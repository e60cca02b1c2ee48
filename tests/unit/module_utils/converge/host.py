# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for unit tests: wire documents, a CA that answers requests, and a directory that stands for a host."""

from __future__ import annotations

import base64
import copy
import datetime
import json
import os
import stat
from pathlib import Path
from typing import Any, Dict, List, Optional, Set, Tuple

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import private_key as private_keys
from ansible_collections.mutual.tls.plugins.module_utils import request as requests
from ansible_collections.mutual.tls.plugins.module_utils.converge.run import converge
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
from ansible_collections.mutual.tls.plugins.module_utils.files import TEMPORARY_PREFIX
from ansible_collections.mutual.tls.plugins.module_utils.imports import hashes, x509
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.reply import CredentialReply, Reply

EC = {"type": "ECC", "size": None, "curve": "secp256r1", "format": "pkcs8", "passphrase": None, "rotate": True}
ACCESS: Dict[str, Any] = {"owner": None, "group": None, "mode": "0600"}


def keystore(**changes: Any) -> Dict[str, Any]:
    """One keystore of a wire document."""
    base = {
        "file": "client.p12",
        "format": "pkcs12",
        "friendly_name": "orders",
        "passphrase": "store-secret",
        "key_passphrase": None,
        "encryption": "modern",
        "exclusive": False,
        "trusted": [],
        **ACCESS,
    }
    return {**base, **changes}


def truststore(**changes: Any) -> Dict[str, Any]:
    """One truststore of a wire document."""
    base = {
        "file": "trust.jks",
        "format": "jks",
        "passphrase": "trust-secret",
        "encryption": "modern",
        "own_chain": False,
        "authorities": ["partner"],
        **ACCESS,
    }
    return {**base, **changes}


def link(path: Path, file: str, **changes: Any) -> Dict[str, Any]:
    """One link of a wire document."""
    return {"path": str(path), "file": file, "copy": False, "force": False, **ACCESS, **changes}


def credential(**changes: Any) -> Dict[str, Any]:
    """One credential of a wire document."""
    base = {
        "name": "orders",
        "state": "present",
        "provider": "generic",
        "issuer": "corp",
        "subject": [["O", "Acme"], ["CN", "orders"]],
        "subject_alt_name": ["DNS:orders.example"],
        "key": dict(EC),
        "previous_passphrases": [],
        "renew_before": 30 * 86400,
        "keep_generations": 2,
        "authorities": ["partner"],
        "keystores": [keystore()],
        "truststores": [truststore()],
        "configs": [{"file": "app.conf", "content": "key = 1\n", **ACCESS}],
        "links": [],
        "may_request": True,
        "answer": None,
        "reload": [],
        "reload_timeout": 60,
        "verify": None,
        "may_renew": True,
        "operation": "converge",
        "activation": "automatic",
        "candidate": None,
        "revoked": [],
        "issuing_cas": [],
        "new_key": False,
        "renew_jitter": 0,
        "renew_offset": 0,
        **ACCESS,
    }
    return {**base, **changes}


class Authority:
    """A CA that signs what it is asked to, with a lifetime of the test's choice."""

    def __init__(self, name: str = "Test CA") -> None:
        self.key = private_keys.generate(KeyKind("ECC", curve="secp256r1"))
        self.name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
        public = self.key.public_key()
        identifier = x509.SubjectKeyIdentifier.from_public_key(public)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _dated(self.name, self.name, public, (-400, 4000))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(identifier, critical=False).add_extension(usage, critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())

    @property
    def der(self) -> str:
        return base64.b64encode(certificates.to_der(self.certificate)).decode()

    def sign(self, csr_pem: str, days: Tuple[float, float] = (-1, 90), usage: str = "client") -> Dict[str, Any]:
        """The `answer` of a wire document to a request; `days` are start and end from now."""
        csr = requests.load(csr_pem.encode())
        builder = _dated(csr.subject, self.name, csr.public_key(), days)
        oids = x509.oid.ExtendedKeyUsageOID
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([oids.CLIENT_AUTH if usage == "client" else oids.SERVER_AUTH]), critical=False
        )
        for extension in csr.extensions:
            if extension.oid == x509.oid.ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
                builder = builder.add_extension(extension.value, critical=False)
        leaf = builder.sign(self.key, hashes.SHA256())
        ders = [base64.b64encode(certificates.to_der(leaf)).decode(), self.der]
        return {"public_fingerprint": certificates.public_fingerprint(leaf), "certificates": ders}


def _dated(subject: Any, issuer: Any, public_key: Any, days: Tuple[float, float]) -> Any:
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    start, end = (now + datetime.timedelta(days=day) for day in days)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(start).not_valid_after(end)


class Host:
    """A root directory that is converged like a host, with the issuer's part played by `authority`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.authority = Authority()
        self.partner = Authority("Partner CA")
        self.days: Tuple[float, float] = (-1, 90)
        self.bundles = {"partner": [self.partner.der]}

    def document(self, *wanted: Dict[str, Any], names: Optional[List[str]] = None) -> Dict[str, Any]:
        return {
            "version": 1,
            "root": str(self.root),
            "lock_timeout": 1,
            "names": names if names is not None else [item["name"] for item in wanted],
            "authorities": self.bundles,
            "credentials": [copy.deepcopy(item) for item in wanted],
        }

    def trip(self, *wanted: Dict[str, Any], check: bool = False, names: Optional[List[str]] = None) -> Reply:
        """One trip, as it is."""
        document = self.document(*wanted, names=names)
        return converge(parse(json.dumps(document)), check, lambda path: None)

    def run(self, wanted: Dict[str, Any], check: bool = False) -> CredentialReply:
        """A whole run for one credential: with a second trip where a certificate is needed."""
        first = self.trip(wanted, check=check).credentials[0]
        if check or first.request is None or first.request.pem is None:
            return first
        answer = self.authority.sign(first.request.pem, self.days)
        second = self.trip({**wanted, "answer": answer}).credentials[0]
        differences = tuple(dict.fromkeys((*first.differences, *second.differences)))
        return CredentialReply(**{**vars(second), "differences": differences, "changed": True})

    def converges(self, wanted: Dict[str, Any]) -> CredentialReply:
        """Check, run, run again; what check predicted is what was done, and then there is nothing left to do."""
        before = self.listing()
        predicted = self.run(wanted, check=True)
        assert self.listing() == before, "check mode has changed something"
        done = self.run(wanted)
        assert done.error is None
        assert reasons(done) == reasons(predicted)
        assert places(done) == places(predicted)
        assert done.changed == predicted.changed
        assert (done.state, predicted.state) in CONSISTENT_STATES
        if not done.changed:
            assert self.listing() == before, "a run that reports no change has changed something"
        after = self.listing()
        again = self.run(wanted)
        assert (again.changed, again.error) == (False, None)
        assert self.listing() == after, "a rerun has changed something"
        assert temporary_files(self.root.parent) == []
        return done

    def refuses(self, wanted: Dict[str, Any], message: str) -> str:
        """Check and run fail alike, with this in the message, and change nothing."""
        before = self.listing()
        predicted = self.run(wanted, check=True)
        done = self.run(wanted)
        assert (predicted.state, done.state) == ("failed", "failed")
        assert (predicted.changed, done.changed) == (False, False)
        assert done.error is not None
        assert done.error == predicted.error
        assert message in done.error
        assert self.listing() == before
        return done.error

    def files(self, name: str = "orders") -> Dict[str, Tuple[int, int, bytes]]:
        """Inode, mtime and bytes of every file in the generation in use."""
        found = {}
        for path in sorted(self.current(name).iterdir()):
            if path.is_file() and not path.is_symlink():
                row = path.lstat()
                found[path.name] = (row.st_ino, row.st_mtime_ns, path.read_bytes())
        return found

    def current(self, name: str = "orders") -> Path:
        return self.root / name / "current"

    def listing(self) -> List[Tuple[Any, ...]]:
        """Path, inode, mode, times and bytes of everything beside and below the root."""
        rows: List[Tuple[Any, ...]] = []
        for path in sorted(self.root.parent.rglob("*")):
            found = path.lstat()
            regular = stat.S_ISREG(found.st_mode) and found.st_size < 1 << 20
            content = path.read_bytes() if regular else b""
            target = os.readlink(path) if path.is_symlink() else ""
            times = (found.st_mtime_ns, found.st_ctime_ns)
            rows.append((str(path), found.st_ino, found.st_mode, found.st_uid, *times, target, content))
        return rows


CONSISTENT_STATES = {
    ("active", "active"),
    # In check mode nobody issues.
    ("active", "request"),
    ("request", "request"),
    ("absent", "absent"),
    ("held", "held"),
}


def temporary_files(directory: Path) -> List[str]:
    """Unfinished files of ours, anywhere below."""
    return sorted(str(path) for path in directory.rglob("*") if path.name.startswith(TEMPORARY_PREFIX))


def public_key(host: Host, name: str = "orders", passphrase: Optional[str] = None) -> str:
    """The fingerprint of the key in use."""
    key = private_keys.load((host.current(name) / "key.pem").read_bytes(), passphrase).key
    return private_keys.public_fingerprint(key.public_key())


def places(reply: CredentialReply) -> Set[Tuple[str, str]]:
    """Where a reply's differences are, each with its reason."""
    return {(item.reason, item.where) for item in reply.differences}


def reasons(reply: CredentialReply) -> List[str]:
    """A reply's reason codes, each once."""
    return list(dict.fromkeys(item.reason for item in reply.differences))
