# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The authorities of an inventory, read on the controller: named bundles of certificates to trust."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ..module_utils import certificate, name
from ..module_utils.arguments import authority as authority_spec
from ..module_utils.document import Keystore
from ..module_utils.errors import Error, InputError
from .checks import check_alias
from .intent import Intent
from .issuers.base import Issuer
from .structure import check, without_nulls
from .suggestion import unknown

SYSTEM = "system"
"""The reserved name of the host's own bundle, which only the host can read."""


@dataclass(frozen=True)
class Authorities:
    """The certificates (DER) of each authority that is used, without `system`, and what is odd about them."""

    certificates: Mapping[str, Tuple[bytes, ...]]
    warnings: Tuple[str, ...]


def issuers_of(stated: Mapping[str, Mapping[str, Any]], used: Sequence[str], known: Iterable[str]) -> List[str]:
    """Check the options of all authorities, and give the issuers whose own certificates the `used` ones are.

    Raises InputError naming the authority; `known` are the names of all issuers.
    """
    found = []
    for authority, given in stated.items():
        where = "authorities.{0}".format(authority)
        if authority == SYSTEM:
            raise InputError("{0}: this name stands for the host's own bundle; choose another one".format(where))
        check_alias("the name of {0}".format(where), authority)
        options = without_nulls(authority_spec(), given)
        check(authority_spec(), options, where)
        if len(options) != 1:
            raise InputError("{0} needs exactly one of src, content and issuer".format(where))
        if "issuer" in options and options["issuer"] not in known:
            raise unknown("{0}.issuer:".format(where), options["issuer"], known)
        if "issuer" in options and authority in used:
            found.append(options["issuer"])
    return found


def read_authorities(
    stated: Mapping[str, Mapping[str, Any]],
    used: Sequence[str],
    directory: str,
    issuers: Mapping[str, Issuer],
    at: datetime,
    check_mode: bool = False,
) -> Authorities:
    """Read the authorities `used` (names) out of those `stated`.

    `issuers` are those that `issuers_of` names. Relative files are looked for in `directory`. An own CA that is yet
    to be made has no certificates in check mode, where the same play may have made it. Raises InputError, naming the
    authority, for anything that is not a bundle of certificates of which at least one is valid `at` that moment; a
    single expired one among others is a warning.
    """
    certificates: Dict[str, Tuple[bytes, ...]] = {}
    warnings: List[str] = []
    for authority in used:
        if authority == SYSTEM:
            continue
        where = "authorities.{0}".format(authority)
        found = _read(where, without_nulls(authority_spec(), stated[authority]), directory, issuers, check_mode)
        warnings += _expired(where, found, at)
        certificates[authority] = tuple(dict.fromkeys(certificate.to_der(one) for one in found))
    return Authorities(certificates, tuple(warnings))


def check_aliases(intents: Sequence[Intent], authorities: Authorities) -> None:
    """Raise InputError where a bundle's certificates get the alias that another entry of a keystore has.

    One certificate of a trusted bundle has the bundle's friendly name, several get `-1`, `-2` … after it.
    """
    for intent in intents:
        for number, keystore in enumerate(intent.host.keystores):
            try:
                _check_keystore(keystore, authorities)
            except InputError as error:
                raise InputError(
                    "credential {0!r}, keystores[{1}].trusted: {2}".format(intent.name, number, error)
                ) from error


def _check_keystore(keystore: Keystore, authorities: Authorities) -> None:
    taken = {keystore.friendly_name.lower()}
    for trusted in keystore.trusted:
        count = len(authorities.certificates.get(trusted.authority, ()))
        aliases = [trusted.friendly_name]
        if count > 1 or trusted.authority == SYSTEM:
            aliases = ["{0}-{1}".format(trusted.friendly_name, number) for number in range(1, count + 1)]
        for alias in aliases:
            if alias.lower() in taken:
                raise InputError(
                    "two entries would have the alias {0!r} (case does not count); rename one".format(alias)
                )
            taken.add(alias.lower())


def _read(
    where: str, options: Mapping[str, Any], directory: str, issuers: Mapping[str, Issuer], check_mode: bool
) -> List[Any]:
    if "issuer" in options:
        return _root_of(issuers[options["issuer"]], "{0}.issuer".format(where), check_mode)
    if "content" in options:
        return _bundle(options["content"].encode(), "{0}.content".format(where))
    path = os.path.join(directory, os.path.expanduser(options["src"]))
    return _bundle(_file(path, "{0}.src".format(where)), "{0}.src: {1}".format(where, path))


def _root_of(issuer: Issuer, where: str, check_mode: bool) -> List[Any]:
    if check_mode and not issuer.exists():
        return []
    try:
        return issuer.roots()
    except Error as error:
        # An empty bundle instead would empty trust.pem on hosts that work.
        raise InputError("{0}: {1}".format(where, error)) from error


def _bundle(content: bytes, where: str) -> List[Any]:
    try:
        return certificate.load_all(content, where)
    except Error as error:
        raise InputError("{0}; put the CA certificates that are to be trusted there".format(error)) from error


def _file(path: str, where: str) -> bytes:
    """The bytes of a regular file; one byte more than a bundle may have is enough to refuse it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InputError("{0}: {1} is not a file".format(where, path))
            return file.read(certificate.SIZE_LIMIT + 1)
    except OSError as error:
        raise InputError("{0}: cannot read {1}: {2}".format(where, path, error.strerror)) from error


def _expired(where: str, found: Sequence[Any], at: datetime) -> List[str]:
    expired = [one for one in found if certificate.not_after(one) < at]
    if expired and len(expired) == len(found):
        raise InputError(
            "{0}: every certificate in it has expired, the last one {1:%Y-%m-%d}; get the CA's current one".format(
                where, max(certificate.not_after(one) for one in expired)
            )
        )
    return [
        "{0}: the certificate of {1!r} expired {2:%Y-%m-%d}; remove it when nothing needs it".format(
            where, name.render(certificate.subject(one)), certificate.not_after(one)
        )
        for one in expired
    ]
