# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The complete set of files that a generation shall hold, each with how to compare and how to write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .. import certificate as certificates
from .. import chain as chains
from ..difference import Difference
from ..document import Access, Credential, Keystore, Truststore
from ..errors import FormatError, InputError
from ..files import Attributes, resolve_attributes
from . import stores
from .manifest import NAME as MANIFEST
from .manifest import Manifest, digest
from .material import CERTIFICATE, CHAIN, CLIENT, FULL_CHAIN, KEY, TRUST, Material
from .observe import Observation


@dataclass(frozen=True)
class WantedFile:
    """One file of a generation.

    `compare(bytes)` gives the differences of what is there; `encode(bytes or None)` gives what shall be there, the
    argument being what is there now. `missing` is the reason code for its absence.
    """

    name: str
    attributes: Attributes
    missing: str
    compare: Callable[[bytes], List[Difference]] = field(repr=False)
    encode: Callable[[Optional[bytes]], bytes] = field(repr=False)
    aliases: Tuple[str, ...] = ()


def wanted_names(wanted: Credential) -> List[str]:
    """The names of all files that the generation will hold, known before there is a key."""
    trust = [TRUST] if wanted.authorities else []
    own = [item.file for group in (wanted.keystores, wanted.truststores, wanted.configs) for item in group]
    return [KEY, CERTIFICATE, CHAIN, FULL_CHAIN, CLIENT, *trust, *own]


def check(wanted: Credential, authorities: Mapping[str, Sequence[bytes]], unavailable: Mapping[str, str]) -> None:
    """Raise InputError for all that would fail only after a certificate was issued, were it not found before.

    `unavailable` says of authorities that this host should have itself why it has not.
    """
    _check_access(wanted)
    _check_names(wanted)
    check_authorities(wanted.name, asked_authorities(wanted), authorities, unavailable)
    _check_key(wanted)
    for keystore in wanted.keystores:
        stores.check(keystore, wanted.name, authorities)


def check_stores(wanted: Credential, observation: Observation) -> None:
    """Raise PassphraseError where a new generation could not take over what an old store holds."""
    stored: List[Union[Keystore, Truststore]] = [*wanted.keystores, *wanted.truststores]
    for item in stored:
        found = observation.files.get(item.file)
        if found is not None and found.content and item.format != "pem":
            try:
                stores.open_keystore(found.content, item, wanted)
            except FormatError:
                # Garbage holds nothing to take over.
                continue


def _check_names(wanted: Credential) -> None:
    names = [MANIFEST, *wanted_names(wanted)]
    for name in names:
        if names.count(name) > 1:
            raise InputError("credential {0}: the file {1!r} is there twice".format(wanted.name, name))
    for link in wanted.links:
        if link.file not in names[1:]:
            raise InputError(
                "credential {0}, link {1}: there is no file {2!r}".format(wanted.name, link.path, link.file)
            )


def _check_key(wanted: Credential) -> None:
    """The same rules as those of private_key.dump, which meets the key only when its certificate has come."""
    where = "credential {0}: ".format(wanted.name)
    if wanted.key.passphrase == "":
        raise InputError(where + "the key's passphrase is empty; leave it out for a key that is not encrypted")
    if wanted.key.format == "traditional" and wanted.key.passphrase is not None:
        raise InputError(where + "a traditional private key cannot be encrypted safely; use format pkcs8")
    if wanted.key.format == "traditional" and wanted.key.kind.type == "Ed25519":
        raise InputError(where + "there is no traditional format for Ed25519 keys; use format pkcs8")


def _check_access(wanted: Credential) -> None:
    resolve(wanted.access, wanted.name)
    for group in (wanted.keystores, wanted.truststores, wanted.configs):
        for item in group:
            resolve(item.access, "{0}, {1}".format(wanted.name, item.file))


def private_attributes() -> Attributes:
    """For the module's own files: nobody else has business with them."""
    return resolve_attributes(None, None, "0600", "manifest")


def resolve(access: Access, where: str) -> Attributes:
    """The numbers behind an owner, a group and a mode."""
    return resolve_attributes(access.owner, access.group, access.mode, "credential " + where)


