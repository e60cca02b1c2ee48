# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every diagnosis code, with what to do about it; a code is never reused for two causes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Iterable, Tuple

REMEDIES: Dict[str, str] = {
    "ok": "",
    # The way there
    "name_not_resolved": "Check the spelling of the name and this host's DNS (/etc/resolv.conf); where names are "
    "resolved by a proxy only, set the option proxy.",
    "connection_refused": "The machine answers, but nothing listens on that port, or a firewall rejects it: check the "
    "port number (mTLS often has a port of its own) and the firewall.",
    "timed_out": "Packets are dropped, usually by a firewall, or the server is overloaded: ask for this host to be "
    "allowed to reach the server, or set the option proxy where one must be used.",
    "unreachable": "There is no route to the server, or a local firewall forbids it: check routes, the firewall and "
    "whether a proxy must be used.",
    "connection_closed": "Something between here and the server, or the server itself, hung up: look for a firewall "
    "or load balancer that refuses this host, and in the server's log.",
    "proxy_refused": "Ask for the proxy to allow this destination and port, or give the proxy's user name and "
    "password in the option proxy.",
    "proxy_in_the_way": "A proxy answers in the server's place: set the option proxy, or ask for an exception from "
    "interception, as a client certificate cannot pass through an intercepting proxy.",
    "not_tls": "The port does not speak TLS: check the port number.",
    "not_http": "The server speaks TLS, but its answer is not HTTP: check the port number, or leave out the "
    "option request.",
    # The server
    "protocol_mismatch": "Client and server share no protocol version or cipher: the server, or this host's OpenSSL "
    "policy (openssl.cnf, crypto-policies), has to allow a common one.",
    "server_name_unknown": "The server knows no site of that name: check the options host and server_name.",
    "server_certificate_untrusted": "If the server is the right one, put the CA that issued its certificate into the "
    "truststore; get it from the provider, not from the connection itself.",
    "server_certificate_expired": "The server's operator has to renew it; also check this host's clock.",
    "server_certificate_wrong_name": "Use a name that the certificate holds as the option host (or server_name), or "
    "have the server's operator add this one.",
    "server_certificate_unsuitable": "The server's operator has to get a certificate for TLS servers, by RFC 5280.",
    # The client's certificate
    "client_certificate_missing": "Give a keystore, or pem, with the certificate that the server expects.",
    "client_certificate_weak": "This host's OpenSSL refuses to use the certificate: have one issued with a stronger "
    "key and signature (RSA 2048 or more, SHA-256).",
    "rejected_unknown_ca": "Have the certificate issued by a CA that the server accepts (see accepted_ca_names), send "
    "the intermediate certificates along, or have the server's operator add the CA.",
    "rejected_expired": "Renew the certificate; if it is not expired by its dates, check the server's clock.",
    "rejected_revoked": "Have a new certificate issued; ask the CA why this one was revoked.",
    "rejected_bad_certificate": "See the causes; where they name nothing, only the server's log can tell.",
    "rejected_unsupported_certificate": "The certificate is of a kind that the server does not take: check its key "
    "type and that its extended key usage allows client authentication.",
    "rejected_by_server": "See the causes, the likeliest first; where they name nothing, only the server's log can "
    "tell.",
    "key_mismatch": "Put the private key and the certificate that was issued for it together; if the key was made "
    "anew after the request was sent, a new certificate is needed.",
    # What we were given
    "store_passphrase_wrong": "Give the passphrase that the file was made with.",
    "key_passphrase_wrong": "Give the passphrase that the private key was encrypted with.",
    "store_unreadable": "Check path and format of the store; it may be another format, incomplete, or an error page "
    "saved under that name.",
    "pem_unreadable": "Check the path and that the file holds PEM text of the right kind (key or certificate).",
    "crl_unreadable": "Check the path and that the file holds a CRL in PEM or DER.",
    "file_unreadable": "Check the path and the permissions.",
    "entry_not_found": "Name one of the store's private key entries in friendly_name.",
    "truststore_empty": "Put the certificate of the CA that issued the server's certificate into the truststore.",
    # The answer
    "http_unauthorized": "The certificate was accepted; what is missing or wrong is the further authentication: check "
    "basic_auth, tokens and headers.",
    "http_forbidden": "The connection is good, but this client may not do this: check that the certificate is "
    "registered with the provider for this user, and the user's rights.",
    "http_status_unexpected": "Check path, method, headers and body, and which status values are expected.",
    "tls_failed": "See the message; the server's log may tell more.",
}


@dataclass(frozen=True)
class Cause:
    """A possible reason, found on this side of the connection."""

    code: str
    message: str


@dataclass(frozen=True)
class Diagnosis:
    """What happened (`code` is a key of REMEDIES), for people, and what to do; causes have the likeliest first."""

    code: str
    message: str
    remedy: str
    causes: Tuple[Cause, ...] = ()

    @property
    def ok(self) -> bool:
        """Say whether nothing was found wrong."""
        return self.code == "ok"


def diagnosis(code: str, message: str, causes: Iterable[Cause] = ()) -> Diagnosis:
    """Return the diagnosis for a code of REMEDIES."""
    return Diagnosis(code, message, REMEDIES[code], tuple(causes))
