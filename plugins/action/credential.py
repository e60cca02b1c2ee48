# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action `credential`: runs on the controller and drives the host's half, once or twice as a rule."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ..module_utils.document import Document
from ..module_utils.errors import DependencyError, Error
from ..module_utils.imports import require_cryptography
from ..module_utils.reply import CredentialReply, Reply, decode
from ..module_utils.state_directory import StateDirectory, open_state_directory
from ..plugin_utils import (
    authorities,
    exposure,
    first_trip,
    issuing,
    launch,
    operations,
    packages,
    pipelining,
    renewal,
    results,
    revoking,
    rolling_back,
    wire,
)
from ..plugin_utils.desk import Desk
from ..plugin_utils.facts import check_facts
from ..plugin_utils.inventory import Inventory, read_inventory
from ..plugin_utils.issuers import selector
from ..plugin_utils.issuers.base import Issuer
from ..plugin_utils.operations import Operation
from ..plugin_utils.plain import plain
from ..plugin_utils.quota import Quota, limits_of
from ..plugin_utils.refusal import refusal
from ..plugin_utils.registry import Registry
from ..plugin_utils.rendering import Renderer
from ..plugin_utils.spelling import check_spelling
from ..plugin_utils.trail import Trail

_DOCUMENTATION = "mutual.tls.credential"
_STATE_DIRECTORY = "mtls"


