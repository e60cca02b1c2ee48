# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen to what it means, for what servers rarely do as well."""

from __future__ import annotations

import functools
import ssl
from typing import Any, Dict, List, Optional

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.plugins.module_utils.errors import HandshakeError
from ansible_collections.mutual.tls.plugins.module_utils.handshake import client_causes, codes, diagnosis
from ansible_collections.mutual.tls.plugins.module_utils.handshake.client_causes import Client
from ansible_collections.mutual.tls.plugins.module_utils.handshake.diagnosis import Facts, TlsError
from ansible_collections.mutual.tls.plugins.module_utils.handshake.http_request import Answer, Request
from ansible_collections.mutual.tls.plugins.module_utils.handshake.identity import Identity
from ansible_collections.mutual.tls.plugins.module_utils.handshake.messages import CertificateRequest
from ansible_collections.mutual.tls.plugins.module_utils.handshake.trust import Trust
from tests.unit import material
from tests.unit.material import DAY, NOW


@functools.cache
def _root() -> material.Identity:
    return material.authority("Corp Root")


@functools.cache
def _issuing() -> material.Identity:
    return material.authority("Corp Issuing", _root(), not_after=NOW + 5 * DAY)


def _identity(leaf: material.Identity, *chain: material.Identity) -> Identity:
    return Identity(leaf.key, leaf.certificate, tuple(one.certificate for one in chain), "client.pem")


@functools.cache
def _good() -> Identity:
    return _identity(material.client("good", _root()))


def _facts(**more: Any) -> Facts:
    return Facts("api.example", 8443, "api.example", Trust((_root().certificate,), "trust.pem"), NOW, **more)


SENT: Dict[str, Any] = {"requested": True, "sent": 1}
NOT_SENT: Dict[str, Any] = {"requested": True, "sent": 0}
NOT_ASKED: Dict[str, Any] = {"requested": False, "sent": 0}
UNKNOWN: Dict[str, Any] = {"requested": None, "sent": None}

# Alert number, what is known about the client certificate, whether there is one, expected code.
ALERTS = [
    (48, SENT, True, "rejected_unknown_ca"),
    (45, SENT, True, "rejected_expired"),
    (44, SENT, True, "rejected_revoked"),
    (42, SENT, True, "rejected_bad_certificate"),
    (43, SENT, True, "rejected_unsupported_certificate"),
    (46, SENT, True, "rejected_by_server"),
    (40, SENT, True, "rejected_by_server"),
    (49, SENT, True, "rejected_by_server"),
    (51, SENT, True, "rejected_by_server"),
    (80, SENT, True, "rejected_by_server"),
    (70, SENT, True, "protocol_mismatch"),
    (40, NOT_SENT, True, "client_certificate_missing"),
    (40, NOT_SENT, False, "client_certificate_missing"),
    (42, NOT_SENT, False, "client_certificate_missing"),
    (116, NOT_SENT, False, "client_certificate_missing"),
    (40, NOT_ASKED, True, "protocol_mismatch"),
    (71, NOT_ASKED, False, "protocol_mismatch"),
    (120, NOT_ASKED, False, "protocol_mismatch"),
    (80, NOT_ASKED, False, "tls_failed"),
    (112, NOT_ASKED, True, "server_name_unknown"),
    (48, UNKNOWN, True, "rejected_unknown_ca"),
    (116, UNKNOWN, False, "client_certificate_missing"),
    (40, UNKNOWN, False, "protocol_mismatch"),
]


@pytest.mark.parametrize(("alert", "seen", "has_one", "code"), ALERTS, ids=range(len(ALERTS)))
def test_alerts(alert: int, seen: Dict[str, Any], has_one: bool, code: str) -> None:
    found = diagnosis.diagnose(_facts(alert=alert, identity=_good() if has_one else None, **seen))
    assert found.code == code
    assert "api.example port 8443" in found.message
    assert found.remedy == codes.REMEDIES[code] != ""


ENDINGS = [
    ({"failure": HandshakeError("timed_out", "timed out")}, "timed_out"),
    ({"failure": HandshakeError("timed_out", "timed out"), "alert": 45, "identity": True, **SENT}, "rejected_expired"),
    ({"tls_error": TlsError("UNSUPPORTED_PROTOCOL"), "first": b"\x16\x03\x03"}, "protocol_mismatch"),
    ({"tls_error": TlsError("DH_KEY_TOO_SMALL"), "first": b"\x16\x03\x03"}, "protocol_mismatch"),
    ({"tls_error": TlsError("BAD_EXTENSION"), "first": b"\x16\x03\x03"}, "tls_failed"),
    ({"tls_error": TlsError.of(ssl.SSLEOFError()), "first": b"\x16\x03\x03"}, "connection_closed"),
    ({"tls_error": TlsError.of(ssl.SSLZeroReturnError()), "identity": True, **SENT}, "rejected_by_server"),
    ({"tls_error": TlsError.of(ssl.SSLEOFError()), "was_reset": True, **NOT_SENT}, "client_certificate_missing"),
    ({"was_reset": True, "established": True, "identity": True, **SENT}, "rejected_by_server"),
    ({"was_reset": True, "established": True, "identity": True, **NOT_ASKED}, "connection_closed"),
    ({"http_request": Request(), "established": True}, "connection_closed"),
    (
        {"tls_error": TlsError("CERTIFICATE_VERIFY_FAILED", 79, "invalid CA certificate")},
        "server_certificate_unsuitable",
    ),
    ({"tls_error": TlsError("CERTIFICATE_VERIFY_FAILED", 20, "unable")}, "server_certificate_untrusted"),
    ({"tls_error": TlsError("CERTIFICATE_VERIFY_FAILED", 9, "early")}, "server_certificate_expired"),
    ({"tls_error": TlsError("CERTIFICATE_VERIFY_FAILED", 64, "IP")}, "server_certificate_wrong_name"),
    ({"established": True, "protocol": "TLSv1.3", "cipher": "x"}, "ok"),
]


