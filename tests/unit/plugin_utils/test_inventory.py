# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories: what is merged from where, and every kind of bad input with the error that it ends in."""

from __future__ import annotations

from typing import Any, Dict, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils.document import Document, parse
from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.module_utils.json_reader import MAXIMUM_NUMBER
from ansible_collections.mutual.tls.plugins.module_utils.private_key import KeyKind
from ansible_collections.mutual.tls.plugins.plugin_utils import wire
from ansible_collections.mutual.tls.plugins.plugin_utils.intent import Intent
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import Inventory, read_inventory

SECRET = 'hunter2 \\ "quoted" ü'


def credential(**options: Any) -> Dict[str, Any]:
    return {"name": "orders", "issuer": "corp", "subject": {"CN": "ops@acme.example", "O": "Acme"}, **options}


def arguments(*credentials: Any, **options: Any) -> Dict[str, Any]:
    return {
        "credentials": list(credentials),
        "issuers": {"corp": {"type": "ownca", "passphrase": SECRET}},
        "authorities": {"partner": {"content": "…"}, "other": {"content": "…"}},
        **options,
    }


def read(*credentials: Any, **options: Any) -> Inventory:
    return read_inventory(arguments(*credentials, **options))


def one(**options: Any) -> Intent:
    return read(credential(**options)).credentials[0]


def keystore(**options: Any) -> Dict[str, Any]:
    return {"file": "client.p12", "format": "pkcs12", "passphrase": SECRET, **options}


def truststore(**options: Any) -> Dict[str, Any]:
    return {"file": "trust.jks", "format": "jks", "passphrase": SECRET, "authorities": ["partner"], **options}


def link(**options: Any) -> Dict[str, Any]:
    return {"path": "/opt/x/client.pem", "file": "client.pem", **options}


def test_a_credential_of_few_words_gets_the_built_in_defaults() -> None:
    intent = one()
    host = intent.host
    assert (host.state, host.provider, host.issuer) == ("present", "generic", "corp")
    assert host.spec.subject == (("O", "Acme"), ("CN", "ops@acme.example"))
    assert (host.key.kind, host.key.format, host.key.passphrase, host.key.rotate) == (
        KeyKind("RSA", 2048),
        "pkcs8",
        None,
        True,
    )
    assert (host.access.owner, host.access.group, host.access.mode) == (None, None, "0600")
    assert (host.renew_before, host.keep_generations, intent.validity) == (30 * 86400, 2, None)
    assert host.previous_passphrases == host.keystores == host.truststores == host.links == host.authorities == ()


LAYERS = {
    "built-in alone": ({}, {}, {}, 2048),
    "defaults over built-in": ({"size": 3072}, {}, {}, 3072),
    "profile over defaults": ({"size": 3072}, {"provider": "symphony"}, {}, 4096),
    "credential over profile": ({"size": 3072}, {"provider": "symphony"}, {"size": 2048}, 2048),
}


@pytest.mark.parametrize(("defaults", "more", "key", "size"), LAYERS.values(), ids=LAYERS.keys())
def test_layers_lie_over_each_other(defaults: Any, more: Any, key: Any, size: int) -> None:
    inventory = read(credential(key=key, **more), defaults={"key": defaults})
    assert inventory.credentials[0].host.key.kind == KeyKind("RSA", size)


def test_maps_are_merged_and_lists_replaced() -> None:
    defaults = {
        "labels": {"env": "prod", "team": "ops"},
        "subject": {"O": "Acme", "C": "DE"},
        "authorities": ["partner"],
    }
    own = credential(labels={"team": "orders"}, subject={"CN": "x"}, authorities=["other"])
    intent = read(own, defaults=defaults).credentials[0]
    assert intent.labels == {"env": "prod", "team": "orders"}
    assert intent.host.spec.subject == (("C", "DE"), ("O", "Acme"), ("CN", "x"))
    assert intent.host.authorities == ("other",)


