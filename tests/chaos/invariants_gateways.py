"""Invariants between gateways: where a message in doubt may go, and what look-ups may be taken for."""

from __future__ import annotations

from collections.abc import Iterator

from shared.domain.results import TAKEN
from shared.gateways.base import LookUp
from tests.chaos.facts import Attempt, Request, Violation
from tests.chaos.message_history import CLOCK, Claim, Ledgers, MessageHistory


def stays_in_doubt(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A message in doubt is claimed for no other gateway than the one that may have it."""
    for before, move in zip(history.moves, history.moves[1:], strict=False):
        claimed = (before.status, move.status) == ("pending", "sending")
        if claimed and before.in_doubt and before.gateway_id not in (None, move.gateway_id):
            said = f"in doubt at gateway {before.gateway_id}, it was claimed for gateway {move.gateway_id}"
            yield _about(history, "doubt stays", said)


def goes_nowhere_else(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A message that one gateway may have taken, and that it has not been asked for, is submitted to no other."""
    for request, claim in history.pairs:
        others = history.doubts_before(claim.number).keys() - {request.gateway} if claim else ()
        for other in others:
            said = f"request {request.sequence} went to {request.gateway}, and {other} may have it"
            yield _about(history, "doubt stays", said)


def waits_for_its_gateway(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A message in doubt is queued for its gateway alone. (That it is queued at all, another rule says.)"""
    for move in history.moves:
        if move.status != "pending" or not move.in_doubt or move.gateway_id is None:
            continue
        queued = [one for one in ledgers.queued.get(history.message_id, ()) if one.since == move.committed_at]
        for path in {one.path_id for one in queued}:
            listed = {tuple(row.gateway_ids) for row in ledgers.paths.get(path, ())}
            if listed - {(move.gateway_id,)}:
                said = f"in doubt at gateway {move.gateway_id}, it was queued on path {path}, of {listed}"
                yield _about(history, "doubt stays", said)


def only_asks(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """An attempt that only asked made no submission."""
    asking = [claim for claim in history.claims if _attempt(history, claim, only_asked=True)]
    for request, claim in history.pairs:
        if claim is None and any(_within(request.started_at, other) for other in asking):
            said = f"request {request.sequence} was made by an attempt that only asked"
            yield _about(history, "look-ups read", said)


def reads_look_ups(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """What an attempt says of its look-up is what the gateway answered, and the gateway knew it."""
    for claim in history.claims:
        attempt = _attempt(history, claim)
        if attempt is None or attempt.looked_up is None or claim.released or attempt.lost:
            continue
        # What was not found may have had to wait for another claim, before which nothing was submitted.
        since = _end_of_last_attempt(history, claim) if attempt.looked_up is LookUp.NOT_FOUND else claim.committed_at
        asked = [one for one in ledgers.look_ups[history.message_id] if _within(one.at, claim, since)]
        answers = [one for one in asked if one.outcome == "looked_up" and one.gateway == attempt.gateway]
        known = {LookUp.FOUND if one.taken else LookUp.NOT_FOUND for one in answers}
        if attempt.looked_up not in known and attempt.looked_up is not LookUp.UNCLEAR:
            said = f"attempt {attempt.number} says {attempt.looked_up}, and the gateway said {asked}"
            yield _about(history, "look-ups read", said)


def asks_first(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """Nothing is submitted again to a gateway that can be asked unless it has been asked, and did not have it. One that
    delivers nothing twice may have answered something else.
    """
    for request, claim in history.pairs:
        if claim is None or not ledgers.looks_up(request.gateway) or history.is_lost(claim):
            continue
        attempt = history.attempts.get(claim.number)
        if attempt is None or request.gateway not in history.doubts_before(claim.number):
            continue
        since = _end_of_last_attempt(history, claim)
        asked = any(since - CLOCK <= one.at <= request.started_at for one in ledgers.look_ups[history.message_id])
        if not asked or not (ledgers.deduplicates(request.gateway) or attempt.looked_up is LookUp.NOT_FOUND):
            said = f"request {request.sequence} repeats what {request.gateway} was not asked for"
            yield _about(history, "look-ups read", said)


def finds_what_was_taken(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """Whatever is recorded as taken, the gateway that the attempt names had taken by then."""
    for attempt in history.written:
        if not attempt.accepted:
            continue
        if not any(one.gateway == attempt.gateway and _by(one, attempt.committed_at) for one in history.accepts):
            said = f"attempt {attempt.number} is {attempt.result}, and {attempt.gateway} had not taken it"
            yield _about(history, "taken where named", said)


def is_taken_once(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """The gateway that the last accepting attempt names has it, and no other has, but for what came to one after it had
    said that it did not have it.
    """
    accepting = [attempt for attempt in history.attempts.values() if TAKEN & {attempt.result, attempt.late_result}]
    if accepting:
        named = max(accepting, key=lambda attempt: attempt.committed_at).gateway
        for request in history.accepts:
            if request.gateway != named and not _came_after_look_up(history, request, ledgers):
                yield _about(history, "taken where named", f"{named} is named, and {request.gateway} took it too")


def delivers_once(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A gateway that deduplicates delivers a message once."""
    for gateway in ledgers.gateways:
        taken = sum(request.gateway == gateway for request in history.accepts)
        if taken > 1 and ledgers.deduplicates(gateway):
            yield _about(history, "delivered once", f"{gateway} delivered it {taken} times")


def returns(ledgers: Ledgers) -> Iterator[Violation]:
    """Once all gateways have been in order for long enough, each path is given to the first of its list."""
    if not any(event.what == "gateways in order" for event in ledgers.facts.events):
        return
    for path_id, rows in ledgers.paths.items():
        last = rows[-1]
        if last.route_id is not None and last.gateway_id != last.gateway_ids[0]:
            said = f"path {path_id} is given to gateway {last.gateway_id} at the end, and the first is in order again"
            yield Violation("load returns", said)


RULES = (
    stays_in_doubt,
    goes_nowhere_else,
    waits_for_its_gateway,
    only_asks,
    reads_look_ups,
    asks_first,
    finds_what_was_taken,
    is_taken_once,
    delivers_once,
)
RULES_OF_ALL = (returns,)


def _attempt(history: MessageHistory, claim: Claim, *, only_asked: bool = False) -> Attempt | None:
    attempt = history.attempts.get(claim.number)
    return attempt if attempt is not None and (attempt.only_asked or not only_asked) else None


def _within(moment: float, claim: Claim, since: float | None = None) -> bool:
    ended_at = claim.ended.committed_at if claim.ended else float("inf")
    return (claim.committed_at if since is None else since) - CLOCK <= moment <= ended_at + CLOCK


def _end_of_last_attempt(history: MessageHistory, claim: Claim) -> float:
    earlier = [one for one in history.claims if one.number < claim.number and not one.released and one.ended]
    return max((one.ended.committed_at for one in earlier if one.ended), default=0.0)


def _by(request: Request, moment: float) -> bool:
    return request.accepted_at is not None and request.accepted_at <= moment + CLOCK


def _came_after_look_up(history: MessageHistory, request: Request, ledgers: Ledgers) -> bool:
    return any(
        one.gateway == request.gateway and not one.taken and one.outcome == "looked_up" and one.at <= request.started_at
        for one in ledgers.look_ups[history.message_id]
    )


def _about(history: MessageHistory, invariant: str, said: str) -> Violation:
    return Violation(invariant, said, history.message_id, history.mailing_id)
