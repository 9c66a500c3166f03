"""Gateways and providers as JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import marshmallow as ma
from marshmallow import validate

from api.http.fields import NO_NUL, Codes, JsonBoolean, PlainText, Texts, WrittenPhoneNumber
from api.http.response_fields import boolean, instant, int64, integer, nested, objects, string, strings
from api.http.schemas import RequestSchema, ResponseSchema
from api.http.text_lengths import MaxLength
from shared.domain.mailing_rules import MAX_TEXT
from shared.domain.sentences import ErrorCode
from shared.gateways.registry import PROVIDERS

NAME = r"^[a-z0-9][a-z0-9-]{0,39}\Z"

MAX_SENDER = 100

MAX_PREFIXES = 1000

MAX_PRICE = Decimal("999999.999999")
"""The largest numeric(12, 6)."""

PRICE_PATTERN = r"[0-9]+(\.[0-9]+)?"
PRICE = {"type": "string", "pattern": f"^{PRICE_PATTERN}$"}


def _check_price(value: Decimal) -> None:
    # Not validate.Range, which would be documented as the bounds of a number.
    if not 0 <= value <= MAX_PRICE:
        raise ma.ValidationError(ErrorCode.PRICE_RANGE())


def _check_prefixes(values: Sequence[str]) -> None:
    if len(values) > MAX_PREFIXES or not all(re.fullmatch("[0-9]{1,15}", value) for value in values):
        raise ma.ValidationError(ErrorCode.NOT_DIGITS())


class Price(ma.fields.Decimal):
    """A price as a decimal number in a string."""

    def __init__(
        self, *, metadata: dict[str, object], validate: Callable[[Decimal], None] = _check_price, **kwargs: object
    ) -> None:
        super().__init__(
            places=6,
            as_string=True,
            allow_none=True,
            validate=validate,
            metadata={**PRICE, **metadata},
            **kwargs,  # type: ignore[arg-type]
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if not isinstance(value, str) or not re.fullmatch(PRICE_PATTERN, value):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)

    def _serialize(self, value: Decimal | None, attr: str | None, obj: object, **kwargs: object) -> str | None:
        if value is None:
            return None
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


class JsonNumber(ma.fields.Float):
    """A number of JSON, not a string with one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in (int, float):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class GatewaySettingsSchema(ma.Schema):
    """The settings of a gateway that a caller sets, but for its credentials."""

    address = PlainText(
        required=True,
        metadata={
            "description": "The base URL of the provider's API; empty for its public address.",
            "pattern": NO_NUL,
            "example": "https://api.example.com",
        },
    )
    sender = PlainText(
        required=True,
        validate=MaxLength(MAX_SENDER),
        metadata={"description": "The sender id that recipients see.", "pattern": NO_NUL, "example": "Gonets"},
    )
    options = Texts(
        required=True,
        metadata={"description": "The provider's fields that are not secret, by name.", "example": {}},
    )
    rate = JsonNumber(
        required=True,
        validate=validate.Range(0, 1_000_000),
        metadata={"description": "Requests a second of all workers together at most; 0: no limit.", "example": 50.0},
    )
    concurrency = ma.fields.Integer(
        required=True,
        strict=True,
        allow_none=True,
        validate=validate.Range(1, 4096),
        metadata={
            "description": "Concurrent requests of one worker at most; null for WORKER_CONCURRENCY.",
            "example": 64,
        },
    )
    receipts = JsonBoolean(
        required=True, metadata={"description": "Whether the provider reports deliveries.", "example": False}
    )
    receipt_hours = ma.fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(1, 720),
        metadata={"description": "Hours after which a missing report is not expected any more.", "example": 72},
    )
    poll_receipts = JsonBoolean(
        required=True,
        metadata={
            "description": "Whether workers ask the provider for deliveries, since its callbacks do not reach us.",
            "example": False,
        },
    )
    no_receipt_prefixes = Codes(
        required=True,
        validate=_check_prefixes,
        metadata={
            "maxItems": MAX_PREFIXES,
            "items": {"type": "string", "pattern": "^[0-9]{1,15}$"},
            "description": "Beginnings of phone numbers for which the provider reports no deliveries.",
            "example": ["7999"],
        },
    )
    min_delivery_percent = ma.fields.Integer(
        required=True,
        strict=True,
        allow_none=True,
        validate=validate.Range(0, 100),
        metadata={
            "description": "Percent of messages that must be delivered within 10 minutes, or routes avoid it; null for "
            "half of its usual share, 0 for never.",
            "example": 50,
        },
    )
    segment_price = Price(
        required=True, metadata={"description": "The price of one segment; null if unknown.", "example": "0.045"}
    )
    currency = ma.fields.String(
        required=True,
        allow_none=True,
        validate=validate.Regexp(r"^[A-Z]{3}\Z", error=ErrorCode.NOT_A_CURRENCY()),
        metadata={
            "description": "The currency of its prices (ISO 4217). It cannot be changed once it is set.",
            "pattern": "^[A-Z]{3}$",
            "example": "EUR",
        },
    )


