#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try a TLS handshake with a client certificate, and say what is wrong."""

from __future__ import annotations

DOCUMENTATION = r"""
module: handshake
short_description: Try a TLS handshake with a client certificate, and say what is wrong
version_added: 1.0.0
description:
  - Connects from the host to a server, with the keystore or PEM files that the client there uses, and optionally sends
    one HTTP request.
  - Puts together what the server says (TLS alert, certificate request, HTTP answer) and what can be seen on this side
    (dates, key, chain, usage, a CRL) into one diagnosis with a remedy, and ranks likely causes where the server does
    not say why it rejects a certificate.
  - Needs no C(openssl), C(curl) or Java on the host. Writes nothing to a disk, not even the decrypted key, and changes
    nothing there. A request is really sent, in check mode too; what it changes is up to the server.
  - Verifies the server's certificate always, and sends a request only after that.
options:
  host:
    description: The server's name or IP address.
    type: str
    required: true
  port:
    description: The server's port.
    type: int
    default: 443
  server_name:
    description:
      - The name that the server's certificate must be for, also sent as server name indication.
      - The value of O(host) by default.
    type: str
  timeout:
    description: Seconds for everything together, from the name to the answer.
    type: float
    default: 10
  proxy:
    description:
      - An HTTP proxy to connect through, as V(http://host:port) or V(http://user:password@host:port).
      - The environment's C(https_proxy) is not used, but mentioned where it may be the reason of a failure.
    type: str
  keystore:
    description: A store with the client's private key and certificates.
    type: dict
    suboptions:
      format:
        description: The store's format.
        type: str
        choices: [jks, pkcs12]
        required: true
      path:
        description: The store's path on the host.
        type: path
        required: true
      passphrase:
        description: The store's passphrase.
        type: str
        required: true
      key_passphrase:
        description: The key's own passphrase, where a JKS store has one that differs.
        type: str
      friendly_name:
        description: The entry's name (alias); needed where the store has several private keys.
        type: str
  pem:
    description: PEM files with the client's private key and certificates.
    type: dict
    suboptions:
      privatekey_path:
        description: The private key's path on the host.
        type: path
        required: true
      privatekey_passphrase:
        description: The private key's passphrase, if it is encrypted.
        type: str
      certificate_path:
        description: The path of the certificate and, after it, its chain. May be the same file as the key's.
        type: path
        required: true
  truststore:
    description: Which CAs to trust; the operating system's by default.
    type: dict
    suboptions:
      format:
        description: V(pem) also reads DER and PKCS#7. V(system) is what the operating system trusts.
        type: str
        choices: [pem, jks, pkcs12, system]
        default: pem
      path:
        description: The path on the host, for all formats but V(system).
        type: path
      passphrase:
        description: The store's passphrase, for V(jks) and V(pkcs12).
        type: str
  crl_path:
    description: A CRL on the host, PEM or DER, in which the client's certificates are looked up.
    type: path
  request:
    description: An HTTP request to send after the handshake. Redirects are not followed.
    type: dict
    suboptions:
      method:
        description: The HTTP method.
        type: str
        default: GET
      path:
        description: Path and query.
        type: str
        default: /
      headers:
        description: Headers by name.
        type: dict
      body:
        description: The body; a dictionary or list is sent as JSON.
        type: raw
      basic_auth:
        description: User name and password of basic authentication.
        type: dict
        suboptions:
          username:
            description: The user's name.
            type: str
            required: true
          password:
            description: The user's password.
            type: str
            required: true
      status:
        description: The status values that count as success.
        type: list
        elements: int
        default: [200]
notes:
  - The module fails when the diagnosis is anything but V(ok), with all values returned. To expect something else, say
    so, as C(failed_when) with RV(diagnosis.code).
  - A server may finish the handshake with any certificate and refuse only the request, as nginx does. Give O(request)
    to put it to the test.
  - Passphrases reach the host as those of any module do. With pipelining on, they are in no temporary file there.
author:
  - The mutual.tls authors (@mutual-tls)
requirements:
  - cryptography >= 3.3
attributes:
  check_mode:
    description: Whether the module works in check mode.
    support: full
    details: It does the same with and without it.
  diff_mode:
    description: Whether the module returns a diff.
    support: N/A
    details: It changes nothing.
seealso:
  - module: mutual.tls.credential
"""

EXAMPLES = r"""
- name: Try the credential of an application
  mutual.tls.handshake:
    host: api.example.com
    port: 8444
    keystore:
      format: jks
      path: /opt/orders/conf/client.jks
      passphrase: "{{ vault_orders }}"
    truststore:
      path: /etc/mtls/orders/current/trust.pem
    request:
      path: /ping
      status: [200, 204]

- name: Be sure that a port demands client certificates
  mutual.tls.handshake:
    host: api.example.com
    port: 8444
  register: without
  failed_when: without.diagnosis.code != 'client_certificate_missing'
"""

