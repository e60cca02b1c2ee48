# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between what is and what the inventory wants, each with one reason code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, List, Optional

REASONS = frozenset(
    """
    key_missing key_unreadable key_type_changed key_mismatch key_format_changed key_passphrase_changed
    certificate_missing certificate_unreadable certificate_expired certificate_due certificate_not_yet_valid
    certificate_revoked certificate_usage subject_changed subject_alt_name_changed issuer_changed provider_changed
    chain_incomplete chain_changed store_missing store_unreadable store_content_changed store_alias_changed
    store_passphrase_changed store_encryption_changed truststore_content_changed config_changed file_missing
    file_changed file_no_longer_wanted link_changed owner_changed group_changed mode_changed generation_incomplete
    generation_surplus request_pending request_changed reload_pending switch_unconfirmed verify_failed
    verify_unavailable adopted_as_is orphaned unexpected_file state_absent leftover_found journal_unreadable
    manifest_unreadable request_unreadable ca_phase_changed
    rotation_requested rollback_requested hold_released activation_pending issuing_ca_changed
    crl_missing crl_due crl_content_changed
    """.split()
)
"""Every reason that a report may give. Codes are added where one is missing, never reused for a second cause."""


@dataclass(frozen=True)
class Difference:
    """One difference: why it counts, where it is, and what was found and wanted there.

    `was` and `wanted` are shown to people: aliases, dates, fingerprints, modes; never a secret.
    """

    reason: str
    where: str
    was: str = ""
    wanted: str = ""

    def __post_init__(self) -> None:
        if self.reason not in REASONS:
            raise ValueError("unknown reason code {0!r}".format(self.reason))


def reasons(differences: Iterable[Difference]) -> List[str]:
    """The reason codes in order of first appearance, each once."""
    return list(dict.fromkeys(difference.reason for difference in differences))


def describe(difference: Difference, side: Optional[str]) -> str:
    """The line that stands in a diff: `side` is what was found or what is wanted there."""
    return "{0}: {1}: {2}".format(difference.where, difference.reason, side or "(none)")
