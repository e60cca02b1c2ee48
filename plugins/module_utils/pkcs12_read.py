# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS#12 from bytes to bags (RFC 7292 sections 4 and 5): checked, decrypted, and not yet put in relation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional

from . import der, pbe, pkcs12_mac
from .derivation import Budget
from .errors import FormatError, PassphraseError, UnsupportedError
from .store import SIZE_LIMIT

DATA_OID = "1.2.840.113549.1.7.1"
ENCRYPTED_DATA_OID = "1.2.840.113549.1.7.6"
KEY_BAG_OID = "1.2.840.113549.1.12.10.1.1"
SHROUDED_KEY_BAG_OID = "1.2.840.113549.1.12.10.1.2"
CERTIFICATE_BAG_OID = "1.2.840.113549.1.12.10.1.3"
NESTED_BAG_OID = "1.2.840.113549.1.12.10.1.6"
X509_CERTIFICATE_OID = "1.2.840.113549.1.9.22.1"
FRIENDLY_NAME_OID = "1.2.840.113549.1.9.20"
LOCAL_KEY_ID_OID = "1.2.840.113549.1.9.21"
JAVA_TRUSTED_OID = "2.16.840.1.113894.746875.1.1"

_ENVELOPED_DATA_OID = "1.2.840.113549.1.7.3"
_SIGNED_DATA_OID = "1.2.840.113549.1.7.2"
_REFUSED_BAGS = {
    "1.2.840.113549.1.12.10.1.4": "a certificate revocation list",
    "1.2.840.113549.1.12.10.1.5": "a secret (symmetric) key",
}
_MAX_NESTING = 4
_MAX_KEYS = 1_000
_WHERE = "PKCS#12 store"


@dataclass(frozen=True)
class KeyBag:
    """A private key (PKCS#8 DER) and the attributes that name it."""

    private_key: bytes = field(repr=False)
    friendly_name: Optional[str]
    local_key_id: Optional[bytes]


@dataclass(frozen=True)
class CertificateBag:
    """A certificate (DER), its attributes, and whether Java's attribute makes it a trusted one."""

    certificate: bytes = field(repr=False)
    friendly_name: Optional[str]
    local_key_id: Optional[bytes]
    trusted: bool


@dataclass
class Contents:
    """All bags in file order. `profiles` has one encryption profile per protected, or unprotected, part."""

    keys: List[KeyBag] = field(default_factory=list)
    certificates: List[CertificateBag] = field(default_factory=list)
    profiles: List[str] = field(default_factory=list)

    @property
    def encryption(self) -> str:
        """The profile that every part agrees on, else "other"."""
        found = set(self.profiles)
        return found.pop() if len(found) == 1 else "other"


def read(data: bytes, passphrase: str, key_passphrase: str) -> Contents:
    """Check the integrity of a store and open all of its bags; keys open with `key_passphrase`."""
    if len(data) > SIZE_LIMIT:
        raise FormatError("a PKCS#12 store of {0} bytes is too large".format(len(data)))
    fields = der.Fields(der.read(data, _WHERE), _WHERE)
    version = der.to_integer(fields.any(), _WHERE)
    if version != 3:
        raise UnsupportedError("the PKCS#12 store is of version {0}; only version 3 is known".format(version))
    safe = _content_of_authenticated_safe(fields.take(der.SEQUENCE))
    mac_data = fields.optional(der.SEQUENCE)
    fields.end()
    budget = Budget()
    reader = _Reader(passphrase, key_passphrase, budget)
    if mac_data is None:
        # Legal, and written by "openssl pkcs12 -nomac" and by Java on demand; never by us.
        reader.contents.profiles.append("other")
    else:
        reader.contents.profiles.append(pkcs12_mac.verify(mac_data, safe, passphrase, budget).profile)
    for part in der.elements(der.expect(der.read(safe, _WHERE), der.SEQUENCE, _WHERE), _WHERE):
        reader.content_info(part)
    return reader.contents


