# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the options of the module `handshake` to what `probe` takes, and from its result to what is returned."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from .. import certificate, keystore_format, private_key, source
from ..errors import DiskError, Error, FormatError, HandshakeError, InputError, PassphraseError, UnsupportedError
from ..imports import x509
from ..store import Store
from . import identity, revocation, trust
from .codes import diagnosis
from .http_request import from_options
from .identity import Identity
from .probe import Result, Target, probe
from .proxy import parse as parse_proxy
from .text import printable, printable_values, without_secrets
from .trust import Trust

EXCERPT = 2000
_MAXIMUM_NAMES = 500


def run(options: Mapping[str, Any]) -> Dict[str, Any]:
    """Do what the options ask; return the module's result without `changed`.

    Errors in options that say nothing about a connection (InputError) are raised; what is wrong with a store, a key
    or a passphrase is a diagnosis, as it is one of the reasons for which handshakes fail.
    """
    host = options["host"]
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    target = Target(
        host=host,
        port=options["port"],
        server_name=options["server_name"] or host,
        timeout=options["timeout"],
        proxy=None if options["proxy"] is None else parse_proxy(options["proxy"]),
    )
    request = None if options["request"] is None else from_options(options["request"])
    target.validate()
    secrets: Tuple[str, ...] = () if target.proxy is None else target.proxy.secrets
    if request is not None:
        request.validate()
        secrets += request.secrets
    try:
        client = _identity(options["keystore"], options["pem"])
        anchors = _trust(options["truststore"])
        revoked = _revoked(options["crl_path"])
    except HandshakeError as error:
        result = Result(diagnosis(error.code, str(error)))
    else:
        result = probe(target, client, anchors, request, revoked)
    return _report(result, secrets)


class _Coded:
    """Turns errors about given material into HandshakeErrors with a code per kind of error."""

    def __init__(self, option: str, unreadable: str, passphrase: str) -> None:
        self._option = option
        self._unreadable = unreadable
        self._passphrase = passphrase

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: Optional[BaseException], _traceback: object) -> None:
        if not isinstance(error, Error) or isinstance(error, HandshakeError):
            return
        text = str(error)
        if not text.startswith(self._option):
            text = "{0}: {1}".format(self._option, text)
        code = "entry_not_found"
        if isinstance(error, DiskError):
            code = "file_unreadable"
        elif isinstance(error, PassphraseError):
            code = self._passphrase
        elif isinstance(error, (FormatError, UnsupportedError)):
            code = self._unreadable
        raise HandshakeError(code, text) from error


def _store(option: str, given: Mapping[str, Any]) -> Store:
    data = source.read(given["path"], option)
    if given["passphrase"] is None:
        raise PassphraseError("{0}.passphrase: is needed to open {1}".format(option, given["path"]))
    codec = keystore_format.codec(given["format"])
    try:
        return codec.decode(data, given["passphrase"], given.get("key_passphrase"))
    except FormatError as error:
        raise FormatError(
            "{0}: {1} cannot be read as {2}: {3}".format(option, given["path"], given["format"], error)
        ) from error


def _identity(keystore: Optional[Mapping[str, Any]], pem: Optional[Mapping[str, Any]]) -> Optional[Identity]:
    if keystore is not None:
        with _Coded("keystore", "store_unreadable", "store_passphrase_wrong"):
            return identity.from_store(_store("keystore", keystore), keystore["friendly_name"], keystore["path"])
    if pem is None:
        return None
    with _Coded("pem.privatekey_path", "pem_unreadable", "key_passphrase_wrong"):
        key = source.read(pem["privatekey_path"], "pem.privatekey_path")
        private_key.load(key, pem["privatekey_passphrase"])
    with _Coded("pem.certificate_path", "pem_unreadable", "key_passphrase_wrong"):
        certificates = source.read(pem["certificate_path"], "pem.certificate_path")
        return identity.from_pem(key, pem["privatekey_passphrase"], certificates, pem["certificate_path"])


def _trust(truststore: Optional[Mapping[str, Any]]) -> Trust:
    with _Coded("truststore", "store_unreadable", "store_passphrase_wrong"):
        if truststore is None or truststore["format"] == "system":
            return trust.from_system()
        if truststore["path"] is None:
            raise InputError("truststore.path: is needed for format {0}".format(truststore["format"]))
        if truststore["format"] == "pem":
            return trust.from_pem(source.read(truststore["path"], "truststore.path"), truststore["path"])
        return trust.from_store(_store("truststore", truststore), truststore["path"])


def _revoked(path: Optional[str]) -> Sequence[x509.CertificateRevocationList]:
    if path is None:
        return ()
    with _Coded("crl_path", "crl_unreadable", "crl_unreadable"):
        return revocation.load(source.read(path, "crl_path"), path)


def _report(result: Result, secrets: Sequence[str]) -> Dict[str, Any]:
    """Return the result as plain values; whatever the server had a hand in is made printable, and free of secrets."""
    answer = result.answer
    report: Dict[str, Any] = {
        "ok": result.ok,
        "diagnosis": asdict(result.diagnosis),
        "notes": [asdict(note) for note in result.notes],
        "address": result.address,
        "protocol": result.protocol,
        "cipher": result.cipher,
        "server_certificates": [certificate.summary(cert) for cert in result.server_chain],
        "accepted_ca_names": list(result.accepted_ca_names[:_MAXIMUM_NAMES]),
        "client_certificate_requested": result.client_certificate_requested,
        "client_certificate_sent": result.client_certificate_sent,
        "status": None if answer is None else answer.status,
        "headers": {} if answer is None else _headers(answer.headers, secrets),
        "body": "" if answer is None else _excerpt(answer.body, secrets),
    }
    shown: Dict[str, Any] = printable_values(report, limit=EXCERPT + 1)
    for holder in (shown["diagnosis"], *shown["diagnosis"]["causes"], *shown["notes"]):
        holder["message"] = without_secrets(holder["message"], secrets)
    return shown


def _headers(headers: Sequence[Tuple[str, str]], secrets: Sequence[str]) -> Dict[str, str]:
    found: Dict[str, str] = {}
    for name, value in headers[:100]:
        key = name.lower()
        found[key] = found[key] + ", " + value if key in found else value
    return {key: without_secrets(value, secrets)[:EXCERPT] for key, value in found.items()}


def _excerpt(body: bytes, secrets: Sequence[str]) -> str:
    # Masked before it is cut, so that no part of a secret is left at the end.
    return printable(without_secrets(body.decode("utf-8", "replace"), secrets), EXCERPT)
