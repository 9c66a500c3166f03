"""What is written of clients: adding, changing and removing them, with what follows for their messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, case, cast, func, select, update

from api.audit.recorder import nothing_changed, record_changes
from api.clients.queries import is_waiting_for
from api.extensions import db
from api.http.serialization import row_to_dict
from shared.domain.client_rules import check_operator_code
from shared.domain.statuses import MessageStatus
from shared.errors import NotFound
from shared.schema import MESSAGE_STATUS, Client, Message

REMOVED = "the client was removed"


def lock_client(client_id: int) -> Client:
    """The client, locked against all other writers and launches until the end of the transaction. Raises NotFound."""
    client = db.session.get(Client, client_id, with_for_update=True, populate_existing=True)
    if client is None:
        raise NotFound("client", client_id)
    return client


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
        _redirect_messages(client, fields["phone_number"])
    change = update(Client).where(Client.id == client.id).values(**fields, updated_at=func.now()).returning(Client)
    return db.session.scalars(change, execution_options={"populate_existing": True}).one()


def remove_client(client: Client) -> None:
    """Deletes a locked client and ends its waiting messages: `unknown` after an attempt in doubt, else `cancelled`."""
    db.session.delete(client)
    db.session.execute(
        update(Message)
        .where(Message.id.in_(_locked_ids(is_waiting_for(client))))
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
        .where(Message.id.in_(_locked_ids(is_waiting_for(client), Message.attempts == 0)))
        .values(phone_number=phone_number)
        .execution_options(synchronize_session=False)
    )


def _locked_ids(*which: ColumnElement[bool]) -> Any:
    # In the order of their ids, as every transaction locks them: otherwise two of them could deadlock.
    return select(Message.id).where(*which).order_by(Message.id).with_for_update().scalar_subquery()
