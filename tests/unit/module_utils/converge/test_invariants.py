# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says, and what it writes, holds no secret that does not belong there, whatever happens to it.

One host lives through every kind of run that meets a secret: fresh, changed, damaged, refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import jks, private_key
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
from ansible_collections.mutual.tls.plugins.module_utils.reply import Reply, encode
from ansible_collections.mutual.tls.plugins.module_utils.store import TrustedEntry
from ansible_collections.mutual.tls.tests.integration.surveillance import Canaries, forms, key_forms
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    EC,
    Host,
    credential,
    keystore,
    link,
    reasons,
    truststore,
)

PASSPHRASES = {
    "key": "K1 the 'key' \\ of it",
    "previous key": "K0 another key ü",
    "store": 'S1 "store" inside',
    "previous store": "S0 another store",
    "key in a store": "E1 entry",
    "trust": "T1 trusted",
    "wrong": "W1 opens nothing",
    "in a config": "C1 stands in a config",
    "in the next config": "C2 stands in the next config",
}
NO_SECRET_FILES = {"manifest.json", "state.json", "since.json", "request.pem", "certificate.pem", "chain.pem"}


def wanted(key: str = "key", store: str = "store", **changes: Any) -> Dict[str, Any]:
    """A credential with a passphrase wherever one can be."""
    passphrase = PASSPHRASES[store]
    base = {
        "key": {**EC, "passphrase": PASSPHRASES[key]},
        "previous_passphrases": [PASSPHRASES["previous key"], PASSPHRASES["previous store"]],
        "keystores": [
            keystore(passphrase=passphrase),
            keystore(file="a.jks", format="jks", passphrase=passphrase, key_passphrase=PASSPHRASES["key in a store"]),
        ],
        "truststores": [truststore(passphrase=PASSPHRASES["trust"])],
        "configs": [{"file": "app.conf", "content": "p=" + PASSPHRASES["in a config"], **ACCESS}],
    }
    return credential(**{**base, **changes})


ACCESS = {"owner": None, "group": None, "mode": "0600"}


@dataclass
class Life:
    """All that a host said in its life, and its keys as they came and went."""

    host: Host
    said: List[Tuple[str, bytes]] = field(default_factory=list)
    keys: Dict[str, set[bytes]] = field(default_factory=dict)
    seen: List[str] = field(default_factory=list)

    def lives(self, when: str, item: Dict[str, Any]) -> None:
        """Check, then run; the second trip too where there is a request."""
        for check in (True, False):
            self._hear(when, self.host.trip(item, check=check))
        waiting = self.host.trip(item).credentials[0].request
        if waiting is not None and waiting.pem is not None:
            answer = self.host.authority.sign(waiting.pem)
            self._hear(when, self.host.trip({**item, "answer": {**answer, "public_fingerprint": "00"}}))
            self._hear(when, self.host.trip({**item, "answer": answer}))
        self._remember_keys(item)

    def _hear(self, when: str, reply: Reply) -> None:
        self.said.append((when, json.dumps(encode(reply), ensure_ascii=False).encode()))
        self.said.append((when, repr(reply).encode()))
        for one in reply.credentials:
            self.seen += [*reasons(one), one.state]
        self._remember_keys(None)

    def _remember_keys(self, item: Any) -> None:
        for path in sorted(self.host.root.rglob("key.pem")):
            for passphrase in (None, *PASSPHRASES.values()):
                try:
                    found = key_forms(path.read_bytes(), passphrase)
                except (TypeError, ValueError):
                    continue
                self.keys.setdefault(str(path.stat().st_ino), set()).update(found)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    disk = tmp_path_factory.mktemp("invariants")
    elsewhere = disk / "elsewhere"
    elsewhere.mkdir()
    life = Life(Host(disk / "root"))
    links = [link(elsewhere / "copy", "client.pem", copy=True)]
    current = life.host.current()
    life.lives("fresh", wanted("previous key", "previous store", links=links))
    life.lives("other passphrases", wanted(links=links))
    life.lives("another config", wanted(configs=[_config("in the next config")], links=links))
    for name in ("app.conf", "client.pem", "key.pem", "client.p12"):
        (current / name).write_bytes(b"damaged")
        life.lives("damaged " + name, wanted(links=links))
    (elsewhere / "copy").write_bytes(b"damaged")
    life.lives("damaged copy", wanted(links=links))
    life.lives("wrong key passphrase", wanted("wrong", previous_passphrases=[]))
    life.lives("wrong store passphrase", wanted(store="wrong", previous_passphrases=[]))
    life.lives("renewed", wanted(subject=[["CN", "renewed"]], links=links))
    life.host.trip(wanted(subject=[["CN", "waiting"]], links=links))
    life._remember_keys(None)
    yield life


