# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a credential's key, certificate and chain in what a host holds, whatever file still has them.

A damaged key.pem is no reason for a new key while client.pem or a keystore holds the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, List, Mapping, Optional, Sequence, Tuple

from .. import certificate as certificates
from .. import chain as chains
from .. import name as names
from .. import private_key as private_keys
from ..difference import Difference
from ..document import Credential
from ..errors import Error, FormatError, PassphraseError, UnsupportedError
from ..store import KeyEntry
from .manifest import digest
from .observe import Found, Observation
from .stores import open_keystore

KEY = "key.pem"
CERTIFICATE = "certificate.pem"
CHAIN = "chain.pem"
FULL_CHAIN = "fullchain.pem"
CLIENT = "client.pem"
TRUST = "trust.pem"

_BUNDLES = (FULL_CHAIN, CLIENT)
_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Material:
    """A key that matches its certificate, and the chain above it (issuing CA first).

    `key_pem` are the bytes that key.pem shall have, kept as they are where they need no change.
    """

    key: Any = field(repr=False)
    key_pem: bytes = field(repr=False)
    certificate: Any = None
    chain: Tuple[Any, ...] = ()


@dataclass(frozen=True)
class Search:
    """What was found: material (None where a new certificate is needed) and the differences met on the way.

    `explained` holds those of files that can be mended from the material; `lost` those that cannot. `key` is a key
    that was found, also where there is no material.
    """

    material: Optional[Material]
    explained: Mapping[str, List[Difference]]
    lost: Tuple[Difference, ...] = ()
    key: Optional[Any] = field(default=None, repr=False)


@dataclass(frozen=True)
class _OpenedKey:
    key: Any = field(repr=False)
    differences: List[Difference] = field(default_factory=list)


def find(observation: Observation, wanted: Credential) -> Search:
    """Search the generation in use. Raises PassphraseError where a key is there but no given passphrase opens it."""
    if observation.number is None:
        subject = names.render(wanted.spec.subject)
        return Search(None, {}, (Difference("certificate_missing", CERTIFICATE, "absent", subject),))
    files = observation.files
    certificate, certificate_differences = _certificate(observation, wanted)
    key, key_differences = _key(observation, wanted, certificate)
    lost = tuple(certificate_differences if certificate is None else ()) + tuple(key_differences if key is None else ())
    if key is None or certificate is None:
        return Search(None, {}, lost, key)
    chain, chain_differences = _chain(observation, wanted, certificate)
    if chain is None:
        return Search(None, {}, tuple(chain_differences), key)
    if not key_differences:
        key_differences = _altered(observation, KEY)
    key_pem = _key_pem(files, wanted, key, bool(key_differences))
    explained = {KEY: key_differences, CERTIFICATE: certificate_differences, CHAIN: chain_differences}
    return Search(Material(key, key_pem, certificate, chain), explained, key=key)


def observed_certificate(observation: Observation) -> Optional[Any]:
    """The leaf in certificate.pem as it is, whatever is wanted; None where there is none to read."""
    found = observation.files.get(CERTIFICATE)
    try:
        return certificates.load_all((found.content if found is not None else None) or b"", CERTIFICATE)[0]
    except (FormatError, UnsupportedError):
        return None


def passphrase_of(content: bytes, wanted: Credential, where: str) -> Optional[str]:
    """The one of a credential's passphrases that opens a key; None where it needs none.

    Raises FormatError and PassphraseError as `open_key` does.
    """
    try:
        private_keys.load(content, None)
    except PassphraseError:
        return _try_passphrases(content, wanted, where, False)[1]
    return None


def _altered(observation: Observation, name: str) -> List[Difference]:
    """Whether a file that still serves its purpose has other bytes than those that were written."""
    found, manifest = observation.files.get(name), observation.manifest
    recorded = manifest.files.get(name) if manifest is not None else None
    if recorded is None or found is None or found.content is None or digest(found.content) == recorded:
        return []
    return [Difference("file_changed", name, "sha256 " + digest(found.content), "sha256 " + recorded)]


