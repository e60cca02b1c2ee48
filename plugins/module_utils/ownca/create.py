# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes an own CA what its description says, once, and keeps it so.

Every file appears whole, by one rename, and the order is fixed: keys, root, chain, ledger, revocation lists.
Until the ledger exists the CA has issued nothing, and a run that finds some of the others completes it with the
keys that are there. From then on nothing is ever made anew: what is missing or different is an error that says
so, because a new key under an old name would leave every client with a certificate that nobody trusts.
"""

from __future__ import annotations

import dataclasses
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Iterator, List, Optional, Tuple

from .. import certificate, private_key
from ..certificate import load_all, to_pem
from ..difference import Difference
from ..duration import describe
from ..errors import InputError, IssuerError, PassphraseError
from ..files import open_directory
from ..imports import x509
from ..name import render
from . import build, crl
from .build import BACKDATE, AuthoritySpec
from .issue import Authority, check_usable
from .layout import CHAIN, CRL, DIRECTORY_MODE, KEY, LEDGER, LOCK_TIMEOUT, MODES, ROOT, ROOT_CRL, ROOT_KEY, Place
from .ledger import Ledger
from .phases import RollOver
from .publish import lacking, present_list, publish, publish_roots, roots_difference, roots_list

_ENCRYPTION = "pbes2-aes256"
_ROLL_OVER = (
    "An existing CA is never replaced or changed. Either state what it has, or roll over to a new one: run the "
    "playbook mutual.tls.ownca with -e mtls_ca=<its name> -e mtls_ca_phase=add"
)


@dataclass(frozen=True)
class OwnCaSpec:
    """What an own CA should be. Without an intermediate the root itself issues to clients."""

    root: AuthoritySpec
    intermediate: Optional[AuthoritySpec]
    crl_validity: timedelta


@dataclass(frozen=True)
class Keys:
    """What opens the CAs' keys: `previous` those that `passphrase` does not."""

    passphrase: str = field(repr=False)
    previous: Optional[str] = field(repr=False)


@dataclass(frozen=True)
class Outcome:
    """What was different (and is not any more, unless in check mode), and the certificates of the CA that issues.

    These have the root last. `rollover` is how far a roll-over is, None where there never was one.
    """

    differences: Tuple[Difference, ...]
    certificates: Tuple[x509.Certificate, ...]
    rollover: Optional[RollOver] = None


def converge(
    directory: str,
    spec: OwnCaSpec,
    passphrase: str,
    previous_passphrase: Optional[str],
    at: datetime,
    write: bool,
) -> Outcome:
    """Create, complete or maintain an own CA that was never rolled over; without `write`, only tell what would be done.

    Raises InputError where an existing CA is not the one described or the description cannot be met,
    PassphraseError where no passphrase opens a key, IssuerError where the CA expired or lost files,
    DiskError and LockedError.
    """
    check_input(spec, passphrase)
    with opened(directory, write) as place:
        return Work(place, spec, Keys(passphrase, previous_passphrase), at, write).run()


def check_input(spec: OwnCaSpec, passphrase: str) -> None:
    """Raise InputError, naming the option, for what no own CA can be made with."""
    if not passphrase:
        raise InputError("passphrase: must not be empty: it protects the CA's key")
    if not spec.root.subject:
        raise InputError("subject: must name the CA, for example {CN: Corp Client CA, O: Acme Inc}")
    if spec.intermediate is not None:
        if not spec.intermediate.subject:
            raise InputError("intermediate.subject: must name the CA, for example {CN: Corp Client Issuing CA}")
        if spec.intermediate.subject == spec.root.subject:
            raise InputError("intermediate.subject: must differ from the root's subject")


@contextmanager
def opened(path: str, write: bool) -> Iterator[Place]:
    """The directory, locked; where check mode finds none, a place with nothing in it."""
    path = os.path.realpath(path)
    if not write and not os.path.lexists(path):
        yield Place(path, None, write)
        return
    created = not os.path.lexists(path)
    with open_directory(path, create=write) as directory, directory.locked(LOCK_TIMEOUT):
        if created:
            directory.set_own_mode(DIRECTORY_MODE)
        place = Place(path, directory, write)
        place.remove_unfinished()
        yield place


