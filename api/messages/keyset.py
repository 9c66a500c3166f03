"""Keyset pagination of the ledger, up or down the ids: the cost of a page does not depend on where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from api.extensions import db
from shared.schema import LedgerPartition, Message

Rows = Select[*tuple[Any, ...]]
"""A statement that selects columns of messages, or ids of messages."""

Column = InstrumentedAttribute[Any] | ColumnElement[Any]

END_OF_IDS = 2**63 - 1


class KeysetPage(NamedTuple):
    """A page of `limit` messages with ids greater than `after` and less than `before`."""

    limit: int
    after: int = 0
    before: int = END_OF_IDS
    latest_first: bool = False

    def of(self, rows: Rows, id: Column = Message.id) -> Rows:
        """This page of the rows, in the order of their column `id`, which has ids of messages."""
        return self._ordered(rows.where(id > self.after, id < self.before), id)

    def of_mailing(self, rows: Rows, mailing_id: int) -> Rows:
        """This page of the rows of messages of a mailing, in order.

        The condition is a range of the whole key of the index of mailing and id. No other index supports that, so the
        planner can't scan the primary key and filter for the messages of a small mailing. To be used for each partition
        apart: it may underestimate the range, and then sort the rows of many partitions instead of merging them.
        """
        key = tuple_(Message.mailing_id, Message.id)
        after, before = (
            tuple_(literal(mailing_id, BigInteger), literal(end, BigInteger)) for end in (self.after, self.before)
        )
        in_partition = rows.where(Message.id > self.after, Message.id < self.before)
        return self._ordered(in_partition.where(key > after, key < before), Message.mailing_id, Message.id)

    def from_id(self, last_id: int, limit: int) -> KeysetPage:
        """The page of `limit` messages that follow this id."""
        page = self._replace(before=last_id) if self.latest_first else self._replace(after=last_id)
        return page._replace(limit=limit)

    def by_partition(self) -> Iterator[KeysetPage]:
        """The parts of this page that lie in one partition of the ledger each, in order."""
        ends = select(LedgerPartition.first_message_id, LedgerPartition.end_message_id)
        ends = ends.where(LedgerPartition.end_message_id > self.after, LedgerPartition.first_message_id < self.before)
        first = LedgerPartition.first_message_id
        for part in db.session.execute(ends.order_by(first.desc() if self.latest_first else first)).all():
            yield self._replace(
                after=max(self.after, part.first_message_id - 1), before=min(self.before, part.end_message_id)
            )

    def _ordered(self, rows: Rows, *key: Column) -> Rows:
        return rows.order_by(*(column.desc() if self.latest_first else column for column in key)).limit(self.limit)


def rows_of_mailing(rows: Rows, page: KeysetPage, mailing_id: int) -> list[Any]:
    """The rows of a page of a mailing's messages."""
    found: list[Any] = []
    for part in page.by_partition():
        found += db.session.execute(part._replace(limit=page.limit - len(found)).of_mailing(rows, mailing_id)).all()
        if len(found) == page.limit:
            break
    return found
