# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request's body holds is not found in what a server sends back."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.errors import HandshakeError
from ansible_collections.mutual.tls.plugins.module_utils.handshake.confidential import texts_of
from ansible_collections.mutual.tls.plugins.module_utils.handshake.http_request import Request, read_answer
from ansible_collections.mutual.tls.plugins.module_utils.handshake.text import MASK, without_secrets

LOGIN = json.dumps({"user": "api", "password": 'p"ä\\word', "more": [{"pin": "4711", "lang": "e"}, 12345, None, True]})

BODIES: List[Tuple[bytes, Tuple[str, ...]]] = [
    (b"plain text", ("plain text",)),
    (b" plain text\n", (" plain text\n", "plain text")),
    (LOGIN.encode(), (LOGIN, "4711", 'p"ä\\word')),
    (b'"one text"', ('"one text"', "one text")),
    (b"user=a&secret=a%2Bb+c", ("user=a&secret=a%2Bb+c", "a+b c", "a%2Bb+c")),
    (b"", ()),
    (b"{}", ()),
    (b'{"a": "b"}', ('{"a": "b"}',)),
    (b"\xff\xfe\xfd\xfc", ("\ufffd" * 4,)),
    (b"[" * 50_000, ("[" * 50_000,)),
]


@pytest.mark.parametrize(("body", "texts"), BODIES, ids=range(len(BODIES)))
def test_texts_of_a_body(body: bytes, texts: Tuple[str, ...]) -> None:
    assert texts_of(body) == texts


@given(st.binary(max_size=200))
def test_any_body_has_texts(body: bytes) -> None:
    assert all(len(text) >= 4 for text in texts_of(body))


ECHOES: List[Tuple[bytes, str, str]] = [
    (LOGIN.encode(), "you sent " + LOGIN, "you sent @"),
    (LOGIN.encode(), 'password p"ä\\word, pin 4711, lang e: hello', "password @, pin @, lang e: hello"),
    (LOGIN.encode(), json.dumps(json.loads(LOGIN)["more"]), '[{"pin": "@", "lang": "e"}, 12345, null, true]'),
    (b"secret=a%2Bb+c", "secret=a%2Bb+c; a+b c", "@; @"),
    (b"x", "six foxes", "six foxes"),
]


@pytest.mark.parametrize(("body", "echo", "shown"), ECHOES, ids=range(len(ECHOES)))
def test_echoes(body: bytes, echo: str, shown: str) -> None:
    assert without_secrets(echo, Request(body=body).secrets) == shown.replace("@", MASK)


class Session:
    """A server's bytes, as they would come over TLS."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int) -> bytes:
        chunk, self._data = self._data[:size], self._data[size:]
        return chunk


SECRET = "canary " + "x" * 300
HEADS: Dict[str, bytes] = {
    "reason": b"HTTP/1.1 302 you sent " + SECRET.encode() + b"\r\nContent-Length: 0\r\n\r\n",
    "header": b"HTTP/1.1 302 Found\r\nLocation: /" + SECRET.encode() + b"\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"You sent " + SECRET.encode() + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_no_part_of_a_body_stays_in_an_answers_head(name: str) -> None:
    """Messages quote beginnings of what stands there: what was cut off a secret is not known as one any more."""
    session: Any = Session(HEADS[name])
    try:
        shown = repr(read_answer(session, Request(body=SECRET.encode())))
    except HandshakeError as error:
        shown = str(error)
    assert MASK in shown
    assert "canary" not in shown
