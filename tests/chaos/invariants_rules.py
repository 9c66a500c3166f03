"""Invariants of what forbids or postpones messages: suppressions, local windows and caps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from shared.domain.client_rules import TIMEZONES
from shared.domain.local_windows import EVERY_DAY, LocalWindow, next_permitted
from shared.domain.reasons import ReasonCode
from shared.domain.statuses import MailingKind
from shared.domain.suppressions import SuppressionScope
from tests.chaos.facts import ClientMove, MailingMove, MessageMove, SuppressionMove, Violation
from tests.chaos.message_history import CLOCK, POSTPONED, RULED_OUT, Claim, Ledgers, MessageHistory

HOUR = 3600.0
VISIBLE = 0.1
"""Seconds from the time of a commit, which is read before it, until everybody sees it on a busy machine."""


def stays_in_the_local_window(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A request starts inside the local window, by the zone and the window that its claim could see."""
    travel = ledgers.settings.travel
    for request, claim in history.pairs:
        if claim is None or ledgers.stalled_in_flight(history, claim, request):
            continue
        if not _may_start(history, claim, ledgers, request.started_at - travel, request.started_at + CLOCK):
            said = f"request {request.sequence} of attempt {claim.number} started outside the local window"
            yield _about(history, "inside the local window", said)