class ActionModule(ActionBase):
    """Keeps a host's client credentials as the inventory wants them."""

    TRANSFERS_FILES = False
    _requires_connection = True

    _trail: Trail
    _desk: Desk

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Ansible's entry point."""
        super().run(tmp, task_vars)
        try:
            _require_library()
            return self._run(task_vars or {})
        except Error as error:
            return {"failed": True, "changed": False, "msg": str(error)}

    def _run(self, variables: Dict[str, Any]) -> Dict[str, Any]:
        check_facts(variables)
        check_spelling(load_extra_vars(self._loader))
        pipelining.insist(self._connection, lambda: bool(self._is_pipelining_enabled("new")))
        directory = variables.get("inventory_dir") or self._loader.get_basedir()
        arguments = {name: plain(value, name) for name, value in self._task.args.items()}
        operation = operations.read(arguments)
        inventory = read_inventory(arguments)
        from_issuers = authorities.issuers_of(inventory.authorities, inventory.used_authorities(), inventory.issuers)
        stated = os.path.expanduser(arguments.get("state_directory") or _STATE_DIRECTORY)
        state_directory = open_state_directory(os.path.join(directory, stated), create=False)
        needed = [*inventory.used_issuers(), *from_issuers]
        involved = [*needed, *operation.issuers_to_ask(inventory.credentials, inventory.issuers)]
        issuers = _configure(inventory, involved, state_directory, directory)
        at = datetime.now(timezone.utc)
        bundles = authorities.read_authorities(
            inventory.authorities, inventory.used_authorities(), directory, issuers, at, self._task.check_mode
        )
        authorities.check_aliases(inventory.credentials, bundles)
        renderer = Renderer(self._templar, self._loader, variables, directory, inventory.secrets())
        rendered = tuple(
            renewal.timed(
                renderer.render(intent, inventory.root), variables["inventory_hostname"], at, operation.emergency
            )
            for intent in inventory.credentials
        )
        inventory = replace(inventory, credentials=rendered)
        concerned = replace(inventory, credentials=operation.concerned(rendered))
        unready = self._unready(concerned, issuers, at)
        if any(name not in unready for name in concerned.used_issuers()):
            # Made only now, when nothing is left that could be wrong: where the real one is not mounted, the own CA
            # is missing, too, and an empty one in its place would hide that.
            state_directory = open_state_directory(state_directory.path, create=not self._task.check_mode)
        self._keep_books(inventory, issuers, operation, state_directory, variables)
        document = Document(
            root=inventory.root,
            lock_timeout=inventory.lock_timeout,
            names=tuple(intent.name for intent in rendered),
            authorities=bundles.certificates,
            credentials=issuing.with_issuing_cas([intent.host for intent in rendered], issuers, unready),
        )
        warnings = [
            *(warning for intent in rendered for warning in exposure.warnings(intent)),
            *bundles.warnings,
            *_inventory_warning(state_directory.path, variables),
            *_foresight_warnings([issuers[name] for name in dict.fromkeys(needed)] if self._task.check_mode else ()),
            *operation.warnings(rendered),
        ]

        def converge() -> Dict[str, Any]:
            return self._converge(
                inventory, document, operation, issuers, unready, state_directory, warnings, at, variables
            )

        if not inventory.install_dependencies:
            return converge()
        return self._equip(converge, inventory.secrets(), warnings, variables)

    def _keep_books(
        self,
        inventory: Inventory,
        issuers: Mapping[str, Issuer],
        operation: Operation,
        state_directory: StateDirectory,
        variables: Mapping[str, Any],
    ) -> None:
        """Count what issuers give, and record it, and what the host does."""
        check_mode = bool(self._task.check_mode)
        limits = {} if operation.emergency else limits_of({name: inventory.issuers[name] for name in issuers})
        # Ansible's own directory for this one run: all of its workers know it, and it goes with the run.
        quota = Quota(limits, C.DEFAULT_LOCAL_TMP, state_directory.path, check_mode)
        self._trail = Trail(state_directory, variables["inventory_hostname"], check_mode)
        self._desk = Desk(quota, self._trail)

    def _equip(
        self,
        converge: Callable[[], Dict[str, Any]],
        secrets: List[str],
        warnings: Sequence[str],
        variables: Dict[str, Any],
    ) -> Dict[str, Any]:
        """Converge. Where the host lacks a package for that, install it and converge again, or foresee it."""
        try:
            return converge()
        except DependencyError as error:
            if error.package is None:
                raise
            package = error.package
        if self._task.check_mode:
            result = results.foresee_package(package, warnings)
        else:
            packages.install(self, package, secrets, variables)
            try:
                result = converge()
            except Error as error:
                result = {"failed": True, "msg": "{0} was installed, but {1}".format(package, error)}
        return results.with_package(result, package, bool(self._task.diff))

    def _converge(
        self,
        inventory: Inventory,
        document: Document,
        operation: Operation,
        issuers: Mapping[str, Issuer],
        unready: Mapping[str, str],
        state_directory: StateDirectory,
        warnings: Sequence[str],
        at: datetime,
        variables: Dict[str, Any],
    ) -> Dict[str, Any]:
        def trip(asked: Document, look_only: bool) -> Reply:
            return self._trip(asked, inventory, variables, look_only)

        host = variables["inventory_hostname"]
        intents = first_trip.meant(inventory.credentials, document, operation, trip)
        said = [*inventory.warnings, *warnings]
        if inventory.credentials and not intents:
            return results.build([], inventory.root, [], said, bool(self._task.diff))
        asked = _without_vain_requests(document, unready)
        first = first_trip.make(asked, operation, intents, issuers, host, at, trip)
        replies = first.replies
        registry = Registry(state_directory)
        settled: Dict[str, issuing.Settled] = dict(first.failed)
        if operation.name == operations.ROLLBACK:
            settled.update(rolling_back.settle(intents, replies, issuers, at))
        for intent in intents:
            reply = replies[intent.name]
            if reply.state != "request" or intent.name in settled:
                continue
            issuer = issuers.get(intent.host.issuer)
            if issuer is None:
                settled[intent.name] = issuing.Failed("the host asks for a certificate that nobody wanted")
            elif issuer.name in unready:
                settled[intent.name] = issuing.Failed(unready[issuer.name])
            elif self._task.check_mode:
                settled[intent.name] = issuing.predict(intent, reply, host, issuer, registry, self._desk, at)
            else:
                settled[intent.name] = issuing.settle(intent, reply, host, issuer, registry, self._desk, at)
        second = self._deliver(first.document, inventory, settled, variables)
        outcomes = [
            results.Outcome(intent, replies[intent.name], settled.get(intent.name), second.get(intent.name))
            for intent in intents
        ]
        outcomes = revoking.settled(
            outcomes, operation, issuers, host, bool(self._task.check_mode), self._trail.revoked
        )
        said += first.warnings
        result = results.build(outcomes, inventory.root, first.reply.orphaned, said, bool(self._task.diff))
        return self._trail.complete(result)

    def _unready(self, inventory: Inventory, issuers: Mapping[str, Issuer], at: datetime) -> Dict[str, str]:
        """The issuers that could not answer now, and why. Nothing fails for it unless a certificate is needed."""
        unready = {}
        for name in inventory.used_issuers():
            try:
                issuing.check_ready(issuers[name], self._task.check_mode, at)
            except Error as error:
                unready[name] = str(error)
        return unready

    def _deliver(
        self,
        document: Document,
        inventory: Inventory,
        settled: Dict[str, issuing.Settled],
        variables: Dict[str, Any],
    ) -> Mapping[str, CredentialReply]:
        """Trip 2, about what was decided. Where it goes wrong as a whole, each of these credentials has failed."""
        decided = issuing.decided(document, settled)
        if not decided.holds_decisions:
            return {}
        try:
            second = self._trip(decided, inventory, variables)
        except Error as error:
            settled.update((one.name, issuing.Failed(str(error))) for one in decided.in_turn())
            return {}
        return {reply.name: reply for reply in second.credentials}

    def _trip(
        self, document: Document, inventory: Inventory, variables: Dict[str, Any], look_only: bool = False
    ) -> Reply:
        """Run the host's half. Raises ReplyError where no usable reply comes back."""
        found = self._low_level_execute_command(
            self._command(variables),
            sudoable=True,
            in_data=launch.standard_input(wire.build(document), look_only or bool(self._task.check_mode)),
        )
        answer = launch.answer(found.get("stdout") or "") or {}
        reply = answer.get("reply")
        if answer.get("failed") or not isinstance(reply, dict):
            raise refusal(answer, found, inventory.secrets())
        decoded = decode(reply, [credential.name for credential in document.in_turn()])
        issuing.check_states(document, decoded)
        if not look_only:
            self._trail.happened(inventory.credentials, decoded.credentials)
        return decoded

    def _command(self, variables: Dict[str, Any]) -> str:
        """Start Python on the host, the one that Ansible would run a module with.

        Ansible finds out which when it prepares a module; ours has nothing but its documentation.
        """
        prepared = self._configure_module(module_name=_DOCUMENTATION, module_args={}, task_vars=variables)
        # Before ansible-core 2.19 style, shebang, data and path; since then the module, which has them, and its path.
        shebang = prepared[1] if len(prepared) == 4 else prepared[0].shebang
        shell = self._connection._shell
        start = shell.build_module_command(self._compute_environment_string(), shebang, "")
        return " ".join([start.strip(), *(shell.quote(word) for word in launch.arguments())])


