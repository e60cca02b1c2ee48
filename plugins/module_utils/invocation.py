# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module's result may show of its own options.

ansible-core hides `no_log` options by value: wherever the text of a secret occurs in a result it is replaced, so that
a passphrase of one letter turns every word that has it into asterisks, the diagnosis included. A module whose results
hold no secret by construction switches that off once its options are parsed (`module.no_log_values.clear()`), and
returns `invocation` itself, masked by position. Errors that ansible-core finds while parsing stay masked its way.

A search by value also misses secrets: one with a quote or a backslash stands escaped in the text of a list or map, and
an option with a misspelt name is no secret to ansible-core. Hence the class that `discreet` makes.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping

MASK = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def visible(options: Mapping[str, Any], spec: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the options with every value masked that `spec`, an argument spec, marks `no_log`, at any depth.

    An option that the spec does not know is masked, too.
    """
    shown: Dict[str, Any] = {}
    for name, value in options.items():
        known = spec.get(name)
        if value is None:
            shown[name] = None
        elif known is None or known.get("no_log"):
            shown[name] = MASK
        elif known.get("options") is not None:
            shown[name] = _nested(value, known["options"])
        else:
            shown[name] = value
    return shown


def _nested(value: Any, spec: Mapping[str, Mapping[str, Any]]) -> Any:
    if isinstance(value, Mapping):
        return visible(value, spec)
    if isinstance(value, list):
        return [_nested(item, spec) for item in value]
    return MASK


def discreet(base: Any) -> Any:
    """The class `AnsibleModule`, given as `base`, without ansible-core's ways of telling a module's options.

    It writes none of them to the system's log (`no_log=True` is undone by what the controller sends), and an error in
    the options themselves shows them masked by position.
    """

    class Module(base):  # type: ignore[misc]
        def _log_invocation(self) -> None:
            """Says nothing."""

        def fail_json(self, msg: str, **details: Any) -> Any:
            given = {name: value for name, value in self.params.items() if not name.startswith("_ansible_")}
            details.setdefault("invocation", {"module_args": visible(given, self.argument_spec)})
            return super().fail_json(msg=msg, **details)

    return Module
