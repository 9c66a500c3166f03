"""The estimate of a mailing as JSON."""

from __future__ import annotations

import marshmallow as ma

from api.clients.schemas import ClientSchema
from api.gateways.schemas import Price
from api.http.fields import ObjectOrNull
from api.http.response_fields import boolean, choice, instant, int64, integer, nested, objects, string, strings
from api.http.schemas import ResponseSchema, WarningSchema
from api.mailings.audience_count import COUNT_LIMIT
from api.mailings.capped_clients import COUNT_LIMIT as CAPPED_LIMIT
from api.mailings.rule_effects import SHOWN_ZONES
from api.mailings.schemas import MailingBody
from shared.domain.text_segments import Encoding


class PlanBody(MailingBody):
    """The fields of a mailing that is being written, all optional."""

    def __init__(self) -> None:
        super().__init__(partial=True)


class NonGsmCharacterSchema(ResponseSchema):
    """The character because of which the text needs UCS-2."""

    character = string("The character.", "П")
    name = string("Its name in Unicode.", "CYRILLIC CAPITAL LETTER PE")
    position = integer("Counted from 1.", 1)


class SegmentsSchema(ResponseSchema):
    """The segments that one text is sent as."""

    encoding = choice(Encoding, "GSM 7-bit, or UCS-2 if a character is not in the GSM alphabet.", "ucs2")
    characters = integer("Number of characters in the text.", 7)
    units = integer("Septets (GSM), or UTF-16 code units (UCS-2), of the text.", 7)
    count = integer("Segments: of 160 septets or 70 units, or of 153 or 67 if several.", 1)
    left = integer("Units until another segment is needed.", 63)
    forced_by = ObjectOrNull(
        NonGsmCharacterSchema(), "The first character that is not in the GSM alphabet; null if all are."
    )


class LookAlikeSchema(ResponseSchema):
    """A character that is not in the GSM alphabet, and looks like one that is."""

    character = string("The character, with its combining marks.", "а")
    name = string("Its name in Unicode.", "CYRILLIC SMALL LETTER A")
    position = integer("Counted from 1.", 2)
    replacement = string("What looks like it; empty for a character that is not seen.", "a")


class MessagesBySegmentsSchema(ResponseSchema):
    """How many messages have a number of segments."""

    segments = integer("Segments of one message.", 1)
    messages = int64("Messages of so many segments.", 78)


class ExampleSchema(ResponseSchema):
    """The text for one client."""

    client_id = int64("Whom it is for.", 7)
    text = string("The text.", "Hello, Maria!")
    segments = integer("Its segments.", 1)


class UnsentTextsSchema(ResponseSchema):
    """Clients who get no message, since there is no text for them that can be sent."""

    clients = int64("How many there are.", 3)
    first_clients = ma.fields.List(
        ma.fields.Integer(metadata={"format": "int64"}),
        required=True,
        metadata={"description": "The ids of up to 5 of them.", "example": [7, 12, 40]},
    )


class MissingSchema(UnsentTextsSchema):
    """Clients who get no message, since they have no value of a field."""

    field = string("The field.", "name")


class DistributionSchema(ResponseSchema):
    """The texts that a template makes for the clients of the audience."""

    is_sample = boolean("Whether the counts are estimated from a sample of the audience.", False)
    sample_size = int64("The texts that were made to count them.", 100)
    timed_out = boolean("Whether fewer were made than would have been, since that took too long.", False)
    by_segments = objects(MessagesBySegmentsSchema, "Messages by their number of segments, the fewest segments first.")
    ucs2 = int64("Messages that need UCS-2.", 0)
    longest = ObjectOrNull(ExampleSchema(), "The longest text; null if there is none.")
    shortest = ObjectOrNull(ExampleSchema(), "The shortest text; null if there is none.")
    missing = objects(MissingSchema, "Fields of which clients have no value, those that most clients lack first.")
    too_long = nested(UnsentTextsSchema, "Clients for whom the text is too long for a message, or for its gateway.")
    empty = nested(UnsentTextsSchema, "Clients for whom the text is empty.")


class CostSchema(ResponseSchema):
    """A cost in one currency."""

    cost = Price(required=True, metadata={"description": "A decimal number.", "example": "4.50"})
    currency = string("Its currency.", "EUR")


class ShareSchema(ResponseSchema):
    """The share of a mailing that one gateway gets."""

    gateway = string("The gateway's name.", "default")
    messages = int64("Its messages.", 100)
    segments = int64("Their segments.", 100)
    cost = Price(required=True, metadata={"description": "Their cost; null if the price is not known."})
    currency = string("The currency of the cost.", "EUR", allow_none=True)


