#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action `credential`; the code is the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential
short_description: Keep a host's mTLS client credentials as the inventory wants them
version_added: 1.0.0
author:
  - The mutual.tls authors (@mutual-tls)
description:
  - Makes private keys, certificate requests, certificates, keystores, truststores, client configurations and links of
    all of a host's client credentials what the options say, and changes nothing where they already are.
  - A private key is made on the host and never leaves it. Certificates are issued on the controller.
  - One round trip to the host tells whether anything is to do; a second one deploys certificates.
  - Passphrases travel through the connection and lie in no temporary file. Where Ansible could not pipeline - with
    C(become_method=su), with C(ANSIBLE_KEEP_REMOTE_FILES), over connections that do not support it - the task fails
    before it sends anything.
  - Facts win over an inventory's variables, and a host writes its own facts. The task fails on a host that has a fact
    whose name begins with C(mtls_), or that replaces C(inventory_hostname) or its like.
  - Input is checked on the controller before anything happens on the host. Where one credential fails later on, the
    others are finished, and then the task fails with every result.
  - Options are layered, from general to particular - this collection's defaults, O(defaults), the presets of the
    credential's provider, the credential's own options. Maps are merged, lists and everything else are replaced.
    Null counts as not given.
extends_documentation_fragment:
  - mutual.tls.root
  - mutual.tls.state_directory