class _Reader:
    """Opens the parts of one store and collects their bags."""

    def __init__(self, passphrase: str, key_passphrase: str, budget: Budget) -> None:
        self.contents = Contents()
        self._passphrase = passphrase
        self._key_passphrase = key_passphrase
        self._budget = budget

    def content_info(self, part: der.Element) -> None:
        """One ContentInfo of the authenticated safe (RFC 7292 section 4.1)."""
        fields = der.Fields(part, _WHERE)
        kind = der.to_oid(fields.any(), _WHERE)
        content = _only(fields.take(der.context(0)))
        if kind == DATA_OID:
            plain = der.to_octets(content, _WHERE)
            protected = False
        elif kind == ENCRYPTED_DATA_OID:
            plain = self._encrypted_data(content)
            protected = True
        elif kind == _ENVELOPED_DATA_OID:
            raise UnsupportedError("the PKCS#12 store is encrypted for a public key, which is not handled")
        else:
            raise FormatError("{0}: a part of the unknown type {1}".format(_WHERE, kind))
        self._bags(der.read(plain, _WHERE), protected, 0)

    def _encrypted_data(self, content: der.Element) -> bytes:
        """EncryptedData (RFC 5652 section 8)."""
        fields = der.Fields(content, _WHERE)
        fields.take(der.INTEGER)
        info = der.Fields(fields.take(der.SEQUENCE), _WHERE)
        info.take(der.OBJECT_IDENTIFIER)
        scheme = pbe.parse(info.take(der.SEQUENCE))
        ciphertext = der.to_octets(info.any(), _WHERE, der.context(0, constructed=False))
        self.contents.profiles.append(scheme.profile)
        return self._opened(scheme, ciphertext, self._passphrase)

    def _opened(self, scheme: pbe.Scheme, ciphertext: bytes, passphrase: str) -> bytes:
        plain = pbe.decrypt(scheme, ciphertext, passphrase, self._budget)
        try:
            der.read(plain, _WHERE)
        except FormatError:
            # One wrong passphrase in 256 leaves something that looks like padding, and noise before it.
            raise PassphraseError("the passphrase does not open what the PKCS#12 store holds") from None
        return plain

    def _bags(self, safe_contents: der.Element, protected: bool, depth: int) -> None:
        """SafeContents (RFC 7292 section 4.2)."""
        if depth > _MAX_NESTING:
            raise FormatError("{0}: bags nested too deeply".format(_WHERE))
        for bag in der.elements(der.expect(safe_contents, der.SEQUENCE, _WHERE), _WHERE):
            fields = der.Fields(bag, _WHERE)
            kind = der.to_oid(fields.any(), _WHERE)
            value = _only(fields.take(der.context(0)))
            attributes = _attributes(fields.optional(der.SET))
            fields.end()
            if kind == NESTED_BAG_OID:
                self._bags(value, protected, depth + 1)
            elif kind == CERTIFICATE_BAG_OID:
                self._certificate_bag(value, attributes, protected)
            elif kind in (KEY_BAG_OID, SHROUDED_KEY_BAG_OID):
                self._key_bag(value, attributes, kind == SHROUDED_KEY_BAG_OID, protected)
            else:
                raise UnsupportedError(_refusal(kind, _friendly_name(attributes)))

    def _certificate_bag(self, value: der.Element, attributes: Dict[str, der.Element], protected: bool) -> None:
        fields = der.Fields(value, _WHERE)
        kind = der.to_oid(fields.any(), _WHERE)
        if kind != X509_CERTIFICATE_OID:
            raise UnsupportedError("the PKCS#12 store holds a certificate that is not X.509 (type {0})".format(kind))
        certificate = der.to_octets(_only(fields.take(der.context(0))), _WHERE)
        if not protected:
            self.contents.profiles.append("other")
        name, identifier = _friendly_name(attributes), _local_key_id(attributes)
        trusted = JAVA_TRUSTED_OID in attributes
        self.contents.certificates.append(CertificateBag(certificate, name, identifier, trusted))

    def _key_bag(self, value: der.Element, attributes: Dict[str, der.Element], shrouded: bool, protected: bool) -> None:
        if len(self.contents.keys) == _MAX_KEYS:
            raise FormatError("{0}: more than {1} private keys".format(_WHERE, _MAX_KEYS))
        if shrouded:
            fields = der.Fields(value, _WHERE)
            scheme = pbe.parse(fields.take(der.SEQUENCE))
            ciphertext = der.to_octets(fields.any(), _WHERE)
            self.contents.profiles.append(scheme.profile)
            private_key = self._opened(scheme, ciphertext, self._key_passphrase)
        else:
            private_key = der.encode(der.SEQUENCE, der.expect(value, der.SEQUENCE, _WHERE))
            if not protected:
                self.contents.profiles.append("other")
        self.contents.keys.append(KeyBag(private_key, _friendly_name(attributes), _local_key_id(attributes)))


def _content_of_authenticated_safe(content_info: der.Element) -> bytes:
    fields = der.Fields(content_info, _WHERE)
    kind = der.to_oid(fields.any(), _WHERE)
    if kind == _SIGNED_DATA_OID:
        raise UnsupportedError("the PKCS#12 store is protected by a signature instead of a passphrase")
    if kind != DATA_OID:
        raise FormatError("{0}: content of the unknown type {1}".format(_WHERE, kind))
    return der.to_octets(_only(fields.take(der.context(0))), _WHERE)


def _only(element: der.Element) -> der.Element:
    """The one element in an EXPLICIT tag."""
    return der.read(element.content, _WHERE)


def _attributes(encoded: Optional[der.Element]) -> Dict[str, der.Element]:
    """The first value of every attribute of a bag, by identifier."""
    found: Dict[str, der.Element] = {}
    for attribute in der.elements(encoded.content, _WHERE) if encoded else []:
        fields = der.Fields(attribute, _WHERE)
        identifier = der.to_oid(fields.any(), _WHERE)
        values = der.elements(fields.take(der.SET).content, _WHERE)
        if values:
            found.setdefault(identifier, values[0])
    return found


def _friendly_name(attributes: Dict[str, der.Element]) -> Optional[str]:
    value = attributes.get(FRIENDLY_NAME_OID)
    return None if value is None else der.to_bmp_text(value, "PKCS#12 friendlyName")


def _local_key_id(attributes: Dict[str, der.Element]) -> Optional[bytes]:
    value = attributes.get(LOCAL_KEY_ID_OID)
    return None if value is None else der.to_octets(value, "PKCS#12 localKeyId")


def _refusal(kind: str, name: Optional[str]) -> str:
    what = _REFUSED_BAGS.get(kind, "something of the unknown type {0}".format(kind))
    return "the PKCS#12 store holds {0} ({1!r}), which is not handled and would be lost in writing".format(what, name)