def says_it_stayed_in_the_local_window(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """By the ledger's own account it is exact: a worker looks at the clock before each request."""
    for claim in history.claims:
        attempt = history.attempts.get(claim.number)
        if claim.released or attempt is None or attempt.lost:
            continue
        if not _may_start(history, claim, ledgers, attempt.started_at - CLOCK, attempt.started_at + CLOCK):
            said = f"attempt {claim.number} says it started outside the local window"
            yield _about(history, "inside the local window", said)


def respects_suppressions(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A claim that begins after a suppression was recorded takes no message that it covers. Nor does one that is
    committed after it, if the message waited already when the suppression began to be recorded: that locks it.
    """
    for before, move in pairwise(history.moves):
        claim = next((one for one in history.claims if one.committed_at == move.committed_at), None)
        if claim is None or move.status != "sending":
            continue
        waited_since = before.committed_at if before.status == "pending" else float("inf")
        for recorded in ledgers.suppressions[claim.phone_number]:
            begun_later = recorded.committed_at + VISIBLE < claim.claimed_at
            in_force = recorded.committed_at < claim.committed_at < _lifted_at(recorded, ledgers)
            if (
                (begun_later or waited_since + VISIBLE < recorded.began_at)
                and in_force
                and _covers(recorded, history, move, ledgers)
            ):
                said = (
                    f"attempt {claim.number} was claimed, and suppression {recorded.suppression_id} had been recorded "
                    f"{claim.committed_at - recorded.committed_at:.3f} s before"
                )
                yield _about(history, "suppressions respected", said)


def ends_what_is_suppressed(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """What waits when a suppression is recorded, for whatever gateway, has ended when that is committed."""
    for move, later in pairwise(history.moves):
        if move.status != "pending":
            continue
        for recorded in ledgers.suppressions[move.phone_number]:
            waited = move.committed_at + VISIBLE < recorded.began_at and recorded.committed_at < later.committed_at
            everywhere = recorded.scope != SuppressionScope.GATEWAY and not recorded.lifted
            if waited and everywhere and _covers(recorded, history, move, ledgers):
                said = f"it was pending when suppression {recorded.suppression_id} was recorded, and waited on"
                yield _about(history, "suppressions respected", said)


def explains_rules(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """A rule that ended or postponed a message concerned it."""
    for before, move in pairwise((None, *history.moves)):
        assert move, "only the first has none before it"
        is_new = before is None or move.reason_code != before.reason_code
        if is_new and move.reason_code in (*RULED_OUT, *POSTPONED) and not _concerns(move, history, ledgers):
            said = f"it became {move.status} by {move.by}: {move.reason_code}, which does not concern it"
            yield _about(history, "rules explained", said)


def reaches_nobody(history: MessageHistory, ledgers: Ledgers) -> Iterator[Violation]:
    """What a rule ended reached no gateway, unless it was in doubt; before its first claim there was no request."""
    last = history.last
    if last.reason_code not in RULED_OUT or last.status not in ("cancelled", "failed", "expired"):
        return
    if history.accepts or (history.pairs and not last.attempts):
        said = f"it is {last.status} by a rule after {last.attempts} attempts, and {len(history.pairs)} requests came"
        yield _about(history, "rules explained", said)


def keeps_to_caps(ledgers: Ledgers) -> Iterator[Violation]:
    """In no period are more marketing messages to one number accepted than a cap allows; a repeat counts once."""
    if not ledgers.facts.caps:
        return
    accepted: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for history in ledgers.histories.values():
        for request, claim in history.pairs:
            if request.accepted_at is not None and claim and _kind(history, claim, ledgers) == MailingKind.MARKETING:
                accepted[claim.phone_number].append((request.accepted_at, history.message_id))
    for phone_number, accepts in accepted.items():
        for cap in ledgers.facts.caps:
            most = max(
                len({message_id for at, message_id in accepts if 0 <= at - since < cap.period_hours * HOUR})
                for since, _ in accepts
            )
            if most > cap.messages:
                said = f"{most} messages to {phone_number} in {cap.period_hours} h, and {cap.messages} may be"
                yield Violation("caps respected", said, accepts[-1][1])


def hears_refusals(ledgers: Ledgers) -> Iterator[Violation]:
    """Who wrote STOP is suppressed for everything, from before or since."""
    for event in ledgers.facts.events:
        if event.what != "keyword" or event.detail == "START":
            continue
        recorded = [move for move in ledgers.suppressions[int(event.who)] if not move.lifted]
        if not any(
            move.scope == SuppressionScope.EVERYTHING and _lifted_at(move, ledgers) > event.at - CLOCK
            for move in recorded
        ):
            yield Violation("suppressions respected", f"{event.who} wrote {event.detail}, and was not suppressed")


RULES = (
    stays_in_the_local_window,
    says_it_stayed_in_the_local_window,
    respects_suppressions,
    ends_what_is_suppressed,
    explains_rules,
    reaches_nobody,
)
RULES_OF_ALL: tuple[Callable[[Ledgers], Iterator[Violation]], ...] = (keeps_to_caps, hears_refusals)


def _may_start(history: MessageHistory, claim: Claim, ledgers: Ledgers, *moments: float) -> bool:
    """Whether one of these moments is in the local window, as the claim could see it."""
    states = _seen(history, claim.claimed_at, claim.committed_at, ledgers)
    return any(mailing.local_from is None or _permits(mailing, client, *moments) for mailing, client in states)


def _seen(
    history: MessageHistory, since: float, until: float, ledgers: Ledgers
) -> list[tuple[MailingMove, ClientMove | None]]:
    """The states of the mailing and of the client that a transaction could see in that time."""
    clients: Sequence[ClientMove | None] = ledgers.clients_between(history.moves[0].client_id, since, until)
    mailings = ledgers.mailing_between(history.mailing_id, since, until)
    return [(mailing, client) for mailing in mailings for client in clients or (None,)]


def _permits(mailing: MailingMove, client: ClientMove | None, *moments: float) -> bool:
    zone = _zone(mailing, client)
    if zone is None:
        return False
    window = _window(mailing)
    return any(window.permits(datetime.fromtimestamp(moment, zone)) for moment in moments)


def _zone(mailing: MailingMove, client: ClientMove | None) -> ZoneInfo | None:
    name = client.timezone if client and client.present and client.timezone in TIMEZONES else mailing.default_timezone
    return ZoneInfo(name) if name else None


def _window(mailing: MailingMove) -> LocalWindow:
    return LocalWindow(mailing.local_from or 0, mailing.local_until or 0, mailing.local_weekdays or EVERY_DAY)


def _covers(recorded: SuppressionMove, history: MessageHistory, move: MessageMove, ledgers: Ledgers) -> bool:
    """Whether a suppression, once it is in force, covers a message, and at the gateway that it is claimed for."""
    mailing = ledgers.mailing_at(history.mailing_id, move.committed_at)
    kind = mailing.kind if mailing else MailingKind.REPLY
    if recorded.lifted or kind == MailingKind.REPLY:
        return False
    match recorded.scope:
        case SuppressionScope.EVERYTHING:
            return True
        case SuppressionScope.MARKETING:
            return kind == MailingKind.MARKETING
        case _:
            return recorded.gateway_id == move.gateway_id


def _lifted_at(recorded: SuppressionMove, ledgers: Ledgers) -> float:
    """When a suppression was lifted; never, if it was not."""
    moves = ledgers.suppressions[recorded.phone_number or 0]
    lifts = (move for move in moves if move.lifted and move.suppression_id == recorded.suppression_id)
    return next((lift.committed_at for lift in lifts), float("inf"))


def _concerns(move: MessageMove, history: MessageHistory, ledgers: Ledgers) -> bool:
    states = _seen(history, move.began_at, move.committed_at, ledgers)
    match move.reason_code:
        case ReasonCode.SUPPRESSED:
            return any(
                not recorded.lifted
                and recorded.committed_at <= move.committed_at
                and _lifted_at(recorded, ledgers) >= move.began_at
                for recorded in ledgers.suppressions[move.phone_number]
            )
        case ReasonCode.OVER_CAP:
            return bool(ledgers.facts.caps) and any(mailing.kind == MailingKind.MARKETING for mailing, _ in states)
        case ReasonCode.NO_CONSENT:
            return False  # no mailing of a run requires it
    windows = [(mailing, client) for mailing, client in states if mailing.local_from is not None]
    match move.reason_code:
        case ReasonCode.TIMEZONE_UNKNOWN:
            return any(_zone(mailing, client) is None for mailing, client in windows)
        case ReasonCode.NO_LOCAL_TIME:
            return any(_never_opens(mailing, client, move.began_at) for mailing, client in windows)
        case _:
            return any(not _permits(mailing, client, move.began_at) for mailing, client in windows)


def _never_opens(mailing: MailingMove, client: ClientMove | None, since: float) -> bool:
    zone = _zone(mailing, client)
    before = datetime.fromtimestamp(mailing.end_datetime, UTC)
    after = datetime.fromtimestamp(since, UTC)
    return zone is not None and next_permitted(_window(mailing), zone, after, before) is None


def _kind(history: MessageHistory, claim: Claim, ledgers: Ledgers) -> str | None:
    mailing = ledgers.mailing_at(history.mailing_id, claim.committed_at)
    return mailing.kind if mailing else None


def _about(history: MessageHistory, invariant: str, said: str) -> Violation:
    return Violation(invariant, said, history.message_id, history.mailing_id)
