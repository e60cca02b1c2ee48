# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests of host code share."""

from __future__ import annotations

import functools
import hashlib
from typing import Any, Callable, Dict, Iterator, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import derivation, pbe, pkcs12_mac

_pbkdf2_hmac: Callable[..., bytes] = functools.lru_cache(maxsize=4096)(hashlib.pbkdf2_hmac)
_real_pkcs12_key: Callable[..., bytes] = derivation.pkcs12_key
_derived: Dict[Tuple[Any, ...], Tuple[bytes, int]] = {}


class _Meter(derivation.Budget):
    """A budget that knows what was spent of it."""

    def __init__(self, budget: derivation.Budget) -> None:
        self._budget = budget
        self.spent = 0

    def spend(self, iterations: int) -> None:
        self._budget.spend(iterations)
        self.spent += iterations


def _pkcs12_key(*arguments: Any) -> bytes:
    *what, budget = arguments
    key = tuple(what)
    if key in _derived:
        value, spent = _derived[key]
        budget.spend(spent)
        return value
    meter = _Meter(budget)
    _derived[key] = _real_pkcs12_key(*what, meter), meter.spent
    return _derived[key][0]


@pytest.fixture(autouse=True, scope="module")
def _no_key_derived_twice() -> Iterator[None]:
    """Tests read the same stores many times: what their passphrases and salts come to would be half of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashlib, "pbkdf2_hmac", _pbkdf2_hmac)
        for module in (pbe, pkcs12_mac):
            patch.setattr(module, "pkcs12_key", _pkcs12_key)
        yield
