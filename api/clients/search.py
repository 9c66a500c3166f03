"""The console's search of the directory, in pages whose cost does not grow with the directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, column, exists, select, true, values
from sqlalchemy.orm import aliased

from api.clients.queries import clients_with_tag, has_tag, often_unknown
from api.extensions import db
from shared.domain.phone_numbers import beginnings
from shared.schema import Client

Ranges = list[tuple[int, int]]
"""Pairs of the first and the last phone number."""


def find_clients(
    after: int,
    limit: int,
    *,
    ranges: Ranges | None = None,
    tag: str = "",
    operator_code: str = "",
    external_id: str = "",
    unknown: int | None = None,
) -> Sequence[Client]:
    """The clients whose number is in one of the ranges, with this tag among theirs, this code and this external id,
    after `after` in order.

    With `unknown`, only those whose number was not in service so many times in a row, or more.

    Ordered by phone number if there are ranges, by id otherwise.
    """
    given = {Client.operator_code: operator_code, Client.external_id: external_id}
    wanted = [column == value for column, value in given.items() if value]
    wanted += often_unknown(unknown) if unknown else ()
    if ranges is None and tag and not external_id and not unknown:
        return clients_with_tag(tag, after, limit, wanted)
    wanted += [has_tag(tag)] if tag else ()
    if ranges is None:
        found = select(Client).where(*wanted, Client.id > after).order_by(Client.id).limit(limit)
        return db.session.scalars(found).all()
    if not ranges:
        return ()
    # A page of each range, merged, so that the planner can't read the whole directory.
    bounds = _bounds(ranges)
    within = Client.phone_number.between(bounds.c.low, bounds.c.high)
    of_each = select(Client).where(*wanted, within, Client.phone_number > after).order_by(Client.phone_number)
    client = aliased(Client, of_each.limit(limit).lateral())
    merged = select(client).select_from(bounds.join(client, true())).order_by(client.phone_number).limit(limit)
    return db.session.scalars(merged).all()


def has_digits(typed: str) -> bool:
    """Whether it may be a phone number or a part of one."""
    return any(map(str.isdecimal, typed))


def ranges_of(typed: str, region: str | None) -> Ranges | None:
    """The ranges of numbers that begin as typed, with or without the country code; None if nothing is typed.

    Without a region, national numbers of all countries are searched only if no client matches in international format.
    """
    if not typed:
        return None
    international, national = beginnings(typed, region)
    if region or not national or not _has_clients_in(international):
        international = _merge_nested(international + national)
    return international


def _has_clients_in(ranges: Ranges) -> bool:
    if not ranges:
        return False
    bounds = _bounds(ranges)
    within = exists().where(Client.phone_number.between(bounds.c.low, bounds.c.high))
    return db.session.scalar(select(true()).select_from(bounds).where(within).limit(1)) is not None


def _merge_nested(ranges: Ranges) -> Ranges:
    """The ranges without those that lie within another one, so that no client is found twice."""
    kept: Ranges = []
    for low, high in sorted(ranges, key=lambda bounds: (bounds[0], -bounds[1])):
        if not kept or high > kept[-1][1]:
            kept.append((low, high))
    return kept


def _bounds(ranges: Ranges) -> Any:
    return values(column("low", BigInteger), column("high", BigInteger), name="bounds").data(ranges)
