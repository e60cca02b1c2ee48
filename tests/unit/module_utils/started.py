# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's half as a process: started by the very command and input that the controller uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, Union

from ansible_collections.mutual.tls.plugins.plugin_utils import launch
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import Host

_SITE = """
import atexit
{before}
def _at_the_end():
    pass
{then}
atexit.register(_at_the_end)
"""


def command(python: Union[str, Path] = sys.executable) -> list[str]:
    """What the action has a host's shell start."""
    return [str(python), "-c", launch.CODE]


def environment(directory: Path, before: str = "", then: str = "", **more: str) -> Dict[str, str]:
    """An environment in which Python first runs `before`, and `then` when it ends (Python texts)."""
    site = directory / "site"
    site.mkdir(exist_ok=True)
    text = _SITE.format(before=before, then=textwrap.indent(textwrap.dedent(then), "    "))
    (site / "sitecustomize.py").write_text(text, encoding="utf-8")
    # Each may be written anew within one second.
    return {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", **more}


def run(
    directory: Path,
    standard_input: bytes,
    before: str = "",
    then: str = "",
    python: Union[str, Path] = sys.executable,
    cwd: Any = None,
    **more: str,
) -> Any:
    """Start it; `directory` is for what the test needs."""
    return subprocess.run(
        command(python),
        input=standard_input,
        capture_output=True,
        check=False,
        env=environment(directory, before, then, **more),
        cwd=cwd,
        timeout=120,
    )


def input_for(host: Host, *wanted: Dict[str, Any], check: bool = False) -> bytes:
    """Standard input for one trip."""
    return launch.standard_input(json.dumps(host.document(*wanted)), check)


def reply(done: Any) -> Any:
    """The reply in what it printed."""
    answer = launch.answer(done.stdout.decode())
    assert answer is not None, done.stderr.decode()
    assert "failed" not in answer, answer
    return answer["reply"]


def failure(done: Any) -> str:
    """The message of a failure that it told in its answer."""
    answer = launch.answer(done.stdout.decode())
    assert answer is not None, done.stderr.decode()
    assert answer["failed"] is True
    message: str = answer["msg"]
    return message
