# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names of variables given with -e are taken for typing errors."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.mutual.tls.plugins.module_utils.errors import InputError
from ansible_collections.mutual.tls.plugins.plugin_utils.spelling import FOR_ONE_RUN, OTHERS, check_spelling

ROLES = Path(__file__).resolve().parents[3] / "roles"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mtls_selct", "mtls_select"),
        ("mtls_selection", "mtls_select"),
        ("mtls_opration", "mtls_operation"),
        ("mtls_revoked", "mtls_revoke"),
        ("mtls_emergancy", "mtls_emergency"),
        ("mtls_ca_phas", "mtls_ca_phase"),
        ("mtls-select", "mtls_select"),
    ],
)
def test_a_typing_error_is_refused(name: str, meant: str) -> None:
    with pytest.raises(InputError, match="'{0}', given with -e, is not known; did you mean '{1}'".format(name, meant)):
        check_spelling({"mtls_operation": "rotate", name: "x"})


def test_other_names_are_left_alone() -> None:
    names = [*FOR_ONE_RUN, *OTHERS, "mtls_credentials__orders", "mtls_issuers__corp", "mtls_team", "select", "selct"]
    check_spelling(dict.fromkeys(names))


def test_every_variable_of_the_roles_is_known() -> None:
    for path in ROLES.glob("*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            assert set(entry["options"]) <= {*FOR_ONE_RUN, *OTHERS}
