# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every host gets, whoever provisions it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Mapping

from .same_work import Api

NAMES = ("orders", "billing", "chat", "erp", "reports")
RSA: Mapping[str, Any] = {"type": "RSA", "size": 2048}
ECC: Mapping[str, Any] = {"type": "ECC", "curve": "secp256r1"}


def passphrase(name: str) -> str:
    """That of all stores of a credential."""
    return f"{name}-changeit"


def subject(name: str) -> str:
    """A credential's subject in the form of RFC 4514, the last attribute first."""
    return f"CN={name}.acme.example,O=Acme Inc"


def credentials(count: int) -> List[Dict[str, Any]]:
    """The first of the credentials; subjects and passphrases differ."""
    return [
        {"name": name, "subject": {"O": "Acme Inc", "CN": f"{name}.acme.example"}, "passphrase": passphrase(name)}
        for name in NAMES[:count]
    ]


def shared_variables(directory: Path, count: int, key: Mapping[str, Any], api: Api) -> Dict[str, Any]:
    """The inventory variables that all contestants get; the API's root certificate is written into `directory`."""
    root = directory / "partner-root.pem"
    root.write_bytes(api.root)
    return {"mtls_credentials": credentials(count), "partner_root": str(root), "credential_key": dict(key)}
