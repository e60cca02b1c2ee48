# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files with secrets everybody may read, and which ones hold none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.document import Config
from ansible_collections.mutual.tls.plugins.plugin_utils.exposure import warnings
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory
from ansible_collections.mutual.tls.plugins.plugin_utils.quoting import STYLES, quote

SECRET = "pa\"ss\\ w'örd {0}".format("`x`")
KEYSTORE = {"file": "a.p12", "format": "pkcs12"}


def found(content: str = "nothing", **options: Any) -> List[str]:
    """The options that are warned of, with what may be read, for a credential whose one config has this content."""
    item = {"name": "orders", "issuer": "corp", "subject": {"CN": "x"}, "passphrase": SECRET, **options}
    intent = read_inventory({"credentials": [item], "issuers": {"corp": {}}}).credentials[0]
    configs = tuple(Config(source.file, content, source.access) for source in intent.configs)
    texts = warnings(replace(intent, host=replace(intent.host, configs=configs)))
    for text in texts:
        assert text.startswith("credential 'orders', ")
        assert SECRET not in text
    return [text.split(", ", 1)[1].split(";")[0].replace("everybody on the host may read its ", "") for text in texts]


def config(**options: Any) -> Any:
    return [{"file": "c.conf", "src": "c.j2", **options}]


def link(file: str, **options: Any) -> Any:
    return [{"path": "/opt/x", "file": file, "copy": True, **options}]


CASES = {
    "nothing": ({}, []),
    "everything": ({"mode": "0644", "keystores": [KEYSTORE]}, ["mode: private key"]),
    "keystore": ({"keystores": [{**KEYSTORE, "mode": "0644"}]}, ["keystores[0].mode: private key"]),
    "absent": ({"state": "absent", "mode": "0644"}, []),
    "config": ({"configs": config(mode="0644"), "content": SECRET}, ["configs[0].mode: passphrase"]),
    "config of the credential's mode": (
        {"configs": config(), "mode": "0644", "content": "x" + SECRET + "y"},
        ["mode: private key", "configs[0].mode: passphrase"],
    ),
    "config for a group": ({"configs": config(mode="0640"), "content": SECRET}, []),
    "config without a secret": ({"configs": config(mode="0644"), "content": "password=changeit"}, []),
    "copied key": ({"links": link("key.pem", mode="0644")}, ["links[0].mode: private key"]),
    "copied client": ({"links": link("client.pem", mode="0604")}, ["links[0].mode: private key"]),
    "copied keystore": (
        {"keystores": [KEYSTORE], "links": link("a.p12", mode="0644")},
        ["links[0].mode: private key"],
    ),
    "copied config": (
        {"configs": config(), "links": link("c.conf", mode="0644"), "content": SECRET},
        ["links[0].mode: passphrase"],
    ),
    "copied certificate": ({"links": link("certificate.pem", mode="0644")}, []),
    "copied key for a group": ({"links": link("key.pem", mode="0640")}, []),
    "link": ({"links": [{"path": "/opt/x", "file": "key.pem"}]}, []),
}


@pytest.mark.parametrize(("options", "expected"), CASES.values(), ids=CASES.keys())
def test_what_everybody_may_read(options: Any, expected: List[str]) -> None:
    assert found(**options) == expected


@pytest.mark.parametrize("style", STYLES)
def test_a_passphrase_is_found_however_it_is_quoted(style: str) -> None:
    content = "a = {0}\n".format(quote(SECRET, style))
    assert found(content, configs=config(mode="0644")) == ["configs[0].mode: passphrase"]