def _require_library() -> None:
    """Raise DependencyError where the controller lacks it; what would mend a host is no help there."""
    try:
        require_cryptography()
    except DependencyError:
        raise DependencyError(
            "the Python that runs Ansible, {0}, needs the library cryptography >= 3.3; install it into the same "
            "environment, for example with its pip".format(sys.executable)
        ) from None


def _configure(
    inventory: Inventory, names: Sequence[str], state_directory: StateDirectory, directory: str
) -> Dict[str, Issuer]:
    """The issuers that this host needs; relative paths in their options begin at the inventory's directory."""
    issuers = {}
    for name in dict.fromkeys(names):
        options = dict(inventory.issuers[name])
        for option in selector.PATH_OPTIONS.get(str(options.get("type")), ()):
            if isinstance(options.get(option), str):
                options[option] = os.path.join(directory, os.path.expanduser(options[option]))
        issuers[name] = selector.configure(name, options, state_directory)
    return issuers


def _foresight_warnings(issuers: Iterable[Issuer]) -> List[str]:
    """What check mode takes for granted."""
    return [
        "issuer {0}: its CA does not exist yet; this prediction holds if the same play, or the playbook "
        "mutual.tls.ownca, makes it first".format(issuer.name)
        for issuer in issuers
        if not issuer.exists()
    ]


def _without_vain_requests(document: Document, unready: Mapping[str, str]) -> Document:
    """Tell the host where a request would be in vain: it changes nothing for it then."""
    credentials = [replace(one, may_request=one.issuer not in unready) for one in document.credentials]
    return replace(document, credentials=tuple(credentials))


def _inventory_warning(path: str, variables: Mapping[str, Any]) -> List[str]:
    """Ansible reads every file of a directory that is named as inventory: keys and databases are noise to it."""
    for source in variables.get("ansible_inventory_sources") or []:
        directory = os.path.realpath(source)
        if os.path.isdir(directory) and os.path.realpath(path).startswith(directory + os.sep):
            return [
                "the state directory {0} lies in {1}, all of which Ansible reads as inventory; name the inventory's "
                "file with -i, not its directory, or choose another state_directory".format(path, directory)
            ]
    return []
