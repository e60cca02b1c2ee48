# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of options: for each one a change, and the reasons that a run has to give for it.

Every row is a credential of its own. `{links}` in a text stands for a directory beside the host's root, `{tree}`
for the host's whole directory, `{own}` for a name that no other row uses.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import keystore_format
from ansible_collections.mutual.tls.plugins.module_utils.store import Store, TrustedEntry

FIRST = "first passphrase"
SECOND = "second passphrase"

SIMPLE: Dict[str, Any] = {"issuer": "corp", "subject": {"CN": "client", "O": "Acme"}, "key": {"type": "ECC"}}

P12 = {"file": "client.p12", "format": "pkcs12", "passphrase": FIRST}
JKS = {"file": "client.jks", "format": "jks", "passphrase": FIRST}
TRUST_PEM = {"file": "ca.pem", "format": "pem", "authorities": ["partner"]}
TRUST_P12 = {"file": "ca.p12", "format": "pkcs12", "passphrase": FIRST, "authorities": ["partner"]}
TRUST_JKS = {"file": "ca.jks", "format": "jks", "passphrase": FIRST, "authorities": ["partner"]}
CONFIG = {"file": "app.conf", "src": "app.j2"}
LINK = {"path": "{links}/client.pem", "file": "client.pem"}
COPY = {**LINK, "copy": True}
ENCRYPTED = {"type": "ECC", "encrypt": True, "passphrase": FIRST}

RENAMED = ("store_alias_changed",)

TRUSTED = {"friendly_name": "partner", "authority": "partner"}


@dataclass(frozen=True)
class Row:
    """One option's change.

    `before` and `after` are laid over SIMPLE, `task_before` and `task_after` over the task's other options, together
    with those of the other rows on the same `host`. `earlier` is what `before` itself is a change of.
    `tamper(directory, links)` is done to the host after `before` and must not count as drift. `key_kept`: the
    certificate after the change is still for the key from before it.
    """

    option: str
    what: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    reasons: Tuple[str, ...] = ()
    state: str = "active"
    changed: Optional[bool] = None
    key_kept: bool = True
    earlier: Optional[Mapping[str, Any]] = None
    task_before: Mapping[str, Any] = field(default_factory=dict)
    task_after: Mapping[str, Any] = field(default_factory=dict)
    tamper: Optional[Callable[[Path, Path], None]] = None
    orphaned: Tuple[str, ...] = ()
    needs_root: bool = False
    host: str = "shared"

    @property
    def will_change(self) -> bool:
        """Whether the run reports a change."""
        return bool(self.reasons) if self.changed is None else self.changed


def _foreign_entry(directory: Path, links: Path) -> None:
    """Somebody else's certificate goes into our keystore, with the tools of the trade: nothing of ours changes."""
    path = directory / "current" / "client.p12"
    codec = keystore_format.codec("pkcs12")
    store = codec.decode(path.read_bytes(), FIRST)
    stranger = certificates.load_all((directory / "current" / "certificate.pem").read_bytes(), "")[0]
    entry = TrustedEntry("stranger", certificates.to_der(stranger))
    path.write_bytes(codec.encode(Store((*store.entries, entry), store.encryption), FIRST))


def _foreign_file(directory: Path, links: Path) -> None:
    (links / "client.pem").write_text("somebody else's file\n", encoding="utf-8")


def _list(name: str, *items: Mapping[str, Any], **more: Any) -> Dict[str, Any]:
    """A credential's list of stores, configs or links, `more` added to the last of its items."""
    return {name: [*items[:-1], {**items[-1], **more}]} if items else {name: []}


def _item(group: str, item: Mapping[str, Any], option: str, was: Any, now: Any, *reasons: str, **more: Any) -> Row:
    """A row that changes one option of the only item in a list; None leaves the option out."""
    before = {**item, option: was} if was is not None else dict(item)
    after = {**item, option: now}
    if now is None:
        del after[option]
    label = more.pop("what", "{0} to {1}".format(was, now))
    common = more.pop("common", {})
    return Row(
        "credentials.{0}.{1}".format(group, option),
        label,
        {**common, group: [before]},
        {**common, group: [after]},
        reasons,
        **more,
    )


