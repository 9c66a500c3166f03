"""The rows that keywords of inbound messages are carried out with."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from shared.domain.suppressions import KeywordAction


class KeywordMessage(NamedTuple):
    """A complete inbound message of a phone number, which is a keyword and nothing else."""

    id: int
    gateway_id: int
    phone_number: int
    recipient: str
    text: str
    sent_at: datetime | None
    received_at: datetime
    action: KeywordAction
    languages: tuple[str, ...]
    """The languages (ISO 639-1) that have the keyword."""


class GatewayRow(NamedTuple):
    """A row of LOCK_GATEWAYS."""

    id: int
    name: str
    is_open: bool
    """Whether it is neither paused nor removed."""
    path_id: int | None
    """The path that takes this gateway alone."""


class ClientRow(NamedTuple):
    """A row of READ_CLIENTS."""

    id: int
    phone_number: int
    language: str | None


class LockedClient(NamedTuple):
    """A row of LOCK_CLIENTS."""

    id: int
    phone_number: int


class SuppressionRow(NamedTuple):
    """A row of LIFT_REFUSALS and FIND_KEPT."""

    id: int
    phone_number: int