def _is_as_written(observation: Observation, name: str) -> bool:
    """Whether a file has the bytes that a manifest, which only we can have written, says were written."""
    found, manifest, manifest_file = observation.files.get(name), observation.manifest, observation.manifest_file
    if found is None or found.content is None or manifest is None or manifest_file is None:
        return False
    return manifest_file.is_ours and manifest.files.get(name) == digest(found.content)


def _key_pem(files: Mapping[str, Found], wanted: Credential, key: Any, damaged: bool) -> bytes:
    """The bytes for key.pem: those that are there, else those in client.pem, else new ones.

    An encrypted key has new bytes whenever it is written; client.pem would have to follow for nothing.
    """
    if not damaged:
        return files[KEY].content or b""
    client = files.get(CLIENT)
    begin = client.content.find(_BEGIN_CERTIFICATE) if client is not None and client.content else -1
    if client is not None and client.content and begin > 0:
        candidate = client.content[:begin]
        try:
            opened = open_key(candidate, wanted, CLIENT)
        except (FormatError, PassphraseError, UnsupportedError):
            # Only a second source: its own state is judged where it is compared.
            opened = None
        if opened is not None and not opened.differences and _same(opened.key, key):
            return candidate
    return private_keys.dump(key, wanted.key.format, wanted.key.passphrase)


def _same(one: Any, other: Any) -> bool:
    fingerprints = [private_keys.public_fingerprint(key.public_key()) for key in (one, other)]
    return fingerprints[0] == fingerprints[1]


def open_key(content: bytes, wanted: Credential, where: str, written_here: bool = False) -> _OpenedKey:
    """Load a private key with the wanted passphrase or a previous one, and say what differs from the wanted form.

    `written_here`: these are, to the byte, what the collection wrote. Raises FormatError (no key), PassphraseError
    (none opens it).
    """
    passphrase, differences = None, []
    try:
        loaded = private_keys.load(content, None, written_here)
    except PassphraseError:
        loaded, passphrase = _try_passphrases(content, wanted, where, written_here)
    if passphrase != wanted.key.passphrase:
        differences.append(Difference("key_passphrase_changed", where, "another one", "the one of the inventory"))
    encryption = "none" if wanted.key.passphrase is None else "pbes2-aes256"
    if loaded.format != wanted.key.format or (not differences and loaded.encryption != encryption):
        was = "{0}, encryption {1}".format(loaded.format, loaded.encryption)
        differences.append(
            Difference("key_format_changed", where, was, "{0}, encryption {1}".format(wanted.key.format, encryption))
        )
    return _OpenedKey(loaded.key, differences)


def _try_passphrases(content: bytes, wanted: Credential, where: str, written_here: bool) -> Tuple[Any, str]:
    candidates = [wanted.key.passphrase, *wanted.previous_passphrases]
    for passphrase in [candidate for candidate in candidates if candidate]:
        try:
            return private_keys.load(content, passphrase, written_here), passphrase
        except PassphraseError:
            continue
    raise PassphraseError(
        "{0} of credential {1} is encrypted and neither passphrase nor previous_passphrase opens it; set "
        "previous_passphrase to the one it was made with".format(where, wanted.name)
    )


def _key(observation: Observation, wanted: Credential, certificate: Any) -> Tuple[Optional[Any], List[Difference]]:
    files = observation.files
    fingerprint = certificates.public_fingerprint(certificate) if certificate is not None else None
    found = files.get(KEY)
    if found is None:
        differences = [Difference("key_missing", KEY)]
    else:
        try:
            opened = open_key(found.content or b"", wanted, KEY, _is_as_written(observation, KEY))
        except (FormatError, UnsupportedError):
            differences = [Difference("key_unreadable", KEY, "not a private key")]
        else:
            public = private_keys.public_fingerprint(opened.key.public_key())
            if fingerprint is None or public == fingerprint:
                return opened.key, opened.differences
            differences = [Difference("key_mismatch", KEY, public, fingerprint)]
    if fingerprint is not None:
        for key in _other_keys(files, wanted):
            if private_keys.public_fingerprint(key.public_key()) == fingerprint:
                return key, differences
    return None, differences


