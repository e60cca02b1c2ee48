# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that opens one file once, or the directory once, never gets halves of two generations; others do."""

from __future__ import annotations

import importlib.util
import ssl
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.mutual.tls.tests.integration import two_opens
from ansible_collections.mutual.tls.tests.integration.fleet import CA_PASSPHRASE, Fleet

SWITCHES = 2000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    two_opens.prepare(tmp_path)
    return tmp_path


@pytest.mark.parametrize("way", ["single", "resolved"])
def test_who_opens_once_is_never_hit(way: str, place: Path) -> None:
    found = two_opens.measure(place, two_opens.WAYS[way], SWITCHES)
    assert found.switches >= SWITCHES
    assert found.reads > 0
    assert found.mismatches == 0


@pytest.mark.parametrize("way", ["plain", "library", "same"])
def test_who_opens_twice_is_hit(way: str, place: Path) -> None:
    """Else the test above would prove nothing."""
    deadline = time.monotonic() + 120
    while two_opens.measure(place, two_opens.WAYS[way], SWITCHES).mismatches == 0:
        assert time.monotonic() < deadline, "nobody was hit"


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("client", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_configuration_for_python_opens_once(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path / "fleet")
    fleet.make_ca("corp")
    for unit in ("first", "second"):
        options: Any = {"key": {"type": "ECC"}, "configs": [{"template": "python", "file": "client.py"}]}
        credential = {"name": "orders", "issuer": "corp", "subject": {"CN": "orders", "OU": unit}, **options}
        issuers = {"corp": {"type": "ownca", "passphrase": CA_PASSPHRASE}}
        fleet.add_host("one", credentials=[credential], issuers=issuers)
        fleet.run().must_succeed()
    orders = fleet.root("one") / "orders"
    client = _loaded(orders / "current/client.py")
    assert client.client_file() == str(orders / "generations/0002/client.pem")

    def read(current: str) -> bool:
        try:
            client.ssl_context()
        except ssl.SSLError:
            return False
        return True

    found = two_opens.measure(orders, read, SWITCHES)
    assert found.reads > 0
    assert found.mismatches == 0
