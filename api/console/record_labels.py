"""What is recorded of phone numbers, suppressions and consents, in the viewer's words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import url_for
from flask_babel import gettext, lazy_gettext
from markupsafe import Markup

from api.console.template_filters import isolated, moment
from api.gateways.queries import gateway_names
from api.ledger_labels import REASONS, SCOPES
from shared.domain.suppressions import COVER_SENTENCES

COVERS = {scope: lazy_gettext(sentence) for scope, sentence in COVER_SENTENCES.items()}
"""What each scope forbids, in a sentence."""

EVIDENCE = {
    "note": lazy_gettext("Note"),
    "message_id": lazy_gettext("Message"),
    "mailing_id": lazy_gettext("Mailing"),
    "inbound_message_id": lazy_gettext("Inbound message"),
    "text": lazy_gettext("Text"),
    "gateway": lazy_gettext("Gateway"),
    "recipient": lazy_gettext("Sent to"),
    "sent_at": lazy_gettext("Sent"),
    "received_at": lazy_gettext("Received"),
    "receipt_at": lazy_gettext("Receipt of"),
    "recorded_at": lazy_gettext("Recorded first"),
    "source": lazy_gettext("Recorded by"),
    "at": lazy_gettext("Time"),
    "user_agent": lazy_gettext("Browser"),
    "network": lazy_gettext("Network"),
    "attempt": lazy_gettext("Attempt"),
    "provider_code": lazy_gettext("Code of the provider"),
    "provider_message_id": lazy_gettext("Id at the gateway"),
    "words": lazy_gettext("The provider said"),
    "decision": lazy_gettext("Decision"),
    "erasure": lazy_gettext("Reason for the erasure"),
}
"""The labels of what the service itself records as evidence; texts of callers have their own names."""

DECISIONS = {
    "stop": lazy_gettext("no more messages"),
    "start": lazy_gettext("messages again"),
    "help": lazy_gettext("help"),
    "nothing": lazy_gettext("nothing to do"),
}

PAGES = {
    "message_id": "console.message",
    "mailing_id": "console.mailing",
    "inbound_message_id": "console.inbound_message",
}
"""The pages of what evidence names by its id."""


def suppression_choices() -> dict[str, list[tuple[str, Any]]]:
    """What a form of suppressions lets choose: pairs of a value and its label, by the field."""
    gateways = sorted(found.name for found in gateway_names().values())
    return {
        "covers": [(scope.value, sentence) for scope, sentence in COVERS.items()],
        "scope": [(scope.value, label) for scope, label in SCOPES.items()],
        "gateway": [("", "–"), *((name, name) for name in gateways)],
        "reason": [(reason.value, label) for reason, label in REASONS.items()],
    }


def evidence_rows(evidence: Mapping[str, Any] | None) -> list[tuple[str, Markup]]:
    """Evidence as labels and values."""
    given = (evidence or {}).items()
    return [(str(EVIDENCE.get(name, name)), _shown(name, value)) for name, value in given if value not in (None, "")]


def _shown(name: str, value: object) -> Markup:
    if name in PAGES and isinstance(value, int):
        named: dict[str, Any] = {name: value}
        return Markup('<a href="{}">{}</a>').format(url_for(PAGES[name], **named), value)
    if name == "at" or name.endswith("_at"):
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            return isolated(str(value))
        return moment(at) if at.tzinfo else isolated(str(value))
    if name == "decision":
        return isolated(str(DECISIONS.get(str(value), value)))
    return isolated(str(value))


def who(name: str | None) -> str:
    """Who recorded something; the recipient or the provider has no name."""
    return name or gettext("Gonets, automatically")
