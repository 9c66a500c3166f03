"""What every contract has: it reads a request, and words the answer to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol, runtime_checkable
from urllib.parse import parse_qsl

from sandbox.simulated_gateway.callbacks import CallbackRequest
from sandbox.simulated_gateway.faults import Answer, Reaction
from sandbox.simulated_gateway.http_messages import Request
from sandbox.simulated_gateway.kept_messages import KeptMessage, KeptMessages
from sandbox.simulated_gateway.receipt_plan import Report

LOGIN = "sandbox"
"""The account of contracts with a user name; the token is its password."""

INT64 = range(-(2**63), 2**63)


class Submission(NamedTuple):
    """A valid request to submit messages."""

    messages: Sequence[KeptMessage]
    """The messages that are accepted unless a fault or a check refuses them; one at least."""
    reference: int = 0
    """Our id of the first message, if the request has it as a number."""
    phone: int = 0
    """The number of its recipient."""
    fingerprint: str = ""
    """Equal for requests that the contract counts as equal, if it does."""
    answer_format: str = ""
    """How the request wants to be answered, if its contract has several ways."""
    refusal: Reaction | None = None
    """The contract's own refusal of a valid request, such as a repeat; faults do not replace it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The status and the bytes of an answer."""

    status: int
    response: bytes


class Contract(Protocol):
    """A provider's contract."""

    @property
    def name(self) -> str:
        """As in the ledger."""

    @property
    def paths(self) -> tuple[bytes, ...]:
        """How the paths of its requests begin."""

    def read(self, request: Request, token: bytes, kept: KeptMessages, now: float) -> Submission | Reaction:
        """A submission, or the reaction to any other request: a look-up, or a request that is not valid.

        `now` is seconds since the epoch.
        """

    def answer(self, answer: Answer, submission: Submission, status: int, fields: Sequence[str]) -> Reply:
        """An answer in the contract's words. `status` is that of Answer.STATUS; `fields` are further header lines."""


class InboundText(NamedTuple):
    """A message of a recipient."""

    sender: str
    to: str
    text: str
    parts: int = 1
    """In how many it comes, from providers that do not put the parts together."""


@runtime_checkable
class ReportingContract(Contract, Protocol):
    """A contract with receipts and messages of recipients."""

    reports_parts: bool = False
    """Whether a receipt may be about one part of a text."""
    needs_query: bool = False
    """Whether the address of receipts says in its query what they contain."""

    def new_id(self) -> str:
        """An id as the provider gives them to messages."""

    def receipt(self, message: KeptMessage, report: Report, url: str) -> CallbackRequest:
        """The request that reports the state of a message to `url`, unsigned."""

    def signature(self, request: CallbackRequest, token: str) -> Mapping[str, str]:
        """The headers with which the provider signs a request; none, if it does not sign."""
        return {}

    def inbound(self, inbound: InboundText, url: str) -> Sequence[CallbackRequest]:
        """The requests that forward a message of a recipient to `url`."""


def in_words_of(contract: Contract, reaction: Reaction, submission: Submission) -> Reaction:
    """The reaction with the response of the contract, if it has one."""
    if reaction.answer is None:
        return reaction
    reply = contract.answer(reaction.answer, submission, reaction.status, reaction.fields)
    return replace(reaction, status=reply.status, response=reply.response)


def parameters(request: Request, encoding: str = "utf-8") -> Mapping[str, str]:
    """The parameters of the query and of a form; the last of equal names counts.

    Octets that are invalid in the encoding become U+FFFD, as they would for a recipient.
    """
    given = (request.query + b"&" + request.body).decode("latin-1")
    pairs = parse_qsl(given, keep_blank_values=True, encoding="latin-1")  # an octet is a character now
    return {name: value.encode("latin-1").decode(encoding, "replace") for name, value in pairs}


def texts_of(inbound: InboundText) -> list[str]:
    """The parts of its text, of about the same length."""
    size = -(-len(inbound.text) // inbound.parts)
    return [inbound.text[size * number : size * (number + 1)] for number in range(inbound.parts)]


def int64(text: str) -> int:
    """The number in a text, or 0 if it is none of 64 bits."""
    digits = text.removeprefix("-")
    # At most 19 digits: int() raises an error of its own for thousands of them.
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        return 0
    return int(text) if int(text) in INT64 else 0


def phone_of(text: str) -> int:
    """The number in `+79001234567` or `79001234567`; 0 if it is none (E.164: at most 15 digits)."""
    digits = text.removeprefix("+")
    return int(digits) if digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15 else 0
