"""Invariants of one message's own history: who moved it, where from, where to, when."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from shared.domain.reasons import WITHOUT_TEXT
from shared.domain.results import UNCOUNTED
from shared.domain.transitions import Actor, message_transitions
from shared.gateways.base import DEFAULT_GATEWAY_ID
from tests.chaos.facts import DELETED, Attempt, MailingMove, MessageMove, Violation
from tests.chaos.message_history import CLOCK, POSTPONED, RULED_OUT, Ledgers, MessageHistory

CERTAIN = ("failed", "expired", "cancelled")
"""Ends that mean: not delivered."""
PEOPLE = (Actor.PERSON, Actor.OPERATOR)
API = "gonets-api"
"""How its connections call themselves."""


def begins_pending(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A message comes into being never attempted: pending, or ended by a rule."""
    first = history.moves[0]
    ended = first.status in CERTAIN and first.reason_code in RULED_OUT
    if first.attempts or not (first.status == "pending" or ended):
        yield _illegal(history, f"it began as {first.status} with {first.attempts} attempts")


def makes_legal_transitions(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """Only the lease's holder moves a message on, along the lines of the state machine."""
    for before, move in zip(history.moves, history.moves[1:], strict=False):
        if (wrong := _transition_error(before, move, history, ledgers)) and not _is_cleared(history, before, move):
            yield _illegal(history, f"{before.status} → {move.status} by {move.by}: {wrong}")
        given_up = before.status == "sending" != move.status and move.attempts == before.attempts
        attempt = history.attempts.get(before.attempts)
        if given_up and move.status != "sent" and attempt and attempt.lost:
            early = (before.lease_until or 0.0) - move.began_at
            if early > CLOCK:
                yield _illegal(
                    history, f"attempt {before.attempts} was given up {early:.3f} s before its lease ran out"
                )


def keeps_its_text(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A message that was attempted keeps its text, with its values, and its phone number."""
    for number, (before, move) in enumerate(zip(history.moves, history.moves[1:], strict=False)):
        earlier = history.moves[number - 1] if number else None
        is_another = _body_of(before) != _body_of(move) and not _may_get_another_body(earlier, before, move)
        if before.attempts and move.attempts and is_another:
            said = f"the text of an attempted message went from {_body_of(before)} to {_body_of(move)}"
            yield Violation("same body", said, history.message_id, history.mailing_id)
        if before.attempts and move.attempts and move.phone_number != before.phone_number:
            said = "the phone number of an attempted message was changed"
            yield Violation("same body", said, history.message_id, history.mailing_id)


def _body_of(move: MessageMove) -> tuple[int | None, Sequence[str | None] | None]:
    return move.text_revision, move.text_values


def _may_get_another_body(earlier: MessageMove | None, before: MessageMove, move: MessageMove) -> bool:
    """Whether a message has never left, because its template made no text for its client.

    Once it has been retried, a claim gives it a text, and a claim that is given back takes that away again.
    """
    if before.text_revision is None:
        return move.status == "sending"
    if (before.status, move.status) == ("sending", "pending") and earlier is not None:
        return earlier.text_revision is None and _body_of(move) == (None, None) and move.attempts == earlier.attempts
    is_retried = (before.status, move.status) == ("failed", "pending") and before.reason_code in WITHOUT_TEXT
    return is_retried and _body_of(move) == (None, None)


def is_claimed_when_due(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A claim takes what is due, of a running mailing, in its window, and counts the attempt."""
    about = history.message_id, history.mailing_id
    for before, move in zip(history.moves, history.moves[1:], strict=False):
        if (before.status, move.status) != ("pending", "sending"):
            continue
        if move.attempts != before.attempts + 1:
            said = f"a claim took the attempts from {before.attempts} to {move.attempts}"
            yield Violation("claimed first", said, *about)
        # What is in doubt is asked for, however many attempts there have been.
        asked = before.in_doubt and ledgers.looks_up(ledgers.gateway_names[before.gateway_id or DEFAULT_GATEWAY_ID])
        if before.attempts - before.uncounted_attempts >= ledgers.settings.max_attempts and not asked:
            said = f"it was claimed after {before.attempts} attempts, {before.uncounted_attempts} of them uncounted"
            yield Violation("attempts limited", said, *about)
        # A poison message, which is claimed by itself, has no time at which it is due.
        if move.began_at < before.due_at - CLOCK and before.due_at != math.inf:
            yield _illegal(history, f"it was claimed {before.due_at - move.began_at:.3f} s before it was due")
        if mailing := ledgers.mailing_at(history.mailing_id, move.committed_at):
            yield from _claims_of(mailing, move, about)


def carries_edits(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A first attempt carries what the mailing and the client say then; a client who has left gets none at all."""
    about = history.message_id, history.mailing_id
    for before, move in zip(history.moves, history.moves[1:], strict=False):
        if (before.status, move.status) != ("pending", "sending"):
            continue
        client = ledgers.client_at(move.client_id, move.committed_at)
        mailing = ledgers.mailing_at(history.mailing_id, move.committed_at)
        if client is None or not client.present:
            yield Violation("nothing claimed when stopped", "it was claimed when its client had been removed", *about)
        elif before.attempts == 0 and move.phone_number != client.phone_number:
            yield Violation("edits applied", "it was first claimed with an old phone number", *about)
        if before.attempts and before.text_revision is not None:
            continue
        if mailing and move.text_revision != mailing.text_revision:
            said = f"it was first claimed with text {move.text_revision}, and {mailing.text_revision} was the newest"
            yield Violation("edits applied", said, *about)
        text = ledgers.texts.get((history.mailing_id, move.text_revision or 0))
        clients = ledgers.clients_between(move.client_id, move.began_at, move.committed_at)
        if text and text.fields and list(move.text_values or ()) not in [[one.name] for one in clients]:
            said = f"it was first claimed with {move.text_values}, and its client was {[one.name for one in clients]}"
            yield Violation("edits applied", said, *about)


def reaches_a_final_status(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """At the end of a run, every message has an end."""
    if history.last.status in ("pending", "sending"):
        yield Violation("final status", f"it is still {history.last.status}", history.message_id, history.mailing_id)


def numbers_attempts(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """The attempts are numbered from 1 to the message's own count."""
    numbers = set(history.attempts)
    wanted = set(range(1, history.last.attempts + 1))
    if numbers != wanted:
        said = f"it counts {history.last.attempts} attempts, and the ledger has {sorted(numbers)}"
        yield Violation("attempts recorded", said, history.message_id, history.mailing_id)


def records_doubt(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A message that may have been delivered is never reported as not delivered."""
    if history.last.status not in CERTAIN:
        return
    about = history.message_id, history.mailing_id
    if history.accepts:
        yield Violation("doubt recorded", f"it is {history.last.status}, and the gateway accepted it", *about)
    elif history.doubts_before(math.inf):
        yield Violation("doubt recorded", f"it is {history.last.status}, and one of its attempts is ambiguous", *about)


def records_acceptance(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """An acceptance is recorded as sent whatever has happened since, in the same transaction."""
    for attempt in history.written:
        if attempt.accepted and not any(
            move.status == "sent" and move.committed_at <= attempt.committed_at for move in history.moves
        ):
            status = [move.status for move in history.moves if move.committed_at <= attempt.committed_at][-1:]
            said = f"attempt {attempt.number} was accepted, and the message was {', '.join(status)} then"
            yield Violation("acceptance recorded", said, history.message_id, history.mailing_id)


def changes_no_attempt(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """An attempt, once written, is at most completed: with an answer that came when it had been given up, and with the
    provider's id by a receipt.
    """
    known: dict[int, Attempt] = {}
    for attempt in history.written:
        before = known.get(attempt.number)
        known[attempt.number] = attempt
        if before is None:
            continue
        kept = (before.started_at, before.result, before.worker) == (
            attempt.started_at,
            attempt.result,
            attempt.worker,
        )
        named = before._replace(provider_message_id=attempt.provider_message_id, committed_at=attempt.committed_at)
        if before.provider_message_id is None and before.result == "ambiguous" and attempt == named:
            continue  # a receipt has told the provider's id
        if not (kept and attempt.present and before.duration is None and attempt.came_late):
            said = f"attempt {attempt.number} was changed or removed"
            yield Violation("attempts recorded", said, history.message_id, history.mailing_id)


def respects_hold(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """With hold, an ambiguous attempt is the last one, unless a person decides otherwise, the gateway delivers nothing
    twice, or it has said that nothing came of that attempt.
    """
    if any(mailing.on_unknown != "hold" for mailing in ledgers.mailings[history.mailing_id]):
        return
    doubtful = [
        number
        for number, attempt in history.attempts.items()
        if attempt.result == "ambiguous"
        and not ledgers.deduplicates(attempt.gateway)
        and not history.is_settled(attempt)
    ]
    last = max((claim.number for claim in history.claims if not claim.released), default=0)
    if doubtful and last > min(doubtful) and not _retried(history, history.last):
        said = f"attempt {min(doubtful)} was ambiguous, and attempt {last} followed"
        yield Violation("hold respected", said, history.message_id, history.mailing_id)


def counts_attempts(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """Attempts that say something about the account or the gateway, and not about the message, do not count."""
    for before, move in zip(history.moves, history.moves[1:], strict=False):
        attempt = history.attempts.get(before.attempts)
        ended = before.status == "sending" and move.status not in ("sending", "sent")
        if not ended or move.attempts != before.attempts or attempt is None or attempt.lost:
            continue
        uncounted = move.uncounted_attempts - before.uncounted_attempts
        if uncounted != (attempt.result in UNCOUNTED):
            said = f"attempt {attempt.number} is {attempt.result}, and {uncounted} more do not count after it"
            yield Violation("attempts counted", said, history.message_id, history.mailing_id)


RULES = (
    begins_pending,
    makes_legal_transitions,
    keeps_its_text,
    is_claimed_when_due,
    carries_edits,
    reaches_a_final_status,
    numbers_attempts,
    changes_no_attempt,
    records_doubt,
    records_acceptance,
    respects_hold,
    counts_attempts,
)


def _claims_of(mailing: MailingMove, move: MessageMove, about: tuple[int, int]) -> Iterator[Violation]:
    if mailing.status != "running" or not mailing.launch_started:
        yield Violation(
            "nothing claimed when stopped", f"it was claimed while its mailing was {mailing.status}", *about
        )
    late = move.began_at - mailing.end_datetime
    if late >= CLOCK or move.began_at < mailing.start_datetime - CLOCK:
        said = f"it was claimed {late:.3f} s after the end of its window" if late >= 0 else "it was claimed too early"
        yield Violation("inside the window", said, *about)


def _transition_error(before: MessageMove, move: MessageMove, history: MessageHistory, ledgers: Ledgers) -> str | None:
    if DELETED in (before.status, move.status):
        return "the ledger forgets nothing"
    if before.in_doubt and not move.in_doubt and move.status != "sent" and not _by_person(move):
        attempt = history.attempts.get(before.attempts)
        settled = before.status == "sending" and attempt is not None and attempt.settles
        if not settled or move.attempts != before.attempts:
            return "the doubt is forgotten"
    if before.status == "sent":
        return "sent is sent" if move[:9] != before[:9] else None
    if move.status != before.status:
        legal = message_transitions(before.status, move.status)
        if not legal:
            return "there is no such move"
        if not _by_person(move) and all(one.actor in PEOPLE for one in legal):
            return "only a person may"
    match before.status:
        case "sending":
            return _from_sending(before, move)
        case "pending":
            return _from_pending(before, move, ledgers)
    return None


def _from_sending(before: MessageMove, move: MessageMove) -> str | None:
    holds = move.by == f"gonets worker {before.worker}"[:63]
    ran_out = move.began_at >= (before.lease_until or 0.0)
    if move.status == "sending":
        same = (before.attempts, before.claim_id) == (move.attempts, move.claim_id)
        return None if same else "claimed while in somebody's hands"
    if move.status == "sent":
        return None
    if move.attempts == before.attempts - 1 and move.status == "pending":
        return None if holds else "given back by somebody who does not hold it"
    if move.attempts != before.attempts:
        return f"the attempts went from {before.attempts} to {move.attempts}"
    if holds:
        return None
    if not ran_out:
        return f"by somebody who does not hold it, {(before.lease_until or 0) - move.began_at:.3f} s before its time"
    return None if move.in_doubt else "a lost claim leaves no doubt"


def _from_pending(before: MessageMove, move: MessageMove, ledgers: Ledgers) -> str | None:
    if move.attempts != before.attempts and move.status != "sending":
        return f"the attempts went from {before.attempts} to {move.attempts}"
    match move.status:
        case "sending" | "sent":
            return None  # what a claim may take and what an acceptance proves, other rules say
        case "pending":
            postponed = {before.reason_code, move.reason_code} & set(POSTPONED)
            return None if _by_person(move) or postponed else "nothing was to be done with it"
    if move.reason_code in RULED_OUT:  # whether the rule concerns it, invariants_rules.py says
        return (
            None
            if move.in_doubt == (move.status == "unknown")
            else "what is in doubt ends as unknown, and nothing else"
        )
    mailing = ledgers.mailing_at(move.mailing_id, move.committed_at)
    closed = mailing is not None and move.began_at >= mailing.end_datetime - CLOCK
    client = ledgers.client_at(move.client_id, move.committed_at)
    stopped = (mailing is not None and mailing.status == "cancelled") or client is None or not client.present
    match move.status:
        case "unknown":
            return None if move.in_doubt and (closed or stopped) else "there was no doubt, or no end to it"
        case "expired":
            return None if closed and not move.in_doubt else "the window is open, or it is in doubt"
        case _:
            return None if stopped and not move.in_doubt else "nobody cancelled it, or it is in doubt"


def _is_cleared(history: MessageHistory, before: MessageMove, move: MessageMove) -> bool:
    """Whether a poison message becomes due, and nothing else changes, with an answer that came after its lease."""
    answered = any(attempt.came_late and attempt.committed_at == move.committed_at for attempt in history.written)
    same = before._replace(due_at=move.due_at, began_at=move.began_at, committed_at=move.committed_at, by=move.by)
    return before.status == "pending" and before.due_at == math.inf and move == same and answered


def _retried(history: MessageHistory, until: MessageMove) -> bool:
    """Whether a person has started it again before that."""
    ended = False
    for move in history.moves:
        if ended and move.status == "pending" and _by_person(move):
            return True
        ended = move.status not in ("pending", "sending", "sent")
        if move is until:
            break
    return False


def _by_person(move: MessageMove) -> bool:
    return move.by == API


def _illegal(history: MessageHistory, said: str) -> Violation:
    return Violation("legal transitions", said, history.message_id, history.mailing_id)
