#!/usr/bin/python
# -*- coding: utf-8 -*-
"""The options `owner`, `group` and `mode`; their spec is `arguments.attributes`."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for in this file."""

    DOCUMENTATION = r"""
options:
  owner:
    description: Owner of the file, a name or a number. The user that the module runs as if not given.
    type: str
  group:
    description: Group of the file, a name or a number. That of the user that the module runs as if not given.
    type: str
  mode:
    description: Mode of the file, as quoted octal digits.
    type: str
"""
