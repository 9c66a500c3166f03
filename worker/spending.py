"""Spending limits: reserving the cost of claimed messages before they are submitted (shared/sql/spending.py).

What is reserved never exceeds a limit. After a crash it stays reserved: too much is counted then, never too little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.results import TAKEN, Result
from shared.domain.sentences import EventDetail, Sentence
from shared.sql import spending
from shared.sql.mailings import LOCK_MAILING
from worker.claimed_message import AttemptResult, ClaimedMessage, Reservation
from worker.maintenance.mailing_history import add_event
from worker.parameters import bigints
from worker.rows import fetch_all

CHARGEABLE = TAKEN | {Result.AMBIGUOUS}
"""Results of attempts that cost, or may cost, what was reserved for them."""


class Pricing(NamedTuple):
    """The prices of a gateway."""

    segments: Callable[[str], int]
    """Counts the segments of a text."""
    segment_price: Decimal
    currency: str


class SpendingRow(NamedTuple):
    """A row of LOCK_SPENDING."""

    mailing_id: int
    currency: str
    amount: Decimal
    spending_limit: Decimal


class DayRow(NamedTuple):
    """A row of LOCK_DAY."""

    day: date
    currency: str
    amount: Decimal
    spending_limit: Decimal


class HeldRow(NamedTuple):
    """A row of READ_HELD."""

    id: int


class LimitReached(NamedTuple):
    """Why messages of a mailing must not be submitted, and the limits with which that was decided."""

    detail: Sentence
    """The reason, as the mailing's history shows it."""
    spending_limit: Decimal | None
    daily_limit: Decimal | None


@dataclass(slots=True)
class Reserved:
    """The result of a reservation."""

    over: list[ClaimedMessage] = field(default_factory=list)
    """Messages that must not be submitted: they would cost more than a limit allows, or their price is not known."""
    limits: dict[int, LimitReached] = field(default_factory=dict)
    """The limits that were reached, by mailing."""


def reserve(cursor: Cursor, messages: Sequence[ClaimedMessage], gateway: str, pricing: Pricing | None) -> Reserved:
    """Reserves the cost of messages in their order, as far as the limits allow, and notes it in them.

    They belong to mailings that a limit concerns. Without a known price in the currency of a limit, none may be sent: a
    gateway whose price is in another currency than the daily limit's is not concerned by that one.
    """
    cursor.execute(spending.LOCK_SPENDING, {"mailings": bigints({message.mailing_id for message in messages})})
    mailings = {row.mailing_id: row for row in fetch_all(cursor, SpendingRow)}
    cursor.execute(spending.LOCK_DAY)
    day = next(iter(fetch_all(cursor, DayRow)), None)
    daily_limit = day.spending_limit if day else None
    if day is not None and pricing is not None and day.currency != pricing.currency:
        day = None
    spent = {row.mailing_id: row.amount for row in mailings.values()}
    spent_today = day.amount if day else Decimal(0)
    reserved, reservations = Reserved(), list[Reservation]()
    for message in messages:
        mailing = mailings.get(message.mailing_id)
        message.reserved = None  # the transaction may be repeated
        if mailing is None and day is None:
            continue
        unknown_in = _unknown_currency(mailing, day, pricing)
        if unknown_in is not None or pricing is None:
            detail = EventDetail.SPENDING_CURRENCY_UNKNOWN(gateway=gateway, currency=unknown_in or "")
        else:
            cost = pricing.segments(message.text) * pricing.segment_price
            if mailing is not None and spent[mailing.mailing_id] + cost > mailing.spending_limit:
                amounts = _amounts(spent[mailing.mailing_id], mailing.spending_limit, mailing.currency)
                detail = EventDetail.SPENDING_LIMIT_REACHED(**amounts)
            elif day is not None and spent_today + cost > day.spending_limit:
                amounts = _amounts(spent_today, day.spending_limit, day.currency)
                detail = EventDetail.DAILY_LIMIT_REACHED(day=day.day.isoformat(), **amounts)
            else:
                if mailing is not None:
                    spent[mailing.mailing_id] += cost
                spent_today += cost
                of_mailing = None if mailing is None else mailing.mailing_id
                message.reserved = Reservation(cost, pricing.currency, of_mailing, None if day is None else day.day)
                reservations.append(message.reserved)
                continue
        reserved.over.append(message)
        spending_limit = mailing.spending_limit if mailing else None
        reserved.limits.setdefault(message.mailing_id, LimitReached(detail, spending_limit, daily_limit))
    add(cursor, ((one, one.amount) for one in reservations))
    return reserved


