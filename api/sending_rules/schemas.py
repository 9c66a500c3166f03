"""The rules of sending as JSON."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.http.fields import JsonBoolean, PlainText, ShapedField
from api.http.response_fields import instant
from api.http.schemas import RequestSchema, ResponseSchema
from api.mailings.rule_schemas import Currency, LocalWindowFields, SpendingLimit
from api.sending_rules.queries import Cap
from shared.domain.keyword_replies import REPLIES
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.sentences import ErrorCode
from shared.domain.suppressions import KeywordAction

MAX_CAPS = 10
MAX_MESSAGES = 100
MAX_HOURS = 8784
"""The hours of a leap year."""

LANGUAGES = ", ".join(REPLIES)

CAPS: dict[str, Any] = {
    "type": "array",
    "maxItems": MAX_CAPS,
    "items": {
        "type": "object",
        "properties": {
            "messages": {"type": "integer", "minimum": 1, "maximum": MAX_MESSAGES, "description": "At most so many."},
            "period_hours": {"type": "integer", "minimum": 1, "maximum": MAX_HOURS, "description": "In any such time."},
        },
        "required": ["messages", "period_hours"],
        "additionalProperties": False,
    },
}

REPLY_TEXTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        action.value: {
            "type": "object",
            "properties": {
                language: {"type": "string", "minLength": 1, "maxLength": MAX_TEXT, "nullable": True}
                for language in REPLIES
            },
            "additionalProperties": False,
        }
        for action in KeywordAction
    },
    "additionalProperties": False,
}

_TEXT = PlainText()


class Caps(ShapedField[list[Cap]]):
    """The caps, each period once. It has one error for the field."""

    shape = CAPS
    default_error_messages = {
        "invalid": ErrorCode.NOT_CAPS(limit=MAX_CAPS, messages=MAX_MESSAGES, hours=MAX_HOURS),
    }

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[dict[str, int]]:
        return [one._asdict() for one in value]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Cap]:
        if not isinstance(value, list) or len(value) > MAX_CAPS or not all(map(_is_cap, value)):
            raise self.make_error("invalid")
        caps = sorted((Cap(**one) for one in value), key=lambda cap: cap.period_hours)
        if len({cap.period_hours for cap in caps}) < len(caps):
            raise self.make_error("invalid")
        return caps


def _is_cap(value: Any) -> bool:
    limits = {"messages": MAX_MESSAGES, "period_hours": MAX_HOURS}
    return (
        isinstance(value, dict)
        and value.keys() == limits.keys()
        and all(type(value[name]) is int and 1 <= value[name] <= limit for name, limit in limits.items())
    )


class Replies(ShapedField[dict[str, dict[str, str | None]]]):
    """Texts by action and language. It has one error for the field."""

    shape = REPLY_TEXTS
    default_error_messages = {"invalid": ErrorCode.NOT_REPLIES(languages=LANGUAGES, limit=MAX_TEXT)}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, dict[str, str | None]]:
        actions = {action.value for action in KeywordAction}
        if not isinstance(value, dict) or not value.keys() <= actions:
            raise self.make_error("invalid")
        return {action: self._texts(value[action]) for action in sorted(value)}

    def _texts(self, by_language: Any) -> dict[str, str | None]:
        if not isinstance(by_language, dict) or not by_language.keys() <= REPLIES.keys():
            raise self.make_error("invalid")
        return {language: self._text(by_language[language]) for language in sorted(by_language)}

    def _text(self, given: Any) -> str | None:
        try:
            text: str | None = None if given is None else _TEXT.deserialize(given)
        except ma.ValidationError:
            raise self.make_error("invalid") from None
        if text is not None and not (text.strip() and len(text) <= MAX_TEXT):
            raise self.make_error("invalid")
        return text


class SendingRulesFields(LocalWindowFields):
    """The rules that a caller sets."""

    requires_consent = JsonBoolean(
        metadata={
            "description": "Whether new marketing mailings require a recorded consent, unless they say otherwise.",
            "example": False,
        },
    )
    requires_approval = JsonBoolean(
        metadata={"description": "Whether a second person approves each new mailing.", "example": False}
    )
    daily_spending_limit = SpendingLimit(
        metadata={
            "description": "What all messages of a day (UTC) may cost, in `spending_currency`; null for no limit.",
            "example": "5000",
        },
    )
    spending_currency = Currency(
        allow_none=True,
        metadata={"description": "The currency of the limit (ISO 4217).", "example": "RUB"},
    )
    caps = Caps(
        metadata={
            "description": "How many marketing messages one number may get, over all mailings. Replaced as a whole.",
            "example": [{"messages": 2, "period_hours": 24}],
        }
    )
    reply_language = PlainText(
        validate=validate.OneOf(tuple(REPLIES), error=ErrorCode.NOT_A_REPLY_LANGUAGE(languages=LANGUAGES)),
        metadata={
            "description": "The language of replies to keywords that several languages have.",
            "enum": list(REPLIES),
            "example": "en",
        },
    )
    replies = Replies(
        metadata={
            "description": "Texts of replies to keywords that differ from the defaults, by action and language; null "
            "for no reply. Replaced as a whole.",
            "example": {"help": {"en": "Example Ltd. Questions: example.com. To stop, reply STOP."}},
        }
    )


class SendingRulesSchema(ResponseSchema, SendingRulesFields):
    """The defaults of new mailings, and what is required of all."""

    updated_at = instant("When they were last changed.", "2026-06-01T09:00:00.000Z")

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field[Any]) -> None:
        """Makes each field required in a response; called by marshmallow for each field of an instance."""
        super().on_bind_field(field_name, field_obj)
        field_obj.required = True


class SendingRulesBody(RequestSchema, SendingRulesFields):
    """Changes of the rules. What is left out stays as it is."""
