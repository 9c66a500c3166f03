"""Reads of the directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, aliased

from api.audit.queries import entries_about
from api.extensions import db
from shared.domain.sentences import ErrorCode
from shared.domain.statuses import MessageStatus
from shared.errors import NotFound
from shared.schema import Client, Message

ClientRow = Client
"""A client, as the queries and services return it."""


def clients_after(after: int, limit: int, **wanted: Any) -> Sequence[Client]:
    """The clients with a greater id that pass every filter given, in order.

    `wanted` may have `phone_number`, `external_id`, `tag`, `tags` (one of them), `operator_code` and
    `min_unknown_subscriber_count`.
    """
    given = {name: value for name, value in wanted.items() if value is not None}
    among, unknown = given.pop("tags", None), given.pop("min_unknown_subscriber_count", None)
    equal = {name: getattr(Client, name) == value for name, value in given.items()}
    if unknown is not None or "phone_number" in equal or "external_id" in equal:
        # Of one client, or of the few whose number may not be in service: an index lists each.
        conditions = [*equal.values(), *(often_unknown(unknown) if unknown else ())]
        conditions += [has_tag(among)] if among is not None else []
        return _in_order(select(Client).where(*conditions, Client.id > after), limit)
    if among is not None:
        return clients_with_tag(among, after, limit, [*equal.values()])
    walked = next((name for name in ("tag", "operator_code") if name in equal), None)
    if walked is None:
        return _in_order(select(Client).where(Client.id > after), limit)
    others = [condition for name, condition in equal.items() if name != walked]
    return db.session.scalars(_walk(getattr(Client, walked), given[walked], after, limit).where(*others)).all()


def clients_with_tag(
    tag: str, after: int, limit: int, conditions: Sequence[ColumnElement[bool]] = ()
) -> Sequence[Client]:
    """The clients with a greater id that have this tag among all of theirs, and meet the conditions, in order."""
    first = _walk(Client.tag, tag, after, limit).where(*conditions)
    # The condition of the index, too. No client has the tag in both columns.
    other = Client.tags.contains([tag]), Client.tags != []
    others = select(Client).where(*conditions, *other, Client.id > after).order_by(Client.id).limit(limit)
    client = aliased(Client, union_all(select(first.subquery()), select(others.subquery())).subquery())
    return db.session.scalars(select(client).order_by(client.id).limit(limit)).all()


def has_tag(tag: str) -> ColumnElement[bool]:
    """The condition that a client has this tag among all of its tags."""
    return or_(Client.tag == tag, Client.tags.contains([tag]))


def _in_order(found: Select[Client], limit: int) -> Sequence[Client]:
    return db.session.scalars(found.order_by(Client.id).limit(limit)).all()


def _walk(column: InstrumentedAttribute[str], value: str, after: int, limit: int) -> Select[Client]:
    """The clients with this value and a greater id, in order.

    Only the index of the column and the id supports this order, so the planner can't scan the primary key and filter
    for a rare value.
    """
    given = literal(value, column.type)
    beyond = tuple_(column, Client.id) > tuple_(given, literal(after, Client.id.type))
    return select(Client).where(beyond, column <= given).order_by(column, Client.id).limit(limit)


def often_unknown(times: int) -> Sequence[ColumnElement[bool]]:
    """The conditions that the number of a client was not in service so many times in a row, or more."""
    # The first one is that of the index.
    return Client.unknown_subscriber_count > 0, Client.unknown_subscriber_count >= times


def client_by_id(client_id: int) -> Client:
    """The client. Raises NotFound."""
    client = find_client(client_id)
    if client is None:
        raise NotFound(ErrorCode.NO_SUCH_CLIENT, client=client_id)
    return client


def find_client(client_id: int) -> Client | None:
    """The client; None if it does not exist."""
    return db.session.get(Client, client_id)


def last_changed_by(client: Client) -> str | None:
    """The name of the principal that last changed the client; None if an import did."""
    changes = entries_about("client", client.id, 1)
    return changes[0].actor_name if changes and changes[0].at >= client.updated_at else None


def has_clients() -> bool:
    """Whether there is any client."""
    return db.session.scalar(select(Client.id).limit(1)) is not None


def count_waiting(client: Client) -> int:
    """How many messages to a client are pending; removing the client would end them."""
    waiting = Message.client_id == client.id, Message.status == MessageStatus.PENDING
    return db.session.scalars(select(func.count()).select_from(Message).where(*waiting)).one()
