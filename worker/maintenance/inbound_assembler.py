"""Putting inbound messages together of their parts. (The rules: shared/domain/inbound.py.)

A message is stored when its last part has come, or ten minutes after the first one; a later part completes it. One
worker at a time does that, in one transaction: every part is taken once. Keywords act in the same transaction
(keyword_actions.py).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.inbound import MAX_SPREAD, MAX_WAIT, Assembly, ReceivedPart, assemble, sender_phone_number
from shared.domain.keywords import Recognized, recognize
from shared.domain.suppressions import KeywordAction
from shared.json_parameter import json_parameter
from shared.sql import inbound
from worker.database import Database
from worker.maintenance.keyword_actions import Applied, apply_keywords
from worker.maintenance.keyword_rows import KeywordMessage
from worker.parameters import bigints
from worker.rows import fetch_all
from worker.telemetry.keyword_totals import KeywordTotals

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 500
"""Messages put together in one transaction: some tens of milliseconds of work."""


class PartRow(NamedTuple):
    """A row of READ_PARTS."""

    message_key: int
    """The same for parts that may be of one message."""
    id: int
    gateway_id: int
    sender: str
    recipient: str
    reference: str | None
    parts: int
    part: int
    text: str
    received_at: datetime
    sent_at: datetime | None
    inbound_message_id: int | None
    read_at: datetime
    """The database's time."""


class StoredMessage(NamedTuple):
    """A row of LOCK_MESSAGES."""

    id: int
    parts_received: int
    is_decided: bool
    """Whether its keyword was carried out, or a person has decided about it."""


class LockedPart(NamedTuple):
    """A row of LOCK_PARTS."""

    id: int


class StoredPart(NamedTuple):
    """A row of ADD_MESSAGES and ADD_PARTS."""

    part_id: int
    message_id: int


NOT_RECOGNIZED = Recognized()


@dataclass(frozen=True)
class Found:
    """A message that is ready to be stored, or has got further parts."""

    assembly: Assembly
    sample: PartRow
    """One of its parts: all have the same sender and so on."""
    is_recognized: bool = True
    """Whether its text is looked at for a keyword: not if it was before."""

    @cached_property
    def phone_number(self) -> int | None:
        """The sender's; None for a name or a short code, which cannot be suppressed."""
        return sender_phone_number(self.sample.sender)

    @cached_property
    def recognized(self) -> Recognized:
        """The keyword of its text. That of an incomplete one is a near miss at most."""
        if not self.is_recognized or self.phone_number is None:
            return NOT_RECOGNIZED
        found = recognize(self.assembly.text)
        if found.action is not None and not self.assembly.is_complete:
            return replace(found, action=None, near_miss=found.action)
        return found

    def as_json(self) -> dict[str, object]:
        """An object of ADD_MESSAGES and ADD_PARTS."""
        message, sample, recognized = self.assembly, self.sample, self.recognized
        return {
            "id": message.message_id,
            "gateway_id": sample.gateway_id,
            "sender": sample.sender,
            "phone_number": self.phone_number,
            "recipient": sample.recipient,
            "text": message.text,
            "parts": message.parts,
            "parts_received": len(message.received),
            "sent_at": None if message.sent_at is None else message.sent_at.isoformat(),
            "received_at": message.received_at.isoformat(),
            "part_ids": [part.id for part in message.new],
            "keyword": recognized.keyword,
            "keyword_action": recognized.action or recognized.near_miss,
            "keyword_is_exact": None if recognized.keyword is None else recognized.is_exact,
            "decision": recognized.action,
            "is_recognized": self.is_recognized,
        }

    def as_keyword(self, message_id: int) -> KeywordMessage | None:
        """The message to be carried out; None if it is not a keyword and nothing else."""
        sample, recognized = self.sample, self.recognized
        if recognized.action is None or self.phone_number is None:
            return None
        return KeywordMessage(
            id=message_id,
            gateway_id=sample.gateway_id,
            phone_number=self.phone_number,
            recipient=sample.recipient,
            text=self.assembly.text,
            sent_at=self.assembly.sent_at,
            received_at=self.assembly.received_at,
            action=recognized.action,
            languages=recognized.languages,
        )


class Stored(NamedTuple):
    """What one transaction has stored."""

    messages: int
    """New ones."""
    incomplete: int
    """Those of them with missing parts."""
    changed: int
    """Messages that got further parts."""
    has_more: bool
    keywords: Sequence[Recognized] = ()
    """The keywords that were found."""
    applied: Applied = Applied()
    """What they did."""


