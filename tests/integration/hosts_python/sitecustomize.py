# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests change in the Python processes they start, by having this directory on PYTHONPATH.

MTLS_TEST_SYSLOG names a file that takes what is meant for the system's log: a test can read it, and needs no log
daemon. MTLS_TEST_CRASH makes every rename raise, which no code expects.
"""

from __future__ import annotations

import os
import syslog
from typing import Any, NoReturn


def _log(*arguments: Any) -> None:
    with open(os.environ["MTLS_TEST_SYSLOG"], "a", encoding="utf-8", errors="surrogateescape") as file:
        file.write("{0}\n".format(arguments[-1]))


def _crash(*arguments: Any, **options: Any) -> NoReturn:
    raise RuntimeError("a crash on purpose")


if os.environ.get("MTLS_TEST_SYSLOG"):
    syslog.syslog = _log
if os.environ.get("MTLS_TEST_CRASH"):
    os.rename = _crash
