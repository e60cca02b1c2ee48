# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering: what templates see, what built-in ones need, and that nothing is rendered twice or shown in errors.

What built-in templates render to is for real clients to judge, in the integration tests.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils import rendering
from ansible_collections.mutual.tls.plugins.plugin_utils.inventory import read_inventory

pytestmark = pytest.mark.compat

# One of each kind of trouble: quotes, backslashes, non-ASCII, what shells and Jinja2 take for theirs.
SECRET = "a'b\"c\\d ü😀 $x `y` {{ 1 + 1 }} {# z #}"


@pytest.fixture(scope="module", autouse=True)
def plugins(repository: Path) -> None:
    """What ansible-playbook does when it starts; lookups and filters are not found before it."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(repository)])
    # pytest has imported the collection before Ansible's own importer could, which notes this on it.
    collection = sys.modules["ansible_collections.mutual.tls"]
    if not hasattr(collection, "_collection_meta"):
        collection._collection_meta = {}  # type: ignore[attr-defined]


def render(directory: Path, config: Dict[str, Any], variables: Any = None, **options: Any) -> str:
    item: Dict[str, Any] = {
        "name": "orders",
        "issuer": "corp",
        "provider": "uat",
        "subject": {"CN": "x"},
        "passphrase": SECRET,
        "labels": {"team": "it's"},
        "configs": [{"file": "client.conf", **config}],
        **options,
    }
    arguments = {
        "credentials": [item],
        "issuers": {"corp": {}},
        "authorities": {"partner": {}},
        "providers": {"uat": {"data": {"base_url": "https://uat.example/a?b=$c", "nested": {"n": [1, 2]}}}},
    }
    loader = DataLoader()
    loader.set_basedir(str(directory))
    variables = variables or {}
    renderer = rendering.Renderer(Templar(loader=loader, variables=variables), loader, variables, str(directory))
    configs = renderer.render(read_inventory(arguments).credentials[0], "/etc/mtls").host.configs
    assert [entry.file for entry in configs] == ["client.conf"]
    return configs[0].content


def from_template(directory: Path, text: str, variables: Any = None, **options: Any) -> str:
    (directory / "own.j2").write_text(text, encoding="utf-8")
    return render(directory, {"src": "own.j2"}, variables, **options)


STORES = {
    "authorities": ["partner"],
    "keystores": [{"file": "a.jks", "format": "jks", "friendly_name": "Client", "key_passphrase": "inner"}],
    "truststores": [{"file": "t.pem", "format": "pem"}, {"file": "t.p12", "format": "pkcs12", "passphrase": "t"}],
}


def test_a_template_sees_the_credential(tmp_path: Path) -> None:
    text = "{{ {'credential': credential, 'provider': provider, 'labels': labels} | to_json }}"
    seen = json.loads(from_template(tmp_path, text, key={"encrypt": True}, **STORES))
    current = "/etc/mtls/orders/current"
    assert seen == {
        "credential": {
            "name": "orders",
            "directory": "/etc/mtls/orders",
            "current": current,
            "paths": {
                "key": current + "/key.pem",
                "certificate": current + "/certificate.pem",
                "chain": current + "/chain.pem",
                "fullchain": current + "/fullchain.pem",
                "client": current + "/client.pem",
                "trust": current + "/trust.pem",
            },
            "subject": [["CN", "x"]],
            "subject_alt_name": [],
            "passphrase": SECRET,
            "key_passphrase": SECRET,
            "keystores": {
                "a.jks": {
                    "path": current + "/a.jks",
                    "format": "jks",
                    "friendly_name": "client",
                    "passphrase": SECRET,
                    "key_passphrase": "inner",
                }
            },
            "truststores": {
                "t.pem": {"path": current + "/t.pem", "format": "pem", "passphrase": None},
                "t.p12": {"path": current + "/t.p12", "format": "pkcs12", "passphrase": "t"},
            },
        },
        "provider": {"name": "uat", "base_url": "https://uat.example/a?b=$c", "nested": {"n": [1, 2]}},
        "labels": {"team": "it's"},
    }


def test_no_authorities_no_trust_file(tmp_path: Path) -> None:
    assert (
        from_template(tmp_path, "{{ credential.paths.trust is none }}{{ credential.key_passphrase is none }}")
        == "TrueTrue"
    )


def test_the_inventory_is_seen_and_the_passphrase_is_not_a_template(tmp_path: Path) -> None:
    text = "{{ greeting }} {{ credential.passphrase }}\n"
    assert from_template(tmp_path, text, {"greeting": "hello"}) == "hello {0}\n".format(SECRET)


class NeverCopied(List[str]):
    """A list as long as the fleet: a copy of it for each template would make each host dearer in larger fleets."""

    def __deepcopy__(self, memo: Any) -> None:
        raise TypeError("the whole fleet was copied for one template")


def test_what_is_about_the_whole_fleet_is_seen_and_not_copied(tmp_path: Path) -> None:
    fleet = {
        "groups": {"all": NeverCopied(["a", "b"])},
        **dict.fromkeys(("ansible_play_hosts", "ansible_play_hosts_all", "play_hosts"), NeverCopied(["a", "b"])),
    }
    text = "{{ groups.all | join }} {{ ansible_play_hosts | length }} {{ vars.groups.all | first }}"
    assert from_template(tmp_path, text, {**fleet, "vars": dict(fleet)}) == "ab 2 a"


def test_a_template_changes_nothing_for_the_next_one(tmp_path: Path) -> None:
    variables = {"own": ["a"]}
    assert from_template(tmp_path, "{{ own.append('b') }}{{ own | join }}", variables).endswith("ab")
    assert variables == {"own": ["a"]}


def test_text_that_looks_like_data_stays_text(tmp_path: Path) -> None:
    for text in ('{"a": [1, 2]}\n', "[1, 2]", "true", "007\n", ""):
        assert from_template(tmp_path, text) == text


def test_a_template_of_data_is_refused(tmp_path: Path) -> None:
    try:
        rendered = from_template(tmp_path, "{{ credential.paths }}")
    except InputError as error:
        assert "renders to data" in str(error)
    else:
        # Before ansible-core 2.19 the result is always text.
        assert ast.literal_eval(rendered)["key"] == "/etc/mtls/orders/current/key.pem"


def test_templates_are_found_beside_the_inventory_and_by_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "x.j2").write_text("found", encoding="utf-8")
    assert render(tmp_path, {"src": "templates/x.j2"}) == "found"
    assert render(tmp_path, {"src": str(tmp_path / "templates" / "x.j2")}) == "found"


def failing() -> List[Any]:
    return [
        ("unknown variable", "{{ no_such_variable }}", ["configs[0]", "own.j2", "no_such_variable"]),
        ("syntax", "{% if %}", ["configs[0]", "own.j2"]),
        ("secret in the reason", "{{ undef(hint=credential.passphrase) }}", ["not shown"]),
        ("secret as data", "{{ credential.passphrase | from_json }}", ["configs[0]"]),
        ("secret as a key", "{{ {}.pop(credential.passphrase) }}", ["configs[0]", "not shown"]),
        ("arithmetic", "{{ 1 / 0 }}", ["configs[0]", "own.j2", "division"]),
        ("endless", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", ["configs[0]", "own.j2"]),
    ]


@pytest.mark.parametrize(("text", "parts"), [row[1:] for row in failing()], ids=[row[0] for row in failing()])
def test_a_template_that_fails_is_named_and_shows_no_secret(tmp_path: Path, text: str, parts: List[str]) -> None:
    with pytest.raises(InputError) as caught:
        from_template(tmp_path, text)
    assert "credential 'orders'" in str(caught.value)
    assert SECRET not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


def test_too_much_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than"):
        from_template(tmp_path, "{{ 'x' * 2000000 }}")


BAD = {
    "unknown template": ({"template": "crul"}, {}, "did you mean 'curl'"),
    "template that is no name": ({"template": "../templates/curl"}, {}, "not known"),
    "missing file": ({"src": "templates/none.j2"}, {}, "no template 'templates/none.j2'"),
    "java without keystore": ({"template": "java"}, {}, "needs a keystore"),
    "nginx without authorities": ({"template": "nginx"}, {}, "authorities"),
    "nginx with encrypted key": (
        {"template": "nginx"},
        {"authorities": ["partner"], "key": {"encrypt": True}},
        "key.encrypt: false",
    ),
}


def test_built_in_templates() -> None:
    assert rendering.built_in() == ["curl", "env", "java", "nginx", "node", "python"]


@pytest.mark.parametrize(("config", "options", "text"), BAD.values(), ids=BAD.keys())
def test_bad_configs(tmp_path: Path, config: Any, options: Any, text: str) -> None:
    with pytest.raises(InputError) as caught:
        render(tmp_path, config, **options)
    assert text in str(caught.value)
    assert "credential 'orders', configs[0]" in str(caught.value)
