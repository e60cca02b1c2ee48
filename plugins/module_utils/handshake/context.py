# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The `ssl` context of one probe."""

from __future__ import annotations

import ssl
from typing import Optional

from .. import certificate
from ..errors import HandshakeError
from .identity import Identity
from .memory_file import memory_file
from .trust import Trust

# X509_V_FLAG_PARTIAL_CHAIN: any trusted certificate ends a chain, as in Java; named in `ssl` since Python 3.10.
_PARTIAL_CHAIN = 0x80000
# SSL_OP_NO_TX_CERTIFICATE_COMPRESSION and SSL_OP_NO_RX_CERTIFICATE_COMPRESSION of OpenSSL 3.2: RFC 8879 would hide
# the certificates from the message callback.
_NO_CERTIFICATE_COMPRESSION = (1 << 32) | (1 << 33)


def build(identity: Optional[Identity], trust: Trust, http: bool) -> ssl.SSLContext:
    """Return a verifying client context; HandshakeError when OpenSSL will not use what it is given.

    Strict RFC 5280 checks (Python 3.13's default) are off, so that every Python gives the same answer;
    `server_causes.strictness` tells where they would matter.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= _PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.post_handshake_auth = True
    if ssl.OPENSSL_VERSION_INFO >= (3, 2):
        context.options |= _NO_CERTIFICATE_COMPRESSION
    if http:
        context.set_alpn_protocols(["http/1.1"])
    _load_trust(context, trust)
    if identity is not None:
        _load_identity(context, identity)
    return context


def _load_trust(context: ssl.SSLContext, trust: Trust) -> None:
    try:
        context.load_verify_locations(cadata=b"".join(certificate.to_der(cert) for cert in trust.certificates))
    except ssl.SSLError as error:
        raise HandshakeError(
            "store_unreadable", "{0}: OpenSSL does not take these certificates: {1}".format(trust.where, error.reason)
        ) from error


def _load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    with memory_file(identity.to_pem()) as path:
        try:
            context.load_cert_chain(path)
        except ssl.SSLError as error:
            code = "key_mismatch" if error.reason == "KEY_VALUES_MISMATCH" else "client_certificate_weak"
            raise HandshakeError(
                code, "{0}: OpenSSL does not take this key and certificate: {1}".format(identity.where, error.reason)
            ) from error