def pause(cursor: Cursor, mailing_id: int, reached: LimitReached) -> bool:
    """Pauses a running mailing, unless its limits have been changed since. Returns whether it was paused."""
    cursor.execute(LOCK_MAILING, {"mailing_id": mailing_id})
    limits = {"spending_limit": reached.spending_limit, "daily_limit": reached.daily_limit}
    cursor.execute(spending.PAUSE_MAILING, {"mailing_id": mailing_id, **limits})
    paused = cursor.rowcount > 0
    if paused:
        add_event(cursor, mailing_id, "limit", reached.detail)
    return paused


def differences(cursor: Cursor, attempted: Iterable[AttemptResult]) -> list[tuple[Reservation, Decimal]]:
    """What attempts cost more or less than was reserved. To be read before they are recorded, in that transaction."""
    found = [
        (attempt.message, difference)
        for attempt in attempted
        if attempt.message.reserved is not None and (difference := _difference(attempt, attempt.message.reserved))
    ]
    return _of_held(cursor, found)


def returns(cursor: Cursor, released: Iterable[ClaimedMessage]) -> list[tuple[Reservation, Decimal]]:
    """What was reserved for messages that were not submitted. To be read before they are released."""
    found = [(message, -message.reserved.amount) for message in released if message.reserved is not None]
    return _of_held(cursor, found)


def add(cursor: Cursor, amounts: Iterable[tuple[Reservation, Decimal]]) -> None:
    """Adds amounts to what mailings and days have spent; negative ones are returned."""
    by_mailing, by_day = dict[tuple[int, str], Decimal](), dict[tuple[date, str], Decimal]()
    for reservation, amount in amounts:
        if reservation.mailing_id is not None:
            key = reservation.mailing_id, reservation.currency
            by_mailing[key] = by_mailing.get(key, Decimal(0)) + amount
        if reservation.day is not None:
            day = reservation.day, reservation.currency
            by_day[day] = by_day.get(day, Decimal(0)) + amount
    # One statement for each row: they are locked in the order of all transactions. There are few.
    for (mailing_id, currency), amount in sorted(by_mailing.items()):
        given = {"mailing_id": mailing_id, "currency": currency, "amount": amount}
        cursor.execute(spending.ADD_TO_MAILING, given)
    for (of_day, currency), amount in sorted(by_day.items()):
        cursor.execute(spending.ADD_TO_DAY, {"day": of_day, "currency": currency, "amount": amount})


def _unknown_currency(mailing: SpendingRow | None, day: DayRow | None, pricing: Pricing | None) -> str | None:
    """The currency of a limit in which the price is not known; None if it is known in that of each."""
    if mailing is not None and (pricing is None or mailing.currency != pricing.currency):
        return mailing.currency
    return day.currency if day is not None and pricing is None else None


def _amounts(amount: Decimal, limit: Decimal, currency: str) -> Mapping[str, str]:
    return {"amount": _written(amount), "limit": _written(limit), "currency": currency}


def _written(amount: Decimal) -> str:
    text = f"{amount:.6f}".rstrip("0")
    return text if len(text.rpartition(".")[2]) >= 2 else f"{amount:.2f}"


def _difference(attempt: AttemptResult, reservation: Reservation) -> Decimal:
    submitted = attempt.submitted
    if submitted.result not in CHARGEABLE:
        return -reservation.amount
    if submitted.price is None:
        return Decimal(0)
    return max(submitted.price - reservation.amount, Decimal(0))


def _of_held(cursor: Cursor, found: Sequence[tuple[ClaimedMessage, Decimal]]) -> list[tuple[Reservation, Decimal]]:
    if not found:
        return []
    messages = [message for message, _ in found]
    given = {
        "ids": bigints(message.message_id for message in messages),
        "numbers": bigints(message.number for message in messages),
        "claims": bigints(message.claim.id for message in messages),
    }
    cursor.execute(spending.READ_HELD, given)
    held = {row.id for row in fetch_all(cursor, HeldRow)}
    return [(one.reserved, amount) for one, amount in found if one.message_id in held and one.reserved is not None]
