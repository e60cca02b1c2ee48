# Copyright (c) 2026, the mutual.tls authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS alerts by number: RFC 8446 section 6, RFC 5246 section 7.2."""

from __future__ import annotations

from typing import Dict, Optional

CLOSE_NOTIFY = 0
HANDSHAKE_FAILURE = 40
NO_CERTIFICATE = 41
BAD_CERTIFICATE = 42
UNSUPPORTED_CERTIFICATE = 43
CERTIFICATE_REVOKED = 44
CERTIFICATE_EXPIRED = 45
CERTIFICATE_UNKNOWN = 46
UNKNOWN_CA = 48
ACCESS_DENIED = 49
DECRYPT_ERROR = 51
PROTOCOL_VERSION = 70
INSUFFICIENT_SECURITY = 71
USER_CANCELED = 90
UNRECOGNIZED_NAME = 112
CERTIFICATE_REQUIRED = 116
NO_APPLICATION_PROTOCOL = 120

NAMES: Dict[int, str] = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}


def name(number: int) -> str:
    """Return the alert's name, or its number where it has none."""
    return NAMES.get(number, "alert {0}".format(number))


def of_reason(reason: Optional[str]) -> Optional[int]:
    """Return the received alert that an OpenSSL reason such as TLSV1_ALERT_UNKNOWN_CA stands for, or None.

    This is how alerts are known on a Python whose `ssl` has no message callback.
    """
    if not reason or "_ALERT_" not in reason:
        return None
    wanted = reason.split("_ALERT_", 1)[1].lower()
    for number, known in NAMES.items():
        if known == wanted:
            return number
    return None
