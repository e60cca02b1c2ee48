# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an HTTP answer says about the client that asked."""

from __future__ import annotations

from typing import List, Optional

from . import client_causes
from .client_causes import Client
from .codes import Cause, Diagnosis, diagnosis
from .http_request import Answer, Request
from .text import one_line

# nginx finishes the handshake whatever the certificate, then says one of these with status 400 (495 and 496 inside).
# It does not tell expired, revoked and unknown apart. Content delivery networks built on it use the same texts.
_REJECTED = b"The SSL certificate error"
_MISSING = b"No required SSL certificate was sent"


def explain_answer(
    answer: Answer,
    request: Request,
    peer: str,
    requested: Optional[bool],
    sent: Optional[int],
    client: Optional[Client],
) -> Diagnosis:
    """Return the diagnosis for an answer; `requested` and `sent` are about the client certificate."""
    said = "{0} answers {1} {2}".format(peer, answer.status, one_line(answer.reason, 80)).rstrip()
    if answer.status in request.status:
        return diagnosis("ok", said)
    if answer.status == 496 or (answer.status in (400, 403) and _MISSING in answer.body):
        return diagnosis(
            "client_certificate_missing",
            "{0}: it demands a client certificate, and none was {1}".format(
                said, "given" if client is None else "sent although one is given"
            ),
        )
    if answer.status == 495 or (answer.status == 400 and _REJECTED in answer.body):
        return diagnosis(
            "rejected_by_server",
            "{0}: it rejects the client certificate and does not say why".format(said),
            [] if client is None else client_causes.find(client) or [client_causes.unseen(client)],
        )
    if answer.status == 401:
        return diagnosis("http_unauthorized", said + _challenge(answer), _no_certificate(requested, sent, client))
    if answer.status == 403:
        found = _no_certificate(requested, sent, client)
        return diagnosis("http_forbidden", said, found + ([] if client is None else client_causes.find(client)))
    location = one_line(answer.header("Location"), 200)
    return diagnosis(
        "http_status_unexpected",
        "{0}, expected {1}{2}".format(
            said,
            " or ".join(str(status) for status in request.status),
            "; it points to {0}, and redirects are not followed".format(location) if location else "",
        ),
    )


def _challenge(answer: Answer) -> str:
    scheme = one_line(answer.header("WWW-Authenticate").split(" ", 1)[0], 40)
    return "; it wants {0} authentication".format(scheme) if scheme else ""


def _no_certificate(requested: Optional[bool], sent: Optional[int], client: Optional[Client]) -> List[Cause]:
    if requested is False and client is not None:
        return [
            Cause(
                "certificate_not_asked",
                "the server did not ask for a client certificate on this port; providers often do so on another one",
            )
        ]
    if requested and (client is None or sent == 0):
        return [Cause("certificate_not_sent", "the server asked for a client certificate, and none was sent")]
    return []
