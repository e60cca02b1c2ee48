# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document of another shape than agreed on ends in InputError that names the place, never in a surprise."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.document import Document, parse
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    ACCESS,
    credential,
    keystore,
    link,
    truststore,
)


def _raw() -> Any:
    wanted = credential(
        keystores=[keystore(trusted=[{"friendly_name": "ca", "authority": "partner"}])],
        truststores=[truststore()],
        links=[link(Path("/opt/app/x"), "key.pem"), link(Path("/opt/app/y"), "key.pem", copy=True)],
        answer={"public_fingerprint": "00", "certificates": ["AAAA"]},
        previous_passphrases=["old-secret"],
    )
    return {
        "version": 1,
        "root": "/etc/mtls",
        "lock_timeout": 60,
        "names": ["orders"],
        "authorities": {"partner": ["AAAA"]},
        "credentials": [wanted],
    }


def test_reads_what_was_agreed_on_and_shows_no_secret() -> None:
    document = parse(json.dumps(_raw()))
    assert (document.root, document.lock_timeout, document.names) == ("/etc/mtls", 60.0, ("orders",))
    assert document.credentials[0].spec.subject == (("O", "Acme"), ("CN", "orders"))
    shown = repr(document)
    assert "secret" not in shown
    assert "key = 1" not in shown


BAD = [
    (("version",), [2, None, "1", True]),
    (("root",), ["etc", "/etc/../x", "", None, "/a\0b", "/" + "x" * 5000, "/\ud800"]),
    (("lock_timeout",), [-1, 1.5, "60", None, True, 10**30]),
    (("names",), [None, "orders", [1]]),
    (("authorities",), [None, [], {"x": None}, {"x": [1]}, {"x": ["é"]}, {"x": ["A"]}]),
    (("credentials",), [None, {}, [1], [None]]),
    (("credentials", 0, "name"), ["", "..", ".x", "a/b", "A", "a\n", "x" * 200, None, "a\0"]),
    (("credentials", 0, "state"), ["gone", "", None, "Present"]),
    (("credentials", 0, "subject"), [None, [1], [["CN"]], [["CN", 1]], ["CN"], [["CN", "a", "b"]], [["CN", "\ud800"]]]),
    (("credentials", 0, "subject_alt_name"), [None, [1], "DNS:x"]),
    (("credentials", 0, "key"), [None, [], {}]),
    (("credentials", 0, "key", "type"), ["DSA", None, 1]),
    (("credentials", 0, "key", "size"), ["2048", 1.0, -1]),
    (("credentials", 0, "key", "format"), ["der", None]),
    (("credentials", 0, "key", "passphrase"), [1, "\ud800"]),
    (("credentials", 0, "key", "rotate"), [None, 1, "yes"]),
    (("credentials", 0, "previous_passphrases"), [None, [None], ["\udfff"]]),
    *((("credentials", 0, name), [-1, 10**20, None, "1"]) for name in ("renew_before", "renew_jitter", "renew_offset")),
    (("credentials", 0, "keep_generations"), [-1, None]),
    (("credentials", 0, "mode"), [None, 384]),
    (("credentials", 0, "owner"), [0, []]),
    (("credentials", 0, "keystores"), [None, [None]]),
    (("credentials", 0, "keystores", 0, "file"), ["", ".mtls-x", "a/b", "..", "a\n", "-x", None]),
    (("credentials", 0, "keystores", 0, "format"), ["jceks", None, "pem"]),
    (("credentials", 0, "keystores", 0, "passphrase"), [None, 1]),
    (("credentials", 0, "keystores", 0, "encryption"), ["none", None]),
    (("credentials", 0, "keystores", 0, "exclusive"), [None, 0]),
    (("credentials", 0, "keystores", 0, "trusted", 0, "authority"), [None, 1]),
    (("credentials", 0, "truststores", 0, "format"), ["der", None]),
    (("credentials", 0, "truststores", 0, "own_chain"), [None, 1]),
    (("credentials", 0, "configs", 0, "file"), ["../x", None]),
    (("credentials", 0, "configs", 0, "content"), [None, 1, "\ud800"]),
    (("credentials", 0, "links", 0, "path"), ["x", "/a/../b", None, "/opt/app/y", "/opt//app/./y"]),
    (("credentials", 0, "links", 0, "file"), ["../key.pem", None]),
    (("credentials", 0, "links", 0, "copy"), [None, 1]),
    (("credentials", 0, "answer"), [[], 1, {}, {"public_fingerprint": 1, "certificates": []}]),
    (("credentials", 0, "answer", "certificates"), [None, [1], ["*"]]),
]


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, values in BAD for value in values])
def test_anything_else_is_refused(path: Any, value: Any) -> None:
    raw = _raw()
    place = raw
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(InputError) as caught:
        parse(json.dumps(raw))
    assert "secret" not in str(caught.value)


def test_two_credentials_of_one_name() -> None:
    raw = _raw()
    raw["credentials"].append(raw["credentials"][0])
    with pytest.raises(InputError, match="twice"):
        parse(json.dumps(raw))


def test_two_credentials_with_one_link_unless_one_goes() -> None:
    raw = _raw()
    other = {**raw["credentials"][0], "name": "other"}
    raw["credentials"].append(other)
    with pytest.raises(InputError, match="/opt/app/x"):
        parse(json.dumps(raw))
    other["state"] = "absent"
    assert len(parse(json.dumps(raw)).credentials) == 2


@pytest.mark.parametrize(
    "text", ["", "x", "[" * 100_000, "{" * 1000, "null", "1", "NaN", '{"version": ' + "9" * 5000 + "}"]
)
def test_what_is_no_document(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.text() | JSON.map(json.dumps))
def test_any_text(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


@given(st.data())
def test_one_value_replaced_or_gone(data: st.DataObject) -> None:
    raw = copy.deepcopy(_raw())
    place: Any = raw
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        if data.draw(st.booleans()):
            place[key] = data.draw(JSON)
        else:
            del place[key]
        break
    try:
        assert isinstance(parse(json.dumps(raw)), Document)
    except InputError:
        pass


def test_access_is_read_as_text() -> None:
    assert parse(json.dumps(_raw())).credentials[0].configs[0].access.mode == ACCESS["mode"]
