"""The clients of a segment now: how many, a sample, and how many of them other segments leave out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, NamedTuple

from flask import current_app
from sqlalchemy import select

from api.bounded_reads import ReadTimeout, bounded_reads
from api.client_fields.queries import fields_of_clients
from api.database import execute
from api.extensions import db
from api.segments.checks import usable_segments
from shared.domain.segments.errors import SegmentError
from shared.domain.segments.tree import Node
from shared.domain.segments.tree_json import from_json
from shared.domain.sentences import ErrorCode
from shared.schema import Client
from shared.sql.audiences import audience_condition
from shared.sql.segments import READ_TODAY, condition

SAMPLE = 5
"""Clients that are shown."""

ESTIMATE_ROWS = 50_000
"""Clients that an estimate looks at: the error of a share is then less than half a percentage point."""


class LeftOut(NamedTuple):
    """What an excluded segment does."""

    segment_id: int
    name: str
    clients: int
    """Clients of the audience that it leaves out, also if another one does."""


class SegmentCount(NamedTuple):
    """The clients of a segment who are in no excluded one."""

    clients: int
    is_exact: bool
    """Whether they were counted. Otherwise the numbers are estimates, from a sample of all clients."""
    sample: Sequence[Client]
    excluded: Sequence[LeftOut]


class _TooSlow(Exception):
    """The deadline has passed."""


def count_segment(node: Node, excluded_segment_ids: Sequence[int] = (), *, field: str = "segment") -> SegmentCount:
    """Counts the clients of a typed tree, by the state of the directory and the ledger now.

    What cannot be counted in SEGMENT_TIMEOUT is estimated in as much time again. Raises Invalid for an unknown segment,
    and SegmentError with the field of a request if even that takes too long.
    """
    counting = _Counting(node, excluded_segment_ids)
    seconds = current_app.config["SEGMENT_TIMEOUT"]
    try:
        return counting.counted(time.monotonic() + seconds)
    except _TooSlow:
        pass
    try:
        return counting.estimated(time.monotonic() + seconds)
    except _TooSlow:
        raise SegmentError(ErrorCode.SEGMENT_IS_TOO_SLOW(seconds=f"{seconds:g}"), field=field) from None


class _Counting:
    """One count, by several statements that have a common deadline."""

    def __init__(self, node: Node, excluded_segment_ids: Sequence[int]) -> None:
        self._excluded = usable_segments(excluded_segment_ids, "excluded_segment_ids")
        self._fields = fields_of_clients()
        self._today: date = execute(READ_TODAY, {}).scalar_one()
        self._trees = [from_json(row.tree) for row in self._excluded]
        self._all = condition(node, self._fields, self._today)
        self._kept = audience_condition("", node, self._trees, self._fields, self._today)

    def counted(self, deadline: float) -> SegmentCount:
        return self._count("client", {}, 1, deadline)

    def estimated(self, deadline: float) -> SegmentCount:
        known = execute("SELECT reltuples AS clients FROM pg_class WHERE oid = 'client'::regclass", {}).scalar_one()
        if known <= ESTIMATE_ROWS:
            raise _TooSlow
        percent = 100 * ESTIMATE_ROWS / known
        source = "client TABLESAMPLE SYSTEM (%(percent)s)"
        return self._count(source, {"percent": percent}, 100 / percent, deadline)

    def _count(self, source: str, given: Mapping[str, Any], scale: float, deadline: float) -> SegmentCount:
        def count(sql: str, parameters: Mapping[str, Any]) -> int:
            statement = f"SELECT count(*) FROM {source} WHERE {sql}"  # noqa: S608  values are parameters
            with _limited(deadline):
                return round(int(execute(statement, {**given, **parameters}).scalar_one()) * scale)

        clients = count(*self._kept)
        excluded = []
        for row, tree in zip(self._excluded, self._trees, strict=True):
            sql, parameters = condition(tree, self._fields, self._today, "excluded")
            left_out = count(f"{self._all[0]} AND {sql}", {**self._all[1], **parameters})
            excluded.append(LeftOut(row.id, row.name, left_out))
        return SegmentCount(clients, scale == 1, self._sample(source, given, deadline) if clients else (), excluded)

    def _sample(self, source: str, given: Mapping[str, Any], deadline: float) -> Sequence[Client]:
        """The first ones that are found; none if there is no time left."""
        sql, parameters = self._kept
        statement = f"SELECT client.id FROM {source} WHERE {sql} LIMIT {SAMPLE}"  # noqa: S608  values are parameters
        try:
            with _limited(deadline):
                ids = execute(statement, {**given, **parameters}).scalars().all()
        except _TooSlow:
            return ()
        return db.session.scalars(select(Client).where(Client.id.in_(ids)).order_by(Client.id)).all()


@contextmanager
def _limited(deadline: float) -> Iterator[None]:
    """Ends a statement of the block at the deadline, by time.monotonic. Raises _TooSlow then."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise _TooSlow
    try:
        with bounded_reads(left):
            yield
    except ReadTimeout:
        raise _TooSlow from None
