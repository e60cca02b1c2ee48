#!/usr/bin/python
# -*- coding: utf-8 -*-
"""The options `root` and `lock_timeout`; their spec is `arguments.root`."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for in this file."""

    DOCUMENTATION = r"""
options:
  root:
    description: The directory on the host that holds the credentials.
    type: str
    default: /etc/mtls
  lock_timeout:
    description: For how many seconds to wait for another run on the same host, 0 to 3600.
    type: int
    default: 60
"""
