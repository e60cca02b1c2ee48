# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which SELinux context a path gets: libselinux is asked where SELinux is on, and only there.

The library is a stand-in with the same calling convention: what matchpathcon(3) hands out is to be freed, once.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Dict, List

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import selinux
from ansible_collections.mutual.tls.plugins.module_utils.errors import DependencyError
from ansible_collections.mutual.tls.plugins.module_utils.files import Attributes, no_context, open_directory

CONTEXT = b"system_u:object_r:cert_t:s0"


class Function:
    """One of a library's functions: it takes a declaration of its arguments, and keeps to it."""

    def __init__(self, work: Any) -> None:
        self._work = work
        self.argtypes: List[Any] = []
        self.restype: Any = ctypes.c_int

    def __call__(self, *arguments: Any) -> Any:
        # Without a declaration ctypes would cut a pointer to 32 bits.
        assert len(self.argtypes) == len(arguments)
        return self._work(*arguments)


class Library:
    """libselinux with a policy of these contexts."""

    def __init__(self, policy: Dict[bytes, bytes], enabled: int = 1) -> None:
        self.allocated: Dict[int, Any] = {}
        self.freed: List[int] = []
        self._policy = policy
        self.is_selinux_enabled = lambda: enabled
        self.matchpathcon = Function(self._match)
        self.freecon = Function(self._free)

    def _match(self, path: bytes, mode: int, found: Any) -> int:
        assert isinstance(path, bytes)
        assert mode == 0
        if path not in self._policy:
            return -1
        text = ctypes.create_string_buffer(self._policy[path])
        address = ctypes.addressof(text)
        self.allocated[address] = text
        found._obj.value = address
        return 0

    def _free(self, pointer: ctypes.c_void_p) -> None:
        assert pointer.value in self.allocated
        assert pointer.value not in self.freed
        self.freed.append(pointer.value or 0)


@pytest.fixture
def enforce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What shows that the kernel has SELinux."""
    path = tmp_path / "enforce"
    path.write_text("1")
    monkeypatch.setattr(selinux, "_MOUNT", str(path))
    return path


def use(monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)


def test_the_policys_context_is_given(enforce: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library({b"/etc/mtls": CONTEXT, "/etc/mtls/ü".encode(): b"other", b"/etc/mtls/\xff": b"strange\xff"})
    use(monkeypatch, library)
    context_of = selinux.context_of()
    assert context_of("/etc/mtls") == CONTEXT.decode()
    assert context_of("/etc/mtls/ü") == "other"
    assert context_of("/etc/mtls/\udcff") == "strange\udcff"
    assert sorted(library.freed) == sorted(library.allocated)
    assert len(library.freed) == 3


def test_a_path_without_a_rule_gets_no_context(enforce: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library({})
    use(monkeypatch, library)
    assert selinux.context_of()("/etc/mtls") is None
    assert library.freed == []


def test_a_rule_without_a_context_gives_none(enforce: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library({})
    library.matchpathcon = Function(lambda path, mode, found: 0)
    use(monkeypatch, library)
    assert selinux.context_of()("/etc/mtls") is None
    assert library.freed == []


@pytest.mark.parametrize("enabled", [0, -1])
def test_where_selinux_is_off_there_is_no_context(enforce: Path, enabled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Library({b"/etc/mtls": CONTEXT}, enabled))
    assert selinux.context_of() is no_context


def test_without_selinux_no_library_is_loaded(enforce: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> Any:
        raise AssertionError("loaded " + name)

    enforce.unlink()
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert selinux.context_of() is no_context


def test_a_missing_library_is_named_with_the_remedy(enforce: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real loader: files without their labels would be out of their users' reach."""
    monkeypatch.setattr(selinux, "_LIBRARY", "libselinux-of-nobody.so.9")
    with pytest.raises(DependencyError, match=r"libselinux-of-nobody\.so\.9 cannot be loaded .*; install libselinux"):
        selinux.context_of()


def test_new_files_are_labelled_by_the_policy(enforce: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: List[Any] = []
    name = str(tmp_path / "new")
    use(monkeypatch, Library({name.encode(): CONTEXT}))
    monkeypatch.setattr("os.setxattr", lambda descriptor, attribute, value: labels.append((attribute, value)))
    found = tmp_path.stat()
    with open_directory(str(tmp_path), context_of=selinux.context_of()) as directory:
        directory.create("new", b"", Attributes(found.st_uid, found.st_gid, 0o600))
        directory.create("without a rule", b"", Attributes(found.st_uid, found.st_gid, 0o600))
    assert labels == [("security.selinux", CONTEXT)]
