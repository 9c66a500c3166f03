"""Invariants between a message's ledger and what the gateways saw of it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256

from tests.chaos.facts import Request, Violation
from tests.chaos.gateways import body_of
from tests.chaos.message_history import CLOCK, Claim, Ledgers, MessageHistory
from tests.chaos.texts import filled
from worker.lanes.send_permits import VALID_SECONDS

MORE_THAN_THE_PACE = 1.02
"""What may come in a second, in GATEWAY_RATEs."""

WAY = 0.005
"""Seconds from a worker's look at the clock to the gateway's that are not put down to a busy machine."""

CODES_OF_INFOBIP = {"accepted": ("26",), "duplicate": ("23",), "refused": ("21",), "answer": ("6", "10", "11", "12")}
"""The codes of its messages that come with the status 200, by the outcome of the request."""

CODES_OF_TWILIO = ("20001", "20003", "20005", "20404", "20429", "20500", "20503", "21211", "21606", "21610", "21611")
CODES_OF_DECLARED = tuple(map(str, range(9)))
"""The codes of their answers that are no success, and the 0 of one."""

NOT_TAKEN = ("refused", "retriable", "throttled", "misconfigured", "no_credit", "unreachable")
"""Results that say: the gateway did not take it."""


def was_accepted_if_sent(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """`sent` implies that the gateway accepted it, and had before the ledger said so."""
    if history.last.status != "sent":
        return
    sent_at = next(move.committed_at for move in history.moves if move.status == "sent")
    accepted_at = min((entry.accepted_at for entry in history.accepts if entry.accepted_at), default=None)
    if accepted_at is None:
        yield _about(history, "sent was accepted", "it is sent, and the gateway never accepted it")
    elif accepted_at > sent_at + CLOCK:
        said = f"it was recorded as sent {accepted_at - sent_at:.3f} s before the gateway accepted it"
        yield _about(history, "sent was accepted", said)


def explains_repeats(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """Every extra accept matches an ambiguous attempt, at each gateway too."""
    ambiguous = sum(attempt.result == "ambiguous" for attempt in history.attempts.values())
    extra = len(history.accepts) - 1
    if extra > ambiguous:
        said = f"accepted {extra + 1} times, with {ambiguous} ambiguous attempts"
        yield _about(history, "repeats explained", said)
    explained = Counter(attempt.gateway for attempt in history.attempts.values() if attempt.may_be_taken)
    for gateway, accepts in Counter(request.gateway for request in history.accepts).items():
        if accepts > max(1, explained[gateway]):
            said = f"accepted {accepts} times by {gateway}, and {explained[gateway]} attempts say that it may have been"
            yield _about(history, "repeats explained", said)


def has_one_body(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """The same id always had the same body at one gateway, byte for byte, and at all of them the same text and phone
    number: those that the ledger has.
    """
    for gateway in {request.gateway for request, _ in history.pairs}:
        hashes = {request.body_hash for request, _ in history.pairs if request.gateway == gateway}
        if len(hashes) > 1:
            yield _about(history, "same body", f"{len(hashes)} bodies were sent to {gateway}")
            return
    for request, claim in history.pairs:
        if claim is not None and request.body_hash != _expected_hash(history, request, claim, ledgers):
            yield _about(history, "same body", "its body is not that of its text and its phone number")
            return


def has_claims(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """Every request has a committed claim of its own before it."""
    for request, claim in history.pairs:
        if claim is None:
            said = f"request {request.sequence} started without a claim that was committed before"
            yield _about(history, "claimed first", said)


def starts_in_time(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A request starts inside the window, and while there is lease enough for it, as they were when it was claimed."""
    travel = ledgers.settings.travel
    for request, claim in history.pairs:
        if claim is None:
            continue
        for invariant, latest in _latest_starts(history, claim, ledgers):
            late = request.started_at - latest
            if late > travel and not ledgers.stalled_in_flight(history, claim, request):
                said = f"request {request.sequence} of attempt {claim.number} started {late:.3f} s too late"
                yield _about(history, invariant, said)


