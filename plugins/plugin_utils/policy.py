# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request must be before any issuer sees it: what the inventory states, and nothing else.

The request comes from a host that may be hostile. Each rule has a name that its message gives.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

from ..module_utils.errors import Error, PolicyError
from ..module_utils.imports import rsa, x509
from ..module_utils.private_key import CURVES, RSA_SIZES, KeyKind, kind_of, public_fingerprint
from ..module_utils.request import RequestSpec, differences, load, signature_is_valid
from .registry import Registry

_SIZE_LIMIT = 64 * 1024
_RULES = {
    "subject_changed": "subject",
    "subject_alt_name_changed": "subject_alt_name",
    "request_changed": "extensions",
}
_SMALL_PRIMES_PRODUCT = 3 * 5 * 7 * 11 * 13 * 17 * 19 * 23 * 29 * 31 * 37 * 41 * 43 * 47 * 53 * 59 * 61 * 67 * 71


class _Check:
    """The rules, applied to the request of one credential of one host."""

    def __init__(self, host: str, credential: str) -> None:
        self._who = "host {0}, credential {1}".format(host, credential)

    def refuse(self, rule: str, message: str) -> NoReturn:
        raise PolicyError('policy rule "{0}": {1}: {2}'.format(rule, self._who, message))

    def readable(self, csr_pem: bytes) -> x509.CertificateSigningRequest:
        if len(csr_pem) > _SIZE_LIMIT:
            self.refuse("readable", "the request has {0} bytes; {1} are allowed".format(len(csr_pem), _SIZE_LIMIT))
        try:
            csr: x509.CertificateSigningRequest = load(csr_pem)
            kind_of(csr.public_key())
        except Error as error:
            self.refuse("readable", "the request cannot be read: {0}".format(error))
        return csr

    def weak_key(self, public_key: Any) -> None:
        kind = kind_of(public_key)
        if kind.type == "ECC" and kind.curve not in CURVES:
            self.refuse("weak_key", "the curve {0} is not one of {1}".format(kind.curve, ", ".join(CURVES)))
        if not isinstance(public_key, rsa.RSAPublicKey):
            return
        if public_key.key_size not in RSA_SIZES:
            self.refuse(
                "weak_key",
                "an RSA key of {0} bits; {1} to {2} are allowed".format(
                    public_key.key_size, RSA_SIZES.start, RSA_SIZES.stop - 1
                ),
            )
        numbers = public_key.public_numbers()
        if numbers.e < 65537 or numbers.e % 2 == 0:
            self.refuse("weak_key", "the RSA key's public exponent is {0}; use 65537".format(numbers.e))
        if numbers.n % 2 == 0 or math.gcd(numbers.n, _SMALL_PRIMES_PRODUCT) != 1:
            self.refuse("weak_key", "the RSA key's modulus has a small factor; make a new key")


def check_request(
    csr_pem: bytes, spec: RequestSpec, kind: KeyKind, host: str, credential: str, registry: Registry
) -> x509.CertificateSigningRequest:
    """The request, loaded, once it has passed every rule; its key is registered for `host` from then on.

    Raises PolicyError that names the rule: readable, proof_of_possession, weak_key, key_type, subject,
    subject_alt_name, extensions or key_owner.
    """
    csr = check_content(csr_pem, spec, kind, host, credential)
    registry.claim(public_fingerprint(csr.public_key()), host, credential)
    return csr


def check_content(
    csr_pem: bytes, spec: RequestSpec, kind: KeyKind, host: str, credential: str
) -> x509.CertificateSigningRequest:
    """The same without key_owner: registers nothing."""
    check = _Check(host, credential)
    if not spec.subject and not spec.subject_alt_name:
        # A certificate for nobody fits everybody who matches names loosely.
        check.refuse("subject", "the inventory states neither a subject nor a subject_alt_name")
    csr = check.readable(csr_pem)
    if not signature_is_valid(csr):
        check.refuse("proof_of_possession", "the request is not signed by the key that it holds")
    public_key = csr.public_key()
    check.weak_key(public_key)
    found = kind_of(public_key)
    if found != kind:
        check.refuse("key_type", "the key is {0}; the inventory states {1}".format(found.describe(), kind.describe()))
    for difference in differences(csr, spec):
        check.refuse(
            _RULES[difference.reason],
            "{0} is {1}; the inventory states {2}".format(
                difference.where, difference.was or "(none)", difference.wanted or "(none)"
            ),
        )
    return csr


def check_holder(public_key: str, host: str, credential: str, registry: Registry) -> None:
    """The rule key_owner alone, for a public key's fingerprint. Writes nothing. Raises PolicyError."""
    holder = registry.holder(public_key)
    if holder not in (None, host):
        _Check(host, credential).refuse(
            "key_owner",
            "the public key {0} is registered for host {1}. If that host's disk was cloned, remove the key on {2} so "
            "that it makes its own".format(public_key, holder, host),
        )
