# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an own CA does every day: open itself and issue client certificates."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, List, Optional, Sequence, Tuple

from .. import certificate, chain, private_key
from ..errors import FormatError, InputError, IssuerError, PassphraseError, PolicyError, UnsupportedError
from ..imports import serialization, x509
from ..name import render
from ..request import RequestSpec, signature_is_valid
from . import build
from .layout import CHAIN, KEY, LEDGER, Place
from .ledger import Entry, Ledger, Revocation, Writer
from .members import Member, members_of, read_members, reading


@dataclass(frozen=True)
class Authority:
    """An own CA, opened: its certificates (the one that issues first, the root last), its key and its ledger.

    `number` tells it from the others with which it shares the ledger; None where there are none.
    """

    directory: str
    certificates: Tuple[x509.Certificate, ...]
    key: Any = field(repr=False)
    ledger: Ledger = field(repr=False)
    number: Optional[int] = None

    @property
    def issuing(self) -> x509.Certificate:
        """The certificate whose key signs."""
        return self.certificates[0]

    def revocations(self, at: datetime) -> List[Revocation]:
        """What belongs on its revocation list at a moment (aware)."""
        return self.ledger.revocations(at, None if self.number is None else self.issuing)


@dataclass(frozen=True)
class Order:
    """A client certificate to issue: what for (the inventory's words), to whom, how long, with which CRL URLs.

    `in_use` is the certificate that the client holds already: it is not the answer, however well it fits, and
    neither is an earlier one that ends sooner.
    """

    spec: RequestSpec
    host: str
    credential: str
    validity: timedelta
    crl_urls: Tuple[str, ...] = ()
    in_use: Optional[x509.Certificate] = None


def read_certificates(directory: str) -> List[x509.Certificate]:
    """The certificates of the CA that issues, the one that does it first, its root last. Raises IssuerError."""
    return list(read_members(directory).issuing.certificates)


def check_usable(certificates: Sequence[x509.Certificate], directory: str, at: datetime) -> None:
    """Raise IssuerError unless an own CA's certificates are all valid at `at` and belong together."""
    check_dates(certificates, directory, at)
    try:
        if not all(certificate.is_ca(ca) for ca in certificates):
            raise InputError("it holds a certificate that is not a CA's")
        if not chain.is_signed_by(certificates[-1], certificates[-1]):
            raise InputError("it does not end in a root")
        if len(certificates) > 1:
            chain.verify(certificates[0], list(certificates[1:]), at)
    except InputError as error:
        raise IssuerError("the chain of the own CA in {0} is broken: {1}".format(directory, error)) from error


def check_dates(certificates: Sequence[x509.Certificate], directory: str, at: datetime) -> None:
    """Raise IssuerError unless an own CA's certificates are all valid at `at`. Verifies no signature: it is cheap."""
    for ca in certificates:
        if at >= certificate.not_after(ca):
            raise IssuerError(
                "the own CA in {0} has expired: {1} ended on {2:%Y-%m-%dT%H:%M:%SZ}. Create a new CA in another "
                "directory, have it trusted, and let the issuer use that one".format(
                    directory, render(certificate.subject(ca)), certificate.not_after(ca)
                )
            )
        if at < certificate.not_before(ca):
            raise IssuerError(
                "the own CA in {0} is not valid yet: {1} begins on {2:%Y-%m-%dT%H:%M:%SZ}; is this machine's clock "
                "right?".format(directory, render(certificate.subject(ca)), certificate.not_before(ca))
            )


def open_authority(directory: str, passphrase: str, at: datetime, of: Optional[x509.Certificate] = None) -> Authority:
    """Open the CA that issues, or with `of` the one that has issued this client's certificate.

    Raises IssuerError where it is missing, expired, damaged or its key is not the certificate's,
    PassphraseError where the passphrase does not open its key.
    """

    def opened(place: Place) -> Tuple[Member, Any]:
        members = members_of(place)
        member = members.issuing if of is None else members.issuer_of(of) or members.issuing
        check_usable(member.certificates, directory, at)
        return member, _open_key(member, place, passphrase)

    member, key = reading(directory, opened)
    return Authority(directory, member.certificates, key, Ledger(os.path.join(directory, LEDGER)), member.number)


def check_ready(directory: str, passphrase: str, at: datetime) -> None:
    """Raise what open_authority() would for a CA that is missing or expired, or for a wrong passphrase.

    It verifies no signatures: this runs for each host, also where nothing is to be issued.
    """

    def check(place: Place) -> None:
        member = members_of(place).issuing
        check_dates(member.certificates, directory, at)
        _open_key(member, place, passphrase)

    reading(directory, check)


