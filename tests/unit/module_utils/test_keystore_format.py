# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing a codec by name and by the first bytes."""

from __future__ import annotations

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import jks, keystore_format, pkcs12
from ansible_collections.mutual.tls.plugins.module_utils.errors import Error, FormatError, InputError
from tests.keystores import DATA


def test_codecs_by_name() -> None:
    assert keystore_format.codec("jks") is jks
    assert keystore_format.codec("pkcs12") is pkcs12
    with pytest.raises(InputError, match="jks or pkcs12, not 'bks'"):
        keystore_format.codec("bks")


@pytest.mark.parametrize(
    ("file", "expected"), [("keytool.jks", "jks"), ("keytool.jceks", "jks"), ("keytool.p12", "pkcs12")]
)
def test_formats_by_first_bytes(file: str, expected: str) -> None:
    assert keystore_format.detect((DATA / file).read_bytes()) == expected


@pytest.mark.parametrize("data", [b"", b"\xfe\xed", b"-----BEGIN", b"PK\x03\x04"])
def test_what_is_no_keystore(data: bytes) -> None:
    with pytest.raises(FormatError, match="no keystore"):
        keystore_format.detect(data)
    for name in keystore_format.FORMATS:
        with pytest.raises(Error):
            keystore_format.codec(name).decode(data, "")