RETURN = r"""
ok:
  description: Whether the diagnosis is V(ok).
  type: bool
  returned: always
diagnosis:
  description: What happened.
  type: dict
  returned: always
  contains:
    code:
      description:
        - V(ok), or V(name_not_resolved), V(connection_refused), V(timed_out), V(unreachable), V(connection_closed),
          V(proxy_refused), V(proxy_in_the_way), V(not_tls), V(not_http), V(protocol_mismatch), V(tls_failed).
        - "About the server: V(server_name_unknown), V(server_certificate_untrusted), V(server_certificate_expired),
          V(server_certificate_wrong_name), V(server_certificate_unsuitable)."
        - "About the client's certificate: V(client_certificate_missing), V(client_certificate_weak),
          V(rejected_unknown_ca), V(rejected_expired), V(rejected_revoked), V(rejected_bad_certificate),
          V(rejected_unsupported_certificate), V(rejected_by_server), V(key_mismatch)."
        - "About the files: V(store_passphrase_wrong), V(key_passphrase_wrong), V(store_unreadable), V(pem_unreadable),
          V(crl_unreadable), V(file_unreadable), V(entry_not_found), V(truststore_empty)."
        - "About the answer: V(http_unauthorized), V(http_forbidden), V(http_status_unexpected)."
      type: str
      returned: always
    message:
      description: What happened, for people.
      type: str
      returned: always
    remedy:
      description: What to do about it.
      type: str
      returned: always
    causes:
      description: "What can be seen on this side that may be the reason, the likeliest first: C(code) and C(message)."
      type: list
      elements: dict
      returned: always
notes:
  description: "What did not fail here, but may elsewhere, or is worth knowing: C(code) and C(message)."
  type: list
  elements: dict
  returned: always
address:
  description: The IP address that was connected to; the proxy's, if there is one.
  type: str
  returned: always
protocol:
  description: The TLS version; none where the handshake did not end well.
  type: str
  returned: always
  sample: TLSv1.3
cipher:
  description: The cipher suite's name in OpenSSL.
  type: str
  returned: always
server_certificates:
  description:
    - The certificates that the server sent, in its order.
    - "Each with C(subject), C(issuer_dn), C(serial_number), C(not_before), C(not_after), C(fingerprint_sha256),
      C(subject_alt_name) and C(public_key)."
  type: list
  elements: dict
  returned: always
accepted_ca_names:
  description: The CAs whose certificates the server says that it accepts; empty where it names none.
  type: list
  elements: str
  returned: always
client_certificate_requested:
  description: Whether the server asked for a client certificate; none where the host's Python cannot tell.
  type: bool
  returned: always
client_certificate_sent:
  description: Whether one was sent; none where the host's Python cannot tell.
  type: bool
  returned: always
status:
  description: The status of the HTTP answer; none without one.
  type: int
  returned: always
headers:
  description: The headers of the HTTP answer, names in lower case.
  type: dict
  returned: always
body:
  description: The beginning of the HTTP answer's body, made printable; at most 2000 characters.
  type: str
  returned: always
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.arguments import basic_auth, secret
from ..module_utils.errors import Error
from ..module_utils.handshake.options import run
from ..module_utils.imports import require_cryptography
from ..module_utils.invocation import discreet, visible


def argument_spec() -> Dict[str, Any]:
    keystore = {
        "format": {"type": "str", "choices": ["jks", "pkcs12"], "required": True},
        "path": {"type": "path", "required": True},
        "passphrase": secret(required=True),
        "key_passphrase": secret(),
        "friendly_name": {"type": "str"},
    }
    pem = {
        "privatekey_path": {"type": "path", "required": True},
        "privatekey_passphrase": secret(),
        "certificate_path": {"type": "path", "required": True},
    }
    truststore = {
        "format": {"type": "str", "choices": ["pem", "jks", "pkcs12", "system"], "default": "pem"},
        "path": {"type": "path"},
        "passphrase": secret(),
    }
    request = {
        "method": {"type": "str", "default": "GET"},
        "path": {"type": "str", "default": "/"},
        "headers": {"type": "dict", "no_log": True},
        "body": {"type": "raw", "no_log": True},
        "basic_auth": {"type": "dict", "options": basic_auth()},
        "status": {"type": "list", "elements": "int", "default": [200]},
    }
    return {
        "host": {"type": "str", "required": True},
        "port": {"type": "int", "default": 443},
        "server_name": {"type": "str"},
        "timeout": {"type": "float", "default": 10},
        "proxy": {"type": "str", "no_log": True},
        "keystore": {"type": "dict", "options": keystore, "no_log": False},
        "pem": {"type": "dict", "options": pem},
        "truststore": {"type": "dict", "options": truststore},
        "crl_path": {"type": "path"},
        "request": {"type": "dict", "options": request},
    }


def main() -> None:
    spec = argument_spec()
    module = discreet(AnsibleModule)(
        argument_spec=spec, supports_check_mode=True, mutually_exclusive=[["keystore", "pem"]]
    )
    module.no_log_values.clear()
    shown = {"module_args": visible(module.params, spec)}
    try:
        require_cryptography()
        result = run(module.params)
    except Error as error:
        module.fail_json(msg=str(error), invocation=shown)
    if result["ok"]:
        module.exit_json(changed=False, invocation=shown, **result)
    advice = "{0}. {1}".format(result["diagnosis"]["message"], result["diagnosis"]["remedy"])
    module.fail_json(msg=advice, changed=False, invocation=shown, **result)


if __name__ == "__main__":
    main()
