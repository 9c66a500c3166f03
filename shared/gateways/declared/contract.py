"""A declared contract: how a provider is called, and what its answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from shared.domain.delivery import UndeliveredReason
from shared.gateways.base import CallbackAnswer, Capabilities, LookUp
from shared.gateways.callbacks import Meaning as DeliveryMeaning
from shared.gateways.declared.answers import JsonPath, Places
from shared.gateways.declared.signatures import SignatureContract
from shared.gateways.declared.templates import Template
from shared.gateways.declared.times import TimeFormat
from shared.gateways.http_statuses import Meaning

ANY_CODE = "*"
"""The key of a status' meaning for every code that has no meaning of its own, and for none."""


class BodyKind(StrEnum):
    """Where the fields of a request stand."""

    FORM = "form"
    JSON = "json"
    QUERY = "query"


class BodyFormat(StrEnum):
    """What a body is that a provider sends to us. `query` is none: the fields stand in the address."""

    FORM = "form"
    JSON = "json"
    QUERY = "query"
    TEXT = "text"


JsonField = Template | int | bool | list["JsonField"] | dict[str, "JsonField"]
"""A field of a JSON body. In forms and queries, fields are templates."""


@dataclass(frozen=True, slots=True)
class RequestContract:
    """A request."""

    method: str
    path: Template
    body: BodyKind
    fields: Mapping[str, JsonField]


@dataclass(frozen=True, slots=True)
class AnswerContract:
    """Where the facts stand in an answer; nowhere, if a tuple is empty."""

    is_json: bool
    id: Places = ()
    """The provider's id of the message."""
    code: Places = ()
    message: Places = ()
    phone: Places = ()
    """The recipient's number: an answer with another one is not about our message."""
    reference: Places = ()
    """Our id: the same."""
    retry_after: Places = ()
    """Seconds to wait."""
    segments: Places = ()
    price: Places = ()


M = TypeVar("M", Meaning, LookUp)


@dataclass(frozen=True, slots=True)
class Meanings(Generic[M]):
    """What codes and statuses mean."""

    by_code: Mapping[str, M]
    by_status: Mapping[int, Mapping[str, M]]
    """By the status, and then by the code; ANY_CODE for all others."""

    def of_code(self, status: int, code: str | None) -> M | None:
        """The meaning of a code, with this status or with any."""
        if code is None:
            return None
        return self.by_status.get(status, {}).get(code) or self.by_code.get(code)

    def of_status(self, status: int) -> M | None:
        """The meaning of a status whose code says nothing."""
        return self.by_status.get(status, {}).get(ANY_CODE)


@dataclass(frozen=True, slots=True)
class LookUpContract:
    """How a message is looked up at the provider by our id."""

    after: float
    """As `AdapterWithLookUp.look_up_after`."""
    within: float
    """As `AdapterWithLookUp.look_up_within`."""
    request: RequestContract
    answer: AnswerContract
    meanings: Meanings[LookUp]


@dataclass(frozen=True, slots=True)
class EntriesContract:
    """Where the entries of a callback, or of the answer to a poll, stand, and the facts in each."""

    format: BodyFormat
    each: JsonPath | None
    """The path to all entries in JSON; without it the whole body is one."""
    places: Mapping[str, Places]
    times: TimeFormat


@dataclass(frozen=True, slots=True)
class ReceiptsContract:
    """How deliveries are reported."""

    entries: EntriesContract
    by_status: Mapping[str, DeliveryMeaning]
    """ANY_CODE for all others."""
    reasons: Mapping[str, UndeliveredReason]
    """By the code of an undelivered message: a better reason than that of its status."""
    answer: CallbackAnswer
    """What the provider takes for a success."""
    message_in_url: bool
    """Our id stands in the address that is called."""


@dataclass(frozen=True, slots=True)
class InboundContract:
    """How messages of recipients are forwarded."""

    entries: EntriesContract
    answer: CallbackAnswer


@dataclass(frozen=True, slots=True)
class PollContract:
    """How the provider is asked for the delivery of a message."""

    request: RequestContract
    receipts: ReceiptsContract
    """In its answer."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A provider's contract."""

    credentials: tuple[str, ...]
    headers: Mapping[str, Template]
    basic: tuple[Template, Template] | None
    """User and password."""
    request: RequestContract
    answer: AnswerContract
    meanings: Meanings[Meaning]
    capabilities: Capabilities
    look_up: LookUpContract | None
    receipts: ReceiptsContract | None
    inbound: InboundContract | None
    poll: PollContract | None
    signature: SignatureContract | None
