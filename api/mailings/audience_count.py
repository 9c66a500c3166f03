"""The clients of an audience: how many, a sample, and tags that differ from the mark only in case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, literal_column, or_, select

from api.clients.queries import often_unknown
from api.extensions import db
from api.mailings.segment_count import Whom, count_clients
from shared.domain.segments.tree import Node
from shared.domain.tag_normalization import case_variants
from shared.schema import Client

COUNT_LIMIT = 100_000
"""Clients that are counted exactly, in some tens of milliseconds. For a larger audience the count is the planner's
estimate."""

SAMPLE = 5

TAGS = 1_000
"""Tags that are compared with a mark without regard to case: most directories have fewer. If there are more, only the
first ones and the common cases of the mark (upper, lower, title) are compared, for which there is an index."""


class Recipients(NamedTuple):
    """To whom a mailing is sent."""

    mark: str
    exclude_unknown_after: int | None = None
    """Clients whose number was not in service so often in a row are left out."""
    segment: Node | None = None
    """The segment, instead of a mark."""
    excluded: tuple[tuple[int, Node], ...] = ()
    """The segments that are left out: their ids and trees."""

    @property
    def by_segments(self) -> Whom | None:
        """The conditions of an audience that is a segment or leaves some out; None for a mark alone."""
        if self.segment is None and not self.excluded:
            return None
        return Whom(self.mark, self.segment, self.excluded, self.exclude_unknown_after)

    @property
    def kept(self) -> Sequence[ColumnElement[bool]]:
        """The condition that a client with the mark is not left out, if any is."""
        after = self.exclude_unknown_after
        return () if after is None else (Client.unknown_subscriber_count < after,)


class Audience(NamedTuple):
    """The clients that a mark matches and who are not left out."""

    clients: int
    exact: bool
    sample: Sequence[Client]
    left_out: int = 0
    excluded: Sequence[tuple[int, int]] = ()
    """For each excluded segment: its id, and how many clients of the audience it leaves out."""


def count_audience(recipients: Recipients, *, exact: bool = False) -> Audience:
    """The number of clients in an audience now, and a sample. Beyond COUNT_LIMIT it is exact only if `exact`."""
    if whom := recipients.by_segments:
        found = count_clients(whom, SAMPLE)
        return Audience(found.clients, found.exact, found.sample, found.left_out, found.excluded)
    mark = recipients.mark
    if not mark:
        return Audience(0, True, ())
    clients, is_exact = _count_matching(mark, None if exact else COUNT_LIMIT)
    left_out = _count_left_out(recipients)
    return Audience(max(clients - left_out, 0), is_exact, _sample(recipients), left_out)


def _count_matching(mark: str, count_limit: int | None) -> tuple[int, bool]:
    """The number of clients with the mark, and whether it is exact."""
    found: Select[Any] = select(literal_column("1")).select_from(Client)
    by_tag = found.where(Client.tag == mark).limit(count_limit)
    by_code = found.where(Client.operator_code == mark, Client.tag != mark).limit(count_limit)
    both = by_tag.subquery("by_tag"), by_code.subquery("by_code")
    counts = [select(func.count()).select_from(rows).scalar_subquery() for rows in both]
    clients = db.session.scalars(select(counts[0] + counts[1])).one()
    if count_limit is None or clients < count_limit:
        return clients, True
    return max(clients, _estimate(mark)), False


def _count_left_out(recipients: Recipients) -> int:
    """The number of clients with the mark who are left out."""
    after = recipients.exclude_unknown_after
    if after is None:
        return 0
    # The few whose number may not be in service are found first, by an index that has only those.
    unknown = select(Client.tag, Client.operator_code).where(*often_unknown(after))
    listed = unknown.cte("unknown").prefix_with("MATERIALIZED")
    has_mark = or_(listed.c.tag == recipients.mark, listed.c.operator_code == recipients.mark)
    return db.session.scalars(select(func.count()).select_from(listed).where(has_mark)).one()


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


def _sample(recipients: Recipients) -> Sequence[Client]:
    # The first clients of each index; an OR over both might scan the whole directory in the order of its ids.
    by_each = (
        db.session.scalars(
            select(Client).where(column == recipients.mark, *recipients.kept).order_by(column, Client.id).limit(SAMPLE)
        )
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
