# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options of one credential must be together, whoever its provider is."""

from __future__ import annotations

import posixpath
import re
from typing import Dict, Iterable, List, Sequence, Tuple

from ..module_utils.document import Credential, Keystore, Link
from ..module_utils.errors import InputError
from ..module_utils.private_key import CURVES, RSA_SIZES
from .suggestion import unknown

PEM_FILES = ("key.pem", "certificate.pem", "chain.pem", "fullchain.pem", "client.pem")
TRUST_FILE = "trust.pem"
RESERVED_FILES = frozenset((*PEM_FILES, TRUST_FILE, "manifest.json"))

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}\Z", re.ASCII)
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z", re.ASCII)
_MODE = re.compile(r"0?[0-7]{3}\Z", re.ASCII)
_ALIAS_LIMIT = 200
_GENERATIONS = range(1, 101)


def check(credential: Credential, configs: Sequence[str]) -> None:
    """Raise InputError, naming the option, for the first thing that cannot be. `configs`: the configs' file names."""
    check_name(credential.name)
    if not credential.issuer and credential.state == "present":
        raise InputError("issuer: name the issuer of the certificate, one of those in issuers")
    if credential.keep_generations not in _GENERATIONS:
        raise InputError("keep_generations must be between 1 and 100, not {0}".format(credential.keep_generations))
    _check_key(credential)
    _check_files(credential, configs)
    _check_authority_lists(credential)
    for number, keystore in enumerate(credential.keystores):
        _check_aliases("keystores[{0}]".format(number), keystore)
    _check_links(credential, configs)


def check_absent(credential: Credential) -> None:
    """The same for a credential that shall go."""
    check_name(credential.name)
    for number, link in enumerate(credential.links):
        check_path("links[{0}].path".format(number), link.path)
        _check_file("links[{0}].file".format(number), link.file)


def check_name(name: str) -> None:
    """A credential's name is a directory's name on the host."""
    if not _NAME.match(name):
        raise InputError(
            "name: {0!r} cannot be a credential's name; use lower-case letters, digits, '.', '_' and '-', a letter "
            "or digit first, at most 128 characters, no slash".format(name)
        )


def check_mode(option: str, value: str) -> None:
    """A file's mode is octal text, and not everybody on the host may write the file."""
    if not _MODE.match(value):
        raise InputError('{0}: {1!r} is not an octal mode such as "0640"'.format(option, value))
    if int(value, 8) & 0o002:
        raise InputError('{0}: {1!r} lets everybody write the file; use "0640" or the like'.format(option, value))


def is_for_everybody(mode: str) -> bool:
    """Whether everybody on the host may read a file of this mode."""
    return bool(int(mode, 8) & 0o004)


def check_path(option: str, path: str) -> None:
    """A path on the host is absolute and says directly where it leads."""
    if not path.startswith("/") or path.startswith("//") or posixpath.normpath(path) != path or path == "/":
        raise InputError(
            "{0}: {1!r} must be absolute, without '.', '..', '//' and a slash at its end".format(option, path)
        )
    if any(ord(character) < 32 for character in path) or len(path.encode()) > 1024:
        raise InputError("{0}: the path holds control characters or is too long".format(option))


def _check_key(credential: Credential) -> None:
    key = credential.key
    kind = key.kind
    if kind.type != "RSA" and kind.size is not None:
        raise InputError("key.size is for RSA only; remove it{0}".format(_curve_hint(kind.type)))
    if kind.type != "ECC" and kind.curve is not None:
        raise InputError("key.curve is for ECC only; remove it, or set key.type: ECC")
    if kind.type == "RSA" and (kind.size is None or kind.size not in RSA_SIZES or kind.size % 8):
        raise InputError("key.size: RSA keys have 2048 to 8192 bits in whole bytes, not {0}".format(kind.size))
    if kind.type == "ECC" and kind.curve not in CURVES:
        raise InputError("key.curve: one of {0}".format(", ".join(CURVES)))
    if key.format == "traditional" and kind.type == "Ed25519":
        raise InputError("key.format: Ed25519 keys have no traditional form; use pkcs8")
    if key.format == "traditional" and key.passphrase is not None:
        raise InputError(
            "key.encrypt: the traditional form is encrypted with MD5 and a single iteration, which protects nothing; "
            "use key.format: pkcs8"
        )


def _curve_hint(kind: str) -> str:
    return " (an ECC key has a curve)" if kind == "ECC" else ""


