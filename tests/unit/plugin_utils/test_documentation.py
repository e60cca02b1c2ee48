# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is documented is what is accepted: module and argument spec, role and its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import pytest
import yaml

from ansible_collections.mutual.tls.plugins.doc_fragments import attributes, root, state_directory
from ansible_collections.mutual.tls.plugins.module_utils import arguments
from ansible_collections.mutual.tls.plugins.modules import credential
from ansible_collections.mutual.tls.plugins.plugin_utils import quoting, rendering
from ansible_collections.mutual.tls.plugins.plugin_utils.providers import selector

FRAGMENTS = {
    "attributes": (attributes, arguments.attributes()),
    "root": (root, arguments.root()),
    "state_directory": (state_directory, arguments.state_directory()),
}
_COMPARED = ("type", "elements", "required", "default", "choices")


def documented(options: Dict[str, Any]) -> Dict[str, Any]:
    """The part of documented options that an argument spec has, too."""
    return {
        name: {
            **{key: option[key] for key in _COMPARED if key in option},
            **({"options": documented(option["suboptions"])} if "suboptions" in option else {}),
        }
        for name, option in options.items()
    }


def specified(spec: Dict[str, Any]) -> Dict[str, Any]:
    """The part of an argument spec that documentation has, too."""
    return {
        name: {
            **{key: option[key] for key in _COMPARED if key in option},
            **({"options": specified(option["options"])} if option.get("options") else {}),
        }
        for name, option in spec.items()
    }


@pytest.mark.parametrize(("fragment", "spec"), FRAGMENTS.values(), ids=FRAGMENTS.keys())
def test_fragments_are_their_specs(fragment: Any, spec: Any) -> None:
    assert documented(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]) == specified(spec)


def test_the_action_accepts_what_its_module_documents() -> None:
    documentation = yaml.safe_load(credential.DOCUMENTATION)
    options = dict(documentation["options"])
    for name in documentation["extends_documentation_fragment"]:
        fragment = FRAGMENTS[name.rpartition(".")[2]][0]
        options.update(yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"])
    assert documented(options) == specified(arguments.credentials())


def test_every_secret_is_marked_and_named_in_the_table() -> None:
    def walk(spec: Dict[str, Any]) -> Any:
        for name, option in spec.items():
            yield name, bool(option.get("no_log"))
            yield from walk(option.get("options") or {})

    marked = list(walk(arguments.credentials()))
    assert {name for name, secret in marked if secret} <= arguments.SECRET_OPTIONS
    assert all(secret == (name in arguments.SECRET_OPTIONS) for name, secret in marked)


def test_names_of_providers_templates_and_styles_are_documented(repository: Path) -> None:
    for name in (*selector.built_in(), *rendering.built_in()):
        assert "V({0})".format(name) in credential.DOCUMENTATION
    filters = yaml.safe_load((repository / "plugins/filter/quoted.yml").read_text(encoding="utf-8"))
    assert filters["DOCUMENTATION"]["options"]["style"]["choices"] == sorted(quoting.STYLES)


def test_the_role_documents_its_defaults(repository: Path) -> None:
    role = repository / "roles" / "mtls"
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text(encoding="utf-8"))
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    assert {name: option["default"] for name, option in specs["main"]["options"].items()} == defaults
    assert all(name.startswith("mtls_") for name in defaults)


def test_the_role_passes_every_option_on(repository: Path) -> None:
    tasks = yaml.safe_load((repository / "roles/mtls/tasks/main.yml").read_text(encoding="utf-8"))
    assert len(tasks) == 1
    assert set(tasks[0]["mutual.tls.credential"]) == set(arguments.credentials())


def test_the_playbook_is_short(repository: Path) -> None:
    text = (repository / "playbooks/provision.yml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 20
    play = yaml.safe_load(text)[0]
    assert play["hosts"] == "{{ mtls_hosts | default('all') }}"
    assert play["gather_facts"] is False