def test_another_key_type_takes_no_size_from_below() -> None:
    inventory = read(credential(key={"type": "ECC"}), defaults={"key": {"type": "RSA", "size": 4096}})
    assert inventory.credentials[0].host.key.kind == KeyKind("ECC", None, "secp256r1")


def test_null_is_not_given() -> None:
    intent = one(passphrase=None, key=None, keystores=None, mode=None, labels=None)
    assert intent == one()


def test_a_sorted_map_changes_nothing() -> None:
    """Inventory tools sort maps."""
    written = credential(subject={"OU": ["B", "A"], "CN": "x", "C": "DE"})
    assert read(written) == read(dict(sorted(credential(subject={"C": "DE", "CN": "x", "OU": ["B", "A"]}).items())))


def test_passphrases_and_access_come_from_the_credential_unless_an_item_has_its_own() -> None:
    intent = one(
        passphrase="common",
        previous_passphrase="old",
        owner=1000,
        group="web",
        mode="0640",
        authorities=["partner"],
        key={"encrypt": True},
        keystores=[
            {"file": "a.jks", "format": "jks", "key_passphrase": "inner", "owner": "root", "mode": "0400"},
            {"file": "b.p12", "format": "pkcs12", "passphrase": "own", "friendly_name": "B"},
        ],
        truststores=[{"file": "t.jks", "format": "jks"}, {"file": "t.pem", "format": "pem", "authorities": ["system"]}],
        links=[link(), link(path="/opt/y", copy=True, group="other")],
    )
    host = intent.host
    first, second = host.keystores
    assert (first.passphrase, first.key_passphrase, first.friendly_name) == ("common", "inner", "orders")
    assert (second.passphrase, second.key_passphrase, second.friendly_name) == ("own", None, "B")
    assert [(s.access.owner, s.access.group, s.access.mode) for s in host.keystores] == [
        ("root", "web", "0400"),
        ("1000", "web", "0640"),
    ]
    assert [(t.passphrase, t.authorities) for t in host.truststores] == [("common", ("partner",)), (None, ("system",))]
    assert host.key.passphrase == "common"
    assert host.previous_passphrases == ("old",)
    assert [(li.copy, li.access.owner, li.access.group, li.access.mode) for li in host.links] == [
        (False, None, None, "0640"),
        (True, "1000", "other", "0640"),
    ]
    assert sorted(intent.secrets()) == ["common", "inner", "old", "own"]
    assert intent.authorities() == ["partner", "system"]


def test_an_absent_credential_needs_no_more_than_its_name() -> None:
    inventory = read({"name": "old", "state": "absent"}, issuers={}, defaults={"provider": "vibes", "issuer": "gone"})
    assert inventory.credentials[0].host.state == "absent"
    assert inventory.used_issuers() == []
    assert inventory.used_authorities() == []


def test_a_held_credential_needs_no_issuer() -> None:
    held = credential(state="held")
    del held["issuer"]
    assert read(held).used_issuers() == []


def test_only_used_issuers_and_authorities_count() -> None:
    inventory = read(
        credential(
            authorities=["partner"], keystores=[keystore(trusted=[{"friendly_name": "x", "authority": "system"}])]
        ),
        credential(name="b", authorities=["partner"]),
        issuers={"corp": {"type": "ownca"}, "unused": {"type": "nonsense"}},
    )
    assert inventory.used_issuers() == ["corp"]
    assert inventory.used_authorities() == ["partner", "system"]


def test_a_passphrase_that_java_cannot_type_is_a_warning() -> None:
    stores = [keystore(passphrase="schlüssel"), keystore(file="b.jks", format="jks", passphrase="schlüssel")]
    (warning,) = read(credential(keystores=stores)).warnings
    assert "keystores[0].passphrase" in warning and "ASCII" in warning and "schlüssel" not in warning


