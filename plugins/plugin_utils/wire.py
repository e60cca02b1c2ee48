# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire document, from the controller's side: built anew, with what one host needs and nothing else.

`module_utils/document.py` reads it on the host.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Dict, Iterable, List, Mapping, Set

from ..module_utils.converge.verify import to_wire
from ..module_utils.document import VERSION, Access, Credential, Document
from . import launch


def build(document: Document) -> str:
    """The document as JSON text, ASCII only, so that no locale between here and there can change it."""
    return json.dumps(
        {
            "version": VERSION,
            "code": launch.DIGEST,
            "root": document.root,
            "lock_timeout": int(document.lock_timeout),
            "names": list(document.names),
            "authorities": {name: _base64(ders) for name, ders in _used(document).items()},
            "credentials": [_credential(credential) for credential in document.credentials],
        }
    )


def _used(document: Document) -> Mapping[str, Iterable[bytes]]:
    """Only the authorities of the credentials that travel: the second trip may hold fewer of them."""
    names: Set[str] = set()
    for credential in document.credentials:
        names.update(credential.authorities)
        names.update(trusted.authority for keystore in credential.keystores for trusted in keystore.trusted)
        names.update(authority for truststore in credential.truststores for authority in truststore.authorities)
        names.update(() if credential.verify is None else credential.verify.authorities)
    return {name: ders for name, ders in document.authorities.items() if name in names}


def _base64(ders: Iterable[bytes]) -> List[str]:
    return [base64.b64encode(der).decode("ascii") for der in ders]


def _access(access: Access) -> Dict[str, Any]:
    return {"owner": access.owner, "group": access.group, "mode": access.mode}


def _credential(credential: Credential) -> Dict[str, Any]:
    return {
        "name": credential.name,
        "state": credential.state,
        "provider": credential.provider,
        "issuer": credential.issuer,
        "subject": [list(pair) for pair in credential.spec.subject],
        "subject_alt_name": list(credential.spec.subject_alt_name),
        "key": {
            "type": credential.key.kind.type,
            "size": credential.key.kind.size,
            "curve": credential.key.kind.curve,
            "format": credential.key.format,
            "passphrase": credential.key.passphrase,
            "rotate": credential.key.rotate,
        },
        "previous_passphrases": list(credential.previous_passphrases),
        "renew_before": credential.renew_before,
        "keep_generations": credential.keep_generations,
        "authorities": list(credential.authorities),
        **_files(credential),
        **_access(credential.access),
        "may_request": credential.may_request,
        "reload": [list(command) for command in credential.reload],
        "reload_timeout": credential.reload_timeout,
        "verify": None if credential.verify is None else to_wire(credential.verify),
        "may_renew": credential.may_renew,
        "operation": credential.operation,
        "activation": credential.activation,
        "candidate": credential.candidate,
        "revoked": list(credential.revoked),
        "issuing_cas": list(credential.issuing_cas),
        "new_key": credential.new_key,
        "renew_jitter": credential.renew_jitter,
        "renew_offset": credential.renew_offset,
        "answer": None
        if credential.answer is None
        else {
            "public_fingerprint": credential.answer.public_fingerprint,
            "certificates": _base64(credential.answer.certificates),
        },
    }


def _files(credential: Credential) -> Dict[str, Any]:
    return {
        "keystores": [
            {
                "file": store.file,
                "format": store.format,
                "friendly_name": store.friendly_name,
                "passphrase": store.passphrase,
                "key_passphrase": store.key_passphrase,
                "encryption": store.encryption,
                "exclusive": store.exclusive,
                "trusted": [
                    {"friendly_name": trusted.friendly_name, "authority": trusted.authority}
                    for trusted in store.trusted
                ],
                **_access(store.access),
            }
            for store in credential.keystores
        ],
        "truststores": [
            {
                "file": store.file,
                "format": store.format,
                "passphrase": store.passphrase,
                "encryption": store.encryption,
                "own_chain": store.own_chain,
                "authorities": list(store.authorities),
                **_access(store.access),
            }
            for store in credential.truststores
        ],
        "configs": [
            {"file": config.file, "content": config.content, **_access(config.access)} for config in credential.configs
        ],
        "links": [
            {"path": link.path, "file": link.file, "copy": link.copy, "force": link.force, **_access(link.access)}
            for link in credential.links
        ],
    }
