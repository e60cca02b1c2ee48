#!/usr/bin/python
# -*- coding: utf-8 -*-
"""The option `state_directory`; its spec is `arguments.state_directory`."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for in this file."""

    DOCUMENTATION = r"""
options:
  state_directory:
    description:
      - Where the controller keeps what must outlive a run - own CAs, the registry of keys. Keep it persistent and
        backed up.
      - A relative path begins at the inventory's directory. V(mtls) beside the inventory if not given.
    type: path
"""
