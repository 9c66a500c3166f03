"""What the API asks of the directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, literal, select, tuple_, update

from api.audit.recorder import nothing_changed, record_changes
from api.database import execute
from api.extensions import db
from api.http.serialization import row_to_dict
from shared.domain.client_rules import check_operator_code
from shared.domain.statuses import MessageStatus
from shared.errors import NotFound
from shared.schema import Client, Message
from shared.sql import messages


def clients_after(after: int, limit: int, **wanted: Any) -> Sequence[Client]:
    """The clients with a greater id that pass every filter given, in order.

    `wanted` may have `phone_number`, `tag` and `operator_code`.
    """
    equal = {name: value for name, value in wanted.items() if value is not None}
    walked = None if "phone_number" in equal else next((name for name in ("tag", "operator_code") if name in equal), "")
    if not walked:
        found = select(Client).where(Client.id > after).order_by(Client.id)
    else:
        # Of this order only the index of the column and the id is of use, so the planner can't walk the primary key
        # instead, and filter its way to a rare value.
        column = getattr(Client, walked)
        given = literal(equal.pop(walked), column.type)
        beyond = tuple_(column, Client.id) > tuple_(given, literal(after, Client.id.type))
        found = select(Client).where(beyond, column <= given).order_by(column, Client.id)
    return db.session.scalars(found.filter_by(**equal).limit(limit)).all()


def client_by_id(client_id: int) -> Client:
    """The client. Raises NotFound."""
    return _found(db.session.get(Client, client_id), client_id)


def lock_client(client_id: int) -> Client:
    """The client, kept from everybody else until the end of the transaction, launches included. Raises NotFound."""
    return _found(db.session.get(Client, client_id, with_for_update=True, populate_existing=True), client_id)


def add_client(fields: Mapping[str, Any]) -> Client:
    """Adds a client. Raises Invalid, and IntegrityError for a phone number that is taken."""
    check_operator_code(fields["phone_number"], fields["operator_code"])
    client = Client(**fields)
    db.session.add(client)
    db.session.flush()
    return client


def change_client(client: Client, fields: Mapping[str, Any]) -> Client:
    """Changes a locked client; a new phone number reaches its messages never attempted.

    Raises Invalid, and IntegrityError for a phone number that is taken.
    """
    check_operator_code(fields["phone_number"], fields["operator_code"])
    if all(getattr(client, name) == value for name, value in fields.items()):
        nothing_changed()
        return client
    record_changes(row_to_dict(client), fields)
    if client.phone_number != fields["phone_number"]:
        changed_number = {"client_id": client.id, "phone_number": fields["phone_number"]}
        execute(messages.CHANGE_PHONE_NUMBER, changed_number)
    change = update(Client).where(Client.id == client.id).values(**fields, updated_at=func.now()).returning(Client)
    return db.session.scalars(change, execution_options={"populate_existing": True}).one()


def remove_client(client: Client) -> None:
    """Deletes a locked client and ends its messages that wait; whether one in doubt has landed, nobody knows."""
    db.session.delete(client)
    execute(messages.CANCEL_FOR_CLIENT, {"client_id": client.id})


def count_waiting(client: Client) -> int:
    """How many messages wait to be sent to a client: what removing it would end."""
    waiting = Message.client_id == client.id, Message.status == MessageStatus.PENDING
    return db.session.scalars(select(func.count()).select_from(Message).where(*waiting)).one()


def _found(client: Client | None, client_id: int) -> Client:
    if client is None:
        raise NotFound("client", client_id)
    return client
