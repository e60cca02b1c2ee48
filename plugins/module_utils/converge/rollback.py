# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a deliberate rollback: the generation before comes into use again, and is held until somebody releases it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Optional, Tuple

from .. import certificate as certificates
from .. import chain as chains
from ..difference import Difference
from ..document import Credential
from ..errors import Error, InputError
from . import contents, links
from . import journal as journals
from .manifest import digest
from .material import CERTIFICATE, CHAIN, Material, observed_certificate
from .observe import CURRENT, Observation, directory_name
from .owed import owed_by
from .planned import Plan, Surroundings

LookAt = Callable[[int], Observation]
"""Gives the observation as it would be with another generation in use, all its files read."""


def held(
    wanted: Credential,
    observation: Observation,
    around: Surroundings,
    differences: Tuple[Difference, ...] = (),
    material: Optional[Material] = None,
) -> Plan:
    """The plan for what a rollback holds: only what earlier runs owe is done; the differences are told.

    A rollback that was cut off is finished, with what it had to put elsewhere.
    """
    aside = left_by(observation)
    return Plan(
        wanted,
        observation,
        differences,
        material=material,
        owed=owed_by(wanted, observation),
        links=_links(wanted, observation, observation, around) if aside is not None else links.LinkPlan(),
        previous=observation.number,
        certificate_before=observed_certificate(observation),
        is_held=True,
        aside=aside,
    )


def left_by(observation: Observation) -> Optional[int]:
    """The generation that a rollback has left which was cut off before its end; None where there was none.

    This is not asked of what is owed: where nobody is to be told or asked, nothing is.
    """
    switch = observation.journal.switch
    if switch is None or switch.previous is None or observation.current != switch.number:
        return None
    return switch.previous if switch.previous > switch.number else None


def _links(wanted: Credential, observation: Observation, before: Observation, around: Surroundings) -> links.LinkPlan:
    """What is to be done elsewhere for one generation; a link to what that has not would lead nowhere."""
    contents = {name: found.content for name, found in before.files.items() if found.content is not None}
    there = replace(wanted, links=tuple(link for link in wanted.links if link.file in contents))
    return links.plan(there, observation, around.places(wanted), contents)


def plan_rollback(wanted: Credential, observation: Observation, around: Surroundings, look_at: LookAt) -> Plan:
    """The plan for going back one generation. One that is held already stays as it is.

    Raises InputError where there is no generation to go back to, or where it is not whole, not valid now, or another
    one than the controller has agreed to; nothing was changed then.
    """
    asked = () if wanted.verify is None else wanted.verify.authorities
    contents.check_authorities(wanted.name, asked, around.authorities, around.unavailable)
    if observation.held_since is not None:
        return held(wanted, observation, around)
    in_use = observation.number
    older = [number for number in observation.generations if in_use is not None and number < in_use]
    if in_use is None or not older:
        raise InputError(
            "credential {0}: there is no generation before {1} to go back to".format(
                wanted.name, "the first" if in_use is None else directory_name(in_use)
            )
        )
    number = older[-1]
    before = look_at(number)
    certificate = _usable(wanted, before, around)
    if wanted.candidate is not None and certificates.fingerprint(certificate) != wanted.candidate:
        raise InputError(
            "credential {0}: generation {1} is not the one that the controller has agreed to; run again".format(
                wanted.name, directory_name(number)
            )
        )
    planned_links = _links(wanted, observation, before, around)
    step = [directory_name(one) for one in (in_use, number)]
    return Plan(
        wanted,
        observation,
        (Difference("rollback_requested", CURRENT, *step), *planned_links.differences),
        links=planned_links,
        owed=owed_by(wanted, observation),
        previous=in_use,
        target=number,
        aside=in_use,
        candidate=certificate,
        hold=around.now.strftime(journals.MOMENT),
    )


def _usable(wanted: Credential, before: Observation, around: Surroundings) -> Any:
    """The certificate of a generation that is whole and valid now. Raises InputError where it is not."""
    where = "credential {0}: generation {1} cannot be used again".format(
        wanted.name, directory_name(before.number or 0)
    )
    manifest, manifest_file = before.manifest, before.manifest_file
    if manifest is None or manifest_file is None or not manifest_file.is_ours:
        raise InputError("{0}: its manifest is damaged".format(where))
    for name, recorded in manifest.files.items():
        found = before.files.get(name)
        content = None if found is None else found.content
        # A store may have entries of its owner's by now.
        if content is None or (name not in manifest.aliases and digest(content) != recorded):
            raise InputError("{0}: {1} is not as it was written".format(where, name))
    found = before.files.get(CERTIFICATE)
    try:
        certificate = certificates.load_all((found.content if found is not None else None) or b"", CERTIFICATE)[0]
        chain = before.files.get(CHAIN)
        pool = certificates.load_all(chain.content, CHAIN) if chain is not None and chain.content else []
    except Error as error:
        raise InputError("{0}: {1}".format(where, error)) from error
    if not certificates.not_before(certificate) <= around.now < certificates.not_after(certificate):
        ends = certificates.not_after(certificate).strftime(journals.MOMENT)
        raise InputError("{0}: its certificate is not valid now, it ended {1}".format(where, ends))
    try:
        chains.verify(certificate, chains.order(certificate, pool), around.now)
    except InputError as error:
        raise InputError("{0}: {1}".format(where, error)) from error
    return certificate
