# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seal holds from its check to the first moment at which time alone would make a check find something."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import seal
from ansible_collections.mutual.tls.plugins.module_utils.converge import host as hosts
from ansible_collections.mutual.tls.plugins.module_utils.converge.material import Material
from ansible_collections.mutual.tls.plugins.module_utils.converge.need import needed_from, needs
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
from ansible_collections.mutual.tls.plugins.module_utils.imports import hashes, x509
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind, generate
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host
from ansible_collections.mutual.tls.tests.unit.module_utils.sealed import SealedHost, absent, plain, sealed_host

DAY = 86400
BEGIN = datetime(2030, 1, 1, tzinfo=timezone.utc)
INSTANT = timedelta(microseconds=1)


def set_clock(patch: pytest.MonkeyPatch, moment: datetime) -> None:
    """What time it is, for full checks and for seals."""

    class Fixed(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return moment

    patch.setattr(hosts, "datetime", Fixed)
    patch.setattr(seal, "time", SimpleNamespace(time=moment.timestamp))


def lasts(host: SealedHost) -> List[datetime]:
    found = json.loads(host.seal.read_text())
    return [datetime.fromtimestamp(found[name], timezone.utc) for name in ("since", "until")]


WANTED: Dict[str, List[Dict[str, Any]]] = {
    "renewed before": [{"renew_before": 20 * DAY}],
    "renewed after two thirds": [{"renew_before": 10**9}],
    "renewed at the end": [{"renew_before": 0}],
    "the first of two": [{"renew_before": 10 * DAY}, {"renew_before": 12 * DAY}],
    "the other of two": [{"renew_before": 12 * DAY}, {"renew_before": 10 * DAY}],
}
DAYS_LEFT = {
    "renewed before": 70,
    "renewed after two thirds": 60 - 1 / 3,
    "renewed at the end": 90,
    "the first of two": 78,
    "the other of two": 78,
}


@pytest.mark.parametrize("name", WANTED)
def test_a_seal_lasts_until_a_certificate_is_needed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [plain(name="number-{0}".format(number), **one) for number, one in enumerate(WANTED[name])]
    begin = datetime.now(timezone.utc)
    with sealed_host(tmp_path / "disk", lambda disk: [*wanted, absent("gone")]) as host:
        whole = host.full()
        since, until = lasts(host)
        assert begin <= since <= datetime.now(timezone.utc)
        assert abs((until - begin) - timedelta(days=DAYS_LEFT[name])) < timedelta(minutes=10)
        for moment in (since, since + timedelta(hours=1), since + (until - since) / 2, until - timedelta(seconds=1)):
            set_clock(monkeypatch, moment)
            assert host.quick() == whole == host.full()
        set_clock(monkeypatch, since - timedelta(seconds=1))
        assert host.quick() is None
        for moment in (until, until + timedelta(seconds=1), until + timedelta(days=9999)):
            set_clock(monkeypatch, moment)
            assert host.quick() is None
            assert {item["reason"] for one in host.full()["credentials"] for item in one["differences"]} & {
                "certificate_due",
                "certificate_expired",
            }


@cache
def _key(_name: str) -> Any:
    return generate(KeyKind("ECC", curve="secp256r1"))


def _certificate(name: str, issuer: str, begin: int, end: int, authority: bool) -> Any:
    """A certificate with its dates in seconds from BEGIN."""
    subject, above = (x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, one)]) for one in (name, issuer))
    start = BEGIN.replace(tzinfo=None)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(above).public_key(_key(name).public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start + timedelta(seconds=begin))
    builder = builder.not_valid_after(start + timedelta(seconds=end))
    client = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH])
    own: Any = x509.BasicConstraints(ca=True, path_length=None) if authority else client
    return builder.add_extension(own, critical=authority).sign(_key(issuer), hashes.SHA256())


ENDS = st.integers(1, 400 * DAY)


@given(
    ends=st.tuples(ENDS, ENDS, ENDS),
    renew_before=st.one_of(st.integers(0, 400 * DAY), st.just(10**9)),
    asked=st.floats(0, 1),
    later=st.floats(0, 1),
)
def test_nothing_is_needed_before_and_something_after(ends: Any, renew_before: int, asked: float, later: float) -> None:
    leaf = _certificate("leaf", "issuing", -1, ends[0], False)
    chain = (_certificate("issuing", "root", -2, ends[1], True), _certificate("root", "root", -3, ends[2], True))
    material = Material(_key("leaf"), b"", leaf, chain)
    document = Host(Path("/root")).document(
        plain(subject=[["CN", "leaf"]], subject_alt_name=[], renew_before=renew_before)
    )
    wanted = parse(json.dumps(document)).credentials[0]

    def needed(moment: datetime) -> bool:
        return bool(needs(wanted, material, None, moment))

    now = BEGIN + timedelta(seconds=min(ends)) * asked
    assume(not needed(now))
    until = needed_from(wanted, material)
    assert now <= until
    for moment in (now + (until - now) * later, until - INSTANT):
        assert not now <= moment < until or not needed(moment)
    # A CA may still be used in its last second.
    assert needed(until + INSTANT)
