# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS#12 from entries to bytes (RFC 7292), in the shape that Java and OpenSSL write themselves."""

from __future__ import annotations

from typing import List, Tuple

from . import der, pbe, pkcs12_mac
from .errors import InputError
from .pkcs12_entries import chain_identifier
from .pkcs12_read import (
    CERTIFICATE_BAG_OID,
    DATA_OID,
    ENCRYPTED_DATA_OID,
    FRIENDLY_NAME_OID,
    JAVA_TRUSTED_OID,
    LOCAL_KEY_ID_OID,
    SHROUDED_KEY_BAG_OID,
    X509_CERTIFICATE_OID,
)
from .store import KeyEntry, Store, TrustedEntry

_ANY_EXTENDED_KEY_USAGE_OID = "2.5.29.37.0"


def write(store: Store, passphrase: str) -> bytes:
    """A whole PFX: keys one by one in the open, each encrypted; all certificates in one encrypted part; the MAC."""
    keys: List[bytes] = []
    certificates: List[bytes] = []
    for entry in store.entries:
        if isinstance(entry, TrustedEntry):
            certificates.append(_trusted_bag(entry))
        else:
            keys.append(_key_bag(entry, store.encryption, passphrase))
            certificates += _chain_bags(entry)
    parts = []
    if keys:
        parts.append(_content_info(DATA_OID, der.octet_string(der.sequence(*keys))))
    if certificates:
        parts.append(_encrypted_part(der.sequence(*certificates), store.encryption, passphrase))
    safe = der.sequence(*parts)
    mac_data = pkcs12_mac.create(store.encryption, safe, passphrase)
    return der.sequence(der.integer(3), _content_info(DATA_OID, der.octet_string(safe)), mac_data)


def _key_bag(entry: KeyEntry, profile: str, passphrase: str) -> bytes:
    algorithm, ciphertext = pbe.encrypt(profile, entry.private_key, passphrase)
    value = der.sequence(algorithm, der.octet_string(ciphertext))
    return _bag(SHROUDED_KEY_BAG_OID, value, [_friendly_name(entry.alias), *_local_key_id(entry)])


def _chain_bags(entry: KeyEntry) -> List[bytes]:
    """The leaf with its key's name and identifier, then the others with neither, as OpenSSL writes them."""
    if not entry.chain:
        return []
    leaf = _certificate_bag(entry.chain[0], [_friendly_name(entry.alias), *_local_key_id(entry)])
    return [leaf] + [_certificate_bag(certificate, []) for certificate in entry.chain[1:]]


def _trusted_bag(entry: TrustedEntry) -> bytes:
    """Without Java's attribute, which says what the certificate is trusted for, Java overlooks it."""
    attributes = [_friendly_name(entry.alias)] if entry.alias else []
    if entry.visible_to_java:
        attributes.append(_attribute(JAVA_TRUSTED_OID, der.oid(_ANY_EXTENDED_KEY_USAGE_OID)))
    return _certificate_bag(entry.certificate, attributes)


def _certificate_bag(certificate: bytes, attributes: List[bytes]) -> bytes:
    value = der.sequence(der.oid(X509_CERTIFICATE_OID), der.explicit(0, der.octet_string(certificate)))
    return _bag(CERTIFICATE_BAG_OID, value, attributes)


def _bag(kind: str, value: bytes, attributes: List[bytes]) -> bytes:
    return der.sequence(der.oid(kind), der.explicit(0, value), *([der.set_of(*attributes)] if attributes else []))


def _attribute(identifier: str, value: bytes) -> bytes:
    return der.sequence(der.oid(identifier), der.set_of(value))


def _friendly_name(alias: str) -> bytes:
    try:
        return _attribute(FRIENDLY_NAME_OID, der.bmp_string(alias))
    except UnicodeEncodeError:
        raise InputError("a keystore alias holds half of a surrogate pair, which is not a character") from None


def _local_key_id(entry: KeyEntry) -> Tuple[bytes, ...]:
    if not entry.chain:
        return ()
    return (_attribute(LOCAL_KEY_ID_OID, der.octet_string(chain_identifier(entry.chain))),)


def _content_info(kind: str, content: bytes) -> bytes:
    return der.sequence(der.oid(kind), der.explicit(0, content))


def _encrypted_part(plain: bytes, profile: str, passphrase: str) -> bytes:
    algorithm, ciphertext = pbe.encrypt(profile, plain, passphrase)
    content = der.encode(der.context(0, constructed=False), ciphertext)
    info = der.sequence(der.oid(DATA_OID), algorithm, content)
    return _content_info(ENCRYPTED_DATA_OID, der.sequence(der.integer(0), info))