BAD_CREDENTIAL = {
    # what is wrong: (options of the credential, texts that the error must hold)
    "name with a slash": ({"name": "a/b"}, ["'a/b'", "no slash"]),
    "name of dots": ({"name": ".."}, ["'..'", "name:"]),
    "name with upper case": ({"name": "Orders"}, ["lower-case"]),
    "name with a line end": ({"name": "orders\n"}, ["name:"]),
    "name as number": ({"name": 7}, ["name must be text", "quote"]),
    "unknown option": ({"pasphrase": SECRET}, ["'pasphrase'", "did you mean 'passphrase'?"]),
    "unsupported option": ({"activated": "on_proof"}, ["option 'activated' is not known"]),
    "proof without a handshake": ({"activation": "on_proof"}, ["activation: on_proof", "verify: {url:"]),
    "unknown activation": ({"activation": "never"}, ["activation", "automatic"]),
    "reload as text": ({"reload": "systemctl reload orders"}, ["reload:", "[systemctl, reload, orders]"]),
    "reload of nothing": ({"reload": []}, ["reload:", "list of words"]),
    "reload that takes no time": ({"reload": ["x"], "reload_timeout": "0s"}, ["reload_timeout"]),
    "verify without a place": ({"verify": {}}, ["verify"]),
    "verify without authorities": ({"verify": {"url": "https://x/"}}, ["verify.authorities"]),
    "verify in the clear": ({"verify": {"url": "http://x/", "authorities": ["partner"]}}, ["verify.url"]),
    "unknown option below": ({"keystores": [keystore(alias="x")]}, ["keystores[0].alias", "not known"]),
    "unknown state": ({"state": "gone"}, ["state", "present, absent, held"]),
    "unknown provider": ({"provider": "vibe"}, ["'vibe'", "did you mean 'vibes'?"]),
    "unknown issuer": ({"issuer": "crop"}, ["'crop'", "did you mean 'corp'?"]),
    "no issuer": ({"issuer": None}, ["issuer:"]),
    "unknown authority": ({"authorities": ["partnr"]}, ["'partnr'", "did you mean 'partner'?"]),
    "unknown authority of a truststore": ({"truststores": [truststore(authorities=["x"])]}, ["authority 'x'"]),
    "unknown authority in a keystore": (
        {"keystores": [keystore(trusted=[{"friendly_name": "a", "authority": "sytem"}])]},
        ["did you mean 'system'?"],
    ),
    "authority twice": ({"authorities": ["partner", "partner"]}, ["authorities: 'partner' stands there twice"]),
    "no subject at all": ({"subject": None}, ["subject", "subject_alt_name"]),
    "unknown subject attribute": ({"subject": {"CNN": "x"}}, ["subject:", "CNN"]),
    "subject as number": ({"subject": {"CN": 7}}, ["subject:", "quotes"]),
    "bad alternative name": ({"subject_alt_name": ["orders.acme.example"]}, ["subject_alt_name[0]", "DNS:"]),
    "alternative name twice": ({"subject_alt_name": ["DNS:a.b", "DNS:A.B"]}, ["subject_alt_name", "twice"]),
    "alternative names as text": ({"subject_alt_name": "DNS:a.b"}, ["subject_alt_name must be a list"]),
    "profile: no O": ({"provider": "vibes", "subject": {"CN": "a@b.c"}}, ["subject:", "'vibes'", "O"]),
    "profile: CN is no address": ({"provider": "vibes", "subject": {"CN": "x", "O": "y"}}, ["e-mail address as CN"]),
    "profile: key type": ({"provider": "vibes", "key": {"type": "ECC"}}, ["key.type", "RSA"]),
    "profile: traditional key": ({"provider": "caf", "key": {"format": "traditional"}}, ["key.format", "pkcs8"]),
    "profile: store format": (
        {"provider": "symphony", "keystores": [keystore(file="a.jks", format="jks")]},
        ["keystores[0].", "pkcs12"],
    ),
    "profile: store name": (
        {"provider": "one_network", "keystores": [keystore(format="jks")]},
        ["keystores[0].file", ".jks"],
    ),
    "profile: key passphrase": (
        {"provider": "one_network", "keystores": [keystore(file="a.jks", format="jks", key_passphrase="other")]},
        ["keystores[0].key_passphrase", "equals"],
    ),
    "RSA too small": ({"key": {"size": 1024}}, ["key.size", "2048", "1024"]),
    "RSA too big": ({"key": {"size": 16384}}, ["key.size", "8192"]),
    "RSA odd": ({"key": {"size": 2049}}, ["key.size"]),
    "RSA size as text": ({"key": {"size": "big"}}, ["size"]),
    "size of ECC": ({"key": {"type": "ECC", "size": 2048}}, ["key.size", "curve"]),
    "curve of RSA": ({"key": {"curve": "secp256r1"}}, ["key.curve", "ECC"]),
    "unknown curve": ({"key": {"type": "ECC", "curve": "secp192r1"}}, ["curve", "secp256r1"]),
    "unknown key type": ({"key": {"type": "DSA"}}, ["RSA, ECC, Ed25519"]),
    "Ed25519 traditional": ({"key": {"type": "Ed25519", "format": "traditional"}}, ["key.format", "pkcs8"]),
    "traditional and encrypted": (
        {"passphrase": SECRET, "key": {"format": "traditional", "encrypt": True}},
        ["key.encrypt", "pkcs8"],
    ),
    "encrypted without passphrase": ({"key": {"encrypt": True}}, ["key.passphrase"]),
    "passphrase without encryption": ({"key": {"passphrase": SECRET}}, ["key.passphrase", "key.encrypt: true"]),
    "passphrase as number": ({"passphrase": 8243721}, ["passphrase must be text", "quote"]),
    "passphrase as list": ({"passphrase": ["8243721"]}, ["passphrase must be text"]),
    "passphrase empty": ({"passphrase": ""}, ["passphrase is empty"]),
    "passphrase with line end": ({"passphrase": "8243721\n"}, ["line end", "|-"]),
    "passphrase too long": ({"passphrase": "8243721" * 200}, ["longer than 1023 bytes"]),
    "passphrase no Unicode": ({"passphrase": "8243721\ud800"}, ["surrogate"]),
    "store passphrase as number": ({"keystores": [keystore(passphrase=8243721)]}, ["keystores[0].passphrase", "quote"]),
    "store without passphrase": ({"keystores": [keystore(passphrase=None)]}, ["keystores[0].passphrase"]),
    "truststore without passphrase": ({"truststores": [truststore(passphrase=None)]}, ["truststores[0].passphrase"]),
    "PEM with passphrase": ({"truststores": [truststore(file="t.pem", format="pem")]}, ["truststores[0].passphrase"]),
    "empty truststore": ({"truststores": [truststore(authorities=[])]}, ["truststores[0].authorities", "empty"]),
    "PKCS#12 key passphrase": ({"keystores": [keystore(key_passphrase="8243721")]}, ["keystores[0].key_passphrase"]),
    "encryption of JKS": (
        {"keystores": [keystore(file="a.jks", format="jks", encryption="modern")]},
        ["keystores[0].encryption"],
    ),
    "store format missing": ({"keystores": [{"file": "a", "passphrase": SECRET}]}, ["format", "keystores"]),
    "stores as map": ({"keystores": {"file": "a"}}, ["keystores must be a list"]),
    "store as text": ({"keystores": ["file=a passphrase=8243721"]}, ["keystores[0] must be a map"]),
    "alias collision": (
        {"keystores": [keystore(friendly_name="CA", trusted=[{"friendly_name": "ca", "authority": "partner"}])]},
        ["keystores[0].trusted[0].friendly_name", "case does not count"],
    ),
    "alias with control character": ({"keystores": [keystore(friendly_name="a\tb")]}, ["friendly_name", "printable"]),
    "file twice": (
        {"keystores": [keystore()], "truststores": [truststore(file="client.p12")]},
        ["truststores[0].file", "already the name of keystores[0]"],
    ),
    "file twice but for case": (
        {"keystores": [keystore()], "configs": [{"file": "Client.p12", "template": "env"}]},
        ["configs[0].file", "keystores[0]"],
    ),
    "file with a slash": ({"keystores": [keystore(file="a/b.p12")]}, ["keystores[0].file", "plain"]),
    "file of dots": ({"keystores": [keystore(file="..")]}, ["keystores[0].file"]),
    "reserved file": ({"configs": [{"file": "client.pem", "template": "env"}]}, ["configs[0].file", "'client.pem'"]),
    "reserved manifest": ({"configs": [{"file": "manifest.json", "template": "env"}]}, ["configs[0].file"]),
    "template and src": ({"configs": [{"file": "a", "template": "env", "src": "b"}]}, ["template", "src"]),
    "neither template nor src": ({"configs": [{"file": "a"}]}, ["template", "src"]),
    "mode as number": ({"mode": 0o640}, ["mode must be quoted"]),
    "mode of an item as number": ({"keystores": [keystore(mode=640)]}, ["keystores[0].mode", "quoted"]),
    "symbolic mode": ({"mode": "u=rw"}, ["mode", "octal"]),
    "mode for everybody": ({"mode": "0666"}, ["everybody"]),
    "mode with set-uid": ({"mode": "4600"}, ["mode", "octal"]),
    "owner as list": ({"owner": ["x"]}, ["owner must be text"]),
    "duration without unit": ({"validity": "90"}, ["validity", "90d"]),
    "duration as number": ({"renew_before": 30}, ["renew_before must be text"]),
    "jitter without a unit": ({"renew_jitter": "7"}, ["renew_jitter", "90d"]),
    "jitter of a lifetime": ({"renew_jitter": "20000d"}, ["renew_jitter", "too long"]),
    "window as text": ({"renew_window": "22:00-04:00"}, ["renew_window must be", "timezone"]),
    "window without an end": ({"renew_window": [{"from": "22:00"}]}, ["renew_window[0].to: missing"]),
    "window in bare digits": ({"renew_window": {"from": 79200, "to": "04:00"}}, ["renew_window.from", "quoted"]),
    "no generation": ({"keep_generations": 0}, ["keep_generations"]),
    "label as number": ({"labels": {"cost": 7}}, ["labels.cost", "quote"]),
    "link relative": ({"links": [link(path="x")]}, ["links[0].path", "absolute"]),
    "link with dots": ({"links": [link(path="/opt/../etc/x")]}, ["links[0].path"]),
    "link inside root": ({"links": [link(path="/etc/mtls/x")]}, ["links[0].path", "root"]),
    "link around root": ({"links": [link(path="/etc")]}, ["links[0].path", "root"]),
    "link to unknown file": ({"links": [link(file="clint.pem")]}, ["links[0].file", "did you mean 'client.pem'?"]),
    "link to trust without authorities": ({"links": [link(file="trust.pem")]}, ["links[0].file", "authorities"]),
    "link with mode": ({"links": [link(mode="0640")]}, ["links[0].mode", "copy: true"]),
    "link twice": ({"links": [link(), link()]}, ["links[1].path", "links[0]"]),
    "link inside a link": ({"links": [link(), link(path="/opt/x/client.pem/b")]}, ["links[1].path", "links[0]"]),
    "link with NUL": ({"links": [link(path="/opt/\0")]}, ["links[0].path"]),
}


