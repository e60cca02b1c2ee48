# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option `verify` of a credential, from what the inventory says to a checked value. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple
from urllib.parse import SplitResult, urlsplit

from ..errors import InputError
from ..handshake import proxy
from ..handshake.http_request import Request, from_options
from ..handshake.probe import Target
from .verify import Verify

DEFAULTS: Dict[str, Any] = {
    "method": "GET",
    "headers": None,
    "body": None,
    "basic_auth": None,
    "status": (200,),
    "user": None,
    "proxy": None,
    "timeout": 10,
    "retries": 2,
    "authorities": None,
}
LONGEST_TIMEOUT = 600
MOST_RETRIES = 8

_OURS = ("connection", "content-length", "transfer-encoding")


def read(options: Mapping[str, Any], authorities: Sequence[str]) -> Verify:
    """The value behind the options (plain values; None stands for an option that is not given).

    `authorities` are the credential's own: those that count where none are given here. Raises InputError naming
    `verify.<option>`, with nothing of what may be secret, for what is missing, unknown, of another type, or nonsense.
    """
    given = _given(options)
    url = _url(given["url"])
    request = _request(given, url)
    user = _optional_text(given, "user")
    if user is not None and not re.fullmatch(r"[^\s:/\x00-\x1f\x7f]{1,256}", user):
        raise InputError("verify.user: not a user's name")
    timeout = _number(given, "timeout")
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise InputError("verify.timeout: must be above 0 and at most {0} seconds".format(LONGEST_TIMEOUT))
    retries = given["retries"]
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= MOST_RETRIES:
        raise InputError("verify.retries: must be a whole number from 0 to {0}".format(MOST_RETRIES))
    verify = Verify(
        host=url.hostname or "",
        port=443 if url.port is None else url.port,
        path=request.path,
        method=request.method,
        headers=request.headers,
        body=request.body,
        username=request.user,
        password=request.password,
        status=request.status,
        user=user,
        proxy=_proxy(given),
        timeout=timeout,
        retries=retries,
        authorities=_authorities(given, authorities),
    )
    _check_place(verify)
    return verify


def _given(options: Mapping[str, Any]) -> Dict[str, Any]:
    if not isinstance(options, Mapping):
        raise InputError("verify: must be a map of options, such as {url: https://api.example/ping}")
    known = ("url", *DEFAULTS)
    for name in options:
        if name not in known:
            raise InputError("verify.{0}: there is no such option; known are {1}".format(name, ", ".join(known)))
    if options.get("url") is None:
        raise InputError("verify.url: is missing; give the URL to ask, such as https://api.example:8444/ping")
    return {**DEFAULTS, **{name: value for name, value in options.items() if value is not None}}


def _url(value: Any) -> SplitResult:
    """Never repeats the URL: there may be a password in it, where none belongs."""
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise InputError(
            "verify.url: must be text without spaces and non-ASCII letters (percent-encode them; xn-- in host names)"
        )
    try:
        url = urlsplit(value)
        named = url.hostname, url.port
    except ValueError:
        raise InputError("verify.url: not a URL; write https://host:port/path") from None
    if url.scheme != "https":
        raise InputError("verify.url: must begin with https://, because a client certificate is a part of TLS")
    if not named[0]:
        raise InputError("verify.url: names no host; write https://host:port/path")
    if "@" in url.netloc:
        raise InputError("verify.url: holds a user name; give it, and the password, in verify.basic_auth")
    if "#" in value:
        raise InputError("verify.url: ends in a fragment (#...), which is never sent; remove it")
    return url


def _request(given: Mapping[str, Any], url: SplitResult) -> Request:
    path = (url.path or "/") + ("?" + url.query if url.query else "")
    _check_headers(given)
    _check_body(given["body"])
    _check_basic_auth(given)
    _check_status(given["status"])
    if not isinstance(given["method"], str):
        raise InputError("verify.method: must be text, such as GET")
    try:
        request = from_options({**given, "path": path})
    except (TypeError, ValueError):
        raise InputError("verify.body: holds something that neither JSON nor UTF-8 text has; quote it") from None
    request.validate("verify")
    return request


def _check_headers(given: Mapping[str, Any]) -> None:
    headers = given["headers"]
    if headers is None:
        return
    if not isinstance(headers, Mapping):
        raise InputError("verify.headers: must be a map of names to values")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, (str, int, float)):
            raise InputError("verify.headers: names are text, and values text or numbers; look at {0!r}".format(name))
        if name.lower() in _OURS:
            raise InputError("verify.headers: {0} is set as the request needs it; remove it".format(name))
        if name.lower() == "authorization" and given["basic_auth"] is not None:
            raise InputError("verify.basic_auth: there is an Authorization in verify.headers, too; remove one of them")


def _check_body(body: Any) -> None:
    if body is not None and not isinstance(body, (str, dict, list)):
        raise InputError("verify.body: must be text, or a map or list, which is sent as JSON; quote it")


def _check_basic_auth(given: Mapping[str, Any]) -> None:
    basic = given["basic_auth"]
    if basic is None:
        return
    if (
        not isinstance(basic, Mapping)
        or set(basic) != {"username", "password"}
        or not all(isinstance(value, str) for value in basic.values())
    ):
        raise InputError("verify.basic_auth: must be a map with username and password, both text; quote them")


def _check_status(status: Any) -> None:
    if (
        not isinstance(status, (list, tuple))
        or not status
        or not all(isinstance(value, int) and 200 <= value <= 599 for value in status)
    ):
        raise InputError("verify.status: must be a list of HTTP status values from 200 to 599, such as [200, 204]")


def _number(given: Mapping[str, Any], option: str) -> float:
    value = given[option]
    if type(value) not in (int, float):
        raise InputError("verify.{0}: must be a number of seconds, without a unit".format(option))
    return float(value)


def _optional_text(given: Mapping[str, Any], option: str) -> Optional[str]:
    value = given[option]
    if value is not None and not isinstance(value, str):
        raise InputError("verify.{0}: must be text; quote it".format(option))
    return value


def _proxy(given: Mapping[str, Any]) -> Optional[str]:
    url = _optional_text(given, "proxy")
    if url is not None:
        parsed_proxy(url)
    return url


def parsed_proxy(url: str) -> proxy.Proxy:
    """The proxy that verify.proxy names; InputError that never repeats the URL."""
    try:
        return proxy.parse(url)
    except InputError as error:
        raise InputError("verify.{0}".format(error)) from None


def _authorities(given: Mapping[str, Any], others: Sequence[str]) -> Tuple[str, ...]:
    names = others if given["authorities"] is None else given["authorities"]
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name for name in names):
        raise InputError("verify.authorities: must be a list of names of authorities")
    if not names:
        raise InputError(
            "verify.authorities: the server's certificate is always verified; name the authorities that may have "
            "signed it, here or for the credential, [system] for public CAs"
        )
    return tuple(dict.fromkeys(names))


def _check_place(verify: Verify) -> None:
    try:
        Target(verify.host, verify.port, verify.host, verify.timeout).validate()
    except InputError as error:
        raise InputError("verify.url: {0}".format(error)) from None
