"""The directory of clients."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Identity,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.domain.client_rules import ClientWarning, warnings_about
from shared.schema.base import (
    Base,
)


class Client(Base):
    """A person in the directory."""

    __tablename__ = "client"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    phone_number: Mapped[int]
    operator_code: Mapped[str]
    tag: Mapped[str]
    timezone: Mapped[str]
    external_id: Mapped[str | None]
    """Its id in another system."""
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Its tags other than `tag`, each once, in order."""
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    """The values of declared fields by name, in the form that FieldType says. A missing value has no key."""
    unknown_subscriber_count: Mapped[int] = mapped_column(Integer, server_default="0")
    """How many messages in a row its provider could not deliver because the number is not assigned."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("phone_number", name="client_phone_number_key"),
        # Partial, and so no key that a foreign key could refer to: an import that changes it takes the same lock as one
        # that changes a tag, for which no launch waits.
        Index("client_external_id_key", "external_id", unique=True, postgresql_where=text("external_id IS NOT NULL")),
        CheckConstraint("NOT tag = ANY (tags)", name="client_tags_are_others"),
        CheckConstraint("jsonb_typeof(attributes) = 'object'", name="client_attributes_are_an_object"),
        CheckConstraint("phone_number BETWEEN 1000000 AND 999999999999999", name="client_phone_number_is_e164"),
        CheckConstraint(
            "operator_code ~ '^[0-9]+$' AND position(operator_code in phone_number::text) > 0",
            name="client_operator_code_in_phone_number",
        ),
        # A launch walks its audience in id order, by operator code and by tag.
        Index("client_operator_code_id_idx", "operator_code", "id"),
        Index("client_tag_id_idx", "tag", "id"),
        # For conditions of segments. Attributes have no index: a scan counts a million clients in less than a second,
        # and most conditions match too many clients for an index to help.
        Index("client_tags_idx", "tags", postgresql_using="gin", postgresql_where=text("tags <> '{}'")),
        # The few whose number may not be in service.
        Index("client_unknown_subscriber_idx", "id", postgresql_where=text("unknown_subscriber_count > 0")),
    )

    @property
    def all_tags(self) -> list[str]:
        """Its tags, `tag` among them, each once, in order."""
        return sorted({*self.tags, self.tag} - {""})

    @property
    def warnings(self) -> list[ClientWarning]:
        """What is legal but probably not intended."""
        return warnings_about(self.phone_number)
