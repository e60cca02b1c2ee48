# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only file that touches a host's disk.

Every operation goes through an open directory's descriptor, never through a path that somebody could swap
meanwhile. A path is walked once, component by component, and a symbolic link on the way is followed only where
nobody but root or this process's own user could have put it. Content becomes visible by one rename, after it
was written to a new file beside its destination that had its final owner and mode before its first byte.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import hashlib
import os
import pwd
import re
import secrets
import stat
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, NoReturn, Optional

from . import witness
from .errors import DiskError, FormatError, InputError, LockedError

TEMPORARY_PREFIX = ".mtls-"
"""Names that begin so are ours, unfinished, and may be removed by whoever holds the lock."""

_MAXIMUM_LINKS = 16
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# On the way somewhere, a directory need only be searchable: not every user may list what lies above its own files.
_PASS_THROUGH = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO put in a file's place must not hang the run.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

_MODE = re.compile(r"[0-7]{3,4}\Z")
_NUMERIC = re.compile(r"[0-9]{1,10}\Z")
# The last one means "leave it as it is" to chown(2).
_MAXIMUM_IDENTIFIER = 2**32 - 2

_REMEDIES = {
    errno.ENOSPC: "free some space there; nothing that was in use has been replaced",
    errno.EDQUOT: "raise the quota or free some space there; nothing that was in use has been replaced",
    errno.EROFS: "it is mounted read-only: make it writable, or name another directory",
    errno.EACCES: "run with become, or as a user who may",
    errno.EPERM: "run with become, or as a user who may",
    errno.ENOTDIR: "something on that path is not a directory",
}

ContextOf = Callable[[str], Optional[str]]
"""Gives the SELinux context that the policy wants for a path, or None where there is no SELinux."""

_witnesses: List[witness.Witness] = []


@contextmanager
def witnessed() -> Iterator[witness.Witness]:
    """Take down all that is looked at through this file, by whatever code, until the block ends."""
    present = witness.Witness()
    _witnesses.append(present)
    try:
        yield present
    finally:
        _witnesses.remove(present)


def saw(path: str, facet: str, value: Any) -> None:
    """Report what was seen to those who want to know."""
    for present in _witnesses:
        present.saw(path, facet, value)


def saw_what_changes_by_itself() -> None:
    """Report that something was looked at that no later look can be compared with, such as /proc."""
    for present in _witnesses:
        present.reliable = False


@dataclass(frozen=True)
class Attributes:
    """Who owns a file and who may do what with it: user id, group id, permission bits."""

    owner: int
    group: int
    mode: int


@dataclass(frozen=True)
class Entry:
    """What a name in a directory stands for. `kind` is file, directory, link or other; `target` is a link's."""

    kind: str
    attributes: Attributes
    size: int
    target: Optional[str] = None


def _fail(action: str, path: str, error: OSError) -> NoReturn:
    remedy = _REMEDIES.get(error.errno or 0)
    message = "cannot {0} {1}: {2}".format(action, path, error.strerror or error)
    raise DiskError("{0}; {1}".format(message, remedy) if remedy else message) from error


@contextmanager
def _explained(action: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        _fail(action, path, error)


def no_context(path: str) -> Optional[str]:
    """For hosts without SELinux."""
    return None


def prefix_for(path: str) -> str:
    """How unfinished files made on behalf of one path begin: no other path's run takes them for its leftovers."""
    return TEMPORARY_PREFIX + hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:12] + "-"


