"""Invariants between messages and the tables of work: every one that waits is queued, every one on its way is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.chaos.facts import ClaimMove, Violation
from tests.chaos.message_history import CLOCK, Claim, Ledgers, MessageHistory, Queued

BATCH_ROUNDING = 0.25
"""Seconds by which a batch may be due later than its messages: those that wait for a retry are queued together."""


def is_queued(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """While a message is pending, a queue batch of its mailing with its due time names it."""
    ends = [*(move.committed_at for move in history.moves[1:]), float("inf")]
    for move, until in zip(history.moves, ends, strict=True):
        if move.status != "pending":
            continue
        fitting = [
            queued
            for queued in ledgers.queued.get(history.message_id, ())
            if queued.mailing_id == move.mailing_id
            and move.due_at <= queued.due_at + CLOCK
            and queued.due_at <= move.due_at + BATCH_ROUNDING + CLOCK
        ]
        missing = _first_gap(fitting, move.committed_at, until)
        if missing is not None:
            after = missing - move.committed_at
            said = f"{after:.3f} s after it had become pending (attempts: {move.attempts}) no batch named it"
            yield Violation("queued", said, history.message_id, history.mailing_id)


def is_held(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """While a message is sending, the row of its claim is there, and names it."""
    for claim in history.claims:
        rows = ledgers.claims.get(claim.claim_id, ())
        if wrong := _holding_error(history, claim, rows):
            yield Violation("held", f"attempt {claim.number}: {wrong}", history.message_id, history.mailing_id)


def keeps_claims_as_they_are(ledgers: Ledgers) -> Iterator[Violation]:
    """A claim is made and deleted. Nothing else happens to it: no lease is renewed while clocks are right."""
    for claim_id, rows in ledgers.claims.items():
        if [row.present for row in rows] not in ([True], [True, False]):
            yield Violation("held", f"claim {claim_id} was changed, or made again")


def ends_claims(ledgers: Ledgers) -> Iterator[Violation]:
    """A claim goes with the last message that it holds, and at the end none is left.

    One whose lease expired, or whose message another worker's acceptance ended, stays until it is reclaimed.
    """
    holders: dict[int, list[tuple[MessageHistory, Claim]]] = {claim_id: [] for claim_id in ledgers.claims}
    for history in ledgers.histories.values():
        for claim in history.claims:
            holders.setdefault(claim.claim_id, []).append((history, claim))
    for claim_id, rows in ledgers.claims.items():
        held = holders[claim_id]
        gone_at = _gone_at(rows)
        if any(claim.ended is None for _, claim in held):
            continue
        ended_at = max((claim.ended.committed_at for _, claim in held if claim.ended), default=rows[0].committed_at)
        if gone_at == float("inf"):
            yield Violation("claims end", f"claim {claim_id} of {rows[0].worker} is left, and holds nothing")
        elif gone_at > ended_at and all(_ended_by_holder(*each) for each in held):
            said = f"claim {claim_id} of {rows[0].worker} stayed {gone_at - ended_at:.3f} s longer than its messages"
            yield Violation("claims end", said)


RULES = (is_queued, is_held)
RULES_OF_ALL = (keeps_claims_as_they_are, ends_claims)


def _first_gap(intervals: Sequence[Queued], since: float, until: float) -> float | None:
    """The first moment from `since` to `until` that is in none of the intervals."""
    moment = since
    while moment < until:
        reached = max((queued.until for queued in intervals if queued.since <= moment), default=moment)
        if reached <= moment:
            return moment
        moment = reached
    return None


def _holding_error(history: MessageHistory, claim: Claim, rows: Sequence[ClaimMove]) -> str | None:
    if not rows:
        return "there has never been such a claim"
    if history.message_id not in rows[0].message_ids:
        return f"claim {claim.claim_id} does not name it"
    if rows[0].committed_at > claim.committed_at:
        return f"claim {claim.claim_id} came later"
    ended_at = claim.ended.committed_at if claim.ended else float("inf")
    if _gone_at(rows) < ended_at:
        return f"claim {claim.claim_id} was deleted while it was being sent"
    return None


def _gone_at(rows: Sequence[ClaimMove]) -> float:
    return next((row.committed_at for row in rows if not row.present), float("inf"))


def _ended_by_holder(history: MessageHistory, claim: Claim) -> bool:
    """Whether the claim's holder recorded the result of its request before the lease expired, or released it."""
    lost = not claim.released and history.is_lost(claim)
    return claim.ended is not None and claim.ended.by == f"gonets worker {claim.worker}"[:63] and not lost