options:
  credentials:
    description: The credentials that the host has. An empty list where it has none.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Its name, unique on the host, and that of its directory below O(root).
          - Lower-case letters, digits, C(.), C(_) and C(-), a letter or digit first.
        type: str
        required: true
      state:
        description:
          - V(present) keeps it as described.
          - V(absent) removes it, its links included. All its options but the name may be left out.
          - If it is V(absent) and names its O(credentials[].issuer), its valid certificates are revoked there, because
            of C(cessation_of_operation), once it is gone from the host.
          - V(held) leaves it alone - what differs is reported in RV(credentials[].reasons), but nothing is renewed or
            repaired until it is V(present) again.
        type: str
        choices: [present, absent, held]
        default: present
      provider:
        description:
          - The API that it is for. Its profile holds presets and demands.
          - Built in are V(generic), V(vibes), V(symphony), V(caf) and V(one_network). O(providers) adds to them.
        type: str
        default: generic
      issuer:
        description: The issuer of its certificate, a name in O(issuers). Required if the state is V(present).
        type: str
      labels:
        description: Texts to be carried into results, reports and requests to issuers. No secrets.
        type: dict
        default: {}
      subject:
        description:
          - The certificate's subject, a map of attributes. It is encoded in the order C, ST, L, O, OU, CN, emailAddress
            whatever its own order. A list of one-key maps keeps its order.
          - A list as an attribute's value repeats the attribute.
        type: raw
      subject_alt_name:
        description:
          - Alternative names, each with its type as in V(DNS:orders.acme.example), V(email:ops@acme.example),
            V(IP:192.0.2.7), V(URI:spiffe://acme.example/orders), V(RID:1.3.6.1.4.1.311),
            V(dirName:O=Acme Inc,CN=orders) and V(otherName:1.3.6.1.4.1.311.20.2.3;UTF8:orders@acme.example).
        type: list
        elements: str
        default: []
      passphrase:
        description: For every keystore and truststore, and for the key where it is encrypted.
        type: str
      previous_passphrase:
        description: Opens what was closed with the passphrase of before. Remove it after the next run.
        type: str
      key:
        description: The private key.
        type: dict
        suboptions:
          type:
            description: The algorithm.
            type: str
            choices: [RSA, ECC, Ed25519]
            default: RSA
          size:
            description: Bits of an RSA key, 2048 to 8192. 2048 unless the provider's profile says otherwise.
            type: int
          curve:
            description: Curve of an ECC key. V(secp256r1) if not given.
            type: str
            choices: [secp256r1, secp384r1, secp521r1]
          format:
            description: PEM form of the key. V(traditional) is what OpenSSL wrote before its release 3.
            type: str
            choices: [pkcs8, traditional]
            default: pkcs8
          encrypt:
            description: Whether the key file is encrypted (PKCS#8 with AES-256).
            type: bool
            default: false
          passphrase:
            description: The key's own passphrase. The credential's if not given.
            type: str
          rotate:
            description: Whether a renewal makes a new key.
            type: bool
            default: true
      validity:
        description: How long a certificate is asked for, such as V(90d). The issuer's own choice if not given.
        type: str
      renew_before:
        description:
          - How long before its end a certificate is renewed, such as V(30d) or V(12h). At most V(11574d).
          - At most a third of the certificate's lifetime counts.
        type: str
        default: 30d
      renew_jitter:
        description:
          - How much earlier than that at most, such as V(7d). Each host has its own share, the same in every run, so
            that a fleet whose certificates were made on one day is not renewed on one day again.
          - Nothing is renewed later for it. It shrinks where less than half of a lifetime would be used.
        type: str
        default: 0s
      renew_window:
        description:
          - When a certificate that is only due may be renewed - a map, or a list of maps, of C(from) and C(to), quoted
            times of day such as V("22:00") and V("04:00"), C(days) on which it begins (V(mon) to V(sun), all if not
            given), and C(timezone) (V(UTC) if not given). C(to) may lie on the next day.
          - Outside of it, V(certificate_due) is reported, and RV(credentials[].renewal_waits_until) says when it opens.
            All else is done at any time - what is missing, has expired or was revoked is replaced, files are mended,
            and what the inventory wants otherwise, or O(operation) asks for, is done.
        type: raw
      keep_generations:
        description: How many generations of files are kept, the one in use included.
        type: int
        default: 2
      reload:
        description:
          - What makes those who use the files read them anew, as a list of words such as
            V([systemctl, reload, orders]), or a list of such commands. No shell takes part.
          - It runs after the switch to another generation, and after a file in use was mended. Credentials of one host
            with the same commands share one run of them.
          - Where it fails, the host goes back to the generation before, and reloads again. What could not be reloaded
            is tried again by the next run.
        type: raw
      reload_timeout:
        description: How long all of O(credentials[].reload) may take, such as V(60s) or V(5m).
        type: str
        default: 60s
      verify:
        description:
          - A handshake, with an HTTPS request, that proves the credential where it will be used. It is made with the
            new files before the switch, and with those in use after it.
          - Where the first fails nothing is switched; where the second fails, the host goes back to the generation
            before. If the files in use fail, too, the server is taken for unavailable.
        type: dict
        suboptions:
          url:
            description: Where to, such as V(https://api.example:8444/ping).
            type: str
            required: true
          method:
            description: The request's method.
            type: str
            default: GET
          headers:
            description: Headers of the request. They are kept out of all output.
            type: dict
            default: {}
          body:
            description: The body; a dictionary or list is sent as JSON. It is kept out of all output.
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
            description: The status values that prove it.
            type: list
            elements: int
            default: [200]
          user:
            description: The user on the host as whom the handshake is made. It has to be able to read the files.
            type: str
          proxy:
            description: An HTTP proxy on the way, such as V(http://proxy.example:3128).
            type: str
          timeout:
            description: Seconds that one attempt may take.
            type: float
            default: 10
          retries:
            description: How often what may pass by itself, such as a server that is not there, is tried again.
            type: int
            default: 2
          authorities:
            description: The authorities that know the server. The credential's own if not given.
            type: list
            elements: str
      activation:
        description:
          - When a new generation comes into use.
          - With V(on_proof) the one before stays in use until a handshake with the new one succeeds, for providers that
            register certificates by hand. Each run tries; until then the credential is C(pending). It needs
            O(credentials[].verify).
          - With V(on_request) the one before stays in use until a run with O(operation=activate).
          - What waits is repaired like everything else, and follows the inventory.
        type: str
        choices: [automatic, on_proof, on_request]
        default: automatic
      owner: &owner
        description: Owner of the file, a name or a number. The user that the module runs as if not given anywhere.
        type: str
      group: &group
        description: Group of the file, a name or a number. That of the user the module runs as if not given anywhere.
        type: str
      mode: &mode
        description:
          - Mode of the file, as quoted octal digits. V(0600) if not given anywhere.
          - What stands at the credential holds for all its files; keystores, truststores, configs and copied links may
            have their own.
        type: str
      authorities:
        description:
          - What C(trust.pem) holds, names in O(authorities) or V(system) for the host's own bundle. No C(trust.pem) if
            empty.
          - Also the content of each truststore that does not say otherwise.
        type: list
        elements: str
        default: []
      keystores:
        description: Stores with the key and its chain.
        type: list
        elements: dict
        default: []
        suboptions:
          file: &file
            description: The file's name in the credential's directory.
            type: str
            required: true
          format:
            description: Its format. Some providers' profiles preset it.
            type: str
            choices: [pkcs12, jks]
            required: true
          friendly_name:
            description: The alias of the key. The credential's name if not given. JKS holds it in lower case.
            type: str
          passphrase: &store_passphrase
            description: The store's passphrase. The credential's if not given.
            type: str
          key_passphrase:
            description: The key's passphrase inside a JKS store. The store's if not given.
            type: str
          encryption: &encryption
            description:
              - How a PKCS#12 store is encrypted. V(modern) is AES-256 with PBKDF2, V(compatible) suits readers from
                before 2019. V(modern) if not given.
            type: str
            choices: [modern, compatible]
          exclusive:
            description: Whether entries of others are removed from the store.
            type: bool
            default: false
          trusted:
            description: Authorities that stand in the store, too.
            type: list
            elements: dict
            default: []
            suboptions:
              friendly_name:
                description: The alias. Where the authority has several certificates, C(-1), C(-2) and so on follow it.
                type: str
                required: true
              authority:
                description: A name in O(authorities), or V(system).
                type: str
                required: true
          owner: *owner
          group: *group
          mode: *mode
      truststores:
        description: Stores with trusted certificates.
        type: list
        elements: dict
        default: []
        suboptions:
          file: *file
          format:
            description: Its format. Some providers' profiles preset it.
            type: str
            choices: [pem, pkcs12, jks]
            required: true
          authorities:
            description: Names in O(authorities), or V(system). The credential's own list if not given.
            type: list
            elements: str
          passphrase: *store_passphrase
          encryption: *encryption
          own_chain:
            description: Whether it holds the credential's own certificates, too.
            type: bool
            default: false
          owner: *owner
          group: *group
          mode: *mode
      configs:
        description:
          - Configuration files for clients, rendered on the controller. Each needs C(template) or C(src), not both.
          - A template sees the host's variables, C(credential) with its C(name), C(directory), C(current), C(paths),
            C(keystores) and C(truststores) by file, C(passphrase) and C(key_passphrase), C(provider) with the
            provider's name and data, and C(labels). The filter P(mutual.tls.quoted#filter) quotes values.
        type: list
        elements: dict
        default: []
        suboptions:
          file: *file
          template:
            description: A built-in template, V(curl), V(env), V(java), V(nginx), V(node) or V(python).
            type: str
          src:
            description: A Jinja2 template of one's own on the controller. A relative path begins at the inventory.
            type: str
          owner: *owner
          group: *group
          mode: *mode
      links:
        description: Other paths on the host that lead to files of the credential.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: The absolute path of the link.
            type: str
            required: true
          file:
            description: The name of the file that it leads to, such as V(client.pem).
            type: str
            required: true
          copy:
            description: Whether a real file with the same content stands there instead of a link.
            type: bool
            default: false
          force:
            description: Whether something else that stands at the path is replaced.
            type: bool
            default: false
          owner: *owner
          group: *group
          mode: *mode
  defaults:
    description: Options of credentials for all that do not set them.
    type: dict
    default: {}
  issuers:
    description:
      - What issues certificates, by name. Each is a map with its C(type) and the options of that type.
      - V(ownca) is a CA of one's own on the controller (see M(mutual.tls.ownca)). Its options are C(passphrase), which
        opens the CA's key and is required, C(directory) (C(ownca/) and the issuer's name in the state directory if not
        given; a relative one begins at the inventory), C(validity) of certificates whose credential states none (V(90d)
        if not given), and C(crl_distribution_points), a list of URLs to put into them.
      - Each may have C(max_issued_per_run), a whole number. Beyond so many certificates in one run, for all its
        hosts together, credentials are V(pending) until the next one. Check mode counts what it foresees.
    type: dict
    default: {}
  authorities:
    description:
      - Bundles of CA certificates to trust, by name. Each is a map with exactly one of C(src), a file on the controller
        relative to the inventory, C(content), the certificates themselves, and C(issuer), the name of an issuer whose
        root is meant. PEM, DER and PKCS#7 are read.
      - A bundle of which every certificate has expired is an error, one of which some have is a warning.
    type: dict
    default: {}
  providers:
    description:
      - Providers of one's own, by name. Each is a map with C(extends), the built-in one that it builds on (that of the
        same name if not given, else V(generic)), C(data) for templates, and C(defaults), options of its credentials.
    type: dict
    default: {}
  install_dependencies:
    description:
      - Where the host's Python lacks C(cryptography), install the distribution's package C(python3-cryptography) with
        M(ansible.builtin.package), then go on. A host that has the library pays nothing for it.
      - It needs root, thus usually C(become), and an C(ansible_python_interpreter) that is the distribution's own
        C(/usr/bin/python3). Otherwise the task fails and says what to do.
      - Check mode foresees the package alone. What a run does after that can only be told when it is there.
    type: bool
    default: false
  operation:
    description:
      - What is to be done. V(converge) if not given, V(rotate) where O(revoke) is.
      - V(converge) keeps credentials as described, and renews what is due.
      - V(rotate) does the same, and gives each of them a new certificate whether one is needed or not.
      - V(rollback) puts the generation before into use again, and holds it - nothing is renewed or repaired until it is
        released, and RV(credentials[].held_since) says since when. It demands O(select). A generation is refused
        whose certificate has expired, was revoked, or is of a CA that was retired.
      - V(release) ends what V(rollback) holds, then does what V(converge) does.
      - V(activate) puts generations into use that wait for it, see O(credentials[].activation).
      - V(rollback), V(release) and V(activate) leave alone what is V(absent) or V(held) by the inventory.
    type: str
    choices: [converge, rotate, rollback, release, activate]
  select:
    description:
      - The credentials that the run is about. Nothing else is looked at, changed or in the result. All of them if not
        given or empty.
      - Everything that is given has to match. Each may be one text, or a list of which one has to.
    type: dict
    suboptions:
      credential:
        description: Names of credentials.
        type: list
        elements: str
      provider:
        description: Names of providers.
        type: list
        elements: str
      issuer:
        description: Names in O(issuers).
        type: list
        elements: str
      serial:
        description:
          - Serial numbers of certificates in use, in hexadecimal, of either case, with or without colons.
          - The host is asked for them first, which takes a round trip more.
        type: list
        elements: str
  revoke:
    description:
      - Why the certificates before are revoked. V(unspecified), V(key_compromise), V(affiliation_changed),
        V(superseded), V(cessation_of_operation) or V(privilege_withdrawn).
      - With the operation V(rotate), new certificates have new keys, whatever O(credentials[].key.rotate) says, and
        come into use first. Then all other valid certificates of the host and the credential are revoked at its issuer.
        Where that goes wrong before, nothing is revoked.
      - With the operation V(activate), all valid certificates but the one in use are revoked. That is for new ones
        which had to wait for their issuer or their activation.
      - It demands O(select). An issuer that cannot revoke says whom to ask instead, which is a failure.
    type: str
  emergency:
    description:
      - Whether nothing may wait - O(credentials[].renew_window) and the issuers' C(max_issued_per_run) are ignored. A
        warning says so.
    type: bool
    default: false
attributes:
  action:
    description: Whether this is an action that runs on the controller.
    support: full
  check_mode:
    description: Whether check mode predicts what a run would do.
    support: full
    details: But on a host that lacks what O(install_dependencies) would install, only that.
  diff_mode:
    description: Whether it returns what differs.
    support: full
    details: Reasons, aliases, dates and fingerprints; never a secret.
  async:
    description: Whether it can run in the background.
    support: none
requirements:
  - cryptography >= 3.3 on the host and on the controller
seealso:
  - module: mutual.tls.credential_info
  - module: mutual.tls.ownca
  - plugin: mutual.tls.merged
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Give a service its client certificate
  mutual.tls.credential:
    issuers:
      corp: {type: ownca, passphrase: "{{ vault_ca }}"}
    authorities:
      partner: {src: files/partner-root.pem}
    credentials:
      - name: orders
        issuer: corp
        subject: {CN: orders, O: Acme Inc}
        authorities: [partner]
        owner: orders
        configs:
          - {template: curl, file: curl.conf}

- name: Replace a certificate whose key has leaked, then revoke it
  mutual.tls.credential:
    operation: rotate
    select: {credential: orders}
    revoke: key_compromise
    credentials: "{{ mtls_credentials }}"
    issuers: "{{ mtls_issuers }}"

- name: Keep all that the inventory says
  mutual.tls.credential:
    credentials: "{{ lookup('mutual.tls.merged', 'mtls_credentials') }}"
    issuers: "{{ lookup('mutual.tls.merged', 'mtls_issuers') }}"
    authorities: "{{ lookup('mutual.tls.merged', 'mtls_authorities') }}"
    providers: "{{ lookup('mutual.tls.merged', 'mtls_providers') }}"
    defaults: "{{ mtls_credential_defaults }}"
"""

RETURN = r"""
credentials:
  description: One entry for each credential, in the order given.
  type: list
  elements: dict
  returned: unless the input is wrong or the host cannot do the work at all
  contains:
    name:
      description: Its name.
      type: str
      sample: orders
    state:
      description:
        - V(active), V(pending) where a certificate or its activation is awaited (an older one may be in use),
          V(absent), V(held) by the inventory or by a rollback, or V(failed).
      type: str
      sample: active
    changed:
      description: Whether it was changed, or would be.
      type: bool
    reasons:
      description: Codes of what differed from the options.
      type: list
      elements: str
      sample: [certificate_due]
    generation:
      description: Number of the generation in use.
      type: int
      sample: 7
    subject:
      description: The certificate's subject.
      type: str
      sample: O=Acme Inc, CN=orders
    issuer:
      description: Its issuer's name in O(issuers).
      type: str
      sample: corp
    issuer_dn:
      description: The distinguished name of the CA that signed it.
      type: str
      sample: O=Acme Inc, CN=Corp Client CA
    serial_number:
      description: The serial number, in hexadecimal.
      type: str
      sample: 1fd3a0e2
    not_before:
      description: When it begins to be valid.
      type: str
      sample: "2026-11-21T12:00:00Z"
    not_after:
      description: When it ends.
      type: str
      sample: "2027-02-19T12:00:00Z"
    due:
      description: From when on it is to be renewed.
      type: str
      sample: "2027-01-20T12:00:00Z"
    renewal_waits_until:
      description:
        - When a window of O(credentials[].renew_window) opens, for what is V(active) and due while none is open, now
          or when its time comes. Null for all others.
      type: str
      sample: "2027-01-20T22:00:00Z"
    fingerprint_sha256:
      description: The certificate's fingerprint.
      type: str
    directory:
      description: Its directory on the host.
      type: str
      sample: /etc/mtls/orders
    pending:
      description: For a credential that waits, its C(issuer), C(since) when, and what it C(waits_for).
      type: dict
    held_since:
      description: Since when a rollback holds it. The operation V(release) ends that.
      type: str
      sample: "2026-11-21T12:00:00Z"
    revoked:
      description: Serial numbers of its certificates that were revoked, or would be.
      type: list
      elements: str
      sample: [1fd3a0e1]
    labels:
      description: Its labels.
      type: dict
    error:
      description: Why it failed, or why nothing can be said of one that is held.
      type: str
      returned: where the state is V(failed), or V(held) and it cannot be judged
installed:
  description: Packages that were installed, or would be.
  type: list
  elements: str
  returned: where O(install_dependencies) had something to do
  sample: [python3-cryptography]
orphaned:
  description: Names of credentials on the host that are not in O(credentials) any more.
  type: list
  elements: str
  returned: as C(credentials)
"""
