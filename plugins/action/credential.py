# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action `credential`: runs on the controller and drives the host's half, twice at most."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ..module_utils.document import Answer, Document
from ..module_utils.errors import DependencyError, Error, InputError, ReplyError
from ..module_utils.imports import PACKAGE, require_cryptography
from ..module_utils.reply import CredentialReply, Reply, decode
from ..module_utils.state_directory import StateDirectory, open_state_directory
from ..plugin_utils import authorities, exposure, issuing, launch, packages, results, wire
from ..plugin_utils.facts import check_facts
from ..plugin_utils.inventory import Inventory, read_inventory
from ..plugin_utils.issuers import selector
from ..plugin_utils.issuers.base import Issuer
from ..plugin_utils.plain import plain
from ..plugin_utils.registry import Registry
from ..plugin_utils.rendering import Renderer, harmless

_DOCUMENTATION = "mutual.tls.credential"
_STATE_DIRECTORY = "mtls"


class ActionModule(ActionBase):
    """Keeps a host's client credentials as the inventory wants them."""

    TRANSFERS_FILES = False
    _requires_connection = True

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
        self._pipeline()
        directory = variables.get("inventory_dir") or self._loader.get_basedir()
        arguments = {name: plain(value, name) for name, value in self._task.args.items()}
        inventory = read_inventory(arguments)
        from_issuers = authorities.issuers_of(inventory.authorities, inventory.used_authorities(), inventory.issuers)
        stated = os.path.expanduser(arguments.get("state_directory") or _STATE_DIRECTORY)
        state_directory = open_state_directory(os.path.join(directory, stated), create=False)
        needed = [*inventory.used_issuers(), *from_issuers]
        issuers = _configure(inventory, needed, state_directory, directory)
        at = datetime.now(timezone.utc)
        bundles = authorities.read_authorities(
            inventory.authorities, inventory.used_authorities(), directory, issuers, at, self._task.check_mode
        )
        authorities.check_aliases(inventory.credentials, bundles)
        renderer = Renderer(self._templar, self._loader, variables, directory, inventory.secrets())
        rendered = tuple(renderer.render(intent, inventory.root) for intent in inventory.credentials)
        inventory = replace(inventory, credentials=rendered)
        unready = self._unready(inventory, issuers, at)
        if any(name not in unready for name in inventory.used_issuers()):
            # Made only now, when nothing is left that could be wrong: where the real one is not mounted, the own CA
            # is missing, too, and an empty one in its place would hide that.
            state_directory = open_state_directory(state_directory.path, create=not self._task.check_mode)
        document = Document(
            root=inventory.root,
            lock_timeout=inventory.lock_timeout,
            names=tuple(intent.name for intent in rendered),
            authorities=bundles.certificates,
            credentials=tuple(intent.host for intent in rendered),
        )
        warnings = [
            *(warning for intent in rendered for warning in exposure.warnings(intent)),
            *bundles.warnings,
            *_inventory_warning(state_directory.path, variables),
            *_foresight_warnings(issuers.values() if self._task.check_mode else ()),
        ]

        def converge() -> Dict[str, Any]:
            return self._converge(inventory, document, issuers, unready, state_directory, warnings, at, variables)

        if not inventory.install_dependencies:
            return converge()
        return self._equip(converge, inventory.secrets(), warnings, variables)

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
        issuers: Mapping[str, Issuer],
        unready: Mapping[str, str],
        state_directory: StateDirectory,
        warnings: Sequence[str],
        at: datetime,
        variables: Dict[str, Any],
    ) -> Dict[str, Any]:
        first = self._trip(_without_vain_requests(document, unready), inventory, variables)
        replies = {reply.name: reply for reply in first.credentials}
        host = variables["inventory_hostname"]
        registry = Registry(state_directory)
        settled: Dict[str, issuing.Settled] = {}
        for intent in inventory.credentials:
            reply = replies[intent.name]
            if reply.state != "request":
                continue
            issuer = issuers.get(intent.host.issuer)
            if issuer is None:
                settled[intent.name] = issuing.Failed("the host asks for a certificate that nobody wanted")
            elif issuer.name in unready:
                settled[intent.name] = issuing.Failed(unready[issuer.name])
            elif self._task.check_mode:
                settled[intent.name] = issuing.predict(intent, reply, host, issuer, registry, at)
            else:
                settled[intent.name] = issuing.settle(intent, reply, host, issuer, registry, at)
        second = self._deliver(document, inventory, settled, variables)
        return results.build(
            [
                results.Outcome(intent, replies[intent.name], settled.get(intent.name), second.get(intent.name))
                for intent in inventory.credentials
            ],
            inventory.root,
            first.orphaned,
            [*inventory.warnings, *warnings],
            bool(self._task.diff),
        )

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
        """Trip 2, about the answered credentials. Where it goes wrong as a whole, each of them has failed."""
        answers = {name: answer for name, answer in settled.items() if isinstance(answer, Answer)}
        if not answers:
            return {}
        credentials = tuple(replace(one, answer=answers.get(one.name)) for one in document.credentials)
        try:
            second = self._trip(replace(document, credentials=credentials), inventory, variables)
        except Error as error:
            settled.update((name, issuing.Failed(str(error))) for name in answers)
            return {}
        return {reply.name: reply for reply in second.credentials}

    def _trip(self, document: Document, inventory: Inventory, variables: Dict[str, Any]) -> Reply:
        """Run the host's half. Raises ReplyError where no usable reply comes back."""
        found = self._low_level_execute_command(
            self._command(variables),
            sudoable=True,
            in_data=launch.standard_input(wire.build(document), bool(self._task.check_mode)),
        )
        answer = launch.answer(found.get("stdout") or "") or {}
        reply = answer.get("reply")
        if answer.get("failed") or not isinstance(reply, dict):
            raise _refusal(answer, found, inventory.secrets())
        decoded = decode(reply, [credential.name for credential in document.in_turn()])
        issuing.check_states(document, decoded)
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
        return "{0} -c {1}".format(start.strip(), shell.quote(launch.CODE))

    def _pipeline(self) -> None:
        """Send the document through the connection itself: without pipelining it would lie in temporary files.

        Raises InputError where that cannot be, before anything happens.
        """
        if getattr(self._connection, "has_pipelining", False):
            try:
                self._connection.set_option("pipelining", True)
            except (AttributeError, KeyError):
                # A connection plugin without that option follows the general setting.
                pass
        if C.DEFAULT_KEEP_REMOTE_FILES or not self._is_pipelining_enabled("new"):
            raise InputError(
                "passphrases would lie in temporary files on the host: {0}".format(_why_not_pipelined(self._connection))
            )