def says_it_started_in_time(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """By the ledger's own account it is exact: a worker looks at the clock before each request."""
    for claim in history.claims:
        attempt = history.attempts.get(claim.number)
        if claim.released or attempt is None or attempt.lost:
            continue
        for invariant, latest in _latest_starts(history, claim, ledgers):
            if attempt.started_at > latest + CLOCK:
                said = f"attempt {claim.number} says it started {attempt.started_at - latest:.3f} s too late"
                yield _about(history, invariant, said)


def respects_changes(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A request leaves only if its mailing ran, and its window was open, at some moment of the second before."""
    travel = ledgers.settings.travel
    for request, claim in history.pairs:
        if claim is None or ledgers.stalled_in_flight(history, claim, request):
            continue
        seen = ledgers.mailing_between(
            history.mailing_id, request.started_at - VALID_SECONDS - travel, request.started_at + CLOCK
        )
        left_at = request.started_at - travel
        if not any(move.present and move.status == "running" and move.end_datetime > left_at for move in seen):
            said = f"request {request.sequence} started more than {VALID_SECONDS:g} s after its mailing had stopped"
            yield _about(history, "changes take effect", said)


def overlaps_nothing(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """While one request is under way, another starts only if the first one's lease has run out, or its own had."""
    for place, (later, later_claim) in enumerate(history.pairs):
        for earlier, earlier_claim in history.pairs[:place]:
            over = later.started_at >= _end(history, earlier, earlier_claim) - CLOCK
            if not over and not any(
                claim and history.is_lost(claim) and claim.lease_until <= later.started_at + CLOCK
                for claim in (earlier_claim, later_claim)
            ):
                said = f"request {later.sequence} started while request {earlier.sequence} was under way"
                yield _about(history, "no overlap", said)


def _codes_of(request: Request) -> tuple[str, ...]:
    """The codes that an attempt may have of a request: its status; the body's, of a success with another code."""
    if request.contract == "infobip":
        return (str(request.status), *CODES_OF_INFOBIP.get(request.outcome, ()))
    if request.contract in ("twilio", "declared"):
        return (str(request.status), *(CODES_OF_TWILIO if request.contract == "twilio" else CODES_OF_DECLARED))
    return (str(request.status), "7") if request.outcome == "refused" else (str(request.status),)


def reads_answers(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """What the ledger says of an attempt is what the gateway did."""
    attempts = [attempt for attempt in history.attempts.values() if not attempt.only_asked]
    asked = {attempt.number for attempt in history.attempts.values()} - {attempt.number for attempt in attempts}
    numbers = {claim.number for claim in history.claims if not claim.released} - asked
    unreachable = sum(attempt.result == "unreachable" for attempt in attempts)
    if len(history.pairs) > len(numbers) - unreachable >= 0:
        yield _about(
            history, "answers recorded", f"{unreachable} attempts are unreachable, and a request of theirs came"
        )
    if any(history.is_lost(claim) for claim in history.claims):
        return  # which request belongs to which claim is a guess then
    for request, claim in history.pairs:
        attempt = history.attempts.get(claim.number) if claim else None
        if attempt is None:
            continue
        taken = request.accepted_at is not None
        if (attempt.result == "accepted") > taken or (attempt.result in NOT_TAKEN and taken):
            said = f"attempt {attempt.number} is {attempt.result}, and the gateway had it as {request.outcome}"
            yield _about(history, "answers recorded", said)
        elif request.status is not None and attempt.provider_code not in (None, *_codes_of(request)):
            said = f"attempt {attempt.number} was answered {attempt.provider_code}, the gateway said {request.status}"
            yield _about(history, "answers recorded", said)


def is_known(ledgers: Ledgers) -> Iterator[Violation]:
    """No request carries an id that is no message's."""
    for request in ledgers.facts.requests:
        if request.id not in ledgers.histories:
            said = f"request {request.sequence} carries the id {request.id}, which is no message's"
            yield Violation("claimed first", said)


def keeps_the_pace(ledgers: Ledgers) -> Iterator[Violation]:
    """In no second do more requests come to a gateway than its rate allows, and 2 % of it. The fullest is told."""
    rate = ledgers.settings.gateway_rate
    if not rate:
        return
    for gateway in ledgers.gateways:
        moments = sorted(_arrivals(ledgers, gateway))
        seconds = ((bisect_left(moments, at + 1.0) - place, at) for place, at in enumerate(moments))
        count, first = max(seconds, default=(0, 0.0))
        if count > rate * MORE_THAN_THE_PACE:
            said = f"{count} requests came to {gateway} in the second from {first:.3f} on, and {rate:g} may"
            yield Violation("rate limited", said)


RULES = (
    was_accepted_if_sent,
    explains_repeats,
    has_one_body,
    has_claims,
    starts_in_time,
    says_it_started_in_time,
    respects_changes,
    overlaps_nothing,
    reads_answers,
)
RULES_OF_ALL: tuple[Callable[[Ledgers], Iterator[Violation]], ...] = (is_known, keeps_the_pace)


def _arrivals(ledgers: Ledgers, gateway: str) -> Iterator[float]:
    """When each request came to the gateway, if none was held up on its way by the machine longer than WAY."""
    for history in ledgers.histories.values():
        for request, claim in history.pairs:
            if request.gateway != gateway:
                continue
            attempt = history.attempts.get(claim.number) if claim else None
            if attempt and not attempt.lost:
                yield min(request.started_at, attempt.started_at + WAY)
            elif not (claim and ledgers.stalled_in_flight(history, claim, request)):
                yield request.started_at


def _latest_starts(history: MessageHistory, claim: Claim, ledgers: Ledgers) -> Iterator[tuple[str, float]]:
    yield "lease respected", claim.lease_until - ledgers.settings.gateway_timeout
    if mailing := ledgers.mailing_at(history.mailing_id, claim.committed_at):
        yield "inside the window", mailing.end_datetime


def _end(history: MessageHistory, request: Request, claim: Claim | None) -> float:
    """When a request was over, by the gateway or by the worker, who may leave before; never, if both are silent."""
    answered_at = float("inf") if request.answered_at is None else request.answered_at
    attempt = history.attempts.get(claim.number) if claim else None
    if claim is None or attempt is None or attempt.duration is None or attempt.came_late:
        return answered_at
    # Reckoned from the moment before the claim was asked for, it may come out a little late; told is over.
    told_at = claim.ended.committed_at if claim.ended else float("inf")
    return min(answered_at, attempt.started_at + attempt.duration, told_at)


def _expected_hash(history: MessageHistory, request: Request, claim: Claim, ledgers: Ledgers) -> str:
    text = ledgers.texts.get((history.mailing_id, claim.text_revision or 0))
    said = None if text is None else filled(text, claim.text_values)
    body = body_of(ledgers.gateways[request.gateway], history.message_id, claim.phone_number, said)
    return sha256(body.encode()).hexdigest()


def _about(history: MessageHistory, invariant: str, said: str) -> Violation:
    return Violation(invariant, said, history.message_id, history.mailing_id)
