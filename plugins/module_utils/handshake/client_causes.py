# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons, visible on this side, for which a server would reject a client's certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Iterator, List, Optional, Tuple

from .. import certificate, chain, private_key
from ..errors import Error
from ..imports import UnsupportedAlgorithm, rsa, x509
from . import authority_name, revocation
from .codes import Cause
from .identity import Identity
from .messages import CertificateRequest
from .text import one_line

_NAMES_SHOWN = 8
_SMALLEST_RSA = 2048
_WEAK_HASHES = ("md5", "sha1")


@dataclass(frozen=True)
class Client:
    """What is known about the client when a server judges it."""

    identity: Identity
    request: Optional[CertificateRequest]
    revoked: Tuple[x509.CertificateRevocationList, ...]
    now: datetime


def find(client: Client) -> List[Cause]:
    """Return everything that is wrong, the surest first; an empty list when nothing can be seen from here."""
    found: List[Cause] = []
    for rule in (_dates, _revoked, _usage, _issuer, _broken_chain, _chain_dates, _weak, _stale_list):
        found.extend(rule(client))
    return found


def unseen(client: Client) -> Cause:
    """Return the cause that remains when nothing else explains a rejection."""
    return Cause(
        "not_visible_here",
        "nothing is wrong with the certificate {0} as far as this host can tell; the server may not have it "
        "registered, may hold it revoked, or may lack the CA's intermediate certificate".format(
            _name(client.identity.leaf)
        ),
    )


def unknown_ca(client: Client) -> List[Cause]:
    """Return what a server means that says unknown CA without having named the ones that it knows."""
    certificates = (client.identity.leaf, *client.identity.chain)
    found = [
        Cause(
            "issuer_not_known",
            "the server does not know the CA {0}, or knows another one of that name".format(issuer(certificates[-1])),
        )
    ]
    return found if client.identity.chain else [*found, _only_leaf(client)]


def _only_leaf(client: Client) -> Cause:
    return Cause(
        "chain_incomplete",
        "only the client's own certificate is sent; if its issuer {0} is an intermediate CA, its certificate has to be "
        "sent along".format(issuer(client.identity.leaf)),
    )


def _name(cert: x509.Certificate) -> str:
    return "{0} (serial {1})".format(subject(cert), certificate.serial_number(cert))


def subject(cert: x509.Certificate) -> str:
    """Return a certificate's subject, for a message."""
    return one_line(authority_name.text(cert.subject)) or "(no subject)"


def issuer(cert: x509.Certificate) -> str:
    """Return a certificate's issuer, for a message."""
    return one_line(authority_name.text(cert.issuer)) or "(no issuer)"


def _date(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S UTC")


def _dates(client: Client) -> Iterator[Cause]:
    leaf = client.identity.leaf
    if certificate.not_after(leaf) < client.now:
        yield Cause(
            "certificate_expired",
            "the client certificate {0} expired on {1}".format(_name(leaf), _date(certificate.not_after(leaf))),
        )
    if certificate.not_before(leaf) > client.now:
        yield Cause(
            "certificate_not_yet_valid",
            "the client certificate {0} is valid from {1} only; by this host's clock it is {2}".format(
                _name(leaf), _date(certificate.not_before(leaf)), _date(client.now)
            ),
        )


def _revoked(client: Client) -> Iterator[Cause]:
    for cert in (client.identity.leaf, *client.identity.chain):
        since = revocation.revoked_at(client.revoked, cert)
        if since is not None:
            yield Cause(
                "certificate_revoked",
                "the certificate {0} is on the given CRL, revoked on {1}".format(_name(cert), _date(since)),
            )


def _stale_list(client: Client) -> Iterator[Cause]:
    end = revocation.stale(client.revoked, client.identity.leaf, client.now)
    if end is not None:
        yield Cause(
            "crl_expired",
            "the given CRL ended on {0}: a server that uses the same one rejects every "
            "certificate of this issuer".format(_date(end)),
        )


def _usage(client: Client) -> Iterator[Cause]:
    leaf = client.identity.leaf
    if certificate.is_ca(leaf):
        yield Cause("certificate_is_ca", "the client certificate {0} is a CA certificate".format(_name(leaf)))
    elif not certificate.allows_client_authentication(leaf):
        yield Cause(
            "certificate_usage",
            "the client certificate {0} is not meant for TLS clients: its (extended) key "
            "usage lacks clientAuth or digitalSignature".format(_name(leaf)),
        )


def _issuer(client: Client) -> Iterator[Cause]:
    if client.request is None or not client.request.authorities:
        return
    certificates = (client.identity.leaf, *client.identity.chain)
    accepted = [name for name in map(authority_name.parse, client.request.authorities) if name is not None]
    for cert in certificates:
        if any(authority_name.same(cert.issuer, name) for name in accepted):
            return
    shown = "; ".join(one_line(authority_name.text(name)) for name in accepted[:_NAMES_SHOWN])
    if len(accepted) > _NAMES_SHOWN:
        shown += "; and {0} more".format(len(accepted) - _NAMES_SHOWN)
    yield Cause(
        "issuer_not_accepted",
        "the client certificate was issued by {0}, but the server accepts: {1}".format(
            issuer(certificates[-1]), shown or "(no readable name)"
        ),
    )
    if not client.identity.chain:
        yield _only_leaf(client)


def _broken_chain(client: Client) -> Iterator[Cause]:
    reached = [client.identity.leaf]
    left = list(client.identity.chain)
    while left:
        following = [cert for cert in left if chain.is_signed_by(reached[-1], cert)]
        if not following:
            yield Cause(
                "chain_incomplete",
                "the chain breaks after {0}: the certificate of its issuer {1} is not "
                "among those sent, or is another one of that name".format(_name(reached[-1]), issuer(reached[-1])),
            )
            return
        reached.append(following[0])
        left.remove(following[0])


def _chain_dates(client: Client) -> Iterator[Cause]:
    for cert in client.identity.chain:
        if not certificate.not_before(cert) <= client.now <= certificate.not_after(cert):
            yield Cause(
                "chain_certificate_expired",
                "the CA certificate {0} that is sent along is valid from {1} to {2}".format(
                    _name(cert), _date(certificate.not_before(cert)), _date(certificate.not_after(cert))
                ),
            )


def _public_key(cert: x509.Certificate) -> object:
    try:
        return certificate.public_key(cert)
    except Error:
        return None


def _weak(client: Client) -> Iterator[Cause]:
    for cert in (client.identity.leaf, *client.identity.chain):
        public = _public_key(cert)
        if isinstance(public, rsa.RSAPublicKey) and public.key_size < _SMALLEST_RSA:
            yield Cause(
                "key_weak",
                "the certificate {0} has a key of {1} only".format(_name(cert), private_key.kind_of(public).describe()),
            )
        try:
            algorithm = cert.signature_hash_algorithm
        except UnsupportedAlgorithm:
            algorithm = None
        if algorithm is not None and algorithm.name in _WEAK_HASHES:
            yield Cause(
                "signature_weak", "the certificate {0} is signed with {1}".format(_name(cert), algorithm.name.upper())
            )
