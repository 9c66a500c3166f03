"""The interface of adapters: their input, their results, and the capabilities that they declare.

An adapter turns a message into a submission, and a provider's response into a result. It uses no socket and no clock,
so the API can read callbacks with the same module that the worker submits with. One provider is one module with a
`PROVIDER`; shared/gateways/registry.py lists them. docs/gateways.md says how to write one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl

from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.reasons import Reason
from shared.domain.results import Result
from shared.domain.text_segments import count_segments

DEFAULT_GATEWAY = "default"
"""The name of the gateway that GATEWAY_URL and GATEWAY_TOKEN describe."""

DEFAULT_GATEWAY_ID = 1
"""Its id in the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider supports. By default, nothing."""

    deduplicates: bool = False
    """A repeat with the same id is not delivered twice."""
    looks_up: bool = False
    """The status of a submission can be looked up by our id: the adapter is an `AdapterWithLookUp`."""
    reference: bool = False
    """It accepts our id of the message, and returns it."""
    batch: int = 1
    """Messages in one submission at most."""
    receipts: bool = False
    """It reports deliveries later: the adapter is an `AdapterWithReceipts`."""
    polls: bool = False
    """It can be asked for deliveries: the adapter is an `AdapterWithPolling`."""
    inbound: bool = False
    """It forwards the messages of recipients: the adapter is an `AdapterWithInbound`."""
    signs: bool = False
    """It signs its callbacks, if the account has what is needed to check that."""
    max_text: int | None = None
    """Characters of a text at most; None when the contract names no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at a provider, as an administrator entered it."""

    address: str
    """The base URL, without a slash at its end."""
    sender: str = ""
    """The sender id that recipients see: a number or a name; empty where the account has a default."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By the names of the provider's secret fields."""
    options: Mapping[str, str] = field(default_factory=dict)
    """By the names of the provider's other fields; those with a default are always there."""
    receipt_url: str = field(default="", repr=False)
    """Where the provider is to report deliveries; empty if it is not told with each message. It contains a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountField:
    """A field of a provider's accounts, beside the address and the sender id."""

    name: str
    label: str
    """In English, for forms and the documentation."""
    secret: bool = False
    """Stored encrypted and never shown; a credential."""
    required: bool = True
    default: str = ""
    choices: tuple[str, ...] = ()
    """The only values that are accepted; any, if there are none."""
    multiline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider whose contract an adapter implements."""

    name: str
    """The key in the database and the API: lower-case letters and digits."""
    title: str
    """As the provider writes itself."""
    make: Callable[[Account], Adapter]
    """A new adapter for an account. Raises ConfigurationError, which names the field, for a wrong value."""
    capabilities: Capabilities
    address: str = ""
    """The public address of its API; empty if every account has its own."""
    sender_required: bool = True
    fields: tuple[AccountField, ...] = ()
    count_segments: Callable[[str], int] = count_segments
    """What `Adapter.segments` says, without an account."""
    max_segments: int | None = None
    """Segments of a text at most; None when the contract names no limit."""
    max_segments_option: str = ""
    """The option of an account that has the number, where accounts differ."""


class OutgoingMessage(Protocol):
    """The fields of a message that an adapter reads."""

    @property
    def message_id(self) -> int: ...

    @property
    def phone_number(self) -> int: ...

    @property
    def text(self) -> str: ...


class Submission(NamedTuple):
    """A request about one message, with the credentials."""

    method: str
    path: str
    """Appended to the account's address, query included; begins with a slash. ASCII, percent-encoded."""
    headers: Mapping[str, str]
    """The same object for every message of an account, so that headers are prepared only once."""
    body: bytes
    """Empty if the method has none."""
    secrets: tuple[str, ...]
    """Parts of the request that must not be shown or logged: the text, the phone number, credentials."""


class Response(Protocol):
    """A provider's response over HTTP."""

    @property
    def status(self) -> int | None: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...

    @property
    def received_at(self) -> datetime:
        """By our clock. Used for a date in a response that has no Date header."""


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """The result of one submission, independent of the provider's contract."""

    result: Result
    code: str | None = None
    """The provider's code as text: an HTTP status, or a code of its contract. None without a response."""
    reason: Reason | None = None
    provider_message_id: str | None = None
    retry_after: float | None = None
    """Seconds to wait, if the provider throttled and gave a time."""
    not_understood: bool = False
    """A response that is no error but does not follow the contract. Most likely the message was accepted."""
    perhaps_recipient: bool = False
    """The refusal of our account may concern this recipient alone, and is final then."""
    perhaps_duplicate: bool = False
    """The refusal means that the provider already has the message, if an earlier submission may have reached it."""
    segments: int | None = None
    """Segments that the provider counted, if it said so."""
    price: Decimal | None = None
    """The price that the provider named, in the currency of the account."""

    @property
    def answered(self) -> bool:
        """Whether there was a response."""
        return self.code is not None

    @property
    def words(self) -> str | None:
        """The message of the provider or the system."""
        words = self.reason.parameters.get("words") if self.reason else None
        return None if words is None else str(words)

    def log_fields(self) -> dict[str, str | None]:
        """The fields of a log record."""
        return {
            "result": self.result.value,
            "provider_code": self.code,
            "reason_code": self.reason and self.reason.code.value,
            "detail": self.reason and self.reason.sentence,
        }


class LookUp(enum.StrEnum):
    """What a provider says about a submission whose response was lost."""

    FOUND = "found"
    """It has the message."""
    REFUSED = "refused"
    """It had the message and refused it."""
    NOT_FOUND = "not_found"
    """It does not have the message: the submission never arrived."""
    UNCLEAR = "unclear"
    """The response does not say."""


