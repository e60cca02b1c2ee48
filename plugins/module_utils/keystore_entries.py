# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a store from the options of the module `keystore`: files and texts in, values out."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, FrozenSet, Iterator, List, Mapping, Optional, Sequence, Tuple

from . import certificate, chain, private_key, source
from .errors import Error, InputError
from .store import Entry, KeyEntry, Store, TrustedEntry, check_aliases, folded, merged


@dataclass(frozen=True)
class Changes:
    """What shall stand in a store, and which names go.

    `present` are entries. `absent` are folded names whose entries go. `bundles` are folded names of listed entries
    without a key: a certificate whose alias is such a name, with or without "-<number>", is part of what was put
    there under that name before, and goes when it is not in `present`.
    """

    present: Tuple[Entry, ...]
    absent: FrozenSet[str]
    bundles: FrozenSet[str]

    def applied(self, current: Optional[Store], encryption: str, exclusive: bool) -> Store:
        """The store as it shall be; entries that nobody listed survive unless `exclusive`."""
        desired = Store(self.present, encryption)
        if current is None:
            return desired
        wanted = {folded(entry.alias) for entry in self.present}
        kept = tuple(entry for entry in current.entries if folded(entry.alias) in wanted or not self._goes(entry))
        return merged(Store(kept, current.encryption), desired, exclusive)

    def _goes(self, entry: Entry) -> bool:
        alias = folded(entry.alias)
        stem, dash, number = alias.rpartition("-")
        numbered = bool(dash) and number.isascii() and number.isdigit() and stem in self.bundles
        return alias in self.absent or (isinstance(entry, TrustedEntry) and (alias in self.bundles or numbered))


def changes(options: Sequence[Mapping[str, Any]], created: int) -> Changes:
    """Read what the items of `entries` name. `created`: milliseconds since 1970, for entries that are new.

    Raises DiskError, FormatError, InputError, PassphraseError; all messages name the entry.
    """
    names = [folded(option["friendly_name"]) for option in options]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise InputError(
                "entries: {0!r} is listed twice (case does not count); keep one".format(
                    options[number]["friendly_name"]
                )
            )
    present: List[Entry] = []
    for option in options:
        if option["state"] == "present":
            with _located("entry {0!r}".format(option["friendly_name"])):
                present += _entries(option, created)
    check_aliases(present)
    return Changes(
        tuple(present),
        frozenset(name for name, option in zip(names, options) if option["state"] == "absent"),
        frozenset(name for name, option in zip(names, options) if not _has_key(option)),
    )


def _has_key(option: Mapping[str, Any]) -> bool:
    return option["privatekey_path"] is not None or option["privatekey_content"] is not None


def _entries(option: Mapping[str, Any], created: int) -> List[Entry]:
    """A key with its chain, or one trusted certificate for each that was given."""
    given = certificate.load_all(_material(option, "certificate"), option["certificate_path"] or "certificate_content")
    others = [
        one
        for number, path in enumerate(option["other_certificates"])
        for one in certificate.load_all(source.read(path, "other_certificates[{0}]".format(number)), path)
    ]
    if option["other_certificates_content"] is not None:
        content = option["other_certificates_content"].encode("utf-8", "replace")
        others += certificate.load_all(content, "other_certificates_content")
    alias = option["friendly_name"]
    if _has_key(option):
        return [_key_entry(alias, option, given, others, created)]
    if others:
        raise InputError("other certificates are the chain of a key, and there is no key; give them as certificates")
    bundle = list(dict.fromkeys(certificate.to_der(one) for one in given))
    if len(bundle) == 1:
        return [TrustedEntry(alias, bundle[0], created)]
    return [TrustedEntry("{0}-{1}".format(alias, number), der, created) for number, der in enumerate(bundle, 1)]


def _key_entry(
    alias: str, option: Mapping[str, Any], given: Sequence[Any], others: Sequence[Any], created: int
) -> KeyEntry:
    with _located("privatekey"):
        key = private_key.load(_material(option, "privatekey"), option["privatekey_passphrase"]).key
    mark = private_key.public_fingerprint(key.public_key())
    leaves = [one for one in given if certificate.public_fingerprint(one) == mark]
    if not leaves:
        raise InputError("the certificate is not the private key's: their public keys differ")
    above = chain.order(leaves[0], [*given, *others])
    certificates = tuple(certificate.to_der(one) for one in (leaves[0], *above))
    return KeyEntry(alias, private_key.to_pkcs8(key), certificates, created)


def _material(option: Mapping[str, Any], name: str) -> bytes:
    """The bytes that an option gives by path or by content."""
    path: Optional[str] = option[name + "_path"]
    content: Optional[str] = option[name + "_content"]
    if path is not None and content is not None:
        raise InputError("{0}_path and {0}_content exclude each other; give one".format(name))
    if path is not None:
        return source.read(path, name + "_path")
    if content is None:
        raise InputError("{0}_path or {0}_content is missing; give one, or say state absent".format(name))
    # What UTF-8 cannot encode stands outside of any PEM block, or is damage that the reader will name.
    return content.encode("utf-8", "replace")


@contextmanager
def _located(where: str) -> Iterator[None]:
    """Put in front of an error's message where it happened."""
    try:
        yield
    except Error as error:
        raise type(error)("{0}: {1}".format(where, error)) from error
