# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.mutual.tls.plugins.module_utils import difference
from ansible_collections.mutual.tls.plugins.module_utils.difference import Difference


def test_reason_codes_are_closed() -> None:
    with pytest.raises(ValueError, match="unknown reason"):
        Difference("no_such_reason", "key.pem")


def test_reasons_are_given_once_in_order() -> None:
    found = [Difference("key_missing", "a"), Difference("mode_changed", "b"), Difference("key_missing", "c")]
    assert difference.reasons(found) == ["key_missing", "mode_changed"]


def test_lines_of_a_diff() -> None:
    found = Difference("mode_changed", "key.pem", "0644", "")
    assert difference.describe(found, found.was) == "key.pem: mode_changed: 0644"
    assert difference.describe(found, found.wanted) == "key.pem: mode_changed: (none)"


def test_reason_codes_that_the_design_names() -> None:
    assert {"key_missing", "certificate_due", "store_alias_changed", "unexpected_file"} <= difference.REASONS
