# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that a server takes a credential: the request of `verify`, made with the credential's own files.

The server is not asked again after a word that stands, such as a rejection; what may pass by itself is tried again.
"""

from __future__ import annotations

import functools
import json
import time
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Optional, Sequence

from .. import certificate, chain, source
from ..errors import DiskError, Error, FormatError, HandshakeError, InputError, PassphraseError, UnsupportedError
from ..handshake import context, identity
from ..handshake.codes import Diagnosis, diagnosis
from ..handshake.http_request import Request
from ..handshake.identity import Identity
from ..handshake.probe import Result, Target, probe
from ..handshake.text import one_line, without_secrets
from ..handshake.trust import Trust
from ..imports import ec, ed25519, hashes
from .as_user import Account, Outcome, other_account, run_as
from .verify import Verify
from .verify_options import parsed_proxy, read

__all__ = ["FILES_UNREADABLE", "NO_RESULT", "Proof", "Verify", "prove", "read"]

FILES_UNREADABLE = "files_unreadable_by_user"
"""The code where the user that the proof is made as may not read the credential's file."""
NO_RESULT = "proof_without_result"
"""The code where the process that makes the proof as another user dies or hangs."""

_PASSING = frozenset(
    """name_not_resolved connection_refused timed_out unreachable connection_closed proxy_refused
    proxy_in_the_way""".split()
)
# Too early, too many requests, and the server itself took too long to get the request (RFC 9110, 6585, 8470).
_PASSING_STATUS = (408, 425, 429)
_LONGEST_MESSAGE = 2000
_SLACK = 2.0
"""Seconds for another process to begin and end, beside what it is for."""

# Where a remedy speaks of the options of the module handshake.
_REMEDIES = {
    "not_http": "The server speaks TLS, but its answer is not HTTP: check the port in verify.url.",
    "server_name_unknown": "The server knows no site of that name: check verify.url.",
    "server_certificate_untrusted": "If the server is the right one, add the CA that issued its certificate to "
    "verify.authorities; get it from the provider, not from the connection itself.",
    "server_certificate_wrong_name": "Use a name that the certificate holds in verify.url, or have the server's "
    "operator add this one.",
    "client_certificate_missing": "Have a certificate issued for a key of a type that the server takes.",
    "rejected_unknown_ca": "Have the certificate issued by a CA that the server accepts, or have the server's operator "
    "add the CA.",
    "rejected_bad_certificate": "Where nothing is named here, only the server's log can tell.",
    "rejected_by_server": "Where nothing is named here, only the server's log can tell.",
    "pem_unreadable": "Have the credential's files made anew; somebody else has changed this one.",
    "key_passphrase_wrong": "Check the credential's passphrase; the file was written with another one.",
}


@dataclass(frozen=True)
class Proof:
    """What a proof came to. `code` is a handshake's diagnosis, FILES_UNREADABLE or NO_RESULT.

    `message` is for people, says what to do, and holds no secret. `is_definite` is false for what may pass by itself.
    `is_asked_for`: whether the server wanted a client certificate at all; None where this Python cannot see it.
    """

    ok: bool
    code: str
    message: str
    is_definite: bool
    is_asked_for: Optional[bool] = None


def prove(verify: Verify, client_pem_path: str, key_passphrase: Optional[str], trusted: Sequence[bytes]) -> Proof:
    """Ask the server with the key and chain in one PEM file; `trusted` are the authorities' certificates (DER).

    It takes at most (retries + 1) timeouts and the pauses between them, of 1 s, 2 s, 4 s and so on; as another user
    at most 4 s more. InputError for what `verify` asks of this host in vain: a user who is unknown or whose rights
    cannot be had, malformed parts. FormatError for malformed `trusted`, UnsupportedError where this host's Python
    cannot use a client certificate.
    """
    asking = _asking(verify, client_pem_path, key_passphrase, trusted)
    account = None if verify.user is None else other_account(verify.user, "verify.user")
    try:
        own = asking.identity()
        if account is None:
            return asking.proof(own)
        # Where root fails, so does everybody.
        _rehearse(own, asking.trust)
    except HandshakeError as error:
        return asking.told(diagnosis(error.code, str(error)))
    outcome = run_as(account, functools.partial(_prove_as, account, asking), _longest(verify) + _SLACK)
    return _received(outcome, account)


