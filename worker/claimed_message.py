"""A claimed message, and the result of its attempt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from shared.domain.statuses import OnUnknown
from shared.gateways.base import DEFAULT_GATEWAY, SubmitResult
from worker.lanes.send_permits import ALWAYS, Permit


@dataclass(frozen=True, slots=True)
class Claim:
    """The time of a claim on two clocks. All messages of one claim share it.

    The ledger uses the database's clock. The monotonic clock is this process's, and is read before the claim is
    requested, so that deadlines computed from it are never too late.
    """

    id: int
    at: float
    """Seconds since 1970 (UTC) by the database's clock."""
    monotonic: float

    def database_time(self, monotonic: float) -> float:
        """The time of the database's clock at the monotonic time `monotonic` of this process."""
        return self.at + (monotonic - self.monotonic)


@dataclass(frozen=True, slots=True)
class MessageGateway:
    """The properties of a gateway that affect its messages."""

    name: str
    deduplicates: bool = False
    """A repeat with the same id is not delivered twice."""
    look_up_after: float | None = None
    """Seconds after an ambiguous attempt until the message can be looked up; None without look-ups."""
    look_up_within: float = math.inf
    """Seconds after an ambiguous attempt until which it can be looked up."""
    receipts: bool = False
    """Whether it is expected to report deliveries."""
    polls: bool = False
    """Whether it is asked for them."""
    no_receipt_prefixes: tuple[str, ...] = ()
    """Beginnings of phone numbers for which it reports none."""


DEFAULT = MessageGateway(DEFAULT_GATEWAY)


class Reservation(NamedTuple):
    """The cost of an attempt, which spending limits count before it is made."""

    amount: Decimal
    currency: str
    mailing_id: int | None
    """The mailing, if it has a limit."""
    day: date | None
    """The day (UTC) that it counts for, if there is a daily limit."""


# They are not frozen because there is one of each for every message, and frozen dataclasses take five times as long to
# create.
@dataclass(slots=True, eq=False)
class ClaimedMessage:
    """A message under a lease. `(message_id, number)` identifies the claim."""

    message_id: int
    number: int
    """The attempt's number, counted at claim."""
    mailing_id: int
    client_id: int
    phone_number: int
    text: str
    uncounted: int
    """Earlier attempts that do not count towards the limit."""
    in_doubt: bool
    """An earlier attempt may have been accepted. A look-up may settle that."""
    on_unknown: OnUnknown
    worker: str
    """The holder of the lease."""
    claim: Claim
    start_from: float
    """Monotonic time before which its request must not start: its slot of the fleet's rate limit."""
    start_by: float
    """Monotonic time after which its request must not leave: the end of the window, or the latest start within the
    lease."""
    begin_by: float = math.inf
    """Monotonic time after which its submission must not begin, perhaps by connecting: the slot's end."""
    doubt_age: float = math.inf
    """Seconds from its last ambiguous attempt to this claim."""
    was_not_found: bool = False
    """A look-up in this claim has found that the gateway does not have it."""
    permit: Permit = ALWAYS
    """The permit of its mailing: until when requests may leave."""
    gateway: MessageGateway = DEFAULT
    """The gateway that it was claimed for."""
    reserved: Reservation | None = None
    """What is reserved for this attempt; None without a spending limit."""

    @property
    def is_to_be_looked_up(self) -> bool:
        """Whether it is to be looked up at the gateway before it is sent again."""
        asked = self.gateway.look_up_after is not None and self.doubt_age <= self.gateway.look_up_within
        return self.in_doubt and asked

    @property
    def must_not_be_repeated(self) -> bool:
        """Whether it waited for a look-up because its mailing holds what is in doubt."""
        held = self.on_unknown is OnUnknown.HOLD and not self.gateway.deduplicates
        return self.in_doubt and held and self.gateway.look_up_after is not None

    @property
    def awaits_receipt(self) -> bool:
        """Whether its delivery will be reported once it is accepted."""
        gateway = self.gateway
        return gateway.receipts and not str(self.phone_number).startswith(gateway.no_receipt_prefixes)

    def may_begin(self, now: float) -> bool:
        """Whether its submission may begin at that monotonic time, perhaps by connecting."""
        return now < self.begin_by and now < self.start_by and now < self.permit.until

    def may_leave(self, now: float) -> bool:
        """Whether its request may leave at that monotonic time."""
        return now < self.start_by and now < self.permit.until

    def log_fields(self) -> dict[str, int]:
        """The fields of a log record."""
        return {
            "mailing_id": self.mailing_id,
            "message_id": self.message_id,
            "client_id": self.client_id,
            "attempt": self.number,
        }


@dataclass(slots=True)
class AttemptResult:
    """A claimed message whose attempt has ended, and the result."""

    message: ClaimedMessage
    submitted: SubmitResult
    started_at: float
    """Seconds since 1970 (UTC) by the database's clock: not before the request's start, and later by
    the duration of the claim."""
    duration: float | None
    """Seconds from the request's start to its result; None if its worker recorded none."""
    started: float | None = None
    """The request's start by the monotonic clock; None if this process made no request."""
