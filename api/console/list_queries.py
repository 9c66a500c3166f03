"""What operators search for in lists of clients and in journals, in pages whose cost does not grow with the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, column, exists, select, true, values
from sqlalchemy.orm import aliased

from api.extensions import db
from shared.domain.phone_numbers import beginnings
from shared.schema import Client, MailingEvent

Ranges = list[tuple[int, int]]
"""From the first phone number to the last."""


def find_clients(
    after: int, limit: int, *, ranges: Ranges | None = None, tag: str = "", operator_code: str = ""
) -> Sequence[Client]:
    """The clients whose number is in one of the ranges and who have this tag and this code, beyond `after` in order.

    That is the order of phone numbers when there are ranges, of ids otherwise.
    """
    given = {Client.tag: tag, Client.operator_code: operator_code}
    wanted = [column == value for column, value in given.items() if value]
    if ranges is None:
        found = select(Client).where(*wanted, Client.id > after).order_by(Client.id).limit(limit)
        return db.session.scalars(found).all()
    if not ranges:
        return ()
    # A page of each range, merged: so the planner can't walk the whole directory instead.
    bounds = _bounds(ranges)
    within = Client.phone_number.between(bounds.c.low, bounds.c.high)
    of_each = select(Client).where(*wanted, within, Client.phone_number > after).order_by(Client.phone_number)
    client = aliased(Client, of_each.limit(limit).lateral())
    merged = select(client).select_from(bounds.join(client, true())).order_by(client.phone_number).limit(limit)
    return db.session.scalars(merged).all()


def has_digits(typed: str) -> bool:
    """Whether it may be a phone number, or a part of one."""
    return any(map(str.isdecimal, typed))


def ranges_of(typed: str, region: str | None) -> Ranges | None:
    """Where numbers are that begin as somebody has typed, with the country's code or without; none if nothing is typed.

    Without a region, numbers of all countries are looked through only when none begins so in international form.
    """
    if not typed:
        return None
    international, national = beginnings(typed, region)
    if region or not national or not _anybody_in(international):
        international = _apart(international + national)
    return international


def _anybody_in(ranges: Ranges) -> bool:
    if not ranges:
        return False
    bounds = _bounds(ranges)
    within = exists().where(Client.phone_number.between(bounds.c.low, bounds.c.high))
    return db.session.scalar(select(true()).select_from(bounds).where(within).limit(1)) is not None


def _apart(ranges: Ranges) -> Ranges:
    """The ranges without those that lie within another one: nobody is to be found twice."""
    kept: Ranges = []
    for low, high in sorted(ranges, key=lambda bounds: (bounds[0], -bounds[1])):
        if not kept or high > kept[-1][1]:
            kept.append((low, high))
    return kept


def _bounds(ranges: Ranges) -> Any:
    return values(column("low", BigInteger), column("high", BigInteger), name="bounds").data(ranges)


def find_journal(mailing_id: int, before: int, limit: int) -> Sequence[MailingEvent]:
    """The entries of a mailing's journal with a lesser id, the latest first."""
    entries = select(MailingEvent).where(MailingEvent.mailing_id == mailing_id, MailingEvent.id < before)
    return db.session.scalars(entries.order_by(MailingEvent.id.desc()).limit(limit)).all()
