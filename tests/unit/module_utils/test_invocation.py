# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's own options, shown with its secrets masked by position."""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.mutual.tls.plugins.module_utils.invocation import MASK, discreet, visible

SPEC: Dict[str, Any] = {
    "host": {"type": "str"},
    "passphrase": {"type": "str", "no_log": True},
    "headers": {"type": "dict", "no_log": True},
    "store": {"type": "dict", "options": {"path": {}, "passphrase": {"no_log": True}}},
    "entries": {"type": "list", "elements": "dict", "options": {"alias": {}, "key_passphrase": {"no_log": True}}},
}


def test_secrets_are_masked_by_position_only() -> None:
    given = {
        "host": "e",
        "passphrase": "e",
        "headers": {"e": "e"},
        "store": {"path": "e", "passphrase": "e"},
        "entries": [{"alias": "e", "key_passphrase": "e"}, {"alias": "f", "key_passphrase": None}],
    }
    assert visible(given, SPEC) == {
        "host": "e",
        "passphrase": MASK,
        "headers": MASK,
        "store": {"path": "e", "passphrase": MASK},
        "entries": [{"alias": "e", "key_passphrase": MASK}, {"alias": "f", "key_passphrase": None}],
    }
    assert given["passphrase"] == "e"


def test_what_the_spec_does_not_know_is_masked() -> None:
    assert visible({"other": 1, "store": "text"}, SPEC) == {"other": MASK, "store": MASK}
    assert visible({"store": {"more": "x"}, "headers": None}, SPEC) == {"store": {"more": MASK}, "headers": None}


class Recorder:
    """Stands in for AnsibleModule, which is not installed where host code is tested."""

    def __init__(self, params: Dict[str, Any]) -> None:
        self.params = params
        self.argument_spec = SPEC
        self.logged: Dict[str, Any] = {}
        self._log_invocation()

    def _log_invocation(self) -> None:
        self.logged = self.params

    def fail_json(self, msg: str, **details: Any) -> Dict[str, Any]:
        return {"msg": msg, **details}


def test_a_discreet_module_logs_no_options() -> None:
    assert discreet(Recorder)({"passphrase": "e"}).logged == {}


def test_a_discreet_module_fails_with_its_options_masked() -> None:
    module = discreet(Recorder)({"host": "e", "pasphrase": "e", "_ansible_verbosity": 3})
    assert module.fail_json("no") == {
        "msg": "no",
        "invocation": {"module_args": {"host": "e", "pasphrase": MASK}},
    }
    assert module.fail_json(msg="no", invocation={}) == {"msg": "no", "invocation": {}}
