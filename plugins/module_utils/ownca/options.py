# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an own CA: their argument spec, and what they come to."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from .. import duration, name, passphrase
from ..errors import InputError
from ..private_key import CURVES, RSA_SIZES, KeyKind
from .build import AuthoritySpec
from .create import OwnCaSpec
from .phases import PHASES

_RSA_DEFAULT = 4096
_CURVE_DEFAULT = "secp384r1"
_KEY = {
    "type": {"type": "str", "choices": ["RSA", "ECC", "Ed25519"], "default": "ECC"},
    "size": {"type": "int"},
    "curve": {"type": "str", "choices": ["secp256r1", "secp384r1", "secp521r1"]},
}


def argument_spec() -> Dict[str, Dict[str, Any]]:
    """The options that describe an own CA, as Ansible's argument spec takes them."""
    return {
        "directory": {"type": "path", "required": True},
        "state_directory": {"type": "path"},
        # Not "str": Ansible would turn a bare number, which YAML has read in its own way, into text.
        "passphrase": {"type": "raw", "required": True, "no_log": True},
        "previous_passphrase": {"type": "raw", "no_log": True},
        "subject": {"type": "raw", "required": True},
        "key": {"type": "dict", "options": dict(_KEY), "no_log": False},
        "validity": {"type": "str", "default": "3650d"},
        "intermediate": {
            "type": "dict",
            "options": {
                "subject": {"type": "raw", "required": True},
                "key": {"type": "dict", "options": dict(_KEY), "no_log": False},
                "validity": {"type": "str", "default": "1825d"},
            },
        },
        "crl_validity": {"type": "str", "default": "30d"},
    }


def rollover_spec() -> Dict[str, Dict[str, Any]]:
    """The options of the module `ownca` that are about a run, not about the CA."""
    return {
        "phase": {"type": "str", "choices": list(PHASES)},
        "proof": {"type": "dict"},
        "gone": {"type": "list", "elements": "str", "default": []},
    }


def own_ca(options: Mapping[str, Any]) -> OwnCaSpec:
    """What an own CA should be, by the options above. Raises InputError that names the option."""
    passphrase.check(options["passphrase"], "passphrase")
    if options.get("previous_passphrase") is not None:
        passphrase.check(options["previous_passphrase"], "previous_passphrase")
    root = _authority(options, "", options.get("key"))
    given = options.get("intermediate")
    intermediate = None if given is None else _authority(given, "intermediate.", given.get("key") or options.get("key"))
    crl_validity = duration.parse(options["crl_validity"], "crl_validity")
    return OwnCaSpec(root, intermediate, crl_validity)


def _authority(options: Mapping[str, Any], where: str, key: Optional[Mapping[str, Any]]) -> AuthoritySpec:
    try:
        subject = name.normalize(options["subject"])
    except InputError as error:
        raise InputError("{0}subject: {1}".format(where, error)) from error
    return AuthoritySpec(
        subject, _kind(key or {}, where + "key"), duration.parse(options["validity"], where + "validity")
    )


def _kind(key: Mapping[str, Any], where: str) -> KeyKind:
    kind, size, curve = key.get("type") or "ECC", key.get("size"), key.get("curve")
    if size is not None and kind != "RSA":
        raise InputError("{0}.size: only RSA keys have a size; this one is {1}".format(where, kind))
    if curve is not None and kind != "ECC":
        raise InputError("{0}.curve: only ECC keys have a curve; this one is {1}".format(where, kind))
    if kind == "RSA":
        size = size or _RSA_DEFAULT
        if size not in RSA_SIZES or size % 8:
            raise InputError(
                "{0}.size: RSA keys have {1} to {2} bits in whole bytes, not {3}".format(
                    where, RSA_SIZES.start, RSA_SIZES.stop - 1, size
                )
            )
        return KeyKind("RSA", size=size)
    if kind == "ECC":
        curve = curve or _CURVE_DEFAULT
        if curve not in CURVES:
            raise InputError("{0}.curve: must be one of {1}, not {2}".format(where, ", ".join(CURVES), curve))
        return KeyKind("ECC", curve=curve)
    return KeyKind(kind)