@dataclass(frozen=True)
class _Asking:
    """All that is needed to ask, but for the file."""

    path: str
    passphrase: Optional[str] = field(repr=False)
    target: Target
    request: Request
    trust: Trust
    retries: int

    def identity(self) -> Identity:
        """Read the file; HandshakeError with the code for what is wrong with it."""
        try:
            data = source.read(self.path, "verify")
            return identity.from_pem(data, self.passphrase, data, self.path)
        except DiskError as error:
            raise HandshakeError("file_unreadable", str(error)) from error
        except PassphraseError as error:
            raise HandshakeError("key_passphrase_wrong", "{0}: {1}".format(self.path, error)) from error
        except (FormatError, UnsupportedError) as error:
            raise HandshakeError("pem_unreadable", "{0}: {1}".format(self.path, error)) from error

    def proof(self, own: Identity) -> Proof:
        """Ask until there is a word that stands, or enough was asked."""
        attempts = 1
        result = probe(self.target, own, self.trust, self.request)
        while not _stands(result) and attempts <= self.retries:
            time.sleep(2 ** (attempts - 1))
            attempts += 1
            result = probe(self.target, own, self.trust, self.request)
        asked = result.client_certificate_requested
        aside = "" if attempts == 1 else " (attempt {0})".format(attempts)
        if result.ok and asked is False:
            aside += "; it did not ask for a client certificate, so this one was not put to the test"
        told = self.told(result.diagnosis, aside)
        return replace(told, is_definite=_stands(result), is_asked_for=asked)

    def told(self, found: Diagnosis, aside: str = "") -> Proof:
        """The proof that came to this diagnosis."""
        proxied = () if self.target.proxy is None else self.target.proxy.secrets
        sentences = [found.message + aside]
        if found.causes:
            sentences.append("Likely: " + "; ".join(cause.message for cause in found.causes))
        sentences.append(_REMEDIES.get(found.code, found.remedy))
        message = without_secrets(". ".join(filter(None, sentences)), (*self.request.secrets, *proxied))
        return Proof(found.ok, found.code, one_line(message, _LONGEST_MESSAGE), found.code not in _PASSING)


def _asking(verify: Verify, path: str, passphrase: Optional[str], trusted: Sequence[bytes]) -> _Asking:
    if not trusted:
        raise InputError("verify.authorities: they hold no certificate, so no server's can be verified")
    proxy = None if verify.proxy is None else parsed_proxy(verify.proxy)
    target = Target(verify.host, verify.port, verify.host, verify.timeout, proxy)
    request = Request(
        method=verify.method,
        path=verify.path,
        headers=verify.headers,
        body=verify.body,
        user=verify.username,
        password=verify.password,
        status=verify.status,
    )
    target.validate()
    request.validate("verify")
    trust = Trust(
        tuple(certificate.from_der(der) for der in trusted),
        "verify.authorities ({0})".format(", ".join(verify.authorities)),
    )
    return _Asking(path, passphrase, target, request, trust, verify.retries)


def _stands(result: Result) -> bool:
    """Whether asking again in a moment would come to the same."""
    if result.diagnosis.code == "http_status_unexpected" and result.answer is not None:
        return result.answer.status < 500 and result.answer.status not in _PASSING_STATUS
    return result.diagnosis.code not in _PASSING


def _longest(verify: Verify) -> float:
    """Seconds that all attempts and the pauses between them may take."""
    return float((verify.retries + 1) * verify.timeout + 2**verify.retries - 1)


def _rehearse(own: Identity, trust: Trust) -> None:
    """Do all that imports something when it is first done: later that may be impossible."""
    context.build(own, trust, True)
    certificate.summary(own.leaf)
    chain.is_root(own.leaf)
    # Either makes one release of the library or another import what stands behind all its algorithms.
    ec.ECDSA(hashes.SHA256())
    ed25519.Ed25519PrivateKey.generate()
    # Host names pass through this codec, which Python loads at its first use.
    "localhost".encode("idna")


def _prove_as(account: Account, asking: _Asking) -> bytes:
    """In the other user's process: the proof as JSON."""
    try:
        proof = asking.proof(asking.identity())
    except HandshakeError as error:
        # Root could read it a moment ago.
        denied = error.code == "file_unreadable"
        proof = _unreadable(account, asking, error) if denied else asking.told(diagnosis(error.code, str(error)))
    except Error as error:
        proof = _without_result(account, "fails: {0}".format(error))
    return json.dumps(asdict(proof)).encode("ascii")


def _unreadable(account: Account, asking: _Asking, error: HandshakeError) -> Proof:
    refused = error.__cause__ and error.__cause__.__cause__
    message = (
        "the user {0} cannot read {1}: {2}. Set the credential's owner, group and mode so that this user can; the "
        "directories above must let it pass, too".format(
            account.name, asking.path, getattr(refused, "strerror", None) or error
        )
    )
    return Proof(False, FILES_UNREADABLE, one_line(message, _LONGEST_MESSAGE), True)


def _received(outcome: Outcome, account: Account) -> Proof:
    """What the other user's process told, whose shape is not taken for granted."""
    if outcome.problem is not None:
        return _without_result(account, outcome.problem)
    try:
        proof = Proof(**json.loads(outcome.data))
    except (ValueError, TypeError, RecursionError):
        return _without_result(account, "told nothing that can be read")
    kinds = [type(value) for value in astuple(proof)]
    if kinds[:-1] != [bool, str, str, bool] or kinds[-1] not in (bool, type(None)):
        return _without_result(account, "told something else than a proof")
    return proof


def _without_result(account: Account, how: str) -> Proof:
    message = "the process that makes the proof as the user {0} {1}".format(account.name, how)
    return Proof(False, NO_RESULT, one_line(message, _LONGEST_MESSAGE), False)