def _file_attributes(group: str, item: Mapping[str, Any], reason: Optional[str] = None) -> Tuple[Row, ...]:
    """Owner, group and mode of what a list's item makes; a copy has one reason for all three."""
    return (
        _item(group, item, "owner", "0", "65534", reason or "owner_changed", needs_root=True),
        _item(group, item, "owner", "0", "root", what="the same one by name", needs_root=True),
        _item(group, item, "group", "0", "65534", reason or "group_changed", needs_root=True),
        _item(group, item, "mode", None, "0640", reason or "mode_changed"),
        _item(group, item, "mode", "0600", "600", what="the same one in three digits"),
    )


NEW_CERTIFICATE: Mapping[str, Any] = {"key_kept": False}

_IDENTITY = (
    Row(
        "credentials.name",
        "renamed",
        {"name": "old-name"},
        {"name": "new-name"},
        ("certificate_missing", "key_missing"),
        orphaned=("old-name",),
        key_kept=False,
    ),
    Row("credentials.state", "present to absent", {}, {"state": "absent"}, ("state_absent",), state="absent"),
    Row(
        "credentials.state",
        "absent with links",
        {"links": [LINK, {**COPY, "path": "{links}/copy.pem"}]},
        {"state": "absent"},
        ("state_absent", "link_changed"),
        state="absent",
    ),
    Row(
        "credentials.state",
        "absent to present",
        {"state": "absent"},
        {},
        ("certificate_missing", "key_missing"),
        key_kept=False,
    ),
    Row("credentials.state", "present to held", {}, {"state": "held"}, state="held"),
    Row(
        "credentials.state",
        "held tells what it would do",
        {"state": "held"},
        {"state": "held", "mode": "0640"},
        ("certificate_missing", "key_missing"),
        state="held",
        changed=False,
    ),
    Row(
        "credentials.provider",
        "another one",
        {"provider": "plain"},
        {"provider": "other"},
        ("provider_changed",),
        **NEW_CERTIFICATE,
    ),
    Row("credentials.provider", "the default one by name", {}, {"provider": "generic"}),
    Row(
        "credentials.issuer",
        "another one",
        {},
        {"issuer": "other"},
        ("issuer_changed",),
        **NEW_CERTIFICATE,
    ),
    Row("credentials.labels", "no file shows them", {"labels": {"team": "a"}}, {"labels": {"team": "b"}}),
    Row(
        "credentials.labels",
        "a config shows them",
        {"labels": {"team": "a"}, "configs": [CONFIG]},
        {"labels": {"team": "b"}, "configs": [CONFIG]},
        ("config_changed",),
    ),
    Row(
        "credentials.subject",
        "a value",
        {},
        {"subject": {"CN": "x", "O": "Acme"}},
        ("subject_changed",),
        key_kept=False,
    ),
    Row("credentials.subject", "a map in another order", {}, {"subject": {"O": "Acme", "CN": "client"}}),
    Row(
        "credentials.subject",
        "a list in another order",
        {"subject": [{"CN": "client"}, {"O": "Acme"}]},
        {"subject": [{"O": "Acme"}, {"CN": "client"}]},
        ("subject_changed",),
        **NEW_CERTIFICATE,
    ),
    Row(
        "credentials.subject",
        "a repeated attribute",
        {"subject": {"CN": "client", "OU": ["A", "B"]}},
        {"subject": {"CN": "client", "OU": ["B", "A"]}},
        ("subject_changed",),
        **NEW_CERTIFICATE,
    ),
    Row(
        "credentials.subject_alt_name",
        "one more",
        {"subject_alt_name": ["DNS:a.example"]},
        {"subject_alt_name": ["DNS:a.example", "IP:192.0.2.1", "email:a@example.org", "URI:urn:x"]},
        ("subject_alt_name_changed",),
        **NEW_CERTIFICATE,
    ),
    Row(
        "credentials.subject_alt_name",
        "another order",
        {"subject_alt_name": ["DNS:a.example", "IP:192.0.2.1"]},
        {"subject_alt_name": ["IP:192.0.2.1", "DNS:a.example"]},
    ),
    Row(
        "credentials.subject_alt_name",
        "none left",
        {"subject_alt_name": ["DNS:a.example"]},
        {"subject_alt_name": []},
        ("subject_alt_name_changed",),
        **NEW_CERTIFICATE,
    ),
)

