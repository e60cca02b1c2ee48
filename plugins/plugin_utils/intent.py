# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory wants of one credential: its merged options turned into values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils import duration, general_name, name
from ..module_utils.arguments import credential as credential_spec
from ..module_utils.converge import verify_options
from ..module_utils.document import Access, Credential, Key, Keystore, Link, Reload, Trusted, Truststore
from ..module_utils.errors import Error, InputError
from ..module_utils.json_reader import MAXIMUM_NUMBER
from ..module_utils.private_key import KeyKind
from ..module_utils.request import RequestSpec
from . import checks
from .providers.base import Profile
from .schedule import Window, read_windows

DEFAULT_MODE = "0600"
_DEFAULT_RSA_SIZE = 2048
_DEFAULT_CURVE = "secp256r1"
_LONGEST = "{0}d".format(MAXIMUM_NUMBER // 86400)
_NO_TIME = "0s"


@dataclass(frozen=True)
class ConfigSource:
    """A config that is still to be rendered: by the built-in `template`, or from the user's file `src`."""

    file: str
    template: Optional[str]
    src: Optional[str]
    access: Access


@dataclass(frozen=True)
class Intent:
    """One credential: what its host will be told, and what stays on the controller.

    `host.configs` is empty until the configs are rendered. Renewals wait for `windows`; what is said of this run is
    `window_opens`, the moment (aware, in UTC) at which the next one does, None while one is open or none is given.
    """

    host: Credential
    profile: Profile
    labels: Mapping[str, str]
    validity: Optional[timedelta]
    passphrase: Optional[str] = field(repr=False)
    configs: Tuple[ConfigSource, ...]
    windows: Tuple[Window, ...] = ()
    window_opens: Optional[datetime] = None

    @property
    def name(self) -> str:
        """The credential's name."""
        return self.host.name

    def authorities(self) -> List[str]:
        """The names of all authorities that its files hold, each once."""
        names = [*self.host.authorities]
        names += [trusted.authority for keystore in self.host.keystores for trusted in keystore.trusted]
        names += [authority for truststore in self.host.truststores for authority in truststore.authorities]
        names += [] if self.host.verify is None else self.host.verify.authorities
        return list(dict.fromkeys(names))

    def secrets(self) -> List[str]:
        """Every passphrase that belongs to it."""
        found = [self.passphrase, *self.host.secrets()]
        return [secret for secret in dict.fromkeys(found) if secret is not None]


def read(options: Mapping[str, Any], profile: Profile) -> Intent:
    """The values behind one credential's merged options, checked together and against the provider's profile.

    Raises InputError that begins with the option's path inside the credential.
    """
    valid = _validated(options)
    if valid["state"] == "absent":
        return _absent(valid, profile)
    access = Access(_text(valid["owner"]), _text(valid["group"]), _mode("mode", valid["mode"]) or DEFAULT_MODE)
    host = Credential(
        name=valid["name"],
        state=valid["state"],
        provider=profile.name,
        issuer=valid["issuer"] or "",
        spec=_request(valid),
        key=_key(valid),
        previous_passphrases=tuple(filter(None, [valid["previous_passphrase"]])),
        renew_before=_seconds("renew_before", valid["renew_before"]),
        access=access,
        keep_generations=valid["keep_generations"],
        authorities=tuple(valid["authorities"]),
        keystores=tuple(_keystore(item, where, valid, access) for where, item in _items("keystores", valid)),
        truststores=tuple(_truststore(item, where, valid, access) for where, item in _items("truststores", valid)),
        configs=(),
        links=tuple(_link(item, where, access) for where, item in _items("links", valid)),
        answer=None,
        reload=_reload(valid["reload"]),
        reload_timeout=_seconds("reload_timeout", valid["reload_timeout"]),
        verify=None if valid["verify"] is None else verify_options.read(valid["verify"], valid["authorities"]),
        activation=_activation(valid),
        renew_jitter=_jitter(valid["renew_jitter"]),
    )
    intent = Intent(
        host=host,
        profile=profile,
        labels=_labels(valid["labels"]),
        validity=None if valid["validity"] is None else duration.parse(valid["validity"], "validity"),
        passphrase=valid["passphrase"],
        configs=tuple(_config(item, where, access) for where, item in _items("configs", valid)),
        windows=read_windows(valid["renew_window"], "renew_window"),
    )
    checks.check(host, [config.file for config in intent.configs])
    profile.check(host)
    return intent


def _validated(options: Mapping[str, Any]) -> Dict[str, Any]:
    """The options with types converted and defaults filled in."""
    result = ArgumentSpecValidator(credential_spec()).validate(dict(options))
    if result.error_messages:
        raise InputError(result.error_messages[0])
    validated: Dict[str, Any] = result.validated_parameters
    return validated


def _absent(valid: Mapping[str, Any], profile: Profile) -> Intent:
    """A credential that shall go: its name is all that counts."""
    host = Credential(
        name=valid["name"],
        state="absent",
        provider=profile.name,
        issuer=valid["issuer"] or "",
        spec=RequestSpec((), ()),
        key=Key(KeyKind("RSA", _DEFAULT_RSA_SIZE), "pkcs8", None, True),
        previous_passphrases=(),
        renew_before=0,
        access=Access(None, None, DEFAULT_MODE),
        keep_generations=1,
        authorities=(),
        keystores=(),
        truststores=(),
        configs=(),
        links=tuple(_link(item, where, Access(None, None, DEFAULT_MODE)) for where, item in _items("links", valid)),
        answer=None,
    )
    checks.check_absent(host)
    return Intent(host, profile, _labels(valid["labels"]), None, None, ())


def _items(group: str, valid: Mapping[str, Any]) -> Iterator[Tuple[str, Mapping[str, Any]]]:
    """The items of a list, each with its path."""
    for number, item in enumerate(valid[group]):
        yield "{0}[{1}]".format(group, number), item


def _request(valid: Mapping[str, Any]) -> RequestSpec:
    subject: Tuple[Tuple[str, str], ...] = ()
    if valid["subject"] is not None:
        subject = _named("subject", name.normalize, valid["subject"])
    alternatives = tuple(
        general_name.render(_named("subject_alt_name[{0}]".format(number), general_name.parse, text))
        for number, text in enumerate(valid["subject_alt_name"])
    )
    if not subject and not alternatives:
        raise InputError("subject: a certificate needs a subject or a subject_alt_name; give one, such as {CN: orders}")
    if len(set(alternatives)) != len(alternatives):
        raise InputError("subject_alt_name: one name is given twice; remove one of them")
    return RequestSpec(subject, alternatives)


def _named(option: str, function: Any, value: Any) -> Any:
    try:
        return function(value)
    except Error as error:
        raise InputError("{0}: {1}".format(option, error)) from error


def _key(valid: Mapping[str, Any]) -> Key:
    key = valid["key"]
    kind = key["type"]
    size = key["size"] if key["size"] is not None or kind != "RSA" else _DEFAULT_RSA_SIZE
    curve = key["curve"] if key["curve"] is not None or kind != "ECC" else _DEFAULT_CURVE
    passphrase = None
    if key["encrypt"]:
        passphrase = key["passphrase"] or valid["passphrase"]
        if passphrase is None:
            raise InputError("key.passphrase: key.encrypt needs a passphrase; set it here or as the credential's")
    elif key["passphrase"] is not None:
        raise InputError("key.passphrase is set but key.encrypt is not; set key.encrypt: true or remove the passphrase")
    return Key(KeyKind(kind, size, curve), key["format"], passphrase, key["rotate"])


def _keystore(item: Mapping[str, Any], where: str, valid: Mapping[str, Any], access: Access) -> Keystore:
    passphrase = item["passphrase"] or valid["passphrase"]
    if passphrase is None:
        raise InputError("{0}.passphrase: a keystore needs one; set it here or as the credential's".format(where))
    key_passphrase = item["key_passphrase"]
    if item["format"] == "pkcs12" and key_passphrase not in (None, passphrase):
        raise InputError(
            "{0}.key_passphrase: PKCS#12 readers know one passphrase for store and key; remove it, or use "
            "format: jks".format(where)
        )
    return Keystore(
        file=item["file"],
        format=item["format"],
        friendly_name=item["friendly_name"] or valid["name"],
        passphrase=passphrase,
        key_passphrase=key_passphrase,
        encryption=_encryption(item, where),
        exclusive=item["exclusive"],
        trusted=tuple(Trusted(entry["friendly_name"], entry["authority"]) for entry in item["trusted"]),
        access=_access(item, where, access),
    )


def _truststore(item: Mapping[str, Any], where: str, valid: Mapping[str, Any], access: Access) -> Truststore:
    passphrase = item["passphrase"]
    if item["format"] == "pem":
        if passphrase is not None:
            raise InputError("{0}.passphrase: a PEM file has none; remove it".format(where))
    elif passphrase is None:
        passphrase = valid["passphrase"]
        if passphrase is None:
            raise InputError("{0}.passphrase: a truststore needs one; set it here or as the credential's".format(where))
    return Truststore(
        file=item["file"],
        format=item["format"],
        passphrase=passphrase,
        encryption=_encryption(item, where),
        own_chain=item["own_chain"],
        authorities=tuple(valid["authorities"] if item["authorities"] is None else item["authorities"]),
        access=_access(item, where, access),
    )


def _encryption(item: Mapping[str, Any], where: str) -> str:
    encryption: Optional[str] = item["encryption"]
    if encryption is not None and item["format"] != "pkcs12":
        raise InputError("{0}.encryption: only pkcs12 has a choice; remove it".format(where))
    return encryption or "modern"


def _reload(value: Any) -> Reload:
    """One command, a list of words, or several of them; there is no shell that could take a text apart."""
    if value is None:
        return ()
    commands = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
    for command in commands:
        words = isinstance(command, list) and command and all(isinstance(word, str) for word in command)
        if not words or not command[0] or any("\0" in word for word in command):
            raise InputError(
                "reload: must be a command as a list of words, such as [systemctl, reload, orders], or a list of such "
                "commands; no shell takes part"
            )
    return tuple(tuple(command) for command in commands)


def _activation(valid: Mapping[str, Any]) -> str:
    activation: str = valid["activation"]
    if activation == "on_proof" and valid["verify"] is None:
        raise InputError(
            "activation: on_proof waits for a handshake; say in verify how to make it, such as "
            "verify: {url: https://api.example/ping}"
        )
    return activation


def _config(item: Mapping[str, Any], where: str, access: Access) -> ConfigSource:
    return ConfigSource(item["file"], item["template"], item["src"], _access(item, where, access))


def _link(item: Mapping[str, Any], where: str, access: Access) -> Link:
    if not item["copy"]:
        given = [option for option in ("owner", "group", "mode") if item[option] is not None]
        if given:
            raise InputError(
                "{0}.{1}: a link has none of its own; set it for the file that it leads to, or set copy: true".format(
                    where, given[0]
                )
            )
        return Link(item["path"], item["file"], False, item["force"], Access(None, None, access.mode))
    return Link(item["path"], item["file"], True, item["force"], _access(item, where, access))


def _access(item: Mapping[str, Any], where: str, above: Access) -> Access:
    return Access(
        above.owner if item["owner"] is None else _text(item["owner"]),
        above.group if item["group"] is None else _text(item["group"]),
        _mode("{0}.mode".format(where), item["mode"]) or above.mode,
    )


def _mode(option: str, value: Optional[str]) -> Optional[str]:
    if value is not None:
        checks.check_mode(option, value)
    return value


def _seconds(option: str, value: str) -> int:
    seconds = int(duration.parse(value, option).total_seconds())
    if seconds > MAXIMUM_NUMBER:
        raise InputError("{0}: {1} is too long; {2} at most".format(option, value, _LONGEST))
    return seconds


def _jitter(value: str) -> int:
    # No spread at all: what a credential says where the defaults have one.
    return 0 if value == _NO_TIME else _seconds("renew_jitter", value)


def _text(value: Any) -> Optional[str]:
    return None if value is None else str(value)


def _labels(labels: Mapping[str, Any]) -> Dict[str, str]:
    for label, value in labels.items():
        if not isinstance(value, str):
            raise InputError("labels.{0} must be text; quote it".format(label))
    return dict(labels)
