"""The directory of clients."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Identity,
    Index,
    UniqueConstraint,
    func,
)
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
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        UniqueConstraint("phone_number", name="client_phone_number_key"),
        CheckConstraint("phone_number BETWEEN 1000000 AND 999999999999999", name="client_phone_number_is_e164"),
        CheckConstraint(
            "operator_code ~ '^[0-9]+$' AND position(operator_code in phone_number::text) > 0",
            name="client_operator_code_in_phone_number",
        ),
        # A launch walks its audience in id order, by operator code and by tag.
        Index("client_operator_code_id_idx", "operator_code", "id"),
        Index("client_tag_id_idx", "tag", "id"),
    )

    @property
    def warnings(self) -> list[ClientWarning]:
        """What is legal but probably not intended."""
        return warnings_about(self.phone_number)
