"""Reads of the directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_

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

    `wanted` may have `phone_number`, `tag` and `operator_code`.
    """
    equal = {name: value for name, value in wanted.items() if value is not None}
    walked = None if "phone_number" in equal else next((name for name in ("tag", "operator_code") if name in equal), "")
    if not walked:
        found = select(Client).where(Client.id > after).order_by(Client.id)
    else:
        # Only the index of the column and the id supports this order, so the planner can't scan the primary key and
        # filter for a rare value.
        column = getattr(Client, walked)
        given = literal(equal.pop(walked), column.type)
        beyond = tuple_(column, Client.id) > tuple_(given, literal(after, Client.id.type))
        found = select(Client).where(beyond, column <= given).order_by(column, Client.id)
    return db.session.scalars(found.filter_by(**equal).limit(limit)).all()


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
    return db.session.scalars(select(func.count()).select_from(Message).where(is_waiting_for(client))).one()


def is_waiting_for(client: Client) -> ColumnElement[bool]:
    """The condition that a message to the client is pending."""
    return and_(Message.client_id == client.id, Message.status == MessageStatus.PENDING)
