# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.mutual.tls.plugins.module_utils.errors import Error, FormatError
from ansible_collections.mutual.tls.plugins.module_utils.pem import blocks


def block(label, content):
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (label, base64.encodebytes(content), label)


@given(st.lists(st.tuples(st.sampled_from([b"A", b"EC PRIVATE KEY", b"PKCS #7 SIGNED DATA"]), st.binary(max_size=99))))
def test_every_block_is_found_in_order(stated):
    data = b"text\n" + b"between\n".join(block(label, content) for label, content in stated)
    for text in (data, data.replace(b"\n", b"\r\n")):
        found = [(one.label.encode("ascii"), one.der("x")) for one in blocks(text, "x")]
        assert found == stated


def test_headers_stand_apart_from_the_body():
    armour = (
        b"-----BEGIN K-----\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES,00 \r\n\r\nAAAA\r\n  BBBB\r\n-----END K-----"
    )
    (found,) = blocks(armour, "x")
    assert found.is_encrypted
    assert found.headers == b"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES,00"
    assert found.der("x") == base64.b64decode(b"AAAABBBB")
    assert found.armoured() == (
        b"-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES,00\n\nAAAA\nBBBB\n-----END K-----\n"
    )
    assert "AAAA" not in repr(found)


def test_a_block_without_end_is_named():
    for data in (
        block(b"A", b"x")[:-5],
        block(b"A", b"x") + b"-----BEGIN B-----\n",
        b"-----BEGIN A-----\n-----END B-----",
    ):
        with pytest.raises(FormatError, match=r"^ca\.pem: .* has no end"):
            blocks(data, "ca.pem")


@pytest.mark.parametrize("body", [b"AAA", b"A===", b"AA=A", b"AAAA*", b"AA:A", b"\xff\xff", b"-----BEGIN A-----"])
def test_what_is_no_base64_is_named(body):
    (found,) = blocks(b"-----BEGIN A-----\n" + body + b"\n-----END A-----\n", "ca.pem")
    with pytest.raises(FormatError, match=r"^ca\.pem: .*A block"):
        found.der("ca.pem")


def test_hostile_armour_takes_no_time_to_refuse():
    before = time.process_time()
    for data in (
        b"-----BEGIN A-----\n" * 200_000,
        b"-----BEGIN A-----" + b"-----END B-----\n" * 200_000,
        b"-----BEGIN " * 300_000,
        b"-----BEGIN A-----\n" + b":\n" * 1_000_000 + b"-----END A-----",
    ):
        try:
            for one in blocks(data, "x"):
                one.der("x")
        except Error:
            pass
    assert time.process_time() - before < 10


@given(st.lists(st.sampled_from([b"-----BEGIN A-----", b"-----END A-----", b"\n", b"AAAA", b"X: y", b"=", b"\xff"])))
def test_no_armour_escapes_our_errors(parts):
    try:
        for one in blocks(b"".join(parts), "x"):
            one.armoured()
            one.der("x")
    except Error:
        pass
