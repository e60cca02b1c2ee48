# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README's commands do what it says: here those that install the collection."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict

from ansible_collections.mutual.tls.tests.integration.fleet import Fleet


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of one language, with the indentation of the list item that they stand in removed."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def environment(home: Path) -> Dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "HOME": str(home), "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1"}


def test_installing_as_the_readme_says(repository: Path, tmp_path: Path) -> None:
    (script,) = [block for block in blocks((repository / "README.md").read_text(), "sh") if "collection build" in block]
    # Only the place of the built file differs, so that tests side by side do not share one.
    script = script.replace("/tmp", str(tmp_path))
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=repository,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    installed = tmp_path / ".ansible/collections/ansible_collections/mutual/tls"
    assert json.loads((installed / "MANIFEST.json").read_text())["collection_info"]["name"] == "tls"
    assert not (installed / "inventories").exists()


def test_credential_info_as_its_documentation_says(tmp_path: Path) -> None:
    """The example of its documentation, on a host with a credential."""
    fleet = Fleet(tmp_path)
    fleet.make_ca("corp")
    credential = {
        "name": "orders",
        "issuer": "corp",
        "subject": {"CN": "orders"},
        "key": {"type": "ECC", "curve": "secp256r1"},
    }
    issuers = {"corp": {"type": "ownca", "passphrase": "the own CA's passphrase, for nobody's eyes"}}
    fleet.add_host("host", credentials=[credential], issuers=issuers)
    fleet.run().must_succeed()
    root = str(fleet.root("host"))
    tasks = [
        {"name": "Look", "mutual.tls.credential_info": {"root": root}, "register": "found"},
        {
            "name": "Show",
            "ansible.builtin.debug": {"msg": "{{ item.name }} ends {{ item.certificate.not_after }}"},
            "loop": "{{ found.credentials }}",
            "loop_control": {"label": "{{ item.name }}"},
        },
    ]
    run = fleet.run(playbook=fleet.write_playbook("look.yml", tasks)).must_succeed()
    assert re.search(r"orders ends \d{4}-\d\d-\d\dT", run.output)
