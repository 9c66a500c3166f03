"""Reads of the declared fields of clients."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import select

from api.extensions import db
from shared.domain.opt_out_links import OPT_OUT_FIELD, OPT_OUT_LINK
from shared.domain.segments.tree import COLUMNS, Field, known_fields
from shared.domain.sentences import ErrorCode
from shared.errors import Invalid, NotFound
from shared.schema import ClientField

FieldRow = ClientField
"""A declared field, as the queries and services return it."""

_USABLE = select(ClientField).where(ClientField.removal_started_at.is_(None)).order_by(ClientField.id)


def client_fields_after(after: int, limit: int) -> Sequence[ClientField]:
    """The declared fields with a greater id, in order."""
    return db.session.scalars(
        select(ClientField).where(ClientField.id > after).order_by(ClientField.id).limit(limit)
    ).all()


def client_field_by_id(client_field_id: int) -> ClientField:
    """The declared field. Raises NotFound."""
    field = db.session.get(ClientField, client_field_id, populate_existing=True)
    if field is None:
        raise NotFound(ErrorCode.NO_SUCH_CLIENT_FIELD, client_field=client_field_id)
    return field


def usable_fields() -> Sequence[ClientField]:
    """The declared fields that are not being removed, in order."""
    return db.session.scalars(_USABLE).all()


def fields_of_clients() -> dict[str, Field]:
    """All fields that segments and templates may name, by name."""
    return known_fields(map(_field, usable_fields()))


def fields_of_templates() -> dict[str, Field]:
    """All fields that templates may name: those of clients, and the link to opt out."""
    return {**fields_of_clients(), OPT_OUT_LINK: OPT_OUT_FIELD}


def lock_fields(names: Collection[str]) -> dict[str, Field]:
    """Those of the declared fields that have these names, which are not removed before the end of the transaction.

    For callers that write a value of a field.
    """
    # No other text could be compared with names in the database: it has NUL, or half of a surrogate pair.
    given = [name for name in names if name.isprintable()]
    found = _USABLE.where(ClientField.name.in_(given)).with_for_update(read=True, key_share=True)
    return {row.name: _field(row) for row in db.session.scalars(found)} if given else {}


def keep_fields(names: Iterable[str], request_field: str) -> None:
    """Keeps fields with these names from being removed before the end of the transaction.

    For callers that store a segment or a template that uses them: a removal then finds it. Raises Invalid for a field
    that was removed meanwhile.
    """
    declared = {*names} - {column.name for column in COLUMNS} - {OPT_OUT_LINK}
    if missing := declared - lock_fields(declared).keys():
        raise Invalid(request_field, ErrorCode.FIELD_NOT_DECLARED, name=min(missing))


def _field(row: ClientField) -> Field:
    return Field(row.name, row.type, row.repeats_yearly)
