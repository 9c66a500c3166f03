"""The rules that a claim applies to the messages that it has just leased, before it is committed.

Suppressions, missing consent, local windows, and caps. What must not be sent now is withdrawn: it ends, or waits.
(The statements: shared/sql/claim_rules.py. A launch applies the same rules before: shared/sql/mailings.py.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.reasons import ReasonCode
from shared.domain.statuses import MessageStatus
from shared.sql import claim_rules
from worker.caps import WaitRow, count_within_caps
from worker.claim_rows import ClaimedRow, TakenRow
from worker.parameters import bigints
from worker.rows import fetch_all


class SuppressedRow(NamedTuple):
    """A row of FIND_SUPPRESSED: a number that must not get messages of mailings of a kind."""

    phone_number: int
    kind: str


class WithoutConsentRow(NamedTuple):
    """A row of FIND_WITHOUT_CONSENT."""

    id: int


class LocalWindowRow(NamedTuple):
    """A row of READ_LOCAL_WINDOWS. Seconds after the claim."""

    id: int
    is_known: bool
    """Whether the time zone is known."""
    opens_in: float | None
    """None if the local window does not open before the mailing's end."""
    closes_in: float | None
    """None unless it is open."""


class Verdict(NamedTuple):
    """Why a message must not be sent now, and what becomes of it."""

    status: MessageStatus
    """Its end; or `pending`, if it waits."""
    reason: ReasonCode
    due_in: float | None = None
    """Seconds after the claim, if it waits."""


class Checked(NamedTuple):
    """What is left of a claim."""

    rows: list[ClaimedRow]
    closes_in: dict[int, float]
    """Seconds after the claim until the local windows of messages that have one close."""
    withdrawn: Mapping[ReasonCode, int]
    """How many messages were withdrawn, by the reasons."""


SUPPRESSED = Verdict(MessageStatus.CANCELLED, ReasonCode.SUPPRESSED)
NO_CONSENT = Verdict(MessageStatus.CANCELLED, ReasonCode.NO_CONSENT)
TIMEZONE_UNKNOWN = Verdict(MessageStatus.FAILED, ReasonCode.TIMEZONE_UNKNOWN)
NO_LOCAL_TIME = Verdict(MessageStatus.EXPIRED, ReasonCode.NO_LOCAL_TIME)
CANCELLED_OVER_CAP = Verdict(MessageStatus.CANCELLED, ReasonCode.OVER_CAP)
EXPIRED_OVER_CAP = Verdict(MessageStatus.EXPIRED, ReasonCode.OVER_CAP)


def apply_rules(
    cursor: Cursor, rows: Sequence[ClaimedRow], mailings: Mapping[int, TakenRow], gateway_id: int, lease_seconds: float
) -> Checked:
    """Withdraws those messages of one claim that must not be sent now. Returns the others.

    `lease_seconds` is the lease of the claim.
    """
    verdicts: dict[int, Verdict] = {}

    def remaining(concerned: Callable[[TakenRow], bool]) -> list[ClaimedRow]:
        if not any(map(concerned, mailings.values())):
            return []
        return [row for row in rows if row.id not in verdicts and concerned(mailings[row.mailing_id])]

    if rows and (suppressed := _suppressed(cursor, rows, gateway_id)):
        found = [row for row in rows if (row.phone_number, mailings[row.mailing_id].kind) in suppressed]
        verdicts |= dict.fromkeys((row.id for row in found), SUPPRESSED)
    if found := remaining(lambda mailing: mailing.requires_consent):
        verdicts |= dict.fromkeys(_without_consent(cursor, found), NO_CONSENT)
    closes_in: dict[int, float] = {}
    if found := remaining(lambda mailing: mailing.has_local_window):
        windows = _local_windows(cursor, found)
        verdicts |= {window.id: verdict for window in windows if (verdict := _verdict(window)) is not None}
        closes_in = {window.id: window.closes_in for window in windows if window.closes_in is not None}
    # The last rule: what it lets through is counted.
    if found := remaining(lambda mailing: mailing.is_capped):
        mailing_of = {row.id: mailings[row.mailing_id] for row in found}
        waits = count_within_caps(cursor, found, lease_seconds)
        verdicts |= {wait.id: _over_cap(wait, mailing_of[wait.id]) for wait in waits}
    if verdicts:
        _withdraw(cursor, verdicts, rows[0].claim_id)
    left = [row for row in rows if row.id not in verdicts] if verdicts else list(rows)
    return Checked(left, closes_in, Counter(verdict.reason for verdict in verdicts.values()))


def _suppressed(cursor: Cursor, rows: Sequence[ClaimedRow], gateway_id: int) -> set[tuple[int, str]]:
    """The suppressed numbers, with the kinds of mailings that they are suppressed for."""
    given = {"phones": bigints(row.phone_number for row in rows), "gateway_id": gateway_id}
    cursor.execute(claim_rules.FIND_SUPPRESSED, given)
    return {(found.phone_number, found.kind) for found in fetch_all(cursor, SuppressedRow)}


def _without_consent(cursor: Cursor, rows: Sequence[ClaimedRow]) -> list[int]:
    """The ids of the messages to numbers without consent."""
    given = {"ids": bigints(row.id for row in rows), "phones": bigints(row.phone_number for row in rows)}
    cursor.execute(claim_rules.FIND_WITHOUT_CONSENT, given)
    return [found.id for found in fetch_all(cursor, WithoutConsentRow)]


def _local_windows(cursor: Cursor, rows: Sequence[ClaimedRow]) -> list[LocalWindowRow]:
    given = {
        "ids": bigints(row.id for row in rows),
        "mailings": bigints(row.mailing_id for row in rows),
        "clients": bigints(row.client_id for row in rows),
    }
    cursor.execute(claim_rules.READ_LOCAL_WINDOWS, given)
    return fetch_all(cursor, LocalWindowRow)


def _verdict(window: LocalWindowRow) -> Verdict | None:
    if not window.is_known:
        return TIMEZONE_UNKNOWN
    if window.opens_in is None:
        return NO_LOCAL_TIME
    if window.closes_in is None:
        return Verdict(MessageStatus.PENDING, ReasonCode.OUTSIDE_LOCAL_WINDOW, window.opens_in)
    return None


def _over_cap(wait: WaitRow, mailing: TakenRow) -> Verdict:
    if not wait.waits:
        return CANCELLED_OVER_CAP
    if wait.due_in >= mailing.window_left:
        return EXPIRED_OVER_CAP
    return Verdict(MessageStatus.PENDING, ReasonCode.OVER_CAP, wait.due_in)


def _withdraw(cursor: Cursor, verdicts: Mapping[int, Verdict], claim_id: int) -> None:
    given = {
        "ids": bigints(verdicts),
        "statuses": [verdict.status.value for verdict in verdicts.values()],
        "reasons": [verdict.reason.value for verdict in verdicts.values()],
        "due_in": [verdict.due_in for verdict in verdicts.values()],
        "claims": bigints([claim_id] * len(verdicts)),
    }
    cursor.execute(claim_rules.WITHDRAW, given)
