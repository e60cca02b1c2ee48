# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where the `cryptography` library is imported on a host.

Ansible imports module code before it can report anything, so a missing or old library must not break the
import. Everything else takes what it needs from here; a module's edge calls `require_cryptography()` first.
Where the library moved a name between releases, the difference ends in this file.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Dict, List, Optional, Sequence

from .errors import DependencyError

MINIMUM_VERSION = (3, 3)
MINIMUM_PYTHON = (3, 9)
PACKAGE = "python3-cryptography"
"""What Debian, Ubuntu, Fedora, RHEL and SUSE call the package for the Python that is theirs."""

_DISTRIBUTIONS_PYTHON = "/usr/bin/python3"
_problem: Optional[str] = None
_missing = False
_UNCHECKED_KEYS_SINCE = (39,)

try:
    import cryptography
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
    from cryptography.hazmat.primitives.asymmetric import padding as asymmetric_padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.x509 import oid
except ImportError as error:
    _problem = "{0} cannot import it ({1})".format(sys.executable, error)
    # Not where it is there, and lacks something itself.
    _missing = isinstance(error, ModuleNotFoundError) and error.name == "cryptography"
else:
    _version = tuple(int(part) for part in re.findall(r"\d+", cryptography.__version__)[:2])
    if _version < MINIMUM_VERSION:
        _problem = "that of {0} is version {1}".format(sys.executable, cryptography.__version__)

try:
    # Since cryptography 43 weak ciphers live in "decrepit"; older releases have them beside the others.
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:
    try:
        from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES
    except ImportError:
        pass


def require_cryptography() -> None:
    """Raise DependencyError unless Python is recent enough and a recent enough `cryptography` can be imported."""
    if sys.version_info < MINIMUM_PYTHON:
        raise DependencyError(
            "Python {0} or newer is needed on this host, but {1} is {2}; point ansible_python_interpreter to a newer "
            "one".format(_dotted(MINIMUM_PYTHON), sys.executable, _dotted(sys.version_info[:2]))
        )
    if _problem is not None:
        # Installing needs root, and makes up for what is missing, not for what stands in the package's way.
        helps = _missing and _is_distributions() and os.geteuid() == 0
        raise DependencyError(
            "the Python library 'cryptography' (>= {0}) is needed on this host, but {1}; {2}".format(
                _dotted(MINIMUM_VERSION), _problem, _remedy()
            ),
            PACKAGE if helps else None,
        )


def unchecked_key() -> Dict[str, bool]:
    """The library's argument for loading an RSA key without its proof that both factors are primes."""
    return {"unsafe_skip_rsa_key_validation": True} if _version >= _UNCHECKED_KEYS_SINCE else {}


def library_places() -> List[str]:
    """Where Python looks for the library, in this order; it is in the first that is a directory."""
    return [os.path.join(path, "cryptography") for path in sys.path]


def library_file() -> str:
    """A small file of the library that differs between its releases."""
    return os.path.join(os.path.dirname(cryptography.__file__), "__about__.py")


def _is_distributions() -> bool:
    """Whether packages of the distribution are for the Python that runs this: not in an environment of its own."""
    return sys.prefix == sys.base_prefix and os.path.realpath(sys.executable) == os.path.realpath(_DISTRIBUTIONS_PYTHON)


def _remedy() -> str:
    if not _is_distributions():
        return (
            "this Python is not the distribution's, so install the library with its own pip, or install the package "
            "{0} and set ansible_python_interpreter to {1}".format(PACKAGE, _DISTRIBUTIONS_PYTHON)
        )
    if not _missing:
        return "replace it with that of the package {0}".format(PACKAGE)
    rights = "" if os.geteuid() == 0 else " and become: true"
    return (
        "install the package {0}, or let the role mutual.tls.mtls do it with mtls_install_dependencies: true{1}".format(
            PACKAGE, rights
        )
    )


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)


__all__ = [
    "Cipher",
    "InvalidSignature",
    "TripleDES",
    "UnsupportedAlgorithm",
    "algorithms",
    "asymmetric_padding",
    "ec",
    "ed448",
    "ed25519",
    "hashes",
    "library_file",
    "library_places",
    "modes",
    "oid",
    "require_cryptography",
    "rsa",
    "serialization",
    "unchecked_key",
    "x509",
]

# Names bound to nothing, so that `from .imports import x509` still works and the edge can tell what is missing.
for _name in __all__:
    globals().setdefault(_name, None)
