# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.mutual.tls.plugins.module_utils import certificate, chain, der
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.tests.unit import material
from ansible_collections.mutual.tls.tests.unit.material import DAY, NOW, authority, client

DATA = Path(__file__).parent / "data"

ROOT = authority("Root")
POLICY = authority("Policy", ROOT)
ISSUING = authority("Issuing", POLICY)
LEAF = client("ops", ISSUING)
STRANGER = authority("Stranger")


def certificates(*identities):
    return [one.certificate for one in identities]


def ordered(leaf, *pool):
    """The chain as a list of common names."""
    return [certificate.subject(one)[0][1] for one in chain.order(leaf.certificate, certificates(*pool))]


def read(name):
    return certificate.load_all((DATA / name).read_bytes(), name)


def test_every_order_of_the_pool_gives_the_same_chain():
    for pool in itertools.permutations([ROOT, POLICY, ISSUING, STRANGER, LEAF]):
        assert ordered(LEAF, *pool) == ["Issuing", "Policy", "Root"]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ((), []),
        ((STRANGER,), []),
        ((ROOT,), []),
        ((ISSUING,), ["Issuing"]),
        ((ISSUING, ROOT), ["Issuing"]),
        ((ISSUING, POLICY), ["Issuing", "Policy"]),
        ((ISSUING, ISSUING, POLICY, POLICY, ROOT, ROOT), ["Issuing", "Policy", "Root"]),
    ],
)
def test_the_chain_goes_as_far_as_the_pool(pool, expected):
    assert ordered(LEAF, *pool) == expected


def test_nothing_stands_above_a_root():
    other = authority("Root", key=ROOT.key)
    assert ordered(ROOT, ROOT, other, STRANGER) == []


def test_same_named_cas_are_told_apart_by_their_signatures():
    impostors = [authority("Issuing", POLICY), authority("Issuing"), client("Issuing", POLICY)]
    found = chain.order(LEAF.certificate, certificates(*impostors, ISSUING, POLICY))
    assert found == certificates(ISSUING, POLICY)


def test_key_identifiers_choose_among_certificates_of_one_key():
    longer = authority("Root", key=ROOT.key, not_after=NOW + 9000 * DAY, key_identifiers=False)
    assert chain.order(POLICY.certificate, certificates(longer, ROOT)) == certificates(ROOT)
    assert chain.order(POLICY.certificate, certificates(ROOT, longer)) == certificates(ROOT)


def test_of_one_cas_certificates_the_one_valid_longest_is_taken():
    expired = [authority("Root", key=ROOT.key, not_after=NOW - timedelta(hours=age)) for age in range(1, 9)]
    renewed = authority("Root", key=ROOT.key, not_after=NOW + 9000 * DAY)
    for pool in ([ROOT, renewed, *expired], [*reversed(expired), renewed, ROOT]):
        assert chain.order(POLICY.certificate, certificates(*pool)) == certificates(renewed)


def test_a_root_is_preferred_to_its_cross_signed_twin():
    crossed = authority("Root", STRANGER, key=ROOT.key, not_after=NOW + 9000 * DAY)
    for pool in itertools.permutations([ROOT, crossed, STRANGER]):
        assert chain.order(POLICY.certificate, certificates(*pool)) == certificates(ROOT)
    assert ordered(POLICY, crossed, STRANGER) == ["Root", "Stranger"]


def test_cas_that_signed_each_other_make_no_loop():
    first_key, second_key = material.ec_key(), material.ec_key()
    first = authority("First", key=first_key)
    second = authority("Second", first, key=second_key)
    loop = authority("First", second, key=first_key)
    assert ordered(client("x", second), second, loop) == ["Second", "First"]
    assert ordered(client("x", loop), second, loop) == ["First", "Second"]


def test_the_depth_is_bounded():
    above, pool = authority("0"), []
    for number in range(1, 40):
        above = authority(str(number), above)
        pool.append(above)
    assert len(ordered(client("x", above), *pool)) == chain.DEPTH_LIMIT


