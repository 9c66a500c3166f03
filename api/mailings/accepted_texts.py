"""The accepted messages of a mailing, and the segments of those whose attempts do not say how many they took.

Workers count segments only where they have a price.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from api.bounded_reads import ReadTimeout, bounded_reads
from api.extensions import db
from api.gateways.queries import gateway_names
from api.gateways.text_rules import rules_of_gateways
from shared.domain.reasons import ReasonCode
from shared.domain.templates import RenderError, StoredText
from shared.gateways.text_rules import ANY_RULES, TextRules
from shared.schema import MailingText

PAGE = 2000
"""Texts that are read at once."""

# The accepted attempts of a mailing, a row for each message and gateway. A message that its gateway knew already was
# charged once: its repeat counts only if no other attempt does. A message that was accepted twice was charged twice.
# Where a receipt or a person has said that the gateway has it, the last attempt in doubt is the accepted one.
ACCEPTED = f"""
    SELECT gateway, text_revision, text_values,
        coalesce(sum(segments) FILTER (WHERE result <> 'duplicate'), max(segments)) AS segments,
        coalesce(sum(price) FILTER (WHERE result <> 'duplicate'), max(price)) AS price
    FROM message JOIN attempt ON message_id = message.id
    WHERE mailing_id = %(mailing_id)s AND (result IN ('accepted', 'duplicate')
        OR attempt.reason_params ->> 'late_result' IN ('accepted', 'duplicate')
        OR (message.status = 'sent'
            AND message.reason_code IN ('{ReasonCode.RECEIPT_CAME}', '{ReasonCode.RESOLVED_ARRIVED}')
            AND result = 'ambiguous' AND number = (
                SELECT max(number) FROM attempt AS last WHERE last.message_id = message.id AND result = 'ambiguous')))
    GROUP BY message.id, gateway, text_revision, text_values
"""  # noqa: S608  put together of constants

_READ_UNCOUNTED = f"""
SELECT gateway, text_revision, text_values, count(*) AS messages
FROM ({ACCEPTED}) AS accepted
WHERE segments IS NULL AND text_values IS NOT NULL
GROUP BY gateway, text_revision, text_values
"""  # noqa: S608  put together of constants


class AcceptedTexts(NamedTuple):
    """Messages of one text that a gateway has accepted."""

    gateway: str
    text_revision: int | None
    messages: int


class Counted(NamedTuple):
    """Messages whose segments were counted."""

    messages: int = 0
    segments: int = 0


class _FilledIn(NamedTuple):
    """A row of _READ_UNCOUNTED."""

    gateway: str
    text_revision: int | None
    text_values: list[str | None]
    messages: int


class _Counter:
    """Counts segments in the texts of a mailing."""

    def __init__(self, mailing_id: int, revisions: Collection[int | None]) -> None:
        of_mailing = select(MailingText).where(MailingText.mailing_id == mailing_id)
        found = db.session.scalars(of_mailing.where(MailingText.revision.in_(revisions)))
        self._texts = {text.revision: StoredText(text.text, text.fields, text.field_types) for text in found}
        rules = rules_of_gateways()
        self._rules: Mapping[str, TextRules] = {
            gateway.name: rules.get(gateway_id, ANY_RULES) for gateway_id, gateway in gateway_names().items()
        }
        self.counted: dict[tuple[str, int | None], Counted] = {}

    def is_plain(self, revision: int | None) -> bool:
        text = self._texts.get(revision or 0)
        return text is not None and text.fields is None

    def add(self, accepted: AcceptedTexts, values: Sequence[str | None] | None) -> None:
        """Counts these messages, unless there is no text for the values."""
        text = self._texts.get(accepted.text_revision or 0)
        if text is None:
            return
        try:
            segments = self._rules[accepted.gateway].count_segments(text.body(values))
        except RenderError:
            return
        key = accepted.gateway, accepted.text_revision
        before = self.counted.get(key, Counted())
        messages = before.messages + accepted.messages
        self.counted[key] = Counted(messages, before.segments + accepted.messages * segments)


def segments_of_uncounted(
    mailing_id: int, uncounted: Sequence[AcceptedTexts], seconds: float
) -> Mapping[tuple[str, int | None], Counted]:
    """The segments of the accepted messages whose attempts do not have their number, by gateway and text.

    The texts of templates are made again. Those for which so many seconds are not enough are left out.
    """
    counter = _Counter(mailing_id, {accepted.text_revision for accepted in uncounted})
    for accepted in uncounted:
        if counter.is_plain(accepted.text_revision):
            counter.add(accepted, None)
    if all(counter.is_plain(accepted.text_revision) for accepted in uncounted):
        return counter.counted
    try:
        with bounded_reads(seconds) as connection:
            _count_filled_in(connection, mailing_id, counter, time.monotonic() + seconds)
    except ReadTimeout:
        pass
    return counter.counted


def _count_filled_in(connection: Connection, mailing_id: int, counter: _Counter, deadline: float) -> None:
    statement = f"DECLARE accepted_texts NO SCROLL CURSOR FOR {_READ_UNCOUNTED}"
    connection.exec_driver_sql(statement, {"mailing_id": mailing_id})
    while time.monotonic() < deadline:
        page = [_FilledIn(**row._mapping) for row in connection.exec_driver_sql(f"FETCH {PAGE:d} FROM accepted_texts")]
        for row in page:
            counter.add(AcceptedTexts(row.gateway, row.text_revision, row.messages), row.text_values)
        if len(page) < PAGE:
            return