def _open_key(member: Member, directory: Place, passphrase: str) -> Any:
    place = member.place(directory)
    path = place.path_of(KEY)
    try:
        loaded = private_key.load(place.read(KEY), passphrase)
    except PassphraseError as error:
        raise PassphraseError(
            "the passphrase of the own CA does not open {0}; correct it in the inventory".format(path)
        ) from error
    except (FormatError, UnsupportedError) as error:
        raise IssuerError(
            "cannot use the own CA's key {0}: {1}; restore it from the backup".format(path, error)
        ) from error
    if private_key.public_fingerprint(loaded.key.public_key()) != certificate.public_fingerprint(member.issuing):
        raise IssuerError(
            "{0} is not the key of the first certificate in {1}; restore both from one backup".format(
                path, place.name_of(CHAIN)
            )
        )
    return loaded.key


def issue(
    authority: Authority, csr: x509.CertificateSigningRequest, order: Order, at: datetime
) -> List[x509.Certificate]:
    """A client certificate for the request's public key and its chain: leaf, issuing CA, ... root.

    The same order for the same key gets the same certificate again until a third of its lifetime is left (from
    when on a client may rightly ask for the next one), unless the client holds that very certificate or one that
    lasts longer. A certificate that was revoked is nobody's answer. It is in the ledger, on disk, when this returns.
    Raises PolicyError where the request's signature is not its key's, or a certificate for this key was revoked because
    others have the key.
    """
    if not signature_is_valid(csr):
        raise PolicyError(
            "the request of host {0}, credential {1} is not signed by its own key".format(order.host, order.credential)
        )
    digest = _digest(authority, csr, order)
    with authority.ledger.writing() as ledger:
        _check_not_compromised(csr, order, ledger)
        leaf = _earlier(ledger.latest(digest), authority, order, at)
        if leaf is None:
            leaf = _sign(authority, csr, order, at, ledger)
            ledger.add(_entry(leaf, csr, order, digest, at))
    return [leaf, *authority.certificates]


def _check_not_compromised(csr: x509.CertificateSigningRequest, order: Order, ledger: Writer) -> None:
    revocation = ledger.compromised(private_key.public_fingerprint(csr.public_key()))
    if revocation is not None:
        raise PolicyError(
            "host {0}, credential {1}: the key was compromised, as the revocation of its certificate {2} on "
            "{3:%Y-%m-%dT%H:%M:%SZ} says, and gets no other; remove the key on the host so that it makes a new "
            "one".format(order.host, order.credential, revocation.serial, revocation.revoked_at)
        )


def _earlier(der: Optional[bytes], authority: Authority, order: Order, at: datetime) -> Optional[x509.Certificate]:
    """The certificate issued before, while it still is the answer."""
    if der is None:
        return None
    leaf = certificate.from_der(der)
    if order.in_use is not None and _is_outlived(leaf, order.in_use, build.end(authority.issuing, order.validity, at)):
        return None
    lifetime = certificate.not_after(leaf) - certificate.not_before(leaf)
    return leaf if certificate.not_after(leaf) - at > lifetime / 3 else None


def _is_outlived(leaf: x509.Certificate, in_use: x509.Certificate, end: datetime) -> bool:
    """Whether the client should not get `leaf` again: it has it, or something that lasts longer.

    Back to what was wanted once, with the same key: `leaf` is older than the one in use then. Only where a new one,
    which would last until `end`, would end sooner than that as well, what was made since is the answer: otherwise each
    run that is cut off would sign one more.
    """
    if certificate.fingerprint(in_use) == certificate.fingerprint(leaf):
        return True
    last = certificate.not_after(in_use)
    if certificate.not_after(leaf) >= last:
        return False
    return end >= last or certificate.not_before(leaf) < certificate.not_before(in_use)


def _sign(
    authority: Authority, csr: x509.CertificateSigningRequest, order: Order, at: datetime, ledger: Writer
) -> x509.Certificate:
    return build.client(
        order.spec,
        csr.public_key(),
        authority.issuing,
        authority.key,
        order.validity,
        at,
        order.crl_urls,
        ledger.has_serial,
    )


def _entry(
    leaf: x509.Certificate, csr: x509.CertificateSigningRequest, order: Order, digest: str, at: datetime
) -> Entry:
    return Entry(
        serial=certificate.serial_number(leaf),
        host=order.host,
        credential=order.credential,
        public_fingerprint=certificate.public_fingerprint(leaf),
        request_digest=digest,
        csr_digest=hashlib.sha256(csr.public_bytes(serialization.Encoding.DER)).hexdigest(),
        issued_at=at,
        not_before=certificate.not_before(leaf),
        not_after=certificate.not_after(leaf),
        certificate=certificate.to_der(leaf),
    )


def _digest(authority: Authority, csr: x509.CertificateSigningRequest, order: Order) -> str:
    """One value for all that decides what the certificate will hold, and who it is for."""
    meaning = [
        certificate.fingerprint(authority.issuing),
        private_key.public_fingerprint(csr.public_key()),
        order.host,
        order.credential,
        order.spec.subject,
        order.spec.subject_alt_name,
        order.validity.total_seconds(),
        order.crl_urls,
    ]
    return hashlib.sha256(json.dumps(meaning).encode()).hexdigest()
