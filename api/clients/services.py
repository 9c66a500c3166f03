"""Writes of clients: adding, changing and removing them, with the effects on their messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, update

from api.audit.recorder import nothing_changed, record_changes
from api.client_fields.queries import lock_fields
from api.database import execute
from api.erased_numbers.reattachment import reattach
from api.extensions import db
from api.http.serialization import row_to_dict
from shared.domain.attribute_values import Stored, check_size, stored_value
from shared.domain.client_fields import MAX_NAME, attribute_name
from shared.domain.client_rules import MAX_TAGS, check_operator_code
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid, NotFound
from shared.schema import Client
from shared.sql import messages, rescheduling


def lock_client(client_id: int) -> Client:
    """The client, locked against all other writers and launches until the end of the transaction. Raises NotFound."""
    client = db.session.get(Client, client_id, with_for_update=True, populate_existing=True)
    if client is None:
        raise NotFound(ErrorCode.NO_SUCH_CLIENT, client=client_id)
    return client


def add_client(fields: Mapping[str, Any]) -> Client:
    """Adds a client. Raises Invalid, and IntegrityError for a phone number or an external id that is taken."""
    check_operator_code(fields["phone_number"], fields["operator_code"])
    client = Client(**with_tags_and_attributes(fields, (), {}))
    db.session.add(client)
    db.session.flush()
    reattach(db.session.connection(), lambda: [client.phone_number])
    return client


def change_client(client: Client, given: Mapping[str, Any]) -> Client:
    """Changes a locked client; what is left out stays.

    A new phone number applies to its messages that were never attempted, and nothing is known yet about whether it is
    in service. By a new time zone, its messages that wait for a local window are due at another time.

    Raises Invalid, and IntegrityError for a phone number or an external id that is taken.
    """
    fields = with_tags_and_attributes(given, client.tags, client.attributes)
    check_operator_code(fields["phone_number"], fields["operator_code"])
    if all(getattr(client, name) == value for name, value in fields.items()):
        nothing_changed()
        return client
    record_changes(*_for_audit(client, fields))
    values = {**fields, "updated_at": func.now()}
    if client.phone_number != fields["phone_number"]:
        changed_number = {"client_id": client.id, "phone_number": fields["phone_number"]}
        execute(messages.CHANGE_PHONE_NUMBER, changed_number)
        values["unknown_subscriber_count"] = 0
    is_new_number = client.phone_number != fields["phone_number"]
    moved = client.timezone != fields["timezone"]
    change = update(Client).where(Client.id == client.id).values(**values).returning(Client)
    changed = db.session.scalars(change, execution_options={"populate_existing": True}).one()
    if is_new_number:
        reattach(db.session.connection(), lambda: [changed.phone_number])
    if moved:
        _reschedule(changed.id)
    return changed


def _reschedule(client_id: int) -> None:
    waiting = execute(rescheduling.LOCK_OF_CLIENT, {"client_id": client_id}).scalars().all()
    if waiting:
        execute(rescheduling.RESCHEDULE, {"ids": waiting})


def with_tags_and_attributes(
    given: Mapping[str, Any], tags: Sequence[str], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """The columns of a client whose other tags and attributes are these, after the change. `all_tags` and `attributes`
    may be left out; of attributes, those that are given change.

    Raises Invalid, by `attributes.` and the name for a value that its field does not take.
    """
    columns = {name: value for name, value in given.items() if name not in ("all_tags", "attributes")}
    columns["tags"] = [tag for tag in given.get("all_tags", tags) if tag != given["tag"]]
    if len(columns["tags"]) >= MAX_TAGS and given["tag"]:
        raise Invalid("tags", ErrorCode.TOO_MANY_TAGS, count=len(columns["tags"]) + 1, limit=MAX_TAGS)
    if given.get("attributes"):
        columns["attributes"] = _changed_attributes(attributes, given["attributes"])
    return columns


def _changed_attributes(attributes: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Stored]:
    fields = lock_fields(given)
    changed = dict(attributes)
    for name, value in given.items():
        if name not in fields:
            shown = name[: MAX_NAME + 1]
            raise Invalid(attribute_name(shown), ErrorCode.FIELD_NOT_DECLARED, name=shown)
        try:
            stored = stored_value(fields[name], value)
        except Invalid as error:
            raise Invalid(attribute_name(name), error.code, **error.sentence.parameters) from None
        changed.pop(name, None)
        if stored is not None:
            changed[name] = stored
    check_size(changed)
    return changed


def _for_audit(client: Client, columns: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns before and after a change, with each changed attribute as one of them: None without a value."""
    before, after = row_to_dict(client), dict(columns)
    old, new = before.pop("attributes"), after.pop("attributes", None)
    for name in sorted({*old, *new}) if new is not None else ():
        before[attribute_name(name)], after[attribute_name(name)] = old.get(name), new.get(name)
    return before, after


def remove_client(client: Client) -> None:
    """Deletes a locked client and ends its waiting messages: `unknown` after an attempt in doubt, else `cancelled`."""
    db.session.delete(client)
    execute(messages.CANCEL_FOR_CLIENT, {"client_id": client.id})
