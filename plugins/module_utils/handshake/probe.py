# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One conversation with a server, from the name to the answer, and what came of it."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Dict, List, Optional, Sequence, Tuple

from .. import certificate
from ..errors import Error, HandshakeError, InputError
from ..imports import x509
from . import alerts, authority_name, context, proxy
from .codes import Cause, Diagnosis
from .connect import Connection, open_connection
from .deadline import Deadline
from .diagnosis import Facts, TlsError, diagnose, notes
from .http_request import Answer, Request, read_answer
from .identity import Identity
from .messages import CertificateRequest
from .observer import Observer, chain_of
from .proxy import Proxy
from .session import Session
from .trust import Trust

_NAME = re.compile(r"(?=.{1,254}\Z)[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*\.?")


@dataclass(frozen=True)
class Target:
    """Where to go: `server_name` is what the server's certificate must be for, `timeout` in seconds is for all."""

    host: str
    port: int
    server_name: str
    timeout: float = 10.0
    proxy: Optional[Proxy] = None

    def validate(self) -> None:
        """InputError when a part cannot be what it is for."""
        for option, value in (("host", self.host), ("server_name", self.server_name)):
            if not (_is_address(value) or _NAME.fullmatch(value)):
                raise InputError("{0}: neither a host name (ASCII; xn-- for others) nor an IP address".format(option))
        if not 1 <= self.port <= 65535:
            raise InputError("port: must be between 1 and 65535, not {0}".format(self.port))
        if not 0 < self.timeout <= 3600:
            raise InputError("timeout: must be above 0 and at most 3600 seconds, not {0}".format(self.timeout))


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class Result:
    """What came of a probe. Values from the server are as it sent them: `report` makes them fit to be shown."""

    diagnosis: Diagnosis
    notes: Tuple[Cause, ...] = ()
    address: Optional[str] = None
    protocol: Optional[str] = None
    cipher: Optional[str] = None
    server_chain: Tuple[x509.Certificate, ...] = ()
    accepted_ca_names: Tuple[str, ...] = ()
    client_certificate_requested: Optional[bool] = None
    client_certificate_sent: Optional[bool] = None
    answer: Optional[Answer] = None

    @property
    def ok(self) -> bool:
        """Say whether nothing was found wrong."""
        return self.diagnosis.ok


def probe(
    target: Target,
    identity: Optional[Identity],
    trust: Trust,
    request: Optional[Request] = None,
    revoked: Sequence[x509.CertificateRevocationList] = (),
    now: Optional[datetime] = None,
) -> Result:
    """Connect, shake hands, ask if there is something to ask, and say what happened.

    A request is sent only to a server whose certificate was verified. `now` (aware) is the time that dates are
    compared with. InputError when target or request are malformed, UnsupportedError where a client key cannot be
    used on this host; whatever the network or the server does is a diagnosis.
    """
    target.validate()
    if request is not None:
        request.validate()
    facts = Facts(
        target.host,
        target.port,
        target.server_name,
        trust,
        now or datetime.now(timezone.utc),
        identity,
        tuple(revoked),
        request,
        proxy_variable=proxy.named_in_environment(),
        through_proxy=target.proxy is not None,
    )
    conversation = _Conversation(target)
    try:
        conversation.run(context.build(identity, trust, request is not None), request)
    except HandshakeError as error:
        facts = replace(facts, failure=error)
    except ssl.SSLError as error:
        facts = replace(facts, tls_error=TlsError.of(error))
    finally:
        conversation.close()
    return _result(conversation.complete(facts), conversation)


class _Conversation:
    """Holds what was reached, whichever step fails."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.connection: Optional[Connection] = None
        self.observer = Observer()
        self._session: Optional[Session] = None
        self._answer: Optional[Answer] = None

    def run(self, tls: ssl.SSLContext, request: Optional[Request]) -> None:
        target = self._target
        deadline = Deadline(target.timeout)
        if target.proxy is None:
            self.connection = open_connection(target.host, target.port, deadline, "server")
        else:
            self.connection = open_connection(target.proxy.host, target.proxy.port, deadline, "proxy")
            proxy.open_tunnel(self.connection, target.proxy, target.host, target.port)
        self.observer.attach(tls)
        session = self._session = Session(self.connection, tls, target.server_name, self.observer)
        session.handshake()
        if request is not None:
            deadline.stage = "waiting for the server's HTTP answer"
            session.write(request.encode(target.host, target.port))
            self._answer = read_answer(session, request)
        elif session.tls.version() == "TLSv1.3":
            session.settle()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def complete(self, facts: Facts) -> Facts:
        """Return the facts with what was seen on the way."""
        if self.connection is not None:
            facts = replace(facts, first=self.connection.first, was_reset=self.connection.was_reset)
        if self._session is None:
            return facts
        tls, observer = self._session.tls, self.observer
        reason = facts.tls_error.reason if facts.tls_error is not None else None
        cipher = tls.cipher()
        return replace(
            facts,
            established=self._session.established,
            protocol=tls.version() if self._session.established else None,
            cipher=cipher[0] if cipher else None,
            alert=observer.alert_received if observer.watching else alerts.of_reason(reason),
            requested=observer.certificate_requested,
            request=_request(observer),
            sent=observer.certificates_sent,
            server_chain=_readable(chain_of(tls, observer)),
            answer=self._answer,
        )


def _request(observer: Observer) -> Optional[CertificateRequest]:
    try:
        return observer.certificate_request()
    except Error:
        return None


def _readable(chain: Tuple[bytes, ...]) -> Tuple[x509.Certificate, ...]:
    """Return the certificates of which every part can be read; what a hostile server sends besides is left out."""
    found: List[x509.Certificate] = []
    for der in chain:
        try:
            parsed = certificate.from_der(der)
            certificate.summary(parsed)
        except Error:
            continue
        found.append(parsed)
    return tuple(found)


def _result(facts: Facts, conversation: _Conversation) -> Result:
    names: Dict[str, None] = {}
    if facts.request is not None:
        names = dict.fromkeys(map(authority_name.render, facts.request.authorities))
    return Result(
        diagnosis=diagnose(facts),
        notes=tuple(notes(facts, conversation.observer.watching)),
        address=conversation.connection.address if conversation.connection is not None else None,
        protocol=facts.protocol,
        cipher=facts.cipher,
        server_chain=facts.server_chain,
        accepted_ca_names=tuple(names),
        client_certificate_requested=facts.requested,
        client_certificate_sent=None if facts.sent is None else facts.sent > 0,
        answer=facts.answer,
    )
