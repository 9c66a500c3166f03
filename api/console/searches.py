"""What operators search for in lists of clients and in journals, in pages whose cost does not grow with the tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import ColumnElement, false, or_, select

from api.extensions import db
from shared.clients import MAX_PHONE_NUMBER, MIN_PHONE_NUMBER
from shared.models import Client, JournalEntry

PHONE = re.compile(r"\s*|[\s+().-]*[0-9][0-9\s().-]*")
NOT_DIGITS = re.compile(r"[^0-9]")


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


def digits_of(typed: str) -> str | None:
    """The digits of a phone number, or of a part of one, as people write it; none for what is no such thing."""
    return NOT_DIGITS.sub("", typed) if PHONE.fullmatch(typed) else None


def numbers_with(prefix: str) -> list[tuple[int, int]]:
    """The ranges of phone numbers that begin with these digits: one for each length that a number may have."""
    ranges: list[tuple[int, int]] = []
    if prefix.startswith("0"):
        return ranges
    for length in range(max(len(prefix), len(str(MIN_PHONE_NUMBER))), len(str(MAX_PHONE_NUMBER)) + 1):
        low = int(prefix) * 10 ** (length - len(prefix))
        ranges.append((low, low + 10 ** (length - len(prefix)) - 1))
    return ranges


def find_journal(mailing_id: int, before: int, limit: int) -> Sequence[JournalEntry]:
    """The entries of a mailing's journal with a lesser id, the latest first."""
    entries = select(JournalEntry).where(JournalEntry.mailing_id == mailing_id, JournalEntry.id < before)
    return db.session.scalars(entries.order_by(JournalEntry.id.desc()).limit(limit)).all()
