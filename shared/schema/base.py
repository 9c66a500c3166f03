"""What all tables have in common: the base class, the enums, storage options."""

from __future__ import annotations

import enum
import re
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    DateTime,
    Double,
    Enum,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, registry

from shared.domain.delivery import Delivery, ReceiptState, UndeliveredReason
from shared.domain.field_types import FieldType
from shared.domain.results import Result
from shared.domain.roles import Role
from shared.domain.statuses import MailingKind, MailingStatus, MessageStatus, OnUnknown, OverCap
from shared.domain.suppressions import InboundDecision, KeywordAction, RecordSource, SuppressionReason, SuppressionScope
from shared.domain.worker_status import GatewayHealth

INFINITY = datetime.max.replace(tzinfo=UTC)
"""PostgreSQL's 'infinity', as psycopg2 reads it."""


_PARTITION = re.compile("(message|attempt|receipt|message_unsent|message_undelivered)_[0-9]+")


class Base(DeclarativeBase):
    """A plain declarative base, so that migrations need no Flask; the API binds it to flask-sqlalchemy."""

    registry = registry(
        type_annotation_map={int: BigInteger, str: Text, datetime: DateTime(timezone=True), float: Double}
    )


def pg_enum(python_enum: type[enum.StrEnum], name: str) -> Enum:
    return Enum(python_enum, name=name, values_callable=lambda members: [member.value for member in members])


MAILING_STATUS = pg_enum(MailingStatus, "mailing_status")


MESSAGE_STATUS = pg_enum(MessageStatus, "message_status")


ATTEMPT_RESULT = pg_enum(Result, "attempt_result")


DELIVERY = pg_enum(Delivery, "delivery")


RECEIPT_STATE = pg_enum(ReceiptState, "receipt_state")


UNDELIVERED_REASON = pg_enum(UndeliveredReason, "undelivered_reason")


FIELD_TYPE = pg_enum(FieldType, "field_type")


ON_UNKNOWN = pg_enum(OnUnknown, "on_unknown")


ROLE = pg_enum(Role, "role")


GATEWAY_HEALTH = pg_enum(GatewayHealth, "gateway_health")


MAILING_KIND = pg_enum(MailingKind, "mailing_kind")


OVER_CAP = pg_enum(OverCap, "over_cap")


SUPPRESSION_SCOPE = pg_enum(SuppressionScope, "suppression_scope")


SUPPRESSION_REASON = pg_enum(SuppressionReason, "suppression_reason")


RECORD_SOURCE = pg_enum(RecordSource, "record_source")


KEYWORD_ACTION = pg_enum(KeywordAction, "keyword_action")


INBOUND_DECISION = pg_enum(InboundDecision, "inbound_decision")


def is_modelled(name: str | None, kind: str, _parents: object = None) -> bool:
    """Whether the models make a table of the database: `include_name` of Alembic. They make no partitions."""
    return kind != "table" or not _PARTITION.fullmatch(name or "")


def stored(**options: float) -> dict[str, object]:
    """Storage options of a table (PostgreSQL manual, CREATE TABLE)."""
    return {"postgresql_with": options}
