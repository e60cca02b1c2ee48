# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP/1.1 request and its answer (RFC 9112), bounded, never following a redirect."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import re
from dataclasses import dataclass, field
from typing import Any, List, Mapping, Optional, Tuple
from urllib.parse import parse_qsl

from ..errors import HandshakeError, InputError
from .basic_auth import credentials
from .confidential import texts_of
from .session import Session
from .text import one_line, without_secrets

MAXIMUM_BODY = 64 * 1024
_MAXIMUM_RECEIVED = 1024 * 1024
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONFIDENTIAL = re.compile(r"auth|cookie|token|secret|key|password|credential|session|signature", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """What to ask and which status values are expected; `body` is sent as it is."""

    method: str = "GET"
    path: str = "/"
    headers: Tuple[Tuple[str, str], ...] = field(default=(), repr=False)
    body: Optional[bytes] = field(default=None, repr=False)
    user: Optional[str] = None
    password: Optional[str] = field(default=None, repr=False)
    status: Tuple[int, ...] = (200,)

    @property
    def secrets(self) -> Tuple[str, ...]:
        """Return what a server could echo and must not be shown."""
        found: List[str] = []
        if self.user is not None:
            found += [self.password or "", credentials(self.user, self.password or "")]
        for name, value in self.headers:
            if _CONFIDENTIAL.search(name):
                found += [value, value.split(" ", 1)[-1]]
        found += _confidential_parameters(self.path.partition("?")[2])
        if self.body is not None:
            found += texts_of(self.body)
        return tuple(secret for secret in found if secret)

    def validate(self, option: str = "request") -> None:
        """InputError, naming the part below `option`, when it would break the request's form."""
        if not _TOKEN.fullmatch(self.method):
            raise InputError("{0}.method: not a method: {1}".format(option, one_line(self.method, 40)))
        if not re.fullmatch(r"[\x21-\x7e]+", self.path) or not self.path.startswith("/"):
            raise InputError(
                "{0}.path: must begin with / and hold no spaces or non-ASCII letters (percent-encode them)".format(
                    option
                )
            )
        for name, value in self.headers:
            if not _TOKEN.fullmatch(name):
                raise InputError("{0}.headers: not a header name: {1}".format(option, one_line(name, 80)))
            if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value):
                raise InputError(
                    "{0}.headers: the value of {1} holds a line break or a letter outside Latin-1".format(option, name)
                )
        if self.user is not None and (
            ":" in self.user or re.search(r"[\x00-\x1f\x7f]", self.user + (self.password or ""))
        ):
            raise InputError(
                "{0}.basic_auth: a user name holds no colon, and neither it nor the password control characters".format(
                    option
                )
            )

    def encode(self, host: str, port: int) -> bytes:
        """Return the request's bytes; Host, Connection, Content-Length and Authorization come from us if not given."""
        given = {name.lower() for name, _value in self.headers}
        shown = "[{0}]".format(host) if ":" in host else host
        headers = [
            ("Host", shown if port == 443 else "{0}:{1}".format(shown, port)),
            ("User-Agent", "mutual.tls"),
            ("Accept", "*/*"),
            ("Connection", "close"),
        ]
        if self.user is not None:
            headers.append(("Authorization", "Basic " + credentials(self.user, self.password or "")))
        if self.body is not None or self.method in ("POST", "PUT", "PATCH"):
            headers.append(("Content-Length", str(len(self.body or b""))))
        lines = ["{0} {1} HTTP/1.1".format(self.method, self.path)]
        lines += ["{0}: {1}".format(*pair) for pair in headers if pair[0].lower() not in given]
        lines += ["{0}: {1}".format(*pair) for pair in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (self.body or b"")


def from_options(given: Mapping[str, Any]) -> Request:
    """Make a request of the options `method`, `path`, `headers`, `body`, `basic_auth` and `status`.

    A map or list as body is sent as JSON. ValueError or TypeError for a body that is neither JSON nor text.
    """
    headers = [(str(name), _header(value)) for name, value in (given["headers"] or {}).items()]
    body = given["body"]
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        if not any(name.lower() == "content-type" for name, _value in headers):
            headers.append(("Content-Type", "application/json"))
    basic = given["basic_auth"] or {}
    return Request(
        method=given["method"].upper(),
        path=given["path"],
        headers=tuple(headers),
        body=None if body is None else str(body).encode("utf-8"),
        user=basic.get("username"),
        password=basic.get("password"),
        status=tuple(given["status"]),
    )


def _header(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _confidential_parameters(query: str) -> List[str]:
    """The values of a query that a server which redirects would repeat, and that nobody else may see."""
    try:
        return [value for name, value in parse_qsl(query) if _CONFIDENTIAL.search(name)]
    except ValueError:
        # More pairs than Python reads.
        return [query]


@dataclass(frozen=True)
class Answer:
    """A server's answer: `body` holds at most MAXIMUM_BODY bytes of it."""

    status: int
    reason: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header's value, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class _Stream(io.RawIOBase):
    """Application data as a raw stream with a bound."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._left = _MAXIMUM_RECEIVED
        self.received = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise HandshakeError(
                "not_http",
                "the server's answer has more than {0} bytes of headers or body framing".format(_MAXIMUM_RECEIVED),
            )
        data = self._session.read(min(len(buffer), self._left))
        self.received = self.received or bool(data)
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


class _Socket:
    """As much of a socket as http.client.HTTPResponse uses."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._stream)


def read_answer(session: Session, request: Request) -> Optional[Answer]:
    """Read the answer to a request; None when the server hung up without any.

    Its head is free of the request's secrets: messages quote parts of it, and a part of a secret is not found there.

    HandshakeError: not_http, timed_out; ssl.SSLError as the session raises it.
    """
    stream, secrets = _Stream(session), request.secrets
    with contextlib.closing(http.client.HTTPResponse(_Socket(stream), method=request.method)) as response:  # type: ignore[arg-type]
        try:
            response.begin()
        except http.client.RemoteDisconnected:
            return None
        except (http.client.HTTPException, ValueError) as error:
            if not stream.received:
                return None
            raise _malformed("the server's answer is not HTTP", error, secrets) from error
        try:
            body = response.read(MAXIMUM_BODY)
        except http.client.IncompleteRead as error:
            body = error.partial[:MAXIMUM_BODY]
        except (http.client.HTTPException, ValueError) as error:
            raise _malformed("the body of the server's answer is malformed", error, secrets) from error
        headers = tuple((name, without_secrets(value, secrets)) for name, value in response.getheaders())
        return Answer(response.status, one_line(without_secrets(response.reason, secrets)), headers, body)


def _malformed(what: str, error: Exception, secrets: Tuple[str, ...]) -> HandshakeError:
    said = without_secrets(str(error) or type(error).__name__, secrets)
    return HandshakeError("not_http", "{0}: {1}".format(what, one_line(said, 120)))