_SECRETS = (
    Row(
        "credentials.passphrase",
        "for key and stores",
        {"passphrase": FIRST, "key": {"type": "ECC", "encrypt": True}, "keystores": [{**P12, "passphrase": None}]},
        {
            "passphrase": SECOND,
            "previous_passphrase": FIRST,
            "key": {"type": "ECC", "encrypt": True},
            "keystores": [{**P12, "passphrase": None}],
        },
        ("key_passphrase_changed", "file_changed", "store_passphrase_changed"),
    ),
    Row("credentials.passphrase", "nothing uses it", {"passphrase": FIRST}, {"passphrase": SECOND}),
    Row(
        "credentials.passphrase",
        "each has its own",
        {"passphrase": FIRST, "key": ENCRYPTED, "keystores": [P12], "truststores": [TRUST_JKS]},
        {"passphrase": SECOND, "key": ENCRYPTED, "keystores": [P12], "truststores": [TRUST_JKS]},
    ),
    Row(
        "credentials.previous_passphrase",
        "nothing needs it",
        {"key": ENCRYPTED, "keystores": [P12]},
        {"key": ENCRYPTED, "keystores": [P12], "previous_passphrase": "an old passphrase"},
    ),
)

_KEY = (
    Row("credentials.key", "left out", {"key": {"type": "ECC"}}, {"key": None}, ("key_type_changed",), key_kept=False),
    Row("credentials.key.type", "to RSA", {}, {"key": {"type": "RSA"}}, ("key_type_changed",), key_kept=False),
    Row("credentials.key.type", "to Ed25519", {}, {"key": {"type": "Ed25519"}}, ("key_type_changed",), key_kept=False),
    Row(
        "credentials.key.size",
        "larger",
        {"key": {"type": "RSA", "size": 2048}},
        {"key": {"type": "RSA", "size": 3072}},
        ("key_type_changed",),
        **NEW_CERTIFICATE,
    ),
    Row("credentials.key.size", "the default one", {"key": {"type": "RSA"}}, {"key": {"type": "RSA", "size": 2048}}),
    Row(
        "credentials.key.curve",
        "another one",
        {"key": {"type": "ECC", "curve": "secp256r1"}},
        {"key": {"type": "ECC", "curve": "secp384r1"}},
        ("key_type_changed",),
        **NEW_CERTIFICATE,
    ),
    Row("credentials.key.curve", "the default one", {}, {"key": {"type": "ECC", "curve": "secp256r1"}}),
    Row(
        "credentials.key.format",
        "to traditional",
        {},
        {"key": {"type": "ECC", "format": "traditional"}},
        ("key_format_changed", "file_changed"),
    ),
    Row(
        "credentials.key.format",
        "to pkcs8",
        {"key": {"type": "RSA", "format": "traditional"}},
        {"key": {"type": "RSA", "format": "pkcs8"}},
        ("key_format_changed", "file_changed"),
    ),
    Row("credentials.key.encrypt", "on", {}, {"key": ENCRYPTED}, ("key_passphrase_changed", "file_changed")),
    Row(
        "credentials.key.encrypt",
        "off",
        {"key": ENCRYPTED},
        {"key": {"type": "ECC"}, "previous_passphrase": FIRST},
        ("key_passphrase_changed", "file_changed"),
    ),
    Row(
        "credentials.key.passphrase",
        "another one",
        {"key": ENCRYPTED},
        {"key": {**ENCRYPTED, "passphrase": SECOND}, "previous_passphrase": FIRST},
        ("key_passphrase_changed", "file_changed"),
    ),
    Row("credentials.key.rotate", "counts at the next renewal", {}, {"key": {"type": "ECC", "rotate": False}}),
    Row(
        "credentials.key.rotate",
        "a renewal keeps the key",
        {"key": {"type": "ECC", "rotate": False}},
        {"key": {"type": "ECC", "rotate": False}, "subject": {"CN": "renewed"}},
        ("subject_changed",),
        key_kept=True,
    ),
)

