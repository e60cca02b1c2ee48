# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that came from a peer, made fit to be shown, and free of what we sent it in confidence."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, Iterable, Iterator, List, Set, Tuple
from urllib.parse import quote

MASK = "********"
_WORD_LIKE_BELOW = 4


def printable(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`: control, format and unassigned characters become U+FFFD.

    Line feeds and tabs stay; a terminal escape sequence, a right-to-left override or a NUL does not survive.
    """
    kept: List[str] = []
    for character in text[: limit + 1]:
        if character in "\n\t" or unicodedata.category(character)[0] != "C":
            kept.append(character)
        elif character != "\r":
            kept.append("\ufffd")
    shown = "".join(kept)
    return shown if len(text) <= limit else shown[:limit] + "\u2026"


def one_line(text: str, limit: int = 200) -> str:
    """Return `printable` text with every run of white space made one space: for use inside a message."""
    return " ".join(printable(text, limit).split())


def printable_values(value: Any, limit: int = 1000) -> Any:
    """Return a copy of a JSON-like value in which every string has passed `printable`."""
    if isinstance(value, str):
        return printable(value, limit)
    if isinstance(value, dict):
        return {printable(str(key), limit): printable_values(item, limit) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable_values(item, limit) for item in value]
    return value


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with every secret masked, also where it was JSON or URL encoded.

    Servers echo what they are sent. A secret of fewer than four characters is masked only where it stands
    alone: letters that occur inside words tell nothing, and masking them would garble the whole text.
    """
    forms: Set[str] = set()
    for secret in secrets:
        forms.update((secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret)))
    forms.discard("")
    text = _masked(text, [form for form in forms if len(form) >= _WORD_LIKE_BELOW])
    for form in sorted((form for form in forms if len(form) < _WORD_LIKE_BELOW), key=len, reverse=True):
        text = re.sub(r"(?<![^\W_]){0}(?![^\W_])".format(re.escape(form)), MASK, text)
    return text


def _masked(text: str, forms: Iterable[str]) -> str:
    """Masks all at once: one after the other, of two that overlap the end of the second would be left."""
    merged: List[Tuple[int, int]] = []
    for begin, end in sorted(span for form in forms for span in _spans(text, form)):
        if merged and begin < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    shown: List[str] = []
    position = 0
    for begin, end in merged:
        shown += [text[position:begin], MASK]
        position = end
    return "".join([*shown, text[position:]])


def _spans(text: str, form: str) -> Iterator[Tuple[int, int]]:
    """Where `form` stands in the text, also where it overlaps itself."""
    begin = text.find(form)
    while begin >= 0:
        yield begin, begin + len(form)
        begin = text.find(form, begin + 1)
