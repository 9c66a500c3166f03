"""The facts in order: what happened to one message on both sides, and the state of a mailing at a given moment."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from shared.domain.reasons import ReasonCode
from shared.domain.results import Result
from shared.gateways.base import DEFAULT_GATEWAY
from tests.chaos.facts import (
    AskedFor,
    Attempt,
    BatchMove,
    ClaimMove,
    ClientMove,
    Facts,
    GatewayFact,
    MailingMove,
    MessageMove,
    PathMove,
    ReportedReceipt,
    Request,
    Stall,
    StoredReceipt,
    SuppressionMove,
)

CLOCK = 0.002
"""Seconds that two readings of the machine's clock, each rounded in its own way, may disagree by."""

RULED_OUT = (
    ReasonCode.SUPPRESSED,
    ReasonCode.NO_CONSENT,
    ReasonCode.TIMEZONE_UNKNOWN,
    ReasonCode.NO_LOCAL_TIME,
    ReasonCode.OVER_CAP,
)
"""Why a rule ends a message, when its mailing is launched or when it is claimed."""

POSTPONED = (ReasonCode.OUTSIDE_LOCAL_WINDOW, ReasonCode.OVER_CAP)
"""Why a rule lets a message wait."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A message under a worker's lease, from the commit of the claim to the one that ended it."""

    claim_id: int
    number: int
    worker: str
    claimed_at: float
    committed_at: float
    lease_until: float
    phone_number: int
    text_revision: int | None
    ended: MessageMove | None
    text_values: Sequence[str | None] | None = None
    gateway: str = DEFAULT_GATEWAY

    @property
    def released(self) -> bool:
        """Whether it was released, and its attempt not counted."""
        return self.ended is not None and self.ended.status == "pending" and self.ended.attempts < self.number


class Queued(NamedTuple):
    """A message in a batch of the queue, from the commit that put it there to the one that took it out."""

    mailing_id: int
    due_at: float
    since: float
    until: float
    path_id: int


@dataclass(frozen=True, slots=True)
class MessageHistory:
    """One message. Each request is paired with the claim that it belongs to, if there is one."""

    message_id: int
    mailing_id: int
    moves: Sequence[MessageMove]
    claims: Sequence[Claim]
    written: Sequence[Attempt]
    attempts: dict[int, Attempt]
    """By number, as they stand at the end."""
    pairs: Sequence[tuple[Request, Claim | None]]

    @property
    def last(self) -> MessageMove:
        """How it ended."""
        return self.moves[-1]

    @property
    def accepts(self) -> list[Request]:
        """The requests that the gateway accepted."""
        return [request for request, _ in self.pairs if request.accepted_at is not None]

    def is_settled(self, doubt: Attempt) -> bool:
        """Whether the gateway has said later that nothing came of an attempt."""
        return any(
            attempt.settles and attempt.gateway == doubt.gateway and number > doubt.number
            for number, attempt in self.attempts.items()
        )

    def doubts_before(self, number: float) -> dict[str, int]:
        """The ambiguous attempts with lower numbers that no look-up has settled: the last one by gateway."""
        doubts: dict[str, int] = {}
        for attempt in sorted(self.attempts.values(), key=attrgetter("number")):
            if attempt.number >= number:
                break
            if attempt.settles:
                doubts.pop(attempt.gateway, None)
            if attempt.result == Result.AMBIGUOUS:
                doubts[attempt.gateway] = attempt.number
        return doubts

    def is_lost(self, claim: Claim | None) -> bool:
        """Whether the claim's lease expired before its holder recorded a result."""
        attempt = self.attempts.get(claim.number) if claim else None
        return attempt is not None and attempt.lost