_LIFE = (
    Row("credentials.validity", "counts at the next renewal", {"validity": "60d"}, {"validity": "20d"}),
    Row("credentials.renew_before", "a third of the lifetime at most", {}, {"renew_before": "89d"}),
    Row("credentials.renew_before", "in other words", {"renew_before": "24h"}, {"renew_before": "1d"}),
    Row("credentials.renew_jitter", "far from the end", {}, {"renew_jitter": "14d"}),
    Row("credentials.renew_window", "nothing is due", {}, {"renew_window": {"from": "22:00", "to": "04:00"}}),
    Row(
        "credentials.keep_generations",
        "fewer",
        {"labels": {"team": "b"}, "configs": [CONFIG]},
        {"labels": {"team": "b"}, "configs": [CONFIG], "keep_generations": 1},
        ("generation_surplus",),
        earlier={"labels": {"team": "a"}, "configs": [CONFIG]},
    ),
    Row("credentials.keep_generations", "more", {}, {"keep_generations": 9}),
)

_ALL_FILES = {
    "authorities": ["partner"],
    "keystores": [P12],
    "truststores": [TRUST_JKS],
    "configs": [CONFIG],
    "links": [COPY],
}

_ATTRIBUTES = (
    Row(
        "credentials.owner",
        "of every file",
        {**_ALL_FILES, "owner": "0"},
        {**_ALL_FILES, "owner": "65534"},
        ("owner_changed", "link_changed"),
        needs_root=True,
    ),
    Row("credentials.owner", "the same one by name", {"owner": "0"}, {"owner": "root"}, needs_root=True),
    Row("credentials.group", "of every file", {"group": "0"}, {"group": "65534"}, ("group_changed",), needs_root=True),
    Row(
        "credentials.mode",
        "of every file",
        _ALL_FILES,
        {**_ALL_FILES, "mode": "0640"},
        ("mode_changed", "link_changed"),
    ),
    Row("credentials.mode", "the default one", {}, {"mode": "0600"}),
)

_AUTHORITIES = (
    Row("credentials.authorities", "the first", {}, {"authorities": ["partner"]}, ("store_missing",)),
    Row(
        "credentials.authorities",
        "one more, for the truststores too",
        {"authorities": ["partner"], "truststores": [{"file": "ca.p12", "format": "pkcs12", "passphrase": FIRST}]},
        {
            "authorities": ["partner", "second"],
            "truststores": [{"file": "ca.p12", "format": "pkcs12", "passphrase": FIRST}],
        },
        ("truststore_content_changed",),
    ),
    Row(
        "credentials.authorities",
        "none left",
        {"authorities": ["partner"]},
        {"authorities": []},
        ("file_no_longer_wanted",),
    ),
)

