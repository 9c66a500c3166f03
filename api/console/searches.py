"""What operators search for in lists of clients and mailings, in pages whose cost does not grow with the tables."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, String, cast, exists, false, func, or_, select

from api.extensions import db
from api.mailings.queries import Report, reports_of
from shared.clients import MAX_PHONE_NUMBER, MIN_PHONE_NUMBER
from shared.ledger import MailingStatus
from shared.models import Client, JournalEntry, Mailing, MailingText

LOOK_BACK = 10_000
"""Mailings among which words are searched for, the latest ones: their texts have no index."""


def find_clients(
    after: int, limit: int, *, prefix: str = "", tag: str = "", operator_code: str = ""
) -> Sequence[Client]:
    """The clients whose number begins so and who have this tag and this code, those beyond `after` in their order.

    That is the order of phone numbers when a prefix is given, of ids otherwise.
    """
    given = {Client.tag: tag, Client.operator_code: operator_code}
    wanted: list[ColumnElement[bool]] = [column == value for column, value in given.items() if value]
    order = Client.phone_number if prefix else Client.id
    if prefix:
        wanted.append(or_(false(), *(Client.phone_number.between(low, high) for low, high in numbers_with(prefix))))
    found = select(Client).where(*wanted, order > after).order_by(order).limit(limit)
    return db.session.scalars(found).all()


def numbers_with(prefix: str) -> list[tuple[int, int]]:
    """The ranges of phone numbers that begin with these digits: one for each length that a number may have."""
    ranges: list[tuple[int, int]] = []
    if prefix.startswith("0"):
        return ranges
    for length in range(max(len(prefix), len(str(MIN_PHONE_NUMBER))), len(str(MAX_PHONE_NUMBER)) + 1):
        low = int(prefix) * 10 ** (length - len(prefix))
        ranges.append((low, low + 10 ** (length - len(prefix)) - 1))
    return ranges


def find_mailings(before: int, limit: int, *, words: str = "", status: MailingStatus | None = None) -> list[Report]:
    """The mailings with a lesser id whose mark, text or id has the words, the latest first."""
    wanted = [Mailing.removed_at.is_(None), Mailing.id < before]
    if status:
        wanted.append(Mailing.status == status)
    if words:
        latest = db.session.scalar(select(func.max(Mailing.id))) or 0
        wanted += [_has(words), Mailing.id > min(latest, before) - LOOK_BACK]
    return reports_of(select(Mailing).where(*wanted).order_by(Mailing.id.desc()).limit(limit))[::-1]


def find_journal(mailing_id: int, before: int, limit: int) -> Sequence[JournalEntry]:
    """The entries of a mailing's journal with a lesser id, the latest first."""
    entries = select(JournalEntry).where(JournalEntry.mailing_id == mailing_id, JournalEntry.id < before)
    return db.session.scalars(entries.order_by(JournalEntry.id.desc()).limit(limit)).all()


def _has(words: str) -> ColumnElement[bool]:
    pattern = "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    text = exists().where(
        MailingText.mailing_id == Mailing.id,
        MailingText.revision == Mailing.text_revision,
        MailingText.text.ilike(pattern),
    )
    return or_(Mailing.mark.ilike(pattern), cast(Mailing.id, String) == words, text)