def _require_library() -> None:
    """Raise DependencyError where the controller lacks it; what would mend a host is no help there."""
    try:
        require_cryptography()
    except DependencyError:
        raise DependencyError(
            "the Python that runs Ansible, {0}, needs the library cryptography >= 3.3; install it into the same "
            "environment, for example with its pip".format(sys.executable)
        ) from None


def _why_not_pipelined(connection: Any) -> str:
    """What stands in the way of pipelining, and what to do about it."""
    if C.DEFAULT_KEEP_REMOTE_FILES:
        return "Ansible is told to keep remote files; unset ANSIBLE_KEEP_REMOTE_FILES (keep_remote_files)"
    become = getattr(connection, "become", None)
    if become is not None and (become.name == "su" or not getattr(become, "pipelining", True)):
        return "become_method {0} cannot be pipelined; use sudo, or log in as the user that the task needs".format(
            become.name
        )
    return (
        "the connection {0} cannot pipeline, or is told not to; use one that can, such as ssh, and set "
        "ANSIBLE_PIPELINING=1".format(getattr(connection, "transport", "in use"))
    )


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


def _refusal(answer: Mapping[str, Any], found: Mapping[str, Any], secrets: List[str]) -> Error:
    """The error for a trip without a reply."""
    why = _why(answer, found, secrets)
    # Compared, not taken over: what a host says must not choose what is installed.
    return DependencyError(why, PACKAGE) if answer.get("package") == PACKAGE else ReplyError(why)


def _why(answer: Mapping[str, Any], found: Mapping[str, Any], secrets: List[str]) -> str:
    """Why the host's half gave no reply. Its own error is text for people; a crash is known by its last line."""
    message = results.visible(str(answer.get("msg") or ""))
    if answer.get("failed") and message:
        return harmless(message, secrets)
    noise = str(found.get("stderr") or found.get("stdout") or "").strip().splitlines()
    # A shell says first why it cannot start a program; a program that ends says last why.
    telling = 0 if found.get("rc") in (126, 127) else -1
    said = harmless(results.visible(noise[telling]), secrets) if noise else "nothing"
    return (
        "the program that does the work on the host gave no result; check that ansible_python_interpreter is a Python "
        ">= 3.9 and that the user may run it. It said: {0}".format(said)
    )
