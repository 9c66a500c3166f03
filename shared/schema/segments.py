"""What people keep for the next mailing: fields of clients, segments, lists of numbers, templates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    UniqueConstraint,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.field_types import FieldType
from shared.schema.base import FIELD_TYPE, Base


class ClientField(Base):
    """A declared field of clients. `client.attributes` has the values, by the field's name."""

    __tablename__ = "client_field"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    """As templates and segments name it: letters, digits and `_`, in lower case. Never changed."""
    type: Mapped[FieldType] = mapped_column(FIELD_TYPE)
    """Never changed."""
    label: Mapped[str] = mapped_column(server_default="")
    """As the console shows it; empty for the name."""
    repeats_yearly: Mapped[bool] = mapped_column(server_default=text("false"))
    """For a date: `within 7 days` means its next anniversary, as of a birthday."""
    removal_started_at: Mapped[datetime | None]
    """Since when its values are being removed: nothing may use it any more."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("name", name="client_field_name_key"),
        CheckConstraint("type = 'date' OR NOT repeats_yearly", name="client_field_only_dates_repeat"),
    )


class Segment(Base):
    """A saved condition on clients. Never deleted, since mailings refer to it: a removed one has `removed_at`."""

    __tablename__ = "segment"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    text: Mapped[str]
    """As it was typed."""
    tree: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The same as a syntax tree (shared/domain/segments/tree.py): workers read this."""
    removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("segment_name_key", "name", unique=True, postgresql_where=literal_column("removed_at IS NULL")),
    )


class NumberList(Base):
    """An uploaded list of phone numbers, for segments."""

    __tablename__ = "number_list"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    numbers: Mapped[int] = mapped_column(server_default=text("0"))
    """How many there are."""
    is_complete: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether it can be used: not while it is uploaded or removed. Until then its name is made up."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("name", name="number_list_name_key"),)


class NumberListEntry(Base):
    """A number of a list."""

    __tablename__ = "number_list_entry"

    list_id: Mapped[int] = mapped_column(ForeignKey("number_list.id", ondelete="CASCADE"), primary_key=True)
    phone_number: Mapped[int] = mapped_column(primary_key=True)


class Template(Base):
    """A saved text for mailings."""

    __tablename__ = "template"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    revision: Mapped[int] = mapped_column(Integer, server_default="1")
    """Of its present text."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (UniqueConstraint("name", name="template_name_key"),)


class TemplateText(Base):
    """A text of a template, one per revision."""

    __tablename__ = "template_text"

    template_id: Mapped[int] = mapped_column(ForeignKey("template.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(server_default=func.now())
    written_by_name: Mapped[str | None]
    """The author's name at that time; None for a command."""

    __table_args__ = (
        CheckConstraint("octet_length(text) BETWEEN 1 AND 6400", name="template_text_is_1_to_1600_characters"),
    )
