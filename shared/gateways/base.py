"""The interface of adapters: their input, their results, and the capabilities that they declare.

An adapter turns a message into a submission, and a provider's response into a result. It uses no socket and no clock,
so the API can read callbacks with the same module that the worker submits with. One provider is one module with a
`PROVIDER`; shared/gateways/registry.py lists them. docs/gateways.md says how to write one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from shared.domain.reasons import Reason
from shared.domain.results import Result

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
    """It reports deliveries later."""
    inbound: bool = False
    """It forwards the messages of recipients."""
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
        """How many segments of a text the provider counts and charges."""

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
