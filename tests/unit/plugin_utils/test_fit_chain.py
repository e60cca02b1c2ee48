# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains that look whole and do not verify: no other rule would refuse the certificates below them."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import name, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.certificate import public_fingerprint
from ansible_collections.mutual.tls.plugins.module_utils.errors import IssuerError
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.plugin_utils.fit import check_answer
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import IssuerRequest
from ansible_collections.mutual.tls.tests.unit import material
from ansible_collections.mutual.tls.tests.unit.material import DAY, NOW

KEY = private_key.generate(KeyKind("ECC", curve="secp256r1"))
SPEC = request.RequestSpec(name.normalize({"CN": "orders"}), ())
ROOT = material.authority("Root")
EXPIRED_ROOT = material.authority("Expired root", not_after=NOW - DAY / 2)
SHORT_ROOT = material.authority("Short root", path_length=0)

CHAINS = {
    # what is wrong: the CAs, the root first
    "the issuing CA has expired": [ROOT, material.authority("CA", ROOT, not_after=NOW - DAY / 2)],
    "the root has expired": [EXPIRED_ROOT, material.authority("CA", EXPIRED_ROOT)],
    "the issuing CA is none": [ROOT, material.authority("CA", ROOT, is_ca=False)],
    "the issuing CA may not sign": [ROOT, material.authority("CA", ROOT, usages=["crl_sign"])],
    "the path is too long": [SHORT_ROOT, material.authority("CA", SHORT_ROOT)],
}


def answer(*authorities: Any) -> Any:
    leaf = material.client("orders", signer=authorities[-1], key=KEY)
    chain = [leaf.certificate, *(one.certificate for one in reversed(authorities))]
    asked = IssuerRequest("web1", "orders", request.build(KEY, SPEC), SPEC, public_fingerprint(leaf.certificate))
    return check_answer(asked, chain, NOW)


def test_a_good_chain_passes() -> None:
    assert len(answer(ROOT, material.authority("CA", ROOT))) == 3


@pytest.mark.parametrize("wrong", CHAINS)
def test_a_chain_that_does_not_verify_is_refused(wrong: str) -> None:
    with pytest.raises(IssuerError, match="does not fit and is not used"):
        answer(*CHAINS[wrong])