def wanted_files(
    wanted: Credential,
    material: Material,
    authorities: Mapping[str, Sequence[bytes]],
    manifest: Optional[Manifest],
) -> List[WantedFile]:
    """Every file of the generation, in the order in which they are written."""
    attributes = resolve(wanted.access, wanted.name)
    full = certificates.to_pem([material.certificate, *_without_root(material.chain)])
    pem: Dict[str, Tuple[bytes, str, str]] = {
        KEY: (material.key_pem, "key_missing", "key_unreadable"),
        CERTIFICATE: (certificates.to_pem([material.certificate]), "certificate_missing", "file_changed"),
        CHAIN: (certificates.to_pem(material.chain), "chain_incomplete", "chain_changed"),
        FULL_CHAIN: (full, "file_missing", "file_changed"),
        CLIENT: (_ended(material.key_pem) + full, "file_missing", "file_changed"),
    }
    if wanted.authorities:
        trust = _bundle(wanted.authorities, authorities)
        pem[TRUST] = (trust, "store_missing", "truststore_content_changed")
    files = [_exact(name, attributes, *entry) for name, entry in pem.items()]
    recorded = manifest.aliases if manifest is not None else {}
    for keystore in wanted.keystores:
        content = stores.keystore(keystore, wanted, material, authorities, recorded.get(keystore.file, ()))
        files.append(_store(keystore.file, resolve(keystore.access, wanted.name), content))
    for truststore in wanted.truststores:
        files.append(_truststore(truststore, wanted, material, authorities))
    for config in wanted.configs:
        access = resolve(config.access, wanted.name)
        files.append(_exact(config.file, access, config.content.encode(), "file_missing", "config_changed"))
    return files


def _truststore(
    truststore: Truststore, wanted: Credential, material: Material, authorities: Mapping[str, Sequence[bytes]]
) -> WantedFile:
    attributes = resolve(truststore.access, wanted.name)
    if truststore.format != "pem":
        return _store(truststore.file, attributes, stores.truststore(truststore, wanted, material, authorities))
    own = certificates.to_pem([material.certificate, *material.chain]) if truststore.own_chain else b""
    content = _bundle(truststore.authorities, authorities) + own
    return _exact(truststore.file, attributes, content, "store_missing", "truststore_content_changed")


def _store(name: str, attributes: Attributes, content: stores.StoreContent) -> WantedFile:
    return WantedFile(name, attributes, "store_missing", content.compare, content.encode, content.aliases)


def _exact(name: str, attributes: Attributes, content: bytes, missing: str, changed: str) -> WantedFile:
    """A file whose bytes follow from its values: the same values always give the same bytes."""

    def compare(found: bytes) -> List[Difference]:
        if found == content:
            return []
        if changed == "config_changed":
            # A digest of a text with a short passphrase in it would be a hint.
            return [Difference(changed, name, "other content", "as rendered")]
        return [Difference(changed, name, "sha256 " + digest(found), "sha256 " + digest(content))]

    return WantedFile(name, attributes, missing, compare, lambda found: content)


def _ended(pem: bytes) -> bytes:
    return pem if pem.endswith(b"\n") else pem + b"\n"


def _without_root(chain: Sequence[Any]) -> List[Any]:
    """What a client sends: its peer has the root, or must not learn to trust it from us (RFC 8446, 4.4.2)."""
    return [item for item in chain if not chains.is_root(item)]


def _bundle(names: Sequence[str], authorities: Mapping[str, Sequence[bytes]]) -> bytes:
    unique = dict.fromkeys(der for name in names for der in authorities[name])
    return certificates.to_pem([certificates.from_der(der) for der in unique])


def asked_authorities(wanted: Credential) -> List[str]:
    """The names of all authorities that the credential's files are made with, or its servers are known by."""
    asked = list(wanted.authorities)
    asked += [trusted.authority for keystore in wanted.keystores for trusted in keystore.trusted]
    asked += [] if wanted.verify is None else wanted.verify.authorities
    return asked + [name for truststore in wanted.truststores for name in truststore.authorities]


def check_authorities(
    credential: str, names: Sequence[str], authorities: Mapping[str, Sequence[bytes]], unavailable: Mapping[str, str]
) -> None:
    """Raise InputError for an authority that this host lacks, or that has not travelled with the document."""
    for name in names:
        if name in unavailable:
            raise InputError("credential {0}: {1}".format(credential, unavailable[name]))
        if name not in authorities:
            raise InputError("credential {0}: authority {1!r} is not known".format(credential, name))
