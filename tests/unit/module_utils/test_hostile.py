# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

from ansible_collections.mutual.tls.plugins.module_utils.errors import FormatError, InputError
from ansible_collections.mutual.tls.plugins.module_utils.hostile import format_errors


class PanicException(BaseException):
    """What the library's Rust part raises when it panics: no Exception, and nowhere to import it from."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
        TypeError("x"),
        KeyError("x"),
        IndexError("x"),
        OverflowError("x"),
        UnsupportedAlgorithm("x"),
        x509.DuplicateExtension("x", x509.ObjectIdentifier("1.2.3")),
        x509.UnsupportedGeneralNameType("x", 3),
        x509.InvalidVersion("x", 9),
        InternalError("x", []),
        PanicException("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_library_raises_becomes_a_format_error(error):
    with pytest.raises(FormatError, match=r"^a message$"), format_errors("a message"):
        raise error


@pytest.mark.parametrize(
    "error", [InputError("x"), FormatError("another"), KeyboardInterrupt(), MemoryError(), OSError("x")]
)
def test_everything_else_passes(error):
    with pytest.raises(type(error)) as caught, format_errors("a message"):
        raise error
    assert caught.value is error
