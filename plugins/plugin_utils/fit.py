# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what an issuer answered fits the request: only then does it travel to the host."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import List, NoReturn, Optional, Sequence

from ..module_utils import certificate, chain
from ..module_utils.errors import InputError, IssuerError
from ..module_utils.imports import x509
from ..module_utils.name import render
from .issuers.base import IssuerRequest

CLOCK_SKEW = timedelta(minutes=5)
"""How far in the future a certificate may begin: issuers' clocks differ."""


def check_answer(
    request: IssuerRequest,
    certificates: Sequence[x509.Certificate],
    at: datetime,
    trusted: Sequence[x509.Certificate] = (),
) -> List[x509.Certificate]:
    """The answer in order (leaf, issuing CA, ... root as far as it is known), in whatever order it came.

    `trusted` are certificates of which the chain must hold one, where the issuer's CA is known. Raises IssuerError
    that says what does not fit.
    """
    leaf = _leaf(request, certificates)
    _check_content(request, leaf)
    _check_dates(request, leaf, at)
    return [leaf, *_chain(request, leaf, [*certificates, *trusted], at, trusted)]


def check_end(host: str, credential: str, end: datetime, in_use: Optional[x509.Certificate]) -> None:
    """Raise IssuerError where a renewed certificate's `end` comes before that of the one in use."""
    if in_use is not None and end < certificate.not_after(in_use):
        raise _unfit(
            host,
            credential,
            "it ends on {0}, sooner than the one in use ({1}); ask for a longer validity, or see when the CA "
            "ends".format(_text(end), _text(certificate.not_after(in_use))),
        )


def _unfit(host: str, credential: str, message: str) -> IssuerError:
    return IssuerError(
        "the certificate for host {0}, credential {1} does not fit and is not used: {2}".format(
            host, credential, message
        )
    )


def _refuse(request: IssuerRequest, message: str) -> NoReturn:
    raise _unfit(request.host, request.credential, message)


def _leaf(request: IssuerRequest, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    """The certificate of the request's key; of several (a renewal with the same key) the one that ends last."""
    own = [one for one in certificates if certificate.public_fingerprint(one) == request.public_fingerprint]
    if not own:
        _refuse(
            request,
            "none of the {0} certificates in the answer is for the requested key (public key {1})".format(
                len(certificates), request.public_fingerprint
            ),
        )
    return max(own, key=certificate.not_after)


def _check_content(request: IssuerRequest, leaf: x509.Certificate) -> None:
    found = certificate.subject(leaf)
    if found != request.spec.subject:
        _refuse(
            request,
            "its subject is {0}; the inventory states {1}".format(render(found), render(request.spec.subject)),
        )
    names = certificate.summary(leaf)["subject_alt_name"]
    if sorted(names) != sorted(request.spec.subject_alt_name):
        _refuse(
            request,
            "its subject alternative names are {0}; the inventory states {1}".format(
                ", ".join(names) or "(none)", ", ".join(request.spec.subject_alt_name) or "(none)"
            ),
        )
    if certificate.is_ca(leaf):
        _refuse(request, "it is a CA certificate")
    if not certificate.allows_client_authentication(leaf):
        _refuse(request, "its key usage or extended key usage does not allow client authentication")


def _check_dates(request: IssuerRequest, leaf: x509.Certificate, at: datetime) -> None:
    if certificate.not_after(leaf) <= at:
        _refuse(request, "it expired on {0}".format(_text(certificate.not_after(leaf))))
    if certificate.not_before(leaf) > at + CLOCK_SKEW:
        _refuse(
            request,
            "it is not valid before {0}; if that is past, set this machine's clock".format(
                _text(certificate.not_before(leaf))
            ),
        )
    if request.renewal:
        check_end(request.host, request.credential, certificate.not_after(leaf), request.in_use)


def _chain(
    request: IssuerRequest,
    leaf: x509.Certificate,
    pool: Sequence[x509.Certificate],
    at: datetime,
    trusted: Sequence[x509.Certificate],
) -> List[x509.Certificate]:
    above = chain.order(leaf, list(pool))
    if not above:
        _refuse(
            request,
            "the certificate of the CA that issued it ({0}) did not come with it and is not known".format(
                render(certificate.issuer(leaf))
            ),
        )
    try:
        chain.verify(leaf, above, at)
    except InputError as error:
        _refuse(request, str(error))
    known = {certificate.fingerprint(one) for one in trusted}
    if known and not known.intersection(certificate.fingerprint(one) for one in above):
        _refuse(
            request,
            "it was issued by {0}, which is not the issuer's CA".format(render(certificate.subject(above[-1]))),
        )
    return above


def _text(moment: datetime) -> str:
    return "{0:%Y-%m-%dT%H:%M:%SZ}".format(moment)
