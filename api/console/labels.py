"""The labels of states, results and actions, and the sentences of rules and the ledger, in the viewer's language."""

from __future__ import annotations

import marshmallow as ma
from flask_babel import format_decimal, gettext, lazy_gettext

from api.ledger_labels import LEDGER_LABELS
from api.messages import delivery_schemas
from api.messages import schemas as messages
from api.workers.gateway_state import GatewayState
from shared.domain.field_types import FieldType
from shared.domain.sentences import Sentence

LABELS = {
    **LEDGER_LABELS,
    "scheduled": lazy_gettext("scheduled"),
    "running": lazy_gettext("running"),
    "paused": lazy_gettext("paused"),
    "finished": lazy_gettext("finished"),
    "not_submitted": lazy_gettext("not submitted"),
    "pause": lazy_gettext("paused by a user"),
    "approve": lazy_gettext("approved"),
    "unapprove": lazy_gettext("approval taken back"),
    "limit": lazy_gettext("paused by a spending limit"),
    "launch": lazy_gettext("launch"),
    "resume": lazy_gettext("resumed"),
    "cancel": lazy_gettext("cancelled by a user"),
    "edit": lazy_gettext("changed"),
    "updateClient": lazy_gettext("changed"),
    "createClient": lazy_gettext("added"),
    "retry": lazy_gettext("retried"),
    "resolve": lazy_gettext("resolved by a user"),
    "reopen": lazy_gettext("reopened"),
    "remove": lazy_gettext("removed"),
    "test": lazy_gettext("test sent"),
    "resend": lazy_gettext("send again"),
    "hold": lazy_gettext("do not send again"),
    "body": lazy_gettext("body"),
    "line": lazy_gettext("line"),
    "arrived": lazy_gettext("arrived"),
    "not_arrived": lazy_gettext("not arrived"),
    "viewer": lazy_gettext("viewer"),
    "operator": lazy_gettext("operator"),
    "admin": lazy_gettext("admin"),
}
"""The labels of states, outcomes, operations and roles, by their names in the ledger and the API."""

GATEWAY_LABELS = {
    GatewayState.OK: lazy_gettext("ok"),
    GatewayState.IDLE: lazy_gettext("idle"),
    GatewayState.UNASKED: lazy_gettext("not reached yet"),
    GatewayState.NO_ANSWER: lazy_gettext("no response"),
    GatewayState.LAST_REFUSED: lazy_gettext("account refused"),
    GatewayState.SLOWING: lazy_gettext("slowing down"),
    GatewayState.CIRCUIT_OPEN: lazy_gettext("failing"),
    GatewayState.MISCONFIGURED: lazy_gettext("misconfigured"),
    GatewayState.NO_CREDIT: lazy_gettext("no credit"),
    GatewayState.NOT_UNDERSTOOD: lazy_gettext("answers not understood"),
}
"""The labels of the states of the gateway, those that a worker reports among them."""

FIELDS = {
    "text": lazy_gettext("Text"),
    "mark": lazy_gettext("Recipients"),
    "segment": lazy_gettext("Recipients: a segment"),
    "segment_id": lazy_gettext("Recipients: a saved segment"),
    "excluded_segment_ids": lazy_gettext("Excluded segments"),
    "start_datetime": lazy_gettext("Start"),
    "end_datetime": lazy_gettext("End"),
    "on_unknown": lazy_gettext("If it is not known whether a message was delivered"),
    "route": lazy_gettext("Route"),
    "exclude_unknown_after": lazy_gettext("Leave out numbers not in service, after times in a row"),
    "kind": lazy_gettext("Kind"),
    "local_window": lazy_gettext("Local window"),
    "local_from": lazy_gettext("Local time, from"),
    "local_until": lazy_gettext("Local time, until"),
    "local_weekdays": lazy_gettext("Days of the week"),
    "holiday_calendar_id": lazy_gettext("Holiday calendar"),
    "default_timezone": lazy_gettext("Time zone of clients without one"),
    "requires_consent": lazy_gettext("Consent required"),
    "over_cap": lazy_gettext("If a cap is reached"),
    "spending_limit": lazy_gettext("Spending limit"),
    "spending_currency": lazy_gettext("Currency of the limit"),
    "phone_number": lazy_gettext("Phone number"),
    "operator_code": lazy_gettext("Operator code"),
    "tag": lazy_gettext("Tag"),
    "timezone": lazy_gettext("Time zone"),
    "external_id": lazy_gettext("External id"),
    "tags": lazy_gettext("Other tags"),
}
"""The labels of the fields of a mailing and of a client."""

CLIENT_FIELDS = {
    "name": lazy_gettext("Full name"),
    "first_name": lazy_gettext("First name"),
    "last_name": lazy_gettext("Last name"),
    "birthday": lazy_gettext("Birthday"),
}
"""The labels of the declared fields that every installation has, unless they have others."""

FIELD_TYPES = {
    FieldType.TEXT: lazy_gettext("a text"),
    FieldType.NUMBER: lazy_gettext("a number"),
    FieldType.BOOLEAN: lazy_gettext("yes or no"),
    FieldType.DATE: lazy_gettext("a date"),
    FieldType.DATETIME: lazy_gettext("a date and time"),
    FieldType.LIST: lazy_gettext("a list of texts"),
}
"""The labels of the types of fields."""

MEANINGS = {status: lazy_gettext(meaning) for status, meaning in messages.MEANINGS.items()}
"""The meaning of each status of a message."""

DELIVERY_MEANINGS = {one: lazy_gettext(meaning) for one, meaning in delivery_schemas.DELIVERY_MEANINGS.items()}
"""The meaning of each delivery of a sent message."""

UNDELIVERED_MEANINGS = {
    reason: lazy_gettext(meaning) for reason, meaning in delivery_schemas.UNDELIVERED_MEANINGS.items()
}
"""Why a message was not delivered."""

COUNTS = frozenset({"count", "before"})
"""Parameters whose numbers are grouped; others are ids, lines, seconds."""

NAMES = frozenset({"status", "outcome", "role", "needed_role", "what"})
"""Parameters that have a label."""


def label(name: str) -> str:
    """The label of a state, a result or an action; the name itself if there is none."""
    return str(LABELS.get(name, name))


def gateway_label(state: str) -> str:
    """The label of a state of the gateway, as reported by one worker or as derived from all."""
    return str(GATEWAY_LABELS[GatewayState(state)])


def translated(text: str) -> str:
    """A sentence in the viewer's language, by its code; one of a library, which has none, by itself."""
    if not isinstance(text, Sentence):
        return gettext(text) if text else ""
    return gettext(text.code.value) % {name: _shown(name, value) for name, value in text.parameters.items()}


def translated_errors(error: ma.ValidationError) -> dict[str, list[str]]:
    """The errors of fields in the viewer's language."""
    return {field: [translated(text) for text in texts] for field, texts in error.normalized_messages().items()}


def _shown(name: str, value: str | int) -> str:
    if isinstance(value, Sentence):
        return translated(value)
    if isinstance(value, str):
        return label(value) if name in NAMES else value
    return format_decimal(value) if name in COUNTS else str(value)