class Directory:
    """An open directory. Names are single components; `path` only serves messages and SELinux.

    `final_path` is where a directory that still has another name will stand: the SELinux policy goes by paths.
    """

    def __init__(
        self, descriptor: int, path: str, context_of: ContextOf = no_context, final_path: Optional[str] = None
    ) -> None:
        self._descriptor = descriptor
        self.path = path
        self._context_of = context_of
        self._final_path = path if final_path is None else final_path

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _at(self, name: str) -> str:
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise InputError("{0!r} is not a plain file name (in {1})".format(name, self.path))
        return self.path.rstrip("/") + "/" + name

    def _finally(self, name: str) -> str:
        """The path that a name here will have, for the SELinux policy."""
        return self._final_path.rstrip("/") + "/" + name

    def _below(self, name: str) -> str:
        return os.path.dirname(self.path) if name == ".." else self._at(name)

    def names(self) -> List[str]:
        """Every name in the directory, sorted."""
        with _explained("list", self.path):
            names = sorted(os.listdir(self._descriptor))
        saw(self.path, "names", names)
        return names

    def names_beginning(self, prefix: str) -> List[str]:
        """The names in the directory that begin so, sorted; others may come and go."""
        with _explained("list", self.path):
            names = [name for name in sorted(os.listdir(self._descriptor)) if name.startswith(prefix)]
        saw(self.path, witness.NAMES_BEGINNING + prefix, names)
        return names

    def attributes(self) -> Attributes:
        """The directory's own owner, group and mode."""
        with _explained("look at", self.path):
            found = os.fstat(self._descriptor)
        saw(self.path, "own", witness.own_value(found))
        return _attributes_of(found)

    def entry(self, name: str) -> Optional[Entry]:
        """What `name` stands for, links not followed; None where it does not exist."""
        path = self._at(name)
        with _explained("look at", path):
            try:
                found = os.lstat(name, dir_fd=self._descriptor)
            except FileNotFoundError:
                saw(path, "entry", None)
                return None
            target = os.readlink(name, dir_fd=self._descriptor) if stat.S_ISLNK(found.st_mode) else None
        saw(path, "entry", witness.entry_value(found, target))
        return Entry(_kind(found.st_mode), _attributes_of(found), found.st_size, target)

    def read(self, name: str, limit: int) -> bytes:
        """The content of a regular file of at most `limit` bytes. Raises DiskError, FormatError if larger."""
        path = self._at(name)
        with _explained("read", path):
            descriptor = os.open(name, _OPEN_FILE, dir_fd=self._descriptor)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise DiskError("cannot read {0}: it is not a regular file".format(path))
                content = file.read(limit + 1)
        if len(content) > limit:
            raise FormatError("{0} is larger than the {1} bytes that such a file may have".format(path, limit))
        if _witnesses:
            saw(path, "content", witness.content_value(content))
        return content

    def subdirectory(self, name: str) -> Directory:
        """Open a directory below this one; a link in its place is refused."""
        path = self._at(name)
        with _explained("open", path):
            descriptor = os.open(name, _OPEN_DIRECTORY, dir_fd=self._descriptor)
        return Directory(descriptor, path, self._context_of, self._finally(name))

    def reopen(self, path: Optional[str] = None) -> Directory:
        """The same directory under a descriptor of its own, and a name of its own if given; the caller closes it."""
        with _explained("open", self.path):
            descriptor = os.open(".", _OPEN_DIRECTORY, dir_fd=self._descriptor)
        return Directory(descriptor, (path or self.path).rstrip("/") or "/", self._context_of)

    def make_directory(self, name: str, mode: int, final_name: Optional[str] = None) -> Directory:
        """Create a directory with exactly `mode`, owned by this process's user, and open it.

        `final_name` is the name that it will be given once it is whole: it is labelled for that one, and so is what
        is made in it.
        """
        path = self._at(name)
        final_path = self._finally(final_name or name)
        with _explained("create", path):
            os.mkdir(name, 0o700, dir_fd=self._descriptor)
            directory = self.subdirectory(name)
            directory._final_path = final_path
            os.fchmod(directory._descriptor, mode)
            self._label(directory._descriptor, final_path, None)
        return directory

    def create(self, name: str, content: bytes, attributes: Attributes, label: Optional[bytes] = None) -> None:
        """Write a file that does not exist yet and fsync it; the caller syncs the directory when all are there.

        `label` is the SELinux context of a file that the new one replaces elsewhere, see `label_of`.
        """
        path = self._at(name)
        with _explained("write", path):
            try:
                self._fill(name, content, attributes, self._finally(name), label)
            except FileExistsError:
                # Somebody else's, then.
                raise
            except BaseException:
                self._discard(name)
                raise

    def write(self, name: str, content: bytes, attributes: Attributes, prefix: str = TEMPORARY_PREFIX) -> None:
        """Put a file in place, whole or not at all, over whatever file or link had the name."""
        path = self._at(name)
        temporary = prefix + secrets.token_hex(8)
        with _explained("write", path):
            try:
                self._fill(temporary, content, attributes, self._finally(name), self.label_of(name))
                os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
            except BaseException:
                self._discard(temporary)
                raise
            os.fsync(self._descriptor)

    def make_link(self, name: str, target: str, prefix: str = TEMPORARY_PREFIX) -> None:
        """Make `name` a symbolic link to `target`, over whatever file or link had the name, by one rename."""
        path = self._at(name)
        temporary = prefix + secrets.token_hex(8)
        with _explained("link", path):
            try:
                os.symlink(target, temporary, dir_fd=self._descriptor)
                os.rename(temporary, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
            except BaseException:
                self._discard(temporary)
                raise
            os.fsync(self._descriptor)

    def rename(self, old: str, new: str) -> None:
        """Rename within this directory, durably."""
        path = self._at(old)
        self._at(new)
        with _explained("rename", path):
            os.rename(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
            os.fsync(self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a file or a link, durably; one that is gone already is no error."""
        path = self._at(name)
        with _explained("remove", path):
            try:
                os.unlink(name, dir_fd=self._descriptor)
            except FileNotFoundError:
                return
            os.fsync(self._descriptor)

    def remove_tree(self, name: str) -> None:
        """Remove a directory and all below it; no link is followed."""
        path = self._at(name)
        with self.subdirectory(name) as directory:
            for child in directory.names():
                found = directory.entry(child)
                if found is not None and found.kind == "directory":
                    directory.remove_tree(child)
                elif found is not None:
                    with _explained("remove", directory._at(child)):
                        os.unlink(child, dir_fd=directory._descriptor)
        with _explained("remove", path):
            os.rmdir(name, dir_fd=self._descriptor)
            os.fsync(self._descriptor)

    def set_attributes(self, name: str, attributes: Attributes) -> None:
        """Give an existing file or directory its owner, group and mode.

        Only for directories that no one else can write to: elsewhere the name could be a hard link to a file
        of somebody else's by now.
        """
        path = self._at(name)
        with _explained("change", path):
            descriptor = os.open(name, _OPEN_FILE, dir_fd=self._descriptor)
            try:
                _apply(descriptor, attributes)
            finally:
                os.close(descriptor)

    def set_own_mode(self, mode: int) -> None:
        """Change the mode of the directory itself."""
        with _explained("change", self.path):
            os.fchmod(self._descriptor, mode)

    def check_writable(self) -> None:
        """Raise DiskError where this process may not make names in the directory."""
        saw_what_changes_by_itself()
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=self._descriptor, effective_ids=True):
            raise DiskError(
                "cannot write to {0}: run with become, as a user who may, or name another directory".format(self.path)
            )

    def sync(self) -> None:
        """Make the directory's names durable."""
        with _explained("sync", self.path):
            os.fsync(self._descriptor)

    @contextmanager
    def locked(self, timeout: float, option: Optional[str] = None) -> Iterator[None]:
        """Hold the directory's lock (flock: gone with its holder, never stale), waiting at most `timeout` seconds.

        `option` is what users set that time with, if they can.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    # Here, because few runs need it.
                    from .lock_holder import holder

                    told = holder(os.fstat(self._descriptor))
                    other = "" if option is None else ", or raise {0}".format(option)
                    raise LockedError(
                        "another run holds the lock on {0}{1}; wait for it to end{2} ({3:g} seconds were not "
                        "enough)".format(self.path, told, other, timeout)
                    ) from None
                time.sleep(0.05)
            except OSError as error:
                _fail("lock", self.path, error)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _fill(self, name: str, content: bytes, attributes: Attributes, final_path: str, label: Optional[bytes]) -> None:
        descriptor = os.open(name, _OPEN_NEW, 0o600, dir_fd=self._descriptor)
        with os.fdopen(descriptor, "wb") as file:
            _apply(descriptor, attributes)
            self._label(descriptor, final_path, label)
            file.write(content)
            file.flush()
            os.fsync(descriptor)

    def _discard(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except FileNotFoundError:
            # The failure came before the file did.
            return

    def label_of(self, name: str) -> Optional[bytes]:
        """The SELinux context of a file that is about to be replaced: an administrator may have set it."""
        if self._context_of is no_context:
            return None
        try:
            descriptor = os.open(name, _OPEN_FILE, dir_fd=self._descriptor)
        except OSError:
            return None
        try:
            return os.getxattr(descriptor, _SELINUX_ATTRIBUTE)
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def _label(self, descriptor: int, path: str, label: Optional[bytes]) -> None:
        context = self._context_of(path)
        if context is None:
            return
        try:
            os.setxattr(descriptor, _SELINUX_ATTRIBUTE, label or context.encode())
        except OSError as error:
            # NFS, vfat or a mount with `context=`: one label holds for the whole file system.
            if error.errno != errno.ENOTSUP:
                raise


_SELINUX_ATTRIBUTE = "security.selinux"


def open_directory(path: str, create: bool = False, context_of: ContextOf = no_context) -> Directory:
    """Open the directory at an absolute path, safely; with `create`, make what is missing of it (mode 0755).

    Raises DiskError where it is missing or may not be opened, or where a link on the way could have been
    put there by somebody else.
    """
    if not path.startswith("/") or ".." in path.split("/"):
        raise InputError("{0!r} must be an absolute path without '..'".format(path))
    current = _pass_through("/", None, "/", context_of)
    pending = _parts(path)
    links = 0
    try:
        while pending:
            name = pending.pop()
            found = None if name == ".." else current.entry(name)
            if found is not None and found.kind == "link":
                links += 1
                if links > _MAXIMUM_LINKS:
                    raise DiskError("cannot open {0}: too many symbolic links".format(path))
                target = _trusted_target(current, found, name)
                pending += _parts(target)
                below = _pass_through("/" if target.startswith("/") else ".", current, current.path, context_of)
            else:
                if found is None and name != ".." and create:
                    _make_on_the_way(current, name)
                below = _pass_through(name, current, current._below(name), context_of)
            current.close()
            current = below
        return current.reopen(path)
    finally:
        current.close()


def remove_any(directory: Directory, name: str) -> None:
    """Remove whatever has the name, a directory with all below it; links are not followed. Nothing there is fine."""
    entry = directory.entry(name)
    if entry is not None and entry.kind == "directory":
        directory.remove_tree(name)
    elif entry is not None:
        directory.remove(name)


def exists(path: str) -> bool:
    """Whether a path is there, be it a link that leads nowhere."""
    try:
        found = os.lstat(path)
    except OSError:
        saw(path, "entry", None)
        return False
    saw(path, "entry", witness.entry_value(found, os.readlink(path) if stat.S_ISLNK(found.st_mode) else None))
    return True


def is_directory(path: str) -> bool:
    """Whether a path leads to a directory, links followed."""
    found = os.path.isdir(path)
    saw(path, "directory", found)
    return found


def real_path(path: str) -> Optional[str]:
    """Where a path leads once links are followed; None where that does not exist."""
    real = os.path.realpath(path) if os.path.exists(path) else None
    saw(path, "real", real)
    return real


def look_at_content(path: str) -> None:
    """Report what a regular file holds, to those who want to know whether it changes. Raises DiskError."""
    with _explained("read", path):
        saw(path, "content", witness.look(path, "content"))


def check_creatable(path: str) -> None:
    """Raise DiskError where open_directory(path, create=True) could not make what is missing. Changes nothing."""
    nearest = path
    while not exists(nearest):
        nearest = os.path.dirname(nearest)
    with open_directory(nearest) as directory:
        directory.check_writable()


def _parts(path: str) -> List[str]:
    """A path's components, the last one first; '..' stands only in the targets of links."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _pass_through(name: str, parent: Optional[Directory], path: str, context_of: ContextOf) -> Directory:
    with _explained("open", path):
        descriptor = os.open(name, _PASS_THROUGH, dir_fd=None if parent is None else parent._descriptor)
    return Directory(descriptor, "/" if name == "/" else path, context_of)


def _make_on_the_way(current: Directory, name: str) -> None:
    with current.reopen() as parent:
        try:
            parent.make_directory(name, 0o755).close()
        except DiskError:
            # Another run on a fresh host may have been quicker.
            if parent.entry(name) is None:
                raise
        parent.sync()


def _trusted_target(current: Directory, found: Entry, name: str) -> str:
    """What a symbolic link on the way points to, if only root or this user can have put it there."""
    trusted = (0, os.geteuid())
    container = current.attributes()
    if found.attributes.owner not in trusted or container.owner not in trusted or container.mode & 0o022:
        raise DiskError(
            "{0} is a symbolic link in a place where somebody else may swap it; name the real path instead".format(
                current._at(name)
            )
        )
    return found.target or ""


def is_temporary(name: str) -> bool:
    """Whether a name is that of an unfinished file of ours."""
    return name.startswith(TEMPORARY_PREFIX)


def resolve_attributes(owner: Optional[str], group: Optional[str], mode: str, where: str) -> Attributes:
    """Turn names or numbers (None: this process's own) and an octal string into Attributes.

    Raises InputError where a name is unknown on this host, the mode is not octal, or this process may not
    give files to them. `where` names the option's place for the message.
    """
    uid = os.geteuid() if owner is None else _number(owner, lambda name: pwd.getpwnam(name).pw_uid, "owner", where)
    gid = os.getegid() if group is None else _number(group, lambda name: grp.getgrnam(name).gr_gid, "group", where)
    bits = int(mode, 8) if _MODE.match(mode) else -1
    if not 0 <= bits <= 0o777:
        raise InputError("{0}: mode {1!r} is not an octal string such as '0640'".format(where, mode))
    if os.geteuid() != 0 and (uid != os.geteuid() or gid not in [os.getegid(), *os.getgroups()]):
        raise InputError(
            "{0}: only root can give files to owner {1} and group {2}; run with become, or leave owner and group "
            "out".format(where, owner or uid, group or gid)
        )
    return Attributes(uid, gid, bits)


def _number(name: str, look_up: Callable[[str], int], option: str, where: str) -> int:
    if _NUMERIC.match(name) and int(name) <= _MAXIMUM_IDENTIFIER:
        return int(name)
    try:
        number = look_up(name)
    except (KeyError, ValueError):
        raise InputError(
            "{0}: {1} {2!r} does not exist on this host; create it first, or correct the name".format(
                where, option, name
            )
        ) from None
    saw(name, "user" if option == "owner" else option, number)
    return number


def _attributes_of(found: os.stat_result) -> Attributes:
    return Attributes(found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"


def _apply(descriptor: int, attributes: Attributes) -> None:
    """Owner before mode: the other way round the new owner's permissions would open to the old one."""
    found = os.fstat(descriptor)
    if (found.st_uid, found.st_gid) != (attributes.owner, attributes.group):
        os.fchown(descriptor, attributes.owner, attributes.group)
    os.fchmod(descriptor, attributes.mode)
