"""A claimed message, and what came of the attempt at it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shared.domain.statuses import OnUnknown
from shared.gateways.base import DEFAULT_GATEWAY, SubmitResult
from worker.lanes.send_permits import ALWAYS, Permit


@dataclass(frozen=True, slots=True)
class Claim:
    """The moment of a claim, on two clocks: one for all that was claimed at once.

    The database's is the one that the ledger knows; the monotonic one is this process's, and was read before the
    claim was asked for, so that what is reckoned from it is never too late.
    """

    at: float
    """Seconds since 1970 (UTC) by the database's clock."""
    monotonic: float

    def database_time(self, monotonic: float) -> float:
        """What the database's clock showed when this process's monotonic clock showed `monotonic`."""
        return self.at + (monotonic - self.monotonic)


# Nobody changes a ClaimedMessage or an AttemptResult. They are not frozen because there is one of each for every
# message, and frozen ones take five times as long to make.
@dataclass(slots=True, eq=False)
class ClaimedMessage:
    """A message under a lease. `(message_id, number)` names the claim."""

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
    """An earlier attempt may have landed."""
    on_unknown: OnUnknown
    worker: str
    """Who holds the lease."""
    claim: Claim
    start_from: float
    """Monotonic time before which its request must not start: its slot of the fleet's pace."""
    start_by: float
    """Monotonic time after which its request must not leave: the window's end, or too little left of the lease."""
    begin_by: float = math.inf
    """Monotonic time after which it must not begin, which may be with a connection: the slot's end."""
    permit: Permit = ALWAYS
    """The mailing's: whether it still runs."""
    gateway: str = DEFAULT_GATEWAY
    """The name of the gateway that it was claimed for."""

    def may_leave(self, now: float) -> bool:
        """Whether its request may leave at that monotonic time."""
        return now < self.start_by and now < self.permit.until

    def log_fields(self) -> dict[str, int]:
        """What the log calls it."""
        return {
            "mailing_id": self.mailing_id,
            "message_id": self.message_id,
            "client_id": self.client_id,
            "attempt": self.number,
        }


@dataclass(slots=True)
class AttemptResult:
    """A delivery whose request has ended, one way or another."""

    message: ClaimedMessage
    submitted: SubmitResult
    started_at: float
    """Seconds since 1970 (UTC) by the database's clock: not before the request's start, and later by as long as the
    claim took to be granted."""
    duration: float | None
    """Seconds from the request's start to its answer; none when nobody lived to see one."""
    started: float | None = None
    """The request's start by the monotonic clock of whoever made it."""
