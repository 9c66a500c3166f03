"""Gateways, routes and paths: through whom messages go."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.schema.base import Base, stored


class Gateway(Base):
    """An account at a provider. Never deleted, since attempts name it: a removed one has `removed_at`.

    The row `default` (id 1) is the gateway of GATEWAY_URL: its address and token come from the workers' environment.
    """

    __tablename__ = "gateway"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    """Never changed: attempts and metrics name it."""
    provider: Mapped[str]
    """The name of a provider of shared/gateways/registry.py."""
    address: Mapped[str] = mapped_column(server_default="")
    """The base URL; empty for the provider's public address."""
    sender: Mapped[str] = mapped_column(server_default="")
    options: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    """The provider's fields that are not secret."""
    credentials: Mapped[str | None]
    """The secret fields, encrypted (shared/credentials.py); None if there are none."""
    rate: Mapped[float] = mapped_column(server_default="0")
    """Requests a second of all workers together; 0 is no limit."""
    concurrency: Mapped[int | None] = mapped_column(Integer)
    """Requests at once of one worker at most; None for WORKER_CONCURRENCY."""
    receipts: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether the provider is expected to report deliveries."""
    receipt_hours: Mapped[int] = mapped_column(Integer, server_default="72")
    """Hours after which a missing receipt is not expected any more."""
    poll_receipts: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether workers ask the provider for deliveries, since its callbacks do not reach us."""
    no_receipt_prefixes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Beginnings of phone numbers for which the provider is known to send no receipts."""
    min_delivery_percent: Mapped[int | None] = mapped_column(SmallInteger)
    """Percent of messages to be delivered within ten minutes, or routes avoid it; None for half of its usual share."""
    callback_token: Mapped[str] = mapped_column(
        server_default=text("replace(((gen_random_uuid())::text || (gen_random_uuid())::text), '-'::text, ''::text)")
    )
    """The secret part of the addresses that the provider calls."""
    segment_price: Mapped[Decimal | None] = mapped_column(Numeric(12, 6))
    currency: Mapped[str | None]
    """An ISO 4217 code."""
    revision: Mapped[int] = mapped_column(Integer, server_default="1")
    """Increased by every change: workers compare it."""
    paused_at: Mapped[datetime | None]
    """Since when nothing is submitted to it."""
    removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        Index("gateway_name_key", "name", unique=True),
        CheckConstraint("rate >= 0", name="gateway_rate_is_not_negative"),
        CheckConstraint("min_delivery_percent BETWEEN 0 AND 100", name="gateway_min_delivery_is_a_percentage"),
        CheckConstraint("(segment_price IS NULL) = (currency IS NULL)", name="gateway_price_has_a_currency"),
    )


class GatewayAvailability(Base):
    """Whether messages that may take several gateways are given to this one. Workers keep it."""

    __tablename__ = "gateway_availability"

    gateway_id: Mapped[int] = mapped_column(ForeignKey("gateway.id", ondelete="CASCADE"), primary_key=True)
    available: Mapped[bool] = mapped_column(server_default=text("true"))
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    well_since: Mapped[datetime | None]
    """While it is unavailable: since when workers have had no failure with it."""
    failovers: Mapped[int] = mapped_column(Integer, server_default="0")
    """How often it became unavailable without a long healthy time in between."""

    __table_args__ = (
        # Few rows, changed in place.
        stored(fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500),
    )


class Route(Base):
    """Which gateways messages may take. The row `default` (id 1) is for those that no other route matches."""

    __tablename__ = "route"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    name: Mapped[str]
    prefixes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Beginnings of phone numbers; the longest one that matches decides."""
    operator_codes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    """Clients with one of these take the route if no prefix matches."""
    removed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("route_name_key", "name", unique=True, postgresql_where=text("removed_at IS NULL")),)


class Path(Base):
    """An ordered list of gateways, for a share of the messages of a route.

    An ordered route has one path. A weighted one has a path for each gateway, which begins with it. Each gateway also
    has its own path without a route, for messages that only it may get.
    """

    __tablename__ = "path"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    route_id: Mapped[int | None] = mapped_column(ForeignKey("route.id", ondelete="CASCADE"))
    weight: Mapped[int] = mapped_column(Integer, server_default="100")
    """The share of new messages, among the weights of its route; 0 for none."""
    gateway_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    gateway_id: Mapped[int | None]
    """The one of them that gets the messages now: the first one that is available. Workers change it."""

    __table_args__ = (
        CheckConstraint("weight >= 0", name="path_weight_is_not_negative"),
        Index("path_route_id_idx", "route_id"),
        Index("path_of_one_gateway_key", "gateway_ids", unique=True, postgresql_where=text("route_id IS NULL")),
    )
