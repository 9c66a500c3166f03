"""What adapters have in common that read callbacks: forms, JSON, times, codes of undelivered messages, signatures."""

from __future__ import annotations

import enum
import hmac
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.gateways.answer_fields import Fields, digits_of, fields_of, id_of, line_of, segments_in
from shared.gateways.base import (
    MESSAGE_PARAMETER,
    Account,
    Callback,
    CallbackRejectedError,
    InboundPart,
    Receipt,
    SentMessage,
    pairs_in,
)
from shared.gateways.http_statuses import json_object
from shared.gateways.sanitize import redact, shorten

Entry = TypeVar("Entry")
One = TypeVar("One", Receipt, InboundPart)

MAX_AGE = timedelta(minutes=10)
"""A signed time that is further from ours is too old, or from the future: the callback may have been recorded and
repeated by somebody else. (A provider signs each of its own repeats anew.)"""

LONGEST_NUMBER = 60
"""Characters of a phone number or sender id, as a provider writes it."""

LONGEST_CODE = 100
"""Characters of a code of a delivery."""


class Meaning(enum.Enum):
    """The meaning of a provider's status or code of a delivery."""

    _value_: tuple[ReceiptState, UndeliveredReason | None]

    ON_ITS_WAY = (ReceiptState.ACCEPTED, None)
    DELIVERED = (ReceiptState.DELIVERED, None)
    NOT_KNOWN = (ReceiptState.UNKNOWN, None)
    EXPIRED = (ReceiptState.UNDELIVERED, UndeliveredReason.EXPIRED)
    BLOCKED = (ReceiptState.UNDELIVERED, UndeliveredReason.BLOCKED)
    UNKNOWN_SUBSCRIBER = (ReceiptState.UNDELIVERED, UndeliveredReason.UNKNOWN_SUBSCRIBER)
    OPTED_OUT = (ReceiptState.UNDELIVERED, UndeliveredReason.OPTED_OUT)
    REJECTED = (ReceiptState.UNDELIVERED, UndeliveredReason.REJECTED)
    OTHER = (ReceiptState.UNDELIVERED, UndeliveredReason.OTHER)

    @property
    def state(self) -> ReceiptState:
        return self._value_[0]

    @property
    def reason(self) -> UndeliveredReason | None:
        """Of an undelivered one."""
        return self._value_[1]


def meaning_and_code(
    statuses: Mapping[str, Meaning], codes: Mapping[str, Meaning], status: str, code: str
) -> tuple[Meaning, str]:
    """The meaning of a status, and the code that stands for it: of a failure the provider's code, if it has one.

    The code of a failure says more than its status. A status that is not documented decides nothing. Raises ValueError
    if there is none.
    """
    if not status:
        raise ValueError("The receipt has no status.")
    meaning = statuses.get(status, Meaning.ON_ITS_WAY)
    if meaning.state is not ReceiptState.UNDELIVERED:
        return meaning, status
    return codes.get(code, meaning), code or status


def receipt_url_of(account: Account) -> str:
    """The start of an address for receipts, to which our id of the message is appended; empty if there is none."""
    return account.receipt_url and f"{account.receipt_url}?{MESSAGE_PARAMETER}="


def polled_id_in(messages: Iterable[SentMessage], form: str | re.Pattern[str]) -> str | None:
    """The provider's id of the message to ask for, where a request is about one message.

    None if no id is known that has the form of the provider's ids: another text could change the request.
    """
    ids = (message.provider_message_id or "" for message in messages)
    return next((provider_id for provider_id in ids if re.fullmatch(form, provider_id)), None)


def callback_secrets(account: Account) -> tuple[str, ...]:
    """What must not be shown of the address for receipts: the token, which is its last part."""
    return (account.receipt_url.rpartition("/")[2],) if account.receipt_url else ()


def pairs_of(callback: Callback) -> list[tuple[str, str]]:
    """The fields of a form, or of the query if there is no body, in their order. Raises ValueError for what is
    neither."""
    if not callback.body:
        return callback.query
    try:
        text = callback.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("The body is not UTF-8.") from error
    return list(pairs_in(text))


def form_of(callback: Callback) -> dict[str, str]:
    """The same by their names. Of a field that occurs twice, the last one counts."""
    return dict(pairs_of(callback))


def json_of(callback: Callback) -> Fields:
    """The object of a JSON body. Raises ValueError for anything else."""
    payload = json_object(callback.body)
    if payload is None:
        raise ValueError("The body is not a JSON object.")
    return fields_of(payload)


