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
from typing import Iterable, List, Mapping, Optional, Sequence, Tuple

from .converge.verify import Verify, from_wire
from .errors import InputError
from .json_reader import Reader
from .private_key import KeyKind
from .request import RequestSpec

VERSION = 1

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}\Z")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")

STATES = ("present", "absent", "held")
OPERATIONS = ("converge", "rotate", "rollback", "release", "activate")
ACTIVATIONS = ("automatic", "on_proof", "on_request")
_KEY_TYPES = ("RSA", "ECC", "Ed25519")
_KEY_FORMATS = ("pkcs8", "traditional")
_STORE_FORMATS = ("jks", "pkcs12")
_ENCRYPTIONS = ("modern", "compatible")

Reload = Tuple[Tuple[str, ...], ...]
"""Commands, each a program with its arguments; no shell takes part."""


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
    `may_renew` is false where a certificate that is only due shall wait, for a maintenance window. `operation` is what
    the run is about: "rotate" asks for a new certificate whether one is needed or not, "rollback" for the generation
    before (`candidate`, the SHA-256 of its certificate, once the controller has agreed), "release" ends the hold after
    that, "activate" switches to a generation that waits for it. `activation` says when a new generation comes into
    use: at once, when a handshake has proved it, or on request. `revoked` are serial numbers, `issuing_cas` SHA-256
    fingerprints of the CA certificates that may have issued what is in use (empty: any), all in lower-case hex.
    `new_key`: a new certificate takes a new key whatever `key.rotate` says. `renew_jitter` seconds are what a fleet's
    renewals are spread over, of which this one is due `renew_offset` earlier than `renew_before` says.
    `reload` are the commands, run in this order within `reload_timeout` seconds, that make the credential's users
    read its files anew; `verify` says how a handshake proves it.
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
    reload: Reload = ()
    reload_timeout: int = 60
    verify: Optional[Verify] = None
    may_renew: bool = True
    operation: str = "converge"
    activation: str = "automatic"
    candidate: Optional[str] = None
    revoked: Tuple[str, ...] = ()
    issuing_cas: Tuple[str, ...] = ()
    new_key: bool = False
    renew_jitter: int = 0
    renew_offset: int = 0

    def secrets(self) -> List[str]:
        """Every passphrase that travels with it, and what else only the partner may know, each once."""
        found = [self.key.passphrase, *self.previous_passphrases]
        for keystore in self.keystores:
            found += [keystore.passphrase, keystore.key_passphrase]
        found += [truststore.passphrase for truststore in self.truststores]
        if self.verify is not None:
            found += [self.verify.password, self.verify.proxy, *(value for _name, value in self.verify.headers)]
        return [secret for secret in dict.fromkeys(found) if secret is not None]


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
    def holds_decisions(self) -> bool:
        """Whether this is a second trip, about what the controller has decided after the first one."""
        return any(one.answer is not None or one.candidate is not None for one in self.credentials)

    @property
    def has_users(self) -> bool:
        """Whether somebody may have to be told or asked: half of that is worse than none."""
        return any(credential.reload or credential.verify is not None for credential in self.credentials)

    def in_turn(self) -> Sequence[Credential]:
        """The credentials that this trip is about: all, or those that something was decided about if it was of any."""
        if not self.holds_decisions:
            return self.credentials
        return [one for one in self.credentials if one.answer is not None or one.candidate is not None]


def parse(text: str) -> Document:
    """Read a wire document. Raises InputError, naming the place, where it is not of the agreed shape."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        # Also for what is no text at all, and for numbers of more digits than Python reads.
        raise InputError("the document is not JSON") from None
    reader = Reader(raw, "document")
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


def _certificates(values: object, where: str) -> Tuple[bytes, ...]:
    if not isinstance(values, list):
        raise InputError("{0} must be a list".format(where))
    try:
        return tuple(base64.b64decode(value, validate=True) for value in values)
    except (binascii.Error, TypeError, ValueError):
        raise InputError("{0} must hold base64".format(where)) from None


def _commands(item: Reader, key: str) -> Reload:
    commands = []
    for command in item.list(key):
        if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
            raise InputError("{0}.{1} must hold lists of strings, none empty".format(item.where, key))
        if not command[0] or any("\0" in part for part in command):
            raise InputError("{0}.{1} holds a command without a program, or a NUL".format(item.where, key))
        commands.append(tuple(item.encodable(part, key) for part in command))
    return tuple(commands)


def _access(item: Reader) -> Access:
    return Access(item.optional("owner"), item.optional("group"), item.text("mode"))


def _credential(item: Reader) -> Credential:
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
        access=_access(item),
        keep_generations=item.integer("keep_generations"),
        authorities=tuple(item.strings("authorities")),
        keystores=tuple(_keystore(store) for store in item.items("keystores")),
        truststores=tuple(_truststore(store) for store in item.items("truststores")),
        configs=tuple(
            Config(config.matching("file", _FILE), config.text("content"), _access(config))
            for config in item.items("configs")
        ),
        links=tuple(_link(link) for link in item.items("links")),
        answer=_answer(item.below("answer")) if item.has("answer") else None,
        may_request=item.flag("may_request"),
        reload=_commands(item, "reload"),
        reload_timeout=item.integer("reload_timeout"),
        verify=from_wire(item.mapping("verify"), item.where + ".verify") if item.has("verify") else None,
        may_renew=item.flag("may_renew"),
        operation=item.one_of("operation", OPERATIONS),
        activation=item.one_of("activation", ACTIVATIONS),
        candidate=item.matching("candidate", _FINGERPRINT) if item.has("candidate") else None,
        revoked=tuple(item.strings("revoked")),
        issuing_cas=tuple(item.strings("issuing_cas")),
        new_key=item.flag("new_key"),
        renew_jitter=item.integer("renew_jitter"),
        renew_offset=item.integer("renew_offset"),
    )


def _keystore(store: Reader) -> Keystore:
    return Keystore(
        file=store.matching("file", _FILE),
        format=store.one_of("format", _STORE_FORMATS),
        friendly_name=store.text("friendly_name"),
        passphrase=store.text("passphrase"),
        key_passphrase=store.optional("key_passphrase"),
        encryption=store.one_of("encryption", _ENCRYPTIONS),
        exclusive=store.flag("exclusive"),
        trusted=tuple(Trusted(item.text("friendly_name"), item.text("authority")) for item in store.items("trusted")),
        access=_access(store),
    )


def _truststore(store: Reader) -> Truststore:
    return Truststore(
        file=store.matching("file", _FILE),
        format=store.one_of("format", ("pem", *_STORE_FORMATS)),
        passphrase=store.optional("passphrase"),
        encryption=store.one_of("encryption", _ENCRYPTIONS),
        own_chain=store.flag("own_chain"),
        authorities=tuple(store.strings("authorities")),
        access=_access(store),
    )


def _link(link: Reader) -> Link:
    return Link(link.path("path"), link.matching("file", _FILE), link.flag("copy"), link.flag("force"), _access(link))


def _answer(answer: Reader) -> Answer:
    return Answer(answer.text("public_fingerprint"), _certificates(answer.list("certificates"), "answer.certificates"))
