# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The `next` directory: a key and a request that wait for their certificate."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, List, Optional, Tuple

from .. import certificate as certificates
from .. import chain as chains
from .. import private_key as private_keys
from .. import request as requests
from ..difference import Difference
from ..document import Answer, Credential
from ..errors import FormatError, InputError, UnsupportedError
from ..files import Attributes, Directory
from .manifest import digest
from .material import KEY, Material, open_key
from .observe import NEXT, NEXT_MODE, Found, Observation

REQUEST = "request.pem"
NOTE = "since.json"
_PRIVATE = 0o600
_WAITING_FORMAT = "pkcs8"


@dataclass(frozen=True)
class Waiting:
    """A request that still asks for what the inventory wants.

    `rewrite`: its key is protected in another way than the inventory wants, and is to be written anew.
    """

    key: Any = field(repr=False)
    request_pem: bytes
    public_fingerprint: str
    since: Optional[str]
    rewrite: bool = False
    replaces: Optional[str] = None


@dataclass(frozen=True)
class Note:
    """Since when (ISO 8601) a request waits, and the SHA-256 of its key's file as it was written.

    `replaces` is the SHA-256 fingerprint of a certificate that would do, where somebody asked for another one.
    """

    since: Optional[str] = None
    key_sha256: Optional[str] = None
    replaces: Optional[str] = None


def is_forced(observation: Observation, certificate: Any) -> bool:
    """Whether a request waits that somebody asked for: it stays wanted until this certificate is replaced."""
    found = observation.next_files.get(NOTE)
    return found is not None and found.is_ours and read_note(found).replaces == certificates.fingerprint(certificate)


def waiting(
    observation: Observation, wanted: Credential, other_than: Optional[str] = None
) -> Tuple[Optional[Waiting], List[Difference]]:
    """The request under `next`, or None, and what differs: why it is of no use, or how its key is protected.

    `other_than` is the fingerprint of a public key that must not be used again. Raises PassphraseError where no
    passphrase opens the key.
    """
    if not observation.has_next:
        return None, []
    files = observation.next_files
    key_found, request_found, note_found = files.get(KEY), files.get(REQUEST), files.get(NOTE)
    note = read_note(note_found)
    where = NEXT + "/" + REQUEST
    if key_found is None or request_found is None:
        return None, [Difference("request_unreadable", NEXT, "half a request", "key and request")]
    try:
        content = key_found.content or b""
        written_here = note_found is not None and note_found.is_ours and note.key_sha256 == digest(content)
        opened = open_key(content, _as_it_waits(wanted), NEXT + "/" + KEY, written_here)
        request = requests.load(request_found.content or b"")
    except (FormatError, UnsupportedError):
        return None, [Difference("request_unreadable", NEXT, "unreadable", "key and request")]
    if not requests.signature_is_valid(request):
        # Nobody would answer it, ever.
        return None, [Difference("request_unreadable", NEXT, "a request with a wrong signature", "key and request")]
    key = opened.key
    fingerprint = private_keys.public_fingerprint(key.public_key())
    if fingerprint != private_keys.public_fingerprint(request.public_key()):
        return None, [Difference("key_mismatch", where, "not of the key beside it", fingerprint)]
    if fingerprint == other_than:
        return None, [Difference("request_changed", where, "the key in use", "a new key")]
    kind = private_keys.kind_of(key)
    if kind != wanted.key.kind:
        return None, [Difference("request_changed", where, kind.describe(), wanted.key.kind.describe())]
    changed = requests.differences(request, wanted.spec)
    if changed:
        return None, [Difference("request_changed", where, item.was, item.wanted) for item in changed]
    rewrite = bool(opened.differences)
    return Waiting(
        key, request_found.content or b"", fingerprint, note.since, rewrite, note.replaces
    ), opened.differences


def _as_it_waits(wanted: Credential) -> Credential:
    """A key waits in PKCS#8, whatever form it will be deployed in."""
    return replace(wanted, key=replace(wanted.key, format=_WAITING_FORMAT))


def rewrite_key(directory: Directory, wanted: Credential, request: Waiting) -> None:
    """Protect the waiting key as the inventory wants it now: the old passphrase need not be known any longer."""
    with directory.subdirectory(NEXT) as below:
        key_pem = private_keys.dump(request.key, _WAITING_FORMAT, wanted.key.passphrase)
        below.write(KEY, key_pem, _private(below))
        below.write(NOTE, _note(request.since, key_pem, request.replaces), _private(below))