class GatewaySchema(ResponseSchema, GatewaySettingsSchema):
    """A gateway: an account at a provider. Credentials are never returned, only the names of those that are stored."""

    id = int64("Permanent id.", 1)
    name = string("Its permanent name.", "default")
    provider = string("The provider whose contract it implements.", "gonets")
    credentials = strings(
        "The names of the stored credentials; null if no key of CREDENTIALS_KEY decrypts them.",
        ["token"],
        allow_none=True,
    )
    paused_at = instant("When it was paused; null while it is not.", allow_none=True)
    available = boolean("Whether routes with several gateways use it now. Workers set it.", True)
    revision = integer("Increased by every change.", 1)
    created_at = instant("When it was added.", "2022-06-01T09:00:00.000Z")
    updated_at = instant("When it was last changed by a person.", "2022-06-01T09:00:00.000Z")


EDITABLE = (
    "address",
    "sender",
    "options",
    "rate",
    "concurrency",
    "receipts",
    "receipt_hours",
    "poll_receipts",
    "no_receipt_prefixes",
    "min_delivery_percent",
    "segment_price",
    "currency",
)
"""The settings that a caller sets, beside the credentials."""


class GatewayChangeBody(RequestSchema, GatewaySettingsSchema):
    """Changes of a gateway. What is left out stays as it is."""

    credentials = Texts(
        metadata={
            "description": "The provider's secret fields, by name. Those left out stay; an empty one is removed.",
            "example": {"token": "…"},
        },
    )
    same_account = JsonBoolean(
        metadata={
            "description": "Whether another address or other options are still of the same account. Needed while the "
            "provider may have messages that are in flight or in doubt: they will be looked up there.",
            "example": False,
        },
    )

    def __init__(self) -> None:
        super().__init__(partial=True)


class GatewayBody(RequestSchema, GatewaySettingsSchema):
    """A gateway to add. What is left out has its default."""

    name = PlainText(
        required=True,
        validate=validate.Regexp(NAME, error=ErrorCode.GATEWAY_NAME()),
        metadata={
            "description": "Lower-case letters, digits and hyphens. Permanent: the ledger has it.",
            "pattern": "^[a-z0-9][a-z0-9-]{0,39}$",
            "example": "infobip-2",
        },
    )
    provider = PlainText(
        required=True, metadata={"description": "One of `listProviders`.", "enum": [*PROVIDERS], "example": "gonets"}
    )
    credentials = Texts(
        metadata={"description": "The provider's secret fields, by name.", "example": {"token": "…"}},
    )

    def __init__(self) -> None:
        super().__init__(partial=EDITABLE)


class CallbackAddressesSchema(ResponseSchema):
    """The addresses that a provider calls. They contain a secret: a person who knows one can report deliveries."""

    receipt_url = string(
        "For receipts; null if there is none.", "https://sms.example.com/v1/receipt/infobip-2/…", allow_none=True
    )
    inbound_url = string(
        "For the messages of recipients; null if there is none.",
        "https://sms.example.com/v1/inbound/infobip-2/…",
        allow_none=True,
    )
    reason = string("Why one of them is null; null if none is.", None, allow_none=True)
    signs = boolean("Whether the provider signs, so that a callback without a valid signature is refused.", True)


class GatewayTestBody(RequestSchema):
    """A message that is sent through one gateway, to see whether it works."""

    phone_number = WrittenPhoneNumber(
        doubtful=True, required=True, metadata={"description": "The phone number of a client.", "example": 79161234567}
    )
    text = PlainText(
        required=True,
        validate=[validate.Length(min=1, error=ErrorCode.BLANK()), MaxLength(MAX_TEXT)],
        metadata={"description": "The text.", "pattern": NO_NUL, "example": "A test"},
    )


class GatewayTestSchema(ResponseSchema):
    """The test of a gateway: a mailing with one message."""

    mailing_id = int64("The mailing of the test.", 7)
    message_id = int64("Its message: what became of it.", 7)


class AccountFieldSchema(ResponseSchema):
    """A field of a provider's accounts."""

    name = string("Its key in `options` or `credentials`.", "token")
    label = string("Its label in English.", "Token")
    secret = boolean("Whether it is one of the `credentials`.", True)
    required = boolean("Whether it is needed.", True)
    default = string("Its default.", "")
    choices = strings("Its only values; any, if there are none.")
    multiline = boolean("Whether it may have several lines.", False)


class CapabilitiesSchema(ResponseSchema):
    """What a provider supports."""

    deduplicates = boolean("A repeat with the same id is not delivered twice.", False)
    looks_up = boolean("It can be asked for a message by our id.", False)
    reference = boolean("It takes our id of a message.", True)
    batch = integer("Messages of one submission at most.", 1)
    receipts = boolean("It reports deliveries.", False)
    polls = boolean("It can be asked for deliveries.", False)
    inbound = boolean("It forwards the messages of recipients.", False)
    signs = boolean("It signs its callbacks, if the account has what is needed to check that.", True)
    max_text = integer("Characters of a text at most.", 1600, allow_none=True)


class ProviderSchema(ResponseSchema):
    """A provider whose contract a gateway can implement."""

    name = string("Its key.", "gonets")
    title = string("Its own name.", "Gonets")
    address = string("Its public address; empty if every account has its own.", "")
    sender_required = boolean("Whether a sender id is needed.", False)
    fields_ = objects(AccountFieldSchema, "The other fields of an account.", data_key="fields", attribute="fields")
    capabilities = nested(CapabilitiesSchema, "What it supports.")
