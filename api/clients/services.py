"""Writes of clients: adding, changing and removing them, with the effects on their messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, update

from api.audit.recorder import nothing_changed, record_changes
from api.database import execute
from api.extensions import db
from api.http.serialization import row_to_dict
from shared.domain.client_rules import check_operator_code
from shared.domain.sentences import ErrorCode
from shared.errors import NotFound
from shared.schema import Client
from shared.sql import messages


def lock_client(client_id: int) -> Client:
    """The client, locked against all other writers and launches until the end of the transaction. Raises NotFound."""
    client = db.session.get(Client, client_id, with_for_update=True, populate_existing=True)
    if client is None:
        raise NotFound(ErrorCode.NO_SUCH_CLIENT, client=client_id)
    return client


def add_client(fields: Mapping[str, Any]) -> Client:
    """Adds a client. Raises Invalid, and IntegrityError for a phone number that is taken."""
    check_operator_code(fields["phone_number"], fields["operator_code"])
    client = Client(**fields)
    db.session.add(client)
    db.session.flush()
    return client


def change_client(client: Client, fields: Mapping[str, Any]) -> Client:
    """Changes a locked client; a new phone number applies to its messages that were never attempted.

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
    """Deletes a locked client and ends its waiting messages: `unknown` after an attempt in doubt, else `cancelled`."""
    db.session.delete(client)
    execute(messages.CANCEL_FOR_CLIENT, {"client_id": client.id})