_KEYSTORES = (
    Row("credentials.keystores", "the first", {}, _list("keystores", P12), ("store_missing",)),
    Row("credentials.keystores", "removed", _list("keystores", P12), {}, ("file_no_longer_wanted",)),
    Row("credentials.keystores", "another order", {"keystores": [P12, JKS]}, {"keystores": [JKS, P12]}),
    _item("keystores", P12, "file", "client.p12", "other.p12", "store_missing", "file_no_longer_wanted"),
    _item("keystores", P12, "format", "pkcs12", "jks", "store_encryption_changed"),
    _item("keystores", JKS, "format", "jks", "pkcs12", "store_encryption_changed"),
    _item("keystores", P12, "friendly_name", "one", "two", *RENAMED),
    _item("keystores", JKS, "friendly_name", "one", "two", *RENAMED, what="of jks"),
    _item("keystores", JKS, "friendly_name", "one", "ONE", what="JKS knows no case"),
    _item(
        "keystores",
        P12,
        "passphrase",
        FIRST,
        SECOND,
        "store_passphrase_changed",
        common={"previous_passphrase": FIRST},
    ),
    _item(
        "keystores",
        JKS,
        "passphrase",
        FIRST,
        SECOND,
        "store_passphrase_changed",
        common={"previous_passphrase": FIRST},
        what="of jks",
    ),
    _item("keystores", P12, "passphrase", FIRST, None, what="the credential's own", common={"passphrase": FIRST}),
    _item("keystores", JKS, "key_passphrase", None, "the key's own", "store_passphrase_changed"),
    _item(
        "keystores",
        JKS,
        "key_passphrase",
        "the key's own",
        None,
        "store_passphrase_changed",
        common={"previous_passphrase": "the key's own"},
    ),
    _item("keystores", P12, "encryption", None, "compatible", "store_encryption_changed"),
    _item("keystores", P12, "encryption", None, "modern", what="the default one"),
    _item("keystores", P12, "exclusive", None, True, what="nobody else's entries there"),
    _item("keystores", P12, "exclusive", None, True, "store_content_changed", what="a stranger", tamper=_foreign_entry),
    _item("keystores", P12, "exclusive", None, False, what="a stranger may stay", tamper=_foreign_entry),
    _item("keystores", JKS, "trusted", None, [TRUSTED], "store_content_changed", what="the first"),
    _item("keystores", P12, "trusted", [TRUSTED], None, "store_content_changed", what="removed"),
    Row(
        "credentials.keystores.trusted.friendly_name",
        "another one",
        _list("keystores", JKS, trusted=[TRUSTED]),
        _list("keystores", JKS, trusted=[{**TRUSTED, "friendly_name": "renamed"}]),
        RENAMED,
    ),
    Row(
        "credentials.keystores.trusted.authority",
        "another one",
        _list("keystores", JKS, trusted=[TRUSTED]),
        _list("keystores", JKS, trusted=[{**TRUSTED, "authority": "second"}]),
        ("store_content_changed",),
    ),
    *_file_attributes("keystores", P12),
)

_TRUSTSTORES = (
    Row("credentials.truststores", "the first", {}, _list("truststores", TRUST_JKS), ("store_missing",)),
    Row("credentials.truststores", "removed", _list("truststores", TRUST_P12), {}, ("file_no_longer_wanted",)),
    _item("truststores", TRUST_PEM, "file", "ca.pem", "other.pem", "store_missing", "file_no_longer_wanted"),
    _item("truststores", TRUST_P12, "format", "pkcs12", "jks", "store_encryption_changed"),
    Row(
        "credentials.truststores.format",
        "jks to pem",
        _list("truststores", TRUST_JKS),
        _list("truststores", TRUST_PEM, file="ca.jks"),
        ("truststore_content_changed",),
    ),
    *(
        _item("truststores", store, "authorities", ["partner"], ["second"], "truststore_content_changed", what=what)
        for store, what in ((TRUST_PEM, "of pem"), (TRUST_P12, "of pkcs12"), (TRUST_JKS, "of jks"))
    ),
    _item(
        "truststores",
        TRUST_PEM,
        "authorities",
        ["partner"],
        None,
        what="the credential's",
        common={"authorities": ["partner"]},
    ),
    *(
        _item(
            "truststores",
            store,
            "passphrase",
            FIRST,
            SECOND,
            "store_passphrase_changed",
            common={"previous_passphrase": FIRST},
            what=what,
        )
        for store, what in ((TRUST_P12, "of pkcs12"), (TRUST_JKS, "of jks"))
    ),
    _item("truststores", TRUST_P12, "encryption", "compatible", "modern", "store_encryption_changed"),
    *(
        _item("truststores", store, "own_chain", None, True, "truststore_content_changed", what=what)
        for store, what in ((TRUST_PEM, "of pem"), (TRUST_P12, "of pkcs12"), (TRUST_JKS, "of jks"))
    ),
    *_file_attributes("truststores", TRUST_JKS),
)

_CONFIGS = (
    Row("credentials.configs", "the first", {}, _list("configs", CONFIG), ("file_missing",)),
    Row("credentials.configs", "removed", _list("configs", CONFIG), {}, ("file_no_longer_wanted",)),
    _item("configs", CONFIG, "file", "app.conf", "other.conf", "file_missing", "file_no_longer_wanted"),
    _item("configs", {"file": "app.conf"}, "template", "curl", "env", "config_changed"),
    _item("configs", {"file": "app.conf"}, "src", "app.j2", "other.j2", "config_changed"),
    _item("configs", {"file": "app.conf"}, "src", "app.j2", "same.j2", what="the same text from another file"),
    *_file_attributes("configs", CONFIG),
)

