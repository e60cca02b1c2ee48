# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a keystore holds, whatever its format, and how two of them differ.

Values, not bytes: two files with the same entries differ in every byte, because salts do.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from typing import Dict, Iterable, List, Optional, Tuple, Union

from .certificate import from_der, not_after
from .difference import Difference
from .errors import Error, InputError
from .private_key import from_pkcs8, public_fingerprint

SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes that a keystore may have; the system's whole CA bundle makes one of about 200 KiB."""


@dataclass(frozen=True)
class KeyEntry:
    """A private key with its certificate chain, leaf first.

    `private_key` is PKCS#8 DER, `chain` DER certificates (empty only where a store was found so), `created`
    milliseconds since 1970, which JKS stores and nothing compares.
    """

    alias: str
    private_key: bytes = field(repr=False)
    chain: Tuple[bytes, ...] = field(repr=False)
    created: int = 0


@dataclass(frozen=True)
class TrustedEntry:
    """A certificate to trust. In PKCS#12, Java sees it only where an attribute says so; its alias may be empty then."""

    alias: str
    certificate: bytes = field(repr=False)
    created: int = 0
    visible_to_java: bool = True


Entry = Union[KeyEntry, TrustedEntry]


@dataclass(frozen=True)
class Store:
    """Entries and how they are protected: "jks", or for PKCS#12 "modern", "compatible" or "other"."""

    entries: Tuple[Entry, ...]
    encryption: str


def differences(where: str, current: Store, desired: Store, exclusive: bool) -> List[Difference]:
    """What has to change in `current` so that it holds `desired`, and nothing else if `exclusive`.

    Aliases compare without case, as in Java; keys by value, though only their public fingerprints are shown;
    creation times are ignored.
    """
    present, wanted = _by_alias(current.entries), _by_alias(desired.entries)
    found: List[Difference] = []
    for alias, entries in wanted.items():
        if alias in present:
            found += _changes(where, current.encryption, present[alias], entries)
        else:
            spare = [entry for entry in current.entries if folded(entry.alias) not in wanted]
            found += [_missing(where, entry, spare) for entry in entries]
    if exclusive:
        surplus = [entry for alias, entries in present.items() if alias not in wanted for entry in entries]
        found += [_content_changed(where, entry.alias, describe(entry), "") for entry in surplus]
    if current.encryption != desired.encryption:
        found.append(Difference("store_encryption_changed", where, current.encryption, desired.encryption))
    return found


def merged(current: Optional[Store], desired: Store, exclusive: bool) -> Store:
    """`desired` with, unless `exclusive`, the entries of `current` under other aliases.

    An entry whose content stays keeps its creation time.
    """
    if current is None:
        return desired
    entries: List[Entry] = []
    wanted = {folded(entry.alias) for entry in desired.entries}
    if not exclusive:
        entries += [entry for entry in current.entries if folded(entry.alias) not in wanted]
    for entry in desired.entries:
        same = [
            found
            for found in current.entries
            if folded(found.alias) == folded(entry.alias) and same_content(found, entry)
        ]
        entries.append(replace(entry, created=same[0].created) if same else entry)
    return Store(tuple(entries), desired.encryption)


def check_aliases(entries: Iterable[Entry]) -> None:
    """InputError for an entry without an alias, or two whose aliases differ at most in case.

    Certificates that Java does not see may have none, or share one: nobody can address them anyway.
    """
    seen: Dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, TrustedEntry) and not entry.visible_to_java:
            continue
        if not entry.alias:
            raise InputError("a keystore entry has an empty alias; give it a friendly_name")
        if folded(entry.alias) in seen:
            raise InputError(
                "two entries of one keystore have the aliases {0!r} and {1!r}, which are the same to Java because "
                "it ignores case; rename one".format(seen[folded(entry.alias)], entry.alias)
            )
        seen[folded(entry.alias)] = entry.alias


def folded(alias: str) -> str:
    """The form in which aliases compare: Java's engines look them up in lower case."""
    return alias.lower()


def describe(entry: Entry) -> str:
    """An entry for people: its type, its certificates with fingerprints and last days; nothing secret."""
    if isinstance(entry, TrustedEntry):
        hidden = "" if entry.visible_to_java else ", not visible to Java"
        return "trusted certificate {0}{1}".format(_describe(entry.certificate), hidden)
    chain = ", ".join(_describe(certificate) for certificate in entry.chain) or "no certificate"
    return "private key with public key {0} and {1}".format(_public_fingerprint(entry.private_key) or "unknown", chain)


def same_content(one: Entry, other: Entry) -> bool:
    """Whether two entries hold the same, whatever their aliases and creation times."""
    if isinstance(one, KeyEntry):
        return isinstance(other, KeyEntry) and one.chain == other.chain and _same_key(one, other)
    return (
        isinstance(other, TrustedEntry)
        and one.certificate == other.certificate
        and one.visible_to_java == other.visible_to_java
    )


def _by_alias(entries: Iterable[Entry]) -> Dict[str, List[Entry]]:
    """Usually one entry for each alias; certificates that Java does not see may share one."""
    found: Dict[str, List[Entry]] = {}
    for entry in entries:
        found.setdefault(folded(entry.alias), []).append(entry)
    return found


def _missing(where: str, entry: Entry, spare: Iterable[Entry]) -> Difference:
    """An entry that is not there under its alias, but may be under another one that nobody wants."""
    for other in spare:
        if same_content(other, entry):
            return Difference("store_alias_changed", where, other.alias, entry.alias)
    return _content_changed(where, entry.alias, "", describe(entry))


def _changes(where: str, encryption: str, present: List[Entry], wanted: List[Entry]) -> List[Difference]:
    """How what stands under one alias differs from what is wanted there."""
    missing, surplus = list(wanted), []
    for entry in present:
        same = [other for other in missing if same_content(entry, other)]
        if same:
            missing.remove(same[0])
        else:
            surplus.append(entry)
    if missing or surplus:
        was, will_be = ("; ".join(describe(entry) for entry in entries) for entries in (present, wanted))
        return [_content_changed(where, wanted[0].alias, was, will_be)]
    alias = folded(wanted[0].alias)
    if encryption == "jks" and present[0].alias != alias:
        # Java looks up the lower-case form only, so an alias that another tool wrote in capitals is lost to it.
        return [Difference("store_alias_changed", where, present[0].alias, alias)]
    return []


def _content_changed(where: str, alias: str, was: str, wanted: str) -> Difference:
    def side(text: str) -> str:
        return "{0!r}: {1}".format(alias, text) if text else ""

    return Difference("store_content_changed", where, side(was), side(wanted))


def _same_key(one: KeyEntry, other: KeyEntry) -> bool:
    """By value: tools encode one key in several ways, an EC key with or without its public point for example."""
    if hmac.compare_digest(one.private_key, other.private_key):
        return True
    fingerprint = _public_fingerprint(one.private_key)
    return fingerprint is not None and fingerprint == _public_fingerprint(other.private_key)


def _public_fingerprint(private_key: bytes) -> Optional[str]:
    """The fingerprint of the public key, or None for a key of a kind that is not handled."""
    try:
        return public_fingerprint(from_pkcs8(private_key).public_key())
    except Error:
        return None


def _describe(certificate: bytes) -> str:
    try:
        until = "until {0}".format(not_after(from_der(certificate)).date().isoformat())
    except Error:
        until = "unreadable"
    return "{0} ({1})".format(hashlib.sha256(certificate).hexdigest(), until)
