"""The rows of the statements of claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.statuses import OnUnknown
from shared.sql import claims
from worker.claimed_message import Claim, ClaimedMessage, MessageGateway
from worker.parameters import bigints, bounded
from worker.rows import fetch_all

ON_UNKNOWN = {member.value: member for member in OnUnknown}
"""By their values in the database: OnUnknown(value) for each message takes ten times as long."""


class TakenRow(NamedTuple):
    """A row of the statements that take messages out of the queue: messages of one mailing."""

    mailing_id: int
    kind: str
    on_unknown: str
    text_revision: int
    """Its present text."""
    personalised: bool
    """Whether a text of it is a template."""
    window_left: float
    """Seconds until the mailing's window closes."""
    has_local_window: bool
    requires_consent: bool
    is_capped: bool
    """Whether caps limit its messages."""
    has_spending_limit: bool
    """Whether a limit concerns what its messages cost."""
    now: float
    """The time of the transaction, in seconds since 1970 (UTC)."""
    message_ids: list[int]


class ClaimedRow(NamedTuple):
    """A row of CLAIM, CLAIM_WITH_VALUES and CLAIM_POISON_MESSAGE."""

    id: int
    attempts: int
    mailing_id: int
    client_id: int
    phone_number: int
    uncounted_attempts: int
    in_doubt: bool
    text_revision: int
    text_values: list[str | None] | None
    """The values of the fields of its text; None for a plain text."""
    claim_id: int


class LeasedRow(NamedTuple):
    """A row of LOCK_HELD: a message of a claim that is not being sent any more."""

    id: int
    attempts: int
    mailing_id: int
    client_id: int
    phone_number: int
    uncounted_attempts: int
    in_doubt: bool
    claim_id: int
    on_unknown: str
    worker: str
    gateway: str
    claimed_at: float
    """Seconds since 1970 (UTC)."""


class ClaimRow(NamedTuple):
    """A row of FIND_EXPIRED and FIND_UNACKNOWLEDGED."""

    id: int
    message_ids: list[int]


def leased_message(row: LeasedRow, gateway: MessageGateway) -> ClaimedMessage:
    """The message of a row that this worker will not send."""
    return ClaimedMessage(
        message_id=row.id,
        number=row.attempts,
        mailing_id=row.mailing_id,
        client_id=row.client_id,
        phone_number=row.phone_number,
        text="",
        uncounted=row.uncounted_attempts,
        in_doubt=row.in_doubt,
        on_unknown=ON_UNKNOWN[row.on_unknown],
        worker=row.worker,
        claim=Claim(row.claim_id, row.claimed_at, 0.0),
        start_from=0.0,
        start_by=0.0,
        gateway=gateway,
    )


def lock_held(
    cursor: Cursor, found: Sequence[ClaimRow], gateways: Mapping[str, MessageGateway]
) -> list[ClaimedMessage]:
    """Locks the messages that these claims hold, except those that another transaction is recording.

    `gateways` are those that this worker knows, by name.
    """
    ids = [message_id for claim in found for message_id in claim.message_ids]
    if not ids:
        return []
    cursor.execute(claims.LOCK_HELD, {**bounded(ids), "claims": bigints(claim.id for claim in found)})
    return [
        leased_message(row, gateways.get(row.gateway) or MessageGateway(row.gateway))
        for row in fetch_all(cursor, LeasedRow)
    ]


def delete_ended(cursor: Cursor, found: Sequence[ClaimRow]) -> None:
    """Deletes those of the claims that hold no message any more. One whose message was skipped by `lock_held` stays."""
    if found:
        ids = [message_id for claim in found for message_id in claim.message_ids]
        cursor.execute(claims.DELETE_ENDED, {**bounded(ids), "claims": bigints(claim.id for claim in found)})
