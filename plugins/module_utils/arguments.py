# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs: each option that several modules share, once, and the whole tree of `credentials`.

Every function returns a new dictionary in the form that Ansible's argument spec takes. The doc fragments of the same
names describe the shared ones.
"""

from __future__ import annotations

from typing import Any, Dict

Spec = Dict[str, Dict[str, Any]]

SECRET_OPTIONS = frozenset(("passphrase", "key_passphrase", "previous_passphrase", "privatekey_passphrase", "password"))
"""The names of all options that hold a secret, at whatever depth they stand."""

DEFAULT_ROOT = "/etc/mtls"


def secret(**more: Any) -> Dict[str, Any]:
    """A passphrase: text that no message may show."""
    return {"type": "str", "no_log": True, **more}


def attributes() -> Spec:
    """Owner, group and mode of a file."""
    return {"owner": {"type": "str"}, "group": {"type": "str"}, "mode": {"type": "str"}}


def root() -> Spec:
    """Where credentials live on a host, and how long a run waits for another one there."""
    return {
        "root": {"type": "str", "default": DEFAULT_ROOT},
        "lock_timeout": {"type": "int", "default": 60},
    }


def state_directory() -> Spec:
    """Where the controller keeps what must outlive a run."""
    return {"state_directory": {"type": "path"}}


def credentials() -> Spec:
    """All options of the action `credential`."""
    return {
        "credentials": {"type": "list", "elements": "dict", "required": True, "options": credential()},
        "defaults": {"type": "dict", "default": {}},
        "issuers": {"type": "dict", "default": {}},
        "authorities": {"type": "dict", "default": {}},
        "providers": {"type": "dict", "default": {}},
        "install_dependencies": {"type": "bool", "default": False},
        "operation": {"type": "str", "choices": ["converge", "rotate", "rollback", "release", "activate"]},
        "select": {"type": "dict", "options": select()},
        "revoke": {"type": "str"},
        "emergency": {"type": "bool", "default": False},
        **root(),
        **state_directory(),
    }


def select() -> Spec:
    """What credentials are selected by: one text, or a list of them."""
    return {name: {"type": "list", "elements": "str"} for name in ("credential", "provider", "issuer", "serial")}


def credential() -> Spec:
    """One item of `credentials`."""
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent", "held"], "default": "present"},
        "provider": {"type": "str", "default": "generic"},
        "issuer": {"type": "str"},
        "labels": {"type": "dict", "default": {}},
        "subject": {"type": "raw"},
        "subject_alt_name": {"type": "list", "elements": "str", "default": []},
        "passphrase": secret(),
        "previous_passphrase": secret(),
        "key": {"type": "dict", "options": key(), "apply_defaults": True},
        "validity": {"type": "str"},
        "renew_before": {"type": "str", "default": "30d"},
        "renew_jitter": {"type": "str", "default": "0s"},
        "renew_window": {"type": "raw"},
        "keep_generations": {"type": "int", "default": 2},
        "reload": {"type": "raw"},
        "reload_timeout": {"type": "str", "default": "60s"},
        "verify": {"type": "dict", "options": verify()},
        "activation": {"type": "str", "choices": ["automatic", "on_proof", "on_request"], "default": "automatic"},
        **attributes(),
        "authorities": {"type": "list", "elements": "str", "default": []},
        "keystores": {"type": "list", "elements": "dict", "default": [], "options": keystore()},
        "truststores": {"type": "list", "elements": "dict", "default": [], "options": truststore()},
        "configs": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": config(),
            "mutually_exclusive": [["template", "src"]],
            "required_one_of": [["template", "src"]],
        },
        "links": {"type": "list", "elements": "dict", "default": [], "options": link()},
    }


def key() -> Spec:
    """The private key of a credential."""
    return {
        "type": {"type": "str", "choices": ["RSA", "ECC", "Ed25519"], "default": "RSA"},
        "size": {"type": "int"},
        "curve": {"type": "str", "choices": ["secp256r1", "secp384r1", "secp521r1"]},
        "format": {"type": "str", "choices": ["pkcs8", "traditional"], "default": "pkcs8"},
        "encrypt": {"type": "bool", "default": False},
        "passphrase": secret(),
        "rotate": {"type": "bool", "default": True},
    }


def verify() -> Spec:
    """The handshake that proves a credential."""
    return {
        "url": {"type": "str", "required": True},
        "method": {"type": "str", "default": "GET"},
        "headers": {"type": "dict", "default": {}},
        "body": {"type": "raw"},
        "basic_auth": {"type": "dict", "options": basic_auth()},
        "status": {"type": "list", "elements": "int", "default": [200]},
        "user": {"type": "str"},
        "proxy": {"type": "str"},
        "timeout": {"type": "float", "default": 10},
        "retries": {"type": "int", "default": 2},
        "authorities": {"type": "list", "elements": "str"},
    }


def basic_auth() -> Spec:
    """User name and password of basic authentication."""
    return {"username": {"type": "str", "required": True}, "password": secret(required=True)}


def keystore() -> Spec:
    """One item of a credential's `keystores`."""
    return {
        "file": {"type": "str", "required": True},
        "format": {"type": "str", "choices": ["pkcs12", "jks"], "required": True},
        "friendly_name": {"type": "str"},
        "passphrase": secret(),
        "key_passphrase": secret(),
        "encryption": {"type": "str", "choices": ["modern", "compatible"]},
        "exclusive": {"type": "bool", "default": False},
        "trusted": {"type": "list", "elements": "dict", "default": [], "options": trusted()},
        **attributes(),
    }


def trusted() -> Spec:
    """An authority inside a keystore."""
    return {
        "friendly_name": {"type": "str", "required": True},
        "authority": {"type": "str", "required": True},
    }


def truststore() -> Spec:
    """One item of a credential's `truststores`."""
    return {
        "file": {"type": "str", "required": True},
        "format": {"type": "str", "choices": ["pem", "pkcs12", "jks"], "required": True},
        "authorities": {"type": "list", "elements": "str"},
        "passphrase": secret(),
        "encryption": {"type": "str", "choices": ["modern", "compatible"]},
        "own_chain": {"type": "bool", "default": False},
        **attributes(),
    }


def config() -> Spec:
    """One item of a credential's `configs`."""
    return {
        "file": {"type": "str", "required": True},
        "template": {"type": "str"},
        "src": {"type": "str"},
        **attributes(),
    }


def link() -> Spec:
    """One item of a credential's `links`."""
    return {
        "path": {"type": "str", "required": True},
        "file": {"type": "str", "required": True},
        "copy": {"type": "bool", "default": False},
        "force": {"type": "bool", "default": False},
        **attributes(),
    }


def provider() -> Spec:
    """One value of `providers`."""
    return {
        "extends": {"type": "str"},
        "data": {"type": "dict", "default": {}},
        "defaults": {"type": "dict", "default": {}},
    }


def authority() -> Spec:
    """One value of `authorities`: exactly one of these."""
    return {"src": {"type": "str"}, "content": {"type": "str"}, "issuer": {"type": "str"}}