_LINKS = (
    Row("credentials.links", "the first", {}, _list("links", LINK), ("link_changed",)),
    Row("credentials.links", "removed", _list("links", LINK), {}, ("link_changed",)),
    Row("credentials.links", "a copy removed", _list("links", COPY), {}, ("link_changed",)),
    _item("links", LINK, "path", "{links}/client.pem", "{links}/other.pem", "link_changed"),
    _item("links", LINK, "file", "client.pem", "key.pem", "link_changed"),
    _item("links", COPY, "file", "client.pem", "key.pem", "link_changed", what="of a copy"),
    _item("links", LINK, "copy", False, True, "link_changed"),
    _item("links", LINK, "copy", True, False, "link_changed"),
    _item("links", LINK, "force", None, True),
    Row(
        "credentials.links.force",
        "over somebody else's file",
        {},
        _list("links", LINK, force=True),
        ("link_changed",),
        tamper=_foreign_file,
    ),
    *_file_attributes("links", COPY, "link_changed"),
)

_DEFAULTS = (
    Row("defaults", "under a credential's own", {}, {}, ("mode_changed",), task_after={"defaults": {"mode": "0640"}}),
    Row("defaults", "overridden", {"mode": "0600"}, {"mode": "0600"}, task_after={"defaults": {"mode": "0640"}}),
    Row(
        "defaults",
        "moved there",
        {"labels": {"team": "a"}, "configs": [CONFIG], "renew_before": "20d", "mode": "0600"},
        {"configs": [CONFIG], "mode": "0600"},
        task_after={"defaults": {"labels": {"team": "a"}, "renew_before": "20d"}},
    ),
)

_OWN_AUTHORITY = {"authorities": ["{own}"]}
_PARTNER = {"authorities": {"{own}": {"src": "files/partner.pem"}}}
_OWN_PROVIDER = {"provider": "{own}"}
_ONE = {"providers": {"{own}": {"data": {"word": "one"}}}}


def _authority(option: str, what: str, now: Mapping[str, Any], *reasons: str) -> Row:
    """A row in which an authority that only it uses is stated in another way."""
    after = {"authorities": {"{own}": now}}
    return Row(option, what, _OWN_AUTHORITY, _OWN_AUTHORITY, reasons, task_before=_PARTNER, task_after=after)


def _provider(option: str, what: str, now: Mapping[str, Any], *reasons: str, **also: Any) -> Row:
    """A row in which a provider that only it uses is stated in another way."""
    mine = {**_OWN_PROVIDER, **also}
    return Row(option, what, mine, mine, reasons, task_before=_ONE, task_after={"providers": {"{own}": now}})


_REVOKE = {"operation": "activate", "revoke": "superseded"}


def _select(**selected: Any) -> Mapping[str, Any]:
    return {"select": selected}


def _selected(option: str, **selected: Any) -> Row:
    """A row of a credential that is alone on its host, is selected, and changes."""
    after = {"subject": {"CN": "selected"}}
    host = option.replace(".", "-")
    return Row(
        option,
        "what is meant",
        {},
        after,
        ("subject_changed",),
        key_kept=False,
        task_after=_select(**selected),
        host=host,
    )


# Each has a host of its own: what it asks for is asked of all.
_OPERATIONS = (
    Row("operation", "where nothing is held", {}, {}, task_after={"operation": "release"}, host="release"),
    Row("emergency", "where nothing waits", {}, {}, task_after={"emergency": True}, host="emergency"),
    Row(
        "revoke",
        "where nothing else is valid",
        {},
        {},
        task_after={**_REVOKE, **_select(credential="{own}")},
        host="revoke",
    ),
    _selected("select", credential=["{own}", "another"], provider="generic", issuer="corp"),
    _selected("select.credential", credential="{own}"),
    _selected("select.provider", provider=["generic"]),
    _selected("select.issuer", issuer=["corp", "other"]),
)

