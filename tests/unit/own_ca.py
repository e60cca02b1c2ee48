# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Own CAs, keys and requests for the tests of what issues and checks certificates."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ansible_collections.mutual.tls.plugins.module_utils import name, private_key, request
from ansible_collections.mutual.tls.plugins.module_utils.ownca import create, issue, members, proof, rollover
from ansible_collections.mutual.tls.plugins.module_utils.ownca.build import AuthoritySpec
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.module_utils.request import RequestSpec

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
PASSPHRASE = 'q"\\é'
P256 = KeyKind("ECC", curve="secp256r1")
P384 = KeyKind("ECC", curve="secp384r1")
ED25519 = KeyKind("Ed25519")
ROOT = AuthoritySpec((("O", "Acme Inc"), ("CN", "Corp Client CA")), P384, timedelta(days=3650))
INTERMEDIATE = AuthoritySpec((("CN", "Corp Client Issuing CA"),), P256, timedelta(days=1825))
CRL_VALIDITY = timedelta(days=30)
ROOT_ONLY = create.OwnCaSpec(ROOT, None, CRL_VALIDITY)
TWO_TIERS = create.OwnCaSpec(ROOT, INTERMEDIATE, CRL_VALIDITY)
NEXT_ROOT = AuthoritySpec((("O", "Acme Inc"), ("CN", "Corp Client CA 2027")), P256, timedelta(days=7300))
NEXT_INTERMEDIATE = AuthoritySpec((("CN", "Corp Client Issuing CA 2027"),), P384, timedelta(days=1825))
NEXT_ROOT_ONLY = create.OwnCaSpec(NEXT_ROOT, None, CRL_VALIDITY)
NEXT_TWO_TIERS = create.OwnCaSpec(NEXT_ROOT, NEXT_INTERMEDIATE, CRL_VALIDITY)
SPEC = RequestSpec(name.normalize({"CN": "ops@acme.example", "O": "Acme Inc"}), ("DNS:orders.acme.example",))


def converge(
    directory: Path,
    spec: create.OwnCaSpec = TWO_TIERS,
    passphrase: str = PASSPHRASE,
    previous: Optional[str] = None,
    at: datetime = NOW,
    write: bool = True,
) -> create.Outcome:
    """One run of the module over a directory."""
    return create.converge(str(directory), spec, passphrase, previous, at, write)


def roll(
    directory: Path,
    phase: Optional[str] = None,
    spec: create.OwnCaSpec = NEXT_TWO_TIERS,
    found: Optional[proof.Proof] = None,
    at: datetime = NOW,
    write: bool = True,
    keys: create.Keys = create.Keys(PASSPHRASE, None),
) -> create.Outcome:
    """One run of the module over a directory with, or about to have, a roll-over."""
    return rollover.converge(str(directory), spec, keys, at, write, phase, found)


def proved(
    directory: Path, phase: str, hosts: Optional[Mapping[str, Sequence[str]]] = None, gone: Sequence[str] = ()
) -> proof.Proof:
    """That these hosts, with what stands against it on each, are all that there are."""
    found = members.read_members(str(directory)).rollover
    if found is None:
        raise AssertionError("no roll-over has begun")
    listed = {host: tuple(objections) for host, objections in (hosts or {"web1": ()}).items()}
    return proof.Proof(phase, found.new.root, listed, frozenset(gone))


def reasons(outcome: create.Outcome) -> Dict[str, str]:
    """What was different, by file."""
    return {difference.where: difference.reason for difference in outcome.differences}


def authority(directory: Path, at: datetime = NOW) -> issue.Authority:
    """An existing CA, opened."""
    return issue.open_authority(str(directory), PASSPHRASE, at)


def csr(key: Any, spec: RequestSpec = SPEC) -> Any:
    """A loaded request."""
    return request.load(request.build(key, spec))


def key(kind: KeyKind = P256) -> Any:
    """A new private key."""
    return private_key.generate(kind)


def order(spec: RequestSpec = SPEC, host: str = "web1", days: float = 90, **more: Any) -> issue.Order:
    """What to issue."""
    return issue.Order(spec, host, "orders", timedelta(days=days), **more)


def snapshot(directory: Path) -> Dict[str, Tuple[int, int, int, bytes]]:
    """Every file with inode, mode, modification time and content."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(directory))] = (status.st_ino, status.st_mode, status.st_mtime_ns, content)
    return found
