# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen to what it means. Pure: no network, no clock, no files."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Dict, List, Optional, Tuple

from ..errors import HandshakeError
from ..imports import x509
from . import alerts, client_causes, server_causes
from .client_causes import Client
from .codes import Cause, Diagnosis, diagnosis
from .http_diagnosis import explain_answer
from .http_request import Answer, Request
from .identity import Identity
from .messages import CertificateRequest
from .text import one_line
from .trust import Trust

_BY_ALERT: Dict[int, str] = {
    alerts.UNKNOWN_CA: "rejected_unknown_ca",
    alerts.CERTIFICATE_EXPIRED: "rejected_expired",
    alerts.CERTIFICATE_REVOKED: "rejected_revoked",
    alerts.BAD_CERTIFICATE: "rejected_bad_certificate",
    alerts.UNSUPPORTED_CERTIFICATE: "rejected_unsupported_certificate",
    alerts.CERTIFICATE_REQUIRED: "client_certificate_missing",
    alerts.NO_CERTIFICATE: "client_certificate_missing",
}
_MISMATCH_ALERTS = (
    alerts.HANDSHAKE_FAILURE,
    alerts.PROTOCOL_VERSION,
    alerts.INSUFFICIENT_SECURITY,
    alerts.NO_APPLICATION_PROTOCOL,
)
_MISMATCH_REASON = re.compile(
    r"UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|VERSION_TOO_LOW|NO_CIPHERS|NO_SHARED|KEY_TOO_SMALL|LEGACY_|"
    r"UNKNOWN_CIPHER|WRONG_SSL_VERSION|SIGNATURE_TYPE|SIGALG|WRONG_CURVE|NO_SUITABLE"
)
_END = "end of the connection"
_CAUSE_OF_CODE = {
    "rejected_expired": ("certificate_expired", "chain_certificate_expired"),
    "rejected_revoked": ("certificate_revoked",),
    "rejected_unknown_ca": ("issuer_not_accepted", "issuer_not_known", "chain_incomplete"),
    "rejected_unsupported_certificate": ("certificate_usage", "certificate_is_ca", "key_weak"),
}


@dataclass(frozen=True)
class TlsError:
    """OpenSSL's error: its reason, and verification code and message where the server's certificate failed."""

    reason: str
    verify_code: int = 0
    verify_message: str = ""

    @classmethod
    def of(cls, error: ssl.SSLError) -> TlsError:
        """Take what matters out of Python's exception."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return cls(error.reason or "", error.verify_code, error.verify_message)
        if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)):
            return cls(_END)
        return cls(error.reason or type(error).__name__)


@dataclass(frozen=True)
class Facts:
    """Everything that one probe saw. `requested` and `sent` are None where this Python cannot see them."""

    host: str
    port: int
    server_name: str
    trust: Trust
    now: datetime
    identity: Optional[Identity] = None
    revoked: Tuple[x509.CertificateRevocationList, ...] = ()
    http_request: Optional[Request] = None
    failure: Optional[HandshakeError] = None
    tls_error: Optional[TlsError] = None
    alert: Optional[int] = None
    established: bool = False
    protocol: Optional[str] = None
    cipher: Optional[str] = None
    requested: Optional[bool] = None
    request: Optional[CertificateRequest] = None
    sent: Optional[int] = None
    server_chain: Tuple[x509.Certificate, ...] = ()
    first: bytes = b""
    was_reset: bool = False
    answer: Optional[Answer] = None
    proxy_variable: Optional[str] = None
    through_proxy: bool = False

    @property
    def peer(self) -> str:
        """Return the server's name and port, for messages."""
        return "{0} port {1}".format(self.host, self.port)

    @property
    def client(self) -> Optional[Client]:
        """Return what is known of the client's side, if it has a certificate."""
        return Client(self.identity, self.request, self.revoked, self.now) if self.identity is not None else None

    @property
    def server(self) -> server_causes.Server:
        """Return what is known of the server's certificate."""
        return server_causes.Server(self.server_name, self.server_chain, self.trust, self.now)


def diagnose(facts: Facts) -> Diagnosis:
    """Return the one diagnosis that explains most."""
    error = facts.tls_error
    if error is not None and error.verify_code:
        return server_causes.explain(facts.server, error.verify_code, error.verify_message)
    if facts.answer is not None and facts.http_request is not None:
        return explain_answer(facts.answer, facts.http_request, facts.peer, facts.requested, facts.sent, facts.client)
    if facts.alert is not None:
        return _alert(facts, facts.alert)
    if facts.failure is not None:
        return _failure(facts, facts.failure)
    if error is not None or facts.was_reset or facts.http_request is not None:
        return _broken(facts, error)
    return diagnosis(
        "ok",
        "{0} and this client finish the handshake ({1}, {2}); no request was made".format(
            facts.peer, facts.protocol, facts.cipher
        ),
    )


def notes(facts: Facts, watching: bool) -> List[Cause]:
    """Return what did not fail here but is worth knowing."""
    found: List[Cause] = list(facts.trust.notes)
    if facts.identity is not None:
        found.extend(facts.identity.notes)
    if not facts.established:
        return found
    found.extend(server_causes.strictness(facts.server))
    if not watching:
        found.append(
            Cause(
                "details_not_visible",
                "this host's Python does not show TLS messages: whether the server asked "
                "for a certificate, and which CAs it accepts, is not known",
            )
        )
    if facts.client is not None and facts.requested is False:
        found.append(
            Cause(
                "certificate_not_asked",
                "the server did not ask for a client certificate: it was not put to "
                "the test; providers often do that on a port or host of its own",
            )
        )
    elif facts.requested and facts.sent == 0 and diagnose(facts).ok:
        found.append(
            Cause(
                "certificate_not_sent",
                "the server asked for a client certificate and got none; some, like nginx, refuse the request only",
            )
        )
    elif facts.client is not None and diagnose(facts).ok:
        found.extend(client_causes.find(facts.client))
    return found


