# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer that does not fit its request never travels to a host."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import name, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.errors import IssuerError
from ansible_collections.mutual.tls.plugins.module_utils.imports import hashes, oid, x509
from ansible_collections.mutual.tls.plugins.module_utils.ownca import issue
from ansible_collections.mutual.tls.plugins.module_utils.ownca.build import issuer_identifier
from ansible_collections.mutual.tls.plugins.module_utils.request import RequestSpec
from ansible_collections.mutual.tls.plugins.plugin_utils.fit import check_answer
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import IssuerRequest
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

KEY = ca.key()
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> issue.Authority:
    directory = tmp_path_factory.mktemp("ca")
    ca.converge(directory)
    return ca.authority(directory)


def asked(spec: RequestSpec = ca.SPEC, key: Any = KEY, **more: Any) -> IssuerRequest:
    fingerprint = private_key.public_fingerprint(key.public_key())
    return IssuerRequest("web1", "orders", request.build(key, spec), spec, fingerprint, **more)


def issued(authority: issue.Authority, key: Any = KEY, days: float = 90, at: Any = ca.NOW) -> List[x509.Certificate]:
    return issue.issue(authority, ca.csr(key), ca.order(days=days), at)


def signed(
    authority: issue.Authority,
    extended: Any = oid.ExtendedKeyUsageOID.CLIENT_AUTH,
    is_ca: bool = False,
    digital_signature: bool = True,
) -> List[x509.Certificate]:
    """What a careless CA might send: its own idea of extensions."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name.to_x509(ca.SPEC.subject))
        .issuer_name(authority.issuing.subject)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(ca.NOW)
        .not_valid_after(ca.NOW + 90 * DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("orders.acme.example")]), critical=False)
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature, False, True, False, False, False, False, False, False), critical=True
        )
        .add_extension(issuer_identifier(authority.issuing), critical=False)
    )
    if extended is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([extended]), critical=False)
    return [builder.sign(authority.key, hashes.SHA256()), *authority.certificates]


def test_it_is_put_in_order(authority: issue.Authority, tmp_path: Path) -> None:
    answer = issued(authority)
    ca.converge(tmp_path)
    unrelated = list(ca.authority(tmp_path).certificates)
    for given in (answer, answer[::-1], [*unrelated, *answer[::-1]], [*answer, *answer]):
        assert check_answer(asked(), given, ca.NOW) == answer
    assert check_answer(asked(), answer, ca.NOW, trusted=authority.certificates) == answer


def test_what_is_trusted_completes_the_chain(authority: issue.Authority) -> None:
    answer = issued(authority)
    assert check_answer(asked(), answer[:1], ca.NOW, trusted=authority.certificates) == answer


def test_a_chain_without_its_root_is_taken_as_far_as_it_is_known(authority: issue.Authority) -> None:
    answer = issued(authority)
    assert check_answer(asked(), answer[:2], ca.NOW) == answer[:2]


def test_of_several_for_the_key_the_last_to_end_is_taken(authority: issue.Authority) -> None:
    old, new = issued(authority, days=10), issued(authority, days=20)
    assert check_answer(asked(), [old[0], *new], ca.NOW)[0] == new[0]
    assert check_answer(asked(), [*new, old[0]], ca.NOW)[0] == new[0]


def test_no_extended_key_usage_allows_every_use(authority: issue.Authority) -> None:
    answer = signed(authority, extended=None)
    assert check_answer(asked(), answer, ca.NOW) == answer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extended": oid.ExtendedKeyUsageOID.SERVER_AUTH}, "does not allow client authentication"),
        ({"digital_signature": False}, "does not allow client authentication"),
        ({"is_ca": True}, "it is a CA certificate"),
    ],
)
def test_wrong_usage(authority: issue.Authority, changes: Any, message: str) -> None:
    with pytest.raises(IssuerError, match=message):
        check_answer(asked(), signed(authority, **changes), ca.NOW)


def refused(message: str, wanted: IssuerRequest, answer: List[x509.Certificate], at: Any = ca.NOW, **more: Any) -> None:
    with pytest.raises(IssuerError, match=message) as caught:
        check_answer(wanted, answer, at, **more)
    assert str(caught.value).startswith("the certificate for host web1, credential orders does not fit and is not used")


def test_wrong_key(authority: issue.Authority) -> None:
    refused("none of the 3 certificates .* is for the requested key", asked(key=ca.key()), issued(authority))
    refused("none of the 0 certificates", asked(), [])


def test_wrong_content(authority: issue.Authority) -> None:
    answer = issued(authority)
    other = RequestSpec((("CN", "x"),), ca.SPEC.subject_alt_name)
    refused("its subject is O=Acme Inc, CN=ops@acme.example; the inventory states CN=x", asked(other), answer)
    other = RequestSpec(ca.SPEC.subject, ())
    refused(r"names are DNS:orders.acme.example; the inventory states \(none\)", asked(other), answer)


def test_dates(authority: issue.Authority) -> None:
    answer = issued(authority, days=10)
    refused("it expired on 2026-12-01T12:00:00Z", asked(), answer, ca.NOW + 10 * DAY)
    early = ca.NOW - timedelta(hours=1, minutes=6)
    refused("it is not valid before 2026-11-21T11:00:00Z", asked(), answer, early)
    with pytest.raises(IssuerError, match="is not valid before"):
        # A little skew is allowed for the leaf; its CA begins at the same time, and has to be valid.
        check_answer(asked(), answer, ca.NOW - timedelta(hours=1, minutes=4))


def test_it_must_not_end_sooner_than_the_one_in_use(authority: issue.Authority) -> None:
    long, short = issued(authority, days=90), issued(authority, days=80)
    message = "it ends on 2027-02-09T12:00:00Z, sooner than the one in use .2027-02-19T12:00:00Z."
    refused(message, asked(in_use=long[0], renewal=True), short)
    assert check_answer(asked(in_use=short[0], renewal=True), long, ca.NOW) == long
    assert check_answer(asked(in_use=long[0], renewal=True), long, ca.NOW) == long
    assert check_answer(asked(in_use=long[0]), short, ca.NOW) == short


def test_wrong_ca(authority: issue.Authority, tmp_path: Path) -> None:
    ca.converge(tmp_path)
    others = ca.authority(tmp_path).certificates
    answer = issued(authority)
    refused("which is not the issuer's CA", asked(), answer, trusted=others)
    refused("did not come with it and is not known", asked(), answer[:1])
    refused("did not come with it and is not known", asked(), [answer[0], *others])


def test_an_expired_ca(authority: issue.Authority) -> None:
    answer = issued(authority, at=ca.NOW + 1700 * DAY, days=9000)
    assert check_answer(asked(), answer, ca.NOW + 1800 * DAY) == answer
    refused("expired", asked(), answer, ca.NOW + 1826 * DAY)


def test_the_request_does_not_show_its_csr(authority: issue.Authority) -> None:
    assert "BEGIN" not in repr(asked())
    assert dataclasses.is_dataclass(asked())
