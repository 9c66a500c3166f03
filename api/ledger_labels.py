"""The labels of what is recorded of messages and numbers, in the viewer's language."""

from __future__ import annotations

from flask_babel import lazy_gettext

from shared.domain.statuses import MailingKind
from shared.domain.suppressions import RecordSource, SuppressionReason, SuppressionScope

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

KINDS = {
    MailingKind.MARKETING: lazy_gettext("marketing"),
    MailingKind.SERVICE: lazy_gettext("service messages"),
    MailingKind.REPLY: lazy_gettext("reply"),
}
"""The labels of the kinds of mailings."""

SCOPES = {
    SuppressionScope.EVERYTHING: lazy_gettext("marketing and service messages"),
    SuppressionScope.MARKETING: lazy_gettext("marketing"),
    SuppressionScope.GATEWAY: lazy_gettext("messages of one gateway"),
}
"""The labels of the scopes of suppressions."""

REASONS = {
    SuppressionReason.OPTED_OUT: lazy_gettext("the person opted out"),
    SuppressionReason.COMPLAINT: lazy_gettext("complaint"),
    SuppressionReason.OPERATOR_REFUSAL: lazy_gettext("refusal declared to the operator"),
    SuppressionReason.NOT_IN_SERVICE: lazy_gettext("number not in service"),
    SuppressionReason.LAW: lazy_gettext("required by law"),
    SuppressionReason.OTHER: lazy_gettext("another reason"),
}
"""The labels of reasons for a suppression."""

SOURCES = {
    RecordSource.API: lazy_gettext("by the API"),
    RecordSource.IMPORT: lazy_gettext("by an import"),
    RecordSource.CONSOLE: lazy_gettext("in the console"),
    RecordSource.KEYWORD: lazy_gettext("by a keyword in a message from the number"),
    RecordSource.LINK: lazy_gettext("by an opt-out link"),
    RecordSource.PROVIDER: lazy_gettext("by the provider's answer"),
    RecordSource.RECEIPT: lazy_gettext("by the provider's receipt"),
}
"""By what way something was recorded, as the rest of a sentence that begins with “recorded”."""
