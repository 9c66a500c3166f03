"""The labels of what the ledger records, in the viewer's language."""

from __future__ import annotations

from flask_babel import lazy_gettext

LEDGER_LABELS = {
    "pending": lazy_gettext("pending"),
    "sending": lazy_gettext("sending"),
    "sent": lazy_gettext("sent"),
    "failed": lazy_gettext("failed"),
    "expired": lazy_gettext("expired"),
    "cancelled": lazy_gettext("cancelled"),
    "unknown": lazy_gettext("unknown"),
    "awaiting": lazy_gettext("receipt awaited"),
    "delivered": lazy_gettext("delivered"),
    "undelivered": lazy_gettext("not delivered"),
    "no_receipt": lazy_gettext("no receipt"),
    "accepted": lazy_gettext("accepted"),
    "refused": lazy_gettext("refused"),
    "throttled": lazy_gettext("throttled"),
    "unreachable": lazy_gettext("unreachable"),
    "misconfigured": lazy_gettext("misconfigured"),
    "no_credit": lazy_gettext("no credit"),
    "duplicate": lazy_gettext("accepted before"),
    "retriable": lazy_gettext("refused for now"),
    "opted_out": lazy_gettext("opted out"),
    "ambiguous": lazy_gettext("unclear response"),
}
"""Of the statuses and deliveries of messages and of the results of attempts, by their names."""
