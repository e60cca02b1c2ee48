# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One translation of what the library raises on malformed input.

Releases of `cryptography` differ in what they raise, and when: some parse a certificate's names and extensions
only on first use. Whatever reads such a value does so inside `format_errors`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Tuple, Type

from .errors import FormatError
from .imports import UnsupportedAlgorithm, x509


def _library_errors() -> Tuple[Type[Exception], ...]:
    return (
        ArithmeticError,
        AttributeError,
        LookupError,
        NotImplementedError,
        TypeError,
        UnsupportedAlgorithm,
        ValueError,
        x509.AttributeNotFound,
        x509.DuplicateExtension,
        x509.ExtensionNotFound,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )


@contextmanager
def format_errors(message: str) -> Iterator[None]:
    """Turn every error that the library raises on malformed input into FormatError(message)."""
    try:
        yield
    except _library_errors() as error:
        raise FormatError(message) from error
    except BaseException as error:
        # A panic of the library's Rust part, or an internal error of its OpenSSL part, is its way of saying that
        # it met bytes nobody thought of. The former derives from BaseException and cannot be imported.
        if type(error).__name__ in ("PanicException", "InternalError"):
            raise FormatError(message) from error
        raise