@pytest.mark.parametrize(("options", "texts"), BAD_CREDENTIAL.values(), ids=BAD_CREDENTIAL.keys())
def test_bad_credentials_end_in_an_error_that_names_option_and_remedy(options: Any, texts: List[str]) -> None:
    with pytest.raises(InputError) as caught:
        read(credential(**options))
    message = str(caught.value)
    for text in texts:
        assert text in message
    if "name" not in options:
        assert message.startswith("credential 'orders', ")
    assert SECRET not in message
    assert "8243721" not in message


BAD_INVENTORY = {
    "duplicate names": (arguments(credential(), credential()), ["credentials[1].name", "credentials[0]"]),
    "one link path of two credentials": (
        arguments(credential(links=[link()]), credential(name="b", links=[link()])),
        ["credential 'b', links[0].path", "credential 'orders', links[0]"],
    ),
    "credentials missing": ({}, ["credentials: missing"]),
    "credentials as map": (arguments() | {"credentials": {"a": 1}}, ["credentials must be a list"]),
    "credential as text": (arguments("orders"), ["credentials[0] must be a map"]),
    "credential as null": (arguments(None), ["credentials[0]"]),
    "credential without name": (arguments({"issuer": "corp"}), ["credentials[0].name"]),
    "unknown argument": (arguments(rot="/etc"), ["'rot'", "did you mean 'root'?"]),
    "root relative": (arguments(root="etc/mtls"), ["root:", "absolute"]),
    "root is /": (arguments(root="/"), ["root:"]),
    "lock_timeout": (arguments(lock_timeout="soon"), ["lock_timeout"]),
    "lock_timeout below 0": (arguments(lock_timeout=-1), ["lock_timeout"]),
    "install_dependencies": (arguments(install_dependencies="maybe"), ["install_dependencies", "true or false"]),
    "unknown default": (arguments(defaults={"onwer": "x"}), ["defaults.onwer", "did you mean 'owner'?"]),
    "default name": (arguments(defaults={"name": "x"}), ["defaults.name"]),
    "default passphrase": (arguments(defaults={"passphrase": 8243721}), ["defaults.passphrase", "quote"]),
    "issuer as text": (arguments(issuers={"corp": "ownca"}), ["issuers.corp must be a map"]),
    "issuer passphrase": (arguments(issuers={"corp": {"passphrase": 8243721}}), ["issuers.corp.passphrase", "quote"]),
    "issuer passphrase below": (
        arguments(issuers={"corp": {"a": [{"passphrase": 8243721}]}}),
        ["issuers.corp.a[0].passphrase"],
    ),
    "provider extends unknown": (
        arguments(providers={"x": {"extends": "vibe"}}),
        ["providers.x.extends", "did you mean 'vibes'?"],
    ),
    "provider option": (arguments(providers={"x": {"base": "vibes"}}), ["providers.x.base"]),
    "provider default": (arguments(providers={"x": {"defaults": {"size": 1}}}), ["providers.x.defaults.size"]),
    "provider default name": (arguments(providers={"x": {"defaults": {"name": "a"}}}), ["providers.x.defaults.name"]),
}


