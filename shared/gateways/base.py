"""What every adapter has in common: what it is given, what it returns, and what it declares.

An adapter turns a message into a submission, and a provider's response into a result. It knows no socket and no clock,
so the worker submits with the module that the API may read callbacks with.
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
    """What a provider can do. What is not said it cannot."""

    deduplicates: bool = False
    """A repeat with the same id is not delivered twice."""
    looks_up: bool = False
    """It tells what became of a submission, asked by our id."""
    reference: bool = False
    """It takes our id of the message, and gives it back."""
    batch: int = 1
    """Messages that one submission may carry."""
    receipts: bool = False
    """It reports deliveries later."""
    inbound: bool = False
    """It passes on what recipients write."""
    max_text: int | None = None
    """Characters of a text at most; None when the contract names no limit."""


class OutgoingMessage(Protocol):
    """What an adapter needs to know of a message."""

    @property
    def message_id(self) -> int: ...

    @property
    def phone_number(self) -> int: ...

    @property
    def text(self) -> str: ...


class Submission(NamedTuple):
    """A request for one message, without the credentials, which whoever sends it adds."""

    method: str
    path: str
    """Appended to the gateway's address; begins with a slash."""
    headers: Mapping[str, str]
    """The same object for every message, so that it is prepared once."""
    body: bytes
    secrets: tuple[str, ...]
    """What of it must not be shown or logged: the text, the phone number."""


class Response(Protocol):
    """What a provider has answered, over HTTP."""

    @property
    def status(self) -> int | None: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...

    @property
    def received_at(self) -> datetime:
        """By our clock: for a moment that the provider names without telling its own."""


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What one submission brought, in words that no provider's contract is needed to understand."""

    result: Result
    code: str | None = None
    """The provider's own, as text: a status of HTTP, a code of its contract. None when there was no answer."""
    reason: Reason | None = None
    provider_message_id: str | None = None
    retry_after: float | None = None
    """Seconds; only when throttled, and only if the provider said so."""
    not_understood: bool = False
    """An answer, and no error, that the contract does not know. Most likely an acceptance, in other words."""
    perhaps_recipient: bool = False
    """The refusal of our account may mean this recipient alone, and is final if it does."""
    perhaps_duplicate: bool = False
    """The refusal means that they have it already, if an earlier submission may have reached them."""

    @property
    def answered(self) -> bool:
        """Whether the provider said anything."""
        return self.code is not None

    @property
    def words(self) -> str | None:
        """The provider's own words, or the system's."""
        words = self.reason.parameters.get("words") if self.reason else None
        return None if words is None else str(words)

    def log_fields(self) -> dict[str, str | None]:
        """What the log says of it."""
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
        """The result that a response means. `secrets` are masked in what is kept of the provider's words."""