@dataclass(frozen=True, slots=True)
class LookUpResult:
    """The result of a look-up."""

    outcome: LookUp
    code: str | None = None
    """The provider's code as text."""
    reason: Reason | None = None
    provider_message_id: str | None = None


class Adapter(Protocol):
    """One provider's contract, for one account."""

    capabilities: Capabilities

    def segments(self, text: str) -> int:
        """How many segments of a text the provider counts and charges: by default, as a phone network splits it."""
        return count_segments(text)

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The submission of a message; the result, if it cannot be submitted at all.

        The same message always gives the same body, byte for byte.
        """

    def read(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of the response to the submission of a message. Raises ValueError if it has no status.

        An answer that names another id or another recipient is not understood. `secrets` are masked in the stored part
        of the provider's message.
        """


class AdapterWithLookUp(Adapter, Protocol):
    """The contract of a provider that can be asked for a message by our id."""

    look_up_after: float
    """Seconds after an ambiguous attempt from which a message that is not found was certainly not taken."""
    look_up_within: float
    """Seconds after an ambiguous attempt until which the provider still knows; infinite if it never forgets."""

    def prepare_look_up(self, message: OutgoingMessage) -> Submission | None:
        """The request that asks for a message; None if this message cannot be asked for."""

    def read_look_up(self, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()) -> LookUpResult:
        """The meaning of its response; `UNCLEAR` if that names another id or another recipient."""


MESSAGE_PARAMETER = "message"
"""The name of our id in the query of `Account.receipt_url`, for providers that return no reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A request of a provider to us."""

    method: str
    url: str
    """The whole address that the provider has called, as it wrote it: some signatures cover it."""
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    received_at: datetime
    """By our clock: a signature may be too old."""

    @property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the address. Raises ValueError if they are not UTF-8, or too many."""
        return list(pairs_in(self.url.partition("?")[2]))

    @property
    def message_id(self) -> int | None:
        """Our id in the query, for addresses that were made with MESSAGE_PARAMETER."""
        return message_id_of(dict(self.query).get(MESSAGE_PARAMETER))


MAX_FIELDS = 200
"""Fields of a form or query at most."""


@lru_cache(maxsize=16)
def pairs_in(text: str) -> Sequence[tuple[str, str]]:
    """The fields of a form or query. Raises ValueError if they are not UTF-8, or too many.

    The last few are remembered: an adapter reads a callback more than once, for its signature and for what it says.
    """
    return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)


def message_id_of(text: object) -> int | None:
    """Our id of a message as a provider returned it; None if it cannot be one."""
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= 18:
        return int(text) or None
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a provider says later about a message, or a part of one, that it accepted."""

    state: ReceiptState
    message_id: int | None = None
    """Our id, if the provider returned it."""
    provider_message_id: str | None = None
    """Its id, as its answer to the submission named it. One of the two ids is needed."""
    reason: UndeliveredReason | None = None
    """For an undelivered one, and then never None."""
    code: str | None = None
    """The provider's own code or status, as text of at most 100 characters."""
    words: str | None = None
    """The provider's own words: one printable line."""
    at: datetime | None = None
    """When it happened, as the provider says, with an offset; None if it does not say it."""
    part: str | None = None
    """The part that it is about, if there is a receipt for each: its number, or the provider's id of it."""
    parts: int | None = None
    recipient: str | None = None
    """The recipient's phone number, as the provider wrote it, to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundPart:
    """A message of a recipient to us, or a part of a long one."""

    sender: str
    """The phone number as the provider wrote it."""
    recipient: str
    """Our number or sender id that it was sent to; empty if the provider does not say."""
    text: str
    provider_message_id: str | None = None
    """Unique within the account. A repeated callback has the same one."""
    at: datetime | None = None
    """When it was sent, as the provider says."""
    reference: str | None = None
    """What the parts of one message have in common; None for a whole message."""
    part: int = 1
    parts: int = 1


class CallbackRejectedError(Exception):
    """A callback that the provider did not make: its signature is missing, wrong or too old."""


class CallbackAnswer(NamedTuple):
    """The answer that a provider takes for a success."""

    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    status: int = 200


class AdapterWithReceipts(Adapter, Protocol):
    """The contract of a provider that reports deliveries."""

    receipt_answer: CallbackAnswer

    def read_receipts(self, callback: Callback) -> list[Receipt]:
        """The receipts of a callback; none, if it is about something else.

        Raises CallbackRejectedError if it is not signed as the account demands, and ValueError with a short sentence if
        it does not follow the contract.
        """


class AdapterWithInbound(Adapter, Protocol):
    """The contract of a provider that forwards the messages of recipients."""

    inbound_answer: CallbackAnswer

    def read_inbound(self, callback: Callback) -> list[InboundPart]:
        """The messages of a callback. Raises as `read_receipts`."""


class SentMessage(NamedTuple):
    """A message whose delivery a provider is asked for."""

    message_id: int
    phone_number: int
    provider_message_id: str | None


class AdapterWithPolling(Adapter, Protocol):
    """The contract of a provider that can be asked for deliveries."""

    poll_limit: int
    """Messages in one request at most."""

    def prepare_poll(self, messages: Collection[SentMessage]) -> Submission | None:
        """The request that asks for the deliveries of messages; None if none of them can be asked for."""

    def read_poll(self, response: Response) -> list[Receipt]:
        """The receipts of its response. Raises ValueError if it does not follow the contract."""
