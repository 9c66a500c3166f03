"""The interface of adapters: their input, their results, and the capabilities that they declare.

An adapter turns a message into a submission, and a provider's response into a result. It uses no socket and no clock,
so the API can read callbacks with the same module that the worker submits with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from shared.domain.reasons import Reason
from shared.domain.results import Result

DEFAULT_GATEWAY = "default"
"""The name of the gateway that GATEWAY_URL and GATEWAY_TOKEN describe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider supports. By default, nothing."""

    deduplicates: bool = False
    """A repeat with the same id is not delivered twice."""
    looks_up: bool = False
    """The status of a submission can be looked up by our id."""
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


class OutgoingMessage(Protocol):
    """The fields of a message that an adapter reads."""

    @property
    def message_id(self) -> int: ...

    @property
    def phone_number(self) -> int: ...

    @property
    def text(self) -> str: ...


class Submission(NamedTuple):
    """A request for one message, without the credentials, which the sender adds."""

    method: str
    path: str
    """Appended to the gateway's address; begins with a slash."""
    headers: Mapping[str, str]
    """The same object for every message, so that headers are prepared only once."""
    body: bytes
    secrets: tuple[str, ...]
    """Parts of the body that must not be shown or logged: the text, the phone number."""


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


class Adapter(Protocol):
    """One provider's contract."""

    capabilities: Capabilities

    def prepare(self, message: OutgoingMessage) -> Submission | SubmitResult:
        """The submission of a message; the result, if it cannot be submitted at all.

        The same message always gives the same body, byte for byte.
        """

    def read(self, response: Response, secrets: Collection[str] = ()) -> SubmitResult:
        """The result of a response. `secrets` are masked in the stored part of the provider's message."""
