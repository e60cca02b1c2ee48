# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller signs only what the inventory states, whatever a host sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils import private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.errors import PolicyError
from ansible_collections.mutual.tls.plugins.module_utils.imports import (
    ec,
    ed448,
    ed25519,
    hashes,
    oid,
    rsa,
    serialization,
    x509,
)
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.state_directory import open_state_directory
from ansible_collections.mutual.tls.plugins.plugin_utils.policy import check_request
from ansible_collections.mutual.tls.plugins.plugin_utils.registry import Registry
from ansible_collections.mutual.tls.tests.unit import own_ca as ca

KEY = ca.key()
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
# Neither this key nor its signature differs from run to run.
REPEATABLE = ca.csr(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))).public_bytes(serialization.Encoding.DER)
USAGE = x509.KeyUsage(True, False, False, False, False, False, False, False, False)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(open_state_directory(str(tmp_path / "mtls"), create=True))


def check(registry: Registry, pem: bytes, kind: KeyKind = ca.P256, host: str = "web1") -> Any:
    return check_request(pem, ca.SPEC, kind, host, "orders", registry)


def raw(
    key: Any = KEY,
    subject: Any = (("O", "Acme Inc"), ("CN", "ops@acme.example")),
    names: Any = ("orders.acme.example",),
    usage: Any = USAGE,
    extended: Any = (oid.ExtendedKeyUsageOID.CLIENT_AUTH,),
    more: Any = (),
    critical: bool = True,
) -> bytes:
    """A request made by hand, as hostile as it is asked to be."""
    oids = {"O": oid.NameOID.ORGANIZATION_NAME, "CN": oid.NameOID.COMMON_NAME}
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(oids[name], value) for name, value in subject])
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=critical)
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(extended)), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    for extension in more:
        builder = builder.add_extension(extension, critical=True)
    digest = None if isinstance(key, ed448.Ed448PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)


def test_what_the_inventory_states_passes_and_its_key_is_registered(registry: Registry) -> None:
    for pem in (request.build(KEY, ca.SPEC), raw()):
        csr = check(registry, pem)
        assert registry.holder(private_key.public_fingerprint(csr.public_key())) == "web1"


HOSTILE = [
    pytest.param(lambda: raw(subject=(("O", "Acme Inc"), ("CN", "root@acme.example"))), "subject", id="other CN"),
    pytest.param(lambda: raw(subject=(("CN", "ops@acme.example"), ("O", "Acme Inc"))), "subject", id="other order"),
    pytest.param(
        lambda: raw(subject=(("O", "Acme Inc"), ("CN", "ops@acme.example"), ("CN", "x"))), "subject", id="second CN"
    ),
    pytest.param(lambda: raw(subject=()), "subject", id="no subject"),
    pytest.param(
        lambda: raw(names=("orders.acme.example", "admin.acme.example")), "subject_alt_name", id="one more name"
    ),
    pytest.param(lambda: raw(names=()), "subject_alt_name", id="no names"),
    pytest.param(lambda: raw(names=("ORDERS.acme.example.evil.example",)), "subject_alt_name", id="other name"),
    pytest.param(lambda: raw(more=[x509.BasicConstraints(True, None)]), "extensions", id="CA:TRUE"),
    pytest.param(lambda: raw(more=[x509.BasicConstraints(False, None)]), "extensions", id="CA:FALSE"),
    pytest.param(
        lambda: raw(extended=(oid.ExtendedKeyUsageOID.CLIENT_AUTH, oid.ExtendedKeyUsageOID.SERVER_AUTH)),
        "extensions",
        id="serverAuth",
    ),
    pytest.param(lambda: raw(extended=()), "extensions", id="no extended key usage"),
    pytest.param(lambda: raw(usage=None), "extensions", id="no key usage"),
    pytest.param(lambda: raw(critical=False), "extensions", id="key usage not critical"),
    pytest.param(
        lambda: raw(usage=x509.KeyUsage(True, False, False, False, False, True, True, False, False)),
        "extensions",
        id="keyCertSign",
    ),
    pytest.param(
        lambda: raw(more=[x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")]),
        "extensions",
        id="unknown extension",
    ),
    pytest.param(lambda: raw(key=ca.key(ca.P384)), "key_type", id="other curve"),
    pytest.param(lambda: raw(key=RSA_KEY), "key_type", id="other type"),
    pytest.param(lambda: raw(key=ec.generate_private_key(ec.SECP192R1())), "weak_key|readable", id="weak curve"),
    pytest.param(
        lambda: raw(key=rsa.generate_private_key(public_exponent=65537, key_size=1024)), "weak_key", id="short RSA"
    ),
    pytest.param(
        lambda: raw(key=rsa.generate_private_key(public_exponent=3, key_size=2048)), "weak_key", id="exponent 3"
    ),
    pytest.param(lambda: raw(key=ed448.Ed448PrivateKey.generate()), "readable", id="unknown type of key"),
    pytest.param(lambda: b"", "readable", id="empty"),
    pytest.param(lambda: b"\0" * 1000, "readable", id="garbage"),
    pytest.param(lambda: raw()[:300], "readable", id="truncated"),
    pytest.param(lambda: raw() + raw(), "readable", id="two"),
    pytest.param(lambda: b"x" * 70000 + raw(), "readable", id="huge"),
    pytest.param(lambda: b"\x30\x80" * 30000, "readable", id="nested"),
]


@pytest.mark.parametrize(("make", "rule"), HOSTILE)
def test_anything_else_is_refused_by_a_rule_that_is_named(
    registry: Registry, make: Callable[[], bytes], rule: str
) -> None:
    with pytest.raises(PolicyError, match=f'^policy rule "({rule})": host web1, credential orders: ') as caught:
        check(registry, make())
    assert len(str(caught.value)) < 2000
    assert registry.holder(private_key.public_fingerprint(KEY.public_key())) is None


def test_a_request_that_its_key_did_not_sign(registry: Registry) -> None:
    """Another host's public key, taken from its certificate, under this host's own signature."""
    victim, thief = ca.csr(KEY), ca.csr(ca.key())
    own = thief.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    others = victim.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    der = thief.public_bytes(serialization.Encoding.DER).replace(own, others)
    assert x509.load_der_x509_csr(der).public_key().public_numbers() == KEY.public_key().public_numbers()
    with pytest.raises(PolicyError, match="proof_of_possession"):
        check(registry, der)


def test_an_rsa_key_of_another_size(registry: Registry) -> None:
    with pytest.raises(PolicyError, match=r'"key_type": .* the key is RSA 2048; the inventory states RSA 3072'):
        check(registry, raw(key=RSA_KEY), KeyKind("RSA", size=3072))
    check(registry, raw(key=RSA_KEY), KeyKind("RSA", size=2048))


def test_another_hosts_key(registry: Registry) -> None:
    check(registry, raw())
    with pytest.raises(PolicyError, match=r'"key_owner": host web2, .* registered for host web1'):
        check(registry, raw(), host="web2")
    check(registry, raw())


def test_a_refused_request_registers_nothing(registry: Registry) -> None:
    with pytest.raises(PolicyError):
        check(registry, raw(names=()), host="web2")
    check(registry, raw(), host="web1")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_no_mutation_passes_unless_it_says_the_same(registry: Registry, data: st.DataObject) -> None:
    der = bytearray(REPEATABLE)
    for _ in range(data.draw(st.integers(1, 3))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    der = der[: data.draw(st.integers(0, len(der)))]
    try:
        csr = check(registry, bytes(der), ca.ED25519)
    except PolicyError:
        return
    assert request.signature_is_valid(csr)
    assert request.differences(csr, ca.SPEC) == []
