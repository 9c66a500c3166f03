"""Rescheduling of messages that wait for a local window or a cap, after a change of what they wait for."""

from __future__ import annotations

import logging
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.sql import rescheduling
from worker.database import Database
from worker.parameters import bigints
from worker.rows import fetch_all

log = logging.getLogger(__name__)

CHUNK = 5000
"""Messages of one transaction: some hundreds of milliseconds if all of them change."""


class Request(NamedTuple):
    """A row of TAKE_REQUEST."""

    mailing_id: int
    last_message_id: int
    is_launched: bool
    """Whether all of its messages exist."""
    is_over: bool
    """Whether nothing of it waits any more."""


class NextMessage(NamedTuple):
    """A row of LOCK_NEXT."""

    id: int
    is_pending: bool


class RuleChangeRescheduler:
    """Goes through the messages of mailings for which it was requested. For one thread."""

    def __init__(self, database: Database, chunk: int = CHUNK) -> None:
        """`chunk`: messages of one transaction."""
        self._database = database
        self._chunk = chunk
        self._after = 0

    def run(self) -> bool:
        """One chunk of one mailing, a different one each time if there are several. Returns whether there is more to
        do at once.
        """

        def work(cursor: Cursor) -> tuple[Request | None, int, int]:
            cursor.execute(rescheduling.TAKE_REQUEST, {"after": self._after})
            request = next(iter(fetch_all(cursor, Request)), None)
            return (None, 0, 0) if request is None else (request, *self._advance(cursor, request))

        request, passed, changed = self._database.transaction(work)
        self._after = 0 if request is None else request.mailing_id
        if request is not None and changed:
            log.info("messages.rescheduled", extra={"mailing_id": request.mailing_id, "messages": changed})
        return passed == self._chunk

    def _advance(self, cursor: Cursor, request: Request) -> tuple[int, int]:
        """The numbers of messages that were passed and that are due at another time now."""
        given = {"mailing_id": request.mailing_id, "last_message_id": request.last_message_id}
        found: list[NextMessage] = []
        if not request.is_over:
            cursor.execute(rescheduling.LOCK_NEXT, {**given, "limit": self._chunk})
            found = fetch_all(cursor, NextMessage)
        changed = 0
        if pending := [one.id for one in found if one.is_pending]:
            cursor.execute(rescheduling.RESCHEDULE, {"ids": bigints(pending)})
            changed = cursor.rowcount
            cursor.execute(rescheduling.RESCHEDULE_OVER_CAP, {"ids": bigints(pending)})
            changed += cursor.rowcount
        if request.is_over or (request.is_launched and len(found) < self._chunk):
            cursor.execute(rescheduling.END_REQUEST, given)
        elif found:
            cursor.execute(rescheduling.ADVANCE, {**given, "last_message_id": found[-1].id})
        return len(found), changed