def time_of(text: object, *formats: str) -> datetime | None:
    """A time by ISO 8601, or by one of the formats of `strptime`; None for anything else.

    Without an offset it is taken for UTC: a provider whose times are local needs a format with an offset of its own.
    """
    if not isinstance(text, str) or len(text) > 40:
        return None
    for form in (None, *formats):
        try:
            read = datetime.fromisoformat(text) if form is None else datetime.strptime(text, form)  # noqa: DTZ007
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def unix_time_of(value: object) -> datetime | None:
    """A time in seconds since 1970, as a number or as text; None for anything else."""
    try:
        return datetime.fromtimestamp(float(value), UTC) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError, OSError):
        return None


def all_readable(entries: Iterable[Entry], read: Callable[[Entry], One]) -> list[One]:
    """What can be read. One entry that cannot does not keep the others away; if none can be, raises ValueError."""
    found: list[One] = []
    mistakes = []
    for entry in entries:
        try:
            found.append(read(entry))
        except ValueError as mistake:
            mistakes.append(mistake)
    if mistakes and not found:
        raise mistakes[0]
    return found


def check_signature(expected: str | bytes, given: str | None) -> None:
    """Compares in constant time. Raises CallbackRejectedError if the signature is missing or another one."""
    wanted = expected.encode() if isinstance(expected, str) else expected
    if given is None or not hmac.compare_digest(wanted, given.encode("utf-8", "surrogateescape")):
        raise CallbackRejectedError("The signature is missing or wrong.")


def check_age(signed_at: datetime | None, callback: Callback, max_age: timedelta = MAX_AGE) -> None:
    """Raises CallbackRejectedError if the signed time is missing, or further than `max_age` from the callback's."""
    if signed_at is None or abs(callback.received_at - signed_at) > max_age:
        raise CallbackRejectedError("The signature is too old.")


def receipt_of(
    meaning: Meaning,
    *,
    message_id: int | None = None,
    provider_message_id: object = None,
    code: object = None,
    words: object = None,
    at: datetime | None = None,
    part: object = None,
    parts: object = None,
    recipient: object = None,
    secrets: Collection[str] = (),
) -> Receipt:
    """A receipt of values as a provider wrote them. `secrets` and the recipient's number are masked in its words.

    Raises ValueError if it names neither of the two ids.
    """
    theirs = id_of(provider_message_id)
    if message_id is None and theirs is None:
        raise ValueError("The receipt names no message.")
    number = number_of(recipient)
    masked = (*secrets, digits_of(number))
    return Receipt(
        state=meaning.state,
        message_id=message_id,
        provider_message_id=theirs,
        reason=meaning.reason,
        code=shorten(redact(line_of(code), masked), LONGEST_CODE) or None,
        words=redact(line_of(words), masked) or None,
        at=at,
        part=id_of(part),
        parts=segments_in(parts),
        recipient=number or None,
    )


def inbound_of(
    *,
    sender: object,
    recipient: object,
    text: object,
    provider_message_id: object = None,
    at: datetime | None = None,
    reference: object = None,
    part: object = None,
    parts: object = None,
) -> InboundPart:
    """An inbound message of values as a provider wrote them. It is a whole one unless all that is about parts fits
    together.

    Raises ValueError if it has no sender or no text.
    """
    from_number = number_of(sender)
    if not from_number:
        raise ValueError("The message names no sender.")
    if not isinstance(text, str):
        raise ValueError("The message has no text.")  # noqa: TRY004 - what a provider wrote is a value
    common, number, count = id_of(reference), segments_in(part), segments_in(parts)
    whole = common is None or number is None or count is None or number > count or count == 1
    return InboundPart(
        sender=from_number,
        recipient=number_of(recipient),
        text=stored_text(text),
        provider_message_id=id_of(provider_message_id),
        at=at,
        reference=None if whole else common,
        part=1 if whole else number or 1,
        parts=1 if whole else count or 1,
    )


def number_of(value: object) -> str:
    """A phone number or a sender id as the provider wrote it; empty if it is no printable line of LONGEST_NUMBER
    characters."""
    line = line_of(value).strip()
    return line if len(line) <= LONGEST_NUMBER and line.isprintable() else ""


def stored_text(text: str) -> str:
    """The text as PostgreSQL can store it: U+FFFD stands for NUL and for half characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")