class ExcludedSchema(ResponseSchema):
    """An excluded segment."""

    segment_id = int64("Its id.", 8)
    clients = int64("Clients of the audience whom it leaves out.", 12)


class CappedClientsSchema(ResponseSchema):
    """Clients who have had as many messages as the caps allow, as things are now."""

    clients = int64("Those who are at a cap when it starts.", 12)
    exact = boolean(f"Whether all clients were looked at; otherwise {CAPPED_LIMIT:,} stand for all.", True)
    half_free_at = instant("When half of them can get a message; null if there are none.", allow_none=True)
    all_free_at = instant("When the last of them can get a message; null if there are none.", allow_none=True)


class ZoneOpeningSchema(ResponseSchema):
    """The clients of an audience in one time zone."""

    timezone = string("Its name.", "Europe/Moscow")
    clients = int64("Clients who have it.", 100)
    opens_at = instant(
        "When their local window opens first; null if not before the end.", "2026-06-02T06:00:00.000Z", allow_none=True
    )


class LocalTimesSchema(ResponseSchema):
    """The local window of a mailing in the time zones of its audience."""

    zones = objects(ZoneOpeningSchema, f"The known time zones, {SHOWN_ZONES} at most, those with most clients first.")
    last_at = instant(
        "When the local window opens for those for whom it opens last; null if for nobody.",
        "2026-06-02T18:00:00.000Z",
        allow_none=True,
    )
    no_time = int64("Clients for whom it does not open before the end: they get no message.", 0)
    unknown_timezone = int64("Clients whose time zone is not known.", 0)
    default_timezone = string("The time zone that counts for them; null: they get no message.", None, allow_none=True)


class PlanSchema(ResponseSchema):
    """The estimate of a mailing."""

    audience = int64("Clients that would get it now.", 100)
    audience_is_exact = boolean(
        f"Whether it was counted, not estimated: up to {COUNT_LIMIT:,}; a segment, "
        "unless that takes longer than `SEGMENT_TIMEOUT`.",
        True,
    )
    left_out = int64("Clients that its mark matches, and who are left out by `exclude_unknown_after`.", 0)
    excluded = objects(ExcludedSchema, "The excluded segments. A client whom several leave out is counted in each.")
    sample = objects(ClientSchema, "A few of them, the oldest first.")
    similar_tags = strings("Tags of other clients that differ from its mark only in upper and lower case.", ["VIP"])
    segments = nested(SegmentsSchema, "The segments of one message; of a template, those of its longest text.")
    distribution = ObjectOrNull(
        DistributionSchema(), "The texts for the clients of the audience; null for a plain text."
    )
    lookalikes = objects(
        LookAlikeSchema,
        "The characters that make the text UCS-2, if it would be GSM 7-bit without them; otherwise only those that "
        "are not seen.",
    )
    replaced_text = string("The text with all of them replaced; null if there are none.", None, allow_none=True)
    total_segments = int64("Segments of all messages.", 100)
    cost = ma.fields.Decimal(
        as_string=True,
        required=True,
        allow_none=True,
        metadata={
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)?$",
            "description": "A decimal number; null when a price is not known, or prices are in several currencies. A "
            "gateway without a price of its own has `PRICE_PER_SEGMENT`.",
            "example": "4.50",
        },
    )
    currency = string("Currency of the cost.", "EUR")
    costs = objects(CostSchema, "The cost in each currency, of the gateways whose price is known.")
    shares = objects(ShareSchema, "The gateways that would get its messages now, the largest share first.")
    seconds_needed = ma.fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "At `GATEWAY_RATE`, shared with the mailings that run; null when that is not set.",
            "example": 10.0,
        },
    )
    other_mailings = integer("Running mailings that will not have finished when it starts.", 1)
    other_messages = int64("Messages that these will still have to send then.", 1000)
    over_cap = ObjectOrNull(
        CappedClientsSchema(), "Clients who are at a cap; null without caps, and for what caps do not count."
    )
    local_times = ObjectOrNull(
        LocalTimesSchema(),
        "Its local window in the time zones of the audience; null without one, without an end, for a change of a "
        "mailing, and if counting took too long.",
    )
    suppressed = int64(
        "Clients of the audience whose numbers must not get it; null if counting took too long.", 0, allow_none=True
    )
    without_consent = int64(
        "Clients of the audience who have not consented; null if it requires no consent, and if counting took too "
        "long.",
        None,
        allow_none=True,
    )
    warnings = objects(
        WarningSchema,
        "`no_window`, `window_closed`, `window_too_short`, `nobody_matches`, `case_differs`, `no_local_time`, "
        "`timezone_unknown`, `missing_values`, `too_long`, `empty_texts`, `forced_ucs2`, `over_cap`, "
        "`over_spending_limit`, `spending_unknown`: check before sending.",
    )