def _failure(facts: Facts, failure: HandshakeError) -> Diagnosis:
    causes: List[Cause] = []
    if failure.code in ("name_not_resolved", "connection_refused", "timed_out", "unreachable"):
        causes.extend(_unused_proxy(facts))
    if failure.code == "timed_out" and facts.protocol is None and not facts.first and not facts.established:
        causes.append(
            Cause("not_tls", "if the connection itself was made, the port may speak another protocol than TLS and wait")
        )
    return diagnosis(failure.code, str(failure), causes)


def _unused_proxy(facts: Facts) -> List[Cause]:
    if facts.proxy_variable is None or facts.through_proxy:
        return []
    return [
        Cause(
            "proxy_not_used",
            "this host's environment names a proxy ({0}), but the option proxy is not set".format(facts.proxy_variable),
        )
    ]


def _rejection_causes(facts: Facts, code: str) -> List[Cause]:
    if facts.client is None:
        return []
    found = client_causes.find(facts.client)
    first = _CAUSE_OF_CODE.get(code, ())
    names = facts.request.authorities if facts.request is not None else ()
    if code == "rejected_unknown_ca" and not names:
        found.extend(client_causes.unknown_ca(facts.client))
    found.sort(key=lambda cause: cause.code not in first)
    return found or [client_causes.unseen(facts.client)]


def _alert(facts: Facts, alert: int) -> Diagnosis:
    said = "{0} ends the connection with the TLS alert {1} ({2})".format(facts.peer, alerts.name(alert), alert)
    if alert == alerts.UNRECOGNIZED_NAME:
        return diagnosis("server_name_unknown", "{0}: it has no site named {1}".format(said, facts.server_name))
    if facts.requested and facts.sent == 0:
        return _nothing_sent(facts, said)
    if alert in _BY_ALERT:
        code = _BY_ALERT[alert]
        if code == "client_certificate_missing" or facts.identity is None:
            return _nothing_sent(facts, said)
        return diagnosis(code, said, _rejection_causes(facts, code))
    asked = facts.requested or (facts.requested is None and facts.established)
    if facts.identity is not None and asked and alert != alerts.PROTOCOL_VERSION:
        return diagnosis("rejected_by_server", said + ", which does not say why", _rejection_causes(facts, ""))
    if alert in _MISMATCH_ALERTS:
        return diagnosis("protocol_mismatch", said)
    return diagnosis("tls_failed", said)


def _nothing_sent(facts: Facts, said: str) -> Diagnosis:
    if facts.identity is None:
        return diagnosis("client_certificate_missing", said + "; it demands a client certificate, and none was given")
    return diagnosis(
        "client_certificate_missing",
        said + "; it demands a client certificate, and none was sent although one is given",
        [
            Cause(
                "key_type_not_accepted",
                "the key type or signature of {0} is not among those that the server accepts".format(
                    facts.identity.where
                ),
            )
        ],
    )


def _broken(facts: Facts, error: Optional[TlsError]) -> Diagnosis:
    """Explain an end without an alert: another protocol, a mismatch that the client found, or a mere hang-up."""
    if facts.first and not _is_tls(facts.first):
        return _other_protocol(facts)
    reason = "" if error is None else error.reason
    if _MISMATCH_REASON.search(reason):
        return diagnosis("protocol_mismatch", "{0}: OpenSSL on this host says {1}".format(facts.peer, one_line(reason)))
    if error is not None and reason != _END and not facts.was_reset:
        return diagnosis("tls_failed", "the TLS conversation with {0} failed: {1}".format(facts.peer, one_line(reason)))
    said = "{0} {1} {2}".format(facts.peer, "resets" if facts.was_reset else "closes", "the connection without a word")
    if facts.requested and facts.sent == 0:
        return _nothing_sent(facts, said)
    if facts.requested and facts.identity is not None:
        return diagnosis(
            "rejected_by_server", said + " after it saw the client certificate", _rejection_causes(facts, "")
        )
    stage = "after the handshake" if facts.established else "during the TLS handshake"
    return diagnosis("connection_closed", "{0} {1}".format(said, stage), _unused_proxy(facts))


def _is_tls(first: bytes) -> bool:
    """Say whether bytes look like a TLS record's header (RFC 8446 section 5.1)."""
    return 20 <= first[0] <= 24 and (len(first) < 2 or first[1] == 3)


def _other_protocol(facts: Facts) -> Diagnosis:
    text = facts.first.decode("latin-1")
    shown = one_line(text, 60)
    status = re.match(r"HTTP/1\.[01] ([1-5][0-9][0-9])", text)
    if status is None:
        return diagnosis("not_tls", "{0} does not speak TLS; it says: {1}".format(facts.peer, shown))
    if (
        status.group(1) in ("407", "511")
        or status.group(1).startswith("3")
        or re.search(r"\n(proxy-|x-squid|via:|server: *squid)", text, re.IGNORECASE)
    ):
        return diagnosis(
            "proxy_in_the_way", "{0} answers like a proxy or login page, in plain HTTP: {1}".format(facts.peer, shown)
        )
    return diagnosis("not_tls", "{0} speaks plain HTTP, not TLS; it says: {1}".format(facts.peer, shown))
