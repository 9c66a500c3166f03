"""What the API asks of the directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, case, cast, func, select, update

from api.audit.recording import note_changes
from api.extensions import db
from api.rows import with_columns
from shared.clients import check_operator_code
from shared.errors import NotFound
from shared.ledger import MessageStatus
from shared.models import MESSAGE_STATUS, Client, Message

REMOVED = "the client was removed"


def clients_after(after: int, limit: int) -> Sequence[Client]:
    """The clients with a greater id, in order."""
    return db.session.scalars(select(Client).where(Client.id > after).order_by(Client.id).limit(limit)).all()


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
        return client
    note_changes(with_columns(client), fields)
    if client.phone_number != fields["phone_number"]:
        _redirect_messages(client, fields["phone_number"])
    change = update(Client).where(Client.id == client.id).values(**fields, updated_at=func.now()).returning(Client)
    return db.session.scalars(change, execution_options={"populate_existing": True}).one()


def remove_client(client: Client) -> None:
    """Deletes a locked client and ends its messages that wait; whether one in doubt has landed, nobody knows."""
    db.session.delete(client)
    db.session.execute(
        update(Message)
        .where(Message.id.in_(_locked_ids(_waiting(client))))
        .values(
            status=case(
                (Message.in_doubt, cast(MessageStatus.UNKNOWN, MESSAGE_STATUS)),
                else_=cast(MessageStatus.CANCELLED, MESSAGE_STATUS),
            ),
            ended_at=func.now(),
            reason=case((Message.in_doubt, f"{REMOVED} after an attempt that may have landed"), else_=REMOVED),
        )
        .execution_options(synchronize_session=False)
    )


def _redirect_messages(client: Client, phone_number: int) -> None:
    db.session.execute(
        update(Message)
        .where(Message.id.in_(_locked_ids(_waiting(client), Message.attempts == 0)))
        .values(phone_number=phone_number)
        .execution_options(synchronize_session=False)
    )


def _waiting(client: Client) -> ColumnElement[bool]:
    return and_(Message.client_id == client.id, Message.status == MessageStatus.PENDING)


def _locked_ids(*which: ColumnElement[bool]) -> Any:
    # In the order of their ids, as everybody locks them: nobody waits in a circle.
    return select(Message.id).where(*which).order_by(Message.id).with_for_update().scalar_subquery()


def _found(client: Client | None, client_id: int) -> Client:
    if client is None:
        raise NotFound("client", client_id)
    return client