_TASK = (
    Row("state_directory", "by another path", {}, {}, task_after={"state_directory": "mtls"}),
    Row("lock_timeout", "longer", {}, {}, task_after={"lock_timeout": 90}),
    Row("install_dependencies", "where none is missing", {}, {}, task_after={"install_dependencies": True}),
    Row("issuers", "validity", {}, {}, task_after={"issuers": {"corp": {"validity": "7d"}}}),
    Row("issuers", "directory stated", {}, {}, task_after={"issuers": {"corp": {"directory": "mtls/ownca/corp"}}}),
    Row(
        "authorities",
        "one more that nothing uses",
        {"authorities": ["partner"]},
        {"authorities": ["partner"]},
        task_after={"authorities": {"{own}": {"src": "files/second.pem"}}},
    ),
    _authority("authorities.src", "another file", {"src": "files/second.pem"}, "truststore_content_changed"),
    _authority("authorities.src", "the same ones, DER and with text around them", {"src": "files/partner.der"}),
    _authority("authorities.content", "the same as in the file", {"content": "{partner}"}),
    _authority("authorities.issuer", "an own CA", {"issuer": "corp"}, "truststore_content_changed"),
    Row(
        "providers",
        "one more that nothing uses",
        {"provider": "plain"},
        {"provider": "plain"},
        task_after={"providers": {"{own}": {"data": {"word": "two"}}}},
    ),
    _provider("providers.data", "a config shows it", {"data": {"word": "two"}}, "config_changed", configs=[CONFIG]),
    _provider("providers.extends", "the default one by name", {"extends": "generic", "data": {"word": "one"}}),
    _provider(
        "providers.extends",
        "one with presets",
        {"extends": "vibes", "data": {"word": "one"}},
        key=None,
        subject={"CN": "ops@acme.example", "O": "Acme"},
    ),
    _provider(
        "providers.defaults", "a preset", {"data": {"word": "one"}, "defaults": {"mode": "0640"}}, "mode_changed"
    ),
)

_ROOT = Row(
    "root",
    "elsewhere",
    {},
    {},
    ("certificate_missing", "key_missing"),
    task_after={"root": "{tree}/elsewhere"},
    key_kept=False,
    host="root",
)

_NOBODY: Mapping[str, Any] = {"url": "https://127.0.0.1:1/", "authorities": ["partner"]}
_VERIFY: Mapping[str, Any] = {
    "url": "https://localhost:1/",
    "method": "POST",
    "headers": {"X-Team": "orders"},
    "body": {"ping": True},
    "basic_auth": {"username": "orders", "password": FIRST},
    "status": [200, 204],
    "user": "root",
    "proxy": "http://127.0.0.1:2",
    "timeout": 3.5,
    "retries": 0,
    "authorities": ["system"],
}

# Nothing is told or asked unless files change: what happens then is looked at where there is a service and a partner.
_USERS = (
    Row("credentials.activation", "of generations to come", {}, {"activation": "on_request"}),
    Row("credentials.reload", "given", {}, {"reload": ["/bin/false"]}),
    Row("credentials.reload_timeout", "another", {"reload": [["/bin/true"]]}, {"reload_timeout": "5m"}),
    Row("credentials.verify", "given", {}, {"verify": _NOBODY}),
    *(
        Row("credentials.verify." + option, "given", {}, {"verify": {**_NOBODY, option: value}})
        for option, value in _VERIFY.items()
    ),
    *(
        Row("credentials.verify.basic_auth." + name, "given", {}, {"verify": _VERIFY})
        for name in ("username", "password")
    ),
)

ROWS: Tuple[Row, ...] = (
    *_IDENTITY,
    *_SECRETS,
    *_KEY,
    *_LIFE,
    *_USERS,
    *_ATTRIBUTES,
    *_AUTHORITIES,
    *_KEYSTORES,
    *_TRUSTSTORES,
    *_CONFIGS,
    *_LINKS,
    *(replace(row, host="defaults") for row in _DEFAULTS),
    *(replace(row, host="task") for row in _TASK),
    *_OPERATIONS,
    _ROOT,
)
