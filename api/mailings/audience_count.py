"""The clients that a mark matches: how many, a sample, and tags that differ from it only in case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, func, literal_column, or_, select

from api.extensions import db
from shared.domain.tag_normalization import case_variants
from shared.schema import Client

COUNT_LIMIT = 100_000
"""Clients that are counted exactly, in some tens of milliseconds. For a larger audience the count is the planner's
estimate."""

SAMPLE = 5

TAGS = 1_000
"""Tags that are compared with a mark without regard to case: most directories have fewer. If there are more, only the
first ones and the common cases of the mark (upper, lower, title) are compared, for which there is an index."""


class Audience(NamedTuple):
    """The clients that a mark matches."""

    clients: int
    exact: bool
    sample: Sequence[Client]


def count_audience(mark: str, *, exact: bool = False) -> Audience:
    """The number of clients that a mark matches now, and a sample. Beyond COUNT_LIMIT it is exact only if `exact`."""
    count_limit = None if exact else COUNT_LIMIT
    if not mark:
        return Audience(0, True, ())
    found: Select[Any] = select(literal_column("1")).select_from(Client)
    by_tag = found.where(Client.tag == mark).limit(count_limit)
    by_code = found.where(Client.operator_code == mark, Client.tag != mark).limit(count_limit)
    both = by_tag.subquery("by_tag"), by_code.subquery("by_code")
    counts = [select(func.count()).select_from(rows).scalar_subquery() for rows in both]
    clients = db.session.scalars(select(counts[0] + counts[1])).one()
    if count_limit is None or clients < count_limit:
        return Audience(clients, True, _sample(mark))
    return Audience(max(clients, _estimate(mark)), False, _sample(mark))


def similar_tags_of(mark: str) -> list[str]:
    """The tags of clients that differ from the mark only in case, in order; see TAGS."""
    if not mark:
        return []
    first = select(Client.tag).order_by(Client.tag).limit(1).cte("tags", recursive=True)
    following = select(Client.tag).where(Client.tag > first.c.tag).order_by(Client.tag).limit(1).scalar_subquery()
    tags = first.union_all(select(following).where(first.c.tag.is_not(None)))
    each = db.session.scalars(select(tags.c.tag).limit(TAGS))  # one step in the index for each
    variants = db.session.scalars(select(Client.tag).where(Client.tag.in_(case_variants(mark))).distinct())
    return sorted({tag for tag in (*each, *variants) if tag and tag != mark and tag.casefold() == mark.casefold()})


def _sample(mark: str) -> Sequence[Client]:
    # The first clients of each index; an OR over both might scan the whole directory in the order of its ids.
    by_each = (
        db.session.scalars(select(Client).where(column == mark).order_by(column, Client.id).limit(SAMPLE))
        for column in (Client.tag, Client.operator_code)
    )
    clients = {client.id: client for found in by_each for client in found}
    return [clients[id_] for id_ in sorted(clients)[:SAMPLE]]


def _estimate(mark: str) -> int:
    """The planner's estimate, from the statistics that autovacuum maintains."""
    matching = select(Client.id).where(or_(Client.tag == mark, Client.operator_code == mark))
    compiled = matching.compile(dialect=db.engine.dialect)
    ((plan,),) = db.session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params)
    return int(plan[0]["Plan"]["Plan Rows"])
