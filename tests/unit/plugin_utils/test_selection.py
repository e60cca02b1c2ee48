# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The selector: what it matches, and what it refuses."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils.selection import read

SERIAL = "1fd3a0e2"
ORDERS = ("orders", "vibes", "corp", SERIAL)
CHAT = ("chat", "symphony", "corp", None)
LEDGER = ("ledger", "vibes", "portal", "a1")

MATCHES: Dict[str, Tuple[Any, Tuple[Any, ...]]] = {
    "nothing given": (None, (ORDERS, CHAT, LEDGER)),
    "empty map": ({}, (ORDERS, CHAT, LEDGER)),
    "one credential": ({"credential": "orders"}, (ORDERS,)),
    "several credentials": ({"credential": ["orders", "chat"]}, (ORDERS, CHAT)),
    "no part of a name": ({"credential": "order"}, ()),
    "no pattern": ({"credential": "*"}, ()),
    "case of names counts": ({"credential": "Orders"}, ()),
    "provider": ({"provider": "vibes"}, (ORDERS, LEDGER)),
    "issuer": ({"issuer": ["corp"]}, (ORDERS, CHAT)),
    "everything given must match": ({"provider": "vibes", "issuer": "corp"}, (ORDERS,)),
    "contradiction": ({"provider": "symphony", "issuer": "portal"}, ()),
    "serial": ({"serial": SERIAL}, (ORDERS,)),
    "serial as openssl prints it": ({"serial": "1F:D3:A0:E2"}, (ORDERS,)),
    "serial with leading zeros": ({"serial": ["00:A1"]}, (LEDGER,)),
    "serial of no certificate": ({"serial": "0"}, ()),
}


@pytest.mark.parametrize(("raw", "expected"), MATCHES.values(), ids=MATCHES.keys())
def test_matches(raw: Any, expected: Tuple[Any, ...]) -> None:
    selection = read(raw, required=False)
    assert tuple(one for one in (ORDERS, CHAT, LEDGER) if selection.matches(*one)) == expected


def test_the_serial_of_the_certificate_may_be_written_in_any_way_too() -> None:
    assert read({"serial": "1fd3a0e2"}, required=True).matches("x", "y", "z", "1F:D3:A0:E2")


@pytest.mark.parametrize(
    ("raw", "needed"),
    [
        (None, False),
        ({"credential": "a", "provider": "b", "issuer": "c"}, False),
        ({"serial": "1"}, True),
        ({"credential": "a", "serial": ["1", "2"]}, True),
    ],
)
def test_only_a_selection_by_serial_needs_one(raw: Any, needed: bool) -> None:
    assert read(raw, required=False).needs_serial is needed


@pytest.mark.parametrize("raw", [None, {}])
def test_where_a_selection_is_required_all_is_none(raw: Any) -> None:
    with pytest.raises(InputError, match="demand one"):
        read(raw, required=True)


REFUSED: Dict[str, Tuple[Any, str]] = {
    "text": ("orders", "must be a map"),
    "list": (["orders"], "must be a map"),
    "misspelt key": ({"credentials": "orders"}, "'mtls_select.credentials' is not known; did you mean 'credential'?"),
    "other key": ({"host": "web1"}, "'mtls_select.host' is not known; known are: credential, issuer, provider, serial"),
    "null": ({"credential": None}, "mtls_select.credential is empty"),
    "empty text": ({"provider": ""}, "mtls_select.provider is empty"),
    "empty list": ({"issuer": []}, "mtls_select.issuer is an empty list"),
    "empty item": ({"issuer": ["corp", ""]}, "mtls_select.issuer is empty"),
    "number": ({"serial": 1234}, "mtls_select.serial must be text"),
    "true": ({"credential": True}, "mtls_select.credential must be text"),
    "map": ({"credential": {"name": "orders"}}, "mtls_select.credential must be text"),
    "list in a list": ({"credential": [["orders"]]}, "mtls_select.credential must be text"),
    "no hexadecimal": ({"serial": "12xy"}, "'12xy' is no serial number"),
    "only colons": ({"serial": "::"}, "'::' is no serial number"),
    "signed": ({"serial": "-1"}, "'-1' is no serial number"),
    "digits of other scripts": ({"serial": "١٢"}, "is no serial number"),
    "endless": ({"serial": "1" * 5000}, "is no serial number"),
}


@pytest.mark.parametrize(("raw", "message"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("required", [False, True])
def test_refuses(raw: Any, message: str, required: bool) -> None:
    with pytest.raises(InputError) as caught:
        read(raw, required)
    assert message in str(caught.value)
