# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup `mutual.tls.merged`: a variable and all that add to it, as one."""

from __future__ import annotations

DOCUMENTATION = r"""
name: merged
short_description: Join a variable with all that add to it
version_added: 1.0.0
author:
  - The mutual.tls authors (@mutual-tls)
description:
  - Groups of an inventory replace each other's variables. With this lookup they add up. It joins the variable C(name)
    with every variable C(name__anything) that the host has.
  - Lists are joined in the order of the variables' names. Their items are told apart by their C(name).
  - Maps are joined key by key.
  - A name or key that stands in two of the variables is an error that names both of them.
  - A fact of the host whose name begins with C(mtls_) is an error, because it would win over the inventory.
options:
  _terms:
    description: The names of the variables, usually one.
    type: list
    elements: str
    required: true
seealso:
  - module: mutual.tls.credential
"""

EXAMPLES = r"""
- name: Keep the credentials of all groups that this host is in
  mutual.tls.credential:
    credentials: "{{ lookup('mutual.tls.merged', 'mtls_credentials') }}"
    issuers: "{{ lookup('mutual.tls.merged', 'mtls_issuers') }}"
"""

RETURN = r"""
_raw:
  description: One list or map for each name. An empty list where no such variable exists.
  type: list
  elements: raw
"""

from typing import Any, Dict, List, Optional

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils.errors import Error
from ..plugin_utils.facts import check_facts
from ..plugin_utils.merging import merge, parts_of


class LookupModule(LookupBase):
    """What Ansible looks for in this file."""

    def run(self, terms: List[str], variables: Optional[Dict[str, Any]] = None, **kwargs: Any) -> List[Any]:
        """One list or map for each term."""
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        try:
            check_facts(known)
            return [
                merge(term, {part: self._templar.template(known[part]) for part in parts_of(term, known)})
                for term in terms
            ]
        except Error as error:
            raise AnsibleLookupError(str(error)) from None
