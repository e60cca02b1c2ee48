# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire document: what one host must make true, as the controller sends it.

It holds only what the host needs. `parse` turns the JSON text into values and refuses what is not of the agreed
shape, so that the code behind it never meets a surprise.
"""

from __future__ import annotations

import base64
import binascii
import json
import os.path
import re
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from .errors import InputError
from .private_key import KeyKind
from .request import RequestSpec

VERSION = 1

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}\Z")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")

STATES = ("present", "absent", "held")
_KEY_TYPES = ("RSA", "ECC", "Ed25519")
_KEY_FORMATS = ("pkcs8", "traditional")
_STORE_FORMATS = ("jks", "pkcs12")
_ENCRYPTIONS = ("modern", "compatible")
# Any larger number of seconds, bits or generations is a mistake, and some would overflow dates.
MAXIMUM_NUMBER = 10**9
_MAXIMUM_PATH = 4095


@dataclass(frozen=True)
class Access:
    """Owner and group (name, number as text, or None for the module's own) and mode (octal text) of a file."""

    owner: Optional[str]
    group: Optional[str]
    mode: str


@dataclass(frozen=True)
class Key:
    """What the private key must be, and how it is written to disk. `rotate`: a renewal takes a new key."""

    kind: KeyKind
    format: str
    passphrase: Optional[str] = field(repr=False)
    rotate: bool = True


@dataclass(frozen=True)
class Trusted:
    """An authority to put into a keystore under an alias."""

    friendly_name: str
    authority: str


@dataclass(frozen=True)
class Keystore:
    """A store with the credential's key and chain. `encryption` is modern or compatible (PKCS#12 only)."""

    file: str
    format: str
    friendly_name: str
    passphrase: str = field(repr=False)
    key_passphrase: Optional[str] = field(repr=False)
    encryption: str
    exclusive: bool
    trusted: Tuple[Trusted, ...]
    access: Access


@dataclass(frozen=True)
class Truststore:
    """A store of trusted certificates: those of `authorities`, and the credential's own chain where wanted."""

    file: str
    format: str
    passphrase: Optional[str] = field(repr=False)
    encryption: str
    own_chain: bool
    authorities: Tuple[str, ...]
    access: Access


@dataclass(frozen=True)
class Config:
    """A client configuration, rendered on the controller; it may hold passphrases."""

    file: str
    content: str = field(repr=False)
    access: Access


@dataclass(frozen=True)
class Link:
    """A path elsewhere that leads to one of the credential's files, or holds a copy of it."""

    path: str
    file: str
    copy: bool
    force: bool
    access: Access


@dataclass(frozen=True)
class Answer:
    """A certificate for one request: the fingerprint of the request's public key, then leaf and chain (DER)."""

    public_fingerprint: str
    certificates: Tuple[bytes, ...]


@dataclass(frozen=True)
class Credential:
    """One credential as the inventory wants it on this host. `renew_before` is in seconds.

    `may_request` is false where the issuer cannot answer now: a request for it would change the host for nothing.
    """

    name: str
    state: str
    provider: str
    issuer: str
    spec: RequestSpec
    key: Key
    previous_passphrases: Tuple[str, ...] = field(repr=False)
    renew_before: int
    access: Access
    keep_generations: int
    authorities: Tuple[str, ...]
    keystores: Tuple[Keystore, ...]
    truststores: Tuple[Truststore, ...]
    configs: Tuple[Config, ...]
    links: Tuple[Link, ...]
    answer: Optional[Answer]
    may_request: bool = True


@dataclass(frozen=True)
class Document:
    """All that one host is told in one trip. `authorities` maps names to DER certificates.

    `text` is what it was read from, on the host.
    """

    root: str
    lock_timeout: float
    names: Tuple[str, ...]
    authorities: Mapping[str, Tuple[bytes, ...]]
    credentials: Tuple[Credential, ...]
    text: str = field(default="", repr=False, compare=False)

    @property
    def holds_answers(self) -> bool:
        """Whether this is the trip that deploys certificates."""
        return any(credential.answer is not None for credential in self.credentials)

    def in_turn(self) -> Sequence[Credential]:
        """The credentials that this trip is about: all, or those that have an answer if any has."""
        if not self.holds_answers:
            return self.credentials
        return [credential for credential in self.credentials if credential.answer is not None]


def parse(text: str) -> Document:
    """Read a wire document. Raises InputError, naming the place, where it is not of the agreed shape."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        # Also for what is no text at all, and for numbers of more digits than Python reads.
        raise InputError("the document is not JSON") from None
    reader = _Reader(raw, "document")
    if reader.integer("version") != VERSION:
        raise InputError("the document is of another version; update the collection on the controller")
    authorities = reader.mapping("authorities")
    document = Document(
        root=reader.path("root"),
        lock_timeout=float(reader.integer("lock_timeout")),
        names=tuple(reader.strings("names")),
        authorities={name: _certificates(ders, "authorities." + name) for name, ders in authorities.items()},
        credentials=tuple(_credential(item) for item in reader.items("credentials")),
        text=text,
    )
    _check_unique([credential.name for credential in document.credentials], "document: the credential")
    paths = [link.path for item in document.credentials if item.state != "absent" for link in item.links]
    _check_unique([os.path.normpath(path) for path in paths], "document: the link")
    return document


def _check_unique(names: Iterable[str], what: str) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise InputError("{0} {1!r} is there twice".format(what, name))
        seen.add(name)


class _Reader:
    """Takes typed values out of one JSON object, naming the place in every error."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict):
            raise InputError("{0} must be a map".format(where))
        self._raw: Dict[str, Any] = raw
        self._where = where

    def _get(self, key: str, kind: type[Any]) -> Any:
        value = self._raw.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InputError("{0}.{1} is missing or of the wrong type".format(self._where, key))
        return value

    def text(self, key: str) -> str:
        value: str = self._get(key, str)
        return self._encodable(value, key)

    def _encodable(self, value: str, key: str) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise InputError("{0}.{1} holds half a character (a lone surrogate)".format(self._where, key)) from None
        return value

    def one_of(self, key: str, values: Sequence[str]) -> str:
        value = self.text(key)
        if value not in values:
            raise InputError("{0}.{1} must be one of {2}".format(self._where, key, ", ".join(values)))
        return value

    def optional(self, key: str) -> Optional[str]:
        return None if self._raw.get(key) is None else self.text(key)

    def integer(self, key: str) -> int:
        value: int = self._get(key, int)
        if not 0 <= value <= MAXIMUM_NUMBER:
            raise InputError("{0}.{1} must be between 0 and {2}".format(self._where, key, MAXIMUM_NUMBER))
        return value

    def flag(self, key: str) -> bool:
        value: bool = self._get(key, bool)
        return value

    def mapping(self, key: str) -> Dict[str, Any]:
        value: Dict[str, Any] = self._get(key, dict)
        return value

    def list(self, key: str) -> List[Any]:
        value: List[Any] = self._get(key, list)
        return value

    def strings(self, key: str) -> List[str]:
        values = self.list(key)
        if not all(isinstance(value, str) for value in values):
            raise InputError("{0}.{1} must hold strings".format(self._where, key))
        return [self._encodable(value, key) for value in values]

    def pairs(self, key: str) -> Tuple[Tuple[str, str], ...]:
        values = self.list(key)
        if not all(isinstance(pair, list) and [type(part) for part in pair] == [str, str] for pair in values):
            raise InputError("{0}.{1} must hold pairs of strings".format(self._where, key))
        return tuple((self._encodable(name, key), self._encodable(value, key)) for name, value in values)

    def items(self, key: str) -> List[_Reader]:
        return [
            _Reader(item, "{0}.{1}[{2}]".format(self._where, key, number)) for number, item in enumerate(self.list(key))
        ]

    def below(self, key: str) -> _Reader:
        return _Reader(self._raw.get(key), self._where + "." + key)

    def has(self, key: str) -> bool:
        return self._raw.get(key) is not None

    def matching(self, key: str, pattern: re.Pattern[str]) -> str:
        value = self.text(key)
        if not pattern.match(value):
            raise InputError("{0}.{1}: {2!r} is not a valid name".format(self._where, key, value))
        return value

    def path(self, key: str) -> str:
        value = self.text(key)
        if not value.startswith("/") or ".." in value.split("/") or "\0" in value or len(value) > _MAXIMUM_PATH:
            raise InputError("{0}.{1}: {2!r} must be absolute and without '..'".format(self._where, key, value))
        return value

    def access(self) -> Access:
        return Access(self.optional("owner"), self.optional("group"), self.text("mode"))


def _certificates(values: object, where: str) -> Tuple[bytes, ...]:
    if not isinstance(values, list):
        raise InputError("{0} must be a list".format(where))
    try:
        return tuple(base64.b64decode(value, validate=True) for value in values)
    except (binascii.Error, TypeError, ValueError):
        raise InputError("{0} must hold base64".format(where)) from None


def _credential(item: _Reader) -> Credential:
    key = item.below("key")
    size = key.integer("size") if key.has("size") else None
    return Credential(
        name=item.matching("name", _NAME),
        state=item.one_of("state", STATES),
        provider=item.text("provider"),
        issuer=item.text("issuer"),
        spec=RequestSpec(
            subject=item.pairs("subject"),
            subject_alt_name=tuple(item.strings("subject_alt_name")),
        ),
        key=Key(
            kind=KeyKind(type=key.one_of("type", _KEY_TYPES), size=size, curve=key.optional("curve")),
            format=key.one_of("format", _KEY_FORMATS),
            passphrase=key.optional("passphrase"),
            rotate=key.flag("rotate"),
        ),
        previous_passphrases=tuple(item.strings("previous_passphrases")),
        renew_before=item.integer("renew_before"),
        access=item.access(),
        keep_generations=item.integer("keep_generations"),
        authorities=tuple(item.strings("authorities")),
        keystores=tuple(_keystore(store) for store in item.items("keystores")),
        truststores=tuple(_truststore(store) for store in item.items("truststores")),
        configs=tuple(
            Config(config.matching("file", _FILE), config.text("content"), config.access())
            for config in item.items("configs")
        ),
        links=tuple(_link(link) for link in item.items("links")),
        answer=_answer(item.below("answer")) if item.has("answer") else None,
        may_request=item.flag("may_request"),
    )


def _keystore(store: _Reader) -> Keystore:
    return Keystore(
        file=store.matching("file", _FILE),
        format=store.one_of("format", _STORE_FORMATS),
        friendly_name=store.text("friendly_name"),
        passphrase=store.text("passphrase"),
        key_passphrase=store.optional("key_passphrase"),
        encryption=store.one_of("encryption", _ENCRYPTIONS),
        exclusive=store.flag("exclusive"),
        trusted=tuple(Trusted(item.text("friendly_name"), item.text("authority")) for item in store.items("trusted")),
        access=store.access(),
    )


def _truststore(store: _Reader) -> Truststore:
    return Truststore(
        file=store.matching("file", _FILE),
        format=store.one_of("format", ("pem", *_STORE_FORMATS)),
        passphrase=store.optional("passphrase"),
        encryption=store.one_of("encryption", _ENCRYPTIONS),
        own_chain=store.flag("own_chain"),
        authorities=tuple(store.strings("authorities")),
        access=store.access(),
    )


def _link(link: _Reader) -> Link:
    return Link(link.path("path"), link.matching("file", _FILE), link.flag("copy"), link.flag("force"), link.access())


def _answer(answer: _Reader) -> Answer:
    return Answer(answer.text("public_fingerprint"), _certificates(answer.list("certificates"), "answer.certificates"))