class Work:
    """One run over one CA in a directory.

    `established` says whether it exists, completely; if not given, the ledger tells, which it alone has then. `remedy`
    is what to do where it is not the one described.
    """

    def __init__(
        self,
        place: Place,
        spec: OwnCaSpec,
        keys: Keys,
        at: datetime,
        write: bool,
        established: Optional[bool] = None,
        remedy: str = _ROLL_OVER,
    ) -> None:
        self._place = place
        self._spec = spec
        self._keys = keys
        self._at = at
        self._write = write
        self._differences: List[Difference] = []
        # Written in this order, and only after everything was checked.
        self._pending: List[Tuple[str, bytes]] = []
        self._root_key: Optional[Any] = None
        self._roots_list: Optional[Difference] = None
        self._ledger = Ledger(place.path_of(LEDGER))
        self._has_ledger = self._ledger.exists()
        self._established = self._has_ledger if established is None else established
        self._remedy = remedy

    def run(self) -> Outcome:
        self._check_files()
        found = self._chain()
        self._check_layout(found)
        if self._spec.intermediate is None:
            chain, key = self._root_only(found)
        else:
            chain, key = self._with_intermediate(self._spec.intermediate, found)
        check_usable(chain, self._place.path, self._at)
        self._modes()
        for name, content in self._pending:
            self._place.put(name, content)
        if not self._has_ledger:
            self._changed("file_missing", LEDGER, "", "present")
            if self._write:
                self._ledger.create()
                self._place.set_mode(LEDGER)
        self._lists(Authority(self._place.path, tuple(chain), key, self._ledger, self._place.number))
        return Outcome(tuple(self._differences), tuple(chain))

    def _check_files(self) -> None:
        if self._established:
            for name in (ROOT, CHAIN, KEY):
                if not self._place.has(name):
                    raise IssuerError(self._lost(name))
            return
        if not self._has_ledger:
            if self._place.has(CRL) or self._place.has(ROOT_CRL):
                raise IssuerError(self._lost(LEDGER))
            self._check_foreign()
        if self._spec.intermediate is None and self._place.has(ROOT_KEY):
            raise InputError(
                "{0} was left by an unfinished own CA with an intermediate; state the intermediate, or remove the "
                "file: that CA has issued nothing".format(self._place.path_of(ROOT_KEY))
            )

    def _check_foreign(self) -> None:
        foreign = self._place.foreign_names()
        if foreign:
            raise InputError(
                "directory: {0} holds no own CA, but other things ({1}); name an empty or a new directory".format(
                    self._place.path, ", ".join(foreign[:3])
                )
            )

    def _root_only(self, chain: Optional[List[x509.Certificate]]) -> Tuple[List[x509.Certificate], Any]:
        key = self._key(KEY, self._spec.root)
        root = self._certificate(ROOT, key)
        if root is None:
            root = build.root(self._spec.root, key, 0, self._at)
            self._create(ROOT, to_pem([root]))
        if chain is None:
            chain = [root]
            self._create(CHAIN, to_pem(chain))
        self._compare(root, self._spec.root, "", self._spec.root.validity + BACKDATE)
        self._check_root(chain, root)
        return chain, key

    def _with_intermediate(
        self, spec: AuthoritySpec, chain: Optional[List[x509.Certificate]]
    ) -> Tuple[List[x509.Certificate], Any]:
        # Once the intermediate is certified the root's key may be kept elsewhere.
        offline = self._established and not self._place.has(ROOT_KEY)
        root_key = None if offline else self._key(ROOT_KEY, self._spec.root)
        key = self._key(KEY, spec)
        root = self._certificate(ROOT, root_key)
        if root is None:
            root = build.root(self._spec.root, root_key, 1, self._at)
            self._create(ROOT, to_pem([root]))
        if chain is None:
            chain = [build.intermediate(spec, key.public_key(), root, root_key, self._at), root]
            self._create(CHAIN, to_pem(chain))
        self._compare(root, self._spec.root, "", self._spec.root.validity + BACKDATE)
        self._check_root(chain, root)
        left = certificate.not_after(root) - certificate.not_before(chain[0])
        self._compare(chain[0], spec, "intermediate.", min(spec.validity + BACKDATE, left))
        self._check_match(CHAIN, chain[0], KEY, key)
        self._check_roots_list(root, root_key)
        return chain, key

    def _check_roots_list(self, root: x509.Certificate, root_key: Optional[Any]) -> None:
        """Whether the root's revocation list has to be made; that takes its key."""
        self._root_key, self._roots_list = root_key, roots_difference(self._place, root)
        if self._roots_list is not None and root_key is None:
            raise IssuerError(lacking(self._place, self._roots_list))

    def _key(self, name: str, spec: AuthoritySpec) -> Any:
        """The key in a file, made where it may be; encrypted anew where another passphrase opened it."""
        if not self._place.has(name):
            key = private_key.generate(spec.key)
            self._create(name, private_key.dump(key, "pkcs8", self._keys.passphrase))
            return key
        loaded, current = self._load_key(name)
        if not current or loaded.encryption != _ENCRYPTION:
            self._changed("key_passphrase_changed", name, "another passphrase or encryption", "passphrase")
            self._pending.append((name, private_key.dump(loaded.key, "pkcs8", self._keys.passphrase)))
        return loaded.key

    def _load_key(self, name: str) -> Tuple[private_key.LoadedKey, bool]:
        content = self._place.read(name)
        try:
            return private_key.load(content, self._keys.passphrase), True
        except PassphraseError:
            if self._keys.previous is None:
                raise PassphraseError(
                    "passphrase does not open {0}; correct it, or, if it was changed, state the old one as "
                    "previous_passphrase".format(self._place.path_of(name))
                ) from None
        try:
            return private_key.load(content, self._keys.previous), False
        except PassphraseError:
            raise PassphraseError(
                "neither passphrase nor previous_passphrase opens {0}".format(self._place.path_of(name))
            ) from None

    def _certificate(self, name: str, key: Optional[Any]) -> Optional[x509.Certificate]:
        if not self._place.has(name):
            return None
        found: x509.Certificate = load_all(self._place.read(name), self._place.path_of(name))[0]
        if key is not None:
            self._check_match(name, found, KEY if self._spec.intermediate is None else ROOT_KEY, key)
        return found

    def _chain(self) -> Optional[List[x509.Certificate]]:
        if not self._place.has(CHAIN):
            return None
        return load_all(self._place.read(CHAIN), self._place.path_of(CHAIN))

    def _check_match(self, name: str, found: x509.Certificate, key_name: str, key: Any) -> None:
        if certificate.public_fingerprint(found) != private_key.public_fingerprint(key.public_key()):
            raise IssuerError(
                "{0} is not the key of {1}; restore both from one backup".format(
                    self._place.path_of(key_name), self._place.path_of(name)
                )
            )

    def _check_layout(self, chain: Optional[List[x509.Certificate]]) -> None:
        """Before any key is looked at: with and without an intermediate `key.pem` is another CA's."""
        if chain is not None and len(chain) != (1 if self._spec.intermediate is None else 2):
            raise InputError(
                "intermediate: the own CA in {0} was created {1} one. {2}".format(
                    self._place.path, "without" if len(chain) == 1 else "with", self._remedy
                )
            )

    def _check_root(self, chain: List[x509.Certificate], root: x509.Certificate) -> None:
        if certificate.fingerprint(chain[-1]) != certificate.fingerprint(root):
            raise IssuerError("{0} does not end in {1}; restore both".format(self._place.path_of(CHAIN), ROOT))

    def _compare(self, found: x509.Certificate, spec: AuthoritySpec, option: str, lifetime: timedelta) -> None:
        """Raise InputError, naming the option, where an existing certificate is not what is stated."""
        was = certificate.not_after(found) - certificate.not_before(found)
        kind = private_key.kind_of(found.public_key())
        for name, current, wanted in (
            ("subject", render(certificate.subject(found)), render(spec.subject)),
            ("key", kind.describe(), spec.key.describe()),
            ("validity", describe(was - BACKDATE), describe(lifetime - BACKDATE)),
        ):
            if current != wanted:
                raise InputError(
                    "{0}{1}: the own CA in {2} has {3}, but {4} is stated. {5}".format(
                        option, name, self._place.path, current, wanted, self._remedy
                    )
                )

    def _modes(self) -> None:
        for name, mode in MODES.items():
            found = self._place.mode(name)
            if found is not None and found != mode:
                self._changed("mode_changed", name, "{0:04o}".format(found), "{0:04o}".format(mode))
                self._place.set_mode(name)

    def _lists(self, authority: Authority) -> None:
        if self._roots_list is not None:
            self._add(self._roots_list)
            if self._write:
                publish_roots(authority, self._place, self._root_key, self._at)
        # What is to be made anew leads to another list as well, also where nothing is written.
        above = None if self._roots_list is not None else roots_list(self._place, authority.certificates)
        revocations = authority.revocations(self._at) if self._has_ledger else []
        found = crl.difference(
            present_list(self._place), authority.issuing, revocations, self._spec.crl_validity, self._at, above
        )
        if found is None:
            return
        self._add(found)
        if self._write:
            publish(authority, self._place, self._spec.crl_validity, self._at)

    def _create(self, name: str, content: bytes) -> None:
        self._changed("file_missing", name, "", "present")
        self._pending.append((name, content))

    def _changed(self, reason: str, where: str, was: str, wanted: str) -> None:
        self._add(Difference(reason, where, was, wanted))

    def _add(self, difference: Difference) -> None:
        self._differences.append(dataclasses.replace(difference, where=self._place.name_of(difference.where)))

    def _lost(self, name: str) -> str:
        return (
            "the own CA in {0} has lost its {1}; restore it from the backup: a new one cannot stand in for it".format(
                self._place.path, self._place.name_of(name)
            )
        )
