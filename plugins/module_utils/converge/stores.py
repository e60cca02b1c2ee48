# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keystores and truststores of a generation: open what is there, say what differs, build what is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from .. import certificate as certificates
from .. import private_key as private_keys
from ..difference import Difference
from ..document import Credential, Keystore, Trusted, Truststore
from ..errors import FormatError, InputError, PassphraseError
from ..keystore_format import codec, detect
from ..store import KeyEntry, Store, TrustedEntry, differences

_JKS = "jks"
_ALIAS_FINGERPRINT = 8


@dataclass(frozen=True)
class OpenedStore:
    """A decoded store; `wanted_passphrase` tells whether the passphrases of today opened it, not previous ones."""

    store: Store
    wanted_passphrase: bool


def open_keystore(content: bytes, wanted: Union[Keystore, Truststore], credential: Credential) -> OpenedStore:
    """Open a store with its passphrases or previous ones. Raises FormatError, PassphraseError where none opens it."""
    formats = codec(_format_of(content, wanted.format))
    key_passphrase = wanted.key_passphrase if isinstance(wanted, Keystore) else None
    passphrase = wanted.passphrase or ""
    try:
        return OpenedStore(formats.decode(content, passphrase, key_passphrase), True)
    except PassphraseError:
        previous = credential.previous_passphrases
    for store_passphrase in (passphrase, *previous):
        for other in (key_passphrase, None, passphrase, *previous):
            try:
                return OpenedStore(formats.decode(content, store_passphrase, other), False)
            except PassphraseError:
                continue
    raise PassphraseError(
        "{0} of credential {1}: neither its passphrase nor previous_passphrase opens it; set previous_passphrase to "
        "the one it was made with, or move the file away to have it made anew".format(wanted.file, credential.name)
    )


def _format_of(content: bytes, wanted: str) -> str:
    """The format a store has: not the wanted one, where the inventory changed it. Raises FormatError."""
    return detect(content) if content else wanted


def check(wanted: Keystore, where: str, authorities: Mapping[str, Sequence[bytes]]) -> None:
    """Raise InputError for a keystore that cannot be written, whatever the key and the certificate will be."""
    where = "credential {0}, {1}".format(where, wanted.file)
    if wanted.format != _JKS and wanted.key_passphrase not in (None, wanted.passphrase):
        raise InputError(
            where + ": a PKCS#12 store has one passphrase for everything; leave key_passphrase out, or use format jks"
        )
    seen = {wanted.friendly_name.lower()}
    for trusted in wanted.trusted:
        for alias, _der in _aliased(trusted, authorities):
            if alias.lower() in seen:
                raise InputError(
                    "{0}: two entries have the alias {1!r} (case does not count); rename one".format(where, alias)
                )
            seen.add(alias.lower())


def _aliased(trusted: Trusted, authorities: Mapping[str, Sequence[bytes]]) -> List[Tuple[str, bytes]]:
    bundle = authorities[trusted.authority]
    if len(bundle) == 1:
        return [(trusted.friendly_name, bundle[0])]
    return [("{0}-{1}".format(trusted.friendly_name, number), der) for number, der in enumerate(bundle, 1)]


@dataclass(frozen=True)
class StoreContent:
    """One store as it shall be, ready to be compared with bytes and to be turned into bytes."""

    wanted: Union[Keystore, Truststore]
    credential: Credential
    entries: Tuple[Union[KeyEntry, TrustedEntry], ...]
    own_aliases: Tuple[str, ...]
    exclusive: bool
    truststore: bool

    @property
    def aliases(self) -> Tuple[str, ...]:
        """The aliases that belong to the credential, as they are stored."""
        return tuple(entry.alias for entry in self.entries)

    def compare(self, content: bytes) -> List[Difference]:
        """How a store's bytes differ from what is wanted. Raises PassphraseError where nothing opens it."""
        try:
            opened = open_keystore(content, self.wanted, self.credential)
        except FormatError as error:
            return [Difference("store_unreadable", self.wanted.file, str(error))]
        found = [] if opened.wanted_passphrase else [self._passphrase_difference()]
        found += _once(differences(self.wanted.file, opened.store, self._desired(opened.store), True))
        if not self.truststore:
            return found
        content_reasons = ("store_content_changed", "store_alias_changed")
        return [
            Difference("truststore_content_changed", item.where, item.was, item.wanted)
            if item.reason in content_reasons
            else item
            for item in found
        ]

    def encode(self, content: Optional[bytes]) -> bytes:
        """The store's bytes; entries of others in what was there survive unless the store is exclusive."""
        current = None
        if content is not None:
            try:
                current = open_keystore(content, self.wanted, self.credential).store
            except FormatError:
                # Garbage holds nothing that could survive.
                current = None
        key_passphrase = self.wanted.key_passphrase if isinstance(self.wanted, Keystore) else None
        return codec(self.wanted.format).encode(self._desired(current), self.wanted.passphrase or "", key_passphrase)

    def _desired(self, current: Optional[Store]) -> Store:
        encryption = _JKS if self.wanted.format == _JKS else self.wanted.encryption
        survivors: List[Union[KeyEntry, TrustedEntry]] = []
        if current is not None and not self.exclusive:
            ours = {alias.lower() for alias in (*self.aliases, *self.own_aliases)}
            survivors = [
                entry
                for entry in current.entries
                if entry.alias.lower() not in ours and not any(_is_same_key(entry, own) for own in self.entries)
            ]
        return Store((*self.entries, *survivors), encryption)

    def _passphrase_difference(self) -> Difference:
        return Difference("store_passphrase_changed", self.wanted.file, "another one", "the one of the inventory")