def _config(which: str) -> Dict[str, Any]:
    return {"file": "app.conf", "content": "p=" + PASSPHRASES[which], **ACCESS}


def _passphrases() -> Canaries:
    return Canaries({name: forms(text) for name, text in PASSPHRASES.items()})


def test_the_life_had_it_all(life: Life) -> None:
    expected = {"key_passphrase_changed", "store_passphrase_changed", "config_changed", "key_unreadable", "failed"}
    expected |= {"subject_changed", "store_unreadable", "link_changed", "request", "active"}
    assert expected <= set(life.seen)
    assert len(life.keys) >= 4


def test_replies_hold_no_private_key(life: Life) -> None:
    search = Canaries(life.keys)
    assert [hit for when, data in life.said for hit in search.within(data, when)] == []


def test_replies_hold_no_passphrase(life: Life) -> None:
    search = _passphrases()
    assert [hit for when, data in life.said for hit in search.within(data, when)] == []


def test_files_that_are_to_hold_no_secret_hold_none(life: Life) -> None:
    keys, passphrases = Canaries(life.keys), _passphrases()
    found = [path for path in life.host.root.parent.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {path.name for path in found} > NO_SECRET_FILES
    for path in found:
        content = path.read_bytes()
        if path.name != "app.conf":
            assert passphrases.within(content, str(path)) == []
        if path.name in NO_SECRET_FILES:
            assert keys.within(content, str(path)) == []


def test_files_with_a_private_key_are_closed_to_others(life: Life) -> None:
    """`next` too, whose files are nobody's business but the run's."""
    keys = Canaries(life.keys)
    holding = [path for path in life.host.root.parent.rglob("*.pem") if keys.within(path.read_bytes(), str(path))]
    assert {path.name for path in holding} == {"key.pem", "client.pem"}
    assert {path.stat().st_mode & 0o077 for path in holding} == {0}
    assert (life.host.root / "orders/next").stat().st_mode & 0o777 == 0o700


def test_a_document_shows_no_passphrase(life: Life) -> None:
    item = {**wanted(), "name": "shown"}
    assert _passphrases().within(repr(parse(json.dumps(life.host.document(item)))).encode(), "a representation") == []


def test_time_stamps_in_stores_are_those_of_their_certificates(tmp_path: Path) -> None:
    """Not of the run: a store that is made anew is the same to its readers."""
    host = Host(tmp_path / "root")
    item = credential(
        keystores=[keystore(file="a.jks", format="jks", trusted=[{"friendly_name": "ca", "authority": "partner"}])]
    )
    host.run(item)
    before = jks.decode((host.current() / "a.jks").read_bytes(), "store-secret").entries
    leaf = certificates.load_all((host.current() / "certificate.pem").read_bytes(), "certificate.pem")[0]
    starts = {False: certificates.not_before(leaf), True: certificates.not_before(host.partner.certificate)}
    for entry in before:
        assert entry.created == starts[isinstance(entry, TrustedEntry)].timestamp() * 1000
    (host.current() / "a.jks").unlink()
    assert host.run(item).changed
    after = jks.decode((host.current() / "a.jks").read_bytes(), "store-secret").entries
    assert [(entry.alias, entry.created) for entry in after] == [(entry.alias, entry.created) for entry in before]
    assert private_key.from_pkcs8(next(entry.private_key for entry in after if hasattr(entry, "private_key")))
