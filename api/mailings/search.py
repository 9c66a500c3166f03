"""Search of mailings by number, date, words and status, latest first.

Texts have no index: substring search by an index needs an extension (pg_trgm) that not every server has. Ten thousand
mailings of 150 characters are scanned in some 50 ms on one core, a million in three to six seconds. A search that takes
longer than BUDGET stops, and reports how far it has scanned.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, false, func, or_, select, tuple_

from api.extensions import db
from api.http.fields import whole_number
from api.http.local_time import local_moment
from api.mailings.queries import MailingSummary, summaries_of
from shared.domain.statuses import MailingKind, MailingStatus
from shared.domain.tag_normalization import normal
from shared.schema import Mailing, MailingText

BUDGET = 5.0
"""Seconds after which a search stops at the end of a chunk, with what it has found so far."""

FIRST_CHUNK, LAST_CHUNK = 2_000, 100_000
"""Mailings scanned by one statement: few at first, since common words are found soon; then five times as many each
time, up to a statement of some tenths of a second."""

_DATES = (
    re.compile(r"(?<!\d)(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})(?!\d)"),
)
_NUMBER = re.compile(r"(?:#|№|No\.?)?\s*(\d+)", re.IGNORECASE | re.ASCII)


class Search(NamedTuple):
    """The parsed search."""

    words: str = ""
    """As typed: a mailing matches if its mark or its text contains them."""
    number: int | None = None
    """A mailing also matches if it has this number."""
    day: tuple[datetime, datetime] | None = None
    """A mailing also matches if it starts within this day and contains `rest`."""
    rest: str = ""
    status: MailingStatus | None = None
    """A mailing must be in this status in any case."""


def read_search(typed: str, zone: str, status: MailingStatus | None = None) -> Search:
    """Parses the search of a person in that time zone: 30.11.2026 or 2026-11-30 is also a day, 7 also a number."""
    number = _NUMBER.fullmatch(typed)
    for pattern in _DATES:
        found = pattern.search(typed)
        if found and (day := _day(found, zone)):
            rest = f"{typed[: found.start()].rstrip()} {typed[found.end() :].lstrip()}".strip()
            return Search(typed, None, day, rest, status)
    return Search(typed, whole_number(number[1]) if number else None, status=status)


class MailingSearchPage:
    """Scans mailings by descending number for a page of matches. For one request."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self.reached: int | None = None
        """Mailings with smaller numbers were not scanned, because of BUDGET. None if all were scanned, or the page is
        full."""

    def of_number(self) -> MailingSummary | None:
        """The mailing whose number was typed; `page` leaves it out."""
        number, status = self._search.number, self._search.status
        if number is None:
            return None
        named = select(Mailing).where(Mailing.id == number, Mailing.deleted_at.is_(None))
        summaries = summaries_of(named.where(Mailing.status == status) if status else named)
        return summaries[0] if summaries else None

    def page(self, before: int, limit: int) -> list[MailingSummary]:
        """The matching mailings with a smaller number, latest first, at most `limit`."""
        ids = self._matching(before, limit) if self._search.words else self._listed(before, limit)
        return summaries_of(select(Mailing).where(Mailing.id.in_(ids)))[::-1] if ids else []

    def _listed(self, before: int, limit: int) -> Sequence[int]:
        found = select(Mailing.id).where(Mailing.id < before, *self._conditions())
        return db.session.scalars(found.order_by(Mailing.id.desc()).limit(limit)).all()

    def _matching(self, before: int, limit: int) -> Sequence[int]:
        until, chunk, found = time.monotonic() + BUDGET, FIRST_CHUNK, list[int]()
        high = min(before, (db.session.scalar(select(func.max(Mailing.id))) or 0) + 1)
        while high > 1 and len(found) < limit:
            if chunk > FIRST_CHUNK and time.monotonic() > until:
                self.reached = high
                break
            low = max(1, high - chunk)
            found += self._of_chunk(low, high, limit - len(found))
            high, chunk = low, min(LAST_CHUNK, chunk * 5)
        return found

    def _of_chunk(self, low: int, high: int, limit: int) -> Sequence[int]:
        search = self._search
        by_day: ColumnElement[bool] = false()
        if search.day:
            since, until = search.day
            on_day = and_(Mailing.start_datetime >= since, Mailing.start_datetime < until)
            by_day = and_(on_day, _has(search.rest, low, high)) if search.rest else on_day
        matching = select(Mailing.id).where(
            Mailing.id >= low, Mailing.id < high, or_(_has(search.words, low, high), by_day), *self._conditions()
        )
        return db.session.scalars(matching.order_by(Mailing.id.desc()).limit(limit)).all()

    def _conditions(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [Mailing.deleted_at.is_(None)]
        if not self._search.words:
            # Replies are many small mailings that nobody has planned. A search finds them, by their mark for example.
            wanted.append(Mailing.kind != MailingKind.REPLY)
        if self._search.status:
            wanted.append(Mailing.status == self._search.status)
        if self._search.number is not None:
            wanted.append(Mailing.id != self._search.number)
        return wanted


def _has(words: str, low: int, high: int) -> ColumnElement[bool]:
    # Evaluated once for the chunk, not per mailing: as a subquery, which is hashed.
    texts = select(MailingText.mailing_id, MailingText.revision).where(
        MailingText.mailing_id >= low, MailingText.mailing_id < high, MailingText.text.ilike(_containing(words))
    )
    return or_(Mailing.mark.ilike(_containing(normal(words))), tuple_(Mailing.id, Mailing.text_revision).in_(texts))


def _containing(words: str) -> str:
    return "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


def _day(found: re.Match[str], zone: str) -> tuple[datetime, datetime] | None:
    try:
        first = date(int(found["year"]), int(found["month"]), int(found["day"]))
        since, until = (local_moment(f"{day}T00:00", zone) for day in (first, first + timedelta(days=1)))
    except (ValueError, OverflowError):
        return None
    return (since, until) if since and until else None
