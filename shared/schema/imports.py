"""What is remembered of imports of files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.schema.base import Base


class ImportMapping(Base):
    """What people have chosen for the columns of a file, for the next file with the same ones."""

    __tablename__ = "import_mapping"

    header_hash: Mapped[str] = mapped_column(primary_key=True)
    """Of the set of the names of the columns, whatever their order."""
    columns: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """By the name of a column, its field, or null if it is ignored."""
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