@pytest.mark.parametrize(("seen", "code"), ENDINGS, ids=range(len(ENDINGS)))
def test_endings(seen: Dict[str, Any], code: str) -> None:
    given = dict(seen)
    if given.pop("identity", False):
        given["identity"] = _good()
    found = diagnosis.diagnose(_facts(**given))
    assert found.code == code
    assert found.ok is (code == "ok")


# Status, headers, body, expected code; a certificate was asked for and sent.
ANSWERS = [
    (200, {}, b"", "ok"),
    (400, {}, b"<title>400 The SSL certificate error</title>", "rejected_by_server"),
    (400, {}, b"<title>400 No required SSL certificate was sent</title>", "client_certificate_missing"),
    (403, {}, b"No required SSL certificate was sent", "client_certificate_missing"),
    (495, {}, b"", "rejected_by_server"),
    (496, {}, b"", "client_certificate_missing"),
    (400, {}, b"other", "http_status_unexpected"),
    (401, {"WWW-Authenticate": "Bearer realm=x"}, b"", "http_unauthorized"),
    (403, {}, b"", "http_forbidden"),
    (500, {}, b"", "http_status_unexpected"),
    (301, {"location": "https://x\x1b.example/"}, b"", "http_status_unexpected"),
]


@pytest.mark.parametrize(("status", "headers", "body", "code"), ANSWERS, ids=range(len(ANSWERS)))
def test_answers(status: int, headers: Dict[str, str], body: bytes, code: str) -> None:
    answer = Answer(status, "Why\x07", tuple(headers.items()), body)
    found = diagnosis.diagnose(
        _facts(http_request=Request(), answer=answer, identity=_good(), established=True, **SENT)
    )
    assert found.code == code
    assert str(status) in found.message and found.message.isprintable()


@pytest.mark.parametrize(("seen", "has_one", "causes"), [
    (NOT_ASKED, True, ["certificate_not_asked"]),
    (NOT_ASKED, False, []),
    (NOT_SENT, False, ["certificate_not_sent"]),
    (SENT, True, []),
])  # fmt: skip
def test_forbidden_because_the_certificate_was_not_seen(seen: Dict[str, Any], has_one: bool, causes: List[str]) -> None:
    facts = _facts(
        http_request=Request(), answer=Answer(403, "", (), b""), identity=_good() if has_one else None, **seen
    )
    assert [cause.code for cause in diagnosis.diagnose(facts).causes] == causes


def test_the_cause_that_fits_the_alert_comes_first() -> None:
    expired_server = material.client(
        "both", _root(), not_before=NOW - 9 * DAY, not_after=NOW - DAY, purposes=[ExtendedKeyUsageOID.SERVER_AUTH]
    )
    both = _identity(expired_server)
    by_alert = {
        alert: [cause.code for cause in diagnosis.diagnose(_facts(alert=alert, identity=both, **SENT)).causes]
        for alert in (43, 45, 46)
    }
    assert by_alert[43] == ["certificate_usage", "certificate_expired"]
    assert by_alert[45] == by_alert[46] == ["certificate_expired", "certificate_usage"]


def _name(identity: material.Identity) -> bytes:
    return identity.certificate.subject.public_bytes()


def _causes(identity: Identity, authorities: Optional[List[bytes]] = None) -> List[str]:
    request = None if authorities is None else CertificateRequest(tuple(authorities), (), ())
    return [cause.code for cause in client_causes.find(Client(identity, request, (), NOW))]


def test_issuer_and_chain() -> None:
    leaf = material.client("leaf", _issuing())
    stranger = material.authority("Other Root")
    assert _causes(_identity(leaf)) == []
    assert _causes(_identity(leaf), []) == []
    assert _causes(_identity(leaf), [_name(_issuing())]) == []
    assert _causes(_identity(leaf), [_name(_root())]) == ["issuer_not_accepted", "chain_incomplete"]
    assert _causes(_identity(leaf, _issuing()), [_name(_root())]) == []
    assert _causes(_identity(leaf, _issuing()), [_name(stranger), b"garbage"]) == ["issuer_not_accepted"]
    assert _causes(_identity(leaf, stranger)) == ["chain_incomplete"]
    assert _causes(_identity(leaf, material.authority("Corp Issuing", _root()))) == ["chain_incomplete"]


def test_chain_dates() -> None:
    old = material.authority("Old", _root(), not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    assert _causes(_identity(material.client("leaf", old), old)) == ["chain_certificate_expired"]


def test_usage_and_strength() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    assert _causes(_identity(material.client("weak", _root(), weak))) == ["key_weak"]
    assert _causes(_identity(material.authority("ca", _root()))) == ["certificate_is_ca"]
    assert _causes(_identity(material.client("x", _root(), usages=("key_encipherment",)))) == ["certificate_usage"]


def test_every_code_has_a_remedy_and_is_documented(repository: Any) -> None:
    text = (repository / "plugins/modules/handshake.py").read_text(encoding="utf-8")
    returned = text[text.index('RETURN = r"""') :]
    assert [code for code in codes.REMEDIES if "V({0})".format(code) not in returned] == []