def _check_files(credential: Credential, configs: Sequence[str]) -> None:
    seen: Dict[str, str] = {}
    for option, file in _files(credential, configs):
        _check_file(option, file)
        if file in RESERVED_FILES:
            raise InputError(
                "{0}: {1!r} is a file that each credential has anyway; choose another name".format(option, file)
            )
        # On a file system without case, two names that differ in case only are one file.
        if file.lower() in seen:
            raise InputError(
                "{0}: {1!r} is already the name of {2}; choose another one".format(option, file, seen[file.lower()])
            )
        seen[file.lower()] = option.rpartition(".")[0]


def _files(credential: Credential, configs: Sequence[str]) -> Iterable[Tuple[str, str]]:
    for group, files in (
        ("keystores", [keystore.file for keystore in credential.keystores]),
        ("truststores", [truststore.file for truststore in credential.truststores]),
        ("configs", configs),
    ):
        for number, file in enumerate(files):
            yield "{0}[{1}].file".format(group, number), file


def _check_file(option: str, file: str) -> None:
    if not _FILE.match(file):
        raise InputError(
            "{0}: {1!r} must be a plain file name of letters, digits, '.', '_' and '-'; it stands in the credential's "
            "own directory, and links lead to it from elsewhere".format(option, file)
        )


def _check_authority_lists(credential: Credential) -> None:
    lists: List[Tuple[str, Sequence[str]]] = [("authorities", credential.authorities)]
    for number, truststore in enumerate(credential.truststores):
        option = "truststores[{0}].authorities".format(number)
        lists.append((option, truststore.authorities))
        if not truststore.authorities and not truststore.own_chain:
            raise InputError(
                "{0}: the truststore would be empty; name authorities here or for the credential, or set "
                "own_chain: true".format(option)
            )
    for option, names in lists:
        for name in names:
            if list(names).count(name) > 1:
                raise InputError("{0}: {1!r} stands there twice; remove one of them".format(option, name))


def _check_aliases(where: str, keystore: Keystore) -> None:
    aliases = {keystore.friendly_name.lower(): "the key"}
    check_alias("{0}.friendly_name".format(where), keystore.friendly_name)
    for number, trusted in enumerate(keystore.trusted):
        option = "{0}.trusted[{1}].friendly_name".format(where, number)
        check_alias(option, trusted.friendly_name)
        if trusted.friendly_name.lower() in aliases:
            raise InputError(
                "{0}: {1!r} is already the name of {2} (case does not count); choose another one".format(
                    option, trusted.friendly_name, aliases[trusted.friendly_name.lower()]
                )
            )
        aliases[trusted.friendly_name.lower()] = "the authority {0!r}".format(trusted.authority)


def check_alias(option: str, alias: str) -> None:
    """An alias is short printable text."""
    if not alias.strip() or not alias.isprintable() or len(alias) > _ALIAS_LIMIT:
        raise InputError("{0} must be printable text of 1 to {1} characters".format(option, _ALIAS_LIMIT))


def _check_links(credential: Credential, configs: Sequence[str]) -> None:
    files = [*PEM_FILES, *(file for _option, file in _files(credential, configs))]
    if credential.authorities:
        files.append(TRUST_FILE)
    for number, link in enumerate(credential.links):
        option = "links[{0}]".format(number)
        check_path(option + ".path", link.path)
        if link.file == TRUST_FILE and TRUST_FILE not in files:
            raise InputError("{0}.file: there is no trust.pem, because authorities is empty; fill it".format(option))
        if link.file not in files:
            raise unknown("{0}.file:".format(option), link.file, files)


def check_links_together(links: Sequence[Tuple[str, Link]], root: str) -> None:
    """Links of all credentials of a host (with the option's path each): no path twice, none inside another or root."""
    taken = {root: "root"}
    for option, link in links:
        for path, owner in taken.items():
            if link.path == path and owner != "root":
                raise InputError("{0}.path: {1!r} is also the path of {2}".format(option, link.path, owner))
            inside = _is_inside(link.path, path) or (owner != "root" and _is_inside(path, link.path))
            if inside or link.path == root or _is_inside(root, link.path):
                raise InputError(
                    "{0}.path: {1!r} lies inside {2} ({3!r}) or around it; choose a path elsewhere".format(
                        option, link.path, owner if inside else "root", path if inside else root
                    )
                )
        taken[link.path] = option


def _is_inside(path: str, directory: str) -> bool:
    return path.startswith(directory + "/")
