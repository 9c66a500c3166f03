"""Reads behind the links: the secret, and the message of a link."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from api.database import execute
from api.extensions import db
from shared.domain.suppressions import SuppressionScope
from shared.schema import SendingRules

# A message with its number, and the language that its client is known to prefer.
_READ_MESSAGE = f"""
SELECT message.id, mailing_id, message.phone_number,
    (SELECT attributes ->> 'language' FROM client WHERE client.id = message.client_id AND EXISTS (
        SELECT FROM client_field WHERE name = 'language' AND removal_started_at IS NULL)) AS language,
    EXISTS (
        SELECT FROM suppression
        WHERE suppression.phone_number = message.phone_number AND scope = '{SuppressionScope.EVERYTHING}'
            AND lifted_at IS NULL
    ) AS has_opted_out
FROM message
WHERE message.id = %(id)s
"""  # noqa: S608  put together of constants


class LinkedMessage(NamedTuple):
    """The message of a link."""

    id: int
    mailing_id: int
    phone_number: int
    """0 if it was erased."""
    language: str | None
    """The client's attribute `language`, if that is declared."""
    has_opted_out: bool
    """Whether its number gets no messages at all."""


class Rules(NamedTuple):
    """What links need of the rules of sending."""

    opt_out_secret: bytes
    reply_language: str


def rules() -> Rules:
    """The secret that links are signed with, and the language for those whose language is unknown."""
    return Rules(*db.session.execute(select(SendingRules.opt_out_secret, SendingRules.reply_language)).one())


def message_by_id(message_id: int) -> LinkedMessage | None:
    """The message; None if it is not kept any more."""
    row = execute(_READ_MESSAGE, {"id": message_id}).one_or_none()
    return LinkedMessage(**row._mapping) if row else None