@pytest.mark.parametrize(("given", "texts"), BAD_INVENTORY.values(), ids=BAD_INVENTORY.keys())
def test_bad_inventories_end_in_an_error_that_names_the_option(given: Any, texts: List[str]) -> None:
    with pytest.raises(InputError) as caught:
        read_inventory(given)
    for text in texts:
        assert text in str(caught.value)
    assert "8243721" not in str(caught.value)


def test_no_secret_stands_in_a_representation() -> None:
    shown = repr(
        one(
            passphrase="8243721a",
            previous_passphrase="8243721b",
            key={"encrypt": True, "passphrase": "8243721c"},
            keystores=[{"file": "a.jks", "format": "jks", "passphrase": "8243721d", "key_passphrase": "8243721e"}],
            truststores=[truststore(passphrase="8243721f")],
        )
    )
    assert "8243721" not in shown


def test_a_margin_that_the_host_would_not_take_is_refused_by_its_name() -> None:
    longest = "{0}s".format(MAXIMUM_NUMBER - 1)
    host = one(renew_before=longest).host
    assert parse(wire.build(Document("/x", 60, (), {}, (host,)))).credentials[0].renew_before == host.renew_before
    with pytest.raises(InputError, match="credential 'orders', renew_before: 1654w is too long; 11574d at most"):
        one(renew_before="1654w")
