"""The clients of an audience that is a segment, or leaves segments out: how many, and a few of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from flask import current_app
from sqlalchemy import select

from api.bounded_reads import ReadTimeout, bounded_reads
from api.client_fields.queries import fields_of_clients
from api.database import execute
from api.extensions import db
from shared.domain.segments.errors import SegmentError
from shared.domain.segments.tree import Field, Node
from shared.domain.sentences import ErrorCode
from shared.schema import Client
from shared.sql import audiences
from shared.sql.segments import READ_TODAY

_KNOWN = "(%(after)s::int IS NULL OR unknown_subscriber_count < %(after)s)"

COUNT = f"""
SELECT count(*) FILTER (WHERE {{kept}} AND known) AS clients, count(*) FILTER (WHERE {{kept}} AND NOT known) AS left_out
    {{counts}}
FROM (SELECT {_KNOWN} AS known {{columns}} FROM client WHERE {{matching}}) AS audience
"""  # noqa: S608  put together of constants, and of conditions without values

IDS = f"SELECT client.id FROM client WHERE {{matching}} AND {_KNOWN} ORDER BY client.id LIMIT %(limit)s"  # noqa: S608

NUMBERS = f"""
SELECT client.id, client.phone_number, client.operator_code
FROM client
WHERE {{matching}} AND {_KNOWN}
LIMIT %(limit)s
"""  # noqa: S608

ESTIMATE = f"EXPLAIN (FORMAT JSON) SELECT FROM client WHERE {{matching}} AND {_KNOWN}"


class Whom(NamedTuple):
    """The conditions of an audience."""

    mark: str
    tree: Node | None
    """The segment, instead of the mark."""
    excluded: tuple[tuple[int, Node], ...]
    """The excluded segments: their ids and trees."""
    exclude_unknown_after: int | None


class SegmentCount(NamedTuple):
    """The clients of an audience."""

    clients: int
    exact: bool
    """Whether they were counted: if that takes too long, the planner estimates."""
    left_out: int
    """Clients who are left out because their number is not in service; 0 if not counted."""
    excluded: Sequence[tuple[int, int]]
    """For each excluded segment: its id, and how many clients of the audience it leaves out. Empty if not counted."""
    sample: Sequence[Client]


def count_clients(whom: Whom, sample: int) -> SegmentCount:
    """The number of clients in an audience now, and the first `sample` of them. Raises SegmentError."""
    compiled = _Compiled(whom)
    seconds = current_app.config["SEGMENT_TIMEOUT"]
    try:
        with bounded_reads(seconds):
            found = compiled.execute(COUNT).one()
            ids = compiled.execute(IDS, limit=sample).scalars().all()
            clients = db.session.scalars(select(Client).where(Client.id.in_(ids)).order_by(Client.id)).all()
    except ReadTimeout:
        plan = compiled.planned(seconds)
        return SegmentCount(int(plan[0]["Plan"]["Plan Rows"]), False, 0, (), ())
    counts = [(segment_id, found[place]) for place, (segment_id, _) in enumerate(whom.excluded, start=2)]
    return SegmentCount(found.clients, True, found.left_out, counts, clients)


def some_numbers(whom: Whom, limit: int) -> Sequence[tuple[int, int, str]]:
    """The id, phone number and operator code of some clients of an audience; none if that takes too long."""
    try:
        with bounded_reads(current_app.config["SEGMENT_TIMEOUT"]):
            return [tuple(row) for row in _Compiled(whom).execute(NUMBERS, limit=limit)]
    except ReadTimeout:
        return ()


def condition_of(whom: Whom) -> tuple[str, Mapping[str, Any]]:
    """The clients of an audience as an expression over `client`, and its parameters. Raises SegmentError."""
    compiled = _Compiled(whom)
    return f"{compiled.kept} AND {_KNOWN}", compiled.parameters


class _Compiled:
    """The conditions of an audience as SQL."""

    def __init__(self, whom: Whom) -> None:
        fields: dict[str, Field] = fields_of_clients()
        today: date = execute(READ_TODAY, {}).scalar_one()
        self._matching, parameters = audiences.matches(whom.mark, whom.tree, fields, today)
        self._kept, others = audiences.is_kept([tree for _, tree in whom.excluded], fields, today)
        self.parameters = {**parameters, **others, "after": whom.exclude_unknown_after}

    @property
    def kept(self) -> str:
        """The condition of those who are not left out by a segment."""
        return " AND ".join((self._matching, *self._kept))

    def planned(self, seconds: float) -> Any:
        """The plan of ESTIMATE. Raises SegmentError if the planner takes longer."""
        try:
            with bounded_reads(seconds):
                return self.execute(ESTIMATE).scalar_one()
        except ReadTimeout:
            raise SegmentError(ErrorCode.SEGMENT_IS_TOO_SLOW(seconds=f"{seconds:g}")) from None

    def execute(self, statement: str, **given: int) -> Any:
        """Executes one of the statements of this module."""
        places = range(len(self._kept))
        together = statement is COUNT
        filled = statement.format(
            matching=self._matching if together else self.kept,
            kept=" AND ".join(["true", *(f"kept_{place}" for place in places)]),
            counts="".join(f", count(*) FILTER (WHERE NOT kept_{place})" for place in places),
            columns="".join(f", {kept} AS kept_{place}" for place, kept in enumerate(self._kept)),
        )
        return execute(filled, {**self.parameters, **given})