def test_malformed_certificates_in_the_pool_are_ignored():
    odd = [
        one for name in ("root_dsa.pem", "root_ed448.pem", "root_brainpool.pem", "root_sha1.pem") for one in read(name)
    ]
    pool = [*odd, *certificates(ROOT, POLICY, ISSUING)]
    assert chain.order(LEAF.certificate, pool) == certificates(ISSUING, POLICY, ROOT)


KEYS = {
    "rsa": lambda: material.rsa_key(),
    "p256": material.ec_key,
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "ed25519": material.ed25519_key,
}


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_signatures_of_every_kind_of_key_are_checked(kind):
    root = authority("Root", key=KEYS[kind]())
    leaf = client("x", root)
    assert chain.is_signed_by(leaf.certificate, root.certificate)
    assert chain.is_signed_by(root.certificate, root.certificate)
    twin = authority("Root", key=material.rsa_key(1) if kind == "rsa" else KEYS[kind]())
    assert not chain.is_signed_by(leaf.certificate, twin.certificate)
    assert not chain.is_signed_by(leaf.certificate, authority("Other", key=root.key).certificate)
    assert ordered(leaf, twin, root) == ["Root"]
    chain.verify(leaf.certificate, [root.certificate], NOW)
    with pytest.raises(InputError, match="signature"):
        chain.verify(leaf.certificate, [twin.certificate], NOW)


def test_another_kind_of_key_under_the_same_name_made_no_signature():
    roots = [authority("Root", key=make()) for make in KEYS.values()]
    for signer in roots:
        leaf = client("x", signer).certificate
        assert [chain.is_signed_by(leaf, one.certificate) for one in roots] == [one is signer for one in roots]


@pytest.mark.parametrize("name", ["chain_pss_digest.pem", "chain_pss_max.pem"])
def test_pss_signatures_are_checked(name):
    leaf, root = read(name)
    assert chain.is_signed_by(leaf, root)
    assert chain.order(leaf, [STRANGER.certificate, root]) == [root]
    chain.verify(leaf, [root], certificate.not_before(leaf))
    other = authority("PSS Root " + name[10:-4].replace("_", ""), key=material.rsa_key()).certificate
    assert certificate.subject(other) == certificate.issuer(leaf)
    assert not chain.is_signed_by(leaf, other)


def test_ed448_roots_are_checked():
    (root,) = read("root_ed448.pem")
    assert chain.is_root(root)


def test_a_changed_certificate_is_not_signed():
    assert LEAF.der.count(b"ops") == 1
    forged = certificate.from_der(LEAF.der.replace(b"ops", b"opt"))
    assert not chain.is_signed_by(forged, ISSUING.certificate)
    assert chain.order(forged, certificates(ISSUING)) == []


def with_exponent_one(signed_by_anybody):
    """A certificate in DER, whose key has the exponent 1, and its "signature" on itself, which needs no private key."""
    signed = der.elements(der.read(signed_by_anybody, "").content, "")[0]
    parts = [der.encode(one.tag, one.content) for one in der.elements(signed.content, "")]
    algorithm = der.sequence(der.oid("1.2.840.113549.1.1.11"), der.null())
    numbers = der.sequence(der.integer(material.rsa_key().public_key().public_numbers().n), der.integer(1))
    parts[2] = algorithm
    parts[6] = der.sequence(der.sequence(der.oid("1.2.840.113549.1.1.1"), der.null()), der.encode(3, b"\0" + numbers))
    signed = der.sequence(*parts)
    digest = hashlib.sha256(signed).digest()
    hashed = der.sequence(der.sequence(der.oid("2.16.840.1.101.3.4.2.1"), der.null()), der.octet_string(digest))
    signature = b"\0\1" + b"\xff" * (256 - 3 - len(hashed)) + b"\0" + hashed
    return der.sequence(signed, algorithm, der.encode(3, b"\0" + signature))


def test_a_signature_under_the_exponent_one_is_nobodys():
    forged = certificate.from_der(with_exponent_one(authority("Root", key=material.rsa_key()).der))
    assert not chain.is_root(forged)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_good_chain_passes_with_and_without_its_root(length):
    chain.verify(LEAF.certificate, certificates(ISSUING, POLICY, ROOT)[:length], NOW)


