# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS messages of a peer, well-formed, truncated, lengthened and random."""

from __future__ import annotations

from typing import Any, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError
from ansible_collections.mutual.tls.plugins.module_utils.handshake import alerts, messages
from ansible_collections.mutual.tls.plugins.module_utils.handshake.observer import Observer

TLS_1_2, TLS_1_3 = 0x0303, 0x0304


def _vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size, "big") + data


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + _vector(3, body)


def _certificates(version: int, ders: Tuple[bytes, ...]) -> bytes:
    extensions = _vector(2, b"\x00\x05\x00\x00") if version == TLS_1_3 else b""
    entries = _vector(3, b"".join(_vector(3, der) + extensions for der in ders))
    return _message(11, (_vector(1, b"context") if version == TLS_1_3 else b"") + entries)


def _request(version: int, names: Tuple[bytes, ...], algorithms: Tuple[int, ...]) -> bytes:
    listed = _vector(2, b"".join(_vector(2, name) for name in names))
    known = _vector(2, b"".join(one.to_bytes(2, "big") for one in algorithms))
    if version == TLS_1_2:
        return _message(13, _vector(1, b"\x01\x40") + known + listed)
    extensions = (
        b"\x00\x0d" + _vector(2, known) + b"\x12\x34" + _vector(2, b"unknown") + b"\x00\x2f" + _vector(2, listed)
    )
    return _message(13, _vector(1, b"") + _vector(2, extensions))


names = st.lists(st.binary(max_size=40), max_size=5).map(tuple)
numbers = st.lists(st.integers(0, 0xFFFF), max_size=5).map(tuple)
versions = st.sampled_from([TLS_1_2, TLS_1_3])


@given(versions, names)
def test_certificates_round_trip(version: int, ders: Tuple[bytes, ...]) -> None:
    assert messages.certificates(_certificates(version, ders), version) == ders


@given(versions, names, numbers)
def test_request_round_trip(version: int, listed: Tuple[bytes, ...], algorithms: Tuple[int, ...]) -> None:
    parsed = messages.certificate_request(_request(version, listed, algorithms), version)
    assert (parsed.authorities, parsed.signature_algorithms) == (listed, algorithms)
    assert parsed.certificate_types == ((1, 64) if version == TLS_1_2 else ())


def test_request_without_authorities() -> None:
    body = _vector(1, b"") + _vector(2, b"\x00\x0d" + _vector(2, _vector(2, b"\x04\x03")))
    assert messages.certificate_request(_message(13, body), TLS_1_3).authorities == ()


WELL_FORMED = [
    (messages.certificates, version, _certificates(version, (b"one", b"second"))) for version in (TLS_1_2, TLS_1_3)
] + [
    (messages.certificate_request, version, _request(version, (b"CN=a", b"CN=b"), (0x0403,)))
    for version in (TLS_1_2, TLS_1_3)
]


@pytest.mark.parametrize(("parse", "version", "data"), WELL_FORMED, ids=range(4))
def test_every_truncation_and_extension_is_an_error(parse: Any, version: int, data: bytes) -> None:
    parse(data, version)
    for end in range(len(data)):
        with pytest.raises(FormatError):
            parse(data[:end], version)
    with pytest.raises(FormatError):
        parse(data + b"\x00", version)


@pytest.mark.parametrize(("parse", "version", "data"), WELL_FORMED, ids=range(4))
def test_every_changed_byte_gives_a_value_or_an_error(parse: Any, version: int, data: bytes) -> None:
    for position in range(len(data)):
        for value in (0, 1, 0x7F, 0x80, 0xFF):
            try:
                parse(data[:position] + bytes([value]) + data[position + 1 :], version)
            except FormatError:
                continue


@given(st.sampled_from([messages.certificates, messages.certificate_request]), versions, st.binary(max_size=200))
def test_random_bytes_give_a_value_or_an_error(parse: Any, version: int, data: bytes) -> None:
    for candidate in (data, _message(11, data), _message(13, data)):
        try:
            parse(candidate, version)
        except FormatError:
            continue


TOO_MUCH = [
    (messages.certificates, _certificates(TLS_1_2, (b"x",) * 33)),
    (messages.certificates, _certificates(TLS_1_2, (b"x" * 300_000,))),
    (messages.certificates, _message(13, b"")),
    (
        messages.certificate_request,
        _message(13, _vector(1, b"") + _vector(2, (b"\x00\x2f" + _vector(2, b"\x00\x00")) * 2)),
    ),
]


@pytest.mark.parametrize(("parse", "data"), TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_too_much_or_twice(parse: Any, data: bytes) -> None:
    with pytest.raises(FormatError):
        parse(data, TLS_1_3 if data[0] == 13 else TLS_1_2)


def _observed(*seen: Tuple[str, int, bytes], version: int = TLS_1_3) -> Observer:
    observer = Observer()
    observer.watching = True
    for direction, kind, data in seen:
        observer._message(None, direction, version, kind, 0, data)
    return observer


def test_observer_keeps_what_matters() -> None:
    observer = _observed(
        ("read", 22, _certificates(TLS_1_3, (b"server",))),
        ("read", 22, _request(TLS_1_3, (b"CN=a",), ())),
        ("write", 22, _certificates(TLS_1_3, (b"leaf", b"ca"))),
        ("read", 22, b"\x04\x00\x00\x00"),
        ("read", 21, b"\x02\x30"),
        ("write", 21, b"\x02\x2a"),
    )
    request = observer.certificate_request()
    assert observer.server_certificates() == (b"server",)
    assert request is not None and request.authorities == (b"CN=a",)
    assert (observer.certificate_requested, observer.certificates_sent, observer.tickets) == (True, 2, 1)
    assert (observer.alert_received, observer.alert_sent) == (48, 42)


def test_observer_of_nothing() -> None:
    observer = _observed()
    assert (observer.certificate_requested, observer.certificates_sent, observer.alert_received) == (False, 0, None)
    assert observer.certificate_request() is None and observer.server_certificates() == ()
    assert (Observer().certificate_requested, Observer().certificates_sent) == (None, None)


@pytest.mark.parametrize("alert", [b"\x01\x00", b"\x02\x00", b"\x01\x5a", b"\x01\x70"])
def test_warnings_and_close_notify_are_no_reasons(alert: bytes) -> None:
    """A TLS 1.2 server warns of an unknown server name and goes on; user_canceled precedes close_notify."""
    assert _observed(("read", 21, alert), version=TLS_1_2).alert_received is None


@given(st.sampled_from(["read", "write"]), st.integers(0, 260), st.binary(max_size=50))
def test_observer_never_raises(direction: str, kind: int, data: bytes) -> None:
    observer = _observed((direction, kind, data))
    try:
        observer.server_certificates()
        observer.certificate_request()
    except FormatError:
        pass


@pytest.mark.parametrize(("reason", "number"), [
    ("TLSV1_ALERT_UNKNOWN_CA", 48),
    ("SSLV3_ALERT_CERTIFICATE_EXPIRED", 45),
    ("TLSV13_ALERT_CERTIFICATE_REQUIRED", 116),
    ("SSL/TLS_ALERT_BAD_CERTIFICATE", 42),
    ("TLSV1_ALERT_NONSENSE", None),
    ("WRONG_VERSION_NUMBER", None),
    (None, None),
])  # fmt: skip
def test_alerts_of_openssl_reasons(reason: Any, number: Any) -> None:
    assert alerts.of_reason(reason) == number