def keystore(
    wanted: Keystore,
    credential: Credential,
    material: Any,
    authorities: Mapping[str, Sequence[bytes]],
    own_aliases: Iterable[str],
) -> StoreContent:
    """The content of a keystore: the key with its chain, and the authorities to trust beside it."""
    chain = (material.certificate, *material.chain)
    ders = tuple(certificates.to_der(item) for item in chain)
    entries: List[Union[KeyEntry, TrustedEntry]] = [
        KeyEntry(
            _stored(wanted.friendly_name, wanted.format),
            private_keys.to_pkcs8(material.key),
            ders,
            _milliseconds(material.certificate),
        )
    ]
    for trusted in wanted.trusted:
        for alias, der in _aliased(trusted, authorities):
            entries.append(TrustedEntry(_stored(alias, wanted.format), der, _milliseconds(certificates.from_der(der))))
    return StoreContent(wanted, credential, tuple(entries), tuple(own_aliases), wanted.exclusive, False)


def truststore(
    wanted: Truststore, credential: Credential, material: Any, authorities: Mapping[str, Sequence[bytes]]
) -> StoreContent:
    """The content of a JKS or PKCS#12 truststore: one alias per certificate, `<authority>-<fingerprint8>`."""
    bundles: List[Tuple[str, Sequence[bytes]]] = [(name, authorities[name]) for name in wanted.authorities]
    if wanted.own_chain:
        own = [certificates.to_der(item) for item in (material.certificate, *material.chain)]
        bundles.append((credential.name, own))
    entries: Dict[str, TrustedEntry] = {}
    for name, bundle in bundles:
        for der in bundle:
            item = certificates.from_der(der)
            alias = "{0}-{1}".format(name, certificates.fingerprint(item)[:_ALIAS_FINGERPRINT])
            alias = _stored(alias, wanted.format)
            entries[alias] = TrustedEntry(alias, der, _milliseconds(item))
    return StoreContent(wanted, credential, tuple(entries.values()), (), True, True)


def _once(found: List[Difference]) -> List[Difference]:
    """An entry that gets another alias is not reported a second time as one to be removed."""
    renamed = tuple("{0!r}: ".format(item.was) for item in found if item.reason == "store_alias_changed")
    return [item for item in found if item.wanted or not (renamed and item.was.startswith(renamed))]


def _is_same_key(entry: Union[KeyEntry, TrustedEntry], own: Union[KeyEntry, TrustedEntry]) -> bool:
    """An own key under an alias of earlier days: known by its public key, since tools encode EC keys differently."""
    if not (isinstance(entry, KeyEntry) and isinstance(own, KeyEntry)):
        return False
    public = [private_keys.from_pkcs8(one.private_key).public_key() for one in (entry, own)]
    return private_keys.public_fingerprint(public[0]) == private_keys.public_fingerprint(public[1])


def _stored(alias: str, format: str) -> str:
    """An alias as the format holds it: Java finds no JKS alias with upper-case letters."""
    return alias.lower() if format == _JKS else alias


def _milliseconds(certificate: Any) -> int:
    """A time stamp that is the same on every run: JKS entries carry one, and a rerun must change nothing."""
    return int(certificates.not_before(certificate).timestamp()) * 1000
