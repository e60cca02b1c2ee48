# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A converged host whose root directory is sealed, for tests that then change something about it."""

from __future__ import annotations

import grp
import json
import os
import pwd
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Sequence

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import certificate as certificates
from ansible_collections.mutual.tls.plugins.module_utils import seal, system_bundle
from ansible_collections.mutual.tls.plugins.module_utils.converge import sealing
from ansible_collections.mutual.tls.plugins.module_utils.converge.run import converge
from ansible_collections.mutual.tls.plugins.module_utils.document import parse
from ansible_collections.mutual.tls.plugins.module_utils.errors import Error
from ansible_collections.mutual.tls.plugins.module_utils.files import no_context
from ansible_collections.mutual.tls.plugins.module_utils.reply import encode
from ansible_collections.mutual.tls.tests.unit.module_utils.converge.host import (
    Host,
    credential,
    keystore,
    link,
    truststore,
)

Wanted = Dict[str, Any]


class SealedHost:
    """The host, what it was told, and its disk as it is to be put back."""

    def __init__(self, disk: Path, wanted: Sequence[Wanted]) -> None:
        self.disk = disk
        self.host = Host(disk / "root")
        self.wanted = list(wanted)
        self._saved = disk.with_name(disk.name + "-saved")

    @property
    def text(self) -> str:
        """The document, as the controller sends it in the first trip."""
        return json.dumps(self.host.document(*self.wanted))

    @property
    def seal(self) -> Path:
        return self.host.root / seal.NAME

    def converge(self) -> None:
        """Both trips, for all credentials."""
        first = self.host.trip(*self.wanted)
        requests = {one.name: one.request.pem for one in first.credentials if one.request is not None}
        answers = {name: self.host.authority.sign(pem, self.host.days) for name, pem in requests.items() if pem}
        if answers:
            self.host.trip(*({**one, "answer": answers.get(one["name"])} for one in self.wanted))

    def save(self) -> None:
        """What `restore` puts back from now on."""
        shutil.rmtree(self._saved, ignore_errors=True)
        shutil.copytree(self.disk, self._saved, symlinks=True)

    def restore(self) -> None:
        """The disk as it was saved."""
        _open_up(self.disk)
        shutil.rmtree(self.disk)
        shutil.copytree(self._saved, self.disk, symlinks=True)

    def quick(self, text: Optional[str] = None) -> Optional[Dict[str, Any]]:
        """What the seal answers; None where a full check is to be made."""
        return seal.unbroken(self.text if text is None else text)

    def full(self, text: Optional[str] = None, check: bool = True) -> Any:
        """What a full check (or run) answers, as it travels; an error's message where it makes none."""
        try:
            reply = converge(parse(self.text if text is None else text), check, no_context)
        except Error as error:
            return str(error)
        return json.loads(json.dumps(encode(reply)))


def _open_up(directory: Path) -> None:
    """Only root can remove what is in a directory that it may not search."""
    directory.chmod(0o700)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            _open_up(path)


def everything(disk: Path) -> Sequence[Wanted]:
    """Credentials that make a check look at all that it can look at: see `sealed_host` for the rest of the disk."""
    user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    orders = credential(
        authorities=["partner", "system"],
        keystores=[keystore(trusted=[{"friendly_name": "partner", "authority": "partner"}])],
        truststores=[truststore(authorities=["system"])],
        configs=[{"file": "app.conf", "content": "key = 1\n", "owner": user, "group": group, "mode": "0640"}],
        links=[link(disk / "way/link", "client.p12"), link(disk / "way/copy", "client.pem", copy=True)],
    )
    return [orders, plain(name="billing", links=[link(disk / "way/billing.pem", "client.pem")]), absent("gone")]


def plain(**changes: Any) -> Wanted:
    """A credential of PEM files only: quick to make."""
    return credential(**{"authorities": [], "keystores": [], "truststores": [], "configs": [], **changes})


def absent(name: str) -> Wanted:
    return plain(name=name, state="absent")


@contextmanager
def sealed_host(disk: Path, wanted: Callable[[Path], Sequence[Wanted]] = everything) -> Iterator[SealedHost]:
    """A sealed host on an empty disk.

    On it are also: a link on the way to the places elsewhere, the second of two possible CA bundles and a link to it,
    a library that is the second of two possible, and a directory below the root that is no credential's.
    """
    made = SealedHost(disk, wanted(disk))
    for directory in ("root/other", "elsewhere", "pki", "library/cryptography"):
        (disk / directory).mkdir(parents=True)
    (disk / "way").symlink_to("elsewhere")
    (disk / "pki/bundle.pem").write_bytes(certificates.to_pem([made.host.partner.certificate]))
    (disk / "bundle.pem").symlink_to("pki/bundle.pem")
    (disk / "library/cryptography/__about__.py").write_text("__version__ = '1'\n")
    with pytest.MonkeyPatch.context() as patch:
        # Thousands of fsyncs would take most of the time; test_files.py sees to it that they are asked for.
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(system_bundle, "PATHS", (str(disk / "first.pem"), str(disk / "bundle.pem")))
        places = [str(disk / "before/cryptography"), str(disk / "library/cryptography")]
        patch.setattr(sealing, "library_places", lambda: places)
        patch.setattr(sealing, "library_file", lambda: places[-1] + "/__about__.py")
        made.converge()
        made.save()
        yield made