def below(ca, **options):
    return client("x", ca, **options)


def bad_chains():
    limited = authority("Limited", path_length=0)
    under_limited = authority("Under", limited)
    expired = authority("Expired", ROOT, not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    expired_root = authority("Old Root", not_before=NOW - 9 * DAY, not_after=NOW - DAY)
    under_expired = authority("Under", expired_root)
    future = authority("Future", ROOT, not_before=NOW + DAY)
    no_ca = authority("No CA", ROOT, is_ca=False)
    plain = authority("Plain", ROOT, is_ca=None)
    no_signing = authority("No Signing", ROOT, usages=["crl_sign"])
    fellow = client("Fellow", ROOT)
    server_only = authority(
        "Server", ROOT, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]
    )
    twin = authority("Issuing", POLICY)
    return {
        "nothing": (LEAF, [], "incomplete.*'CN=ops'"),
        "root in between missing": (LEAF, [ISSUING, ROOT], "broken.*'CN=Policy'.*'CN=Root'"),
        "wrong way round": (LEAF, [ROOT, POLICY, ISSUING], "broken"),
        "stranger": (LEAF, [STRANGER], "broken"),
        "stranger above": (LEAF, [ISSUING, POLICY, ROOT, STRANGER], "broken"),
        "leaf first": (LEAF, [LEAF, ISSUING], "broken"),
        "another key": (LEAF, [twin, POLICY, ROOT], "signature of 'CN=ops'.*'CN=Issuing'"),
        "not a CA": (below(no_ca), [no_ca, ROOT], "'CN=No CA'.*not a CA"),
        "no basicConstraints": (below(plain), [plain, ROOT], "'CN=Plain'.*not a CA"),
        "another client": (below(fellow), [fellow, ROOT], "'CN=Fellow'.*not a CA"),
        "path length": (below(under_limited), [under_limited, limited], "'CN=Limited'.*path length"),
        "expired": (below(expired), [expired, ROOT], "'CN=Expired' expired"),
        "expired root": (below(under_expired), [under_expired, expired_root], "'CN=Old Root' expired"),
        "not yet valid": (below(future), [future, ROOT], "'CN=Future' is not valid before"),
        "no keyCertSign": (below(no_signing), [no_signing, ROOT], "'CN=No Signing'.*keyCertSign"),
        "servers only": (below(server_only), [server_only, ROOT], "'CN=Server'.*clientAuth"),
    }


@pytest.mark.parametrize("case", sorted(bad_chains()))
def test_the_first_thing_wrong_is_named(case):
    leaf, issuers, message = bad_chains()[case]
    with pytest.raises(InputError, match=message):
        chain.verify(leaf.certificate, certificates(*issuers), NOW)


def test_path_lengths_are_reached_and_self_issued_cas_do_not_count():
    root = authority("Root", path_length=1)
    issuing = authority("Issuing", root, path_length=0)
    chain.verify(below(issuing).certificate, certificates(issuing, root), NOW)
    rolled = authority("Issuing", issuing)
    chain.verify(below(rolled).certificate, certificates(rolled, issuing, root), NOW)
    deeper = authority("Deeper", issuing)
    with pytest.raises(InputError, match="path length"):
        chain.verify(below(deeper).certificate, certificates(deeper, issuing, root), NOW)


def test_dates_count_to_the_second():
    root = authority("Root", not_before=NOW, not_after=NOW + DAY)
    leaf = client("x", root).certificate
    chain.verify(leaf, [root.certificate], NOW)
    chain.verify(leaf, [root.certificate], NOW + DAY)
    for moment in (NOW - timedelta(seconds=1), NOW + DAY + timedelta(seconds=1)):
        with pytest.raises(InputError):
            chain.verify(leaf, [root.certificate], moment)


def test_the_leafs_own_dates_are_anothers_business():
    expired = client("x", ISSUING, not_before=NOW - 2 * DAY, not_after=NOW - DAY)
    chain.verify(expired.certificate, certificates(ISSUING, POLICY, ROOT), NOW)