def _other_keys(files: Mapping[str, Found], wanted: Credential) -> Iterator[Any]:
    client = files.get(CLIENT)
    if client is not None and client.content:
        try:
            yield open_key(client.content, wanted, CLIENT).key
        except (FormatError, PassphraseError, UnsupportedError):
            # Only a second source: its own state is judged where it is compared.
            pass
    for entry in _key_entries(files, wanted):
        try:
            yield private_keys.from_pkcs8(entry.private_key)
        except Error:
            # As above.
            continue


def _key_entries(files: Mapping[str, Found], wanted: Credential) -> Iterator[KeyEntry]:
    """The keys with their chains that the keystores hold, as far as these can be opened."""
    for store in wanted.keystores:
        found = files.get(store.file)
        if found is None or not found.content:
            continue
        try:
            entries = open_keystore(found.content, store, wanted).store.entries
        except Error:
            # Only a second source: the store's own state is judged where it is compared.
            continue
        yield from (entry for entry in entries if isinstance(entry, KeyEntry))


def _certificate(observation: Observation, wanted: Credential) -> Tuple[Optional[Any], List[Difference]]:
    manifest, found = observation.manifest, observation.files.get(CERTIFICATE)
    differences: List[Difference] = []
    candidate = None
    if found is None:
        differences = [Difference("certificate_missing", CERTIFICATE)]
    else:
        pool = _load(found)
        candidate = pool[0] if len(pool) == 1 else None
        if candidate is None:
            differences = [Difference("certificate_unreadable", CERTIFICATE, "not one certificate")]
        elif manifest is not None and certificates.fingerprint(candidate) != manifest.fingerprint_sha256:
            was = certificates.fingerprint(candidate)
            differences = [Difference("file_changed", CERTIFICATE, was, manifest.fingerprint_sha256)]
    if not differences:
        return candidate, []
    for other in _other_certificates(observation.files, wanted) if manifest is not None else ():
        if manifest is not None and certificates.fingerprint(other) == manifest.fingerprint_sha256:
            return other, differences
    if candidate is not None:
        # Somebody put another certificate there by hand. It stays if all else about it is as wanted.
        return candidate, []
    return None, differences


def _chain(
    observation: Observation, wanted: Credential, certificate: Any
) -> Tuple[Optional[Tuple[Any, ...]], List[Difference]]:
    """The chain that was written, from wherever it still is; else what chain.pem holds, if that is one."""
    found = observation.files.get(CHAIN)
    pool = _load(found) if found is not None and found.content is not None else []
    own = chains.order(certificate, pool)
    whole = found is not None and found.content is not None and (bool(pool) or not found.content.strip())
    recorded = observation.manifest.files.get(CHAIN) if observation.manifest is not None else None
    if whole and len(own) == len(pool) and recorded in (None, digest(found.content or b"") if found else None):
        return tuple(own), _order_difference(pool, own)
    differences = _altered(observation, CHAIN) if whole else []
    differences = differences or [Difference("chain_incomplete" if found is None else "chain_changed", CHAIN)]
    gathered = chains.order(certificate, [*_other_certificates(observation.files, wanted), *pool])
    for length in range(len(gathered), -1, -1):
        if recorded == chain_digest(gathered[:length]):
            return tuple(gathered[:length]), differences
    best = max(own, gathered, key=len)
    return (tuple(best), differences) if best else (None, differences)


def _order_difference(pool: Sequence[Any], ordered: Sequence[Any]) -> List[Difference]:
    was, sorted_now = certificates.to_pem(pool), certificates.to_pem(ordered)
    return [] if was == sorted_now else [Difference("chain_changed", CHAIN, "out of order", "issuing CA first")]


def chain_digest(chain: Sequence[Any]) -> str:
    """The digest that the manifest records for a chain.pem with these certificates."""
    return digest(certificates.to_pem(chain))


def _load(found: Found) -> List[Any]:
    try:
        return list(certificates.load_all(found.content or b"", found.entry.kind))
    except FormatError:
        return []


def _other_certificates(files: Mapping[str, Found], wanted: Credential) -> Iterator[Any]:
    for name in _BUNDLES:
        if name in files:
            yield from _load(files[name])
    for entry in _key_entries(files, wanted):
        try:
            for der in entry.chain:
                yield certificates.from_der(der)
        except Error:
            # As above.
            continue