def _private(directory: Directory) -> Attributes:
    owner = directory.attributes()
    return Attributes(owner.owner, owner.group, _PRIVATE)


def make(
    directory: Directory,
    wanted: Credential,
    key: Optional[Any],
    prefix: str,
    now: datetime,
    replaces: Optional[str] = None,
) -> Waiting:
    """Put a new request in place, whole or not at all; `key` is used where given, else a new one is generated.

    `replaces` is noted, see Note.
    """
    key = key if key is not None else private_keys.generate(wanted.key.kind)
    request_pem = requests.build(key, wanted.spec)
    since = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    key_pem = private_keys.dump(key, _WAITING_FORMAT, wanted.key.passphrase)
    private = _private(directory)
    staging = prefix + NEXT
    try:
        with directory.make_directory(staging, NEXT_MODE, NEXT) as below:
            below.create(KEY, key_pem, private)
            below.create(REQUEST, request_pem, private)
            below.create(NOTE, _note(since, key_pem, replaces), private)
            below.sync()
        directory.rename(staging, NEXT)
    except BaseException:
        if directory.entry(staging) is not None:
            directory.remove_tree(staging)
        raise
    return Waiting(key, request_pem, private_keys.public_fingerprint(key.public_key()), since, replaces=replaces)


def answered(
    request: Optional[Waiting], answer: Answer, wanted: Credential, now: datetime, outlive: Optional[Any] = None
) -> Material:
    """The material that an answer completes. Raises InputError where it does not fit; nothing was changed then.

    `outlive` is a certificate that still works: a new one that ends sooner would be no gain.
    """
    where = "the certificate for credential {0}".format(wanted.name)
    if request is None or answer.public_fingerprint != request.public_fingerprint:
        raise InputError(
            "{0} answers a request that is not there any more: another run was at work on this host; run again".format(
                where
            )
        )
    try:
        leaf, *rest = [certificates.from_der(der) for der in answer.certificates]
    except (FormatError, UnsupportedError, ValueError):
        raise InputError("{0} is unreadable".format(where)) from None
    if certificates.public_fingerprint(leaf) != request.public_fingerprint:
        raise InputError("{0} does not fit its key".format(where))
    if not certificates.not_before(leaf) <= now < certificates.not_after(leaf):
        raise InputError(
            "{0} is not valid now, by this host's clock ({1})".format(where, now.strftime("%Y-%m-%d %H:%M UTC"))
        )
    if outlive is not None and certificates.not_after(leaf) < certificates.not_after(outlive):
        ends = ["{0:%Y-%m-%dT%H:%M:%SZ}".format(certificates.not_after(one)) for one in (leaf, outlive)]
        raise InputError("{0} ends on {1}, sooner than the one in use ({2})".format(where, *ends))
    if not certificates.allows_client_authentication(leaf):
        raise InputError("{0} is not for TLS clients".format(where))
    chain = chains.order(leaf, rest)
    chains.verify(leaf, chain, now)
    if "{0:x}".format(leaf.serial_number) in wanted.revoked:
        raise InputError("{0} is revoked".format(where))
    if wanted.issuing_cas and certificates.fingerprint(chain[0] if chain else leaf) not in wanted.issuing_cas:
        # Else each run would ask for another one.
        raise InputError("{0} is of another CA than issues now".format(where))
    key_pem = private_keys.dump(request.key, wanted.key.format, wanted.key.passphrase)
    return Material(request.key, key_pem, leaf, tuple(chain))


def _note(since: Optional[str], key_pem: bytes, replaces: Optional[str]) -> bytes:
    return json.dumps({"since": since, "key_sha256": digest(key_pem), "replaces": replaces}).encode() + b"\n"


def read_note(found: Optional[Found]) -> Note:
    """What is noted beside a request. What is missing or damaged there is None."""
    try:
        noted = json.loads((found.content if found else None) or b"{}")
        since, key_sha256, replaces = [noted.get(name) for name in ("since", "key_sha256", "replaces")]
    except (ValueError, AttributeError, RecursionError):
        return Note()
    return Note(_text(since), _text(key_sha256), _text(replaces))


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) else None
