# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authorities: what is read from where, and what is refused with which message."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError, IssuerError
from ansible_collections.mutual.tls.plugins.plugin_utils import authorities
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.issuers.base import Issuer
from ansible_collections.mutual.tls.tests.unit import material

NOW = datetime.now(timezone.utc)
ROOT = material.authority("Root")
ISSUING = material.authority("Issuing", signer=ROOT)
EXPIRED = material.authority("Old", not_before=material.NOW - 9 * material.DAY, not_after=material.NOW - material.DAY)


class FakeIssuer:
    """An issuer that has these CA certificates, or is yet to be made."""

    def __init__(self, *identities: material.Identity) -> None:
        self._certificates = [identity.certificate for identity in identities]

    def exists(self) -> bool:
        return bool(self._certificates)

    def certificates(self) -> List[Any]:
        if not self._certificates:
            raise IssuerError("there is no own CA in /x; run mutual.tls.ownca")
        return self._certificates

    def roots(self) -> List[Any]:
        return Issuer.roots(self)  # type: ignore[arg-type]


def read(
    stated: Dict[str, Any], directory: str = "/nonexistent", issuers: Any = None, check_mode: bool = False
) -> authorities.Authorities:
    issuers = issuers or {}
    authorities.issuers_of(stated, list(stated), issuers)
    return authorities.read_authorities(stated, list(stated), directory, issuers, NOW, check_mode)


def test_content_src_and_issuer(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "root.pem").write_bytes(b"# comment\r\n" + ROOT.pem + ISSUING.pem + ROOT.pem)
    (tmp_path / "der").write_bytes(ROOT.der)
    found = read(
        {
            "content": {"content": ROOT.pem.decode()},
            "src": {"src": "files/root.pem", "content": None},
            "der": {"src": str(tmp_path / "der")},
            "corp": {"issuer": "corp"},
        },
        str(tmp_path),
        {"corp": FakeIssuer(ISSUING, ROOT)},
    )
    assert found.certificates == {
        "content": (ROOT.der,),
        "src": (ROOT.der, ISSUING.der),
        "der": (ROOT.der,),
        "corp": (ROOT.der,),
    }
    assert found.warnings == ()


def test_an_own_ca_that_is_missing_is_an_empty_bundle_in_check_mode_only() -> None:
    issuers = {"corp": FakeIssuer()}
    assert read({"root": {"issuer": "corp"}}, issuers=issuers, check_mode=True).certificates == {"root": ()}
    with pytest.raises(InputError, match=r"authorities\.root\.issuer: there is no own CA in /x; run mutual.tls.ownca"):
        read({"root": {"issuer": "corp"}}, issuers=issuers)


def test_an_intermediate_alone_is_the_anchor_of_an_issuer_without_root() -> None:
    found = read({"corp": {"issuer": "corp"}}, issuers={"corp": FakeIssuer(ISSUING)})
    assert found.certificates == {"corp": (ISSUING.der,)}


def test_only_what_is_used_is_read() -> None:
    stated = {"broken": {"src": "/nonexistent/x"}, "good": {"content": ROOT.pem.decode()}}
    found = authorities.read_authorities(stated, ["good", "system"], "/", {}, NOW)
    assert list(found.certificates) == ["good"]


def test_one_expired_certificate_is_a_warning_only_expired_ones_an_error() -> None:
    found = read({"mixed": {"content": (EXPIRED.pem + ROOT.pem).decode()}})
    assert len(found.certificates["mixed"]) == 2
    assert len(found.warnings) == 1
    assert "authorities.mixed" in found.warnings[0]
    assert "CN=Old" in found.warnings[0]
    with pytest.raises(InputError, match=r"authorities\.old: every certificate in it has expired"):
        read({"old": {"content": EXPIRED.pem.decode()}})


def bad_file(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / kind
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind != "missing":
        contents = {
            "empty": b"",
            "text": b"no certificate here",
            "binary": bytes(range(256)) * 20,
            "truncated": ROOT.pem[:200],
            "truncated DER": ROOT.der[:-1],
            "key": ROOT.key_pem,
        }
        path.write_bytes(contents[kind])
    return path


KINDS = [
    "directory",
    "fifo",
    "huge",
    "device",
    "missing",
    "empty",
    "text",
    "binary",
    "truncated",
    "truncated DER",
    "key",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_named_with_its_option(tmp_path: Path, kind: str) -> None:
    path = bad_file(tmp_path, kind)
    with pytest.raises(InputError) as caught:
        read({"partner": {"src": str(path)}})
    assert "authorities.partner.src" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


BAD_OPTIONS = {
    "reserved name": ({"system": {"src": "x"}}, "authorities.system: this name"),
    "two sources": ({"a": {"src": "x", "content": "y"}}, "authorities.a needs exactly one"),
    "no source": ({"a": {"src": None}}, "authorities.a needs exactly one"),
    "unknown option": ({"a": {"scr": "x"}}, "'authorities.a.scr' is not known; did you mean 'src'"),
    "number": ({"a": {"src": 7}}, "authorities.a.src must be text"),
    "unknown issuer": ({"a": {"issuer": "crop"}}, "did you mean 'corp'"),
    "content without certificate": ({"a": {"content": "x"}}, "authorities.a.content"),
    "name": ({"a\nb": {"content": "x"}}, "printable"),
}


@pytest.mark.parametrize(("stated", "text"), BAD_OPTIONS.values(), ids=BAD_OPTIONS.keys())
def test_bad_options(stated: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        read(stated, issuers={"corp": FakeIssuer(ROOT)})
    assert text in str(caught.value)


def intents(*trusted: Any, friendly_name: str = "key") -> Any:
    store = {
        "file": "a.jks",
        "format": "jks",
        "friendly_name": friendly_name,
        "passphrase": "p",
        "trusted": list(trusted),
    }
    item: Dict[str, Any] = {"name": "orders", "issuer": "i", "subject": {"CN": "x"}}
    item["keystores"] = [{**store, "trusted": list(trusted)}]
    stated: Dict[str, Any] = {"one": {}, "two": {}}
    return read_inventory({"credentials": [item], "issuers": {"i": {}}, "authorities": stated}).credentials


BUNDLES = authorities.Authorities({"one": (ROOT.der,), "two": (ROOT.der, ISSUING.der)}, ())


def test_aliases_of_a_bundle_must_be_free() -> None:
    fine = intents({"friendly_name": "ca", "authority": "two"}, {"friendly_name": "x", "authority": "one"})
    authorities.check_aliases(fine, BUNDLES)
    for bad in (
        intents({"friendly_name": "ca", "authority": "two"}, {"friendly_name": "CA-2", "authority": "one"}),
        intents({"friendly_name": "ca", "authority": "two"}, friendly_name="Ca-1"),
    ):
        with pytest.raises(InputError, match=r"'orders', keystores\[0\]\.trusted: two entries .* '(CA-2|ca-1)'"):
            authorities.check_aliases(bad, BUNDLES)
