"""The rows of claims, and their conversion to claimed messages."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from shared.domain.statuses import OnUnknown
from shared.gateways.base import DEFAULT_GATEWAY
from worker.claimed_message import Claim, ClaimedMessage
from worker.lanes.send_permits import ALWAYS, Permit

ON_UNKNOWN = {member.value: member for member in OnUnknown}
"""By their values in the database: OnUnknown(value) for each message takes ten times as long."""


class ClaimedRow(NamedTuple):
    """A row of CLAIM and CLAIM_POISON_MESSAGE."""

    id: int
    attempts: int
    mailing_id: int
    client_id: int
    phone_number: int
    uncounted_attempts: int
    in_doubt: bool
    on_unknown: str
    text_revision: int
    due_at: datetime
    window_left: float
    """Seconds until the mailing's window closes."""
    claimed_at: float
    """Seconds since 1970 (UTC)."""


class LeasedRow(NamedTuple):
    """A row of FIND_EXPIRED_LEASES and FIND_UNACKNOWLEDGED."""

    id: int
    attempts: int
    mailing_id: int
    client_id: int
    phone_number: int
    uncounted_attempts: int
    in_doubt: bool
    on_unknown: str
    lease_worker: str
    claimed_at: float


def claimed_message(
    row: ClaimedRow | LeasedRow,
    worker: str,
    claim: Claim,
    *,
    text: str = "",
    start_from: float = 0.0,
    start_by: float = 0.0,
    begin_by: float = 0.0,
    permit: Permit = ALWAYS,
    gateway: str = DEFAULT_GATEWAY,
) -> ClaimedMessage:
    """The message of a row, leased by `worker`. Times are monotonic."""
    return ClaimedMessage(
        message_id=row.id,
        number=row.attempts,
        mailing_id=row.mailing_id,
        client_id=row.client_id,
        phone_number=row.phone_number,
        text=text,
        uncounted=row.uncounted_attempts,
        in_doubt=row.in_doubt,
        on_unknown=ON_UNKNOWN[row.on_unknown],
        worker=worker,
        claim=claim,
        start_from=start_from,
        start_by=start_by,
        begin_by=begin_by,
        permit=permit,
        gateway=gateway,
    )


def leased_message(row: LeasedRow) -> ClaimedMessage:
    """The message of a row that this worker will not send."""
    return claimed_message(row, row.lease_worker, Claim(row.claimed_at, 0.0))
