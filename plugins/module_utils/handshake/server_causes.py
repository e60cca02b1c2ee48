# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a server's certificate was not accepted, and what a stricter client would say to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Iterator, List, Optional, Tuple

from .. import certificate, chain
from ..errors import FormatError
from ..hostile import format_errors
from ..imports import x509
from .authority_name import same
from .client_causes import issuer, subject
from .codes import Cause, Diagnosis, diagnosis
from .text import one_line
from .trust import Trust

# X509_V_ERR_* of OpenSSL's x509_vfy.h, which `ssl` passes on as SSLCertVerificationError.verify_code.
_NOT_YET_VALID = 9
_EXPIRED = 10
_WRONG_NAME = (62, 64)
_UNTRUSTED = (2, 18, 19, 20, 21, 27)
# Names under which products that intercept TLS sign what they forge.
_INTERCEPTORS = re.compile(
    r"proxy|intercept|inspection|decrypt|firewall|gateway ca|zscaler|fortinet|fortigate|blue ?coat|palo alto|netskope|"
    r"squid|mitm|sophos|umbrella|forcepoint|websense|barracuda|mcafee|skyhigh|checkpoint|check point|sonicwall|"
    r"watchguard|untangle|kaspersky|avast|eset ssl|bitdefender|cato networks|charles|fiddler|burp",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Server:
    """What a server showed and what it was held against; `chain` has the leaf first."""

    name: str
    chain: Tuple[x509.Certificate, ...]
    trust: Trust
    now: datetime


def explain(server: Server, verify_code: int, verify_message: str) -> Diagnosis:
    """Return the diagnosis for OpenSSL's verification error."""
    said = one_line(verify_message)
    if verify_code in (_EXPIRED, _NOT_YET_VALID):
        return diagnosis(
            "server_certificate_expired",
            "the server's certificate chain is {0}{1}".format(
                "expired" if verify_code == _EXPIRED else "not valid yet", _out_of_date(server)
            ),
        )
    if verify_code in _WRONG_NAME:
        return diagnosis(
            "server_certificate_wrong_name",
            "the server's certificate is not for {0}, but for {1}".format(one_line(server.name), _names(server)),
        )
    if verify_code in _UNTRUSTED:
        shown = (
            " ({0}, issued by {1})".format(subject(server.chain[0]), issuer(server.chain[0])) if server.chain else ""
        )
        return diagnosis(
            "server_certificate_untrusted",
            "the server's certificate{0} does not lead to a CA in {1}: {2}".format(shown, server.trust.where, said),
            _untrusted(server),
        )
    return diagnosis("server_certificate_unsuitable", "the server's certificate is not acceptable: {0}".format(said))


def _out_of_date(server: Server) -> str:
    for cert in server.chain:
        begin, end = certificate.not_before(cert), certificate.not_after(cert)
        if not begin <= server.now <= end:
            return (
                ": {0} is valid from {1:%Y-%m-%d %H:%M} to {2:%Y-%m-%d %H:%M} UTC, and here it is {3:%Y-%m-%d %H:%M} "
                "UTC".format(subject(cert), begin, end, server.now)
            )
    return ""


def _names(server: Server) -> str:
    if not server.chain:
        return "another name"
    names = certificate.summary(server.chain[0])["subject_alt_name"]
    return one_line(", ".join(names), 400) or "no name at all (it has no subject alternative name)"


def _untrusted(server: Server) -> Iterator[Cause]:
    if not server.chain:
        return
    top = _top(server.chain)
    anchors = server.trust.certificates
    if any(_INTERCEPTORS.search(issuer(cert)) for cert in server.chain):
        yield Cause(
            "proxy_in_the_way",
            "the issuer's name {0} looks like a proxy or firewall that intercepts TLS".format(issuer(server.chain[0])),
        )
    if any(same(top.issuer, anchor.subject) for anchor in anchors):
        yield Cause(
            "ca_replaced",
            "the truststore has a CA named {0}, but another one: that CA has a new key, or "
            "someone uses its name".format(issuer(top)),
        )
    elif certificate.is_self_issued(top) and len(server.chain) == 1:
        yield Cause(
            "self_signed",
            "the server's certificate is self-signed; only this very certificate in the truststore can make it trusted",
        )
    else:
        yield Cause("ca_not_in_truststore", "{0} does not hold {1}".format(server.trust.where, issuer(top)))
    if not certificate.is_self_issued(top):
        yield Cause(
            "server_chain_incomplete",
            "the server sends {0} certificate(s), the last one issued by {1}; if that is "
            "an intermediate CA, the server has to send its certificate too".format(len(server.chain), issuer(top)),
        )


def _top(certificates: Tuple[x509.Certificate, ...]) -> x509.Certificate:
    """Return the last certificate that is reached from the leaf, in whichever order they came."""
    top, left = certificates[0], list(certificates[1:])
    while True:
        following = [cert for cert in left if chain.is_signed_by(top, cert)]
        if not following:
            return top
        top = following[0]
        left.remove(top)


def strictness(server: Server) -> List[Cause]:
    """Return what verifiers that follow RFC 5280 to the letter (Python 3.13, Go) would refuse in this chain."""
    found: List[Cause] = []
    ends = [
        anchor
        for anchor in server.trust.certificates
        if server.chain and same(anchor.subject, _top(server.chain).issuer)
    ]
    for cert in (*server.chain, *ends[:1]):
        missing = _missing(cert)
        if missing and not any(missing in cause.message and subject(cert) in cause.message for cause in found):
            found.append(
                Cause(
                    "strict_clients_refuse",
                    "{0} lacks {1}: strict clients, such as Python 3.13 and later, refuse it".format(
                        subject(cert), missing
                    ),
                )
            )
    return found


def _missing(cert: x509.Certificate) -> Optional[str]:
    try:
        with format_errors("the extensions are malformed"):
            extensions = {extension.oid.dotted_string: extension for extension in cert.extensions}
    except FormatError:
        return "readable extensions"
    constraints = extensions.get("2.5.29.19")
    if certificate.is_ca(cert):
        if constraints is not None and not constraints.critical:
            return "the critical mark on its basic constraints"
        if "2.5.29.14" not in extensions:
            return "a subject key identifier"
        if "2.5.29.15" not in extensions:
            return "a key usage extension"
    if "2.5.29.35" not in extensions and not certificate.is_self_issued(cert):
        return "an authority key identifier"
    return None
