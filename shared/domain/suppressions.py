"""Suppressions: numbers that must not be written to. What a scope covers, why and by what way one was recorded.

Each enum here has a PostgreSQL enum of the same members (a test compares them).
"""

from __future__ import annotations

import enum

from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MailingKind
from shared.errors import Invalid


class SuppressionScope(enum.StrEnum):
    """Which messages to a number a suppression forbids. Replies to the number's own messages are never covered."""

    EVERYTHING = "everything"
    """Marketing and service messages."""
    MARKETING = "marketing"
    """Messages of mailings whose kind is `marketing`."""
    GATEWAY = "gateway"
    """Marketing and service messages of one gateway: of its sender."""


COVERED_KINDS = {
    SuppressionScope.EVERYTHING: (MailingKind.MARKETING, MailingKind.SERVICE),
    SuppressionScope.MARKETING: (MailingKind.MARKETING,),
    SuppressionScope.GATEWAY: (MailingKind.MARKETING, MailingKind.SERVICE),
}
"""The kinds of mailings that each scope covers; the scope `gateway` only where that gateway would send."""

COVER_SENTENCES = {
    SuppressionScope.EVERYTHING: "No marketing or service message is sent to the number.",
    SuppressionScope.MARKETING: "No marketing message is sent to the number; service messages are.",
    SuppressionScope.GATEWAY: "Nothing is sent to the number through this gateway; other gateways may send.",
}
"""What each scope forbids, in a sentence. Answers to the number's own messages are never covered."""


def check_gateway(scope: SuppressionScope, gateway: str | None) -> None:
    """Raises Invalid for a gateway without its scope, and the other way round."""
    if scope is SuppressionScope.GATEWAY and gateway is None:
        raise Invalid("gateway", ErrorCode.SCOPE_NEEDS_A_GATEWAY)
    if scope is not SuppressionScope.GATEWAY and gateway is not None:
        raise Invalid("gateway", ErrorCode.ONLY_OF_SCOPE_GATEWAY)


class SuppressionReason(enum.StrEnum):
    """Why a number is suppressed."""

    OPTED_OUT = "opted_out"
    """The person said so: by a reply, a link, or in any other way."""
    COMPLAINT = "complaint"
    OPERATOR_REFUSAL = "operator_refusal"
    """The subscriber has refused mailings at the operator (Russia: law 126-FZ, article 44.1, part 1.1)."""
    NOT_IN_SERVICE = "not_in_service"
    LAW = "law"
    """An order of a court or an authority, or erasure on request."""
    OTHER = "other"


class RecordSource(enum.StrEnum):
    """By what way a suppression or a consent was recorded."""

    API = "api"
    IMPORT = "import"
    CONSOLE = "console"
    KEYWORD = "keyword"
    """An inbound message: a keyword, or what a person has decided about it."""
    LINK = "link"
    """The opt-out link of a message."""
    PROVIDER = "provider"
    """The provider's answer to a submission."""
    RECEIPT = "receipt"
    """The provider's receipt."""


class KeywordAction(enum.StrEnum):
    """What a keyword in an inbound message asks for."""

    STOP = "stop"
    """No more messages."""
    START = "start"
    """Messages again, after a STOP."""
    HELP = "help"
    """How to stop and start messages, and whom to ask."""


class InboundDecision(enum.StrEnum):
    """What was done about an inbound message, by its keyword or by a person."""

    STOP = "stop"
    """Its sender was suppressed."""
    START = "start"
    """Refusals of its sender were lifted."""
    HELP = "help"
    """It was answered at most."""
    NOTHING = "nothing"
    """A person decided that it asks for neither."""