class Ledgers:
    """The facts of a run, indexed."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.settings = facts.settings
        self.mailings: dict[int, list[MailingMove]] = defaultdict(list)
        for mailing in facts.mailings:
            self.mailings[mailing.mailing_id].append(mailing)
        self.clients: dict[int, list[ClientMove]] = defaultdict(list)
        for client in facts.clients:
            self.clients[client.client_id].append(client)
        self.suppressions: dict[int, list[SuppressionMove]] = defaultdict(list)
        """By phone number: the moves of all suppressions of it."""
        for suppression in facts.suppressions:
            self.suppressions[suppression.phone_number or 0].append(suppression)
        self.texts = {(text.mailing_id, text.revision): text for text in facts.texts}
        self.gateways: dict[str, GatewayFact] = {gateway.name: gateway for gateway in facts.gateways}
        self.gateway_names = {gateway.gateway_id: gateway.name for gateway in facts.gateways}
        self.paths: dict[int, list[PathMove]] = defaultdict(list)
        for path in facts.paths:
            self.paths[path.path_id].append(path)
        self.look_ups: dict[int, list[AskedFor]] = defaultdict(list)
        """By message."""
        for look_up in facts.look_ups:
            self.look_ups[look_up.id].append(look_up)
        self.reported: dict[int, list[ReportedReceipt]] = defaultdict(list)
        """By the message that they are about, or claim to be about."""
        for receipt in facts.reported:
            self.reported[receipt.message_id or receipt.named_id].append(receipt)
        self.stored: dict[int, list[StoredReceipt]] = defaultdict(list)
        """Those of the table `receipt`, by their message."""
        for stored in facts.stored:
            if stored.table == "receipt":
                self.stored[stored.message_id or 0].append(stored)
        self.histories = _histories(facts, self.gateway_names)
        self.claims: dict[int, list[ClaimMove]] = defaultdict(list)
        """The rows of each claim."""
        for claim in facts.claims:
            self.claims[claim.claim_id].append(claim)
        self.queued = _queued(facts.batches)
        """By message."""
        self._stalls = facts.stalls()

    def mailing_at(self, mailing_id: int, moment: float) -> MailingMove | None:
        """The mailing as it was committed last, then."""
        moves = self.mailings[mailing_id]
        place = bisect_right(moves, moment, key=attrgetter("committed_at"))
        return moves[place - 1] if place else None

    def mailing_between(self, mailing_id: int, since: float, until: float) -> list[MailingMove]:
        """The mailing as it could be seen in that time."""
        moves = self.mailings[mailing_id]
        first = max(0, bisect_right(moves, since, key=attrgetter("committed_at")) - 1)
        return moves[first : bisect_right(moves, until, key=attrgetter("committed_at"))]

    def client_at(self, client_id: int, moment: float) -> ClientMove | None:
        """The client as it was committed last, then."""
        moves = self.clients[client_id]
        place = bisect_right(moves, moment, key=attrgetter("committed_at"))
        return moves[place - 1] if place else None

    def clients_between(self, client_id: int, since: float, until: float) -> list[ClientMove]:
        """The client as it could be seen in that time."""
        moves = self.clients[client_id]
        first = max(0, bisect_right(moves, since, key=attrgetter("committed_at")) - 1)
        return moves[first : bisect_right(moves, until, key=attrgetter("committed_at"))]

    def deduplicates(self, gateway: str) -> bool:
        """Whether a gateway does not deliver a repeat."""
        return self.gateways[gateway].capabilities.deduplicates

    def looks_up(self, gateway: str) -> bool:
        """Whether a gateway can be asked."""
        return self.gateways[gateway].capabilities.looks_up

    def stalled_in_flight(self, history: MessageHistory, claim: Claim, request: Request) -> Stall | None:
        """The stall that held up a request which its worker had begun before: it can't look at its clock meanwhile.

        If the worker has told how long the request took, the stall must lie within.
        """
        attempt = history.attempts.get(claim.number)
        for stall in self._stalls:
            between = claim.committed_at - 0.05 <= stall.until <= request.started_at + CLOCK
            if claim.worker.startswith(stall.who) and between and claim.committed_at <= stall.until:
                lasted = stall.until - stall.since - 0.1
                if attempt is None or attempt.duration is None or attempt.duration >= lasted:
                    return stall
        return None

    def timeline(self, message_id: int) -> list[str]:
        """Everything that is known of one message, in order, a line each: to see what went wrong."""
        history = self.histories[message_id]
        lines = [(move.committed_at, f"ledger   {_described(move)}") for move in history.moves]
        for request, claim in history.pairs:
            number = claim.number if claim else "no claim"
            said = f"{request.outcome} {request.status}"
            lines.append((request.started_at, f"gateway  {request.gateway}: request of {number}: {said}"))
            if request.answered_at:
                lines.append((request.answered_at, f"gateway  {request.gateway} answered {request.status}"))
        for look_up in self.look_ups[message_id]:
            said = f"{'has it' if look_up.taken else 'does not have it'}, {look_up.outcome}"
            lines.append((look_up.at, f"gateway  {look_up.gateway} was asked: {said}"))
        for receipt in self.reported[message_id]:
            part = f" of part {receipt.part}/{receipt.parts}" if receipt.part else ""
            named = f"named {receipt.named_id or '-'} {receipt.provider_message_id}"
            lines.append(
                (
                    receipt.acknowledged_at or float("inf"),
                    f"receipt  {receipt.gateway} {receipt.about} {receipt.sequence}: {receipt.state} "
                    f"{receipt.reason or ''}{part} at {receipt.at}, {named}",
                )
            )
        for attempt in history.attempts.values():
            said = " ".join(str(value) for value in (*attempt[1:8], attempt.gateway, attempt.reason_code))
            lines.append((attempt.started_at, f"attempt  {said}"))
        first = min(at for at, _ in lines)
        return [f"{at - first:9.3f} {said}" for at, said in sorted(lines)]


def _histories(facts: Facts, names: Mapping[int, str]) -> dict[int, MessageHistory]:
    moves: dict[int, list[MessageMove]] = defaultdict(list)
    for move in facts.messages:
        its = moves[move.message_id]
        if its and _withdraws(its[-1], move):
            its.pop()
        its.append(move)
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in facts.attempts:
        attempts[attempt.message_id].append(attempt)
    requests: dict[int, list[Request]] = defaultdict(list)
    for request in facts.requests:
        requests[request.id].append(request)
    return {
        message_id: _history(
            its, attempts[message_id], sorted(requests[message_id], key=attrgetter("started_at")), names
        )
        for message_id, its in moves.items()
    }


def _history(
    moves: list[MessageMove], written: list[Attempt], requests: list[Request], names: Mapping[int, str]
) -> MessageHistory:
    claims = list(_claims(moves, names))
    last = {attempt.number: attempt for attempt in written}
    attempts = {number: attempt for number, attempt in last.items() if attempt.present}
    pairs = _pairs(claims, attempts, requests)
    return MessageHistory(moves[0].message_id, moves[0].mailing_id, moves, claims, written, attempts, pairs)


def _claims(moves: list[MessageMove], names: Mapping[int, str]) -> Iterator[Claim]:
    for place, move in enumerate(moves):
        before = moves[place - 1] if place else None
        if move.status == "sending" and (before is None or not _same_claim(before, move)):
            ended = next((later for later in moves[place + 1 :] if not _same_claim(later, move)), None)
            until = move.lease_until or 0.0
            yield Claim(
                claim_id=move.claim_id or 0,
                number=move.attempts,
                worker=move.worker or "",
                claimed_at=move.began_at,
                committed_at=move.committed_at,
                lease_until=until,
                phone_number=move.phone_number,
                text_revision=move.text_revision,
                ended=ended,
                text_values=move.text_values,
                gateway=names.get(move.gateway_id or 0, DEFAULT_GATEWAY),
            )


def _same_claim(one: MessageMove, other: MessageMove) -> bool:
    return one.status == "sending" == other.status and (one.attempts, one.claim_id) == (other.attempts, other.claim_id)


def _withdraws(before: MessageMove, move: MessageMove) -> bool:
    """Whether a claim takes back what it has just leased: in one transaction, so that nobody ever sees the lease."""
    together = (before.began_at, before.committed_at, before.by) == (move.began_at, move.committed_at, move.by)
    ruled = move.reason_code in (*RULED_OUT, *POSTPONED)
    return before.status == "sending" != move.status and together and ruled


def _queued(moves: Sequence[BatchMove]) -> dict[int, list[Queued]]:
    """When each message was in which batch. A batch is made, shortened and deleted."""
    states: dict[int, list[BatchMove]] = defaultdict(list)
    for move in moves:
        states[move.batch_id].append(move)
    found: dict[int, list[Queued]] = defaultdict(list)
    for batch in states.values():
        made = batch[0]
        since: dict[int, float] = {}
        for move in batch:
            named = set(move.message_ids) if move.present else set()
            for message_id in since.keys() - named:
                queued = Queued(made.mailing_id, made.due_at, since.pop(message_id), move.committed_at, made.path_id)
                found[message_id].append(queued)
            for message_id in named - since.keys():
                since[message_id] = move.committed_at
        for message_id, moment in since.items():
            found[message_id].append(Queued(made.mailing_id, made.due_at, moment, float("inf"), made.path_id))
    return found


def _pairs(
    claims: list[Claim], attempts: dict[int, Attempt], requests: list[Request]
) -> list[tuple[Request, Claim | None]]:
    """Each request with a claim of its own, for its gateway, that was committed before: the one that it fits best.

    Attempts that only asked have no request.
    """
    free = [claim for claim in claims if not claim.released and not _only_asked(attempts.get(claim.number))]
    pairs: list[tuple[Request, Claim | None]] = []
    for request in requests:
        latest = request.started_at + CLOCK
        before = [claim for claim in free if claim.committed_at <= latest and claim.gateway == request.gateway]
        if not before:
            pairs.append((request, None))
            continue
        best = min(before, key=lambda claim: _distance(claim, attempts.get(claim.number), request.started_at))
        free.remove(best)
        pairs.append((request, best))
    return pairs


def _only_asked(attempt: Attempt | None) -> bool:
    return attempt is not None and attempt.only_asked


def _distance(claim: Claim, attempt: Attempt | None, started_at: float) -> float:
    if attempt is not None and not attempt.lost:
        return abs(started_at - attempt.started_at)
    return max(0.0, started_at - claim.lease_until)


def _described(move: MessageMove) -> str:
    lease = f" claim {move.claim_id} by {move.worker} until {move.lease_until}" if move.worker else ""
    doubt = " in doubt" if move.in_doubt else ""
    reason = f" ({move.reason_code})" if move.reason_code else ""
    gateway = f" gateway {move.gateway_id}" if move.gateway_id else ""
    delivery = f" {move.delivery} {move.delivery_reason or ''}" if move.delivery else ""
    return f"{move.status}{delivery} attempts={move.attempts}{doubt}{gateway}{lease}{reason} by {move.by}"