NOTHING = Stored(0, 0, 0, False)


class InboundAssembler:
    """Puts inbound messages together. For one thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.totals = KeywordTotals()
        """The keywords found so far."""

    def run(self) -> bool:
        """Stores about MESSAGE_LIMIT messages at most. Returns whether there may be more."""
        stored = self._database.transaction(self._assemble)
        if stored.messages or stored.changed:
            extra = {"messages": stored.messages, "incomplete": stored.incomplete, "changed": stored.changed}
            log.info("inbound.assembled", extra=extra)
        if stored.keywords:
            self._count(stored)
        return stored.has_more

    def _count(self, stored: Stored) -> None:
        actions = Counter(recognized.action for recognized in stored.keywords)
        near_misses = actions.pop(None, 0)
        for action, messages in actions.items():
            if action is not None:
                self.totals.exact[action] += messages
        self.totals.near_misses += near_misses
        self.totals.replies += stored.applied.replies
        counts = {str(action): actions[action] for action in KeywordAction}
        log.info("keywords.applied", extra={**counts, "near_misses": near_misses, **stored.applied._asdict()})

    def _assemble(self, cursor: Cursor) -> Stored:
        cursor.execute(inbound.LOCK_INBOUND)
        if cursor.fetchone() != (True,):
            return NOTHING
        cursor.execute(inbound.READ_PARTS, {"wait": MAX_WAIT, "spread": MAX_SPREAD, "limit": MESSAGE_LIMIT})
        read = [list(alike) for _, alike in groupby(fetch_all(cursor, PartRow), attrgetter("message_key"))]
        found = _with_all_parts(cursor, [one for alike in read for one in _ready(alike)])
        new = [one for one in found if one.assembly.message_id is None]
        changed = _lock(cursor, [one for one in found if one.assembly.message_id is not None])
        stored = _store(cursor, inbound.ADD_MESSAGES, new) + _store(cursor, inbound.ADD_PARTS, changed)
        applied = apply_keywords(cursor, stored)
        incomplete = sum(not one.assembly.is_complete for one in new)
        has_more = len(read) == MESSAGE_LIMIT and bool(new or changed)
        keywords = [one.recognized for one in (*new, *changed) if one.recognized.keyword is not None]
        return Stored(len(new), incomplete, len(changed), has_more, keywords, applied)


def _ready(alike: Sequence[PartRow]) -> Iterable[Found]:
    """What is to be stored of parts that have the same sender, reference and so on."""
    sample = alike[0]
    received = [
        ReceivedPart(row.id, row.part, row.text, row.received_at, row.sent_at, row.inbound_message_id) for row in alike
    ]
    for assembly in assemble(sample.parts, received, has_reference=sample.reference is not None):
        if assembly.new and assembly.is_ready(sample.read_at):
            yield Found(assembly, sample)


def _with_all_parts(cursor: Cursor, found: Sequence[Found]) -> list[Found]:
    """Those whose new parts are all still there. They are locked."""
    if not found:
        return []
    cursor.execute(inbound.LOCK_PARTS, {"ids": bigints(part.id for one in found for part in one.assembly.new)})
    there = {part.id for part in fetch_all(cursor, LockedPart)}
    return [one for one in found if there.issuperset(part.id for part in one.assembly.new)]


def _lock(cursor: Cursor, found: Sequence[Found]) -> list[Found]:
    """Those of these stored messages that nobody else has locked."""
    if not found:
        return []
    cursor.execute(inbound.LOCK_MESSAGES, {"ids": bigints(one.assembly.message_id or 0 for one in found)})
    locked = {message.id: message for message in fetch_all(cursor, StoredMessage)}
    return [
        replace(one, is_recognized=not stored.is_decided and stored.parts_received < len(one.assembly.received))
        for one in found
        if (stored := locked.get(one.assembly.message_id or 0))
    ]


def _store(cursor: Cursor, statement: str, found: Sequence[Found]) -> list[KeywordMessage]:
    """Stores messages with their parts. Returns those that are keywords."""
    if not found:
        return []
    part_ids = bigints(part.id for one in found for part in one.assembly.new)
    cursor.execute(statement, {"messages": json_parameter([one.as_json() for one in found]), "part_ids": part_ids})
    stored = dict(fetch_all(cursor, StoredPart))
    keywords = (one.as_keyword(stored[one.assembly.new[0].id]) for one in found)
    return [keyword for keyword in keywords if keyword is not None]
